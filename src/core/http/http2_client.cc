#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <deque>
#include <unordered_map>

#include "core/async/wait.h"
#include "core/base/strings.h"
#include "core/http/http2.h"
#include "core/http/internal/http2_session.h"

namespace aviary::http {

namespace {

constexpr std::size_t kMaxIdleFrames = 10'000;
constexpr Duration kFloodWindow = std::chrono::seconds(30);
constexpr std::int32_t kLastStream = 1 << 30;   // a connection that came so far is left before its numbers run out

// A request and its answer.
struct Exchange {
    Http2Session::StreamId id = 0;
    Http2Body body;
    bool wants_stream = false;
    Response response;
    std::size_t header_bytes = 0;
    bool head_whole = false;
    bool streams = false;   // its body is taken part by part
    std::string unread;     // of such a body
    bool whole = false;     // the answer
    bool closed = false;
    bool sent = false;   // the request's head
    bool unprocessed = false;
    std::optional<Error> error;
    async::Event changed;

    bool ready() const { return error || whole || (streams && head_whole); }
    void fail(Error why) {
        if (!error && !whole) error = std::move(why);
        changed.notify();
    }
};

Error gone() { return Error(ErrorCode::kUnavailable, "the connection is closed"); }

Http2Terms terms_of(Http2Options const& options) {
    return {.client = true,
            .max_streams = 0,
            .max_header_bytes = options.max_header_bytes,
            .max_idle_frames = kMaxIdleFrames,
            .flood_window = kFloodWindow,
            .write_timeout = options.write_timeout,
            .ping_after = options.ping_after,
            .ping_timeout = options.ping_timeout};
}

}   // namespace

struct Http2Connection::Impl final : Http2Session {
    using Shared = std::shared_ptr<Exchange>;

    Impl(std::unique_ptr<net::Stream> stream, Http2Options options)
        : Http2Session(std::move(stream), terms_of(options)), options_(std::move(options)) {}

    bool open() const { return !leaving_ && !over(); }

    std::size_t room() const {
        std::size_t const taken = taken_ + queue_.size();
        return open() && taken < peer_max_streams() ? peer_max_streams() - taken : 0;
    }

    std::size_t requests() const { return taken_ + queue_.size(); }

    void drain() {
        stop_taking(gone());
        leave();
    }

    // Waits until the peer takes one more; who was let in must give its place back.
    Task<Status> enter(Context ctx) {
        if (!open()) co_return std::unexpected(gone());
        if (queue_.empty() && taken_ < peer_max_streams()) {
            ++taken_;
            co_return Status{};
        }
        async::Waiter waiter(ctx);
        queue_.push_back(&waiter);
        Status const entered = co_await waiter;
        std::erase(queue_, &waiter);
        co_return entered;
    }

    void exit() {
        --taken_;
        admit();
    }

    void admit() {
        while (open() && !queue_.empty() && taken_ < peer_max_streams()) {
            async::Waiter* const next = queue_.front();
            queue_.pop_front();
            if (next->finished()) continue;   // gave up
            ++taken_;
            next->wake();
        }
    }

    // With a place taken, which it gives back when the stream is closed.
    Shared begin(Request request, bool stream) {
        auto exchange = std::make_shared<Exchange>();
        exchange->wants_stream = stream;
        Headers headers = on_the_wire(request.headers);
        std::string authority = options_.authority;
        if (std::string_view const host = find_header(headers, "host"); !host.empty()) authority = host;
        std::erase_if(headers, [](auto const& each) { return each.first == "host" || each.first == "content-length"; });
        std::string const length = std::to_string(request.body.size());
        if (!request.body.empty() || request.method != "GET") headers.emplace_back("content-length", length);
        Headers pseudo{{":method", std::move(request.method)},
                       {":scheme", "https"},
                       {":path", request.target.empty() ? "/" : std::move(request.target)}};
        pseudo.emplace_back(":authority", std::move(authority));
        headers.insert(headers.begin(), std::make_move_iterator(pseudo.begin()), std::make_move_iterator(pseudo.end()));
        exchange->body.bytes = std::move(request.body);
        exchange->body.whole = true;
        auto const id = submit_request(headers, exchange->body.bytes.empty() ? nullptr : &exchange->body);
        if (!id) {
            exchange->closed = true;
            exchange->unprocessed = true;
            exchange->fail(Error(ErrorCode::kUnavailable, "the connection takes no more requests"));
            exit();
            return exchange;
        }
        exchange->id = *id;
        exchanges_.emplace(*id, exchange);
        if (*id >= kLastStream) drain();
        return exchange;
    }

