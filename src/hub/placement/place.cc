#include "hub/placement/place.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/base/strings.h"
#include "hub/placement/division.h"
#include "kube/meta/object.h"
#include "kube/meta/selector.h"

namespace aviary::placement {

namespace {

using json::Doc;

bool contains(Doc const& list, std::string_view text) {
    for (auto const& [key, each] : list.elements()) {
        if (each.as_string() == text) return true;
    }
    return false;
}

// 3 by name, 2 by label, 1 all of the kind, 0 not at all.
int selector_rank(Doc const& selector, Doc const& object) {
    if (selector["apiVersion"].as_string() != object["apiVersion"].as_string() ||
        selector["kind"].as_string() != object["kind"].as_string())
        return 0;
    std::string_view const ns = selector["namespace"].as_string();
    if (!ns.empty() && ns != meta::ns(object)) return 0;
    std::string_view const name = selector["name"].as_string();
    if (!name.empty()) return name == meta::name(object) ? 3 : 0;
    if (!selector["labelSelector"].exists()) return 1;
    auto const labels = meta::LabelSelector::from_object(selector["labelSelector"]);
    return labels && labels->matches(object) ? 2 : 0;
}

int policy_rank(Doc const& policy, Doc const& object) {
    int best = 0;
    for (auto const& [key, selector] : policy.at({"spec", "resourceSelectors"}).elements())
        best = std::max(best, selector_rank(selector, object));
    return best;
}

// The values of a cluster for fieldSelector: provider, region, zone. From OCM's and Karmada's well-known places.
std::vector<std::string> field_values(Doc const& cluster, std::string_view field) {
    std::vector<std::string> values;
    if (Doc const own = cluster.at({"spec", field}); own.is_string()) values.push_back(own.string());
    for (auto const& [key, zone] : cluster.at({"spec", "zones"}).elements()) {
        if (field == "zone") values.push_back(zone.string());
    }
    for (auto const& [key, claim] : cluster.at({"status", "clusterClaims"}).elements()) {
        std::string_view const name = claim["name"].as_string();
        bool const named = name.starts_with(field) || (field == "provider" && name.starts_with("platform."));
        if (named && name.ends_with("open-cluster-management.io")) values.push_back(claim["value"].string());
    }
    std::string const well_known = field == "provider" ? "" : fmt::format("topology.kubernetes.io/{}", field);
    if (!well_known.empty() && !meta::label(cluster, well_known).empty())
        values.emplace_back(meta::label(cluster, well_known));
    return values;
}

// Whether the cluster is in this affinity; `why` says what refused it.
bool in_affinity(Doc const& affinity, Doc const& cluster, Rejected& why) {
    std::string const name(meta::name(cluster));
    if (contains(affinity["exclude"], name)) {
        why = {name, "Excluded", "spec.placement.clusterAffinity.exclude names it"};
        return false;
    }
    if (affinity["clusterNames"].size() > 0 && !contains(affinity["clusterNames"], name)) {
        why = {name, "NotInClusterNames", "spec.placement.clusterAffinity.clusterNames does not name it"};
        return false;
    }
    if (Doc const selector = affinity["labelSelector"]; selector.exists()) {
        auto const labels = meta::LabelSelector::from_object(selector);
        if (!labels || !labels->matches(cluster)) {
            why = {name, "LabelsDiffer", "spec.placement.clusterAffinity.labelSelector does not match its labels"};
            return false;
        }
    }
    for (auto const& [key, expression] : affinity.at({"fieldSelector", "matchExpressions"}).elements()) {
        std::vector<std::string> const values = field_values(cluster, expression["key"].as_string());
        bool const listed = std::ranges::any_of(
            values, [&, wanted = expression["values"]](std::string const& value) { return contains(wanted, value); });
        bool const wanted_in = expression["operator"].as_string() == "In";
        if (listed != wanted_in) {
            why = {name, "FieldsDiffer",
                   fmt::format("its {} does not match spec.placement.clusterAffinity.fieldSelector",
                               expression["key"].as_string())};
            return false;
        }
    }
    return true;
}

bool tolerated(Doc const& taint, Doc const& tolerations) {
    for (auto const& [key, toleration] : tolerations.elements()) {
        std::string_view const effect = toleration["effect"].as_string();
        if (!effect.empty() && effect != taint["effect"].as_string()) continue;
        bool const any_key = toleration["key"].as_string().empty();
        if (!any_key && toleration["key"].as_string() != taint["key"].as_string()) continue;
        if (toleration["operator"].as_string("Equal") == "Exists") return true;
        if (!any_key && toleration["value"].as_string() == taint["value"].as_string()) return true;
    }
    return false;
}

bool accepted(Doc const& cluster, Doc const& placement, bool was_there, Rejected& why) {
    std::string const name(meta::name(cluster));
    if (!cluster.at({"spec", "hubAcceptsClient"}).as_bool() || meta::is_deleting(cluster)) {
        why = {name, "NotAccepted", "spec.hubAcceptsClient is not true"};
        return false;
    }
    for (auto const& [key, taint] : cluster.at({"spec", "taints"}).elements()) {
        std::string_view const effect = taint["effect"].as_string();
        bool const refuses = effect == "NoSelect" || effect == "NoExecute" ||
                             ((effect == "NoSelectIfNew" || effect == "NoSchedule") && !was_there);
        if (refuses && !tolerated(taint, placement["clusterTolerations"])) {
            why = {name, "Tainted", fmt::format("taint {}:{} is not tolerated", taint["key"].as_string(), effect)};
            return false;
        }
    }
    return true;
}

// Whether a set that the cluster is in is bound in this namespace.
bool bound(std::string_view ns, Doc const& cluster, ClusterSets const& sets, Rejected& why) {
    std::vector<std::string> const in = sets_of(cluster, sets);
    if (std::ranges::any_of(in, [&](std::string const& set) { return is_bound(set, ns, sets); })) return true;
    std::string const name(meta::name(cluster));
    why = {name, "ClusterSetNotBound",
           in.empty() ? fmt::format("it is in no ManagedClusterSet, so none that it is in is bound in namespace {}", ns)
                      : fmt::format("namespace {} has no ManagedClusterSetBinding to a set that it is in: {}", ns,
                                    join(in, ", "))};
    return false;
}

// Weight of a cluster: the largest of the rules that match it; without any rule all weigh 1.
std::vector<Share> static_weights(Doc const& rules, std::vector<Doc> const& chosen) {
    std::vector<Share> weights;
    bool any = false;
    for (Doc const& cluster : chosen) {
        std::int64_t weight = 0;
        for (auto const& [key, rule] : rules.elements()) {
            Rejected ignored;
            if (in_affinity(rule["targetCluster"], cluster, ignored))
                weight = std::max(weight, rule["weight"].as_int());
        }
        any = any || weight > 0;
        weights.push_back({std::string(meta::name(cluster)), weight});
    }
    if (!any) {
        for (Share& share : weights) share.value = 1;
    }
    return weights;
}

Status unsupported(Doc const& policy) {
    Doc const placement = policy.at({"spec", "placement"});
    auto const refuse = [](std::string_view field) {
        return fail(ErrorCode::kUnsupported,
                    fmt::format("{} is not supported: one clusterAffinity and static weights place", field));
    };
    if (placement["clusterAffinities"].size() > 0) return refuse("spec.placement.clusterAffinities");
    for (auto const& [key, constraint] : placement["spreadConstraints"].elements()) {
        bool const trivial = constraint["maxGroups"].as_int() == 0 && constraint["minGroups"].as_int() <= 1;
        if (!trivial) return refuse("spec.placement.spreadConstraints");
    }
    Doc const scheduling = placement["replicaScheduling"];
    if (scheduling["replicaDivisionPreference"].as_string() == "Aggregated")
        return refuse("spec.placement.replicaScheduling.replicaDivisionPreference: Aggregated");
    if (scheduling.at({"weightPreference", "dynamicWeight"}).exists())
        return refuse("spec.placement.replicaScheduling.weightPreference.dynamicWeight");
    return {};
}

bool same_policy(apis::BoundPolicy const& bound, Doc const& policy) {
    return bound.kind == policy["kind"].as_string() && bound.name == meta::name(policy) &&
           bound.ns == meta::ns(policy) && bound.api_version == policy["apiVersion"].as_string();
}

}   // namespace

Doc policy_for(Doc const& object, std::vector<Doc> const& policies, std::optional<apis::BoundPolicy> const& claim) {
    Doc best;
    std::tuple<bool, std::int64_t, int> best_rank;
    for (Doc const& policy : policies) {
        bool const own_namespace = policy["kind"].as_string() == "PropagationPolicy";
        if (own_namespace && meta::ns(policy) != meta::ns(object)) continue;
        if (meta::is_deleting(policy)) continue;
        int const selector = policy_rank(policy, object);
        if (selector == 0) continue;
        if (claim && same_policy(*claim, policy)) return policy;
        std::tuple const rank(own_namespace, policy.at({"spec", "priority"}).as_int(), selector);
        if (!best.exists() || rank > best_rank || (rank == best_rank && meta::name(policy) < meta::name(best))) {
            best = policy;
            best_rank = rank;
        }
    }
    return best;
}

Placement stay(std::string_view policy_ns, std::vector<Target> const& previous, std::vector<Doc> const& clusters,
               ClusterSets const& sets) {
    Placement result;
    for (Target const& target : previous) {
        auto const known =
            std::ranges::find(clusters, target.cluster, [](Doc const& each) { return meta::name(each); });
        Rejected why;
        if (known == clusters.end() || bound(policy_ns, *known, sets, why)) {
            result.targets.push_back(target);
        } else {
            result.rejected.push_back(std::move(why));
        }
    }
    return result;
}

Result<Placement> place(Doc const& object, Doc const& policy, std::vector<Doc> const& clusters,
                        std::vector<Target> const& previous, ClusterSets const* sets) {
    TRY(unsupported(policy));
    bool const limited = sets != nullptr && policy["kind"].as_string() == "PropagationPolicy";
    Doc const placement = policy.at({"spec", "placement"});
    Placement result;
    std::vector<Doc> chosen;
    for (Doc const& cluster : clusters) {
        bool const was_there =
            std::ranges::any_of(previous, [&](Target const& target) { return target.cluster == meta::name(cluster); });
        Rejected why;
        bool const wanted = in_affinity(placement["clusterAffinity"], cluster, why) &&
                            (!limited || bound(meta::ns(policy), cluster, *sets, why));
        if (wanted && accepted(cluster, placement, was_there, why)) {
            chosen.push_back(cluster);
        } else {
            result.rejected.push_back(std::move(why));
        }
    }

    Doc const scheduling = placement["replicaScheduling"];
    Doc const replicas = object.at({"spec", "replicas"});
    // Nothing to divide: every chosen cluster has the object, scaled to nothing.
    bool const divided = scheduling.exists() && scheduling["replicaSchedulingType"].as_string("Divided") == "Divided" &&
                         replicas.as_int() > 0;
    if (divided) {
        auto const weights = static_weights(scheduling.at({"weightPreference", "staticWeightList"}), chosen);
        for (Share const& share : divide(replicas.as_int(), weights, meta::uid(object))) {
            if (share.value > 0) {
                result.targets.push_back({share.cluster, share.value});
            } else {
                result.rejected.push_back(
                    {share.cluster, "NoWeight", fmt::format("no share of {} replicas falls to it", replicas.as_int())});
            }
        }
    } else {
        for (Doc const& cluster : chosen) result.targets.push_back({std::string(meta::name(cluster)), std::nullopt});
    }
    std::ranges::sort(result.targets, {}, &Target::cluster);
    std::ranges::sort(result.rejected, {}, &Rejected::cluster);
    return result;
}

}   // namespace aviary::placement
