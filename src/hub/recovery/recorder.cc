#include "hub/recovery/recorder.h"

#include <algorithm>
#include <optional>

#include "core/async/scope.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "hub/propagation/render.h"
#include "hub/recovery/record.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"

namespace aviary::recovery {

namespace {

using control::Key;
using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

constexpr Duration kLookAgain = std::chrono::seconds(1);   // while a copy is not there yet
constexpr char kByRollout[] = "rollout";

}   // namespace

struct Recorder::Impl {
    Impl(client::Client hub, propagation::Propagator& propagator)
        : hub(hub.named("aviary-hub")), propagator(propagator), decisions(this->hub, apis::kDecisions) {
        decisions.add_index(kByRollout, [](Doc const& object) {
            return std::vector<std::string>{meta::ns(object) + "/" +
                                            object.at({"spec", "rolloutRef", "name"}).string()};
        });
    }

    client::Client hub;
    propagation::Propagator& propagator;
    client::Informer decisions;
    std::unique_ptr<control::Controller> controller;
    std::map<meta::ObjectKey, std::set<std::string>> holders;   // by record: clusters that have it

    // ---- observe ----

    static Doc record_in(clusters::Member const& member, meta::ObjectKey const& binding) {
        client::Informer const* const copy = member.labelled(kConfigMaps, kRecordSelector);
        return copy == nullptr ? Doc() : copy->get(record_key(binding));
    }

    // The object there, if the hub has brought it.
    Doc brought(clusters::Member const& member, apis::BoundResource const& resource) const {
        placement::Sources::Kind const* const known = propagator.sources().find(propagation::kind_of(resource));
        if (known == nullptr) return {};
        Doc live = member.get(known->resource, {resource.ns, resource.name});
        return meta::label(live, propagation::kHubLabel) == propagator.hub_id() ? live : Doc();
    }

    // Clusters that are to have a copy: the first that answer, and those that have one.
    std::set<std::string> chosen(meta::ObjectKey const& binding) const {
        std::set<std::string> names;
        auto const spec = propagator.bindings().spec(binding);
        if (!spec) return names;
        for (apis::BoundCluster const& each : spec->clusters) {
            if (names.size() >= kCopies) break;
            clusters::Member const* const member = propagator.members().find(each.name);
            if (member != nullptr && member->reachable() && brought(*member, spec->resource).exists())
                names.insert(each.name);
        }
        if (auto const known = holders.find(record_key(binding)); known != holders.end())
            names.insert(known->second.begin(), known->second.end());
        return names;
    }

    // Empty while a copy is not there yet.
    std::optional<RecordSeen> observe(meta::ObjectKey const& binding, apis::FleetBindingSpec const& spec) const {
        placement::Sources::Kind const* const known = propagator.sources().find(propagation::kind_of(spec.resource));
        if (!propagator.ready() || !decisions.synced() || known == nullptr || !known->informer->synced())
            return std::nullopt;
        RecordSeen seen;
        seen.hub = propagator.hub_id();
        seen.epoch = propagator.epoch();
        seen.binding = propagator.bindings().get(binding);
        seen.source = known->informer->get({spec.resource.ns, spec.resource.name});
        seen.released = propagator.rollout_of(seen.source).exists();
        if (known->kind == propagation::kRolloutKind)
            seen.decisions = decisions.by_index(kByRollout, spec.resource.ns + "/" + spec.resource.name);
        seen.kept = [this, ns = spec.resource.ns](std::string_view hash) { return propagator.revision(ns, hash); };
        for (apis::BoundCluster const& each : spec.clusters) {
            clusters::Member const* const member = propagator.members().find(each.name);
            if (member == nullptr) continue;
            client::Informer const* const records = member->labelled(kConfigMaps, kRecordSelector);
            // A cluster that lets the hub see none has none of its.
            bool const refused =
                records != nullptr && records->last_error() && records->last_error()->is(ErrorCode::kForbidden);
            if (member->reachable() && !refused && (records == nullptr || !records->synced())) return std::nullopt;
            if (auto copy = read_record(record_in(*member, binding))) seen.copies.push_back(std::move(*copy));
            Doc const live = brought(*member, spec.resource);
            for (std::string const& hash : propagation::templates_named(live)) seen.used.insert(hash);
        }
        return seen;
    }

    // ---- decide ----

    Plan decide(Key const& key, Time now) const {
        Plan plan;
        auto const spec = propagator.bindings().spec(key.object);
        clusters::Member* const member = propagator.members().find(key.part);
        bool const concerned =
            spec && member != nullptr && member->reachable() && chosen(key.object).contains(key.part);
        if (!concerned || meta::is_deleting(propagator.bindings().get(key.object))) return plan;
        Doc const live = brought(*member, spec->resource);
        if (!live.exists()) return plan;
        auto const seen = observe(key.object, *spec);
        if (!seen || !seen->source.exists()) {
            plan.requeue_at(now + kLookAgain, "the hub is being started");
            return plan;
        }
        bool const behind =
            std::ranges::any_of(seen->copies, [&](Record const& copy) { return ahead(copy, *seen, now); });
        if (behind) return plan;
        if (auto const at = more_at(*seen, now)) plan.requeue_at(*at, "a Decision that may be carried out by then");
        Record const wanted = record_of(*seen, now);
        Doc const there = record_in(*member, key.object);
        auto const copy = read_record(there);
        if (there.exists() ? copy && covers(*copy, wanted) : !says_something(wanted)) return plan;
        Write write;
        write.verb = Write::Verb::kApply;
        write.resource = kConfigMaps;
        write.key = record_key(key.object);
        write.body = write_record(wanted, live);
        if (write.body.at({"data", "record"}).as_string().size() > kMostRecordBytes) return plan;
        write.field_manager = propagation::kManager;
        write.force = true;
        write.why = "record of what a lost hub is rebuilt from";
        plan.writes.push_back(std::move(write));
        return plan;
    }

