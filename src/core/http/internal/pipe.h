// For tests: two streams that are each other's end, in memory, on any loop. What is written waits in a buffer that is
// bounded, so whoever does not read holds the other up.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "core/async/event.h"
#include "core/net/stream.h"

namespace aviary::http {

class Pipe final : public net::Stream {
public:
    static std::pair<std::unique_ptr<Pipe>, std::unique_ptr<Pipe>> make(std::size_t capacity = 256 << 10) {
        auto there = std::make_shared<Way>(Way{.capacity = capacity});
        auto back = std::make_shared<Way>(Way{.capacity = capacity});
        return {std::make_unique<Pipe>(there, back), std::make_unique<Pipe>(back, there)};
    }

    struct Way {
        std::size_t capacity = 0;
        std::string bytes;
        bool closed = false;
        async::Event changed;
    };
    Pipe(std::shared_ptr<Way> in, std::shared_ptr<Way> out) : in_(std::move(in)), out_(std::move(out)) {}
    ~Pipe() override { close(); }

    Task<Status> handshake(Context) override { co_return Status{}; }
    Task<Result<std::size_t>> read_some(Context ctx, std::span<char> buffer) override {
        while (in_->bytes.empty()) {
            if (in_->closed) co_return std::size_t{0};
            CO_TRY(co_await in_->changed.wait(ctx));
        }
        std::size_t const count = in_->bytes.copy(buffer.data(), buffer.size());
        in_->bytes.erase(0, count);
        in_->changed.notify();
        co_return count;
    }
    Task<Status> write(Context ctx, std::string_view bytes) override {
        while (!bytes.empty()) {
            if (out_->closed) co_return fail(ErrorCode::kUnavailable, "closed");
            std::string_view const piece = bytes.substr(0, out_->capacity - out_->bytes.size());
            if (piece.empty()) {
                CO_TRY(co_await out_->changed.wait(ctx));
                continue;
            }
            out_->bytes += piece;
            out_->changed.notify();
            bytes.remove_prefix(piece.size());
        }
        co_return Status{};
    }
    void close() override {
        for (auto const& way : {in_, out_}) {
            way->closed = true;
            way->changed.notify();
        }
    }
    net::Peer const& peer() const override { return peer_; }
    std::string_view protocol() const override { return protocol_; }
    // Whom the other end showed itself to be.
    void with_peer(net::Peer peer) { peer_ = std::move(peer); }
    // Expires with the last of both ends.
    std::weak_ptr<void> line() const { return in_; }
    void speak(std::string protocol) { protocol_ = std::move(protocol); }

private:
    std::shared_ptr<Way> in_, out_;
    net::Peer peer_{.common_name = "test"};
    std::string protocol_;
};

}   // namespace aviary::http
