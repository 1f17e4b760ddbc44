#include "wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <map>

namespace aviary::perf {

namespace {

template <class T, auto Free>
struct Freed {
    void operator()(T* object) const { Free(object); }
};
using Bio = std::unique_ptr<BIO, Freed<BIO, BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;

struct Address {
    std::string host;
    std::uint16_t port = 0;
    std::string prefix;
};

// https://127.0.0.1:7443/clusters/beijing
Address address_of(std::string_view url) {
    Address address;
    if (std::size_t const scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
    std::size_t const slash = url.find('/');
    if (slash != std::string_view::npos) address.prefix = url.substr(slash);
    while (address.prefix.ends_with('/')) address.prefix.pop_back();
    std::string_view const place = url.substr(0, slash);
    std::size_t const colon = place.find(':');
    address.host = place.substr(0, colon);
    if (colon != std::string_view::npos)
        std::from_chars(place.data() + colon + 1, place.data() + place.size(), address.port);
    return address;
}

std::unexpected<Error> broken(std::string_view what, std::string_view why) {
    return fail(ErrorCode::kUnavailable, fmt::format("{}: {}", what, why));
}

// One context for all connections with the same credentials.
Result<SSL_CTX*> context_for(client::ServerAccess const& access) {
    static std::map<std::string, SSL_CTX*> made;
    SSL_CTX*& context = made[access.certificate];
    if (context != nullptr) return context;
    SSL_CTX* const fresh = SSL_CTX_new(TLS_client_method());
    auto const bio = [](std::string const& text) {
        return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    };
    Certificate const own(PEM_read_bio_X509(bio(access.certificate).get(), nullptr, nullptr, nullptr));
    PrivateKey const key(PEM_read_bio_PrivateKey(bio(access.key).get(), nullptr, nullptr, nullptr));
    Certificate const authority(PEM_read_bio_X509(bio(access.authority).get(), nullptr, nullptr, nullptr));
    if (!own || !key || !authority || SSL_CTX_use_certificate(fresh, own.get()) != 1 ||
        SSL_CTX_use_PrivateKey(fresh, key.get()) != 1 ||
        X509_STORE_add_cert(SSL_CTX_get_cert_store(fresh), authority.get()) != 1)
        return broken("credentials", "the kubeconfig has no usable client certificate, key or authority");
    SSL_CTX_set_verify(fresh, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(fresh, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(fresh, 1);
    context = fresh;
    return context;
}

}   // namespace

struct Wire::Impl {
    int socket = -1;
    SSL* ssl = nullptr;
    ~Impl() {
        if (ssl != nullptr) SSL_free(ssl);
        if (socket >= 0) ::close(socket);
    }
};

Wire::Wire(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Wire::~Wire() = default;

Result<std::unique_ptr<Wire>> Wire::open(client::ServerAccess const& access) {
    auto impl = std::make_unique<Impl>();
    Address const address = address_of(access.url);
    impl->socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(address.port);
    if (::inet_pton(AF_INET, address.host.c_str(), &place.sin_addr) != 1) return broken(address.host, "not an address");
    if (::connect(impl->socket, reinterpret_cast<sockaddr const*>(&place), sizeof place) != 0)
        return broken(access.url, std::strerror(errno));
    int const on = 1;
    ::setsockopt(impl->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    impl->ssl = SSL_new(TRY(context_for(access)));
    SSL_set_fd(impl->ssl, impl->socket);
    if (SSL_connect(impl->ssl) != 1)
        return broken(access.url, fmt::format("TLS handshake: {}", ERR_reason_error_string(ERR_get_error()) ?: "?"));
    ::fcntl(impl->socket, F_SETFL, O_NONBLOCK);
    return std::unique_ptr<Wire>(new Wire(std::move(impl)));
}

int Wire::socket() const { return impl_->socket; }

bool Wire::send(std::string_view bytes) {
    out_ += bytes;
    return flush();
}

bool Wire::flush() {
    while (!out_.empty()) {
        int const count = SSL_write(impl_->ssl, out_.data(), static_cast<int>(out_.size()));
        if (count > 0) {
            out_.erase(0, static_cast<std::size_t>(count));
            continue;
        }
        int const why = SSL_get_error(impl_->ssl, count);
        return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ;
    }
    return true;
}

bool Wire::receive() {
    static char space[64 << 10];
    while (true) {
        int const count = SSL_read(impl_->ssl, space, sizeof space);
        if (count > 0) {
            in.append(space, static_cast<std::size_t>(count));
            continue;
        }
        int const why = SSL_get_error(impl_->ssl, count);
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    }
}

std::string request(client::ServerAccess const& access, std::string_view method, std::string_view path,
                    std::string_view body) {
    Address const address = address_of(access.url);
    std::string text =
        fmt::format("{} {}{} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: aviary-perf\r\nAccept: application/json\r\n",
                    method, address.prefix, path, address.host, address.port);
    if (!body.empty()) text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    return fmt::format("{}\r\n{}", text, body);
}

Answer parse_answer(std::string_view text) {
    std::size_t const end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return {};
    Answer answer;
    std::from_chars(text.data() + 9, text.data() + 12, answer.status);
    std::string_view const head = text.substr(0, end);
    constexpr std::string_view kLength = "Content-Length: ";
    std::size_t length = 0;
    if (std::size_t const at = head.find(kLength); at != std::string_view::npos)
        std::from_chars(head.data() + at + kLength.size(), head.data() + head.size(), length);
    if (text.size() < end + 4 + length) return {};
    answer.length = end + 4 + length;
    answer.body = text.substr(end + 4, length);
    return answer;
}

std::uint64_t now_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    auto const seconds = [](timeval const& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}   // namespace aviary::perf
