// For tests: a connection whose other end sends given bytes in small pieces, closes, and reads everything.
#pragma once

#include <algorithm>
#include <string>

#include "core/net/stream.h"

namespace aviary::http {

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

}   // namespace aviary::http
