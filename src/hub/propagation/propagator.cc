#include "hub/propagation/propagator.h"

#include <algorithm>

#include "apis/rollouts/rollout.h"
#include "core/base/lasts.h"
#include "hub/propagation/guard_admission.h"
#include "hub/propagation/internal/impl.h"
#include "hub/propagation/internal/revisions.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using control::Key;
using control::Plan;
using json::Doc;
using json::Value;

constexpr Duration kLookAgain = std::chrono::seconds(1);   // while a copy of the hub's is not there yet
constexpr Duration kRetryWebhook = std::chrono::seconds(30);

// What the binding's status last said of a cluster; absent: nothing abnormal.
Doc row_before(Doc const& binding, std::string const& cluster) {
    for (auto const& [index, row] : binding.at({"status", "abnormal"}).elements()) {
        if (row["cluster"].as_string() == cluster) return row;
    }
    return {};
}

// Since when a cluster has been in one state; a restarted hub goes on counting.
std::optional<Time> since_before(Doc const& binding, std::string const& cluster, Decision const& decision) {
    Doc const row = row_before(binding, cluster);
    bool const same =
        row["state"].as_string() == to_string(decision.state) && row["reason"].as_string() == decision.reason;
    return same ? parse_rfc3339(row["since"].as_string()) : std::nullopt;
}

// What the release guard says (decide.h).
constexpr std::string_view kGuardReasons[] = {"RolloutNotPlaced", "RolloutMissing",    "RolloutDisabled",
                                              "RolloutLeaving",   "ControllerAbsent",  "ControllerTooOld",
                                              "ReleaseClosing",   "WebhookNotInForce", "RevisionMissing",
                                              "KindNotSupported", "PinOutdated"};

observe::Counter refusals(Context const& ctx, std::string reason) {
    return ctx.metrics().counter("aviary_guard_refused_total",
                                 "Times that the release guard began to keep a template from a cluster.",
                                 {{"reason", std::move(reason)}});
}

// An increase is seen only of what was there before.
void begin_counting(Context const& ctx) {
    for (std::string_view reason : kGuardReasons) refusals(ctx, std::string(reason));
}

}   // namespace

Propagator::Impl::Impl(client::Client hub_client, std::string id, clusters::Members& members,
                       placement::Sources& sources, placement::Bindings& bindings)
    : hub(hub_client.named("aviary-hub")),
      hub_id(std::move(id)),
      members(members),
      sources(sources),
      bindings(bindings),
      revisions(hub, kControllerRevisions) {
    revisions.add_index("hash", [](Doc const& revision) {
        return std::vector<std::string>{meta::ns(revision) + "/" + meta::label(revision, kTemplateLabel)};
    });
}

// ---- into the members ----

Plan Propagator::Impl::decide_member(Key const& key, Time now) {
    auto const spec = bindings.spec(key.object);
    clusters::Member* const member = members.find(key.part);
    if (!spec || member == nullptr || !member->reachable()) return {};   // marked again when it is there
    auto seen = ready() ? observe(key, *spec, *member) : std::nullopt;
    if (!seen) {
        undecided[key.part].insert(key.object);
        // The object may be gone: then no news of it comes with the copy of its kind.
        Plan plan;
        if (meta::is_deleting(bindings.get(key.object)) && !known_kind(kind_of(spec->resource)))
            plan.requeue_at(now + kLookAgain, "the kind's copy is not there yet");
        return plan;
    }
    auto& memories = known[key.object];
    if (!seen->placed && !seen->live.exists()) {
        memories.erase(key.part);
        return {};
    }
    if (auto const memory = memories.find(key.part); memory != memories.end()) {
        seen->put_right = memory->second.put_right;
        seen->was_behind = memory->second.standing.state == State::kBehindMembers;
        if (auto const taken = memory->second.taken_back; taken && lasts(*taken, kRetryWebhook, now))
            seen->not_before = *memory->second.taken_back + kRetryWebhook;
    } else {
        seen->was_behind =
            row_before(bindings.get(key.object), key.part)["state"].as_string() == to_string(State::kBehindMembers);
    }
    Decision decision = decide(*seen, now);
    if (decision.state == State::kApplying && decision.reason.empty()) {
        // What was tried before and why it failed; a version that was not the newest is no failure.
        auto const error = propagate->last_error(key);
        bool const stale = error && error->is(ErrorCode::kConflict) && error->causes().empty();
        if (error && !stale) {
            decision.reason = "ApplyFailed";
            decision.message = error->message();
        }
    }
    remember(key, decision, now);
    memories[key.part].source_generation = meta::generation(seen->source);
    return std::move(decision.plan);
}

