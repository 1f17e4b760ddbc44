// The clusters of kubeconfig contexts as a fleet without a hub: the commands read them one by one, and get what the hub
// would answer (hub/proxy/fleet_route.h). On one loop, for one command.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/async/asio_executor.h"
#include "core/json/doc.h"
#include "hub/proxy/explain.h"
#include "kube/client/client.h"

namespace aviary::amc {

// One resource in many clusters.
struct Question {
    meta::GroupVersionResource resource;
    std::string ns, name, label_selector, field_selector;   // empty: all
    bool table = false;                                     // rows as the cluster prints them; else whole objects
    std::vector<std::string> clusters;                      // empty: all
};

// The first names of a list, for one message.
std::string some_of(std::vector<std::string> names);

class Contexts {
public:
    struct Cluster {
        std::string name;                       // the context's
        std::optional<client::Client> client;   // absent: `away` says why
        bool by_pattern = false;                // nobody has named it
        std::string ns;                         // the context's

        std::optional<Error> away = {};                   // why it does not answer
        MonotonicTime asked{};                            // when it did not
        bool probed = false, hub = false, told = false;   // told: that it is left out
    };

    // `limit`: how long one cluster may take for one answer; zero: no limit.
    Contexts(std::vector<Cluster> clusters, Duration limit) : clusters_(std::move(clusters)), limit_(limit) {}

    // Those that the patterns ("prod-*,dev") mean, in the order of the kubeconfig. A context that cannot be used is one
    // that does not answer; an Error is about all.
    static Result<std::vector<Cluster>> matching(async::AsioExecutor& executor, std::string const& kubeconfig,
                                                 std::string const& patterns);
    // The one of exactly this name.
    static Result<Cluster> named(async::AsioExecutor& executor, std::string const& kubeconfig, std::string const& name);
    // The namespace of all that name one; an Error where they differ.
    static Result<std::string> common_namespace(std::vector<Cluster> const& clusters);

    std::vector<std::string> names() const;
    // Null when there is none of this name that can be asked.
    client::Client const* client(std::string const& name) const;
    // Why it does not answer, or cannot be asked; null where it has answered.
    Error const* away(std::string const& name) const;

    // `clusters` empty, below: all.

    // Those that are members, once they have been asked whether they answer: a hub is left out.
    Task<Result<std::vector<std::string>>> members(Context ctx, std::vector<std::string> names);
    // Aggregated discovery at /api or /apis: what any of them serves.
    Task<Result<json::Doc>> discovery(Context ctx, std::string path, std::vector<std::string> clusters);
    // {clusters: [{name, reachable, table | items, error, reason}]}
    Task<Result<json::Doc>> ask(Context ctx, Question question);
    // What each has of a release. NotFound where none that can be read has the Rollout, Unavailable where none answers.
    Task<Result<std::vector<proxy::ClusterView>>> look(Context ctx, meta::ObjectKey rollout,
                                                       std::vector<std::string> clusters);
    // As a list of ManagedClusters.
    Task<Result<json::Doc>> list(Context ctx);

private:
    // Those of these names (none: all), once they have been asked whether they answer. A hub is no member: what its
    // Rollouts say is what members do, and an approval there would change nothing but what it says.
    Task<Result<std::vector<Cluster*>>> chosen(Context ctx, std::vector<std::string> names);
    Task<void> probe(Context ctx, Cluster& cluster);
    Task<Result<client::Response>> send(Context ctx, Cluster& cluster, client::Request request);
    Task<void> fetch(Context ctx, Cluster& cluster, client::Request request, bool table, json::Value& row);
    Task<void> view(Context ctx, Cluster& cluster, meta::ObjectKey rollout, proxy::ClusterView& view);
    Task<void> versions(Context ctx, Cluster& cluster, json::Value& object);
    Task<void> discover(Context ctx, Cluster& cluster, client::Request request, json::Doc& found);
    Context limited(Context const& ctx) const { return limit_ == Duration(0) ? ctx : ctx.with_timeout(limit_); }
    static Error nobody_answers(std::vector<Cluster*> const& asked);

    std::vector<Cluster> clusters_;
    Duration limit_;
};

}   // namespace aviary::amc
