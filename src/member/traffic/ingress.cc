#include "member/traffic/ingress.h"

#include <fmt/format.h>

#include <set>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/traffic/internal/copied.h"

namespace aviary::traffic {

namespace {

using json::Object;
using json::Value;

Value paths_of(Value const& rule, Route const& route) {
    json::Array paths;
    for (Value path : rule.at({"http", "paths"}).array()) {
        if (path.at({"backend", "service", "name"}).as_string() != route.stable_service) continue;
        path.set({"backend", "service", "name"}, route.canary_service);
        paths.push_back(std::move(path));
    }
    return paths;
}

Result<Value> spec_of(Value const& stable, Route const& route) {
    Value spec{Object{}};
    for (char const* same : {"ingressClassName", "tls"})
        if (Value const* member = stable.find(same)) spec[same] = *member;
    json::Array rules;
    for (Value rule : stable["rules"].array()) {
        Value paths = paths_of(rule, route);
        if (paths.size() == 0) continue;
        rule.set({"http", "paths"}, std::move(paths));
        rules.push_back(std::move(rule));
    }
    if (rules.empty()) {
        bool const is_default = stable.at({"defaultBackend", "service", "name"}).as_string() == route.stable_service;
        return fail(ErrorCode::kInvalid,
                    fmt::format("no path of its rules leads to the Service {}{}", route.stable_service,
                                is_default ? ": it is the default backend, which cannot be divided; "
                                             "add a rule with the path / for it"
                                           : ""));
    }
    spec["rules"] = std::move(rules);
    return spec;
}

// What the script is given: the stable Ingress's, and what others have written to the canary since.
Value annotations_before(Value const& stable, Value const& canary) {
    Object before = canary.at({"metadata", "annotations"}).object();
    if (Value const* copied = before.find(kCopiedAnnotations)) {
        std::string const keys = copied->string();
        for (std::string_view key : split(keys, ',')) before.erase(key);
        before.erase(kCopiedAnnotations);
    }
    before.erase(kRoutedStep);
    for (auto const& [key, value] : stable.at({"metadata", "annotations"}).object())
        if (is_copied(key)) before[key] = value;
    return before;
}

std::string copied_keys(Value const& stable) {
    std::set<std::string> keys;
    for (auto const& [key, value] : stable.at({"metadata", "annotations"}).object())
        if (is_copied(key)) keys.insert(key);
    return join(std::vector<std::string>(keys.begin(), keys.end()), ",");
}

// What a step asks of the script.
Value asked(Route const& route, IngressClass const& ingress_class) {
    Value input{Object{{"weight", route.weight ? std::to_string(*route.weight) : "-1"},
                       {"canaryService", route.canary_service},
                       {"classType", ingress_class.type}}};
    if (route.matches.size() > 0) input["matches"] = route.matches.thaw();
    if (route.request_header_modifier.is_object())
        input["requestHeaderModifier"] = route.request_header_modifier.thaw();
    return input;
}

std::string step_of(Route const& route, IngressClass const& ingress_class) {
    return meta::template_hash(
        json::Doc::freeze(Object{{"asked", asked(route, ingress_class)}, {"script", ingress_class.script.text}}));
}

Result<Value> annotations_of(Value before, Route const& route, IngressClass const& ingress_class) {
    Value input = asked(route, ingress_class);
    input["annotations"] = std::move(before);
    json::Doc const found = TRY(run_script(ingress_class.runner, ingress_class.script, json::Doc::freeze(input)));
    if (!found.is_object() && !found.is_null())
        return fail(ErrorCode::kInvalid,
                    fmt::format("{}: it must return the annotations, not a list", ingress_class.script.name));
    for (auto const& [key, value] : found.members())
        if (!value.is_string())
            return fail(ErrorCode::kInvalid, fmt::format("{}: the annotation {} must be a string, not {}",
                                                         ingress_class.script.name, key, to_string(value.type())));
    return found.is_null() ? Value(Object{}) : found.thaw();
}

Result<Value> begun(json::Doc const& stable, json::Doc const& canary, Value const& owner) {
    if (canary.exists()) {
        auto const controller = meta::controller_of(canary);
        if (!controller || controller->uid != owner["uid"].as_string())
            return fail(
                ErrorCode::kAlreadyExists,
                fmt::format("the Ingress {} is not of this release: rename it, or delete it", meta::name(canary)));
        return canary.thaw();
    }
    Value made{Object{{"apiVersion", stable["apiVersion"].string()}, {"kind", "Ingress"}}};
    made["metadata"] = Object{{"name", canary_ingress_name(meta::name(stable))}, {"namespace", meta::ns(stable)}};
    made.set({"metadata", "ownerReferences"}, json::Array{owner});
    return made;
}

Result<json::Doc> as_it_should_be(json::Doc const& stable, json::Doc const& canary, Route const& route,
                                  IngressClass const& ingress_class, Value const& owner) {
    Value const from = stable.thaw();
    Value result = TRY(begun(stable, canary, owner));
    std::string const step = step_of(route, ingress_class);
    if (!canary.exists() || meta::annotation(canary, kRoutedStep) != step) {
        Value annotations = TRY(annotations_of(annotations_before(from, result), route, ingress_class));
        annotations[kCopiedAnnotations] = copied_keys(from);
        annotations[kRoutedStep] = step;
        Value& metadata = result["metadata"];
        metadata["annotations"] = std::move(annotations);
        metadata.erase("labels");
        for (auto const& [key, value] : from.at({"metadata", "labels"}).object())
            if (is_copied(key)) metadata["labels"][key] = value;
    }
    result["spec"] = TRY(spec_of(from["spec"], route));
    json::Doc const made = json::Doc::freeze(result);
    return made == canary ? canary : made;
}

}   // namespace

std::string canary_ingress_name(std::string_view stable) { return fmt::format("{}-canary", stable); }

Result<json::Doc> canary_ingress(json::Doc const& stable, json::Doc const& canary, Route const& route,
                                 IngressClass const& ingress_class, json::Value const& owner) {
    if (!canary.exists() && route.weight == 0 && route.matches.size() == 0) return json::Doc();
    auto result = as_it_should_be(stable, canary, route, ingress_class, owner);
    if (result) return result;
    return std::unexpected(result.error().context(fmt::format("Ingress {}/{}", meta::ns(stable), meta::name(stable))));
}

}   // namespace aviary::traffic
