#include "app/process/presence.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <utility>

namespace aviary::process {

class Presence::Socket {
public:
    Socket() : descriptor_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
    ~Socket() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    Socket(Socket const&) = delete;
    Socket& operator=(Socket const&) = delete;

    bool bind(std::string_view name) const {
        auto const [address, size] = address_of(name);
        return ::bind(descriptor_, reinterpret_cast<sockaddr const*>(&address), size) == 0;
    }
    // Only the kernel's word that nobody has the name counts.
    bool refused(std::string_view name) const {
        auto const [address, size] = address_of(name);
        return ::connect(descriptor_, reinterpret_cast<sockaddr const*>(&address), size) != 0 && errno == ECONNREFUSED;
    }

private:
    // Abstract: the path begins with a zero byte.
    static std::pair<sockaddr_un, socklen_t> address_of(std::string_view name) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::string const path = fmt::format("aviary/{}", name);
        std::memcpy(address.sun_path + 1, path.data(), path.size());
        return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size())};
    }

    int descriptor_;
};

namespace {

constexpr std::size_t kTokenLength = 16;

// The boot's and the network namespace's numbers; empty where the kernel does not tell.
std::string place() {
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    struct stat space{};
    if (boot.size() < 8 || ::stat("/proc/self/ns/net", &space) != 0) return {};
    return fmt::format("{}-{:x}", boot.substr(0, 8), space.st_ino);
}

}   // namespace

Result<Presence> Presence::create(std::string name, Random& random) {
    std::string const here = place();
    if (here.empty()) return fail(ErrorCode::kUnavailable, "this kernel does not tell its boot and network namespace");
    std::string const token = random.suffix(kTokenLength);
    auto socket = std::make_shared<Socket>();
    if (!socket->bind(token))
        return fail(ErrorCode::kUnavailable, fmt::format("an abstract socket: {}", std::strerror(errno)));
    Presence presence;
    presence.place_ = fmt::format("{}.{}", name, here);
    presence.identity_ = fmt::format("{}.{}", presence.place_, token);
    presence.socket_ = std::move(socket);
    return presence;
}

bool Presence::has_ended(std::string_view identity) const {
    identity = identity.substr(0, identity.find('_', place_.size()));
    if (identity.size() != place_.size() + 1 + kTokenLength || !identity.starts_with(place_)) return false;
    if (identity[place_.size()] != '.') return false;
    return Socket().refused(identity.substr(place_.size() + 1));
}

}   // namespace aviary::process
