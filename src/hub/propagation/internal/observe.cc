#include <algorithm>

#include "apis/rollouts/rollout.h"
#include "hub/propagation/internal/impl.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using json::Doc;
using json::Value;
using Serving = clusters::Member::Serving;

meta::GroupVersionResource const kScalers{"autoscaling", "v2", "horizontalpodautoscalers"};

Assignment assignment_of(apis::BoundCluster const& cluster) {
    return {cluster.name, cluster.replicas, cluster.paused, cluster.revision, cluster.rejected};
}

bool replicas_belong_to_member(clusters::Member const& member, Doc const& source) {
    if (meta::label(source, kRetainReplicas) == "true" || meta::label(source, kKarmadaRetainReplicas) == "true")
        return true;
    client::Informer const* const scalers = member.informer(kScalers);
    if (scalers == nullptr) return false;
    return std::ranges::any_of(scalers->list(meta::ns(source)), [&](Doc const& scaler) {
        Doc const target = scaler.at({"spec", "scaleTargetRef"});
        return target["kind"].as_string() == source["kind"].as_string() &&
               apis::scaled_name(scaler) == meta::name(source);
    });
}

// The workload in the other clusters of this binding.
struct Elsewhere {
    std::vector<Doc> workloads;
    bool all_read = true;
};
Elsewhere elsewhere(clusters::Members const& members, apis::FleetBindingSpec const& spec, Observed const& seen,
                    std::string const& but) {
    Elsewhere others;
    for (apis::BoundCluster const& cluster : spec.clusters) {
        clusters::Member const* const member = members.find(cluster.name);
        if (member == nullptr || cluster.name == but) continue;
        if (member->serving(seen.resource) == Serving::kUnknown) others.all_read = false;
        if (Doc live = member->get(seen.resource, seen.key); live.exists()) others.workloads.push_back(std::move(live));
    }
    return others;
}

bool points_at(Doc const& rollout, Doc const& workload) {
    Doc const reference = rollout.at({"spec", "workloadRef"});
    return reference["kind"].as_string() == workload["kind"].as_string() &&
           reference["name"].as_string() == meta::name(workload) &&
           meta::parse_api_version(reference["apiVersion"].as_string()).first ==
               meta::parse_api_version(workload["apiVersion"].as_string()).first;
}

}   // namespace

meta::GroupVersionKind kind_of(apis::BoundResource const& resource) {
    auto [group, version] = meta::parse_api_version(resource.api_version);
    return {std::move(group), std::move(version), resource.kind};
}

apis::BoundCluster const* find_cluster(apis::FleetBindingSpec const& spec, std::string const& name) {
    auto const found = std::ranges::find(spec.clusters, name, &apis::BoundCluster::name);
    return found == spec.clusters.end() ? nullptr : &*found;
}

bool Propagator::Impl::ready() const {
    if (mode == Mode::kAttached) return members.synced();
    placement::Sources::Kind const* const rollouts = sources.find(kRolloutKind);
    return rollouts != nullptr && rollouts->informer->synced() && revisions.synced() && bindings.synced();
}

bool Propagator::Impl::known_kind(meta::GroupVersionKind const& kind) const {
    placement::Sources::Kind const* const known = sources.find(kind);
    return known != nullptr && known->informer->synced();
}

Doc Propagator::Impl::rollout_of(Doc const& workload) const {
    placement::Sources::Kind const* const rollouts = sources.find(kRolloutKind);
    if (rollouts == nullptr) return {};
    for (Doc const& rollout : rollouts->informer->list(meta::ns(workload))) {
        if (points_at(rollout, workload) && (!meta::is_deleting(rollout) || leaving(rollout))) return rollout;
    }
    return {};
}

std::optional<Value> Propagator::Impl::revision(std::string const& ns, std::string_view hash) const {
    auto const found = revisions.by_index("hash", ns + "/" + std::string(hash));
    if (found.empty()) return std::nullopt;
    return found.front().at({"data", "template"}).thaw();
}

std::optional<Observed> Propagator::Impl::observe(control::Key const& key, apis::FleetBindingSpec const& spec,
                                                  clusters::Member& member) {
    meta::GroupVersionKind const kind = kind_of(spec.resource);
    placement::Sources::Kind const* const known = sources.find(kind);
    if (known == nullptr || !known->informer->synced()) return std::nullopt;
    members.want(member, known->resource);
    if (member.serving(known->resource) == Serving::kUnknown) return std::nullopt;
    Observed seen;
    seen.hub_id = hub_id;
    seen.epoch = epoch;
    seen.resource = known->resource;
    seen.key = {spec.resource.ns, spec.resource.name};
    seen.resource_served = member.serving(known->resource) == Serving::kServed;
    if (!meta::is_deleting(bindings.get(key.object))) seen.source = known->informer->get(seen.key);
    seen.content_version = content(key.object, seen.source).version;
    if (apis::BoundCluster const* cluster = find_cluster(spec, key.part)) {
        seen.assignment = assignment_of(*cluster);
    } else {
        seen.placed = false;
    }
    seen.overwrite = spec.conflict_resolution == "Overwrite";
    seen.preserve_on_deletion = spec.preserve_resources_on_deletion;
    seen.live = member.get(known->resource, seen.key);
    seen.revision = [this, ns = spec.resource.ns](std::string_view hash) { return revision(ns, hash); };
    if (kind == kRolloutKind && !observe_rollout(seen, key, spec, member)) return std::nullopt;
    if (template_in(seen.source).exists() && !observe_workload(seen, key, spec, member)) return std::nullopt;
    return seen;
}

