#include "hub/proxy/internal/released.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/strings.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"

namespace aviary::proxy {

namespace {

using json::Doc;
using propagation::Propagator;
using Serving = clusters::Member::Serving;

constexpr std::size_t kNamedClusters = 5;   // in one line
meta::GroupVersionResource const kPods{"", "v1", "pods"};

apis::BoundCluster const* bound_in(apis::FleetBindingSpec const* spec, std::string const& cluster) {
    if (spec == nullptr) return nullptr;
    auto const found = std::ranges::find(spec->clusters, cluster, &apis::BoundCluster::name);
    return found == spec->clusters.end() ? nullptr : &*found;
}

// The version that a template is of; by its hash where the hub does not keep it any more.
std::string version_named(Propagator const& propagator, std::string const& ns, std::string_view hash) {
    if (hash.empty()) return {};
    auto const kept = propagator.revision(ns, hash);
    std::string const name = kept ? version_of(Doc::freeze(*kept)) : "";
    return name.empty() ? std::string(hash.substr(0, 6)) : name;
}

// "PropagationPolicy demo/web places deployment/web in no cluster: oslo NotInClusterNames"; empty where it is in some.
std::string no_place(Propagator const& propagator, apis::FleetBindingSpec const* spec, meta::ObjectKey const& binding,
                     std::string const& what) {
    if (spec == nullptr) return fmt::format("no policy places {}: it is in no cluster", what);
    if (!spec->clusters.empty()) return {};
    std::string text =
        spec->policy ? fmt::format("{} {}{} places {} in no cluster", spec->policy->kind,
                                   spec->policy->ns.empty() ? "" : spec->policy->ns + "/", spec->policy->name, what)
                     : fmt::format("{} is placed in no cluster", what);
    char const* between = ": ";
    Doc const rejected = propagator.bindings().get(binding).at({"status", "rejected"});
    std::size_t named = 0;
    for (auto const& [index, cluster] : rejected.elements()) {
        if (named++ == kNamedClusters) return text + ", …";
        text += fmt::format("{}{} {}", std::exchange(between, ", "), cluster["name"].as_string(),
                            cluster["reason"].as_string());
    }
    return text;
}

// Why the copy of a member's objects does not say what is there now: "its deployments have not been read yet". Empty
// where it does.
std::string unread_in(clusters::Member const& member, meta::GroupVersionResource const& resource) {
    client::Informer const* const copy = member.informer(resource);
    std::string const why = copy != nullptr && copy->last_error() ? ": " + copy->last_error()->message() : "";
    // What was seen before the watch broke may be of an earlier release.
    if (copy != nullptr && copy->synced())
        return why.empty() ? "" : fmt::format("its {} are not followed at the moment{}", resource.resource, why);
    // One that has only just come: nothing is known of it, and that is no end of a release.
    if (member.serving(resource) != Serving::kUnknown) return {};
    return fmt::format("its {} {}{}", resource.resource, why.empty() ? "have not been read yet" : "cannot be read",
                       why);
}

}   // namespace

Result<Released> released(Propagator const& propagator, meta::ObjectKey const& key) {
    Released found;
    found.key = key;
    Doc const on_hub = propagator.sources().get(propagation::kRolloutKind, key);
    found.rollout = on_hub;
    // Gone from the hub, and kept in members because it holds a version back there: people must see and end that.
    for (clusters::Member const* member : propagator.members().all()) {
        if (found.rollout.exists()) break;
        found.rollout = member->get(propagation::kRollouts, key);
    }
    if (!found.rollout.exists()) {
        return std::unexpected(
            Error(ErrorCode::kNotFound, fmt::format("rollouts.rollouts.kruise.io \"{}\" not found", key.name))
                .with_object("rollouts.kruise.io", "rollouts", key.name));
    }
    auto const [kind, workload_key] = propagation::workload_of(found.rollout);
    found.workload_key = {key.ns, workload_key.name};
    found.workload = propagator.sources().get(kind, found.workload_key);
    found.kind = propagator.sources().find(kind);
    found.workload_binding = placement::binding_key(kind, found.workload_key);
    meta::ObjectKey const binding = placement::binding_key(propagation::kRolloutKind, key);
    found.rollout_spec = propagator.bindings().spec(binding);
    found.workload_spec = propagator.bindings().spec(found.workload_binding);
    found.attached = !on_hub.exists() && !propagator.bindings().get(binding).exists();
    if (found.workload.exists())
        found.workload_template = propagation::template_hash(propagation::pod_template(found.workload));
    return found;
}

std::string problem_of(Propagator const& propagator, Released const& released) {
    Doc const reference = released.rollout.at({"spec", "workloadRef"});
    std::string const workload =
        fmt::format("{}/{}", to_lower(reference["kind"].as_string()), reference["name"].as_string());
    if (!propagator.sources().get(propagation::kRolloutKind, released.key).exists()) return {};
    // A kind that no policy names is not looked at.
    if (released.kind != nullptr && !released.workload.exists()) {
        return fmt::format("spec.workloadRef names {}, which is not in namespace {} of the hub", workload,
                           released.key.ns);
    }
    std::string const text = no_place(propagator, released.workload_spec.get(), released.workload_binding, workload);
    if (!text.empty()) return text;
    return no_place(propagator, released.rollout_spec.get(),
                    placement::binding_key(propagation::kRolloutKind, released.key), "the Rollout");
}

ClusterView view_of(Propagator const& propagator, clusters::Member const& member, Released const& released) {
    ClusterView view;
    view.cluster = member.name();
    apis::BoundCluster const* const rollout_bound = bound_in(released.rollout_spec.get(), member.name());
    view.placed = rollout_bound != nullptr;
    if (view.placed && rollout_bound->paused) view.paused_by = rollout_bound->paused_by;
    apis::BoundCluster const* const bound = bound_in(released.workload_spec.get(), member.name());
    view.bound = bound != nullptr;
    view.reachable = member.reachable();
    view.reachable_since = member.since();
    view.controller_problem = member.controller_problem();
    if (!view.reachable) view.away_because = member.problem();
    view.rollout = member.get(propagation::kRollouts, released.key);
    if (view.reachable && (view.placed || view.rollout.exists()))
        view.unread = unread_in(member, propagation::kRollouts);
    // Of workloads what was seen last counts until their watch is back: an abort is not to wait for that.
    bool const never = released.kind != nullptr && member.serving(released.kind->resource) == Serving::kUnknown;
    if (view.reachable && view.bound && view.unread.empty() && never) {
        view.unread = unread_in(member, released.kind->resource);
        view.unread_of = released.kind->resource;
    }
    if (released.kind != nullptr) view.workload = member.get(released.kind->resource, released.workload_key);
    view.workload_standing = propagator.standing(released.workload_binding, member.name());
    view.rollout_standing =
        propagator.standing(placement::binding_key(propagation::kRolloutKind, released.key), member.name());
    view.hub_template = released.workload_template;
    view.hub_image = meta::pod_template_of(released.workload).at({"spec", "containers"})[0]["image"].string();
    std::string const& ns = released.key.ns;
    view.stable = version_named(propagator, ns, propagation::stable_template(view.workload));
    // A pin is against one template of the hub's.
    if (bound != nullptr && !bound->revision.empty() && bound->rejected == released.workload_template) {
        view.pinned = version_named(propagator, ns, bound->revision);
        view.rejected = version_named(propagator, ns, bound->rejected);
    }
    return view;
}

ClusterView attached_view_of(clusters::Member const& member, meta::ObjectKey const& key) {
    ClusterView view;
    view.cluster = member.name();
    view.reachable = member.reachable();
    view.reachable_since = member.since();
    view.controller_problem = member.controller_problem();
    if (!view.reachable) view.away_because = member.problem();
    view.rollout = member.get(propagation::kRollouts, key);
    return view;
}

Task<Status> read_pods(Context ctx, clusters::Member& member, ClusterView& view) {
    if (!view.workload.exists() || !member.reachable()) co_return Status{};
    auto const selector = meta::pod_selector_of(view.workload);
    if (!selector || selector->empty()) co_return Status{};
    client::ListOptions options;
    options.ns = meta::ns(view.workload);
    options.label_selector = *selector;
    CO_TRY_ASSIGN(Doc const list, co_await member.client().list(ctx, kPods, options));
    for (auto const& [key, pod] : list["items"].elements()) view.pods.push_back(pod);
    co_return Status{};
}

Task<std::optional<Time>> controller_silence(Context ctx, clusters::Member& member, std::string ns) {
    if (!member.reachable()) co_return std::nullopt;
    co_return co_await clusters::controller_silent_since(ctx, member.client(), std::move(ns));
}

Task<void> read_controller(Context ctx, clusters::Member& member, std::string ns, ClusterView& view) {
    if (!propagation::rollout_progressing(view.rollout)) co_return;
    view.controller_silent = co_await controller_silence(std::move(ctx), member, std::move(ns));
}

}   // namespace aviary::proxy
