#include "hub/decision/decider.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "core/crypto/certificate.h"
#include "core/json/write.h"
#include "hub/decision/carry_out.h"
#include "hub/propagation/names.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"

namespace aviary::decision {

namespace {

using control::Key;
using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

constexpr Duration kKeepFinished = std::chrono::hours(24 * 30);
constexpr Duration kSoon = std::chrono::seconds(2);
constexpr Duration kLookAgain = std::chrono::milliseconds(500);   // while the hub's copies are not there yet

bool finished(std::string_view outcome) {
    return outcome == apis::outcome::kApplied || outcome == apis::outcome::kStale ||
           outcome == apis::outcome::kRefused || outcome == apis::outcome::kExpired;
}

}   // namespace

struct Decider::Impl {
    Impl(client::Client hub_client, propagation::Propagator& propagator)
        : hub(hub_client.named("aviary-hub")), propagator(propagator), decisions(hub, apis::kDecisions) {}

    client::Client hub;
    propagation::Propagator& propagator;
    client::Informer decisions;
    std::unique_ptr<control::Controller> carry, record;
    struct Progress {
        std::map<std::string, Outcome> outcomes;    // by cluster
        std::set<std::string> sent;                 // approvals this process has sent
        std::set<std::string> begun;                // clusters whose binding was once as this Decision wants it
        std::map<std::string, std::int64_t> seen;   // the binding's generation when the outcome was found
    };
    std::map<meta::ObjectKey, Progress> progress;
    std::set<meta::ObjectKey> open;   // Decisions that are not finished

    static std::string recorded(apis::Decision const& decision, std::string const& cluster) {
        auto const found = std::ranges::find(decision.status.clusters, cluster, &apis::DecisionClusterStatus::cluster);
        return found == decision.status.clusters.end() ? std::string() : found->outcome;
    }

    // What a Decision is about, as the hub has it.
    struct Subject {
        Doc rollout;    // the hub's; absent when it is gone
        Doc workload;   // the hub's
        meta::GroupVersionKind kind;
        meta::ObjectKey rollout_key, workload_key;
        placement::Sources::Kind const* known = nullptr;   // of the workload
    };
    Subject subject_of(Key const& key, apis::Decision const& decision, clusters::Member const* member) const {
        Subject subject;
        subject.rollout_key = {key.object.ns, decision.spec.rollout_ref.name};
        subject.rollout = propagator.sources().get(propagation::kRolloutKind, subject.rollout_key);
        Doc const rollout = subject.rollout.exists() || member == nullptr
                                ? subject.rollout
                                : member->get(propagation::kRollouts, subject.rollout_key);
        std::tie(subject.kind, subject.workload_key) = propagation::workload_of(rollout);
        subject.workload_key.ns = key.object.ns;
        subject.known = propagator.sources().find(subject.kind);
        if (subject.known != nullptr) subject.workload = subject.known->informer->get(subject.workload_key);
        return subject;
    }

    // Empty while a copy is not there: nothing is stale because it was not read yet.
    std::optional<Seen> observe(Key const& key, apis::Decision const& decision, apis::DecisionTarget const& target) {
        if (!propagator.ready()) return std::nullopt;
        Seen seen;
        seen.spec = decision.spec;
        seen.target = target;
        clusters::Member* const member = propagator.members().find(target.cluster);
        seen.reachable = member != nullptr && member->reachable();
        if (member != nullptr) propagator.members().want(*member, propagation::kRollouts);
        auto const unread = [&](meta::GroupVersionResource const& resource) {
            return seen.reachable && member->serving(resource) == clusters::Member::Serving::kUnknown;
        };
        if (unread(propagation::kRollouts)) return std::nullopt;
        Subject const subject = subject_of(key, decision, member);
        if (member != nullptr) seen.rollout = member->get(propagation::kRollouts, subject.rollout_key);
        if (subject.known != nullptr && !subject.known->informer->synced()) return std::nullopt;
        if (member != nullptr && subject.known != nullptr) {
            propagator.members().want(*member, subject.known->resource);
            if (unread(subject.known->resource)) return std::nullopt;
            seen.workload = member->get(subject.known->resource, subject.workload_key);
        }
        Progress const& mine = progress[key.object];
        seen.sent = mine.sent.contains(target.cluster);
        seen.begun = mine.begun.contains(target.cluster);
        // A Rollout that is gone from the hub, and still holds a version back in members, supersedes nothing.
        seen.superseded = subject.rollout.exists() && decision.spec.release &&
                          decision.spec.release->digest != release_digest(subject.workload, subject.rollout);
        seen.kept = [this, ns = key.object.ns](std::string_view hash) {
            return propagator.revision(ns, hash).has_value();
        };
        seen.hub_template = propagation::template_hash(propagation::pod_template(subject.workload));
        auto const cluster = bound(binding_of(decision, subject), target.cluster);
        seen.bound = cluster.has_value();
        // A pin against another template is an earlier decision's.
        if (cluster && cluster->rejected == seen.hub_template) seen.pinned = cluster->revision;
        seen.paused = cluster && cluster->paused;
        seen.paused_by_all = subject.rollout.at({"spec", "strategy", "paused"}).as_bool();
        seen.later = later(key.object, decision, target.cluster);
        return seen;
    }

