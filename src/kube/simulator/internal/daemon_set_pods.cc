// What a DaemonSet makes: revisions and pods.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/base/strings.h"
#include "kube/meta/pods.h"
#include "kube/simulator/internal/daemon_set_sync.h"
#include "kube/simulator/internal/revisions.h"

namespace aviary::simulator {

using control::Write;
using json::Doc;
using json::Value;

namespace {

constexpr std::string_view kGenerationLabel = "pod-template-generation";

Write labels_write(meta::GroupVersionResource const& resource, Doc const& object, std::string hash) {
    Write write;
    write.resource = resource;
    write.key = meta::key_of(object);
    write.body.set({"metadata", "labels", meta::kRevisionHashLabel}, std::move(hash));
    write.why = "its revision's hash";
    return write;
}

}   // namespace

Value daemon_tolerations(Doc const& pod_spec) {
    Value result = pod_spec["tolerations"].thaw();
    result.make_array();
    auto const add = [&](std::string_view name, std::string_view effect) {
        std::string const key = fmt::format("node.kubernetes.io/{}", name);
        Value const toleration = json::Object{{"key", key}, {"operator", "Exists"}, {"effect", effect}};
        auto const same = [&](Value const& each) {
            return each["key"].as_string() == key && each["effect"].as_string() == effect &&
                   each["operator"].as_string() == "Exists" && each["value"].as_string().empty();
        };
        auto const there = std::ranges::find_if(result.make_array(), same);
        if (there != result.array().end()) {
            *there = toleration;
            return;
        }
        result.push_back(toleration);
    };
    add("not-ready", "NoExecute");
    add("unreachable", "NoExecute");
    for (char const* name : {"disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"})
        add(name, "NoSchedule");
    if (pod_spec["hostNetwork"].as_bool()) add("network-unavailable", "NoSchedule");
    return result;
}

std::string node_of(Doc const& pod) {
    if (std::string node = pod.at({"spec", "nodeName"}).string(); !node.empty()) return node;
    Doc const required = pod.at({"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
    for (auto const& [index, term] : required["nodeSelectorTerms"].elements()) {
        for (auto const& [position, field] : term["matchFields"].elements()) {
            if (field["key"].as_string() == "metadata.name" && field["values"].size() == 1)
                return field["values"][0].string();
        }
    }
    return {};
}

// Several revisions of one template, as an adopted one makes them: the newest stays, and its pods get its hash.
void DaemonSetSync::keep_one(std::vector<Doc> const& equal) {
    for (Doc const& pod : view.pods) {
        if (meta::label(pod, meta::kRevisionHashLabel) != hash) plan.writes.push_back(labels_write(kPods, pod, hash));
    }
    for (std::size_t index = 0; index + 1 < equal.size(); ++index)
        plan.writes.push_back(control::deletion(kControllerRevisions, equal[index], "another has the same template"));
}

// False when its name is taken: the count of collisions goes up first.
bool DaemonSetSync::settle_revisions() {
    Value const data = revision_data(pod_template);
    std::vector<Doc> equal;
    std::int64_t next = 1;
    for (Doc const& revision : by_number(view.revisions)) {
        if (meta::label(revision, meta::kRevisionHashLabel).empty())
            plan.writes.push_back(labels_write(kControllerRevisions, revision, meta::name(revision)));
        if (has_data(revision, data)) {
            equal.push_back(revision);
        } else {
            old_revisions.push_back(revision);
            next = std::max(next, revision_number(revision) + 1);
        }
    }
    if (!equal.empty()) {
        Doc const& current = equal.back();
        hash = meta::label(current, meta::kRevisionHashLabel);
        if (hash.empty()) hash = meta::name(current);
        if (equal.size() > 1) keep_one(equal);
        if (revision_number(current) < next) plan.writes.push_back(renumbering(current, next));
        return true;
    }
    std::int64_t const collisions = set.at({"status", "collisionCount"}).as_int();
    hash = meta::template_hash(pod_template, collisions);
    std::string const name = meta::name(set) + "-" + hash;
    Doc const taken = view.find(kControllerRevisions, name);
    if (taken.exists() && !has_data(taken, data)) {
        write_status(plan, resource, set, json::Object{{"collisionCount", collisions + 1}});
        return false;
    }
    if (!taken.exists()) {
        plan.writes.push_back(creation(kControllerRevisions,
                                       revision_object(set, view.kind, name, meta::kRevisionHashLabel, hash, next),
                                       "new template"));
    }
    return true;
}

void DaemonSetSync::truncate_history() {
    std::int64_t surplus =
        static_cast<std::int64_t>(old_revisions.size()) - set.at({"spec", "revisionHistoryLimit"}).as_int(10);
    std::set<std::string> live;
    for (Doc const& pod : view.pods) live.insert(meta::label(pod, meta::kRevisionHashLabel));
    for (Doc const& revision : old_revisions) {
        if (surplus <= 0) return;
        if (live.contains(meta::label(revision, meta::kRevisionHashLabel))) continue;
        plan.writes.push_back(control::deletion(kControllerRevisions, revision, "revision history"));
        --surplus;
    }
}

void DaemonSetSync::event(std::string type, std::string reason, std::string message) {
    plan.events.push_back({reference_to(set, view.kind), std::move(type), std::move(reason), std::move(message)});
}

void DaemonSetSync::create(std::string const& node) {
    if (!names) names.emplace(set, view.pods);
    std::string const name = names->next();
    Value pod = pod_from_template(pod_template, set, view.kind);
    pod.set({"metadata", "name"}, name);
    pod.set({"metadata", "labels", meta::kRevisionHashLabel}, hash);
    if (!template_generation.empty()) pod.set({"metadata", "labels", kGenerationLabel}, template_generation);
    pod.set({"spec", "tolerations"}, daemon_tolerations(pod_template["spec"]));
    Value const field = json::Object{{"key", "metadata.name"}, {"operator", "In"}, {"values", json::Array{node}}};
    Value const term = json::Object{{"matchFields", json::Array{field}}};
    pod.set({"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"},
            json::Array{term});
    adorn(pod);
    Write write = creation(kPods, std::move(pod), "a node has none");
    write.ignore_already_exists = true;
    plan.writes.push_back(std::move(write));
    event("Normal", "SuccessfulCreate", fmt::format("Created pod: {}", name));
}

void DaemonSetSync::remove(Doc const& pod, std::string why) {
    plan.writes.push_back(control::deletion(kPods, pod, std::move(why)));
    event("Normal", "SuccessfulDelete", fmt::format("Deleted pod: {}", meta::name(pod)));
}

}   // namespace aviary::simulator
