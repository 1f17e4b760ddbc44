#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "core/async/scope.h"
#include "core/base/strings.h"
#include "core/http/http2.h"
#include "core/http/internal/http2_session.h"

namespace aviary::http {

namespace {

constexpr std::size_t kAheadBytes = 64 << 10;   // of a body that goes on, taken before the peer reads it
constexpr Duration kLookEvery = std::chrono::seconds(5);

// A request and its answer.
struct Exchange {
    Exchange(Http2Session::StreamId id, MonotonicTime begun, async::StopToken const& parent)
        : id(id), begun(begun), stop(parent) {}

    Http2Session::StreamId id;
    MonotonicTime begun;
    async::StopSource stop;   // of the handler
    Request request;
    std::size_t header_bytes = 0;
    bool head_whole = false;
    bool whole = false;                     // the request
    bool answered = false;                  // the answer has begun
    bool gone = false;                      // the stream is closed
    std::optional<MonotonicTime> lingers;   // answered then, while the request still arrives
    std::size_t lingered = 0;               // bytes of it since
    Http2Body body;
};

Http2Terms terms_of(Http2Limits const& limits) {
    return {.client = false,
            .max_streams = limits.max_streams,
            .max_header_bytes = limits.max_header_bytes,
            .max_idle_frames = limits.max_idle_frames,
            .flood_window = limits.flood_window,
            .write_timeout = limits.write_timeout,
            .ping_after = limits.ping_after,
            .ping_timeout = limits.ping_timeout};
}

class ServerSession final : public Http2Session {
public:
    ServerSession(Context ctx, std::unique_ptr<net::Stream> stream, std::shared_ptr<Handler> handler,
                  Http2Limits limits)
        : Http2Session(std::move(stream), terms_of(limits)),
          handler_(std::move(handler)),
          limits_(limits),
          requests_(ctx),
          idle_since_(ctx.monotonic()) {}

    Task<Status> serve(Context ctx) {
        Status const outcome = co_await run(ctx);
        for (auto& [id, exchange] : exchanges_) leave_alone(*exchange);
        co_await requests_.cancel_and_join();
        co_return outcome;
    }

private:
    using Shared = std::shared_ptr<Exchange>;

    Exchange* find(StreamId id) {
        auto const found = exchanges_.find(id);
        return found == exchanges_.end() ? nullptr : found->second.get();
    }

    void header_block(StreamId id) override {
        if (exchanges_.contains(id)) return;   // trailers
        if (exchanges_.empty()) wake_keeper();
        exchanges_.emplace(id, std::make_shared<Exchange>(id, now(), requests_.context().stop()));
    }

    void header(StreamId id, std::string_view name, std::string_view value) override {
        Exchange* const exchange = find(id);
        if (exchange == nullptr || exchange->head_whole) return;
        exchange->header_bytes += name.size() + value.size() + kHeaderOverhead;
        if (exchange->header_bytes > limits_.max_header_bytes) return;
        Request& request = exchange->request;
        if (name == ":method") {
            request.method = value;
        } else if (name == ":path") {
            request.target = value;
        } else if (name == ":authority" || (name == "host" && find_header(request.headers, "Host").empty())) {
            request.headers.emplace_back("Host", value);
        } else if (!name.starts_with(':') && name != "host") {
            request.headers.emplace_back(name, value);
        }
    }

    void header_block_ended(StreamId id) override {
        Exchange* const exchange = find(id);
        if (exchange == nullptr || std::exchange(exchange->head_whole, true)) return;
        if (exchange->header_bytes > limits_.max_header_bytes) {
            return answer(*exchange, plain_text(431, fmt::format("the request header is over the limit of {} bytes "
                                                                 "(max_header_bytes)\n",
                                                                 limits_.max_header_bytes)));
        }
        Request const& request = exchange->request;
        if (request.method == "CONNECT") return answer(*exchange, plain_text(405, "CONNECT is not supported\n"));
        if (auto const length = parse_int(find_header(request.headers, "content-length"));
            length && static_cast<std::uint64_t>(*length) > limits_.max_body_bytes)
            return answer_too_large(*exchange);
        if (iequals(find_header(request.headers, "expect"), "100-continue")) submit_continue(id);
    }

    void answer_too_large(Exchange& exchange) {
        answer(exchange,
               plain_text(413, fmt::format("the request body is over the limit of {} bytes (max_body_bytes)\n",
                                           limits_.max_body_bytes)));
    }

    void data(StreamId id, std::string_view bytes) override {
        consume(id, bytes.size());
        Exchange* const exchange = find(id);
        if (exchange == nullptr) return;
        if (exchange->answered) {
            exchange->lingered += bytes.size();
            if (exchange->lingered > limits_.max_linger_bytes) reset(id, NGHTTP2_NO_ERROR);
            return;
        }
        std::string& body = exchange->request.body;
        if (body.size() + bytes.size() > limits_.max_body_bytes) return answer_too_large(*exchange);
        if (unfinished_bytes_ + bytes.size() > limits_.max_unfinished_bytes) {
            forget_body(*exchange);
            return reset(id, NGHTTP2_REFUSED_STREAM);
        }
        unfinished_bytes_ += bytes.size();
        body += bytes;
    }

    void forget_body(Exchange& exchange) {
        if (!exchange.whole) unfinished_bytes_ -= exchange.request.body.size();
        exchange.request.body = {};
    }

