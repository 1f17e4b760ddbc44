#include "member/traffic/services.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apis/rollouts/original.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/traffic/internal/copied.h"

namespace aviary::traffic {

namespace {

using apis::kOriginalSelectorAnnotation;   // what the selector had, and since when it is held
using json::Doc;
using json::Value;

// Of the cluster's own making, or for a Service that the world outside can reach: a canary is reached by its gateway.
constexpr std::array<std::string_view, 13> kNotCopied{"clusterIP",
                                                      "clusterIPs",
                                                      "externalIPs",
                                                      "ipFamilyPolicy",
                                                      "ipFamilies",
                                                      "loadBalancerIP",
                                                      "type",
                                                      "healthCheckNodePort",
                                                      "externalTrafficPolicy",
                                                      "allocateLoadBalancerNodePorts",
                                                      "loadBalancerClass",
                                                      "loadBalancerSourceRanges",
                                                      "externalName"};

// The annotation's content; an empty object when it is not there, or is not ours.
Value kept_of(Doc const& service) {
    auto const kept = json::parse_value(meta::annotation(service, kOriginalSelectorAnnotation));
    return kept && (*kept)["selector"].is_object() ? *kept : Value(json::Object());
}

void drop_annotation(Value& object, std::string_view key) {
    Value* const annotations = object["metadata"].find("annotations");
    if (annotations == nullptr || !annotations->erase(key)) return;
    if (annotations->size() == 0) object["metadata"].erase("annotations");
}

Status check_selector(Doc const& service) {
    if (service.at({"spec", "selector"}).size() > 0) return {};
    return fail(ErrorCode::kInvalid,
                fmt::format("Service {} has no selector: give it one that selects the pods of the workload",
                            meta::key_of(service).to_string()));
}

Value copied_ports(Doc const& service) {
    Value ports = service.at({"spec", "ports"}).thaw();
    for (Value& port : ports.make_array()) port.erase("nodePort");
    return ports;
}

// The labels of the new version's pods are those of the moment when the canary Service was made: a second workload that
// is there is not made anew for others.
Value selector_of(Doc const& stable, Doc const& live, CanaryService const& wanted) {
    Value selector = stable.at({"spec", "selector"}).thaw();
    Value const kept = kept_of(stable);
    for (auto const& [key, before] : kept["selector"].object()) {
        if (before.is_null()) {
            selector.erase(key);
        } else {
            selector[key] = before;
        }
    }
    for (auto const& [key, value] : wanted.pod_labels) {
        Doc const held = live.at({"spec", "selector"})[key];
        if (held.exists()) {
            selector[key] = held.thaw();
        } else if (!live.exists() || selector.contains(key)) {
            selector[key] = value;
        }
    }
    selector[wanted.revision.key] = wanted.revision.value;
    return selector;
}

void copy_metadata(Value& canary, Doc const& stable) {
    for (char const* const map : {"labels", "annotations"}) {
        for (auto const& [key, value] : stable.at({"metadata", map}).members()) {
            if (is_copied(key)) canary.set({"metadata", map, key}, value.thaw());
        }
    }
}

}   // namespace

std::string canary_name(std::string_view service) { return std::string(service) + "-canary"; }

Result<Doc> pinned(Doc const& service, Revision const& revision, Time now) {
    TRY(check_selector(service));
    Doc const held = service.at({"spec", "selector"})[revision.key];
    if (held.as_string() == revision.value) return service;
    Value kept = kept_of(service);
    if (!kept["selector"].contains(revision.key)) kept.set({"selector", revision.key}, held.thaw());
    kept["since"] = format_rfc3339(now);
    Value next = service.thaw();
    next.set({"metadata", "annotations", kOriginalSelectorAnnotation}, json::write(kept));
    next.set({"spec", "selector", revision.key}, revision.value);
    return Doc::freeze(next);
}

Doc released(Doc const& service, Revision const& revision) {
    bool const noted = !meta::annotation(service, kOriginalSelectorAnnotation).empty();
    std::string const held = service.at({"spec", "selector"})[revision.key].string();
    if (!noted && (held.empty() || held != revision.value)) return service;
    Value const kept = kept_of(service);
    Value next = service.thaw();
    if (!kept["selector"].is_object() && held == revision.value) next["spec"]["selector"].erase(revision.key);
    for (auto const& [member, before] : kept["selector"].object()) {
        if (before.is_null()) {
            next["spec"]["selector"].erase(member);
        } else {
            next.set({"spec", "selector", member}, before);
        }
    }
    drop_annotation(next, kOriginalSelectorAnnotation);
    return Doc::freeze(next);
}

std::optional<Time> pinned_since(Doc const& service) { return parse_rfc3339(kept_of(service)["since"].as_string()); }

Result<Doc> canary_of(Doc const& stable, Doc const& live, CanaryService const& wanted) {
    TRY(check_selector(stable));
    std::string const name = canary_name(meta::name(stable));
    if (live.exists() && meta::is_deleting(live))
        return fail(ErrorCode::kConflict, fmt::format("Service {} of an earlier release is being removed", name));
    if (live.exists() && !made_by(live, wanted.owner)) {
        return fail(ErrorCode::kConflict,
                    fmt::format("Service {} exists and is not of this Rollout: rename it, or remove it", name));
    }
    Value next = live.exists() ? live.thaw() : Value(json::Object{{"apiVersion", "v1"}, {"kind", "Service"}});
    if (!live.exists()) {
        copy_metadata(next, stable);   // once: some are written by controllers, for each Service its own
        next.set({"metadata", "name"}, name);
        next.set({"metadata", "namespace"}, meta::ns(stable));
        next.set({"metadata", "ownerReferences"}, json::Array{wanted.owner});
        for (auto const& [key, value] : stable["spec"].members()) {
            if (std::ranges::find(kNotCopied, key) == kNotCopied.end()) next.set({"spec", key}, value.thaw());
        }
        next.set({"spec", "type"}, "ClusterIP");
        if (stable.at({"spec", "clusterIP"}).as_string() == "None") next.set({"spec", "clusterIP"}, "None");
    }
    if (!live.exists() || copied_ports(live) != copied_ports(stable)) next.set({"spec", "ports"}, copied_ports(stable));
    next.set({"spec", "selector"}, selector_of(stable, live, wanted));
    return Doc::freeze(next);
}

bool made_by(Doc const& canary, Value const& owner) {
    auto const controller = meta::controller_of(canary);
    return controller && controller->uid == owner["uid"].as_string();
}

}   // namespace aviary::traffic
