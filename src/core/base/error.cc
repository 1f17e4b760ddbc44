#include "core/base/error.h"

#include <array>
#include <utility>

namespace aviary {

namespace {

struct CodeInfo {
    ErrorCode code;
    std::string_view reason;
    int status;
};

// Reasons and statuses: Kubernetes API conventions, "Response Status Kind".
constexpr std::array kCodes{
    CodeInfo{ErrorCode::kNotFound, "NotFound", 404},
    CodeInfo{ErrorCode::kAlreadyExists, "AlreadyExists", 409},
    CodeInfo{ErrorCode::kConflict, "Conflict", 409},
    CodeInfo{ErrorCode::kInvalid, "Invalid", 422},
    CodeInfo{ErrorCode::kBadRequest, "BadRequest", 400},
    CodeInfo{ErrorCode::kForbidden, "Forbidden", 403},
    CodeInfo{ErrorCode::kUnauthorized, "Unauthorized", 401},
    CodeInfo{ErrorCode::kGone, "Expired", 410},
    CodeInfo{ErrorCode::kTooLarge, "RequestEntityTooLarge", 413},
    CodeInfo{ErrorCode::kTooManyRequests, "TooManyRequests", 429},
    CodeInfo{ErrorCode::kMethodNotAllowed, "MethodNotAllowed", 405},
    CodeInfo{ErrorCode::kNotAcceptable, "NotAcceptable", 406},
    CodeInfo{ErrorCode::kUnsupportedMediaType, "UnsupportedMediaType", 415},
    CodeInfo{ErrorCode::kTimeout, "Timeout", 504},
    CodeInfo{ErrorCode::kUnavailable, "ServiceUnavailable", 503},
    CodeInfo{ErrorCode::kCancelled, "Cancelled", 499},
    CodeInfo{ErrorCode::kUnsupported, "NotSupported", 501},
    CodeInfo{ErrorCode::kInternal, "InternalError", 500},
};

CodeInfo const& info(ErrorCode code) { return kCodes[static_cast<std::size_t>(code)]; }

}   // namespace

std::string_view to_string(ErrorCode code) { return info(code).reason; }

int http_status(ErrorCode code) { return info(code).status; }

ErrorCode error_code_from(std::string_view reason, int http_status) {
    if (reason == "Gone") return ErrorCode::kGone;
    for (CodeInfo const& each : kCodes) {
        if (each.reason == reason) return each.code;
    }
    for (CodeInfo const& each : kCodes) {
        // 409 without a reason is a conflict: an existing name is always named as such.
        if (each.status == http_status && each.code != ErrorCode::kAlreadyExists) return each.code;
    }
    return http_status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kInternal;
}

struct Error::Body {
    ErrorCode code;
    std::string message;
    std::vector<FieldCause> causes;
    std::optional<std::chrono::milliseconds> retry_after;
    std::string group, kind, name;
};

Error::Error(ErrorCode code, std::string message)
    : body_(std::make_shared<Body const>(Body{code, std::move(message), {}, {}, {}, {}, {}})) {}

Error::Error(std::shared_ptr<Body const> body) : body_(std::move(body)) {}

ErrorCode Error::code() const { return body_->code; }
std::string const& Error::message() const { return body_->message; }
std::vector<FieldCause> const& Error::causes() const { return body_->causes; }
std::optional<std::chrono::milliseconds> Error::retry_after() const { return body_->retry_after; }
std::string const& Error::kind() const { return body_->kind; }
std::string const& Error::group() const { return body_->group; }
std::string const& Error::name() const { return body_->name; }

Error Error::context(std::string_view what) const {
    auto body = std::make_shared<Body>(*body_);
    body->message = std::string(what) + ": " + body->message;
    return Error(std::shared_ptr<Body const>(std::move(body)));
}

Error Error::with_causes(std::vector<FieldCause> causes) const {
    auto body = std::make_shared<Body>(*body_);
    body->causes = std::move(causes);
    return Error(std::shared_ptr<Body const>(std::move(body)));
}

Error Error::with_retry_after(std::chrono::milliseconds after) const {
    auto body = std::make_shared<Body>(*body_);
    body->retry_after = after;
    return Error(std::shared_ptr<Body const>(std::move(body)));
}

Error Error::with_object(std::string group, std::string kind, std::string name) const {
    auto body = std::make_shared<Body>(*body_);
    body->group = std::move(group);
    body->kind = std::move(kind);
    body->name = std::move(name);
    return Error(std::shared_ptr<Body const>(std::move(body)));
}

Error err(ErrorCode code, std::string message) { return Error(code, std::move(message)); }

}   // namespace aviary
