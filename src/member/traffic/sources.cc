#include "member/traffic/sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "kube/client/discovery.h"
#include "member/traffic/gateway.h"
#include "member/traffic/ingress.h"
#include "member/traffic/services.h"

namespace aviary::traffic {

namespace {

// How often a cluster is asked for a kind of custom objects that it does not have.
constexpr Duration kAskAgain = std::chrono::seconds(10);
// Of custom objects: whoever may write a Rollout may name one.
constexpr std::size_t kMostKinds = 64;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};

bool has_scripts(apis::TrafficRoutingRef const& routing) {
    return routing.ingress.has_value() || !routing.custom_network_refs.empty();
}

meta::GroupVersionKind kind_of(std::string const& api_version, std::string const& kind) {
    auto const [group, version] = meta::parse_api_version(api_version);
    return {group, version, kind};
}

}   // namespace

Sources::Source::Source(client::Client const& client, meta::GroupVersionResource const& resource, std::string kind,
                        client::InformerOptions options)
    : kind(std::move(kind)), informer(client, resource, std::move(options)) {}

bool Sources::Source::missing() const {
    return !informer.synced() && informer.last_error() && informer.last_error()->is(ErrorCode::kNotFound);
}

Sources::Sources(client::Client const& client, std::string const& ns)
    : client_(client),
      services_(add(kServices, "Service")),
      http_(add(kHttpRoutes, "HTTPRoute")),
      http_beta_(add(kHttpRoutesBeta, "HTTPRoute")),
      grpc_(add(kGrpcRoutes, "GRPCRoute")),
      ingresses_(add(kIngresses, "Ingress")),
      scripts_(add(kConfigMaps, "ConfigMap", client::only({ns, std::string(kScriptsConfigMap)}))) {
    http_.informer.on_failure([this](Error const& error) {
        if (error.is(ErrorCode::kNotFound)) want(http_beta_);
    });
    scripts_.informer.on_change([this](client::Change const&) { tell_changed(); });
    for (Source* const routes : {&http_, &http_beta_, &grpc_}) {
        routes->informer.on_change([this](client::Change const& change) {
            for (Pool const& each : pools_of(change.object())) want(each.kind);
        });
    }
}

void Sources::tell_changed() const {
    for (auto const& changed : changed_) changed();
}

Sources::Source& Sources::add(meta::GroupVersionResource const& resource, std::string kind,
                              client::InformerOptions options) {
    Source& added = sources_.emplace_back(client_, resource, std::move(kind), std::move(options));
    added.informer.on_failure([this, &added](Error const&) {
        if (!std::exchange(added.failed, true)) tell_changed();
    });
    return added;
}

void Sources::want(Source& source) {
    if (std::exchange(source.wanted, true)) return;
    wake_.set();
}

void Sources::want(meta::GroupVersionKind const& kind) {
    if (customs_.contains(kind) || customs_.size() >= kMostKinds) return;
    customs_[kind].kind = kind;
    wake_.set();
}

void Sources::want(apis::TrafficRoutingRef const& routing) {
    want(services_);
    if (has_scripts(routing)) want(scripts_);
    if (routing.ingress) want(ingresses_);
    for (apis::CustomNetworkRef const& each : routing.custom_network_refs) want(kind_of(each.api_version, each.kind));
    if (!routing.gateway) return;
    if (!routing.gateway->http_route_name.empty()) want(http_);
    if (!routing.gateway->grpc_route_name.empty()) want(grpc_);
}

Task<void> Sources::begin(Context ctx, Source& source) {
    async::Scope scope(ctx);
    scope.spawn(source.informer.run(scope.context()));
    if (co_await source.informer.wait_synced(scope.context())) tell_changed();
    co_await scope.join();
}

