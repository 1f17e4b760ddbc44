// A Deployment's ReplicaSets as a release sees them: the one with the Deployment's template, and the others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "kube/meta/pods.h"

namespace aviary::workload {

using meta::same_template;
using meta::template_hash;

struct ReplicaSet {
    json::Doc doc;
    std::int64_t wanted = 0;   // spec.replicas
    std::int64_t actual = 0;   // status.replicas
    std::int64_t ready = 0;
    std::int64_t available = 0;
    bool observed = false;   // its controller has seen the last change

    std::string name() const;
    std::string hash() const;   // of the pods' label
};

struct ReplicaSets {
    std::vector<ReplicaSet> all;     // oldest first
    ReplicaSet* current = nullptr;   // the oldest with the Deployment's template

    ReplicaSets(json::Doc const& deployment, std::vector<json::Doc> const& docs);
    ReplicaSets(ReplicaSets const&) = delete;
    ReplicaSets& operator=(ReplicaSets const&) = delete;

    ReplicaSet const* by_hash(std::string_view hash) const;
    // The one a release starts from: named by the stable-revision label; else the largest other one that has pods. Null
    // when there is none.
    ReplicaSet const* stable(std::string_view revision) const;
    ReplicaSet* stable(std::string_view revision);
    std::int64_t wanted() const;
    // With no pods wanted, deletes what is newer than the stable one, and that of the new template: when pods are
    // wanted again the native controller gives them all to the new one, and without one to the newest. Without
    // `with_pods` only those that have none.
    std::vector<control::Write> forget_newer(ReplicaSet const& stable, bool with_pods) const;
};

// The hash of the ReplicaSet with this template; empty when there is none.
std::string revision_running(json::Doc const& pod_template, std::vector<json::Doc> const& replica_sets);
// The hash of the largest ReplicaSet that has replicas. One with this template counts only `or_same`, and comes after
// its equals. `replaced`, the hash of the template before, comes first among them: a blue-green release that has just
// ended leaves as many pods of an older one. Then the oldest. When none has replicas it is `replaced`, if `or_same`.
std::string stable_revision_for(json::Doc const& pod_template, std::vector<json::Doc> const& replica_sets, bool or_same,
                                std::string const& replaced);
std::int64_t revision_of(json::Doc const& replica_set);

}   // namespace aviary::workload