void Propagator::Impl::remember(Key const& key, Decision const& decision, Time now) {
    auto const [found, fresh] = known[key.object].try_emplace(key.part);
    Memory& memory = found->second;
    if (decision.taken_back) memory.taken_back = now;
    std::erase_if(memory.put_right, [now](Time when) { return when + kPutRightWithin <= now; });
    if (decision.put_right) memory.put_right.push_back(now);
    Standing& standing = memory.standing;
    bool const moved = fresh || standing.state != decision.state || standing.reason != decision.reason;
    bool const news = moved || standing.message != decision.message;
    if (moved) {
        auto const before = fresh ? since_before(bindings.get(key.object), key.part, decision) : std::nullopt;
        standing.since = before.value_or(now);
        if (ctx && decision.state == State::kGuarded && !before) refusals(*ctx, decision.reason).add();
    }
    standing.state = decision.state;
    standing.reason = decision.reason;
    standing.message = decision.message;
    if (news) status->enqueue({"", key.object});
}

// ---- revisions ----

Plan Propagator::Impl::decide_keep(Key const& key) const {
    Plan plan;
    if (!revisions.synced() || !bindings.synced()) return plan;
    for (placement::Sources::Kind const* kind : sources.all()) {
        if (kind->kind.kind != key.part) continue;
        RevisionsSeen seen;
        seen.workload = kind->informer->get(key.object);
        if (!template_in(seen.workload).exists()) continue;
        for (Doc const& each : revisions.list(key.object.ns)) {
            if (meta::is_controlled_by(each, seen.workload)) seen.kept.push_back(each);
        }
        seen.binding = bindings.get(placement::binding_key(kind->kind, key.object));
        seen.used.insert(seen.binding.at({"status", "stableRevision"}).string());
        for (clusters::Member const* member : members.all()) {
            seen.all_known = seen.all_known && member->reachable() &&
                             member->serving(kind->resource) != clusters::Member::Serving::kUnknown;
            Doc const live = member->get(kind->resource, key.object);
            for (std::string const& hash : templates_named(live)) seen.used.insert(hash);
            if (frozen(live) && !releasing(live)) seen.frozen.push_back(live);
        }
        Plan const one = decide_revisions(seen);
        plan.writes.insert(plan.writes.end(), one.writes.begin(), one.writes.end());
    }
    return plan;
}

// ---- going back before it goes: on-delete: Rollback ----

Plan Propagator::Impl::decide_going_back(Key const& key, Time now) {
    Doc const rollout = sources.get(kRolloutKind, key.object);
    bool const concerned = is_word_on_delete(meta::annotation(rollout, kOnDelete)) ||
                           meta::has_finalizer(rollout, placement::kOnDeleteFinalizer);
    if (!concerned) {
        rollback_waits.erase(key.object);
        return {};
    }
    // One that stays needs the finalizer, or not: nothing of its clusters.
    std::optional<RollbackSeen> seen;
    if (!leaving(rollout)) {
        seen.emplace().rollout = rollout;
    } else if (ready() && members.synced()) {
        seen = observe_rollback(rollout);
    }
    if (seen) {
        auto const error = rollback->last_error(key);
        bool const stale = error && error->is(ErrorCode::kConflict);
        if (error && !stale) seen->let_go_failed = error->message();
    }
    if (!seen) {
        Plan plan;
        plan.requeue_at(now + kLookAgain, "the hub is being started");
        return plan;
    }
    Rollback decision = decide_rollback(*seen);
    std::string& waits = rollback_waits[key.object];
    if (waits != decision.message) status->enqueue({"", placement::binding_key(kRolloutKind, key.object)});
    waits = std::move(decision.message);
    return std::move(decision.plan);
}