    static bool on_pause(std::string_view action) {
        return action == apis::action::kPause || action == apis::action::kResume;
    }

    static meta::ObjectKey binding_of(apis::Decision const& decision, Subject const& subject) {
        return on_pause(decision.spec.action) ? placement::binding_key(propagation::kRolloutKind, subject.rollout_key)
                                              : placement::binding_key(subject.kind, subject.workload_key);
    }

    // The open Decision on pause or resume that came after this one, if any.
    std::string later(meta::ObjectKey const& key, apis::Decision const& decision, std::string const& cluster) const {
        if (!on_pause(decision.spec.action)) return {};
        std::string const created = decisions.get(key).at({"metadata", "creationTimestamp"}).string();
        for (meta::ObjectKey const& each : open) {
            Doc const other = decisions.get(each);
            bool const after = each.ns == key.ns && on_pause(other.at({"spec", "action"}).as_string()) &&
                               other.at({"spec", "rolloutRef", "name"}).as_string() == decision.spec.rollout_ref.name &&
                               other.at({"metadata", "creationTimestamp"}).as_string() > created;
            if (!after) continue;
            for (auto const& [index, target] : other.at({"spec", "targets"}).elements()) {
                if (target["cluster"].as_string() == cluster) return each.name;
            }
        }
        return {};
    }

    std::optional<apis::BoundCluster> bound(meta::ObjectKey const& binding, std::string const& cluster) const {
        auto const spec = propagator.bindings().spec(binding);
        if (!spec) return std::nullopt;
        auto const found = std::ranges::find(spec->clusters, cluster, &apis::BoundCluster::name);
        return found == spec->clusters.end() ? std::nullopt : std::optional(*found);
    }

    // One target of one Decision: writes go to the member.
    Plan decide_member(Key const& key, Time now) {
        Doc const object = decisions.get(key.object);
        auto const decision = apis::read_decision(object);
        if (!object.exists() || !decision || finished(recorded(*decision, key.part))) return {};
        auto const target = std::ranges::find(decision->spec.targets, key.part, &apis::DecisionTarget::cluster);
        if (target == decision->spec.targets.end()) return {};
        Progress& mine = progress[key.object];
        if (auto const known = mine.outcomes.find(key.part);
            known != mine.outcomes.end() && finished(known->second.outcome))
            return {};
        auto const seen = observe(key, *decision, *target);
        if (!seen) {
            Plan plan;
            plan.requeue_at(now + kLookAgain, "the hub is being started");
            return plan;
        }
        Outcome outcome = carry_out(*seen, now);
        if (!outcome.plan.writes.empty()) mine.sent.insert(key.part);
        bool const as_wanted = on_pause(seen->spec.action) ? seen->paused == (seen->spec.action == apis::action::kPause)
                                                           : !seen->pinned.empty();
        if (as_wanted) mine.begun.insert(key.part);
        Subject const subject = subject_of(key, *decision, propagator.members().find(key.part));
        mine.seen[key.part] = meta::generation(propagator.bindings().get(binding_of(*decision, subject)));
        Plan plan = std::move(outcome.plan);
        outcome.plan = {};
        mine.outcomes[key.part] = std::move(outcome);
        record->enqueue({"", key.object});
        return plan;
    }

