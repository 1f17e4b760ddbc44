#include "routing.h"

#include <fmt/format.h>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "kinds.h"
#include "kube/meta/object.h"

namespace aviary::sim {

using json::Value;

namespace {

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

Value make_ingress() {
    return parse(R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"shop","namespace":"demo"},
        "spec":{"ingressClassName":"nginx","rules":[{"host":"shop.example.com","http":{"paths":[
        {"path":"/","pathType":"Prefix","backend":{"service":{"name":"shop","port":{"number":80}}}}]}}]}})");
}

// What leads to the Service.
Value make_leading(bool by_ingress) { return by_ingress ? make_ingress() : make_route(); }
meta::GroupVersionResource const& leading(bool by_ingress) { return by_ingress ? kIngresses : kRoutes; }

}   // namespace

Value routes_definition() {
    return parse(R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"httproutes.gateway.networking.k8s.io"},
        "spec":{"group":"gateway.networking.k8s.io","scope":"Namespaced",
        "names":{"kind":"HTTPRoute","listKind":"HTTPRouteList","plural":"httproutes","singular":"httproute"},
        "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{
        "type":"object","properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}})");
}

Task<Status> make_routing(Context ctx, client::Client client, bool by_ingress) {
    CO_TRY(co_await client.create(ctx, kServices, make_service()));
    CO_TRY(co_await client.create(ctx, leading(by_ingress), make_leading(by_ingress)));
    co_return Status{};
}

// Less than the pods that a step has. In partition style a step with all pods leads nothing: there is nobody else.
Value with_routing(Value rollout, bool by_ingress) {
    for (auto& [style, strategy] : rollout["spec"]["strategy"].make_object()) {
        bool const beside = style == "blueGreen" || strategy["enableExtraWorkloadForCanary"].as_bool();
        strategy["trafficRoutings"] =
            by_ingress
                ? parse(R"([{"service":"shop","gracePeriodSeconds":1,"ingress":{"classType":"nginx","name":"shop"}}])")
                : parse(R"([{"service":"shop","gracePeriodSeconds":1,"gateway":{"httpRouteName":"shop"}}])");
        char const* const traffic[] = {"5%", "40%", "100%"};
        std::size_t at = 0;
        for (Value& step : strategy["steps"].make_array()) {
            if (beside || std::as_const(step)["replicas"].as_string() != "100%") step["traffic"] = traffic[at];
            ++at;
        }
    }
    return rollout;
}

Task<std::string> routing_left(Context ctx, client::Client member, bool by_ingress) {
    std::string found;
    char const* const kind = by_ingress ? "Ingress" : "HTTPRoute";
    auto const route = co_await member.get(ctx, leading(by_ingress), {kNamespace, kShop});
    auto const service = co_await member.get(ctx, kServices, {kNamespace, kShop});
    auto const canary = co_await member.get(ctx, kServices, {kNamespace, kShopCanary});
    if (!route || !service) co_return fmt::format("no Service or no {}; ", kind);
    if (json::write_canonical((*route)["spec"].thaw()) != json::write_canonical(make_leading(by_ingress)["spec"]))
        found += fmt::format("the {} is not its owner's: {}; ", kind, json::write((*route)["spec"]));
    if (by_ingress) {
        auto const beside = co_await member.get(ctx, kIngresses, {kNamespace, kShopCanary});
        if (beside || !beside.error().is(ErrorCode::kNotFound)) found += "a canary Ingress; ";
    }
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

std::map<std::string, std::int64_t> weights_of(json::Doc const& route, json::Doc const& ingress,
                                               json::Doc const& canary) {
    std::map<std::string, std::int64_t> weights;
    for (auto const& [at, rule] : route.at({"spec", "rules"}).elements()) {
        for (auto const& [index, backend] : rule["backendRefs"].elements())
            weights[backend["name"].string()] += backend["weight"].as_int(1);
    }
    if (!ingress.exists()) return weights;
    auto const service_of = [](json::Doc const& each) {
        return each.at({"spec", "rules"})[0].at({"http", "paths"})[0].at({"backend", "service", "name"}).string();
    };
    // One that is no canary would be a rule as any other, for the same path.
    bool const divides = meta::annotation(canary, "nginx.ingress.kubernetes.io/canary") == "true";
    std::int64_t const weight =
        divides           ? parse_int(meta::annotation(canary, "nginx.ingress.kubernetes.io/canary-weight")).value_or(0)
        : canary.exists() ? 100
                          : 0;
    weights[service_of(ingress)] += 100 - weight;
    if (canary.exists()) weights[service_of(canary)] += weight;
    return weights;
}

}   // namespace aviary::sim