Task<void> Sources::find(Context ctx, Custom& custom) {
    while (ctx.check()) {
        auto const found = co_await client::find_kind(ctx, client_, custom.kind);
        bool const served = found && *found && (*found)->namespaced;
        std::string const error = found ? "" : found.error().message();
        bool const news = !std::exchange(custom.answered, true) || custom.error != error;
        custom.error = error;
        if (served) {
            custom.source = &add((*found)->resource, custom.kind.kind);
            want(*custom.source);
            co_return;
        }
        if (news) tell_changed();
        (void)co_await async::sleep_for(ctx, kAskAgain);
    }
}

Task<void> Sources::run(Context ctx) {
    async::Scope scope(ctx);
    while (co_await wake_.wait(scope.context())) {
        wake_.reset();
        for (Source& each : sources_) {
            if (!each.wanted || std::exchange(each.begun, true)) continue;
            // What is told of the scripts is told of everything that is routed by one.
            for (auto const& started : started_) {
                if (&each != &scripts_) started(each.informer, each.kind);
            }
            scope.spawn(begin(scope.context(), each));
        }
        for (auto& [kind, each] : customs_) {
            if (!std::exchange(each.asked, true)) scope.spawn(find(scope.context(), each));
        }
    }
    co_await scope.join();
}

Sources::Source const* Sources::source_of(Target const& target) const {
    if (target.kind == "Ingress") return ingresses_.known() ? &ingresses_ : nullptr;
    if (target.kind == "GRPCRoute") return grpc_.known() ? &grpc_ : nullptr;
    if (http_.informer.synced()) return &http_;
    if (!http_.missing()) return http_.known() ? &http_ : nullptr;
    return http_beta_.known() ? &http_beta_ : nullptr;
}

bool Sources::fill(Target& target, Source const* source) {
    if (source == nullptr) return false;
    target.served = !source->missing();
    if (!target.served) return true;
    target.resource = source->informer.resource();
    if (!source->informer.synced()) target.unreadable = source->informer.last_error()->message();
    target.live = source->informer.get(target.key);
    return true;
}

bool Sources::fill_discovered(Target& target) const {
    auto const found = customs_.find({target.resource.group, target.resource.version, target.kind});
    if (found == customs_.end() && customs_.size() >= kMostKinds) {
        target.unreadable = fmt::format("{} kinds of custom objects are read already", kMostKinds);
        return true;
    }
    if (found == customs_.end() || !found->second.answered) return false;
    Custom const& custom = found->second;
    if (custom.source != nullptr) return custom.source->known() && fill(target, custom.source);
    target.served = !custom.error.empty();
    target.unreadable = custom.error;
    return true;
}

bool Sources::fill(Target& target) const {
    bool const discovered = target.provider == Provider::kCustom || target.provider == Provider::kPool;
    return discovered ? fill_discovered(target) : fill(target, source_of(target));
}

std::optional<Seen> Sources::see(apis::TrafficRoutingRef const& routing, std::string const& ns) const {
    Seen seen;
    seen.runner = &runner_;
    if (!services_.known() || (has_scripts(routing) && !scripts_.known())) return std::nullopt;
    if (!services_.informer.synced()) seen.unreadable = services_.informer.last_error()->message();
    seen.stable = services_.informer.get({ns, routing.service});
    seen.canary = services_.informer.get({ns, canary_name(routing.service)});
    if (has_scripts(routing) && !scripts_.informer.synced())
        seen.scripts_unreadable = scripts_.informer.last_error()->message();
    for (auto const& [key, each] : scripts_.informer.objects()) seen.scripts = each;
    seen.targets = targets_of(routing, ns);
    std::vector<Target> pools;
    for (Target& each : seen.targets) {
        if (!fill(each)) return std::nullopt;
        if (each.provider == Provider::kGateway)
            std::ranges::move(canary_pools_of(each.live, routing.service), std::back_inserter(pools));
    }
    for (Target& each : pools) {
        if (!fill(each)) return std::nullopt;
        seen.targets.push_back(std::move(each));
    }
    return seen;
}

}   // namespace aviary::traffic
