// The Decider's inside: what it remembers, and its parts. observe.cc looks, record.cc keeps the record on the hub,
// decider.cc carries out and wires.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "apis/fleet/decision.h"
#include "apis/fleet/fleet_binding.h"
#include "hub/decision/carry_out.h"
#include "hub/decision/decider.h"
#include "hub/decision/observed.h"
#include "kube/control/controller.h"

namespace aviary::decision {

// Of one Decision, until it is finished.
struct Progress {
    std::map<std::string, Outcome> outcomes;    // by cluster
    std::set<std::string> sent;                 // approvals this process has sent
    bool inherited = false;                     // it was open before this process led
    std::set<std::string> begun;                // clusters whose binding was once as this Decision wants it
    std::map<std::string, std::int64_t> seen;   // the binding's generation when the outcome was found
    std::optional<Time> news;                   // since when some of it is not on record
};

// What a Decision is about, as the hub has it.
struct Subject {
    json::Doc rollout;    // the hub's; absent when it is gone
    json::Doc workload;   // the hub's
    meta::GroupVersionKind kind;
    meta::ObjectKey rollout_key, workload_key;
    placement::Sources::Kind const* known = nullptr;   // of the workload
};

// Steps that were left in one cluster by one Rollout, until each is on record, or that which asked for it has settled.
struct Unasked {
    std::vector<LeftStep> steps;
    std::size_t failures = 0;   // in a row, to record the first of them
};

// Records that were made in an hour.
struct Recorded {
    Time since{};
    std::size_t count = 0;
};

inline constexpr std::string_view kByRollout = "rollout";   // the Decisions' index: spec.rolloutRef.name

struct Decider::Impl {
    Impl(client::Client hub_client, propagation::Propagator& propagator, AuditSink audit);

    client::Client hub;
    propagation::Propagator& propagator;
    AuditSink audit;              // may be empty
    std::optional<Context> ctx;   // while it runs
    client::Informer decisions;
    std::unique_ptr<control::Controller> carry, record, watch_members;
    std::map<meta::ObjectKey, Progress> progress;
    std::set<meta::ObjectKey> open;             // Decisions that are not finished
    std::map<control::Key, Unasked> unasked;    // by cluster and the Rollout's key
    std::map<control::Key, Recorded> counted;   // … and by cluster alone

    // ---- observe.cc: what is there ----

    Subject subject_of(control::Key const& key, apis::Decision const& decision, clusters::Member const* member) const;
    // Empty while a copy is not there: nothing is stale because it was not read yet.
    std::optional<Seen> observe(control::Key const& key, apis::Decision const& decision,
                                apis::DecisionTarget const& target, Time now);
    // The open Decision on pause or resume that came after this one, if any.
    std::string later(meta::ObjectKey const& key, apis::Decision const& decision, std::string const& cluster) const;
    std::optional<apis::BoundCluster> bound(meta::ObjectKey const& binding, std::string const& cluster) const;
    // Whether a Decision, open or finished, asked for the end of this pause.
    bool asked_for(meta::ObjectKey const& rollout, apis::DecisionTarget const& target) const;
    // … and has yet to say what became of it: that it was left is what it will go by.
    bool awaited(meta::ObjectKey const& rollout, apis::DecisionTarget const& target) const;
    // Whether there is but a word about a pause that the release left in another way, for it was there again later.
    bool went_another_way(meta::ObjectKey const& rollout, LeftStep const& left) const;
    bool any_decision(meta::ObjectKey const& rollout, std::function<bool(apis::Decision const&)> const& is) const;

    // ---- record.cc: the hub's own objects ----

    // The hub's side of a Decision: bindings and the record.
    control::Plan decide_hub(control::Key const& key, Time now);
    void bind(control::Plan& plan, control::Key const& key, apis::Decision const& decision, Progress const& mine);
    // The end of a Decision that records what was seen in a member.
    control::Plan finish_record(json::Doc const& object, apis::Decision const& decision, Time now) const;
    // Steps that were left in a member: those that nobody asked for are recorded.
    control::Plan decide_unasked(control::Key const& key, Time now);
    // Whether the hub has brought this Rollout to this cluster: what else is there is no business of a hub that is not
    // attached.
    bool brought(control::Key const& key) const;
    // Leaves out what is on record, or was asked for, or cannot be put on record.
    void settle_unasked(control::Key const& key, Unasked& mine, Time now);
    // When the quotas of this Rollout there and of this cluster allow another record; absent: now.
    std::optional<Time> next_record(control::Key const& key, Time now);
    // Whether another Rollout of this cluster may have steps that wait.
    bool room_for(control::Key const& key) const;
    void member_rollout_changed(std::string const& cluster, client::Change const& change);

    // ---- decider.cc ----

    // One target of one Decision: writes go to the member.
    control::Plan decide_member(control::Key const& key, Time now);
    void enqueue_all(json::Doc const& object);
    // Something changed for these open Decisions.
    void enqueue_open(std::string const& ns, std::string const& rollout, std::string const& cluster);
    void build();
    void follow_decisions();
    void tell_audit(client::Change const& change) const;
    void follow_members();
};

// What the record says of a cluster; empty: nothing yet.
std::string recorded(apis::Decision const& decision, std::string const& cluster);
bool on_pause(std::string_view action);
meta::ObjectKey binding_of(apis::Decision const& decision, Subject const& subject);

}   // namespace aviary::decision
