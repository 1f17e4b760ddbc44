// The informers that releases of Deployments read, with the indexes that find what belongs to what. Lives on one loop.
#pragma once

#include <optional>
#include <string>

#include "core/async/scope.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "member/workload/deployment.h"

namespace aviary::workload {

class Sources {
public:
    explicit Sources(client::Client const& client);

    client::Informer& deployments() { return deployments_; }     // index "canary": "namespace/name" of the other one
    client::Informer& replica_sets() { return replica_sets_; }   // index "controller": by the owner's uid
    client::Informer& pods() { return pods_; }                   // index "controller": by the owner's uid
    client::Informer& autoscalers() { return autoscalers_; }   // index "deployment": "namespace/name" of what it scales

    // The Deployment and all that it owns; the Deployment is absent when there is none.
    DeploymentInputs deployment(meta::ObjectKey const& key) const;
    // The Deployment that another one made beside it, a ReplicaSet, or a Pod of one belongs to.
    meta::ObjectKey deployment_of(json::Doc const& deployment) const;
    std::optional<meta::ObjectKey> deployment_of_replica_set(json::Doc const& replica_set) const;
    std::optional<meta::ObjectKey> deployment_of_autoscaler(json::Doc const& autoscaler) const;
    std::optional<meta::ObjectKey> deployment_of_pod(json::Doc const& pod) const;

    void run(async::Scope& scope);
    // Whether all is there but autoscalers: a role from an earlier version has no right to list them.
    bool synced() const;

private:
    DeploymentInputs owned(json::Doc deployment) const;
    std::string autoscalers_unread() const;

    client::Informer deployments_;
    client::Informer replica_sets_;
    client::Informer pods_;
    client::Informer autoscalers_;
};

}   // namespace aviary::workload
