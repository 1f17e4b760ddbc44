#include "member/traffic/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "kube/meta/object.h"
#include "member/traffic/gateway.h"
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

Outcome trouble(std::string message) { return {.writes = {}, .trouble = std::move(message)}; }

// Every target, through the functions of its kind.
Outcome each_target(Seen const& seen, bool restores, std::string const& why,
                    std::function<Result<Doc>(Target const&)> const& wanted) {
    Outcome outcome;
    for (Target const& target : seen.targets) {
        std::string const name = fmt::format("{} {}", target.kind, target.key.to_string());
        if (restores && (!target.served || (target.unreadable.empty() && !target.live.exists()))) continue;
        if (!target.served) {
            outcome.add(trouble(fmt::format("{} cannot be routed: this cluster does not know {}", name,
                                            target.resource.group_resource())));
        } else if (!target.unreadable.empty()) {
            outcome.add(trouble(fmt::format("{} cannot be read: {}", name, target.unreadable)));
        } else if (!target.live.exists()) {
            outcome.add(trouble(fmt::format("{} does not exist: create it", name)));
        } else {
            outcome.add(to_write(target.live, wanted(target), target.resource, target.kind, why));
        }
    }
    return outcome;
}

}   // namespace

std::vector<Target> targets_of(apis::TrafficRoutingRef const& routing, std::string const& ns) {
    std::vector<Target> result;
    auto const add = [&](std::string kind, meta::GroupVersionResource const& resource, std::string const& name) {
        if (name.empty()) return;
        Target& target = result.emplace_back();
        target.kind = std::move(kind);
        target.resource = resource;
        target.key = {ns, name};
    };
    if (!routing.gateway) return result;
    add("HTTPRoute", kHttpRoutes, routing.gateway->http_route_name);
    add("GRPCRoute", kGrpcRoutes, routing.gateway->grpc_route_name);
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
    return to_write(seen_.stable, pinned(seen_.stable, {setup_.revision_key, setup_.stable_revision}, now_), kServices,
                    "Service", "lead the stable Service to the stable version");
}

std::optional<Time> Traffic::holds_from() const {
    auto const since = setup_.generates ? pinned_since(seen_.stable) : std::nullopt;
    if (!since || *since + grace() <= now_) return std::nullopt;
    return *since + grace();
}

Outcome Traffic::services() const {
    if (!setup_.generates) return {};
    Outcome outcome = hold_stable();
    if (!outcome.trouble.empty()) return outcome;
    if (setup_.canary_revision.empty()) return trouble("the pods of the new version are not known yet");
    CanaryService const wanted{setup_.reference, {setup_.revision_key, setup_.canary_revision}, setup_.pod_labels};
    outcome.add(to_write(seen_.canary, canary_of(seen_.stable, seen_.canary, wanted), kServices, "Service",
                         "lead the canary Service to the new version"));
    return outcome;
}

Outcome Traffic::route(std::optional<std::int64_t> weight, Doc matches, Doc header_modifier) const {
    Route const route{setup_.routing.service, canary(), weight, std::move(matches), std::move(header_modifier)};
    return each_target(seen_, false, "route to the new version",
                       [&](Target const& target) { return routed_gateway(target.live, route); });
}

bool Traffic::routed() const { return (setup_.generates && seen_.canary.exists()) || !restore_routes().writes.empty(); }

Outcome Traffic::restore_routes() const {
    return each_target(seen_, true, "put the route back", [&](Target const& target) {
        return restored_gateway(target.live, setup_.routing.service, canary());
    });
}

// What is noted in the Service goes also where the Rollout asks for none by now.
Outcome Traffic::release_stable() const {
    if (!seen_.unreadable.empty()) return setup_.generates ? read_services() : Outcome();
    if (!seen_.stable.exists() || (!setup_.generates && !pinned_since(seen_.stable))) return {};
    return to_write(seen_.stable, released(seen_.stable, {setup_.revision_key, setup_.stable_revision}), kServices,
                    "Service", "put the stable Service back");
}

Outcome Traffic::remove_canary() const {
    if (!seen_.unreadable.empty()) return setup_.generates ? read_services() : Outcome();
    Outcome outcome;
    if (!seen_.canary.exists() || meta::is_deleting(seen_.canary) || !made_by(seen_.canary, setup_.reference))
        return outcome;
    Write removal;
    removal.verb = Write::Verb::kDelete;
    removal.resource = kServices;
    removal.key = meta::key_of(seen_.canary);
    removal.delete_options.uid = meta::uid(seen_.canary);
    removal.ignore_not_found = true;
    removal.why = "remove the canary Service";
    outcome.writes.push_back(std::move(removal));
    return outcome;
}

}   // namespace aviary::traffic