    // The hub's side of a Decision: bindings and the record.
    Plan decide_hub(Key const& key, Time now) {
        Plan plan;
        Doc const object = decisions.get(key.object);
        auto const decision = apis::read_decision(object);
        if (!object.exists()) {
            progress.erase(key.object);
            return plan;
        }
        if (!decision) return plan;
        if (finished_whole(decision->status.outcome)) {
            progress.erase(key.object);
            return expire_record(object, now);
        }
        Progress const& mine = progress[key.object];
        bind(plan, key, *decision, mine);
        apis::DecisionStatus status = decision->status;
        status.origin = "Hub";
        std::size_t applied = 0;
        std::size_t settled = 0;
        bool expired = false;
        std::vector<apis::DecisionClusterStatus> rows;
        for (apis::DecisionTarget const& target : decision->spec.targets) {
            apis::DecisionClusterStatus row;
            auto const old = std::ranges::find(status.clusters, target.cluster, &apis::DecisionClusterStatus::cluster);
            if (old != status.clusters.end()) row = *old;
            row.cluster = target.cluster;
            auto const found = mine.outcomes.find(target.cluster);
            if (!finished(row.outcome) && found != mine.outcomes.end() && !found->second.outcome.empty()) {
                bool const news = row.outcome != found->second.outcome;
                row.outcome = found->second.outcome;
                row.from = found->second.from;
                row.to = found->second.to;
                row.message = found->second.message;
                if (news) row.at = format_rfc3339(now);
            }
            applied += row.outcome == apis::outcome::kApplied ? 1 : 0;
            expired = expired || row.outcome == apis::outcome::kExpired;
            settled += finished(row.outcome) ? 1 : 0;
            if (!row.outcome.empty()) rows.push_back(std::move(row));
        }
        status.clusters = std::move(rows);
        if (settled == decision->spec.targets.size()) {
            status.outcome = applied == settled ? apis::outcome::kApplied
                             : applied > 0      ? apis::outcome::kPartial
                             : expired          ? apis::outcome::kExpired
                                                : apis::outcome::kFailed;
        } else {
            status.outcome = apis::outcome::kPending;
        }
        if (status == decision->status) return plan;
        // That it is pending is news only after a moment: most are carried out by then.
        Time const soon = meta::created(object).value_or(now) + kSoon;
        if (status.outcome == apis::outcome::kPending && status.clusters.empty() && now < soon) {
            plan.requeue_at(soon, "the decision is pending");
            return plan;
        }
        Write write;
        write.resource = apis::kDecisions;
        write.key = key.object;
        write.subresource = "status";
        write.body["status"] = apis::write_decision_status(status);
        write.why = "record";
        plan.writes.push_back(std::move(write));
        return plan;
    }

    static bool finished_whole(std::string_view outcome) {
        return !outcome.empty() && outcome != apis::outcome::kPending;
    }

    // Finished Decisions are kept a month.
    Plan expire_record(Doc const& object, Time now) {
        Plan plan;
        Time const gone = meta::created(object).value_or(now) + kKeepFinished;
        if (now < gone) {
            plan.requeue_at(gone, "finished Decisions are kept 30 days");
            return plan;
        }
        Write write;
        write.verb = Write::Verb::kDelete;
        write.resource = apis::kDecisions;
        write.key = meta::key_of(object);
        write.ignore_not_found = true;
        write.why = "kept for 30 days";
        plan.writes.push_back(std::move(write));
        return plan;
    }

    // Pins and pauses stand in bindings: rendering reads them there alone.
    void bind(Plan& plan, Key const& key, apis::Decision const& decision, Progress const& mine) {
        clusters::Member const* any = nullptr;
        for (auto const& [name, outcome] : mine.outcomes) {
            if (any == nullptr) any = propagator.members().find(name);
        }
        meta::ObjectKey const binding_key = binding_of(decision, subject_of(key, decision, any));
        Doc const binding = propagator.bindings().get(binding_key);
        auto read = apis::read_fleet_binding(binding);
        if (!binding.exists() || !read) return;
        apis::FleetBindingSpec spec = read->spec;
        for (auto const& [name, outcome] : mine.outcomes) {
            auto const cluster = std::ranges::find(spec.clusters, name, &apis::BoundCluster::name);
            auto const generation = mine.seen.find(name);
            // Found out about another state of the binding: it is found out anew.
            bool const current = generation != mine.seen.end() && generation->second == meta::generation(binding);
            if (cluster == spec.clusters.end() || !current || finished(recorded(decision, name))) continue;
            if (outcome.pause) cluster->paused = *outcome.pause;
            if (outcome.pin.empty()) continue;
            cluster->revision = outcome.pin;
            cluster->rejected = outcome.rejected;
        }
        if (spec == read->spec) return;
        Write write;
        write.resource = placement::binding_resource(binding_key);
        write.key = binding_key;
        write.body["spec"]["clusters"] = apis::write_fleet_binding_spec(spec)["clusters"];
        write.body.set({"metadata", "resourceVersion"}, meta::resource_version(binding));
        write.why = decision.spec.action;
        plan.writes.push_back(std::move(write));
    }

