// For tests: what leads requests, as Kruise Rollouts' manager 0.6 changes it in a release. A provider is one struct
// here.
#pragma once

#include <fmt/format.h>

#include "app/member/internal/test_routes.h"
#include "core/base/strings.h"

namespace aviary::member {

inline meta::GroupVersionResource const kIngresses{"networking.k8s.io", "v1", "ingresses"};
inline meta::GroupVersionResource const kMeshes{"networking.istio.io", "v1beta1", "virtualservices"};
inline meta::GroupVersionResource const kMeshRules{"networking.istio.io", "v1beta1", "destinationrules"};
inline constexpr char kOriginal[] = "rollouts.kruise.io/original-spec-configuration";

// As Istio's own, with any spec.
inline Value mesh_definition(std::string const& kind) {
    Value crd = *json::parse_value(
        R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"group":"networking.istio.io",
        "scope":"Namespaced","versions":[{"name":"v1beta1","served":true,"storage":true,"schema":{"openAPIV3Schema":{
        "type":"object","properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}})");
    std::string const plural = to_lower(kind) + "s";
    crd.set({"metadata", "name"}, plural + ".networking.istio.io");
    crd.set(
        {"spec", "names"},
        json::Object{{"kind", kind}, {"listKind", kind + "List"}, {"plural", plural}, {"singular", to_lower(kind)}});
    return crd;
}

class LedRoutes {
public:
    explicit LedRoutes(World& world) : world(world) {}
    virtual ~LedRoutes() = default;

    // Of trafficRoutings[0], beside its Service.
    virtual std::string reference() const = 0;
    // The user's own object, which is as it was in the end; nullopt: Kruise itself does not put it back so.
    virtual std::optional<meta::GroupVersionResource> restored() const = 0;
    virtual Task<Status> create() = 0;
    // What is there before a share is led.
    virtual Task<Status> prepare() { co_return Status{}; }
    virtual Task<Status> lead(int share) = 0;   // of a hundred
    virtual Task<Status> restore() = 0;
    // What is led to the new version; -1: it is not known there.
    virtual Task<std::int64_t> share() = 0;
    virtual Task<std::string> left() { co_return ""; }

protected:
    Context ctx() const { return world.scope.context(); }
    Task<Doc> get(meta::GroupVersionResource of, std::string name) {
        auto const found = co_await world.client->find(ctx(), of, {"default", name});
        co_return found ? *found : Doc();
    }
    Task<Status> merge_into(meta::GroupVersionResource of, std::string name, Value patch) {
        CO_TRY(co_await world.client->patch(ctx(), of, {"default", name}, client::PatchType::kMerge, std::move(patch)));
        co_return Status{};
    }
    // Of a kind whose definition has only come.
    Task<Status> create_served(meta::GroupVersionResource of, Value object) {
        CO_TRY(co_await async::sleep_for(ctx(), 1s));
        CO_TRY(co_await world.client->create(ctx(), of, std::move(object)));
        co_return Status{};
    }

    World& world;
};

// A HTTPRoute, whose weight is 1 in the end.
class LedGateway final : public LedRoutes {
public:
    using LedRoutes::LedRoutes;

    std::string reference() const override { return R"("gateway":{"httpRouteName":"web"})"; }
    std::optional<meta::GroupVersionResource> restored() const override { return std::nullopt; }
    Task<Status> create() override {
        CO_TRY(co_await world.client->create(ctx(), kCrds, routes_definition("v1")));
        co_return co_await create_served(
            kRoutes,
            *json::parse_value(
                R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"web","namespace":"default"},
                "spec":{"rules":[{"backendRefs":[{"name":"web","port":80,"kind":"Service"}]}]}})"));
    }
    Task<Status> lead(int share) override {
        co_return co_await set({ref("web", 100 - share), ref("web-canary", share)});
    }
    Task<Status> restore() override { co_return co_await set({ref("web", 1)}); }
    Task<std::int64_t> share() override {
        Doc const rule = (co_await get(kRoutes, "web")).at({"spec", "rules"})[0];
        for (auto const& [index, each] : rule["backendRefs"].elements()) {
            if (each["name"].as_string() == "web-canary") co_return each["weight"].as_int();
        }
        co_return -1;
    }
    Task<std::string> left() override {
        Doc const rules = (co_await get(kRoutes, "web")).at({"spec", "rules"});
        bool const own = rules.size() == 1 && rules[0]["backendRefs"].size() == 1;
        co_return own ? "" : "rules " + json::write(rules) + "; ";
    }

private:
    static Value ref(char const* name, int weight) {
        return json::Object{{"name", name}, {"port", 80}, {"kind", "Service"}, {"weight", weight}};
    }
    Task<Status> set(json::Array refs) {
        Value patch{json::Object()};
        patch.set({"spec", "rules"}, json::Array{json::Object{{"backendRefs", std::move(refs)}}});
        co_return co_await merge_into(kRoutes, "web", std::move(patch));
    }
};

// A second Ingress beside the user's: it comes without requests, and the next look gives it its share.
class LedIngress final : public LedRoutes {
public:
    using LedRoutes::LedRoutes;

    std::string reference() const override { return R"("ingress":{"classType":"nginx","name":"web"})"; }
    std::optional<meta::GroupVersionResource> restored() const override { return kIngresses; }
    Task<Status> create() override {
        CO_TRY(co_await world.client->create(
            ctx(), kIngresses,
            *json::parse_value(
                R"({"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web","namespace":"default",
                "labels":{"team":"a"},"annotations":{"nginx.ingress.kubernetes.io/proxy-body-size":"8m"}},
                "spec":{"ingressClassName":"nginx","tls":[{"hosts":["web.example.com"],"secretName":"web"}],
                "rules":[{"host":"web.example.com","http":{"paths":[
                  {"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}},
                  {"path":"/api","pathType":"Prefix","backend":{"service":{"name":"api","port":{"number":80}}}}]}}]}})")));
        co_return Status{};
    }
    Task<Status> prepare() override {
        if ((co_await get(kIngresses, "web-canary")).exists()) co_return Status{};
        Value object = (co_await get(kIngresses, "web")).thaw();
        Value metadata{json::Object{{"name", "web-canary"}, {"namespace", "default"}}};
        for (char const* copied : {"labels", "annotations"}) metadata[copied] = object.at({"metadata", copied});
        metadata["ownerReferences"] = json::Array{json::Object{{"apiVersion", "rollouts.kruise.io/v1beta1"},
                                                               {"kind", "Rollout"},
                                                               {"name", "web"},
                                                               {"uid", meta::uid(co_await world.get(apis::kRollouts))},
                                                               {"controller", true},
                                                               {"blockOwnerDeletion", true}}};
        metadata["annotations"]["nginx.ingress.kubernetes.io/canary"] = "true";
        metadata["annotations"]["nginx.ingress.kubernetes.io/canary-weight"] = "0";
        object["metadata"] = std::move(metadata);
        object.erase("status");
        object.set({"spec", "rules"}, *json::parse_value(
                                          R"([{"host":"web.example.com","http":{"paths":[
              {"path":"/","pathType":"Prefix","backend":{"service":{"name":"web-canary","port":{"number":80}}}}]}}])"));
        CO_TRY(co_await world.client->create(ctx(), kIngresses, std::move(object)));
        co_return Status{};
    }
    Task<Status> lead(int share) override {
        CO_TRY(co_await prepare());
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", "nginx.ingress.kubernetes.io/canary-weight"}, std::to_string(share));
        co_return co_await merge_into(kIngresses, "web-canary", std::move(patch));
    }
    Task<Status> restore() override {
        if ((co_await get(kIngresses, "web-canary")).exists())
            CO_TRY(co_await world.client->remove(ctx(), kIngresses, {"default", "web-canary"}));
        co_return Status{};
    }
    Task<std::int64_t> share() override {
        Doc const beside = co_await get(kIngresses, "web-canary");
        if (!beside.exists()) co_return -1;
        EXPECT_EQ(json::write(beside.at({"spec", "tls"})), R"([{"hosts":["web.example.com"],"secretName":"web"}])");
        co_return parse_int(meta::annotation(beside, "nginx.ingress.kubernetes.io/canary-weight")).value_or(-2);
    }
    Task<std::string> left() override {
        co_return (co_await get(kIngresses, "web-canary")).exists() ? "the second Ingress; " : "";
    }
};

// A VirtualService, whose original is kept in an annotation of it.
class LedMesh final : public LedRoutes {
public:
    using LedRoutes::LedRoutes;

    std::string reference() const override {
        return R"("customNetworkRefs":[{"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","name":"web"}])";
    }
    std::optional<meta::GroupVersionResource> restored() const override { return kMeshes; }
    Task<Status> create() override {
        CO_TRY(co_await world.client->create(ctx(), kCrds, mesh_definition("VirtualService")));
        Value object = *json::parse_value(
            R"({"apiVersion":"networking.istio.io/v1beta1","kind":"VirtualService","metadata":{"name":"web","namespace":"default",
            "labels":{"team":"a"},"annotations":{"note":"b"}}})");
        object["spec"] = spec({json::Object{{"destination", json::Object{{"host", "web"}}}}});
        co_return co_await create_served(kMeshes, std::move(object));
    }
    Task<Status> lead(int share) override {
        Value object = (co_await get(kMeshes, "web")).thaw();
        if (object.at({"metadata", "annotations"})[kOriginal].is_null())
            object["metadata"]["annotations"][kOriginal] =
                R"({"spec":{"gateways":["mesh"],"hosts":["web"],"http":[{"route":[{"destination":{"host":"web"}}],"timeout":"3s"}]},"labels":{"team":"a"},"annotations":{"note":"b"}})";
        object["spec"] = spec({to("web", 100 - share), to("web-canary", share)});
        CO_TRY(co_await world.client->update(ctx(), kMeshes, std::move(object)));
        co_return Status{};
    }
    Task<Status> restore() override {
        Value object = (co_await get(kMeshes, "web")).thaw();
        if (object.at({"metadata", "annotations"})[kOriginal].is_null()) co_return Status{};
        object["metadata"]["annotations"].erase(kOriginal);
        object["spec"] = spec({json::Object{{"destination", json::Object{{"host", "web"}}}}});
        CO_TRY(co_await world.client->update(ctx(), kMeshes, std::move(object)));
        co_return Status{};
    }
    Task<std::int64_t> share() override {
        Doc const rule = (co_await get(kMeshes, "web")).at({"spec", "http"})[0];
        for (auto const& [index, each] : rule["route"].elements()) {
            if (each.at({"destination", "host"}).as_string() == "web-canary") co_return each["weight"].as_int();
        }
        co_return -1;
    }

private:
    static Value to(char const* host, int weight) {
        return json::Object{{"destination", json::Object{{"host", host}}}, {"weight", weight}};
    }
    static Value spec(json::Array routes) {
        Value result = *json::parse_value(R"({"gateways":["mesh"],"hosts":["web"]})");
        result["http"] = json::Array{json::Object{{"route", std::move(routes)}, {"timeout", "3s"}}};
        return result;
    }
};

}   // namespace aviary::member
