#include "kube/client/internal/tls_files.h"

#include <array>
#include <memory>
#include <utility>

#include "core/crypto/certificate.h"
#include "kube/client/internal/token_file.h"

namespace aviary::client {

namespace {

struct TlsFiles {
    TlsPaths paths;
    TlsParts parts;
    std::array<Stamp, 3> seen{};   // of none: what was replaced since the parts were read is read again

    std::array<Stamp, 3> stamps() const {
        auto const of = [](std::string const& path) { return path.empty() ? Stamp() : stamp_of(path); };
        return {of(paths.authority), of(paths.certificate), of(paths.key)};
    }

    Result<TlsParts> read() const {
        TlsParts now = parts;
        if (!paths.authority.empty()) {
            now.authority = TRY(read_file(paths.authority));
            TRY(crypto::ends_at(now.authority));
        }
        if (!paths.certificate.empty()) now.certificate = TRY(read_file(paths.certificate));
        if (!paths.key.empty()) now.key = TRY(read_file(paths.key));
        bool const pair = !paths.certificate.empty() || !paths.key.empty();
        if (pair) TRY(crypto::life_of({now.certificate, now.key}));
        return now;
    }

    TlsParts const& current() {
        auto const now = stamps();
        if (now == seen) return parts;
        if (auto fresh = read()) {
            parts = std::move(*fresh);
            seen = now;
        }
        return parts;
    }
};

}   // namespace

std::function<TlsParts()> tls_files(TlsPaths paths, TlsParts parts) {
    auto files = std::make_shared<TlsFiles>(TlsFiles{std::move(paths), std::move(parts)});
    return [files] { return files->current(); };
}

}   // namespace aviary::client
