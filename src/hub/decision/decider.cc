#include "hub/decision/decider.h"

#include <algorithm>

#include "core/crypto/certificate.h"
#include "core/json/write.h"
#include "hub/decision/internal/impl.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::decision {

namespace {

using control::Key;
using control::Plan;
using json::Doc;
using json::Value;

constexpr Duration kLookAgain = std::chrono::milliseconds(500);   // while the hub's copies are not there yet

observe::Counter outcomes(Context const& ctx, std::string action, std::string outcome) {
    return ctx.metrics().counter("aviary_decision_outcome_total",
                                 "Decisions that have come to an end while this hub looked, by how.",
                                 {{"action", std::move(action)}, {"outcome", std::move(outcome)}});
}

// An increase is seen only of what was there before.
void begin_counting(Context const& ctx) {
    using namespace apis::action;
    using namespace apis::outcome;
    for (std::string_view done : {kApprove, kReject, kPause, kResume, kAbort, kUndo, kJump, kRetry}) {
        for (std::string_view end : {kApplied, kPartial, kFailed, kExpired})
            outcomes(ctx, std::string(done), std::string(end));
    }
}

void count_end(Context const& ctx, client::Change const& change) {
    std::string outcome = change.after.at({"status", "outcome"}).string();
    bool const was_open = change.before.exists() && !apis::settled(change.before.at({"status", "outcome"}).as_string());
    if (was_open && apis::settled(outcome))
        outcomes(ctx, change.after.at({"spec", "action"}).string(), std::move(outcome)).add();
}

}   // namespace

Decider::Impl::Impl(client::Client hub_client, propagation::Propagator& propagator, AuditSink audit)
    : hub(hub_client.named("aviary-hub")),
      propagator(propagator),
      audit(std::move(audit)),
      decisions(hub, apis::kDecisions) {
    decisions.add_index(std::string(kByRollout), [](Doc const& object) {
        return std::vector<std::string>{object.at({"spec", "rolloutRef", "name"}).string()};
    });
}

Plan Decider::Impl::decide_member(Key const& key, Time now) {
    Doc const object = decisions.get(key.object);
    auto const decision = apis::read_decision(object);
    if (!object.exists() || !decision || apis::finished(recorded(*decision, key.part))) return {};
    if (is_record(decision->spec)) return {};   // it is done
    auto const target = std::ranges::find(decision->spec.targets, key.part, &apis::DecisionTarget::cluster);
    if (target == decision->spec.targets.end()) return {};
    Progress& mine = progress[key.object];
    if (auto const known = mine.outcomes.find(key.part);
        known != mine.outcomes.end() && apis::finished(known->second.outcome))
        return {};
    auto const seen = observe(key, *decision, *target, now);
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

void Decider::Impl::enqueue_all(Doc const& object) {
    for (auto const& [index, target] : object.at({"spec", "targets"}).elements())
        carry->enqueue({target["cluster"].string(), meta::key_of(object)});
    record->enqueue({"", meta::key_of(object)});
}

void Decider::Impl::enqueue_open(std::string const& ns, std::string const& rollout, std::string const& cluster) {
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

void Decider::Impl::build() {
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
    auto const on_hub = [this](Key const&) -> client::Client const& { return hub; };
    options.name = "decision-record";
    record = std::make_unique<control::Controller>(
        options, std::make_unique<control::FunctionReconciler>(
                     [this](Key const& key, Time now) { return decide_hub(key, now); }, on_hub));
    options.name = "decision-unasked";
    watch_members = std::make_unique<control::Controller>(
        options, std::make_unique<control::FunctionReconciler>(
                     [this](Key const& key, Time now) { return decide_unasked(key, now); }, on_hub));
    follow_decisions();
    follow_members();
}

void Decider::Impl::tell_audit(client::Change const& change) const {
    if (!audit || !ctx) return;
    for (AuditEntry const& entry : audit_entries(change.before, change.after, ctx->now())) audit(entry);
}

void Decider::Impl::follow_decisions() {
    record->watch(decisions, [](Doc const& object) { return std::vector<Key>{{"", meta::key_of(object)}}; });
    watch_members->watch(decisions, [](Doc const&) { return std::vector<Key>(); });
    decisions.on_change([this](client::Change const& change) {
        tell_audit(change);
        if (ctx) count_end(*ctx, change);
        Doc const& object = change.object();
        meta::ObjectKey const key = meta::key_of(object);
        if (change.after.exists() && !apis::settled(change.after.at({"status", "outcome"}).as_string())) {
            open.insert(key);
            // The first list is what the leaders before have left.
            if (!decisions.synced()) progress[key].inherited = true;
        } else {
            open.erase(key);
        }
        enqueue_all(object);
        meta::ObjectKey const rollout{key.ns, object.at({"spec", "rolloutRef", "name"}).string()};
        for (auto const& [index, target] : object.at({"spec", "targets"}).elements()) {
            Key const left{target["cluster"].string(), rollout};
            if (unasked.contains(left)) watch_members->enqueue(left);
        }
    });
    if (propagator.attached()) return;   // there are no bindings
    for (bool const scope : {false, true}) {
        record->watch(propagator.bindings().of(scope), [](Doc const&) { return std::vector<Key>(); });
        propagator.bindings().of(scope).on_change([this](client::Change const& change) {
            if (!meta::differs_in_status_alone(change.before, change.after))
                enqueue_open(meta::ns(change.object()), "", "");
        });
    }
}

void Decider::Impl::follow_members() {
    propagator.members().on_informer([this](clusters::Member& member, client::Informer& informer) {
        std::string const cluster = member.name();
        carry->watch(informer, [](Doc const&) { return std::vector<Key>(); }, cluster);
        informer.on_change([this, cluster](client::Change const& change) {
            Doc const& object = change.object();
            if (object["kind"].as_string() == "Rollout") {
                enqueue_open(meta::ns(object), meta::name(object), cluster);
                member_rollout_changed(cluster, change);
            } else if (propagation::template_in(object).exists()) {
                enqueue_open(meta::ns(object), "", cluster);
            }
        });
    });
    propagator.members().on_standing([this](clusters::Member& member) { enqueue_open("", "", member.name()); });
}

Decider::Decider(client::Client hub, propagation::Propagator& propagator, AuditSink audit)
    : impl_(std::make_unique<Impl>(std::move(hub), propagator, std::move(audit))) {
    impl_->build();
}
Decider::~Decider() = default;

Task<void> Decider::run(Context ctx) {
    async::Scope scope(ctx);
    impl_->ctx = ctx;
    begin_counting(ctx);
    scope.spawn(impl_->decisions.run(scope.context()));
    scope.spawn(impl_->carry->run(scope.context()));
    scope.spawn(impl_->record->run(scope.context()));
    scope.spawn(impl_->watch_members->run(scope.context()));
    co_await scope.join();
}

std::string release_digest(Doc const& workload, Doc const& rollout) {
    Value const pod_template = propagation::pod_template(workload);
    Value strategy = rollout.at({"spec", "strategy"}).thaw();
    strategy.erase("paused");
    return "sha256:" + crypto::sha256_hex(json::write_canonical(pod_template) + "\n" + json::write_canonical(strategy));
}

}   // namespace aviary::decision
