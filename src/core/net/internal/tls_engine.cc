#include "core/net/internal/tls_engine.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "core/base/check.h"

namespace aviary::net {

// The engine as OpenSSL's source and sink of bytes.
struct TlsEngineBio {
    static TlsEngine& engine(BIO* bio) { return *static_cast<TlsEngine*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* bytes, int size) {
        TlsEngine& self = engine(bio);
        BIO_clear_retry_flags(bio);
        std::size_t const there = self.incoming_.size() - self.taken_;
        if (there == 0) {
            BIO_set_retry_read(bio);
            return -1;
        }
        std::size_t const count = std::min(there, static_cast<std::size_t>(size));
        std::memcpy(bytes, self.incoming_.data() + self.taken_, count);
        self.taken_ += count;
        return static_cast<int>(count);
    }

    static int write(BIO* bio, char const* bytes, int size) {
        BIO_clear_retry_flags(bio);
        engine(bio).outgoing_.append(bytes, static_cast<std::size_t>(size));
        return size;
    }

    static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

    static BIO_METHOD* method() {
        static BIO_METHOD* const made = [] {
            BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "aviary");
            BIO_meth_set_read(method, read);
            BIO_meth_set_write(method, write);
            BIO_meth_set_ctrl(method, control);
            return method;
        }();
        return made;
    }
};

namespace {

constexpr std::size_t kKeptBytes = 64 << 10;   // buffers that grew larger are given back

Error tls_error(SSL const* ssl) {
    unsigned long const code = ERR_get_error();
    char const* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    ERR_clear_error();
    std::string message = reason == nullptr ? "TLS failed" : reason;
    // What of the certificate was not right: that its time is over, say.
    bool const refused = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (long const problem = SSL_get_verify_result(ssl); refused && problem != X509_V_OK)
        message += std::string(": ") + X509_verify_cert_error_string(problem);
    return Error(ErrorCode::kUnavailable, std::move(message));
}

}   // namespace

TlsEngine::TlsEngine(SSL_CTX* context, bool client) : ssl_(SSL_new(context)) {
    AVIARY_CHECK(ssl_);
    BIO* const bio = BIO_new(TlsEngineBio::method());
    AVIARY_CHECK(bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);   // connections are idle most of the time
    client ? SSL_set_connect_state(ssl_.get()) : SSL_set_accept_state(ssl_.get());
    if (client) SSL_set_verify(ssl_.get(), SSL_VERIFY_NONE, nullptr);
}

TlsEngine::~TlsEngine() = default;

void TlsEngine::expect_host(std::string const& host) {
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str()) == 1) return;
    SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl_.get(), host.c_str());
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
}

void TlsEngine::feed(std::span<char const> bytes) {
    if (taken_ == incoming_.size()) {
        incoming_.clear();
        taken_ = 0;
        if (incoming_.capacity() > kKeptBytes) incoming_ = {};
    }
    incoming_.append(bytes.data(), bytes.size());
}

Result<TlsEngine::Step> TlsEngine::outcome(int result) {
    if (result > 0) return Step::kDone;
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ: return Step::kNeedsInput;
        case SSL_ERROR_ZERO_RETURN: return Step::kClosed;
        default: return std::unexpected(tls_error(ssl_.get()));
    }
}

Result<TlsEngine::Step> TlsEngine::handshake() {
    ERR_clear_error();
    return outcome(SSL_do_handshake(ssl_.get()));
}

Result<TlsEngine::Step> TlsEngine::read(std::span<char> buffer, std::size_t& count) {
    ERR_clear_error();
    return outcome(SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count));
}

Status TlsEngine::write(std::string_view bytes) {
    if (bytes.empty()) return {};
    ERR_clear_error();
    std::size_t count = 0;
    if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count) == 1) return {};
    return std::unexpected(tls_error(ssl_.get()));
}

}   // namespace aviary::net
