#include "core/http/internal/http2_session.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "core/async/scope.h"
#include "core/base/strings.h"

namespace aviary::http {

namespace {

constexpr std::size_t kReadBytes = 16 << 10;    // at a time; every idle connection holds so much
constexpr std::size_t kWriteBytes = 64 << 10;   // frames are gathered to so much
constexpr std::size_t kKeptBytes = 16 << 10;    // of a buffer that has nothing to do
constexpr std::size_t kMaxQueuedFrames = 10'000;
constexpr std::size_t kMaxOutboundAcks = 1'000;
constexpr std::size_t kHeaderTableBytes = 4 << 10;
constexpr Duration kFarewellTimeout = std::chrono::seconds(1);
constexpr Duration kShortestLook = std::chrono::milliseconds(10);

template <class Type, void (*release)(Type*)>
struct Releaser {
    void operator()(Type* held) const { release(held); }
};

nghttp2_nv wire_header(std::string const& name, std::string const& value) {
    auto const bytes = [](std::string const& text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::vector<nghttp2_nv> wire_headers(Headers const& headers) {
    std::vector<nghttp2_nv> out;
    out.reserve(headers.size());
    for (auto const& [name, value] : headers) out.push_back(wire_header(name, value));
    return out;
}

std::string_view text(std::uint8_t const* bytes, std::size_t count) {
    return {reinterpret_cast<char const*>(bytes), count};
}

bool of_one_connection(std::string_view name) {
    static constexpr std::array<std::string_view, 6> kNames{"connection",        "keep-alive", "proxy-connection",
                                                            "transfer-encoding", "upgrade",    "te"};
    return std::ranges::find(kNames, name) != kNames.end();
}

}   // namespace

// What nghttp2 calls. Nothing here may call nghttp2's sending or receiving.
struct Http2Callbacks {
    using Session = nghttp2_session;
    using Frame = nghttp2_frame;
    using StreamId = Http2Session::StreamId;

    static Http2Session& self(void* data) { return *static_cast<Http2Session*>(data); }

    static int begin_frame(Session*, nghttp2_frame_hd const* head, void* data) {
        bool const last = (head->flags & NGHTTP2_FLAG_END_STREAM) != 0;
        bool const acknowledges = (head->flags & NGHTTP2_FLAG_ACK) != 0;
        switch (head->type) {
            case NGHTTP2_HEADERS:
            case NGHTTP2_RST_STREAM:      // counted as streams that end
            case NGHTTP2_WINDOW_UPDATE:   // it goes with data that we send
            case NGHTTP2_GOAWAY: return 0;
            case NGHTTP2_DATA:
                if (head->length > 0 || last) return 0;
                break;
            case NGHTTP2_PING:
            case NGHTTP2_SETTINGS:
                if (acknowledges) return 0;
                break;
            case NGHTTP2_CONTINUATION:
                if (head->length > 0) return 0;
                break;
            default: break;
        }
        self(data).count_idle_frame();
        return 0;
    }

    static int begin_headers(Session*, Frame const* frame, void* data) {
        self(data).header_block(frame->hd.stream_id);
        return 0;
    }

    static int header(Session*, Frame const* frame, std::uint8_t const* name, std::size_t name_size,
                      std::uint8_t const* value, std::size_t value_size, std::uint8_t, void* data) {
        self(data).header(frame->hd.stream_id, text(name, name_size), text(value, value_size));
        return 0;
    }

    static int data_chunk(Session*, std::uint8_t, StreamId id, std::uint8_t const* bytes, std::size_t count,
                          void* data) {
        self(data).data(id, text(bytes, count));
        return 0;
    }

    static int frame_received(Session*, Frame const* frame, void* data) {
        Http2Session& session = self(data);
        switch (frame->hd.type) {
            case NGHTTP2_HEADERS: session.header_block_ended(frame->hd.stream_id); [[fallthrough]];
            case NGHTTP2_DATA:
                if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) session.message_ended(frame->hd.stream_id);
                break;
            case NGHTTP2_SETTINGS: session.settings_changed(); break;
            case NGHTTP2_GOAWAY: goaway_received(session, frame->goaway); break;
            default: break;
        }
        return 0;
    }

    static void goaway_received(Http2Session& session, nghttp2_goaway const& goaway) {
        std::string reason = shortened(text(goaway.opaque_data, goaway.opaque_data_len), 200);
        if (goaway.error_code != NGHTTP2_NO_ERROR && !session.parting_) {
            session.parting_ = Error(ErrorCode::kUnavailable, fmt::format("the peer ended the connection: {}{}{}",
                                                                          nghttp2_http2_strerror(goaway.error_code),
                                                                          reason.empty() ? "" : ": ", reason));
        }
        session.peer_leaves();
    }

    static int stream_closed(Session*, StreamId id, std::uint32_t code, void* data) {
        self(data).closed(id, code);
        return 0;
    }

    static int frame_sent(Session*, Frame const* frame, void* data) {
        Http2Session& session = self(data);
        if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !session.parting_) {
            session.parting_ =
                Error(ErrorCode::kUnavailable,
                      fmt::format("the peer broke the rules of HTTP/2: {}: {}",
                                  nghttp2_http2_strerror(frame->goaway.error_code),
                                  shortened(text(frame->goaway.opaque_data, frame->goaway.opaque_data_len), 200)));
        }
        if (frame->hd.type == NGHTTP2_HEADERS) session.head_sent(frame->hd.stream_id);
        if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
            (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            session.message_sent(frame->hd.stream_id);
        return 0;
    }

    // A request that cannot begin any more has no stream that could be closed.
    static int frame_not_sent(Session*, Frame const* frame, int, void* data) {
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            self(data).closed(frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }

    static ssize_t read_body(Session*, StreamId, std::uint8_t* out, std::size_t size, std::uint32_t* flags,
                             nghttp2_data_source* source, void* data) {
        Http2Body& body = *static_cast<Http2Body*>(source->ptr);
        std::size_t const count = std::min(size, body.pending());
        if (count == 0 && !body.whole) return NGHTTP2_ERR_DEFERRED;
        std::memcpy(out, body.bytes.data() + body.sent, count);
        body.sent += count;
        body.moved = self(data).now();
        if (body.pending() == 0) {
            body.sent = 0;
            body.bytes.clear();
            if (body.bytes.capacity() > kKeptBytes) body.bytes = {};
            if (body.whole) *flags |= NGHTTP2_DATA_FLAG_EOF;
        }
        body.room.notify();
        return static_cast<ssize_t>(count);
    }

    static nghttp2_session* make(Http2Session* owner, Http2Terms const& terms) {
        std::unique_ptr<nghttp2_session_callbacks, Releaser<nghttp2_session_callbacks, nghttp2_session_callbacks_del>>
            callbacks;
        nghttp2_session_callbacks* made = nullptr;
        AVIARY_CHECK(nghttp2_session_callbacks_new(&made) == 0);
        callbacks.reset(made);
        nghttp2_session_callbacks_set_on_begin_frame_callback(made, begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(made, begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(made, header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, data_chunk);
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, frame_received);
        nghttp2_session_callbacks_set_on_stream_close_callback(made, stream_closed);
        nghttp2_session_callbacks_set_on_frame_send_callback(made, frame_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(made, frame_not_sent);

        std::unique_ptr<nghttp2_option, Releaser<nghttp2_option, nghttp2_option_del>> options;
        nghttp2_option* option = nullptr;
        AVIARY_CHECK(nghttp2_option_new(&option) == 0);
        options.reset(option);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_max_outbound_ack(option, kMaxOutboundAcks);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, kHeaderTableBytes);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_session* session = nullptr;
        AVIARY_CHECK((terms.client ? nghttp2_session_client_new2(&session, made, owner, option)
                                   : nghttp2_session_server_new2(&session, made, owner, option)) == 0);

        std::vector<nghttp2_settings_entry> settings{
            {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, terms.max_streams},
            {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
            {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, kHeaderTableBytes},
            {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(terms.max_header_bytes)}};
        if (terms.client) settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
        AVIARY_CHECK(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
        AVIARY_CHECK(nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) == 0);
        return session;
    }
};

Http2Session::Http2Session(std::unique_ptr<net::Stream> stream, Http2Terms terms)
    : stream_(std::move(stream)), terms_(terms), session_(Http2Callbacks::make(this, terms)) {}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

Task<Status> Http2Session::run(Context ctx) {
    clock_ = &ctx.clock();
    heard_ = ctx.monotonic();
    async::Scope scope(ctx.without_stop());   // what must be said at the end is said after the stop
    scope.spawn(read(scope.context()));
    scope.spawn(write(scope.context()));
    scope.spawn(keep(scope.context()));
    Status const waited = co_await over_.wait(ctx);
    if (!waited) {
        terminate(NGHTTP2_NO_ERROR, waited.error());
        Context const last(ctx.executor());
        (void)co_await over_.wait(last.with_timeout(kFarewellTimeout));
        end(std::unexpected(waited.error()));
    }
    co_await scope.cancel_and_join();
    stream_->close();
    co_return why_;
}

Task<void> Http2Session::read(Context ctx) {
    std::vector<char> space(kReadBytes);
    while (!over()) {
        Result<std::size_t> const count = co_await stream_->read_some(ctx, space);
        if (!count) co_return end(std::unexpected(count.error()));
        if (*count == 0) co_return end(farewell());
        heard_ = now();
        pinged_.reset();
        ssize_t const used =
            nghttp2_session_mem_recv(session_, reinterpret_cast<std::uint8_t const*>(space.data()), *count);
        if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
            co_return end(fail(ErrorCode::kUnavailable, "the peer does not speak HTTP/2"));
        if (used < 0)
            co_return end(fail(ErrorCode::kUnavailable, fmt::format("the peer broke the rules of HTTP/2: {}",
                                                                    nghttp2_strerror(static_cast<int>(used)))));
        work_.set();
        if (terminated_) co_return;   // the writer ends it
        while (nghttp2_session_get_outbound_queue_size(session_) > kMaxQueuedFrames) {
            Status const waited = co_await drained_.wait(ctx);
            if (!waited) co_return;
        }
    }
}

bool Http2Session::collect(std::string& out) {
    out.clear();
    while (out.size() < kWriteBytes) {
        std::uint8_t const* bytes = nullptr;
        ssize_t const count = nghttp2_session_mem_send(session_, &bytes);
        if (count < 0) return false;
        if (count == 0) break;
        out.append(text(bytes, static_cast<std::size_t>(count)));
    }
    return true;
}

Task<void> Http2Session::write(Context ctx) {
    std::string out;
    while (!over()) {
        work_.reset();
        if (!collect(out)) co_return end(fail(ErrorCode::kInternal, "frames of HTTP/2 could not be made"));
        if (out.empty()) {
            drained_.notify();
            if (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0)
                co_return end(farewell());
            if (out.capacity() > kKeptBytes) out = {};
            Status const waited = co_await work_.wait(ctx);
            if (!waited) co_return;
            continue;
        }
        Status const written = co_await stream_->write(ctx.with_timeout(terms_.write_timeout), out);
        if (!written && written.error().is(ErrorCode::kTimeout))
            co_return end(fail(ErrorCode::kUnavailable,
                               fmt::format("the peer reads nothing for {}", format_duration(terms_.write_timeout))));
        if (!written) co_return end(std::unexpected(written.error()));
        drained_.notify();
    }
}

Task<void> Http2Session::keep(Context ctx) {
    while (!over()) {
        MonotonicTime const time = now();
        if (pinged_ && time >= *pinged_ + terms_.ping_timeout) {
            co_return end(fail(ErrorCode::kUnavailable, fmt::format("the peer did not answer a ping for {}",
                                                                    format_duration(terms_.ping_timeout))));
        }
        if (!pinged_ && time >= heard_ + terms_.ping_after) {
            nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
            pinged_ = time;
            work_.set();
        }
        MonotonicTime const ping = pinged_ ? *pinged_ + terms_.ping_timeout : heard_ + terms_.ping_after;
        MonotonicTime const again = std::max(std::min(ping, look(time)), time + kShortestLook);
        (void)co_await look_.wait(ctx.with_deadline(again));
        if (!ctx.check()) co_return;
    }
}

void Http2Session::end(Status why) {
    if (over()) return;
    why_ = std::move(why);
    over_.set();
}

Status Http2Session::farewell() const {
    if (parting_) return std::unexpected(*parting_);
    return {};
}

Headers Http2Session::on_the_wire(Headers const& headers) {
    Headers out;
    out.reserve(headers.size() + 4);
    for (auto const& [key, content] : headers) {
        std::string name = to_lower(key);
        if (of_one_connection(name)) continue;
        if (nghttp2_check_header_name(reinterpret_cast<std::uint8_t const*>(name.data()), name.size()) == 0) continue;
        std::string value(trim(content));
        for (char& letter : value) {
            if (letter == '\r' || letter == '\n' || letter == '\0') letter = ' ';
        }
        out.emplace_back(std::move(name), std::move(value));
    }
    return out;
}

std::optional<Http2Session::StreamId> Http2Session::submit_request(Headers const& headers, Http2Body* body) {
    std::vector<nghttp2_nv> const fields = wire_headers(headers);
    nghttp2_data_provider provider{.source = {.ptr = body}, .read_callback = Http2Callbacks::read_body};
    StreamId const id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                               body == nullptr ? nullptr : &provider, nullptr);
    work_.set();
    return id > 0 ? std::optional(id) : std::nullopt;
}

void Http2Session::submit_response(StreamId id, Headers const& headers, Http2Body* body) {
    std::vector<nghttp2_nv> const fields = wire_headers(headers);
    nghttp2_data_provider provider{.source = {.ptr = body}, .read_callback = Http2Callbacks::read_body};
    nghttp2_submit_response(session_, id, fields.data(), fields.size(), body == nullptr ? nullptr : &provider);
    work_.set();
}

void Http2Session::submit_continue(StreamId id) {
    std::string const name = ":status", value = "100";
    nghttp2_nv const field = wire_header(name, value);
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, &field, 1, nullptr);
    work_.set();
}

void Http2Session::extend(StreamId id, Http2Body& body, std::string_view bytes) {
    if (body.pending() == 0) body.moved = now();
    body.bytes.erase(0, std::exchange(body.sent, 0));
    body.bytes += bytes;
    nghttp2_session_resume_data(session_, id);
    work_.set();
}

void Http2Session::finish(StreamId id, Http2Body& body) {
    body.whole = true;
    nghttp2_session_resume_data(session_, id);
    work_.set();
}

void Http2Session::reset(StreamId id, std::uint32_t code) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
    work_.set();
}

void Http2Session::consume(StreamId id, std::size_t bytes) {
    nghttp2_session_consume(session_, id, bytes);
    work_.set();
}

void Http2Session::consume_unread(std::size_t bytes) {
    nghttp2_session_consume_connection(session_, bytes);
    work_.set();
}

std::uint32_t Http2Session::peer_max_streams() const {
    return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Http2Session::peer_still_sends(StreamId id) const {
    return nghttp2_session_get_stream_remote_close(session_, id) == 0;
}

void Http2Session::leave() {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
    work_.set();
}

void Http2Session::terminate(std::uint32_t code, Error why) {
    if (terminated_) return;
    terminated_ = true;
    parting_ = std::move(why);
    nghttp2_session_terminate_session(session_, code);
    work_.set();
}

void Http2Session::count_idle_frame() {
    if (idle_frames_.add(now(), terms_.flood_window) <= terms_.max_idle_frames) return;
    terminate(NGHTTP2_ENHANCE_YOUR_CALM,
              Error(ErrorCode::kTooManyRequests,
                    fmt::format("more than {} frames that carry nothing within {} (max_idle_frames)",
                                terms_.max_idle_frames, format_duration(terms_.flood_window))));
}

}   // namespace aviary::http
