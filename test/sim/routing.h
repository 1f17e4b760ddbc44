// The Service of a simulation's workload and the HTTPRoute that leads to it, as their owner writes them.
#pragma once

#include <string>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::sim {

inline meta::GroupVersionResource const kServices{"", "v1", "services"};
inline meta::GroupVersionResource const kRoutes{"gateway.networking.k8s.io", "v1", "httproutes"};
// Of both. That of the workload is its own controller's, where pods come in groups.
inline constexpr char kShop[] = "shop";
inline constexpr char kShopCanary[] = "shop-canary";

// The definition of HTTPRoutes, as far as a release needs it.
json::Value routes_definition();
json::Value make_service();
json::Value make_route();
// A Rollout that leads requests, made of one that does not.
json::Value with_routing(json::Value rollout);
// What a release has left of its routing in one cluster; empty: nothing.
Task<std::string> routing_left(Context ctx, client::Client member);

}   // namespace aviary::sim
