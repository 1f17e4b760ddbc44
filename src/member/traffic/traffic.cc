#include "member/traffic/traffic.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/json/patch.h"
#include "kube/meta/object.h"
#include "member/traffic/custom.h"
#include "member/traffic/gateway.h"
#include "member/traffic/ingress.h"
#include "member/traffic/services.h"

namespace aviary::traffic {

namespace {

using control::Write;
using json::Doc;

// The write that makes `live` into `wanted`, of the version that was read: none when they are equal.
Outcome to_write(Doc const& live, Result<Doc> const& wanted, meta::GroupVersionResource const& resource,
                 std::string_view kind, std::string why) {
    Outcome outcome;
    if (!wanted) {
        outcome.trouble = wanted.error().message();
    } else if (!(*wanted == live)) {
        Write write;
        write.verb = live.exists() ? Write::Verb::kUpdate : Write::Verb::kCreate;
        write.resource = resource;
        write.key = meta::key_of(*wanted);
        write.body = wanted->thaw();
        write.body["apiVersion"] = resource.api_version();   // members of a list do not say so
        write.body["kind"] = kind;
        write.why = std::move(why);
        outcome.writes.push_back(std::move(write));
    }
    return outcome;
}

// Changes nothing; fails where the pod is gone, is about to go, or is labelled otherwise by now.
Write test_of_pod(Doc const& pod, std::string_view key) {
    Write write;
    write.verb = Write::Verb::kJsonPatch;
    write.resource = {"", "v1", "pods"};
    write.key = meta::key_of(pod);
    write.body = json::Array{json::Object{{"op", "test"},
                                          {"path", "/metadata/labels/" + json::escape_pointer(key)},
                                          {"value", meta::label(pod, key)}},
                             json::Object{{"op", "test"}, {"path", "/metadata/deletionTimestamp"}, {"value", nullptr}}};
    write.why = "whether a pod of the stable version is there";
    return write;
}

Outcome trouble(std::string message) { return {.writes = {}, .trouble = std::move(message)}; }

std::string name_of(Target const& target) { return fmt::format("{} {}", target.kind, target.key.to_string()); }

// Why nothing can be done with it; in force: it can.
Outcome unusable(Target const& target) {
    if (!target.served) {
        std::string const what =
            target.provider == Provider::kCustom || target.provider == Provider::kPool
                ? fmt::format("a namespaced kind {} in {}", target.kind, target.resource.api_version())
                : target.resource.group_resource();
        return trouble(fmt::format("{} cannot be routed: this cluster does not know {}", name_of(target), what));
    }
    if (!target.unreadable.empty())
        return trouble(fmt::format("{} cannot be read: {}", name_of(target), target.unreadable));
    return {};
}

}   // namespace

std::string Target::label() const { return fmt::format("{}.{}/{}", kind, resource.group, key.name); }

std::vector<Target> targets_of(apis::TrafficRoutingRef const& routing, std::string const& ns) {
    std::vector<Target> result;
    auto const add = [&](Provider provider, std::string const& kind, meta::GroupVersionResource const& resource,
                         std::string const& name) {
        if (name.empty()) return;
        Target target;
        target.provider = provider;
        target.kind = kind;
        target.resource = resource;
        target.key = {ns, name};
        bool const known =
            std::ranges::any_of(result, [&](Target const& each) { return each.label() == target.label(); });
        if (!known) result.push_back(std::move(target));
    };
    for (apis::CustomNetworkRef const& each : routing.custom_network_refs) {
        auto const [group, version] = meta::parse_api_version(each.api_version);
        add(Provider::kCustom, each.kind, {group, version, {}}, each.name);
    }
    if (routing.ingress && !routing.ingress->name.empty()) {
        add(Provider::kIngress, "Ingress", kIngresses, routing.ingress->name);
        add(Provider::kCanaryIngress, "Ingress", kIngresses, canary_ingress_name(routing.ingress->name));
    }
    if (!routing.gateway) return result;
    add(Provider::kGateway, "HTTPRoute", kHttpRoutes, routing.gateway->http_route_name);
    add(Provider::kGateway, "GRPCRoute", kGrpcRoutes, routing.gateway->grpc_route_name);
    return result;
}

std::vector<Target> canary_pools_of(Doc const& route, std::string const& service) {
    std::vector<Target> result;
    for (Pool const& each : pools_of(route)) {
        if (each.name != service) continue;
        Target target;
        target.provider = Provider::kPool;
        target.kind = each.kind.kind;
        target.resource = {each.kind.group, each.kind.version, {}};
        target.key = {meta::ns(route), canary_name(service)};
        result.push_back(std::move(target));
    }
    return result;
}

void Outcome::add(Outcome other) {
    if (trouble.empty()) trouble = std::move(other.trouble);
    for (Write& each : other.writes) writes.push_back(std::move(each));
    if (!trouble.empty()) writes.clear();
}

std::string Traffic::canary() const {
    return setup_.generates ? canary_name(setup_.routing.service) : setup_.routing.service;
}

Duration Traffic::grace() const {
    std::int64_t const seconds = setup_.routing.grace_period_seconds.value_or(apis::kDefaultGracePeriod);
    return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, apis::kLongestGracePeriod));
}

