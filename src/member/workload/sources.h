// The informers that releases of workloads read, with the indexes that find what belongs to what. Kinds that not every
// cluster serves are looked for once a Rollout names one, and again now and then until they are there. Lives on one
// loop.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "member/workload/deployment.h"
#include "member/workload/kinds.h"

namespace aviary::workload {

class Sources {
public:
    // With `labelled_kinds` those that nobody here knows are read, too, once a Rollout names them.
    explicit Sources(client::Client const& client, bool labelled_kinds = false);

    client::Informer& deployments() { return deployments_; }     // index "canary": "namespace/name" of the other one
    client::Informer& replica_sets() { return replica_sets_; }   // index "controller": by the owner's uid
    client::Informer& pods() { return pods_; }                   // index "controller": by the owner's uid
    client::Informer& autoscalers() { return autoscalers_; }     // index "scaled": scaled_workload()
    client::Informer& revisions() { return revisions_; }         // index "controller": by the owner's uid

    // Calls `each` with the informer of each kind of sets: of those that are read already at once, of others before
    // they begin.
    void each_set(std::function<void(client::Informer&, SetKind const&)> each);
    // Before run(): called when it is known of a kind whether it is there.
    void on_change(std::function<void()> changed) { changed_.push_back(std::move(changed)); }

    // From now on workloads of the kind that a workloadRef names are read.
    void want(json::Doc const& reference);

    // The Deployment and all that it owns; the Deployment is absent when there is none.
    DeploymentInputs deployment(meta::ObjectKey const& key) const;
    // The Deployment that another one made beside it, or a ReplicaSet, belongs to.
    meta::ObjectKey deployment_of(json::Doc const& deployment) const;
    std::optional<meta::ObjectKey> deployment_of_replica_set(json::Doc const& replica_set) const;
    // What a pod or a ControllerRevision belongs to, by workload_id(). Empty: nothing.
    std::string workload_of(json::Doc const& object) const;

    // What is known of a kind of sets.
    struct Reading {
        SetKind const* kind = nullptr;   // null: it is none
        bool known = true;               // else it is still being found out
        bool served = true;
        std::string unread;   // why they and their revisions cannot be read; what is there is not known then
    };
    Reading reading(json::Doc const& reference) const;
    // The set and all that it owns; the set is absent when there is none.
    NativeSetInputs set(json::Doc const& reference, std::string const& ns) const;

    void run(async::Scope& scope);
    // Whether all is there but autoscalers, sets and their revisions: a role from an earlier version has no right to
    // list them.
    bool synced() const;

private:
    struct Set {
        SetKind kind;
        std::optional<client::Informer> informer;   // absent: not known, or not there
        bool wanted = false;
        bool asked = false;      // somebody finds out
        bool answered = false;   // what follows is known
        bool failed = false;     // since it last was read
        std::string error;       // discovery does not say
    };
    DeploymentInputs owned(json::Doc deployment) const;
    // Null: there are enough of them.
    Set* add_labelled(json::Doc const& reference);
    // What the object controls; of a labelled kind also what one of a known kind does that its controller has made.
    std::vector<json::Doc> controlled(client::Informer const& informer, json::Doc const& object, bool labelled) const;
    Set* find(json::Doc const& reference);
    Set const* find(json::Doc const& reference) const;
    Set const* find(std::string_view api_version, std::string_view kind) const;
    void read(Set& set, meta::GroupVersionResource const& resource);
    // Until the kind is served; then reads it.
    Task<void> look_for(Context ctx, Set& set);
    Task<void> look_for_all(Context ctx);
    void changed() const;

    client::Client client_;
    client::Informer deployments_;
    client::Informer replica_sets_;
    client::Informer pods_;
    client::Informer autoscalers_;
    client::Informer revisions_;
    bool labelled_kinds_;
    std::deque<Set> sets_;
    async::Event wake_;
    std::vector<std::function<void(client::Informer&, SetKind const&)>> each_set_;
    std::vector<std::function<void()>> changed_;
};

}   // namespace aviary::workload