    void message_ended(StreamId id) override {
        auto const found = exchanges_.find(id);
        if (found == exchanges_.end()) return;
        Exchange& exchange = *found->second;
        if (std::exchange(exchange.whole, true) || exchange.answered) return;
        unfinished_bytes_ -= exchange.request.body.size();
        // Streams that the peer reset are soon closed, but whoever works on them may take its time.
        if (requests_.running() >= limits_.max_streams) return reset(id, NGHTTP2_REFUSED_STREAM);
        requests_.spawn(handle(found->second));
    }

    void closed(StreamId id, std::uint32_t) override {
        auto const found = exchanges_.find(id);
        if (found == exchanges_.end()) return;
        Shared const exchange = found->second;
        exchanges_.erase(found);
        if (!exchange->whole) forget_body(*exchange);
        leave_alone(*exchange);
        if (exchanges_.empty()) idle_since_ = now();
        count_end(exchange->answered);
    }

    static void leave_alone(Exchange& exchange) {
        exchange.gone = true;
        exchange.stop.request_stop();
        exchange.body.room.notify();
    }

    // Requests that are broken off before their answer cost us work and the peer none.
    void count_end(bool answered) {
        if (answered) {
            finished_.add(now(), limits_.flood_window);
            return;
        }
        std::size_t const broken = broken_.add(now(), limits_.flood_window);
        if (broken <= limits_.max_resets || broken <= finished_.count(now(), limits_.flood_window)) return;
        terminate(
            NGHTTP2_ENHANCE_YOUR_CALM,
            Error(ErrorCode::kTooManyRequests, fmt::format("{} requests begun and broken off within {} (max_resets)",
                                                           broken, format_duration(limits_.flood_window))));
    }

    // There are clients that lose the answer when they are cut short.
    void message_sent(StreamId id) override {
        Exchange* const exchange = find(id);
        if (exchange != nullptr && peer_still_sends(id)) exchange->lingers = now();
    }

    MonotonicTime look(MonotonicTime time) override {
        if (exchanges_.empty()) {
            if (limits_.idle_timeout == Duration::zero()) return time + std::chrono::hours(1);
            if (time < idle_since_ + limits_.idle_timeout) return idle_since_ + limits_.idle_timeout;
            leave();
            return time + kLookEvery;
        }
        for (auto const& [id, exchange] : exchanges_) {
            if (exchange->lingers) {
                if (time >= *exchange->lingers + limits_.linger_timeout) reset(id, NGHTTP2_NO_ERROR);
                continue;
            }
            bool const slow = !exchange->whole && time >= exchange->begun + limits_.header_timeout;
            bool const deaf = exchange->body.pending() > 0 && time >= exchange->body.moved + limits_.write_timeout;
            if (slow || deaf) reset(id, NGHTTP2_CANCEL);
        }
        return time + kLookEvery;
    }

    Task<void> handle(Shared exchange) {
        Context const ctx = requests_.context().with_stop(exchange->stop.token());
        bool const head = exchange->request.method == "HEAD";
        Response response = co_await handler_->handle(ctx, std::move(exchange->request), peer());
        if (exchange->gone || !ctx.check()) co_return;   // when all stops, what the handler says then is no answer
        if (head) response.stream.reset();
        std::unique_ptr<BodyStream> const stream = std::move(response.stream);
        answer(*exchange, std::move(response), head, stream != nullptr);
        if (stream != nullptr) co_await send_parts(ctx, exchange, *stream);
    }

    void answer(Exchange& exchange, Response response, bool head = false, bool goes_on = false) {
        if (!exchange.whole) forget_body(exchange);
        exchange.answered = true;
        Headers headers = on_the_wire(response.headers);
        std::erase_if(headers, [](auto const& each) { return each.first == "content-length"; });
        headers.emplace(headers.begin(), ":status", std::to_string(response.status));
        bool const bodiless = response.status == 204 || response.status == 304;
        if (!goes_on && !bodiless) headers.emplace_back("content-length", std::to_string(response.body.size()));
        bool const none = !goes_on && (head || bodiless || response.body.empty());
        if (!none) {
            exchange.body.bytes = std::move(response.body);
            exchange.body.whole = !goes_on;
            exchange.body.moved = now();
        }
        submit_response(exchange.id, headers, none ? nullptr : &exchange.body);
    }

    Task<void> send_parts(Context ctx, Shared exchange, BodyStream& stream) {
        while (true) {
            Result<std::optional<std::string>> const part = co_await stream.next(ctx);
            if (exchange->gone) co_return;
            if (!part) co_return reset(exchange->id, NGHTTP2_INTERNAL_ERROR);   // cut: not to be taken for the end
            if (!*part) co_return finish(exchange->id, exchange->body);
            if ((*part)->empty()) continue;
            extend(exchange->id, exchange->body, **part);
            while (!exchange->gone && exchange->body.pending() >= kAheadBytes) {
                Status const waited = co_await exchange->body.room.wait(ctx);
                if (!waited) co_return;
            }
        }
    }

    std::shared_ptr<Handler> handler_;
    Http2Limits limits_;
    async::Scope requests_;   // their handlers
    std::unordered_map<StreamId, Shared> exchanges_;
    std::size_t unfinished_bytes_ = 0;
    Frequency finished_, broken_;
    MonotonicTime idle_since_;
};

}   // namespace

net::Protocols protocols() { return {std::string(kHttp2), "http/1.1"}; }

Task<Status> serve_http2(Context ctx, std::unique_ptr<net::Stream> stream, std::shared_ptr<Handler> handler,
                         Http2Limits limits) {
    ServerSession session(ctx, std::move(stream), std::move(handler), limits);
    Status const outcome = co_await session.serve(ctx);
    co_return outcome;
}

}   // namespace aviary::http
