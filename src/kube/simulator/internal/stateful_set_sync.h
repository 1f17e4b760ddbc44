// One sync of one StatefulSet: what it sees and the plan that comes of it. See stateful_set.h.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"
#include "kube/simulator/internal/stateful_set.h"

namespace aviary::simulator {

// The number at the end of a name that a StatefulSet gave; nothing for others.
std::optional<std::int64_t> ordinal_of(json::Doc const& set, json::Doc const& pod);

struct StatefulSetSync {
    // A pod of an ordinal; `doc` is absent where none is.
    struct Replica {
        std::int64_t ordinal = 0;
        json::Doc doc;
        bool wanted = true;   // else scaled away
    };

    // What differs between Kubernetes' StatefulSets and Kruise's.
    struct Terms {
        meta::GroupVersionResource resource;
        std::chrono::seconds min_ready;
        std::vector<std::int64_t> ordinals;   // of the pods that are wanted
    };

    StatefulSetSync(StatefulSetView const& view, Time now);
    StatefulSetSync(StatefulSetView const& view, Time now, Terms terms);
    virtual ~StatefulSetSync() = default;
    control::Plan run();

    StatefulSetView const& view;
    Time now;
    Terms terms;
    control::Plan plan;
    json::Value status{json::Object()};
    std::vector<Replica> replicas;    // by ordinal
    std::vector<Replica> condemned;   // highest ordinal first
    std::string current_revision;
    std::string update_revision;
    json::Doc current_template;

    json::Doc const& set = view.set;
    json::Doc const strategy = set.at({"spec", "updateStrategy"});
    std::int64_t const count = set.at({"spec", "replicas"}).as_int(1);
    bool const parallel = set.at({"spec", "podManagementPolicy"}).as_string() == "Parallel";

    // stateful_set.cc: what is done with the pods, in order.
    virtual bool available(json::Doc const& pod) const;
    bool unavailable(Replica const& replica) const;
    Replica const* first_unavailable() const;
    void event(std::string reason, std::string message);
    void remove(Replica const& replica, std::string why);
    // True when nothing more may happen before this pod has moved on, in OrderedReady.
    bool process(Replica const& replica);
    bool process_condemned(Replica const& replica, Replica const* first);
    bool bring_about();
    // Notes on a pod what its update has come to.
    virtual void refresh(json::Doc const& /*pod*/) {}
    virtual void update_pods();
    void update_in_parallel(std::int64_t updates_from, std::int64_t budget);
    virtual void count_status();
    virtual bool is_complete() const;
    void complete_update();

    // stateful_set_pods.cc: revisions, and pods and claims as they are made.
    void settle_revisions();
    void truncate_history();
    // False when its name or a claim of it is taken: looked at again a second later.
    bool create(Replica const& replica);
    // Whether a pod of this ordinal is made of the template of before.
    virtual bool keeps_current(std::int64_t ordinal) const;
    virtual void adorn(json::Value& /*pod*/) const {}
    json::Value new_pod(std::int64_t ordinal) const;
    std::string pod_name_of(std::int64_t ordinal) const;
    std::string claim_name(json::Doc const& claim_template, std::int64_t ordinal) const;
    bool make_claims(std::int64_t ordinal);
    // Who owns a claim, by persistentVolumeClaimRetentionPolicy.
    void settle_claim_owners(Replica const& replica);
    void keep_identity(Replica const& replica);
};

// In the order of their ordinals: so many, from this one on, without those that are reserved.
std::vector<std::int64_t> ordinals_from(std::int64_t start, std::int64_t count,
                                        std::vector<std::int64_t> const& reserved = {});
bool runs_ready(json::Doc const& pod);

}   // namespace aviary::simulator
