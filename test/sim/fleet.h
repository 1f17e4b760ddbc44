// The fleet of a simulation: one API server with the hub's and three members' clusters over an engine that loses what
// it had not synced, Kubernetes in each member, the members' release controllers with their webhooks, and the hub. Each
// part is a process that can crash by itself. Nothing here decides or checks.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/hub/hub.h"
#include "app/member/internal/test_game_sets.h"
#include "app/member/member.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/client/lease.h"
#include "kube/simulator/simulator.h"
#include "network.h"

namespace aviary::sim {

inline constexpr char kHubCluster[] = "fleet";

// Hears when the API server has gone and come back, beside its messages.
class Witness : public Ear {
public:
    // `clients` reach the new server past every wire.
    virtual void server_started(Context const& ctx,
                                std::function<client::Client(std::string const& cluster)> const& clients) = 0;
    virtual Task<void> server_ended() = 0;
    // A version comes to a member past its webhook, as nobody answers.
    virtual void passes_by(std::string const& cluster, std::string const& image) = 0;
    // What a member's webhook is to be asked about is refused there, or passes.
    virtual void unanswered(std::string const& cluster) = 0;
    // A member's controllers die.
    virtual void member_dies(std::string const& cluster) = 0;
};

class Fleet {
public:
    // Without a hub there are its members alone, with a node for each pod. `webhook_passes`: what nobody answers of a
    // member's webhook passes; pods take long to start there, so that somebody is back before all are new.
    Fleet(Context const& ctx, Witness& witness, bool with_hub, bool webhook_passes);

    // Members with their Kubernetes and controllers, then the hub; everything registered.
    Task<Status> start(Context ctx);
    Task<void> stop();

    std::vector<std::string> const& members() const { return members_; }
    // Somebody with a kubeconfig; never on a bad network.
    client::Client person(std::string const& cluster);

    // The processes whose network can be bad.
    std::vector<std::shared_ptr<Process>> processes() const;
    // One of them, by its name; it is started again after a while.
    Task<void> crash(Context ctx, std::string process, Duration away);
    Task<void> crash_hub(Context ctx, std::size_t replica, Duration away);
    // The member's webhook does not answer for a while; its controllers run on.
    void deafen(std::string const& cluster, Duration time);
    // A power cut: what was not synced is lost, every connection breaks.
    Task<void> crash_server(Context ctx, Duration away);
    bool with_hub() const { return with_hub_; }
    bool server_up() const { return *server_ != nullptr; }
    std::size_t hubs() const { return hubs_.size(); }
    std::shared_ptr<ServerLife> server() const { return *server_; }

    // Processes that have come to a point where they die; the caller crashes them.
    std::vector<std::string> take_dying() { return std::exchange(dying_, {}); }

private:
    template <class Controllers>
    struct Running {
        std::shared_ptr<Process> process;
        std::unique_ptr<Controllers> controllers;
        std::unique_ptr<async::Scope> scope;
        bool away = false;
        int calls = 0;                // of its webhook, under way
        MonotonicTime deaf_until{};   // … which does not answer before
    };
    using MemberProcess = Running<member::Member>;
    // Replicas of the hub, of which the one that holds the lease works.
    struct HubProcess : Running<client::Lease> {
        hub::Hub* hub = nullptr;   // while it leads
    };
    class MemberWebhook;
    class HubAdmission;

    Task<Status> start_server(Context ctx);
    Task<void> crash_member(Context ctx, std::string cluster, Duration away);
    void start_kubernetes(std::string const& cluster);
    void start_member(std::string const& cluster);
    void start_hub(std::size_t replica);
    std::shared_ptr<client::Transport> wire(std::string cluster, std::string user, std::shared_ptr<Process> process);
    std::shared_ptr<Process> make_process(std::string name);
    template <class Controllers>
    Task<void> end(Running<Controllers>& running);

    Witness& witness_;
    bool with_hub_, webhook_passes_;
    async::Scope scope_;
    std::vector<std::string> members_{"beijing", "hangzhou", "shanghai"};
    std::shared_ptr<storage::MemoryEngine> engine_;
    std::shared_ptr<Server> server_ = std::make_shared<Server>();
    struct Serving {
        std::unique_ptr<apiserver::ApiServer> api;
        std::unique_ptr<async::Scope> scope;
    };
    Serving serving_;
    std::map<std::string, std::unique_ptr<simulator::Simulator>> kubernetes_;
    std::map<std::string, std::unique_ptr<member::GameSetController>> game_sets_;
    std::map<std::string, MemberProcess> controllers_;
    std::vector<HubProcess> hubs_;
    std::vector<std::string> dying_;
    int started_ = 0;
};

}   // namespace aviary::sim