    void enqueue_all(Doc const& object) {
        for (auto const& [index, target] : object.at({"spec", "targets"}).elements())
            carry->enqueue({target["cluster"].string(), meta::key_of(object)});
        record->enqueue({"", meta::key_of(object)});
    }

    // Something changed for these open Decisions.
    void enqueue_open(std::string const& ns, std::string const& rollout, std::string const& cluster) {
        for (meta::ObjectKey const& key : open) {
            if (!ns.empty() && key.ns != ns) continue;
            Doc const object = decisions.get(key);
            if (!rollout.empty() && object.at({"spec", "rolloutRef", "name"}).as_string() != rollout) continue;
            if (cluster.empty()) {
                enqueue_all(object);
            } else {
                carry->enqueue({cluster, key});
                record->enqueue({"", key});
            }
        }
    }

    void build() {
        control::ControllerOptions options;
        options.name = "decision";
        options.concurrency = 64;
        carry = std::make_unique<control::Controller>(
            options, std::make_unique<control::FunctionReconciler>(
                         [this](Key const& key, Time now) { return decide_member(key, now); },
                         [this](Key const& key) -> client::Client const& {
                             clusters::Member const* const member = propagator.members().find(key.part);
                             return member != nullptr ? member->client() : hub;
                         }));
        options.name = "decision-record";
        record = std::make_unique<control::Controller>(
            options, std::make_unique<control::FunctionReconciler>(
                         [this](Key const& key, Time now) { return decide_hub(key, now); },
                         [this](Key const&) -> client::Client const& { return hub; }));
        record->watch(decisions, [](Doc const& object) { return std::vector<Key>{{"", meta::key_of(object)}}; });
        decisions.on_change([this](client::Change const& change) {
            meta::ObjectKey const key = meta::key_of(change.object());
            if (change.after.exists() && !finished_whole(change.after.at({"status", "outcome"}).as_string())) {
                open.insert(key);
            } else {
                open.erase(key);
            }
            enqueue_all(change.object());
        });
        for (bool const scope : {false, true}) {
            record->watch(propagator.bindings().of(scope), [](Doc const&) { return std::vector<Key>(); });
            propagator.bindings().of(scope).on_change([this](client::Change const& change) {
                if (!meta::differs_in_status_alone(change.before, change.after))
                    enqueue_open(meta::ns(change.object()), "", "");
            });
        }
        propagator.members().on_informer([this](clusters::Member& member, client::Informer& informer) {
            std::string const cluster = member.name();
            carry->watch(informer, [](Doc const&) { return std::vector<Key>(); }, cluster);
            informer.on_change([this, cluster](client::Change const& change) {
                Doc const& object = change.object();
                if (object["kind"].as_string() == "Rollout") {
                    enqueue_open(meta::ns(object), meta::name(object), cluster);
                } else if (object.at({"spec", "template"}).exists()) {
                    enqueue_open(meta::ns(object), "", cluster);
                }
            });
        });
        propagator.members().on_standing([this](clusters::Member& member) { enqueue_open("", "", member.name()); });
    }
};

Decider::Decider(client::Client hub, propagation::Propagator& propagator)
    : impl_(std::make_unique<Impl>(std::move(hub), propagator)) {
    impl_->build();
}
Decider::~Decider() = default;

Task<void> Decider::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(impl_->decisions.run(scope.context()));
    scope.spawn(impl_->carry->run(scope.context()));
    scope.spawn(impl_->record->run(scope.context()));
    co_await scope.join();
}

std::string release_digest(Doc const& workload, Doc const& rollout) {
    Value const pod_template = propagation::pod_template(workload);
    Value strategy = rollout.at({"spec", "strategy"}).thaw();
    strategy.erase("paused");
    return "sha256:" + crypto::sha256_hex(json::write_canonical(pod_template) + "\n" + json::write_canonical(strategy));
}

}   // namespace aviary::decision