    // Nobody waits for it any more.
    void give_up(Exchange& exchange) {
        consume_unread(std::exchange(exchange.unread, {}).size());
        exchange.streams = false;
        exchange.fail(gone());   // what still comes is dropped
        if (!exchange.closed && !over()) reset(exchange.id, NGHTTP2_CANCEL);
    }

    void take(Exchange const& exchange, std::size_t bytes) { consume(exchange.id, bytes); }

    void fail_all(Error const& why) {
        stop_taking(why);
        taken_ -= exchanges_.size();
        for (auto const& [id, exchange] : std::exchange(exchanges_, {})) {
            exchange->closed = true;
            exchange->unprocessed = !exchange->sent;
            exchange->fail(why);
        }
    }

    Http2Options options_;

private:
    Exchange* find(StreamId id) {
        auto const found = exchanges_.find(id);
        return found == exchanges_.end() ? nullptr : found->second.get();
    }

    void stop_taking(Error const& why) {
        leaving_ = true;
        for (async::Waiter* const waiter : std::exchange(queue_, {})) waiter->fail(why);
    }

    // Also before the final one, after those of status 1xx.
    void header_block(StreamId id) override {
        Exchange* const exchange = find(id);
        if (exchange == nullptr || exchange->head_whole) return;
        exchange->response = {};
        exchange->header_bytes = 0;
    }

    void header(StreamId id, std::string_view name, std::string_view value) override {
        Exchange* const exchange = find(id);
        if (exchange == nullptr || exchange->head_whole) return;
        exchange->header_bytes += name.size() + value.size() + kHeaderOverhead;
        if (exchange->header_bytes > options_.max_header_bytes) return;
        if (name == ":status") {
            exchange->response.status = static_cast<int>(parse_int(value).value_or(0));
        } else if (!name.starts_with(':')) {
            exchange->response.headers.emplace_back(name, value);
        }
    }

    void header_block_ended(StreamId id) override {
        Exchange* const exchange = find(id);
        if (exchange == nullptr || exchange->head_whole) return;
        if (exchange->header_bytes > options_.max_header_bytes)
            return refuse(*exchange, Error(ErrorCode::kTooLarge, "the header of the answer is too large"));
        if (exchange->response.status / 100 == 1) return count_idle_frame();
        exchange->head_whole = true;
        exchange->streams = exchange->wants_stream && exchange->response.status < 300 &&
                            find_header(exchange->response.headers, "content-length").empty();
        if (exchange->streams) exchange->changed.notify();
    }

    void refuse(Exchange& exchange, Error why) {
        exchange.fail(std::move(why));
        reset(exchange.id, NGHTTP2_CANCEL);
    }

    void data(StreamId id, std::string_view bytes) override {
        Exchange* const exchange = find(id);
        if (exchange != nullptr && exchange->streams) {
            exchange->unread += bytes;
            exchange->changed.notify();
            return;
        }
        consume(id, bytes.size());
        if (exchange == nullptr || exchange->error) return;
        if (exchange->response.body.size() + bytes.size() > options_.max_body_bytes) {
            exchange->response.body = {};
            return refuse(*exchange, Error(ErrorCode::kTooLarge, fmt::format("the answer is over the limit of {} bytes",
                                                                             options_.max_body_bytes)));
        }
        exchange->response.body += bytes;
    }

    void message_ended(StreamId id) override {
        Exchange* const exchange = find(id);
        if (exchange == nullptr || !exchange->head_whole) return;
        exchange->whole = true;
        exchange->changed.notify();
        // It answered before it had read the request: the rest is of no interest.
        if (exchange->body.pending() > 0) reset(id, NGHTTP2_NO_ERROR);
    }