std::vector<meta::ObjectKey> Propagator::Impl::rollouts_selecting(meta::GroupVersionKind const& kind,
                                                                  meta::ObjectKey const& workload) const {
    std::vector<meta::ObjectKey> keys;
    placement::Sources::Kind const* const rollouts = sources.find(kRolloutKind);
    if (rollouts == nullptr) return keys;
    for (Doc const& rollout : rollouts->informer->list(workload.ns)) {
        auto const [selected, key] = workload_of(rollout);
        if (selected.group == kind.group && selected.kind == kind.kind && key == workload)
            keys.push_back(meta::key_of(rollout));
    }
    return keys;
}

void Propagator::Impl::enqueue_rollouts_of(meta::GroupVersionKind const& kind, meta::ObjectKey const& workload) {
    for (meta::ObjectKey const& key : rollouts_selecting(kind, workload)) rollback->enqueue({"", key});
}

void Propagator::Impl::enqueue_rollouts_and_statuses_of(meta::GroupVersionKind const& kind,
                                                        meta::ObjectKey const& workload) {
    for (meta::ObjectKey const& key : rollouts_selecting(kind, workload)) {
        rollback->enqueue({"", key});
        status->enqueue({"", placement::binding_key(kRolloutKind, key)});
    }
}

void Propagator::Impl::enqueue_rollouts() {
    placement::Sources::Kind const* const rollouts = sources.find(kRolloutKind);
    if (rollouts == nullptr) return;
    for (auto const& [key, rollout] : rollouts->informer->objects()) rollback->enqueue({"", key});
}

// ---- wiring ----

// All clusters that the binding names, or where its object still is.
void Propagator::Impl::enqueue_binding(meta::ObjectKey const& binding) {
    for (clusters::Member* member : members.all()) propagate->enqueue({member->name(), binding});
    status->enqueue({"", binding});
}

// A Rollout and the workload it selects decide together.
void Propagator::Impl::enqueue_workload_of(Doc const& rollout) {
    auto const [kind, workload] = workload_of(rollout);
    enqueue_binding(placement::binding_key(kind, workload));
}

void Propagator::Impl::hub_object_changed(meta::GroupVersionKind const& kind, client::Change const& change) {
    // The status is what comes back from the members; nothing of it goes there.
    if (meta::differs_in_status_alone(change.before, change.after)) return;
    meta::ObjectKey const key = meta::key_of(change.object());
    meta::ObjectKey const binding = placement::binding_key(kind, key);
    if (kind == kRolloutKind) {
        if (change.before.exists() && change.after.exists() &&
            !(change.before.at({"spec", "workloadRef"}) == change.after.at({"spec", "workloadRef"})))
            enqueue_workload_of(change.before);
        enqueue_workload_of(change.object());
        rollback->enqueue({"", key});
    }
    enqueue_binding(binding);
    if (template_in(change.object()).exists()) enqueue_rollouts_and_statuses_of(kind, key);
    if (template_in(change.after).exists()) keep->enqueue({kind.kind, key});
}

// What was known of a binding that is gone, or another one now.
void Propagator::Impl::forget(meta::ObjectKey const& binding) {
    known.erase(binding);
    contents.erase(binding);
    status_written.erase(binding);
}

