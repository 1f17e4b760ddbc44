// Presence: how a process on this machine knows that another one has ended. One that was killed and is started again
// needs not wait for its own lease.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/random.h"
#include "core/base/result.h"

namespace aviary::process {

// Holds an abstract socket (unix(7)), which the kernel takes away with the process however that ends. Such sockets are
// of one boot and one network namespace, as the containers of a pod share it, so both are part of the identity.
class Presence {
public:
    // `name` is for people: the pod's or the host's.
    static Result<Presence> create(std::string name, Random& random);

    // NAME.PLACE.TOKEN; unlike that of any other process.
    std::string const& identity() const { return identity_; }
    // Whether the process with this identity (what follows a `_` does not count) ran here and is no more. What it sent
    // last may still be carried out.
    bool has_ended(std::string_view identity) const;

private:
    class Socket;
    Presence() = default;
    std::string place_;   // NAME.PLACE
    std::string identity_;
    std::shared_ptr<Socket const> socket_;
};

}   // namespace aviary::process
