// The ReplicaSet with the Deployment's template: its revision, its annotations, its making.
#include "kube/simulator/internal/deployment_sync.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/meta/pods.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

std::map<std::string, std::string> Sync::inherited_annotations() const {
    std::map<std::string, std::string> result;
    for (auto const& [key, value] : deployment.at({"metadata", "annotations"}).members()) {
        if (key == meta::kRevisionAnnotation || key == meta::kRevisionHistoryAnnotation ||
            key == meta::kDesiredReplicasAnnotation || key == meta::kMaxReplicasAnnotation ||
            key == "kubectl.kubernetes.io/last-applied-configuration" || key == "deprecated.deployment.rollback.to") {
            continue;
        }
        result.emplace(key, value.string());
    }
    return result;
}

std::int64_t Sync::next_revision() const {
    std::int64_t latest = 0;
    for (ReplicaSet const* set : old)
        latest = std::max(latest, parse_int(meta::annotation(set->doc, meta::kRevisionAnnotation)).value_or(0));
    return latest + 1;
}

void Sync::refresh_new() {
    std::int64_t revision = next_revision();
    std::string const had = meta::annotation(fresh->doc, meta::kRevisionAnnotation);
    std::int64_t const current = parse_int(had).value_or(0);
    Value changes{json::Object()};
    if (current < revision) {
        changes[meta::kRevisionAnnotation] = std::to_string(revision);
        if (!had.empty()) {
            std::string history = meta::annotation(fresh->doc, meta::kRevisionHistoryAnnotation);
            changes[meta::kRevisionHistoryAnnotation] = history.empty() ? had : history + "," + had;
        }
    } else {
        revision = current;
    }
    for (auto const& [key, value] : inherited_annotations()) {
        if (meta::annotation(fresh->doc, key) != value) changes[key] = value;
    }
    Doc const ready_seconds = deployment.at({"spec", "minReadySeconds"});
    bool const seconds_differ = ready_seconds.as_int() != fresh->doc.at({"spec", "minReadySeconds"}).as_int();
    if (changes.size() > 0 || seconds_differ) {
        Write write;
        write.resource = kReplicaSets;
        write.key = {ns, fresh->name()};
        if (changes.size() > 0) write.body.set({"metadata", "annotations"}, changes);
        if (seconds_differ) write.body.set({"spec", "minReadySeconds"}, ready_seconds.as_int());
        write.why = "revision";
        plan.writes.push_back(std::move(write));
    }
    note_revision(revision);
    if (has_deadline && condition("Progressing") == nullptr) {
        set_condition("Progressing", "True", "FoundNewReplicaSet",
                      fmt::format("Found new replica set \"{}\"", fresh->name()));
    }
}

void Sync::note_revision(std::int64_t revision) {
    std::string const text = std::to_string(revision);
    if (meta::annotation(deployment, meta::kRevisionAnnotation) != text)
        annotations[std::string(meta::kRevisionAnnotation)] = text;
}

void Sync::create_new() {
    std::int64_t const collisions = status["collisionCount"].as_int();
    Doc const pod_template = deployment.at({"spec", "template"});
    std::string const hash = meta::template_hash(pod_template, collisions);
    std::string const set_name = name + "-" + hash;
    std::int64_t const revision = next_revision();
    auto const [surge, unavailable] = surge_and_unavailable();
    std::int64_t const size = new_size(0);

    Value labeled = pod_template.thaw();
    labeled.set({"metadata", "labels", meta::kTemplateHashLabel}, hash);
    Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}}};
    object.set({"metadata", "name"}, set_name);
    object.set({"metadata", "namespace"}, ns);
    object.set({"metadata", "labels"}, labeled.at({"metadata", "labels"}));
    for (auto const& [key, value] : inherited_annotations()) object.set({"metadata", "annotations", key}, value);
    object.set({"metadata", "annotations", meta::kRevisionAnnotation}, std::to_string(revision));
    object.set({"metadata", "annotations", meta::kDesiredReplicasAnnotation}, std::to_string(replicas));
    object.set({"metadata", "annotations", meta::kMaxReplicasAnnotation}, std::to_string(replicas + surge));
    object.set({"metadata", "ownerReferences"}, json::Array{controller_reference(deployment, kDeployment)});
    object.set({"spec", "replicas"}, size);
    if (std::int64_t const seconds = deployment.at({"spec", "minReadySeconds"}).as_int(); seconds > 0) {
        object.set({"spec", "minReadySeconds"}, seconds);
    }
    Value selector = deployment.at({"spec", "selector"}).thaw();
    selector.set({"matchLabels", meta::kTemplateHashLabel}, hash);
    object.set({"spec", "selector"}, selector);
    object.set({"spec", "template"}, labeled);

    Write write;
    write.verb = Write::Verb::kCreate;
    write.resource = kReplicaSets;
    write.key = {ns, set_name};
    write.body = object;
    write.why = "new template";
    plan.writes.push_back(std::move(write));
    if (size > 0)
        event("Normal", "ScalingReplicaSet", fmt::format("Scaled up replica set {} from 0 to {}", set_name, size));
    sets.push_back({Doc::freeze(object), size, 0, 0, 0});
    fresh = &sets.back();
    note_revision(revision);
    if (has_deadline) {
        set_condition("Progressing", "True", "NewReplicaSetCreated",
                      fmt::format("Created new replica set \"{}\"", set_name));
    }
}

bool Sync::collides() const {
    std::string const wanted =
        name + "-" + meta::template_hash(deployment.at({"spec", "template"}), status["collisionCount"].as_int());
    return std::ranges::any_of(sets, [&](ReplicaSet const& set) { return set.name() == wanted; });
}

void Sync::ensure_new() {
    if (fresh != nullptr) return refresh_new();
    while (collides()) status["collisionCount"] = status["collisionCount"].as_int() + 1;
    create_new();
}

}   // namespace aviary::simulator
