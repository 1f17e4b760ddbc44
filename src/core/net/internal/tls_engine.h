// TLS without a socket: bytes of the peer in, bytes for the peer out. Nothing here waits.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace aviary::net {

class TlsEngine {
public:
    TlsEngine(SSL_CTX* context, bool client);
    ~TlsEngine();
    TlsEngine(TlsEngine const&) = delete;
    TlsEngine& operator=(TlsEngine const&) = delete;

    // Client: the name or address that the other end's certificate must be for. Without it nothing is checked.
    void expect_host(std::string const& host);

    // What came from the peer.
    void feed(std::span<char const> bytes);

    enum class Step { kDone, kNeedsInput, kClosed };
    Result<Step> handshake();
    // At least one byte into `buffer`, when it is done.
    Result<Step> read(std::span<char> buffer, std::size_t& count);
    // All of it; appended to outgoing().
    Status write(std::string_view bytes);

    // What is to go to the peer; whoever sends it takes it out.
    std::string& outgoing() { return outgoing_; }
    SSL* native() const { return ssl_.get(); }

private:
    friend struct TlsEngineBio;
    Result<Step> outcome(int result);

    struct Free {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };
    std::unique_ptr<SSL, Free> ssl_;
    std::string incoming_;
    std::size_t taken_ = 0;   // of incoming_
    std::string outgoing_;
};

}   // namespace aviary::net
