#include "apis/policy/validate.h"

#include <fmt/format.h>

#include "apis/rollouts/conversion.h"
#include "core/json/doc.h"
#include "kube/meta/selector.h"

namespace aviary::apis {

namespace {

using json::Value;

class Checker {
public:
    std::vector<FieldCause> causes;

    void invalid(std::string field, std::string message) {
        causes.push_back({"FieldValueInvalid", std::move(field), std::move(message)});
    }
    void unsupported(std::string field, std::string_view what, std::string_view why) {
        causes.push_back(
            {"FieldValueNotSupported", std::move(field), fmt::format("{} is not supported: {}", what, why)});
    }
    // Refused when it says anything.
    void refuse_member(Value const& object, std::string_view key, std::string const& path, std::string_view why) {
        Value const& value = object[key];
        bool const says = value.is_bool()     ? value.as_bool()
                          : value.is_string() ? !value.as_string().empty()
                                              : value.size() > 0;
        if (says) unsupported(fmt::format("{}.{}", path, key), key, why);
    }

    void labels(Value const& selector, std::string const& path) {
        if (auto problem = meta::LabelSelector::problem(json::Doc::freeze(selector)))
            invalid(path, std::move(*problem));
    }

    void selectors(Value const& policy) {
        json::Array const& selectors = policy.at({"spec", "resourceSelectors"}).array();
        if (selectors.empty())
            causes.push_back(
                {"FieldValueRequired", "spec.resourceSelectors", "at least one resource selector is needed"});
        std::string_view const ns = policy.at({"metadata", "namespace"}).as_string();
        for (std::size_t index = 0; index < selectors.size(); ++index) {
            std::string const path = fmt::format("spec.resourceSelectors[{}]", index);
            labels(selectors[index]["labelSelector"], path + ".labelSelector");
            if (selectors[index]["apiVersion"].as_string().starts_with("fleet.aviary.dev/"))
                invalid(path + ".apiVersion", "objects of fleet.aviary.dev are the hub's own and stay there");
            if (selectors[index]["apiVersion"].as_string() == kRolloutsOlder) {
                std::string_view const kind = selectors[index]["kind"].as_string();
                if (kind == "Rollout" || kind == "BatchRelease")
                    invalid(
                        path + ".apiVersion",
                        fmt::format("a {} goes to clusters as it is stored: select it in {}, also where it is written "
                                    "in {}",
                                    kind, kRolloutsStored, kRolloutsOlder));
            }
            std::string_view const other = selectors[index]["namespace"].as_string();
            if (!ns.empty() && !other.empty() && other != ns)
                invalid(path + ".namespace", fmt::format("must be \"{}\", the policy's own namespace", ns));
        }
    }

    void affinity(Value const& affinity, std::string const& path) {
        labels(affinity["labelSelector"], path + ".labelSelector");
        json::Array const& expressions = affinity["fieldSelector"]["matchExpressions"].array();
        for (std::size_t index = 0; index < expressions.size(); ++index) {
            std::string_view const key = expressions[index]["key"].as_string();
            if (key == "provider" || key == "region" || key == "zone") continue;
            invalid(fmt::format("{}.fieldSelector.matchExpressions[{}].key", path, index),
                    fmt::format("Unsupported value: \"{}\": must be provider, region or zone", key));
        }
    }

    void scheduling(Value const& scheduling, std::string const& path) {
        std::string_view const type = scheduling["replicaSchedulingType"].as_string();
        if (!type.empty() && type != "Duplicated" && type != "Divided") {
            invalid(path + ".replicaSchedulingType",
                    fmt::format("Unsupported value: \"{}\": supported values: \"Divided\", \"Duplicated\"", type));
        }
        if (scheduling["replicaDivisionPreference"].as_string() == "Aggregated")
            unsupported(path + ".replicaDivisionPreference", "Aggregated", "give Weighted");
        refuse_member(scheduling, "customSchedulingType", path, "each cluster schedules its pods itself");
        Value const& preference = scheduling["weightPreference"];
        refuse_member(preference, "dynamicWeight", path + ".weightPreference", "give staticWeightList");
        json::Array const& weights = preference["staticWeightList"].array();
        for (std::size_t index = 0; index < weights.size(); ++index) {
            std::string const at = fmt::format("{}.weightPreference.staticWeightList[{}]", path, index);
            affinity(weights[index]["targetCluster"], at + ".targetCluster");
            if (weights[index]["weight"].as_int() < 1) invalid(at + ".weight", "must be at least 1");
        }
    }

    // Others that have no replicas are in each cluster as they are; a Job would run in full in each.
    void divided(Value const& policy) {
        Value const& scheduling = policy.at({"spec", "placement", "replicaScheduling"});
        if (scheduling["replicaSchedulingType"].as_string() != "Divided") return;
        for (Value const& selector : policy.at({"spec", "resourceSelectors"}).array()) {
            if (selector["kind"].as_string() == "Job" && selector["apiVersion"].as_string().starts_with("batch/"))
                return unsupported("spec.placement.replicaScheduling.replicaSchedulingType", "Divided for a Job",
                                   "place it in one cluster");
        }
    }

    void placement(Value const& placement) {
        std::string const path = "spec.placement";
        refuse_member(placement, "clusterAffinities", path, "give one clusterAffinity");
        refuse_member(placement, "workloadAffinity", path, "give a clusterAffinity");
        affinity(placement["clusterAffinity"], path + ".clusterAffinity");
        scheduling(placement["replicaScheduling"], path + ".replicaScheduling");
        json::Array const& constraints = placement["spreadConstraints"].array();
        for (std::size_t index = 0; index < constraints.size(); ++index) {
            bool const trivial =
                constraints[index]["maxGroups"].as_int() == 0 && constraints[index]["minGroups"].as_int() <= 1;
            if (!trivial)
                unsupported(fmt::format("{}.spreadConstraints[{}]", path, index), "spreading clusters",
                            "clusterAffinity alone chooses them");
        }
    }

    void rest(Value const& spec, std::vector<std::string>& warnings) {
        constexpr std::string_view kDependencies = "select what belongs to a workload by resourceSelectors";
        refuse_member(spec, "propagateDeps", "spec", kDependencies);
        refuse_member(spec, "association", "spec", kDependencies);
        refuse_member(spec, "dependentOverrides", "spec", "there are no OverridePolicies");
        refuse_member(spec, "failover", "spec", "what a lost cluster had is not moved to others");
        refuse_member(spec, "activationPreference", "spec", "a changed policy counts at once");
        if (spec["preemption"].as_string() == "Always")
            unsupported("spec.preemption", "Always", "the policy that has claimed an object keeps it: delete that one");
        Value const& suspension = spec["suspension"];
        for (char const* key : {"dispatching", "dispatchingOnClusters", "scheduling"})
            refuse_member(suspension, key, "spec.suspension", "kubectl amc rollout pause holds a release");
        for (char const* key : {"schedulerName", "schedulePriority"}) {
            Value const& value = spec[key];
            bool const plain =
                value.is_null() ||
                (value.is_string() && (value.as_string().empty() || value.as_string() == "default-scheduler"));
            if (!plain)
                warnings.push_back(fmt::format("spec.{} is ignored: there is one scheduler, without priorities", key));
        }
    }
};

}   // namespace

std::vector<FieldCause> validate_policy(Value const& policy, std::vector<std::string>& warnings) {
    Checker checker;
    checker.selectors(policy);
    checker.placement(policy.at({"spec", "placement"}));
    checker.divided(policy);
    checker.rest(policy["spec"], warnings);
    return std::move(checker.causes);
}

}   // namespace aviary::apis
