// Links: the connections of agents of each cluster, and the way to a cluster over whichever of its links stands. A
// cluster may have several, of an agent's replicas or while one takes the place of another; the newest is used. Lives
// on the hub's loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/async/event.h"
#include "core/http/http2.h"
#include "kube/client/transport.h"

namespace aviary::link {

class Links {
public:
    Links();

    // Stays right as links come and go, and outlives this. Without a link a request is answered Unavailable.
    std::shared_ptr<client::Transport> transport(std::string cluster) const;
    // One that has shown the certificate of this cluster, and is not a way to it yet. `leave` is set when it is to go:
    // the cluster has left the fleet, or `most` have come after it.
    void come(std::string const& cluster, async::Event& leave, std::size_t most);
    // It may stay, and is asked from now on. Not one that has gone.
    void add(std::string const& cluster, async::Event& leave, std::shared_ptr<http::Http2Connection> connection);
    // With why it has ended. Each that has come.
    void remove(std::string const& cluster, async::Event& leave, std::string why);
    // One that says to be of this cluster has no certificate that counts, and why it is not let in. It is said where
    // the cluster is of the fleet and has no link.
    void note_refused(std::string const& cluster, std::string why);
    // The links of a cluster that has left the fleet.
    void cut(std::string const& cluster);
    // Those that can be asked.
    std::size_t clusters() const;
    // Called when the first link of a cluster comes, and when its last has gone.
    void on_change(std::function<void(std::string const& cluster)> changed);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}   // namespace aviary::link