void Propagator::Impl::binding_changed(client::Change const& change) {
    Doc const resource = change.object().at({"spec", "resource"});
    meta::ObjectKey const object{resource["namespace"].string(), resource["name"].string()};
    Doc const rollout = resource["kind"].as_string() == "Rollout" ? sources.get(kRolloutKind, object) : Doc();
    if (meta::differs_in_status_alone(change.before, change.after)) {
        // Placement says there what it has taken away.
        bool const same = change.before.at({"status", "rejected"}) == change.after.at({"status", "rejected"});
        if (rollout.exists() && !same) enqueue_workload_of(rollout);
        return;
    }
    auto const [group, version] = meta::parse_api_version(resource["apiVersion"].as_string());
    meta::GroupVersionKind const kind{group, version, resource["kind"].string()};
    // What is bound is followed, whether or not a policy still names its kind.
    if (change.after.exists()) sources.want(kind);
    meta::ObjectKey const binding = meta::key_of(change.object());
    if (change.after.exists() && meta::uid(change.before) != meta::uid(change.after)) forget(binding);
    enqueue_binding(binding);
    if (meta::generation(change.before) != meta::generation(change.after))
        keep->enqueue({resource["kind"].string(), object});
    enqueue_rollouts_and_statuses_of(kind, object);
    if (!rollout.exists()) return;
    enqueue_workload_of(rollout);
    rollback->enqueue({"", object});
}

void Propagator::Impl::member_object_changed(std::string const& cluster, client::Change const& change) {
    Doc const& object = change.object();
    auto const mark = [&](meta::GroupVersionKind const& kind, meta::ObjectKey const& key) {
        propagate->enqueue({cluster, placement::binding_key(kind, key)});
    };
    if (object["kind"].as_string() == "HorizontalPodAutoscaler") {
        Doc const target = object.at({"spec", "scaleTargetRef"});
        auto const [group, version] = meta::parse_api_version(target["apiVersion"].as_string());
        mark({group, version, target["kind"].string()}, {meta::ns(object), apis::scaled_name(object)});
    }
    meta::GroupVersionKind const kind = meta::kind_of(object);
    meta::ObjectKey const binding = placement::binding_key(kind, meta::key_of(object));
    if (!bindings.get(binding).exists()) return;
    mark(kind, meta::key_of(object));
    status->enqueue({"", binding});
    if (kind == kRolloutKind) {
        auto const [workload_kind, workload] = workload_of(object);
        mark(workload_kind, workload);
        rollback->enqueue({"", meta::key_of(object)});
        return;
    }
    bool const another = meta::label(change.before, kTemplateLabel) != meta::label(change.after, kTemplateLabel);
    bool const turns =
        another || releasing(change.before) != releasing(change.after) || frozen(change.before) != frozen(change.after);
    if (!turns) return;
    // A failure that a Rollout tells is one of the version that its workload has.
    if (another)
        enqueue_rollouts_and_statuses_of(kind, meta::key_of(object));
    else
        enqueue_rollouts_of(kind, meta::key_of(object));
    if (frozen(change.after)) keep->enqueue({kind.kind, meta::key_of(object)});
    // A Rollout on its way out waits for its workload; clusters without pods for where the others are.
    clusters::Member* const member = members.find(cluster);
    client::Informer const* const rollouts = member == nullptr ? nullptr : member->informer(kRollouts);
    if (rollouts != nullptr) {
        for (Doc const& rollout : rollouts->list(meta::ns(object))) {
            if (workload_of(rollout) == std::pair(kind, meta::key_of(object)))
                mark(kRolloutKind, meta::key_of(rollout));
        }
    }
    placement::Sources::Kind const* const known = sources.find(kind);
    if (known == nullptr) return;
    for (clusters::Member const* other : members.all()) {
        Doc const live = other->get(known->resource, meta::key_of(object));
        bool const empty = !live.exists() || live.at({"spec", "replicas"}).as_int(1) == 0;
        if (empty) propagate->enqueue({other->name(), binding});
    }
}

