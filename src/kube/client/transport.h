// Transport carries API requests to one API server: over HTTP, or in the same process to the embedded server's
// handlers. Both authenticate, authorise, admit and count; both complete on a later turn of the loop. One Transport
// stands for one credential at one API root (a logical cluster). Lives on one loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/async/context.h"
#include "core/async/task.h"
#include "core/json/doc.h"

namespace aviary::client {

using NameValues = std::vector<std::pair<std::string, std::string>>;

// One API request. Free of any HTTP version; the path is relative to the API root ("/api/v1/namespaces/demo/pods").
struct Request {
    std::string method = "GET";
    std::string path;
    NameValues query;           // decoded
    NameValues headers;         // beyond those below: Impersonate-User, User-Agent …
    std::string content_type;   // of the body; empty when there is none
    std::string accept;         // empty: application/json
    json::Doc body;             // a JSON body, already parsed: never serialised in process
    std::string raw_body;       // any other body (YAML of an apply)

    std::string_view query_value(std::string_view name) const;   // empty when absent
    bool has_query(std::string_view name) const;
    std::string_view header(std::string_view name) const;   // names ignore case
};

// The events of a watch: documents {"type": "ADDED", "object": {…}}.
class WatchStream {
public:
    virtual ~WatchStream() = default;
    // The next event; empty when the server ended the watch in good order. Cancelled and Timeout leave the stream
    // usable.
    virtual Task<Result<std::optional<json::Doc>>> next(Context ctx) = 0;
};

struct Response {
    int status = 200;
    NameValues headers;   // Warning, Retry-After …
    std::string content_type = "application/json";
    json::Doc body;                       // when JSON
    std::string raw_body;                 // otherwise (protobuf OpenAPI, metrics, plain text)
    std::unique_ptr<WatchStream> watch;   // when the request was a watch and the status is 200

    bool ok() const { return status >= 200 && status < 300; }
    std::string_view header(std::string_view name) const;   // empty when absent; names ignore case
};

// Whether a request failed because no answer came; a refusal is one.
inline bool no_answer(Error const& error) { return error.is(ErrorCode::kUnavailable) || error.is(ErrorCode::kTimeout); }
// What may be over at any moment: nobody answers, or the server is in trouble itself, as without its store, or has too
// much to do.
inline bool may_pass(Error const& error) {
    return no_answer(error) || error.is(ErrorCode::kInternal) || error.is(ErrorCode::kTooManyRequests);
}

// What a server answers, too, that has only come back and has yet to read what it decides by, its kinds among it.
inline bool may_settle(Error const& error) {
    return error.is(ErrorCode::kForbidden) || error.is(ErrorCode::kUnauthorized) || error.is(ErrorCode::kNotFound);
}

class Transport {
public:
    virtual ~Transport() = default;
    // Any answer of the server is a Response, also a refusal; an Error means that none came (Unavailable, Timeout,
    // Cancelled): the request may have been carried out.
    virtual Task<Result<Response>> send(Context ctx, Request request) = 0;
};

}   // namespace aviary::client
