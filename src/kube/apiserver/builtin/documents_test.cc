// Discovery and OpenAPI documents.
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/apiserver/builtin/builtin.h"
#include "kube/apiserver/builtin/discovery.h"
#include "kube/apiserver/builtin/openapi.h"

namespace aviary::builtin {
namespace {

json::Doc doc(std::string_view text) { return json::parse(text).value(); }

std::vector<std::shared_ptr<apiserver::ResourceInfo const>> with_custom() {
    auto resources = builtin_resources();
    auto info = std::make_shared<apiserver::ResourceInfo>();
    info->resource = {"rollouts.kruise.io", "v1beta1", "rollouts"};
    info->kind = "Rollout";
    info->list_kind = "RolloutList";
    info->singular = "rollout";
    info->verbs = {"create", "get", "list", "patch", "watch"};
    info->custom = true;
    info->has_status = true;
    info->openapi = doc(R"({"type":"object","properties":{"spec":{"type":"object","nullable":true,"properties":{
        "replicas":{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]}}}}})");
    resources.push_back(info);
    return resources;
}

TEST(Discovery, ListsResourcesWithTheirSubresources) {
    auto resources = with_custom();
    json::Value list = api_resource_list(resources, "apps", "v1");
    std::string names;
    for (json::Value const& entry : list["resources"].array()) names += entry["name"].string() + " ";
    EXPECT_EQ(
        names,
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets "
        "replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status ");
    EXPECT_EQ(
        json::write(list["resources"].element(4)),
        R"({"name":"deployments/scale","singularName":"","namespaced":true,"group":"autoscaling","version":"v1","kind":"Scale","verbs":["get","patch","update"]})");
    EXPECT_TRUE(api_resource_list(resources, "apps", "v2").is_null());
}

TEST(Discovery, PrefersTheNewestStableVersion) {
    json::Value group = api_group(builtin_resources(), "autoscaling");
    EXPECT_EQ(json::write(group["preferredVersion"]), R"({"groupVersion":"autoscaling/v2","version":"v2"})");
}

TEST(Discovery, AggregatesWhenAsked) {
    std::string_view newest =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;"
        "v=v2beta1;as=APIGroupDiscoveryList,application/json";
    EXPECT_EQ(discovery_form(newest), DiscoveryForm::kAggregatedV2);
    EXPECT_EQ(
        discovery_form("application/json;as=APIGroupDiscoveryList;v=v2beta1;g=apidiscovery.k8s.io,application/json"),
        DiscoveryForm::kAggregatedV2Beta1);
    EXPECT_EQ(discovery_form("application/json"), DiscoveryForm::kPlain);
    json::Value core = aggregated_discovery(builtin_resources(), true, DiscoveryForm::kAggregatedV2);
    ASSERT_EQ(core["items"].size(), 1U);
    EXPECT_EQ(core["items"].element(0)["versions"].element(0)["version"].string(), "v1");
}

TEST(OpenApi, ThirdVersionHasWhatKubectlLooksFor) {
    auto resources = with_custom();
    auto openapi = OpenApi::shared(resources);
    EXPECT_EQ(openapi, OpenApi::shared(resources));
    json::Doc index = doc(openapi->v3_index()->body);
    EXPECT_TRUE(index["paths"].contains("apis/rollouts.kruise.io/v1beta1"));

    json::Doc apps = doc(openapi->v3("apis/apps/v1")->body);
    json::Doc patch = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    EXPECT_EQ(patch["x-kubernetes-group-version-kind"]["kind"].as_string(), "Deployment");
    std::string query;
    for (auto [_, parameter] : patch["parameters"].elements()) query += parameter["name"].string() + " ";
    EXPECT_EQ(query, "dryRun fieldManager fieldValidation force ");
    EXPECT_TRUE(apps["components"]["schemas"].contains("io.k8s.api.core.v1.PodSpec"));
    EXPECT_FALSE(apps["components"]["schemas"].contains("io.k8s.api.batch.v1.Job"));

    json::Doc custom = doc(openapi->v3("apis/rollouts.kruise.io/v1beta1")->body);
    json::Doc rollout = custom["components"]["schemas"]["io.kruise.rollouts.v1beta1.Rollout"];
    EXPECT_EQ(rollout["x-kubernetes-group-version-kind"].element(0)["kind"].as_string(), "Rollout");
    EXPECT_EQ(openapi->v3("apis/none/v1"), nullptr);
}

// Every reference leads somewhere: kubectl refuses the whole document otherwise.
void expect_closed(json::Doc const& value, json::Doc const& definitions, std::string_view prefix) {
    for (auto [key, member] : value.members()) {
        if (key == "$ref" && member.is_string()) {
            ASSERT_TRUE(member.as_string().starts_with(prefix)) << member.as_string();
            EXPECT_TRUE(definitions.contains(member.as_string().substr(prefix.size()))) << member.as_string();
        }
        expect_closed(member, definitions, prefix);
    }
    for (auto [_, element] : value.elements()) expect_closed(element, definitions, prefix);
}

TEST(OpenApi, SecondVersionIsClosedAndFlat) {
    OpenApi openapi(with_custom());
    json::Doc swagger = doc(openapi.v2("application/json")->body);
    expect_closed(swagger["paths"], swagger["definitions"], "#/definitions/");
    expect_closed(swagger["definitions"], swagger["definitions"], "#/definitions/");
    EXPECT_EQ(json::write(swagger["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]),
              R"({"type":"string"})");
    EXPECT_EQ(json::write(swagger["definitions"]["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["template"]),
              R"({"$ref":"#/definitions/io.k8s.api.core.v1.PodTemplateSpec"})");
    EXPECT_EQ(json::write(swagger["definitions"]["io.kruise.rollouts.v1beta1.Rollout"]["properties"]["spec"]), "{}")
        << "nothing is promised below a nullable object";
}

TEST(OpenApi, OldClientsGetProtobuf) {
    OpenApi openapi(builtin_resources());
    auto document = openapi.v2("application/com.github.proto-openapi.spec.v2@v1.0+protobuf");
    EXPECT_EQ(document->content_type, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
        << "@ is no media type";
    EXPECT_TRUE(document->body.starts_with(std::string("\x0a\x03") + "2.0")) << "swagger: \"2.0\" is field 1";
    EXPECT_GT(document->body.size(), 200'000U);
}

}   // namespace
}   // namespace aviary::builtin
