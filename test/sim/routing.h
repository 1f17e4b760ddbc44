// The Service of a simulation's workload and the HTTPRoute that leads to it, as their owner writes them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/async/task.h"
#include "core/json/value.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::sim {

inline meta::GroupVersionResource const kServices{"", "v1", "services"};
inline meta::GroupVersionResource const kRoutes{"gateway.networking.k8s.io", "v1", "httproutes"};
inline meta::GroupVersionResource const kIngresses{"networking.k8s.io", "v1", "ingresses"};
// Of each. That of the workload is its own controller's, where pods come in groups.
inline constexpr char kShop[] = "shop";
inline constexpr char kShopCanary[] = "shop-canary";

// The definition of HTTPRoutes, as far as a release needs it.
json::Value routes_definition();
Task<Status> make_routing(Context ctx, client::Client client, bool by_ingress);
// A Rollout that leads requests, made of one that does not.
json::Value with_routing(json::Value rollout, bool by_ingress);
// What a release has left of its routing in one cluster; empty: nothing.
Task<std::string> routing_left(Context ctx, client::Client member, bool by_ingress);

// How many of the requests each Service has: of what an HTTPRoute leads anywhere, and of an Ingress and its canary, as
// ingress-nginx reads them. Either may be absent.
std::map<std::string, std::int64_t> weights_of(json::Doc const& route, json::Doc const& ingress,
                                               json::Doc const& canary);

}   // namespace aviary::sim
