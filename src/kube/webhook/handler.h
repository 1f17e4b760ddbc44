// The HTTP side of webhooks: the Admissions that run inside the embedded API server, asked over the wire by another's.
// Lives on its server's loop.
#pragma once

#include <memory>
#include <vector>

#include "core/http/message.h"
#include "kube/control/admission.h"
#include "kube/webhook/conversion.h"

namespace aviary::webhook {

// Where an API server asks: POST an AdmissionReview, or to the last a ConversionReview.
inline constexpr std::string_view kMutatePath = "/mutate";
inline constexpr std::string_view kValidatePath = "/validate";
inline constexpr std::string_view kConvertPath = "/convert";

// Answers questions at these paths and 404 elsewhere, also at the last where nothing converts. A question that no
// Admission matches is let through.
std::shared_ptr<http::Handler> make_handler(std::vector<std::shared_ptr<control::Admission>> admissions,
                                            Converter convert = {});

}   // namespace aviary::webhook
