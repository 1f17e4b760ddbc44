// HTTP messages, free of any version of the protocol.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/async/context.h"
#include "core/async/task.h"
#include "core/net/stream.h"

namespace aviary::http {

using Headers = std::vector<std::pair<std::string, std::string>>;
// The first of that name, whatever its case; empty when there is none.
std::string_view find_header(Headers const& headers, std::string_view name);

// Of a target, without the query.
std::string_view path_of(std::string_view target);

struct Request {
    std::string method = "GET";
    std::string target = "/";   // path and query, as sent
    Headers headers;
    std::string body;
};

// A body whose end is not known when it begins.
class BodyStream {
public:
    virtual ~BodyStream() = default;
    // The next bytes; empty at the end.
    virtual Task<Result<std::optional<std::string>>> next(Context ctx) = 0;
};

struct Response {
    int status = 200;
    Headers headers;
    std::string body;
    std::unique_ptr<BodyStream> stream;   // instead of the body
};

Response plain_text(int status, std::string text);

// Answers requests; several at a time, all on the server's loop.
class Handler {
public:
    virtual ~Handler() = default;
    virtual Task<Response> handle(Context ctx, Request request, net::Peer peer) = 0;
};

}   // namespace aviary::http