Outcome Traffic::read_services() const {
    if (!seen_.unreadable.empty()) return trouble(fmt::format("Services cannot be read: {}", seen_.unreadable));
    if (!seen_.stable.exists())
        return trouble(fmt::format("Service {} does not exist: create it", key(setup_.routing.service).to_string()));
    return {};
}

Outcome Traffic::hold_stable() const {
    if (!setup_.generates) return {};
    if (Outcome unread = read_services(); !unread.in_force()) return unread;
    if (setup_.stable_revision.empty()) return trouble("the pods of the stable version are not known yet");
    Outcome outcome = to_write(seen_.stable, pinned(seen_.stable, {setup_.revision_key, setup_.stable_revision}, now_),
                               kServices, "Service", "lead the stable Service to the stable version");
    if (!outcome.writes.empty() && setup_.stable_pod.exists())
        outcome.writes.insert(outcome.writes.begin(), test_of_pod(setup_.stable_pod, setup_.revision_key));
    return outcome;
}

// Of a Service that was changed then; absent: it is known everywhere.
std::optional<Time> Traffic::known_from(std::optional<Time> changed) const {
    if (!setup_.generates || !changed || *changed + grace() <= now_) return std::nullopt;
    return *changed + grace();
}

std::optional<Time> Traffic::holds_from() const { return known_from(pinned_since(seen_.stable)); }

Outcome Traffic::canary_service() const {
    if (!setup_.generates) return {};
    if (Outcome unread = read_services(); !unread.in_force()) return unread;
    if (setup_.canary_revision.empty()) return trouble("the pods of the new version are not known yet");
    CanaryService const wanted{setup_.reference, {setup_.revision_key, setup_.canary_revision}, setup_.pod_labels};
    return to_write(seen_.canary, canary_of(seen_.stable, seen_.canary, wanted), kServices, "Service",
                    "lead the canary Service to the new version");
}

std::optional<Time> Traffic::canary_from() const { return known_from(meta::created(seen_.canary)); }

Outcome Traffic::services() const {
    Outcome outcome = hold_stable();
    if (outcome.trouble.empty()) outcome.add(canary_service());
    return outcome;
}

// A script of the user's own may stand in place of a built-in one: without the ConfigMap it is not known which it is.
Status Traffic::read_scripts() const {
    if (seen_.scripts_unreadable.empty()) return {};
    return fail(ErrorCode::kUnavailable,
                fmt::format("ConfigMap {} cannot be read: {}", kScriptsConfigMap, seen_.scripts_unreadable));
}

Result<lua::Script> Traffic::script_for(Target const& target) const {
    bool const ingress = target.provider == Provider::kIngress;
    if (ingress || !is_built_in_first(target.resource.group)) TRY(read_scripts());
    if (ingress) return ingress_script(setup_.routing.ingress->class_type, seen_.scripts);
    auto script = custom_script(target.resource.group, target.kind, seen_.scripts);
    if (script) return script;
    TRY(read_scripts());
    return std::unexpected(script.error().context(name_of(target)));
}

Result<Doc> Traffic::routed_ingress(Target const& stable, Doc const& beside, Route const& route) const {
    std::string type = setup_.routing.ingress->class_type;
    if (type.empty()) type = kDefaultIngressClass;
    lua::Script script = TRY(script_for(stable));
    return canary_ingress(stable.live, beside, route, {std::move(type), std::move(script), seen_.runner},
                          setup_.reference);
}

Result<Doc> Traffic::routed_object(Target const& target, Route const& route) const {
    lua::Script const script = TRY(script_for(target));
    return routed_custom(target.live, route, script, seen_.runner);
}

