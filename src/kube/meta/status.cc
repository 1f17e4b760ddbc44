#include "kube/meta/status.h"

#include <fmt/format.h>

namespace aviary::meta {

json::Value to_status(Error const& error) {
    json::Value status{
        json::Object{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::Object()}, {"status", "Failure"}}};
    status["message"] = error.message();
    status["reason"] = to_string(error.code());
    json::Value details{json::Object()};
    if (!error.name().empty()) details["name"] = error.name();
    if (!error.group().empty()) details["group"] = error.group();
    if (!error.kind().empty()) details["kind"] = error.kind();
    for (FieldCause const& cause : error.causes()) {
        json::Value entry{json::Object{{"reason", cause.reason}, {"message", cause.message}}};
        if (!cause.field.empty()) entry["field"] = cause.field;
        details["causes"].push_back(std::move(entry));
    }
    if (auto const after = error.retry_after()) {
        details["retryAfterSeconds"] =
            std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(*after).count());
    }
    if (details.size() > 0) status["details"] = std::move(details);
    status["code"] = http_status(error.code());
    return status;
}

Error from_status(json::Doc const& status, int http_status) {
    std::string message = status["message"].string();
    if (message.empty()) message = fmt::format("the server answered with status {}", http_status);
    Error error(error_code_from(status["reason"].as_string(), http_status), std::move(message));
    json::Doc const details = status["details"];
    std::vector<FieldCause> causes;
    for (auto const& [key, cause] : details["causes"].elements()) {
        causes.push_back({cause["reason"].string(), cause["field"].string(), cause["message"].string()});
    }
    if (!causes.empty()) error = error.with_causes(std::move(causes));
    if (details["name"].exists())
        error = error.with_object(details["group"].string(), details["kind"].string(), details["name"].string());
    if (std::int64_t const seconds = details["retryAfterSeconds"].as_int(); seconds > 0)
        error = error.with_retry_after(std::chrono::seconds(seconds));
    return error;
}

}   // namespace aviary::meta
