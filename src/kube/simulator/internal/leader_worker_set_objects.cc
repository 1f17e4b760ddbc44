#include "kube/simulator/internal/leader_worker_set_objects.h"

#include <fmt/format.h>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

using json::Doc;
using json::Value;

namespace {

Value stateful_set(Doc const& set, std::string const& name, Value pod_template, Value labels, Value selector) {
    Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "StatefulSet"}}};
    object["metadata"] = json::Object{{"name", name}, {"namespace", meta::ns(set)}, {"labels", std::move(labels)}};
    Value& spec = object["spec"];
    spec["podManagementPolicy"] = "Parallel";
    spec["selector"]["matchLabels"] = std::move(selector);
    spec["template"] = std::move(pod_template);
    Doc const given = set.at({"spec", "leaderWorkerTemplate"});
    for (auto const& [key, claim] : given["volumeClaimTemplates"].elements()) {
        Value kept{json::Object()};
        kept.set({"metadata", "name"}, meta::name(claim));
        kept["spec"] = claim["spec"].thaw();
        spec["volumeClaimTemplates"].push_back(std::move(kept));
    }
    if (Doc const policy = given["persistentVolumeClaimRetentionPolicy"]; policy.exists())
        spec["persistentVolumeClaimRetentionPolicy"] = policy.thaw();
    return object;
}

void put(Value& pod_template, char const* map, json::Object const& entries) {
    for (auto const& [key, value] : entries) pod_template.set({"metadata", map, key}, value);
}

}   // namespace

std::int64_t group_size(Doc const& set) { return set.at({"spec", "leaderWorkerTemplate", "size"}).as_int(1); }

std::int64_t group_index(Doc const& object) {
    return parse_int(meta::label(object, meta::kGroupIndexLabel)).value_or(-1);
}

bool shared_domain(Doc const& set) {
    return set.at({"spec", "networkConfig", "subdomainPolicy"}).as_string("Shared") == "Shared";
}

Value group_revision_data(Doc const& set) {
    Value data{json::Object()};
    for (char const* field : {"networkConfig", "leaderWorkerTemplate"}) {
        Value kept = set.at({"spec", field}).thaw();
        kept["$patch"] = "replace";
        data.set({"spec", field}, std::move(kept));
    }
    return data;
}

Value group_revision_object(Doc const& set, Value data, std::string hash, std::int64_t number) {
    Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "ControllerRevision"}}};
    object["metadata"] =
        json::Object{{"name", fmt::format("{}-{}-{}", meta::name(set), hash, number)}, {"namespace", meta::ns(set)}};
    object["metadata"]["labels"] =
        json::Object{{meta::kGroupSetLabel, meta::name(set)}, {meta::kGroupRevisionLabel, std::move(hash)}};
    object["metadata"]["ownerReferences"] = json::Array{controller_reference(set, kLeaderWorkerSet)};
    object["data"] = std::move(data);
    object["revision"] = number;
    return object;
}

Doc group_revision(std::vector<Doc> const& revisions, std::string_view hash) {
    Doc newest;
    for (Doc const& each : revisions) {
        if (hash.empty() || meta::label(each, meta::kGroupRevisionLabel) != hash) continue;
        if (!newest.exists() || each["revision"].as_int() > newest["revision"].as_int()) newest = each;
    }
    return newest;
}

Value leaders_object(Doc const& set, std::string const& revision, std::int64_t partition, std::int64_t replicas) {
    std::string const name = meta::name(set);
    Doc const given = set.at({"spec", "leaderWorkerTemplate"});
    Value pod_template = given[given["leaderTemplate"].exists() ? "leaderTemplate" : "workerTemplate"].thaw();
    put(pod_template, "labels",
        {{meta::kWorkerIndexLabel, "0"}, {meta::kGroupSetLabel, name}, {meta::kGroupRevisionLabel, revision}});
    put(pod_template, "annotations", {{kSizeAnnotation, std::to_string(group_size(set))}});
    if (!shared_domain(set)) put(pod_template, "annotations", {{kSubdomainAnnotation, "UniquePerReplica"}});
    Value object = stateful_set(set, name, std::move(pod_template),
                                json::Object{{meta::kGroupSetLabel, name}, {meta::kGroupRevisionLabel, revision}},
                                json::Object{{meta::kGroupSetLabel, name}, {meta::kWorkerIndexLabel, "0"}});
    object["metadata"]["annotations"] =
        json::Object{{kReplicasAnnotation, std::to_string(set.at({"spec", "replicas"}).as_int(1))}};
    object["metadata"]["ownerReferences"] = json::Array{controller_reference(set, kLeaderWorkerSet)};
    Value& spec = object["spec"];
    spec["serviceName"] = name;
    spec["replicas"] = replicas;
    Value unavailable = set.at({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "maxUnavailable"}).thaw();
    spec["updateStrategy"] = json::Object{{"type", "RollingUpdate"}};
    spec["updateStrategy"]["rollingUpdate"] = json::Object{
        {"maxUnavailable", unavailable.is_null() ? Value(1) : std::move(unavailable)}, {"partition", partition}};
    return object;
}

Value workers_object(Doc const& set, Doc const& leader, Doc const& revision) {
    std::string const name = meta::name(leader);
    Value pod_template = revision.at({"data", "spec", "leaderWorkerTemplate", "workerTemplate"}).thaw();
    json::Object selector;
    for (std::string_view key : {meta::kGroupIndexLabel, meta::kGroupSetLabel, meta::kGroupKeyLabel})
        selector[key] = meta::label(leader, key);
    json::Object labels = selector;
    labels[meta::kGroupRevisionLabel] = meta::label(leader, meta::kGroupRevisionLabel);
    put(pod_template, "labels", labels);
    put(pod_template, "annotations",
        {{kSizeAnnotation, std::to_string(group_size(set))}, {kLeaderNameAnnotation, name}});
    Value object = stateful_set(set, name, std::move(pod_template), std::move(labels), std::move(selector));
    object["metadata"]["ownerReferences"] = json::Array{controller_reference(leader, kPod)};
    Value& spec = object["spec"];
    spec["serviceName"] = shared_domain(set) ? meta::name(set) : name;
    spec["replicas"] = group_size(set) - 1;
    spec["ordinals"]["start"] = 1;
    return object;
}

Value headless_service(Doc const& set, Doc const& owner, std::string name, std::string group) {
    bool const whole = group.empty();
    Value object{json::Object{{"apiVersion", "v1"}, {"kind", "Service"}}};
    object["metadata"] = json::Object{{"name", std::move(name)}, {"namespace", meta::ns(set)}};
    object["metadata"]["labels"] = json::Object{{meta::kGroupSetLabel, meta::name(set)}};
    object["metadata"]["ownerReferences"] =
        json::Array{whole ? controller_reference(owner, kLeaderWorkerSet) : controller_reference(owner, kPod)};
    object["spec"] = json::Object{{"clusterIP", "None"}, {"publishNotReadyAddresses", true}};
    object["spec"]["selector"] = json::Object{{meta::kGroupSetLabel, meta::name(set)}};
    if (!whole) object["spec"]["selector"][meta::kGroupIndexLabel] = std::move(group);
    return object;
}

}   // namespace aviary::simulator