    void closed(StreamId id, std::uint32_t code) override {
        auto const found = exchanges_.find(id);
        if (found == exchanges_.end()) return;
        Shared const exchange = found->second;
        exchanges_.erase(found);
        exchange->closed = true;
        exchange->unprocessed = code == NGHTTP2_REFUSED_STREAM || !exchange->sent;
        exchange->fail(Error(ErrorCode::kUnavailable,
                             fmt::format("the peer broke the request off: {}", nghttp2_http2_strerror(code))));
        exit();
    }

    void head_sent(StreamId id) override {
        if (Exchange* const exchange = find(id)) exchange->sent = true;
    }
    void settings_changed() override { admit(); }
    void peer_leaves() override { stop_taking(Error(ErrorCode::kUnavailable, "the peer takes no more requests")); }

    std::unordered_map<StreamId, Shared> exchanges_;
    std::size_t taken_ = 0;   // places, of those that the peer has
    std::deque<async::Waiter*> queue_;
    bool leaving_ = false;
};

namespace {

template <class Impl>
class StreamedBody final : public BodyStream {
public:
    StreamedBody(std::shared_ptr<Impl> connection, std::shared_ptr<Exchange> exchange)
        : connection_(std::move(connection)), exchange_(std::move(exchange)) {}
    ~StreamedBody() override { connection_->give_up(*exchange_); }

    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        while (exchange_->unread.empty()) {
            if (exchange_->error) co_return std::unexpected(*exchange_->error);
            if (exchange_->whole) co_return std::optional<std::string>();
            CO_TRY(co_await exchange_->changed.wait(ctx));
        }
        std::string part = std::exchange(exchange_->unread, {});
        connection_->take(*exchange_, part.size());
        co_return std::optional(std::move(part));
    }

private:
    std::shared_ptr<Impl> connection_;
    std::shared_ptr<Exchange> exchange_;
};

}   // namespace

Http2Connection::Http2Connection(std::unique_ptr<net::Stream> stream, Http2Options options)
    : impl_(std::make_shared<Impl>(std::move(stream), std::move(options))) {}

Http2Connection::~Http2Connection() = default;

Task<Status> Http2Connection::run(Context ctx) {
    std::shared_ptr<Impl> const impl = impl_;
    Status const outcome = co_await impl->run(ctx);
    Error const why = outcome ? Error(ErrorCode::kUnavailable, "the peer closed the connection") : outcome.error();
    // Their own contexts have not stopped.
    impl->fail_all(why.is(ErrorCode::kUnavailable) ? why : gone());
    co_return std::unexpected(why);
}

Task<Result<Response>> Http2Connection::send(Context ctx, Request request, bool stream, bool* unprocessed) {
    std::shared_ptr<Impl> const impl = impl_;
    bool unused = false;
    bool& untouched = unprocessed == nullptr ? unused : *unprocessed;
    untouched = true;
    Context const limited = ctx.with_timeout(impl->options_.request_timeout);
    CO_TRY(co_await impl->enter(limited));
    if (!impl->open()) {
        impl->exit();
        co_return std::unexpected(gone());
    }
    std::shared_ptr<Exchange> const exchange = impl->begin(std::move(request), stream);
    while (!exchange->ready()) {
        Status const waited = co_await exchange->changed.wait(limited);
        if (waited || exchange->ready()) continue;
        impl->give_up(*exchange);
        untouched = false;
        co_return std::unexpected(waited.error());
    }
    untouched = exchange->error && exchange->unprocessed;
    if (exchange->error) co_return std::unexpected(*exchange->error);
    Response response = std::move(exchange->response);
    if (exchange->streams) response.stream = std::make_unique<StreamedBody<Impl>>(impl, exchange);
    co_return std::move(response);
}

bool Http2Connection::open() const { return impl_->open(); }
std::size_t Http2Connection::room() const { return impl_->room(); }
std::size_t Http2Connection::requests() const { return impl_->requests(); }
void Http2Connection::drain() { impl_->drain(); }
net::Peer const& Http2Connection::peer() const { return impl_->peer(); }

}   // namespace aviary::http
