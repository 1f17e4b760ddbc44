#include "kube/webhook/conversion.h"

#include <fmt/format.h>

#include <utility>

#include "kube/meta/object.h"

namespace aviary::webhook {

using json::Array;
using json::Doc;
using json::Object;
using json::Value;

Result<Value> answer_conversion(Doc const& review, Converter const& convert) {
    std::string_view const version = review["apiVersion"].as_string();
    bool const known = version == "apiextensions.k8s.io/v1" || version == "apiextensions.k8s.io/v1beta1";
    if (!known || review["kind"].as_string() != "ConversionReview") {
        return fail(ErrorCode::kInvalid,
                    fmt::format("apiVersion and kind: apiextensions.k8s.io/v1 ConversionReview is read here, not {} {}",
                                version, review["kind"].as_string()));
    }
    Doc const request = review["request"];
    if (request["uid"].as_string().empty()) return fail(ErrorCode::kInvalid, "request.uid: missing");
    Value response{Object{{"uid", request["uid"].string()}}};
    Value answer{Object{{"apiVersion", version}, {"kind", "ConversionReview"}}};
    Array converted;
    for (auto const& [index, object] : request["objects"].elements()) {
        auto result = convert(object, request["desiredAPIVersion"].as_string());
        if (!result) {
            response["result"] =
                Object{{"status", "Failure"},
                       {"message", fmt::format("{} {}: {}", object["kind"].as_string(),
                                               meta::key_of(object).to_string(), result.error().message())}};
            answer["response"] = std::move(response);
            return answer;
        }
        converted.push_back(std::move(*result));
    }
    response["result"] = Object{{"status", "Success"}};
    response["convertedObjects"] = std::move(converted);
    answer["response"] = std::move(response);
    return answer;
}

}   // namespace aviary::webhook
