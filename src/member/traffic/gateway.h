// Routes of the Gateway API: HTTPRoute v1 and v1beta1, GRPCRoute v1. A backend that is the stable Service gets the
// canary one beside it: with its share of the stable one's weight, or in a rule of its own for requests that match.
// Backends may be InferencePools (inference.networking.k8s.io and inference.networking.x-k8s.io): the canary of pool
// `web` is pool `web-canary`, which is the user's own, with its endpoint picker. Pure.
//
// Where one Service has both versions, what a request is told by on its way is the header that a step changes: a rule
// for those that match, or a second backend of the same Service with the step's share.
//
// The rules as they were are kept in an annotation of the route, beside those that were made of them. What somebody
// changes in the route meanwhile is a change of the original.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "kube/meta/gvk.h"
#include "member/traffic/route.h"

namespace aviary::traffic {

inline meta::GroupVersionResource const kHttpRoutes{"gateway.networking.k8s.io", "v1", "httproutes"};
inline meta::GroupVersionResource const kHttpRoutesBeta{"gateway.networking.k8s.io", "v1beta1", "httproutes"};
inline meta::GroupVersionResource const kGrpcRoutes{"gateway.networking.k8s.io", "v1", "grpcroutes"};

// An InferencePool among a route's backends, of its own namespace.
struct Pool {
    meta::GroupVersionKind kind;
    std::string name;
    bool operator==(Pool const&) const = default;
};
std::vector<meta::GroupVersionKind> const& pool_kinds();
// The one of a backendRef's group and kind; null where that is no pool.
meta::GroupVersionKind const* pool_kind(std::string_view group, std::string_view kind);
// Each once.
std::vector<Pool> pools_of(json::Doc const& route);

// The route as it is to be now; equal to `live` where nothing is to change. An Error says what this kind of route
// cannot express, or that it leads nothing to the Service.
Result<json::Doc> routed_gateway(json::Doc const& live, Route const& route);
// With everything of ours gone.
Result<json::Doc> restored_gateway(json::Doc const& live, std::string_view stable_service,
                                   std::string_view canary_service);

}   // namespace aviary::traffic