Target const* Traffic::beside(Target const& ingress) const {
    auto const found = std::ranges::find_if(seen_.targets, [&](Target const& each) {
        return each.provider == Provider::kCanaryIngress && each.key.name == canary_ingress_name(ingress.key.name);
    });
    return found == seen_.targets.end() ? nullptr : &*found;
}

Outcome Traffic::ready(Target const& target) const {
    if (target.provider == Provider::kCanaryIngress) return {};   // made of the one that it is beside
    if (Outcome outcome = unusable(target); !outcome.in_force()) return outcome;
    if (!target.live.exists()) return trouble(fmt::format("{} does not exist: create it", name_of(target)));
    if (target.provider != Provider::kIngress && target.provider != Provider::kCustom) return {};
    auto const script = script_for(target);
    return script ? Outcome() : trouble(script.error().message());
}

Outcome Traffic::ready() const {
    Outcome outcome = setup_.generates ? read_services() : Outcome();
    for (Target const& target : seen_.targets) outcome.add(ready(target));
    return outcome;
}

Outcome Traffic::route_one(Target const& target, Route const& route) const {
    constexpr std::string_view kWhy = "route to the new version";
    if (Outcome outcome = ready(target); !outcome.in_force()) return outcome;
    if (target.provider == Provider::kCanaryIngress || target.provider == Provider::kPool) return {};
    auto const write = [&](Doc const& live, Result<Doc> const& wanted) {
        return to_write(live, wanted, target.resource, target.kind, std::string(kWhy));
    };
    if (target.provider == Provider::kGateway) return write(target.live, routed_gateway(target.live, route));
    if (target.provider == Provider::kCustom) return write(target.live, routed_object(target, route));
    Target const* const canary = beside(target);
    Doc const live = canary == nullptr ? Doc() : canary->live;
    return write(live, routed_ingress(target, live, route));
}

Outcome Traffic::route(std::optional<std::int64_t> weight, Doc matches, Doc header_modifier) const {
    Route const route{setup_.routing.service, canary(), weight, std::move(matches), std::move(header_modifier)};
    Outcome outcome;
    for (Target const& target : seen_.targets) outcome.add(route_one(target, route));
    return outcome;
}

bool Traffic::routed() const { return (setup_.generates && seen_.canary.exists()) || !restore_routes().writes.empty(); }

Outcome Traffic::restore_one(Target const& target) const {
    // Where the kind or the object is gone nothing is left that could be put back.
    bool const gone = !target.served || (target.unreadable.empty() && !target.live.exists());
    bool const written = target.provider != Provider::kIngress && target.provider != Provider::kPool;
    if (gone || !written) return {};
    if (Outcome outcome = unusable(target); !outcome.in_force()) return outcome;
    if (target.provider == Provider::kCanaryIngress)
        return remove_made(target.live, target.resource, "remove the canary Ingress");
    Result<Doc> const restored = target.provider == Provider::kCustom
                                     ? restored_custom(target.live)
                                     : restored_gateway(target.live, setup_.routing.service, canary());
    return to_write(target.live, restored, target.resource, target.kind, "put the route back");
}

Outcome Traffic::restore_routes() const {
    Outcome outcome;
    for (Target const& target : seen_.targets) outcome.add(restore_one(target));
    return outcome;
}

// What is noted in the Service goes also where the Rollout asks for none by now.
Outcome Traffic::release_stable() const {
    if (!seen_.unreadable.empty()) return setup_.generates ? read_services() : Outcome();
    if (!seen_.stable.exists() || (!setup_.generates && !pinned_since(seen_.stable))) return {};
    return to_write(seen_.stable, released(seen_.stable, {setup_.revision_key, setup_.stable_revision}), kServices,
                    "Service", "put the stable Service back");
}

// What is not the Rollout's own stays.
Outcome Traffic::remove_made(Doc const& live, meta::GroupVersionResource const& resource, std::string why) const {
    Outcome outcome;
    if (!live.exists() || meta::is_deleting(live) || !made_by(live, setup_.reference)) return outcome;
    outcome.writes.push_back(control::deletion(resource, live, std::move(why)));
    return outcome;
}

Outcome Traffic::remove_canary() const {
    if (!seen_.unreadable.empty()) return setup_.generates ? read_services() : Outcome();
    return remove_made(seen_.canary, kServices, "remove the canary Service");
}

}   // namespace aviary::traffic
