#include "kube/client/internal/token_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/strings.h"

namespace aviary::client {

namespace {

constexpr std::size_t kMostOfFile = 16 << 20;
constexpr std::size_t kPiece = 64 << 10;

Result<std::string> read_token(std::string const& path) {
    std::string const text = TRY(read_file(path));
    std::string token(trim(text));
    if (token.empty()) return fail(ErrorCode::kInvalid, fmt::format("{} is empty: a token is expected", path));
    // It becomes a header.
    if (!std::ranges::all_of(token, [](char letter) { return letter > ' ' && letter < '\x7f'; }))
        return fail(ErrorCode::kInvalid, fmt::format("{} is no token: it has letters that no token has", path));
    return token;
}

struct TokenFile {
    std::string path;
    Stamp seen;
    std::string token;

    std::string const& current() {
        Stamp const now = stamp_of(path);
        if (now == seen) return token;
        if (auto read = read_token(path)) {
            token = std::move(*read);
            seen = now;
        }
        return token;
    }
};

}   // namespace

Stamp stamp_of(std::string const& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

Result<std::string> read_file(std::string const& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(ErrorCode::kNotFound, fmt::format("{}: {}", path, std::strerror(errno)));
    std::string text;
    std::vector<char> piece(kPiece);
    while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
        text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
        // A device, say, which has no end.
        if (text.size() > kMostOfFile) {
            return fail(ErrorCode::kTooLarge, fmt::format("{} is larger than {} bytes: no kubeconfig, certificate or "
                                                          "token is",
                                                          path, kMostOfFile));
        }
    }
    return text;
}

Result<std::function<std::string()>> token_file(std::string path) {
    // The stamp first: what is written in between is read again.
    Stamp const seen = stamp_of(path);
    std::string token = TRY(read_token(path));
    auto file = std::make_shared<TokenFile>(TokenFile{std::move(path), seen, std::move(token)});
    return [file] { return file->current(); };
}

}   // namespace aviary::client
