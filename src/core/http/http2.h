// HTTP/2 over one connected stream, whoever dialled it: either end can be the one that asks or the one that answers.
// nghttp2 ends in the .cc. Everything lives on the loop of the stream, whose handshake is done.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/http/message.h"
#include "core/net/stream.h"

namespace aviary::http {

// What to offer in a handshake (ALPN) for http::Server and http::Client: HTTP/2 rather than HTTP/1.1.
net::Protocols protocols();
inline constexpr std::string_view kHttp2 = "h2";

// Of the end that answers, per connection.
struct Http2Limits {
    std::size_t max_header_bytes = 64 << 10;       // of one request's names and values, unpacked; over: 431
    std::size_t max_body_bytes = 4 << 20;          // of one request; over: 413
    std::size_t max_unfinished_bytes = 64 << 20;   // of all bodies that still arrive; over: that stream is refused
    std::uint32_t max_streams = 250;               // requests at once; more are refused
    Duration header_timeout = std::chrono::seconds(30);   // from a request's first byte to its last
    Duration idle_timeout = std::chrono::minutes(5);      // without a request; zero: for ever
    Duration write_timeout = std::chrono::seconds(30);    // a peer, or a stream of it, that does not read is dropped
    Duration ping_after = std::chrono::seconds(30);       // nothing was heard for so long: is it still there?
    Duration ping_timeout = std::chrono::seconds(15);     // and it did not answer: it is not
    // One that is refused while it still sends hears why only if it is heard out: so long and so far at most.
    Duration linger_timeout = std::chrono::seconds(5);
    std::size_t max_linger_bytes = 64 << 20;
    // In `flood_window`; who does more is told to calm down, and dropped.
    std::size_t max_resets = 200;           // requests that the peer began and broke off, when most of its requests are
    std::size_t max_idle_frames = 10'000;   // PING, SETTINGS, PRIORITY and empty DATA
    Duration flood_window = std::chrono::seconds(30);
};

// Answers requests until the peer leaves: then ok. When the context stops, streams under way are cancelled, the peer is
// told (GOAWAY), and the error is the context's. Any other error says what went wrong.
Task<Status> serve_http2(Context ctx, std::unique_ptr<net::Stream> stream, std::shared_ptr<Handler> handler,
                         Http2Limits limits = {});

struct Http2Options {
    std::string authority = "localhost";                   // the Host of requests that name none
    std::size_t max_header_bytes = 256 << 10;              // of an answer
    std::size_t max_body_bytes = 512 << 20;                // of a whole one
    Duration request_timeout = std::chrono::seconds(60);   // until the head of the answer, and for a whole body
    Duration write_timeout = std::chrono::seconds(30);     // a peer that does not read is given up
    Duration ping_after = std::chrono::seconds(30);        // as in Http2Limits
    Duration ping_timeout = std::chrono::seconds(15);
};

// The end that asks: many requests at once over one stream.
class Http2Connection {
public:
    Http2Connection(std::unique_ptr<net::Stream> stream, Http2Options options = {});
    ~Http2Connection();
    Http2Connection(Http2Connection const&) = delete;
    Http2Connection& operator=(Http2Connection const&) = delete;

    // Reads and writes; without it nothing goes on. Once. Ends when the connection is gone, with why: Unavailable, or
    // the context's error. All requests under way have failed then, and their streams end with an error.
    Task<Status> run(Context ctx);

    // May be called at any time; many at once. Requests beyond what the peer takes at once wait for their turn. With
    // `stream`, a body of unknown length comes as Response::stream; otherwise bodies are whole. Giving up (the context,
    // or dropping Response::stream) resets this one stream only. Unavailable when the connection is gone or the peer
    // refused; `unprocessed`, when given, says whether the peer surely did nothing with the request, so that it may be
    // sent again.
    Task<Result<Response>> send(Context ctx, Request request, bool stream = false, bool* unprocessed = nullptr);

    // Takes requests: false when it is gone, or goes as soon as its requests are done.
    bool open() const;
    // Requests that the peer would take now without waiting.
    std::size_t room() const;
    // Under way or waiting.
    std::size_t requests() const;
    // Takes no more requests, ends when those under way are done.
    void drain();
    net::Peer const& peer() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}   // namespace aviary::http
