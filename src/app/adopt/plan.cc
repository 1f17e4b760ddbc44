#include "app/adopt/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apis/policy/propagation_policy.h"
#include "core/base/strings.h"
#include "hub/placement/place.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "hub/propagation/render.h"
#include "kube/meta/object.h"

namespace aviary::adopt {

namespace {

using json::Array;
using json::Doc;
using json::Object;
using json::Value;
using There = Found::There;

constexpr std::size_t kDifferencesShown = 10;   // of one object in one cluster

bool points_at(Doc const& reference, Doc const& object) {
    return reference["kind"].as_string() == object["kind"].as_string() &&
           reference["name"].as_string() == meta::name(object);
}

bool scaled_by_member(There const& there) {
    if (meta::label(there.live, propagation::kRetainReplicas) == "true" ||
        meta::label(there.live, propagation::kKarmadaRetainReplicas) == "true")
        return true;
    return std::ranges::any_of(
        there.scalers, [&](Doc const& scaler) { return points_at(scaler.at({"spec", "scaleTargetRef"}), there.live); });
}

bool in_release(There const& there) {
    if (propagation::releasing(there.live) || propagation::frozen(there.live)) return true;
    if (there.live["kind"].as_string() == "Rollout" && propagation::rollout_progressing(there.live)) return true;
    return std::ranges::any_of(there.rollouts, [&](Doc const& rollout) {
        return points_at(rollout.at({"spec", "workloadRef"}), there.live) && propagation::rollout_progressing(rollout);
    });
}

// The replicas that a policy has to divide; none where they are not its own to give.
std::optional<std::int64_t> count_of(There const& there) {
    Doc const replicas = there.live.at({"spec", "replicas"});
    bool const workload = there.live.at({"spec", "template"}).exists();
    if (!workload || !replicas.is_int() || scaled_by_member(there)) return std::nullopt;
    return replicas.as_int();
}

struct Planning {
    Found const& found;
    Fleet const& fleet;
    Plan& out;
    std::string object;   // "deployment/qwen"

    Planning(Found const& found, Fleet const& fleet, Plan& out)
        : found(found), fleet(fleet), out(out), object(fmt::format("{}/{}", to_lower(found.kind), found.key.name)) {}

    void row(There const& there, Outcome outcome, std::string message = {}) {
        out.rows.push_back({there.cluster, object, outcome, std::move(message)});
    }

    // Why it cannot become the hub's there, whatever is on the hub.
    bool stands_against(There const& there) {
        if (!there.unreachable.empty()) {
            row(there, Outcome::kUnreachable, there.unreachable);
        } else if (!there.live.exists()) {
            row(there, Outcome::kRefused, "is not there: name the clusters that have it");
        } else if (std::string const hub = meta::label(there.live, propagation::kHubLabel);
                   !hub.empty() && hub != fleet.hub_id) {
            row(there, Outcome::kRefused, fmt::format("belongs to hub {}", hub));
        } else if (meta::is_deleting(there.live)) {
            row(there, Outcome::kRefused, "is being deleted");
        } else if (hub.empty() && in_release(there)) {
            row(there, Outcome::kRefused, "a release is under way: approve it to its end, or abort it, and try again");
        } else {
            return false;
        }
        return true;
    }

    // The first one's, with all replicas where they differ.
    Value source(bool divided) const {
        Value result = propagation::template_of(found.there.front().live);
        result.set({"metadata", "annotations", propagation::kAdopt}, fleet.from);
        std::int64_t all = 0;
        for (There const& each : found.there) all += count_of(each).value_or(0);
        if (divided) result.set({"spec", "replicas"}, all);
        return result;
    }

    bool counts_differ() const {
        return std::ranges::any_of(found.there,
                                   [&](There const& each) { return count_of(each) != count_of(found.there.front()); });
    }

    static bool divides(Doc const& policy) {
        Doc const scheduling = policy.at({"spec", "placement", "replicaScheduling"});
        return scheduling.exists() && scheduling["replicaSchedulingType"].as_string("Divided") == "Divided";
    }

    Value policy_over(Value const& source, bool divided) const {
        Array names, weights;
        for (There const& each : found.there) {
            names.push_back(each.cluster);
            weights.push_back(Object{{"targetCluster", Object{{"clusterNames", Array{each.cluster}}}},
                                     {"weight", count_of(each).value_or(0)}});
        }
        Value result{Object{{"apiVersion", "policy.one.alibabacloud.com/v1alpha1"}, {"kind", "PropagationPolicy"}}};
        result.set({"metadata", "name"}, fmt::format("{}-{}", found.key.name, to_lower(found.kind)));
        result.set({"metadata", "namespace"}, found.key.ns);
        Value spec{Object{{"preserveResourcesOnDeletion", true}}};
        spec["resourceSelectors"] = Array{Object{{"apiVersion", source["apiVersion"]},
                                                 {"kind", found.kind},
                                                 {"namespace", found.key.ns},
                                                 {"name", found.key.name}}};
        spec.set({"placement", "clusterAffinity", "clusterNames"}, std::move(names));
        Value scheduling{Object{{"replicaSchedulingType", divided ? "Divided" : "Duplicated"}}};
        if (divided) {
            scheduling["replicaDivisionPreference"] = "Weighted";
            scheduling.set({"weightPreference", "staticWeightList"}, std::move(weights));
        }
        if (count_of(found.there.front())) spec.set({"placement", "replicaScheduling"}, std::move(scheduling));
        result["spec"] = std::move(spec);
        return result;
    }