void Propagator::Impl::standing_changed(clusters::Member& member) {
    std::set<meta::ObjectKey> const waiting = std::exchange(undecided[member.name()], {});
    std::pair<clusters::Member const*, bool> const now{&member, member.reachable()};
    bool const turned = std::exchange(reachable[member.name()], now) != now;
    for (meta::ObjectKey const& key : waiting) propagate->enqueue({member.name(), key});
    enqueue_rollouts();
    if (!turned) return;
    for (bool const scope : {false, true}) {
        for (auto const& [key, binding] : bindings.of(scope).objects()) {
            propagate->enqueue({member.name(), key});
            status->enqueue({"", key});
        }
    }
}

void Propagator::Impl::build() {
    auto const on_hub = [this](Key const&) -> client::Client const& { return hub; };
    control::ControllerOptions options;
    options.name = "propagation";
    options.concurrency = 64;
    propagate = std::make_unique<control::Controller>(
        options, std::make_unique<control::FunctionReconciler>(
                     [this](Key const& key, Time now) { return decide_member(key, now); },
                     [this](Key const& key) -> client::Client const& {
                         clusters::Member const* const member = members.find(key.part);
                         return member == nullptr ? hub : member->client();   // none: there is nothing to write
                     }));
    options.name = "status";
    status = std::make_unique<control::Controller>(
        options, std::make_unique<control::FunctionReconciler>(
                     [this](Key const& key, Time now) { return decide_status(key, now); }, on_hub));
    options.name = "revisions";
    keep = std::make_unique<control::Controller>(
        options, std::make_unique<control::FunctionReconciler>(
                     [this](Key const& key, Time) { return decide_keep(key); }, on_hub));
    options.name = "rollback";
    rollback = std::make_unique<control::Controller>(
        options, std::make_unique<control::FunctionReconciler>(
                     [this](Key const& key, Time now) { return decide_going_back(key, now); }, on_hub));
    for (bool const scope : {false, true}) {
        rollback->watch(bindings.of(scope), [](Doc const&) { return std::vector<Key>(); });
        status->watch(bindings.of(scope),
                      [](Doc const& binding) { return std::vector<Key>{{"", meta::key_of(binding)}}; });
        keep->watch(bindings.of(scope), [](Doc const&) { return std::vector<Key>(); });
        bindings.of(scope).on_change([this](client::Change const& change) { binding_changed(change); });
    }
    sources.on_informer([this](placement::Sources::Kind const& kind) {
        status->watch(*kind.informer, [gvk = kind.kind](Doc const& object) {
            return std::vector<Key>{{"", placement::binding_key(gvk, meta::key_of(object))}};
        });
        rollback->watch(*kind.informer, [](Doc const&) { return std::vector<Key>(); });
        kind.informer->on_change(
            [this, gvk = kind.kind](client::Change const& change) { hub_object_changed(gvk, change); });
    });
    keep->watch(revisions, [](Doc const& revision) {
        auto const owner = meta::controller_of(revision);
        return owner ? std::vector<Key>{{owner->kind, {meta::ns(revision), owner->name}}} : std::vector<Key>();
    });
    // A release waits until what it comes from is kept.
    revisions.on_change([this](client::Change const& change) {
        auto const owner = meta::controller_of(change.object());
        if (change.before.exists() || !owner) return;
        auto const [group, version] = meta::parse_api_version(owner->api_version);
        enqueue_binding(
            placement::binding_key({group, version, owner->kind}, {meta::ns(change.object()), owner->name}));
        enqueue_rollouts_of({group, version, owner->kind}, {meta::ns(change.object()), owner->name});
    });
    members.on_informer([this](clusters::Member& member, client::Informer& informer) {
        std::string const cluster = member.name();
        propagate->watch(informer, [](Doc const&) { return std::vector<Key>(); }, cluster);
        informer.on_change([this, cluster](client::Change const& change) { member_object_changed(cluster, change); });
    });
    members.on_standing([this](clusters::Member& member) { standing_changed(member); });
    // One that leaves the fleet is not waited for any more.
    members.managed_clusters().on_change([this](client::Change const& change) {
        if (!change.after.exists()) enqueue_rollouts();
    });
}

