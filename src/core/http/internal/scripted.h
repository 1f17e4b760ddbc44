// For tests: connections whose other end sends given bytes in small pieces and reads everything.
#pragma once

#include <algorithm>
#include <string>

#include "core/async/event.h"
#include "core/net/stream.h"

namespace aviary::http {

// And closes then.
class Scripted final : public net::Stream {
public:
    explicit Scripted(std::string bytes) : bytes_(std::move(bytes)) {}
    Task<Status> handshake(Context) override { co_return Status{}; }
    Task<Result<std::size_t>> read_some(Context, std::span<char> buffer) override {
        std::size_t const left = bytes_.size() - done_;
        std::size_t const count = std::min({buffer.size(), left, std::size_t{7} + left % 61});
        bytes_.copy(buffer.data(), count, done_);
        done_ += count;
        co_return count;
    }
    Task<Status> write(Context, std::string_view bytes) override {
        written += bytes;
        co_return Status{};
    }
    void close() override {}
    net::Peer const& peer() const override { return peer_; }

    std::string written;

private:
    std::string bytes_;
    std::size_t done_ = 0;
    net::Peer peer_;
};

// And is silent then, for ever: what is answered is written.
class Lasting final : public net::Stream {
public:
    explicit Lasting(std::string bytes, std::string protocol = {}, net::Peer peer = {})
        : script_(std::move(bytes)), protocol_(std::move(protocol)), peer_(std::move(peer)) {}
    Task<Status> handshake(Context) override { co_return Status{}; }
    Task<Result<std::size_t>> read_some(Context ctx, std::span<char> buffer) override {
        CO_TRY_ASSIGN(std::size_t const count, co_await script_.read_some(ctx, buffer));
        if (count == 0) CO_TRY(co_await async::sleep_for(ctx, std::chrono::hours(24)));
        co_return count;
    }
    Task<Status> write(Context ctx, std::string_view bytes) override {
        Status const written = co_await script_.write(ctx, bytes);
        co_return written;
    }
    void close() override {}
    net::Peer const& peer() const override { return peer_; }
    std::string_view protocol() const override { return protocol_; }

private:
    Scripted script_;
    std::string protocol_;
    net::Peer peer_;
};

}   // namespace aviary::http
