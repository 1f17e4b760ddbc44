// Wire: one kept-alive HTTP/1.1 connection over TLS with nothing between it and the socket. The load that measures a
// server shares its machine, so it must cost little.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "kube/client/kubeconfig.h"

namespace aviary::perf {

class Wire {
public:
    // Connects and shakes hands; from then on nothing blocks.
    static Result<std::unique_ptr<Wire>> open(client::ServerAccess const& access);
    ~Wire();
    Wire(Wire const&) = delete;
    Wire& operator=(Wire const&) = delete;

    int socket() const;
    // False when the connection is broken. What does not fit now goes out with the next flush().
    bool send(std::string_view bytes);
    bool flush();
    bool unsent() const { return !out_.empty(); }
    // Appends what has arrived to `in`; false when the connection is over.
    bool receive();

    std::string in;
    std::uint64_t began = 0;   // for whoever measures
    std::uint64_t number = 0;

private:
    struct Impl;
    explicit Wire(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
    std::string out_;
};

// Path below the API root of `access`, ready to send. A body is JSON.
std::string request(client::ServerAccess const& access, std::string_view method, std::string_view path,
                    std::string_view body = {});

// Of a whole answer at the front of `text`; zero length: it is not complete.
struct Answer {
    int status = 0;
    std::size_t length = 0;
    std::string_view body;
};
Answer parse_answer(std::string_view text);

// Nanoseconds of the monotonic clock.
std::uint64_t now_ns();
// Of this process so far, in seconds.
double cpu_seconds();

}   // namespace aviary::perf
