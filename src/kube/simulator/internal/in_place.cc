#include "kube/simulator/internal/in_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

namespace {

constexpr std::string_view kLifecycleTimestamp = "lifecycle.apps.kruise.io/timestamp";
constexpr std::string_view kState = "apps.kruise.io/inplace-update-state";
constexpr std::string_view kGrace = "apps.kruise.io/inplace-update-grace";
constexpr std::string_view kGate = "InPlaceUpdateReady";

bool has_gate(Doc const& pod) {
    auto const gates = pod.at({"spec", "readinessGates"}).elements();
    return std::ranges::any_of(gates,
                               [](auto const& gate) { return gate.second["conditionType"].as_string() == kGate; });
}

Value annotated(Doc const& pod, std::string_view key) {
    return json::parse_value(meta::annotation(pod, key)).value_or(Value());
}

Write pod_write(Doc const& pod, std::string why) {
    Write write;
    write.verb = Write::Verb::kStrategicMergePatch;
    write.resource = kPods;
    write.key = meta::key_of(pod);
    write.why = std::move(why);
    return write;
}

Value condition_patch(std::string_view type, bool holds, Value reason, Value message, Time now) {
    return json::Object{{"type", type},
                        {"status", holds ? "True" : "False"},
                        {"lastTransitionTime", format_rfc3339(now)},
                        {"reason", std::move(reason)},
                        {"message", std::move(message)}};
}

// Kubelets would say that a pod is not ready a moment later; its controller says it at once.
void close_gate(Plan& plan, Doc const& pod, Time now) {
    Write write = pod_write(pod, "an update in place begins");
    write.subresource = "status";
    json::Array conditions{condition_patch(kGate, false, "StartInPlaceUpdate", nullptr, now)};
    if (meta::condition_is_true(pod, "ContainersReady")) {
        conditions.push_back(condition_patch(
            "Ready", false, "ReadinessGatesNotReady",
            fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but False", kGate), now));
    }
    write.body.set({"status", "conditions"}, std::move(conditions));
    plan.writes.push_back(std::move(write));
}

void open_gate(Plan& plan, Doc const& pod, Time now) {
    Doc const gate = meta::condition(pod, kGate);
    if (gate["status"].as_string() == "True" && gate["reason"].as_string().empty()) return;
    Write write = pod_write(pod, "its containers are what they should be");
    write.subresource = "status";
    write.body.set({"status", "conditions"}, json::Array{condition_patch(kGate, true, nullptr, nullptr, now)});
    plan.writes.push_back(std::move(write));
}

// What the pod's containers were, so that it can be told when they have changed.
Value state_of(Doc const& pod, InPlaceUpdate const& update, Time now, bool now_changed) {
    std::string const stamp = format_rfc3339(now);
    Value state{
        json::Object{{"revision", update.revision}, {"updateTimestamp", stamp}, {"lastContainerStatuses", nullptr}}};
    if (!update.change.images.empty()) state["updateImages"] = true;
    if (!now_changed) return state;
    json::Array containers;
    for (auto const& [name, image] : update.change.images) containers.push_back(name);
    state["containerBatchesRecord"] =
        json::Array{json::Object{{"timestamp", stamp}, {"containers", std::move(containers)}}};
    for (auto const& [key, status] : pod.at({"status", "containerStatuses"}).elements()) {
        if (std::string const name = status["name"].string(); update.change.images.contains(name))
            state.set({"lastContainerStatuses", name, "imageID"}, status["imageID"].string());
    }
    return state;
}

void put_change(Value& body, InPlaceChange const& change) {
    for (auto const& [name, image] : change.images) {
        Value container{json::Object{{"name", name}, {"image", image}}};
        body["spec"]["containers"].push_back(std::move(container));
    }
    for (auto const& [field, values] : change.metadata.object()) {
        for (auto const& [key, value] : values.object()) body.set({"metadata", field, key}, value);
    }
}

// Once it is over the pod changes; an update to another revision has given it up.
void end_grace(Plan& plan, Doc const& pod, Time now) {
    Value const kept = annotated(pod, kGrace);
    InPlaceUpdate update{{}, kept["revision"].string(), {}, kept["graceSeconds"].as_int()};
    for (auto const& [name, image] : kept["containerImages"].object()) update.change.images[name] = image.string();
    if (kept["metaDataPatch"].is_object()) update.change.metadata = kept["metaDataPatch"];
    Write write = pod_write(pod, "its grace period is over");
    if (meta::label(pod, meta::kRevisionHashLabel).ends_with(update.revision)) {
        Time const began = parse_rfc3339(annotated(pod, kState)["updateTimestamp"].as_string()).value_or(now);
        Time const ends = began + std::chrono::seconds(update.grace_seconds);
        if (ends > now) {
            plan.requeue_at(ends, "gracePeriodSeconds");
            return;
        }
        put_change(write.body, update.change);
        write.body.set({"metadata", "annotations", kState}, json::write(state_of(pod, update, began, true)));
    }
    write.body.set({"metadata", "annotations", kGrace}, nullptr);
    plan.writes.push_back(std::move(write));
}

}   // namespace

std::string lifecycle_state(Doc const& pod) { return meta::label(pod, kLifecycleState); }

void set_lifecycle_state(Value& object, std::string_view state, Time now) {
    object.set({"metadata", "labels", kLifecycleState}, state);
    object.set({"metadata", "annotations", kLifecycleTimestamp}, format_rfc3339(now));
}

Write lifecycle_write(Doc const& pod, std::string_view state, Time now) {
    Write write = pod_write(pod, "its life goes on");
    set_lifecycle_state(write.body, state, now);
    return write;
}

void add_readiness_gate(Value& pod) {
    Value& gates = pod["spec"]["readinessGates"];
    for (Value const& gate : gates.array()) {
        if (gate["conditionType"].as_string() == kGate) return;
    }
    gates.push_back(json::Object{{"conditionType", kGate}});
}

bool passes_readiness_gate(Doc const& pod) {
    Doc const gate = meta::condition(pod, kGate);
    return !gate.exists() || gate["status"].as_string() == "True";
}

std::optional<InPlaceChange> in_place_change(Doc const& from, Doc const& to) {
    InPlaceChange change;
    Value spec = from["spec"].thaw();
    json::Array& containers = spec["containers"].make_array();
    Doc const wanted = to.at({"spec", "containers"});
    for (std::size_t index = 0; index < containers.size() && index < wanted.size(); ++index) {
        std::string const image = wanted[index]["image"].string();
        std::string const before = std::as_const(containers[index])["image"].string();
        if (image.empty() || before.empty() || image == before) continue;
        change.images[std::as_const(containers[index])["name"].string()] = image;
        containers[index]["image"] = image;
    }
    if (!(spec == to["spec"].thaw())) return std::nullopt;
    for (char const* field : {"labels", "annotations"}) {
        Value patch = json::create_merge_patch(from.at({"metadata", field}).thaw(), to.at({"metadata", field}).thaw());
        if (patch.size() > 0) change.metadata[field] = std::move(patch);
    }
    return change;
}

void update_in_place(Plan& plan, Doc const& pod, InPlaceUpdate const& update, Time now) {
    if (has_gate(pod)) close_gate(plan, pod, now);
    bool const at_once = update.grace_seconds <= 0;
    Write write = pod_write(pod, "an update in place");
    if (at_once) put_change(write.body, update.change);
    for (auto const& [label, value] : update.labels) write.body.set({"metadata", "labels", label}, value);
    set_lifecycle_state(write.body, kUpdating, now);
    write.body.set({"metadata", "annotations", kState}, json::write(state_of(pod, update, now, at_once)));
    if (at_once) {
        if (!meta::annotation(pod, kGrace).empty()) write.body.set({"metadata", "annotations", kGrace}, nullptr);
    } else {
        Value kept{json::Object{{"revision", update.revision}, {"graceSeconds", update.grace_seconds}}};
        for (auto const& [name, image] : update.change.images) kept.set({"containerImages", name}, image);
        if (update.change.metadata.size() > 0) kept["metaDataPatch"] = update.change.metadata;
        write.body.set({"metadata", "annotations", kGrace}, json::write(kept));
        plan.requeue_at(now + std::chrono::seconds(update.grace_seconds), "gracePeriodSeconds");
    }
    plan.writes.push_back(std::move(write));
}

bool in_grace_period(Doc const& pod) { return !meta::annotation(pod, kGrace).empty(); }

void refresh_in_place(Plan& plan, Doc const& pod, Time now) {
    if (in_grace_period(pod)) {
        end_grace(plan, pod, now);
        return;
    }
    if (!is_updated_in_place(pod) || !has_gate(pod)) return;
    open_gate(plan, pod, now);
}

bool is_updated_in_place(Doc const& pod) {
    if (in_grace_period(pod)) return false;
    Value const state = annotated(pod, kState);
    std::size_t found = 0;
    for (auto const& [key, status] : pod.at({"status", "containerStatuses"}).elements()) {
        std::string const name = status["name"].string();
        Value const* last = state["lastContainerStatuses"].find(name);
        if (last == nullptr) continue;
        ++found;
        if ((*last)["imageID"].as_string() != status["imageID"].as_string()) continue;
        for (auto const& [index, container] : pod.at({"spec", "containers"}).elements()) {
            if (container["name"].as_string() != name) continue;
            std::string image = container["image"].string();
            if (!image.contains(':')) image += ":latest";
            if (image != status["image"].as_string()) return false;
        }
    }
    return found == state["lastContainerStatuses"].size();
}

}   // namespace aviary::simulator
