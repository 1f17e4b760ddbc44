#include "hub/propagation/kinds.h"

#include <span>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/validate.h"
#include "kube/meta/groups.h"
#include "kube/meta/gvk.h"

namespace aviary::propagation {

namespace {

using json::Doc;
using json::Value;

FieldPath const kPaused{"spec", "paused"};
FieldPath const kPartition{"spec", "updateStrategy", "rollingUpdate", "partition"};
FieldPath const kCloneSetPartition{"spec", "updateStrategy", "partition"};
FieldPath const kTemplate{"spec", "template"};
FieldPath const kGroups{"spec", meta::kGroupTemplate};
FieldPath const kGroupPartition{"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"};
constexpr char kKruise[] = "apps.kruise.io";

FieldPath const& template_path(std::string_view api_version, std::string_view kind) {
    bool const groups =
        kind == meta::kLeaderWorkerSet && meta::parse_api_version(api_version).first == meta::kLeaderWorkerSets.group;
    return groups ? kGroups : kTemplate;
}

// Whether nothing is left of the object.
bool erase(Value& object, std::span<std::string_view const> path) {
    Value* const child = object.find(path.front());
    if (child == nullptr) return false;
    if (path.size() == 1 || erase(*child, path.subspan(1))) object.erase(path.front());
    return object.is_object() && object.size() == 0;
}

}   // namespace

FieldPath const& template_path(Doc const& workload) {
    return template_path(workload["apiVersion"].as_string(), workload["kind"].as_string());
}

std::optional<Freezing> freezing(Doc const& workload) {
    if (meta::is_leader_worker_set(workload)) return Freezing{kGroupPartition, apis::kFrozenPartition};
    std::string const group = meta::parse_api_version(workload["apiVersion"].as_string()).first;
    std::string_view const kind = workload["kind"].as_string();
    if (group == "apps" && kind == "Deployment") return Freezing{kPaused, true};
    if (group == kKruise && kind == "CloneSet") return Freezing{kCloneSetPartition, "100%"};
    bool const rolls = workload.at({"spec", "updateStrategy", "type"}).as_string("RollingUpdate") == "RollingUpdate";
    bool const like_one =
        apis::is_custom_kind(workload["apiVersion"].as_string()) && apis::is_like_stateful_set(workload);
    bool const known = (group == "apps" || group == kKruise) && kind == "StatefulSet";
    return (known || like_one) && rolls ? std::optional(Freezing{kPartition, apis::kFrozenPartition}) : std::nullopt;
}

std::vector<FieldPath> release_fields(std::string_view kind) {
    if (kind == "Deployment")
        return {kPaused, {"spec", "strategy"}, {"spec", "minReadySeconds"}, {"spec", "progressDeadlineSeconds"}};
    if (kind == "StatefulSet") return {kPartition};
    if (kind == meta::kLeaderWorkerSet) return {kGroupPartition};
    // One by one: what else the strategy says holds in the middle of a release, too.
    return {kPaused,
            kPartition,
            kCloneSetPartition,
            {"spec", "updateStrategy", "type"},
            {"spec", "updateStrategy", "paused"},
            {"spec", "updateStrategy", "maxSurge"},
            {"spec", "updateStrategy", "maxUnavailable"},
            {"spec", "minReadySeconds"}};
}

Doc template_in(Doc const& object) {
    return value_at(object, template_path(object["apiVersion"].as_string(), object["kind"].as_string()));
}

Value const& template_in(Value const& object) {
    Value const* at = &object;
    for (std::string_view name : template_path(object["apiVersion"].as_string(), object["kind"].as_string()))
        at = &(*at)[name];
    return *at;
}

void set_template(Value& object, Value pod_template) {
    Value const& seen = object;
    set_at(object, template_path(seen["apiVersion"].as_string(), seen["kind"].as_string()), std::move(pod_template));
}

Doc value_at(Doc object, FieldPath const& path) {
    for (std::string_view name : path) object = object[name];
    return object;
}

void set_at(Value& object, FieldPath const& path, Value value) {
    Value* at = &object;
    for (std::string_view name : path) at = &(*at)[name];
    *at = std::move(value);
}

void erase_at(Value& object, FieldPath const& path) { erase(object, path); }

}   // namespace aviary::propagation
