// The informers that releases of workloads read, with the indexes that find what belongs to what. Lives on one loop.
#pragma once

#include <optional>
#include <string>

#include "core/async/scope.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "member/workload/daemon_set.h"
#include "member/workload/deployment.h"
#include "member/workload/stateful_set.h"

namespace aviary::workload {

class Sources {
public:
    explicit Sources(client::Client const& client);

    client::Informer& deployments() { return deployments_; }     // index "canary": "namespace/name" of the other one
    client::Informer& replica_sets() { return replica_sets_; }   // index "controller": by the owner's uid
    client::Informer& pods() { return pods_; }                   // index "controller": by the owner's uid
    client::Informer& autoscalers() { return autoscalers_; }   // index "deployment": "namespace/name" of what it scales

    client::Informer& stateful_sets() { return stateful_sets_; }
    client::Informer& daemon_sets() { return daemon_sets_; }
    client::Informer& revisions() { return revisions_; }   // index "controller": by the owner's uid

    // The Deployment and all that it owns; the Deployment is absent when there is none.
    DeploymentInputs deployment(meta::ObjectKey const& key) const;
    // The Deployment that another one made beside it, a ReplicaSet, or a Pod of one belongs to.
    meta::ObjectKey deployment_of(json::Doc const& deployment) const;
    std::optional<meta::ObjectKey> deployment_of_replica_set(json::Doc const& replica_set) const;
    std::optional<meta::ObjectKey> deployment_of_autoscaler(json::Doc const& autoscaler) const;
    std::optional<meta::ObjectKey> deployment_of_pod(json::Doc const& pod) const;

    // The StatefulSet and all that it owns; the set is absent when there is none.
    NativeSetInputs stateful_set(meta::ObjectKey const& key) const { return native_set(stateful_sets_, key); }
    // Why StatefulSets and their revisions cannot be read; empty: they can. What is there is not known then.
    std::string stateful_sets_unread() const { return native_sets_unread(stateful_sets_); }
    // The same of DaemonSets.
    NativeSetInputs daemon_set(meta::ObjectKey const& key) const { return native_set(daemon_sets_, key); }
    std::string daemon_sets_unread() const { return native_sets_unread(daemon_sets_); }

    // The StatefulSet, or the DaemonSet, that a Pod or a ControllerRevision belongs to.
    std::optional<meta::ObjectKey> stateful_set_of(json::Doc const& object) const;
    std::optional<meta::ObjectKey> daemon_set_of(json::Doc const& object) const;

    void run(async::Scope& scope);
    // Whether all is there but autoscalers, StatefulSets, DaemonSets and their revisions: a role from an earlier
    // version has no right to list them.
    bool synced() const;

private:
    DeploymentInputs owned(json::Doc deployment) const;
    NativeSetInputs native_set(client::Informer const& sets, meta::ObjectKey const& key) const;
    std::string native_sets_unread(client::Informer const& sets) const;

    client::Informer deployments_;
    client::Informer replica_sets_;
    client::Informer pods_;
    client::Informer autoscalers_;
    client::Informer stateful_sets_;
    client::Informer daemon_sets_;
    client::Informer revisions_;
};

}   // namespace aviary::workload
