#include "kube/simulator/internal/resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::simulator {

json::Value reference_to(json::Doc const& object, meta::GroupVersionKind const& kind) {
    return json::Object{{"apiVersion", kind.api_version()},
                        {"kind", kind.kind},
                        {"namespace", meta::ns(object)},
                        {"name", meta::name(object)},
                        {"uid", meta::uid(object)}};
}

json::Value controller_reference(json::Doc const& owner, meta::GroupVersionKind const& kind) {
    return json::Object{{"apiVersion", kind.api_version()}, {"kind", kind.kind},  {"name", meta::name(owner)},
                        {"uid", meta::uid(owner)},          {"controller", true}, {"blockOwnerDeletion", true}};
}

Time ready_since(json::Doc const& pod) {
    json::Doc const condition = meta::condition(pod, "Ready");
    if (condition["status"].as_string() != "True") return {};
    return parse_rfc3339(condition["lastTransitionTime"].as_string()).value_or(Time());
}

bool is_available(json::Doc const& pod, std::chrono::seconds min_ready, Time now) {
    return is_ready(pod) && (min_ready.count() == 0 || ready_since(pod) + min_ready <= now);
}

void await_availability(control::Plan& plan, json::Doc const& pod, std::chrono::seconds min_ready, Time now) {
    if (is_ready(pod) && !is_available(pod, min_ready, now))
        plan.requeue_at(ready_since(pod) + min_ready, "spec.minReadySeconds");
}

std::int64_t deletion_cost(json::Doc const& pod) {
    return parse_int(meta::annotation(pod, "controller.kubernetes.io/pod-deletion-cost")).value_or(0);
}

std::int64_t most_restarts(json::Doc const& pod) {
    std::int64_t restarts = 0;
    for (auto const& [key, container] : pod.at({"status", "containerStatuses"}).elements())
        restarts = std::max(restarts, container["restartCount"].as_int());
    return restarts;
}

PodNames::PodNames(json::Doc const& owner, std::vector<json::Doc> const& there) : owner_(owner), there_(there) {
    for (json::Doc const& pod : there) seed_ += fnv1a_64(meta::uid(pod));
}

std::string PodNames::next() {
    static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    std::uint64_t hash = fnv1a_64(fmt::format("{}/{:x}/{}", meta::uid(owner_), seed_, index_++));
    std::string name = meta::name(owner_) + "-";
    for (int letter = 0; letter < 5; ++letter) {
        name += kAlphabet[hash % kAlphabet.size()];
        hash /= kAlphabet.size();
    }
    bool const taken = std::ranges::any_of(there_, [&name](json::Doc const& pod) { return meta::name(pod) == name; });
    return taken ? next() : name;
}

json::Value pod_from_template(json::Doc const& pod_template, json::Doc const& owner,
                              meta::GroupVersionKind const& kind) {
    json::Value pod{json::Object{{"apiVersion", "v1"}, {"kind", "Pod"}}};
    for (char const* field : {"labels", "annotations", "finalizers"}) {
        if (json::Doc const given = pod_template.at({"metadata", field}); given.size() > 0)
            pod.set({"metadata", field}, given.thaw());
    }
    pod.set({"metadata", "generateName"}, meta::name(owner) + "-");
    pod.set({"metadata", "namespace"}, meta::ns(owner));
    pod.set({"metadata", "ownerReferences"}, json::Array{controller_reference(owner, kind)});
    pod["spec"] = pod_template["spec"].thaw();
    return pod;
}

control::Write creation(meta::GroupVersionResource const& resource, json::Value object, std::string why) {
    control::Write write;
    write.verb = control::Write::Verb::kCreate;
    write.resource = resource;
    write.key = {std::as_const(object).at({"metadata", "namespace"}).string(),
                 std::as_const(object).at({"metadata", "name"}).string()};
    write.body = std::move(object);
    write.why = std::move(why);
    return write;
}

void write_status(control::Plan& plan, meta::GroupVersionResource const& resource, json::Doc const& object,
                  json::Value const& status, std::vector<std::string_view> const& drops) {
    json::Value changes{json::Object()};
    json::Value const before = object["status"].thaw();
    for (auto const& [key, value] : status.object()) {
        if (!(before[key] == value)) changes.set({"status", key}, value);
    }
    for (std::string_view field : drops) {
        if (before.contains(field) && !status.contains(field)) changes.set({"status", field}, nullptr);
    }
    if (changes.size() == 0) return;
    control::Write write;
    write.resource = resource;
    write.key = meta::key_of(object);
    write.subresource = "status";
    write.body = std::move(changes);
    write.why = "status";
    plan.writes.push_back(std::move(write));
}

}   // namespace aviary::simulator
