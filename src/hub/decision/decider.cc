#include "hub/decision/decider.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

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

bool finished(std::string_view outcome) {
    return outcome == apis::outcome::kApplied || outcome == apis::outcome::kStale ||
           outcome == apis::outcome::kRefused || outcome == apis::outcome::kExpired;
}

meta::GroupVersionKind workload_kind(Doc const& rollout) {
    Doc const reference = rollout.at({"spec", "workloadRef"});
    auto [group, version] = meta::parse_api_version(reference["apiVersion"].as_string());
    return {std::move(group), std::move(version), reference["kind"].string()};
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
        std::map<std::string, Outcome> outcomes;   // by cluster
        std::set<std::string> sent;                // approvals this process has sent
    };
    std::map<meta::ObjectKey, Progress> progress;

    Doc hub_rollout(meta::ObjectKey const& decision, apis::DecisionSpec const& spec) const {
        return propagator.sources().get(propagation::kRolloutKind, {decision.ns, spec.rollout_ref.name});
    }

    static std::string recorded(apis::Decision const& decision, std::string const& cluster) {
        auto const found = std::ranges::find(decision.status.clusters, cluster, &apis::DecisionClusterStatus::cluster);
        return found == decision.status.clusters.end() ? std::string() : found->outcome;
    }

    Seen observe(Key const& key, apis::Decision const& decision, apis::DecisionTarget const& target) {
        Seen seen;
        seen.spec = decision.spec;
        seen.target = target;
        clusters::Member* const member = propagator.members().find(target.cluster);
        seen.reachable = member != nullptr && member->reachable();
        Doc const rollout = hub_rollout(key.object, decision.spec);
        meta::ObjectKey const rollout_key{key.object.ns, decision.spec.rollout_ref.name};
        if (member != nullptr) {
            propagator.members().want(*member, propagation::kRollouts);
            seen.rollout = member->get(propagation::kRollouts, rollout_key);
        }
        meta::GroupVersionKind const kind = workload_kind(rollout.exists() ? rollout : seen.rollout);
        meta::ObjectKey const workload_key{
            key.object.ns, (rollout.exists() ? rollout : seen.rollout).at({"spec", "workloadRef", "name"}).string()};
        placement::Sources::Kind const* const known = propagator.sources().find(kind);
        if (member != nullptr && known != nullptr) seen.workload = member->get(known->resource, workload_key);
        seen.replicas = seen.workload.at({"spec", "replicas"}).as_int();
        seen.stable = meta::label(seen.workload, propagation::kStableLabel);
        seen.sent = progress[key.object].sent.contains(target.cluster);
        seen.superseded =
            decision.spec.release &&
            decision.spec.release->digest != release_digest(propagator.sources().get(kind, workload_key), rollout);
        if (auto const cluster = bound(placement::binding_key(kind, workload_key), target.cluster)) {
            // A pin against another template is an earlier decision's.
            seen.pinned = !cluster->revision.empty() && cluster->rejected == hub_template(kind, workload_key);
            if (seen.pinned) seen.stable = cluster->revision;
        }
        if (auto const cluster = bound(placement::binding_key(propagation::kRolloutKind, rollout_key), target.cluster))
            seen.paused = cluster->paused;
        return seen;
    }

    // The hash of the template that the hub's workload has now.
    std::string hub_template(meta::GroupVersionKind const& kind, meta::ObjectKey const& workload) const {
        return propagation::template_hash(propagation::pod_template(propagator.sources().get(kind, workload)));
    }

    std::optional<apis::BoundCluster> bound(meta::ObjectKey const& binding, std::string const& cluster) const {
        auto const read = apis::read_fleet_binding(propagator.bindings().get(binding));
        if (!read) return std::nullopt;
        auto const found = std::ranges::find(read->spec.clusters, cluster, &apis::BoundCluster::name);
        return found == read->spec.clusters.end() ? std::nullopt : std::optional(*found);
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
        Outcome outcome = carry_out(observe(key, *decision, *target), now);
        if (!outcome.plan.writes.empty()) mine.sent.insert(key.part);
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
        Doc const rollout = hub_rollout(key.object, decision.spec);
        meta::GroupVersionKind const kind = workload_kind(rollout);
        meta::ObjectKey const workload_key{key.object.ns, rollout.at({"spec", "workloadRef", "name"}).string()};
        bool const pause =
            decision.spec.action == apis::action::kPause || decision.spec.action == apis::action::kResume;
        meta::ObjectKey const binding_key =
            pause ? placement::binding_key(propagation::kRolloutKind, {key.object.ns, decision.spec.rollout_ref.name})
                  : placement::binding_key(kind, workload_key);
        Doc const binding = propagator.bindings().get(binding_key);
        auto read = apis::read_fleet_binding(binding);
        if (!binding.exists() || !read) return;
        std::string const rejected = hub_template(kind, workload_key);
        apis::FleetBindingSpec spec = read->spec;
        for (apis::DecisionTarget const& target : decision.spec.targets) {
            auto const outcome = mine.outcomes.find(target.cluster);
            auto const cluster = std::ranges::find(spec.clusters, target.cluster, &apis::BoundCluster::name);
            if (outcome == mine.outcomes.end() || cluster == spec.clusters.end() ||
                finished(recorded(decision, target.cluster)))
                continue;
            if (outcome->second.wants_pause) cluster->paused = decision.spec.action == apis::action::kPause;
            if (!outcome->second.wants_pin) continue;
            clusters::Member const* const member = propagator.members().find(target.cluster);
            placement::Sources::Kind const* const known = propagator.sources().find(kind);
            if (member == nullptr || known == nullptr) continue;
            cluster->revision = meta::label(member->get(known->resource, workload_key), propagation::kStableLabel);
            cluster->rejected = rejected;
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
        for (auto const& [key, object] : decisions.objects()) {
            if (!ns.empty() && key.ns != ns) continue;
            if (!rollout.empty() && object.at({"spec", "rolloutRef", "name"}).as_string() != rollout) continue;
            if (finished_whole(object.at({"status", "outcome"}).as_string())) continue;
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
        decisions.on_change([this](client::Change const& change) { enqueue_all(change.object()); });
        for (bool const scope : {false, true}) {
            record->watch(propagator.bindings().of(scope), [](Doc const&) { return std::vector<Key>(); });
            propagator.bindings().of(scope).on_change(
                [this](client::Change const& change) { enqueue_open(meta::ns(change.object()), "", ""); });
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

namespace {

class DecisionAdmission final : public control::Admission {
public:
    DecisionAdmission(control::Authorizer const& authorizer, std::string hub_user)
        : authorizer_(authorizer), hub_user_(std::move(hub_user)) {}

    std::string_view name() const override { return "decisions"; }
    bool matches(control::AdmissionRequest const& request) const override {
        return request.resource.resource == "decisions" && request.resource.group == apis::kDecisions.group;
    }

    Task<Status> mutate(Context, control::AdmissionRequest& request) override {
        if (request.operation != control::Operation::kCreate) co_return Status{};
        json::Array groups;
        for (std::string const& group : request.user.groups) groups.push_back(group);
        request.object.set({"spec", "requester"}, json::Object{{"username", request.user.name}, {"groups", groups}});
        co_return Status{};
    }

    Task<Status> validate(Context, control::AdmissionRequest const& request) override {
        if (request.operation == control::Operation::kUpdate) {
            if (request.user.name != hub_user_)
                co_return fail(ErrorCode::kForbidden,
                               "decisions are written once and carried out by the hub: create a new one instead");
            if (!(request.object["spec"] == request.old_object["spec"].thaw()))
                co_return fail(ErrorCode::kForbidden, "spec of a Decision is immutable");
            co_return Status{};
        }
        if (request.operation == control::Operation::kDelete) {
            if (request.user.name == hub_user_ || request.user.name.starts_with("system:serviceaccount:kube-system:"))
                co_return Status{};
            co_return fail(ErrorCode::kForbidden,
                           "decisions are kept for the record: the hub deletes finished ones after 30 days");
        }
        co_return check(request);
    }

private:
    Status check(control::AdmissionRequest const& request) const {
        json::Value const& spec = request.object["spec"];
        std::string const action = spec["action"].string();
        if (action == apis::action::kReject || action == apis::action::kRetry || action == apis::action::kJump) {
            return fail(ErrorCode::kUnsupported, fmt::format("spec.action: {} is not supported yet", action));
        }
        if (spec["targets"].size() == 0)
            return fail(ErrorCode::kInvalid, "spec.targets: Required value: name at least one cluster");
        std::string verb = action;
        for (char& letter : verb)
            letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
        control::Attributes const on_rollout{.verb = verb,
                                             .group = "rollouts.kruise.io",
                                             .resource = "rollouts",
                                             .ns = request.key.ns,
                                             .name = spec.at({"rolloutRef", "name"}).string()};
        if (!authorizer_.allowed(request.user, on_rollout))
            return std::unexpected(control::forbidden(request.user, on_rollout));
        for (json::Value const& target : spec["targets"].array()) {
            control::Attributes const on_cluster{.verb = "act",
                                                 .group = "cluster.open-cluster-management.io",
                                                 .resource = "managedclusters",
                                                 .name = target["cluster"].string()};
            if (!authorizer_.allowed(request.user, on_cluster))
                return std::unexpected(control::forbidden(request.user, on_cluster));
        }
        return {};
    }

    control::Authorizer const& authorizer_;
    std::string hub_user_;
};

}   // namespace

std::shared_ptr<control::Admission> make_decision_admission(control::Authorizer const& authorizer,
                                                            std::string hub_user) {
    return std::make_shared<DecisionAdmission>(authorizer, std::move(hub_user));
}

}   // namespace aviary::decision
