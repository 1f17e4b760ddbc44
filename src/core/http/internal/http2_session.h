// One HTTP/2 connection, whichever end it is: moves frames between nghttp2 and a stream, one write at a time, asks a
// silent peer whether it is there, and counts what a peer does that costs it nothing. Lives on the stream's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/async/event.h"
#include "core/http/message.h"
#include "core/net/stream.h"

struct nghttp2_session;

namespace aviary::http {

inline constexpr std::size_t kHeaderOverhead = 32;   // what a header counts for beyond its name and value
inline constexpr std::uint32_t kStreamWindow = 1 << 20;
inline constexpr std::int32_t kConnectionWindow = 16 << 20;

// How often something happened within a time.
class Frequency {
public:
    std::size_t add(MonotonicTime now, Duration window) {
        if (now - begun_ >= window) {
            begun_ = now;
            count_ = 0;
        }
        return ++count_;
    }
    std::size_t count(MonotonicTime now, Duration window) const { return now - begun_ >= window ? 0 : count_; }

private:
    MonotonicTime begun_{};
    std::size_t count_ = 0;
};

// The body that goes out on one stream. Must live until the stream is closed.
struct Http2Body {
    std::string bytes;
    std::size_t sent = 0;   // of the bytes
    bool whole = false;     // nothing more will be added
    MonotonicTime moved{};
    async::Event room;   // notified as bytes leave

    std::size_t pending() const { return bytes.size() - sent; }
};

struct Http2Terms {
    bool client = false;
    std::uint32_t max_streams = 0;   // that the peer may have at once
    std::size_t max_header_bytes = 0;
    std::size_t max_idle_frames = 0;
    Duration flood_window{}, write_timeout{}, ping_after{}, ping_timeout{};
};

class Http2Session {
public:
    using StreamId = std::int32_t;

    Http2Session(std::unique_ptr<net::Stream> stream, Http2Terms terms);
    virtual ~Http2Session();
    Http2Session(Http2Session const&) = delete;
    Http2Session& operator=(Http2Session const&) = delete;

    // Until the connection is gone: ok when the peer left, the context's error, or what went wrong. Once.
    Task<Status> run(Context ctx);
    net::Peer const& peer() const { return stream_->peer(); }

protected:
    // What arrives, from within the reading of a frame; the streams need not be known any more.
    virtual void header_block(StreamId id) = 0;
    virtual void header(StreamId id, std::string_view name, std::string_view value) = 0;
    virtual void header_block_ended(StreamId id) = 0;
    // consume() once they are not kept any longer.
    virtual void data(StreamId id, std::string_view bytes) = 0;
    virtual void message_ended(StreamId id) = 0;
    // No word about this stream after this one; `code` is why.
    virtual void closed(StreamId id, std::uint32_t code) = 0;
    virtual void settings_changed() {}
    virtual void peer_leaves() {}
    // What went out.
    virtual void head_sent(StreamId) {}
    virtual void message_sent(StreamId) {}
    // Looks at what takes too long; when to look again, at the latest.
    virtual MonotonicTime look(MonotonicTime now) { return now + std::chrono::hours(1); }

    // Without headers that are about one connection; names in lower case, values without line breaks.
    static Headers on_the_wire(Headers const& headers);
    // The id, or nothing when the peer takes no more.
    std::optional<StreamId> submit_request(Headers const& headers, Http2Body* body);
    void submit_response(StreamId id, Headers const& headers, Http2Body* body);
    void submit_continue(StreamId id);
    void extend(StreamId id, Http2Body& body, std::string_view bytes);
    void finish(StreamId id, Http2Body& body);
    void reset(StreamId id, std::uint32_t code);
    void consume(StreamId id, std::size_t bytes);
    void consume_unread(std::size_t bytes);   // of a stream that is gone
    std::uint32_t peer_max_streams() const;
    bool peer_still_sends(StreamId id) const;
    // Takes no new streams of the peer and opens none; ends when those under way are done.
    void leave();
    // Ends as soon as the peer was told why.
    void terminate(std::uint32_t code, Error why);
    // A frame that carried nothing.
    void count_idle_frame();
    MonotonicTime now() const { return clock_ == nullptr ? MonotonicTime{} : clock_->monotonic(); }
    void wake_keeper() { look_.notify(); }
    bool over() const { return over_.is_set(); }

private:
    friend struct Http2Callbacks;

    Task<void> read(Context ctx);
    Task<void> write(Context ctx);
    Task<void> keep(Context ctx);
    bool collect(std::string& out);
    void end(Status why);
    Status farewell() const;

    std::unique_ptr<net::Stream> stream_;
    Http2Terms terms_;
    nghttp2_session* session_ = nullptr;
    Clock const* clock_ = nullptr;
    async::Event work_;      // there may be something to write
    async::Event drained_;   // something was written
    async::Event look_;
    async::Event over_;
    Status why_;
    std::optional<Error> parting_;   // why we, or the peer, said GOAWAY
    bool terminated_ = false;
    MonotonicTime heard_{};
    std::optional<MonotonicTime> pinged_;
    Frequency idle_frames_;
};

}   // namespace aviary::http
