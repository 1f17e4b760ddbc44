#include "routing.h"

#include <fmt/format.h>

#include "core/json/write.h"
#include "kinds.h"
#include "kube/meta/object.h"

namespace aviary::sim {

using json::Value;

Value routes_definition() {
    return parse(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"httproutes.gateway.networking.k8s.io"},
        "spec":{"group":"gateway.networking.k8s.io","scope":"Namespaced",
        "names":{"kind":"HTTPRoute","listKind":"HTTPRouteList","plural":"httproutes","singular":"httproute"},
        "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{
        "type":"object","properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}})");
}

Value make_service() {
    return parse(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"shop","namespace":"demo"},
        "spec":{"selector":{"app":"web"},"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080}]}})");
}

Value make_route() {
    return parse(R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute",
        "metadata":{"name":"shop","namespace":"demo"},"spec":{"hostnames":["shop.example.com"],"rules":[
        {"matches":[{"path":{"type":"PathPrefix","value":"/"}}],
         "backendRefs":[{"group":"","kind":"Service","name":"shop","port":80,"weight":3}]}]}})");
}

// Less than the pods that a step has. In partition style a step with all pods leads nothing: there is nobody else.
Value with_routing(Value rollout) {
    for (auto& [style, strategy] : rollout["spec"]["strategy"].make_object()) {
        bool const beside = style == "blueGreen" || strategy["enableExtraWorkloadForCanary"].as_bool();
        strategy["trafficRoutings"] =
            parse(R"([{"service":"shop","gracePeriodSeconds":1,"gateway":{"httpRouteName":"shop"}}])");
        char const* const traffic[] = {"5%", "40%", "100%"};
        std::size_t at = 0;
        for (Value& step : strategy["steps"].make_array()) {
            if (beside || std::as_const(step)["replicas"].as_string() != "100%") step["traffic"] = traffic[at];
            ++at;
        }
    }
    return rollout;
}

Task<std::string> routing_left(Context ctx, client::Client member) {
    std::string found;
    auto const route = co_await member.get(ctx, kRoutes, {kNamespace, kShop});
    auto const service = co_await member.get(ctx, kServices, {kNamespace, kShop});
    auto const canary = co_await member.get(ctx, kServices, {kNamespace, kShopCanary});
    if (!route || !service) co_return "no Service or no HTTPRoute; ";
    if (json::write_canonical((*route)["spec"].thaw()) != json::write_canonical(make_route()["spec"]))
        found += "the HTTPRoute is not its owner's: " + json::write((*route)["spec"]) + "; ";
    if ((*service).at({"spec", "selector"}).thaw() != make_service().at({"spec", "selector"}))
        found += "the Service is not its owner's: " + json::write((*service)["spec"]) + "; ";
    for (auto const& object : {*route, *service}) {
        for (auto const& [key, value] : object.at({"metadata", "annotations"}).members()) {
            if (key.find("rollouts.") != std::string_view::npos)
                found += fmt::format("{} on {}; ", key, meta::name(object));
        }
    }
    if (canary || !canary.error().is(ErrorCode::kNotFound)) found += "a canary Service; ";
    co_return found;
}

}   // namespace aviary::sim