// Once the copies are there, what has waited for them is decided.
Task<void> Propagator::Impl::begin(Context ctx) {
    (void)co_await sources.wait_synced(ctx, kRolloutKind);
    (void)co_await revisions.wait_synced(ctx);
    (void)co_await bindings.wait_synced(ctx);
    (void)co_await members.managed_clusters().wait_synced(ctx);
    for (clusters::Member* member : members.all()) {
        for (meta::ObjectKey const& key : std::exchange(undecided[member->name()], {}))
            propagate->enqueue({member->name(), key});
    }
    enqueue_rollouts();
}

Propagator::Propagator(client::Client hub, std::string hub_id, clusters::Members& members, placement::Sources& sources,
                       placement::Bindings& bindings, Mode mode, std::int64_t epoch)
    : impl_(std::make_unique<Impl>(std::move(hub), std::move(hub_id), members, sources, bindings)) {
    impl_->mode = mode;
    impl_->epoch = epoch;
    if (mode == Mode::kFull) impl_->build();
}

Propagator::~Propagator() = default;

Task<void> Propagator::run(Context ctx) {
    async::Scope scope(ctx);
    impl_->ctx = ctx;
    begin_counting(ctx);
    scope.spawn(impl_->revisions.run(scope.context()));
    scope.spawn(impl_->begin(scope.context()));
    for (auto const* controller : {&impl_->propagate, &impl_->status, &impl_->keep, &impl_->rollback})
        scope.spawn((*controller)->run(scope.context()));
    co_await scope.join();
}

std::optional<Standing> Propagator::standing(meta::ObjectKey const& binding, std::string const& cluster) const {
    auto const found = impl_->known.find(binding);
    if (found == impl_->known.end()) return std::nullopt;
    auto const memory = found->second.find(cluster);
    return memory == found->second.end() ? std::nullopt : std::optional(memory->second.standing);
}

bool Propagator::attached() const { return impl_->mode == Mode::kAttached; }
bool Propagator::ready() const { return impl_->ready(); }
Doc Propagator::rollout_of(Doc const& workload) const { return impl_->rollout_of(workload); }
std::optional<Value> Propagator::revision(std::string const& ns, std::string_view hash) const {
    return impl_->revision(ns, hash);
}
clusters::Members& Propagator::members() const { return impl_->members; }
placement::Sources& Propagator::sources() const { return impl_->sources; }
placement::Bindings& Propagator::bindings() const { return impl_->bindings; }
std::string const& Propagator::hub_id() const { return impl_->hub_id; }
std::int64_t Propagator::epoch() const { return impl_->epoch; }

std::shared_ptr<control::Admission> Propagator::guard_admission(placement::Placer const& placer) {
    Impl& impl = *impl_;
    return make_guard_admission(
        {[&impl](Doc const& rollout) { return impl.releasing_in(rollout); },
         [&impl](Doc const& rollout) { return impl.held_back_by(rollout); },
         [&impl](Doc const& rollout) { return impl.may_go(rollout); },
         [&impl, &placer](Doc const& before, Doc const& after) { return impl.rollouts_of(placer, before, after); },
         [&impl, &placer](Doc const& rollout, Doc const& before, Doc const& after) {
             auto const key = placement::binding_key(kRolloutKind, meta::key_of(rollout));
             std::vector<std::string> names;
             for (auto const& target : placer.targets_after(rollout, impl.bindings.spec(key).get(), before, after))
                 names.push_back(target.cluster);
             return names;
         }});
}

}   // namespace aviary::propagation
