// The ways from a hub to real members: where a cluster is stands in its ManagedCluster, the credentials in a Secret of
// the hub's namespace; or its agent dials. Lives on the hub's loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/hub/internal/agents.h"
#include "core/async/asio_executor.h"
#include "core/async/task.h"
#include "core/json/doc.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"

namespace aviary::hub {

// On the Secret of a cluster's credentials; the value is the cluster's name. Its data has `token`, or `tls.crt` and
// `tls.key`.
inline constexpr std::string_view kClusterLabel = "fleet.aviary.dev/cluster";
// "cluster-beijing"
std::string credentials_name(std::string const& cluster);

// The way to a cluster, by which a refusal of the hub's credentials says what to do.
std::shared_ptr<client::Transport> explaining_refusals(std::shared_ptr<client::Transport> transport,
                                                       std::string cluster);

class Connections {
public:
    Connections(async::AsioExecutor& executor, client::Client hub, std::string ns, Agents const& agents);

    // Called with the cluster whose Secret has changed.
    void on_change(std::function<void(std::string const& cluster)> changed);
    // Follows the Secrets until the context stops.
    Task<void> run(Context ctx);
    bool synced() const { return secrets_->synced(); }
    std::shared_ptr<client::Informer> const& secrets() const { return secrets_; }
    // An Error says what of the cluster or its Secret is missing. A token that is replaced is used from then on; one
    // that the cluster refuses is an Error that says what to do.
    Result<std::shared_ptr<client::Transport>> connect(json::Doc const& managed_cluster) const;

private:
    async::AsioExecutor& executor_;
    std::string ns_;
    Agents const& agents_;
    std::shared_ptr<client::Informer> secrets_;
};

}   // namespace aviary::hub