    // What applying the hub's object would do there, placed by this policy.
    void compare(There const& there, Doc const& source, Doc const& policy, placement::Placement const& placed) {
        auto const target = std::ranges::find(placed.targets, there.cluster, &placement::Target::cluster);
        if (target == placed.targets.end()) {
            auto const why = std::ranges::find(placed.rejected, there.cluster, &placement::Rejected::cluster);
            row(there, Outcome::kRefused,
                fmt::format("{} {} does not place it here: {}", to_lower(policy["kind"].as_string()),
                            meta::name(policy), why == placed.rejected.end() ? "no such cluster" : why->message));
            return;
        }
        propagation::RenderInput input;
        input.source = source;
        input.assignment = {.cluster = there.cluster, .replicas = target->replicas};
        input.hub_id = fleet.hub_id;
        input.live = there.live;
        input.replicas_belong_to_member = scaled_by_member(there);
        bool const ours = !meta::label(there.live, propagation::kHubLabel).empty();
        if (ours && !propagation::end_of_origin(there.live, fleet.origin)) return row(there, Outcome::kUnchanged);
        auto const different = propagation::differences(propagation::render(input), there.live, kDifferencesShown);
        for (propagation::Difference const& each : different) row(there, Outcome::kDiffers, to_string(each));
        if (different.empty()) row(there, Outcome::kLabelsOnly);
    }

    void refuse_all(std::string const& why) {
        for (There const& each : found.there) row(each, Outcome::kRefused, why);
    }

    void run() {
        std::size_t const before = out.rows.size();
        for (There const& each : found.there) stands_against(each);
        if (out.rows.size() > before || found.there.empty()) return;
        // A policy that claims it counts as it is; else it gets one of its own.
        Doc policy = placement::policy_for(
            found.on_hub.exists() ? found.on_hub : Doc::freeze(propagation::template_of(found.there.front().live)),
            fleet.policies);
        bool const with_policy = policy.exists();
        bool const divided = with_policy ? divides(policy) : counts_differ();
        Value const made = source(divided);
        Doc const source = found.on_hub.exists() ? found.on_hub : Doc::freeze(made);
        if (!with_policy) {
            bool const empty = std::ranges::any_of(
                found.there, [](There const& each) { return count_of(each) == std::optional<std::int64_t>(0); });
            if (divided && empty)
                return refuse_all(
                    "has no replicas in one cluster and some in another, which no policy divides so: "
                    "scale it, or leave that cluster out");
            policy = Doc::freeze(policy_over(made, divided));
        }
        auto const placed = placement::place(source, policy, fleet.clusters, {});
        if (!placed) return refuse_all(placed.error().message());
        for (placement::Target const& each : placed->targets) {
            bool const named = std::ranges::find(found.there, each.cluster, &There::cluster) != found.there.end();
            if (!named && !found.on_hub.exists())
                return refuse_all(fmt::format("{} {} would bring it to {}, too: name that cluster, or exclude it there",
                                              to_lower(policy["kind"].as_string()), meta::name(policy), each.cluster));
        }
        for (There const& each : found.there) compare(each, source, policy, *placed);
        if (!with_policy) write(apis::kPropagationPolicies, meta::key_of(policy), policy.thaw());
        if (!found.on_hub.exists()) {
            write(found.resource, found.key, source.thaw());
        } else if (meta::annotation(found.on_hub, propagation::kAdopt) != fleet.from && !all_unchanged(before)) {
            Value patch{Object{}};
            patch.set({"metadata", "resourceVersion"}, meta::resource_version(found.on_hub));
            patch.set({"metadata", "annotations", propagation::kAdopt}, fleet.from);
            out.writes.push_back({found.resource, found.key, false, std::move(patch)});
        }
    }

    bool all_unchanged(std::size_t from) const {
        return std::all_of(out.rows.begin() + static_cast<std::ptrdiff_t>(from), out.rows.end(),
                           [](Row const& each) { return each.outcome == Outcome::kUnchanged; });
    }

    void write(meta::GroupVersionResource const& resource, meta::ObjectKey key, Value body) {
        out.writes.push_back({resource, std::move(key), true, std::move(body)});
    }
};

}   // namespace

std::string_view to_string(Outcome outcome) {
    switch (outcome) {
        case Outcome::kUnchanged: return "unchanged";
        case Outcome::kLabelsOnly: return "labels only";
        case Outcome::kDiffers: return "differs";
        case Outcome::kRefused: return "refused";
        case Outcome::kUnreachable: break;
    }
    return "unreachable";
}

bool Plan::goes() const {
    return std::ranges::all_of(rows, [](Row const& each) {
        return each.outcome == Outcome::kUnchanged || each.outcome == Outcome::kLabelsOnly;
    });
}

Plan plan(std::vector<Found> const& objects, Fleet const& fleet) {
    Plan result;
    for (Found const& each : objects) Planning(each, fleet, result).run();
    return result;
}

}   // namespace aviary::adopt