Content const& Propagator::Impl::content(meta::ObjectKey const& binding, Doc const& source) {
    auto const [found, fresh] = contents.try_emplace(binding);
    Said& said = found->second;
    Doc const bound = bindings.get(binding);
    std::string source_version = meta::resource_version(source), binding_version = meta::resource_version(bound);
    if (!fresh && said.source == source_version && said.binding == binding_version) return said.content;
    said.content = content_of(source, bound, fresh ? nullptr : &said.content);
    said.source = std::move(source_version);
    said.binding = std::move(binding_version);
    return said.content;
}

bool Propagator::Impl::observe_workload(Observed& seen, control::Key const& key, apis::FleetBindingSpec const& spec,
                                        clusters::Member& member) {
    members.want(member, kScalers);
    if (member.serving(kScalers) == Serving::kUnknown) return false;
    seen.replicas_belong_to_member = replicas_belong_to_member(member, seen.source);
    seen.hub_rollout = rollout_of(seen.source);
    bool const pinned_as_it_is = !seen.assignment.rejected.empty() && seen.assignment.revision.empty();
    if (seen.hub_rollout.exists() || pinned_as_it_is) observe_elsewhere(seen, key, spec);
    if (!seen.hub_rollout.exists()) return true;
    members.want(member, kRollouts);
    if (member.serving(kRollouts) == Serving::kUnknown) return false;
    seen.rollouts_served = member.serving(kRollouts) == Serving::kServed;
    seen.rollouts_versions = member.other_versions(kRollouts);
    auto const rollout_spec = bindings.spec(placement::binding_key(kRolloutKind, meta::key_of(seen.hub_rollout)));
    apis::BoundCluster const* const place = rollout_spec ? find_cluster(*rollout_spec, key.part) : nullptr;
    seen.rollout_placed = place != nullptr;
    seen.rollout_taken_away = unplaced(seen.hub_rollout, key.part);
    seen.member_rollout = member.get(kRollouts, meta::key_of(seen.hub_rollout));
    if (place != nullptr) {
        RenderInput input;
        input.source = seen.hub_rollout;
        input.assignment = assignment_of(*place);
        input.hub_id = hub_id;
        Value rendered = render(input);
        seen.hub_rollout_render = seal(rendered, {});
    }
    return true;
}

void Propagator::Impl::observe_elsewhere(Observed& seen, control::Key const& key,
                                         apis::FleetBindingSpec const& spec) const {
    if (seen.live.exists() && seen.live.at({"spec", "replicas"}).as_int(1) != 0) return;
    Elsewhere const others = elsewhere(members, spec, seen, key.part);
    // Where no workload tells: it was deleted in the middle of a release, or its cluster was not read yet.
    std::string const recorded = seen.live.exists() && others.all_read
                                     ? std::string()
                                     : bindings.get(key.object).at({"status", "stableRevision"}).string();
    seen.stable_elsewhere = stable_elsewhere(others.workloads, template_hash(pod_template(seen.source)), recorded);
}

bool Propagator::Impl::observe_rollout(Observed& seen, control::Key const& key, apis::FleetBindingSpec const& spec,
                                       clusters::Member& member) {
    Doc const on_hub = sources.get(kRolloutKind, seen.key);
    // What the last one said is on record, where there is another of its name already, too.
    bool const there = on_hub.exists() && meta::uid(on_hub) == spec.resource.uid;
    seen.on_delete = meta::annotation(there ? on_hub : bindings.get(key.object), kOnDelete);
    auto const [kind, workload] = workload_of(seen.live.exists() ? seen.live : on_hub);
    placement::Sources::Kind const* const known = sources.find(kind);
    // One that the hub brings nowhere is not looked at; one that it has not found yet may be releasing.
    if (known == nullptr) return !sources.wanted(kind);
    members.want(member, known->resource);
    if (member.serving(known->resource) == Serving::kUnknown) return false;
    seen.selected = member.get(known->resource, workload);
    return true;
}

