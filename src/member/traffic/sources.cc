#include "member/traffic/sources.h"

#include <utility>

#include "member/traffic/gateway.h"
#include "member/traffic/services.h"

namespace aviary::traffic {

namespace {

// How often a cluster is asked for a kind that it does not have.
constexpr Duration kAskAgain = std::chrono::seconds(10);

}   // namespace

Sources::Source::Source(client::Client const& client, meta::GroupVersionResource const& resource, std::string kind)
    : kind(std::move(kind)),
      informer(client, resource,
               {.ns = {}, .label_selector = {}, .field_selector = {}, .transform = {}, .last_backoff = kAskAgain}) {}

bool Sources::Source::missing() const {
    return !informer.synced() && informer.last_error() && informer.last_error()->is(ErrorCode::kNotFound);
}

Sources::Sources(client::Client const& client)
    : services_(sources_.emplace_back(client, kServices, "Service")),
      http_(sources_.emplace_back(client, kHttpRoutes, "HTTPRoute")),
      http_beta_(sources_.emplace_back(client, kHttpRoutesBeta, "HTTPRoute")),
      grpc_(sources_.emplace_back(client, kGrpcRoutes, "GRPCRoute")) {
    http_.informer.on_failure([this](Error const& error) {
        if (error.is(ErrorCode::kNotFound)) want(http_beta_);
    });
    for (Source& each : sources_) {
        each.informer.on_failure([this, &each](Error const&) {
            if (!std::exchange(each.failed, true) && changed_) changed_();
        });
    }
}

void Sources::want(Source& source) {
    if (std::exchange(source.wanted, true)) return;
    wake_.set();
}

void Sources::want(apis::TrafficRoutingRef const& routing) {
    want(services_);
    if (!routing.gateway) return;
    if (!routing.gateway->http_route_name.empty()) want(http_);
    if (!routing.gateway->grpc_route_name.empty()) want(grpc_);
}

Task<void> Sources::begin(Context ctx, Source& source) {
    async::Scope scope(ctx);
    scope.spawn(source.informer.run(scope.context()));
    if (co_await source.informer.wait_synced(scope.context()) && changed_) changed_();
    co_await scope.join();
}

Task<void> Sources::run(Context ctx) {
    async::Scope scope(ctx);
    while (co_await wake_.wait(scope.context())) {
        wake_.reset();
        for (Source& each : sources_) {
            if (!each.wanted || std::exchange(each.begun, true)) continue;
            if (started_) started_(each.informer, each.kind);
            scope.spawn(begin(scope.context(), each));
        }
    }
    co_await scope.join();
}

Sources::Source const* Sources::source_of(Target const& target) const {
    if (target.kind == "GRPCRoute") return grpc_.known() ? &grpc_ : nullptr;
    if (http_.informer.synced()) return &http_;
    if (!http_.missing()) return http_.known() ? &http_ : nullptr;
    return http_beta_.known() ? &http_beta_ : nullptr;
}

std::optional<Seen> Sources::see(apis::TrafficRoutingRef const& routing, std::string const& ns) const {
    Seen seen;
    if (!services_.known()) return std::nullopt;
    if (!services_.informer.synced()) seen.unreadable = services_.informer.last_error()->message();
    seen.stable = services_.informer.get({ns, routing.service});
    seen.canary = services_.informer.get({ns, canary_name(routing.service)});
    seen.targets = targets_of(routing, ns);
    for (Target& each : seen.targets) {
        Source const* const source = source_of(each);
        if (source == nullptr) return std::nullopt;
        each.served = !source->missing();
        if (!each.served) continue;
        each.resource = source->informer.resource();
        if (!source->informer.synced()) each.unreadable = source->informer.last_error()->message();
        each.live = source->informer.get(each.key);
    }
    return seen;
}

}   // namespace aviary::traffic
