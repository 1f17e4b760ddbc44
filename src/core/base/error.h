// What went wrong, in words a person can act on, with a code that mirrors the Kubernetes API reasons.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aviary {

// Mirrors metav1.StatusReason; kInternal is the only one that means a defect of ours.
enum class ErrorCode {
    kNotFound,
    kAlreadyExists,
    kConflict,
    kInvalid,
    kBadRequest,
    kForbidden,
    kUnauthorized,
    kGone,
    kTooLarge,
    kTooManyRequests,
    kMethodNotAllowed,
    kNotAcceptable,
    kUnsupportedMediaType,
    kTimeout,
    kUnavailable,
    kCancelled,
    kUnsupported,
    kInternal,
};

// "NotFound", "Invalid" …: the metav1 reason where there is one.
std::string_view to_string(ErrorCode code);
// The HTTP status that carries this code.
int http_status(ErrorCode code);
// The nearest code for a metav1 reason (may be empty) and an HTTP status.
ErrorCode error_code_from(std::string_view reason, int http_status);

// One field of an object that was refused: metav1.StatusCause.
struct FieldCause {
    std::string reason;   // "FieldValueInvalid", "FieldValueRequired", "FieldValueNotSupported" …
    std::string field;    // JSON path: spec.strategy.canary.steps[1].replicas
    std::string message;
    bool operator==(FieldCause const&) const = default;
};

// A value; copying shares the immutable body. Thread-safe as any shared_ptr<const T>.
class Error {
public:
    Error(ErrorCode code, std::string message);

    ErrorCode code() const;
    std::string const& message() const;
    std::vector<FieldCause> const& causes() const;
    std::optional<std::chrono::milliseconds> retry_after() const;
    // The object the error is about, as metav1.Status details name it; may be empty.
    std::string const& kind() const;
    std::string const& group() const;
    std::string const& name() const;

    bool is(ErrorCode code) const { return this->code() == code; }

    // "applying Deployment demo/qwen to beijing: <message>"
    Error context(std::string_view what) const;
    Error with_causes(std::vector<FieldCause> causes) const;
    Error with_retry_after(std::chrono::milliseconds after) const;
    Error with_object(std::string group, std::string kind, std::string name) const;

private:
    struct Body;
    explicit Error(std::shared_ptr<Body const> body);
    std::shared_ptr<Body const> body_;
};

// Shorthands: `return err(ErrorCode::kInvalid, "spec.replicas: must not be negative")`.
Error err(ErrorCode code, std::string message);

}   // namespace aviary
