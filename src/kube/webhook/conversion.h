// Conversion of custom resources behind a webhook: an API server asks in a ConversionReview for objects in another
// version. Pure.
#pragma once

#include <functional>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::webhook {

// The object in another version of its group ("demo.example.com/v1").
using Converter = std::function<Result<json::Value>(json::Doc const& object, std::string_view api_version)>;

// The answer to a ConversionReview of apiextensions.k8s.io v1 or v1beta1, in the version of the question. One object
// that cannot be converted fails all of them, and the answer says which. An Error: it is no such question.
Result<json::Value> answer_conversion(json::Doc const& review, Converter const& convert);

}   // namespace aviary::webhook
