// AdmissionReview admission.k8s.io/v1: what an API server asks a webhook, and the answer. Pure.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/admission.h"

namespace aviary::webhook {

struct Review {
    std::string uid;   // of the question; the answer carries it
    control::AdmissionRequest request;
};

// Invalid says which part of the review is missing or of the wrong type. CONNECT is Unsupported.
Result<Review> read_review(json::Doc const& review);

// Lets the write through: `before` is the object as it was asked about, and the answer carries what changes it.
json::Value allow(Review const& review, json::Value const& before);
// Refuses it with the Error's code and message.
json::Value refuse(std::string const& uid, Error const& error);

}   // namespace aviary::webhook