std::optional<RollbackSeen> Propagator::Impl::observe_rollback(Doc const& rollout) {
    RollbackSeen seen;
    seen.hub_id = hub_id;
    seen.rollout = rollout;
    seen.kept = [this, ns = meta::ns(rollout)](std::string_view hash) { return revision(ns, hash).has_value(); };
    seen.own_binding = bindings.get(placement::binding_key(kRolloutKind, meta::key_of(rollout)));
    auto const [kind, workload] = workload_of(rollout);
    Doc const binding = bindings.get(placement::binding_key(kind, workload));
    auto const spec = bindings.spec(placement::binding_key(kind, workload));
    if (!spec || meta::is_deleting(binding)) return seen;
    placement::Sources::Kind const* const known = sources.find(kind);
    if (known == nullptr || !known->informer->synced()) return std::nullopt;
    seen.workload = known->informer->get(workload);
    seen.resource = known->resource;
    seen.binding = binding;
    for (apis::BoundCluster const& bound : spec->clusters) {
        if (!members.managed_clusters().get({"", bound.name}).exists()) continue;
        RollbackCluster cluster;
        cluster.name = bound.name;
        clusters::Member* const member = members.find(bound.name);
        cluster.answers = member != nullptr && member->reachable();
        cluster.known = member != nullptr;
        for (auto const& resource : {kRollouts, known->resource}) {
            if (member == nullptr) continue;
            members.want(*member, resource);
            cluster.known = cluster.known && member->serving(resource) != Serving::kUnknown;
        }
        if (member != nullptr) cluster.rollout = member->get(kRollouts, meta::key_of(rollout));
        if (member != nullptr) cluster.workload = member->get(known->resource, workload);
        cluster.reason = obstacle(placement::binding_key(kind, workload), bound.name);
        seen.clusters.push_back(std::move(cluster));
    }
    return seen;
}

// As placement has said so: one that it has not come to yet is not taken away.
bool Propagator::Impl::unplaced(Doc const& rollout, std::string const& cluster) const {
    meta::ObjectKey const key = placement::binding_key(kRolloutKind, meta::key_of(rollout));
    Doc const binding = bindings.get(key);
    auto const spec = bindings.spec(key);
    if (!spec || meta::is_deleting(binding) || find_cluster(*spec, cluster) != nullptr) return false;
    Doc const rejected = binding.at({"status", "rejected"});
    if (rejected.size() >= placement::kMaxRejected) return true;   // not all are listed
    for (auto const& [index, each] : rejected.elements()) {
        if (each["name"].as_string() == cluster) return true;
    }
    return false;
}

// Why an object cannot be brought to where it is to be, as said in its binding.
std::string Propagator::Impl::obstacle(meta::ObjectKey const& binding, std::string const& cluster) const {
    auto const object = known.find(binding);
    if (object == known.end()) return {};
    auto const memory = object->second.find(cluster);
    if (memory == object->second.end()) return {};
    Standing const& standing = memory->second.standing;
    bool const normal = standing.state == State::kApplied || standing.state == State::kGuarded;
    return normal ? std::string() : standing.reason;
}

HeldBack Propagator::Impl::held_back_by(Doc const& rollout) {
    HeldBack all;   // of a hub that is being started, and of a kind that was not read yet
    if (!ready() || !members.synced()) {
        all.unknown.push_back("all as long as the hub is being started");
        return all;
    }
    if (auto const seen = observe_rollback(rollout)) return held_back(*seen);
    auto const [kind, workload] = workload_of(rollout);
    auto const spec = bindings.spec(placement::binding_key(kind, workload));
    if (!spec) return all;
    for (apis::BoundCluster const& bound : spec->clusters) all.unknown.push_back(bound.name);
    return all;
}

bool Propagator::Impl::may_go(Doc const& rollout) {
    auto const seen = ready() && members.synced() ? observe_rollback(rollout) : std::nullopt;
    return seen && decide_rollback(*seen).goes;
}

std::vector<std::string> Propagator::Impl::releasing_in(Doc const& rollout) const {
    std::vector<std::string> clusters;
    for (clusters::Member const* member : members.all()) {
        Doc const live = member->get(kRollouts, meta::key_of(rollout));
        auto const [kind, workload] = workload_of(live.exists() ? live : rollout);
        placement::Sources::Kind const* const known = sources.find(kind);
        Doc const selected = known == nullptr ? Doc() : member->get(known->resource, workload);
        bool const held = live.exists() && (rollout_progressing(live) || releasing(selected) || frozen(selected));
        if (held) clusters.push_back(member->name());
    }
    std::ranges::sort(clusters);
    return clusters;
}

std::vector<Doc> Propagator::Impl::rollouts_of(placement::Placer const& placer, Doc const& before,
                                               Doc const& after) const {
    std::vector<Doc> rollouts;
    std::string_view const kind = (before.exists() ? before : after)["kind"].as_string();
    bool const of_sets = kind == "ManagedClusterSet" || kind == "ManagedClusterSetBinding";
    for (auto const& [key, binding] : bindings.of(false).objects()) {
        auto const spec = bindings.spec(key);
        if (!spec || !spec->policy || kind_of(spec->resource) != kRolloutKind) continue;
        bool const same = of_sets || (before.exists() && spec->policy->kind == before["kind"].as_string() &&
                                      spec->policy->ns == meta::ns(before) && spec->policy->name == meta::name(before));
        Doc const rollout = sources.get(kRolloutKind, {spec->resource.ns, spec->resource.name});
        if (rollout.exists() && (same || placer.would_claim(rollout, *spec, before, after)))
            rollouts.push_back(rollout);
    }
    return rollouts;
}

}   // namespace aviary::propagation
