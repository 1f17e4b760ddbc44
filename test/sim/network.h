// The network of a simulation: every message between a process and an API server goes through a Wire, which delays,
// loses, repeats and refuses as a seeded source says, and tells the Ear what passed. One loop, virtual time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/async/stop.h"
#include "kube/client/transport.h"

namespace aviary::sim {

// What happens to the messages of one process. Changed while it runs.
struct Faults {
    double lose_request = 0;    // never arrives
    double lose_answer = 0;     // carried out, and nobody is told
    double repeat = 0;          // a write arrives twice, the second time later
    double refuse = 0;          // 409, 429 or 500
    double gone = 0;            // a watch is answered 410
    double cut_watch = 0;       // per event
    Duration delay{0};          // up to so long, each way, and per event
    bool partitioned = false;   // nothing passes
    MonotonicTime frozen{};     // the process stands still until then: what it was about to send, it sends then

    void calm() { *this = Faults(); }
};

// One process from its start to its crash. Dead, nothing of it passes any more.
struct Process {
    std::string name;   // "hub-a", "member of beijing", "kubernetes of beijing", "person"
    Faults faults;
    bool dead = false;
    // Named points: dies right before or right after its n-th write from now; 0: not.
    int dies_before_write = 0;
    int dies_after_write = 0;
    std::function<void()> die;   // called at such a point; ends the process on a later turn
};

// One life of the API server.
struct ServerLife {
    std::function<std::shared_ptr<client::Transport>(std::string const& cluster, std::string const& user)> connect;
    async::StopSource end;
    bool dead = false;
    int in_flight = 0;          // requests it is working on
    int dies_after_write = 0;   // the n-th write that it answers from now is its last; 0: not
    std::function<void()> die;
};

// Hears every message. Called in the order in which things happen.
class Ear {
public:
    virtual ~Ear() = default;
    // A request leaves a process.
    virtual void sent(Process const& process, std::string const& cluster, client::Request const& request) = 0;
    // It arrives; `again`: the second copy of a repeated one.
    virtual void arrived(Process const& process, std::string const& cluster, client::Request const& request,
                         bool again) = 0;
    // The process is told how it went.
    virtual void answered(Process const& process, std::string const& cluster, client::Request const& request,
                          client::Response const& response) = 0;
    // A watch's event reaches the process.
    virtual void delivered(Process const& process, std::string const& cluster, std::string const& path,
                           json::Doc const& event) = 0;
};

// The server that answers now; absent while it is down.
using Server = std::shared_ptr<ServerLife>;

std::shared_ptr<client::Transport> make_wire(std::shared_ptr<Server const> server, std::string cluster,
                                             std::string user, std::shared_ptr<Process> process, Ear& ear);

}   // namespace aviary::sim