    // ---- wiring ----

    void mark(meta::ObjectKey const& binding) {
        if (binding.ns.empty()) return;   // of the cluster's own objects nothing is pinned
        for (std::string const& cluster : chosen(binding)) controller->enqueue({cluster, binding});
    }

    void hub_object_changed(meta::GroupVersionKind const& kind, client::Change const& change) {
        if (meta::differs_in_status_alone(change.before, change.after)) return;
        bool const rollout = kind == propagation::kRolloutKind;
        if (!rollout && !propagation::template_in(change.object()).exists()) return;
        mark(placement::binding_key(kind, meta::key_of(change.object())));
        if (!rollout) return;
        auto const [workload_kind, workload] = propagation::workload_of(change.object());
        mark(placement::binding_key(workload_kind, workload));
    }

    void member_object_changed(client::Change const& change) {
        auto const turned = [&](std::string_view label) {
            return meta::label(change.before, label) != meta::label(change.after, label);
        };
        if (!turned(propagation::kTemplateLabel) && !turned(propagation::kStableLabel) &&
            !turned(propagation::kReplacedLabel) && !turned(propagation::kHubLabel))
            return;
        mark(placement::binding_key(meta::kind_of(change.object()), meta::key_of(change.object())));
    }

    void record_changed(std::string const& cluster, client::Change const& change) {
        meta::ObjectKey const key = meta::key_of(change.object());
        if (change.after.exists()) {
            holders[key].insert(cluster);
        } else if (auto const known = holders.find(key); known != holders.end()) {
            known->second.erase(cluster);
            if (known->second.empty()) holders.erase(known);
        }
        if (auto const record = read_record(change.object())) mark(binding_of(*record));
    }

    void standing_changed(clusters::Member& member) {
        bool const fresh = member.labelled(kConfigMaps, kRecordSelector) == nullptr;
        propagator.members().want_labelled(member, kConfigMaps, kRecordSelector, [&](client::Informer& informer) {
            std::string const cluster = member.name();
            controller->watch(informer, [](Doc const&) { return std::vector<Key>(); }, cluster);
            informer.on_change([this, cluster](client::Change const& change) { record_changed(cluster, change); });
        });
        bool const turned = reachable[member.name()] != member.reachable();
        reachable[member.name()] = member.reachable();
        if (!turned && !fresh) return;
        for (auto const& [key, binding] : propagator.bindings().of(false).objects()) mark(key);
    }

    void build() {
        control::ControllerOptions options;
        options.name = "record";
        controller = std::make_unique<control::Controller>(
            options, std::make_unique<control::FunctionReconciler>(
                         [this](Key const& key, Time now) { return decide(key, now); },
                         [this](Key const& key) -> client::Client const& {
                             clusters::Member const* const member = propagator.members().find(key.part);
                             return member == nullptr ? hub : member->client();   // none: there is nothing to write
                         }));
        controller->watch(decisions, [](Doc const&) { return std::vector<Key>(); });
        decisions.on_change([this](client::Change const& change) {
            Doc const& object = change.object();
            mark(placement::binding_key(propagation::kRolloutKind,
                                        {meta::ns(object), object.at({"spec", "rolloutRef", "name"}).string()}));
        });
        propagator.bindings().of(false).on_change([this](client::Change const& change) {
            if (!meta::differs_in_status_alone(change.before, change.after)) mark(meta::key_of(change.object()));
        });
        propagator.sources().on_informer([this](placement::Sources::Kind const& kind) {
            kind.informer->on_change(
                [this, gvk = kind.kind](client::Change const& change) { hub_object_changed(gvk, change); });
        });
        propagator.members().on_informer([this](clusters::Member&, client::Informer& informer) {
            informer.on_change([this](client::Change const& change) { member_object_changed(change); });
        });
        propagator.members().on_standing([this](clusters::Member& member) { standing_changed(member); });
    }

    std::map<std::string, bool> reachable;   // when last heard of
};

Recorder::Recorder(client::Client hub, propagation::Propagator& propagator)
    : impl_(std::make_unique<Impl>(std::move(hub), propagator)) {
    impl_->build();
}
Recorder::~Recorder() = default;

Task<void> Recorder::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(impl_->decisions.run(scope.context()));
    scope.spawn(impl_->controller->run(scope.context()));
    co_await scope.join();
}

}   // namespace aviary::recovery
