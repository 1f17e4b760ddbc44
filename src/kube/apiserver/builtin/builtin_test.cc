#include "kube/apiserver/builtin/builtin.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/apiserver/builtin/convert.h"
#include "kube/apiserver/builtin/internal/shape.h"
#include "kube/apiserver/builtin/protobuf.h"
#include "kube/apiserver/builtin/roles.h"
#include "kube/patch/type_tree.h"
#include "kube/schema/schema.h"

namespace aviary::builtin {
namespace {

using apiserver::ResourceInfo;

ResourceInfo const& find(std::string_view group, std::string_view resource, std::string_view version = "v1") {
    for (auto const& info : builtin_resources()) {
        if (info->resource.group == group && info->resource.resource == resource && info->resource.version == version)
            return *info;
    }
    throw std::runtime_error("no such resource");
}

json::Value value(std::string_view text) { return json::parse_value(text).value(); }

// As the server does it on creation.
json::Value created(ResourceInfo const& info, std::string_view text) {
    json::Value object = value(text);
    if (info.prepare) info.prepare(object, {});
    info.default_object(object);
    return object;
}

std::vector<std::string> problems(ResourceInfo const& info, json::Value const& object, json::Doc const& old = {}) {
    std::vector<std::string> out;
    for (FieldCause const& cause : info.validate(object, old)) out.push_back(cause.field + ": " + cause.message);
    return out;
}

constexpr std::string_view kDeployment =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"qwen","namespace":"demo"},
    "spec":{"selector":{"matchLabels":{"app":"qwen"}},"template":{"metadata":{"labels":{"app":"qwen"}},
    "spec":{"containers":[{"name":"model","image":"registry/qwen:v1","resources":{"limits":{"cpu":1,"memory":"0.5Gi"}},
    "ports":[{"containerPort":80}],"readinessProbe":{"httpGet":{"port":80}}}]}}}})";

TEST(Builtin, ServesTheGroupsOfAHub) {
    EXPECT_EQ(find("", "pods").kind, "Pod");
    EXPECT_TRUE(find("", "pods").has_status);
    EXPECT_EQ(find("", "pods").short_names, std::vector<std::string>{"po"});
    EXPECT_TRUE(find("apps", "deployments").scale != nullptr);
    EXPECT_TRUE(find("apps", "deployments").annotations_raise_generation);
    EXPECT_FALSE(find("", "nodes").namespaced);
}

TEST(Builtin, EveryKindWithCellsHasAColumnForEach) {
    json::Doc empty = json::parse("{}").value();
    for (auto const& info : builtin_resources()) {
        if (info->row) EXPECT_EQ(info->row(empty, Time()).size(), info->columns.size()) << info->kind;
        ASSERT_TRUE(info->schema) << info->kind;
        ASSERT_TRUE(info->type_tree) << info->kind;
    }
}

TEST(Builtin, DeploymentGetsUpstreamsDefaults) {
    json::Value got = created(find("apps", "deployments"), kDeployment);
    json::Value want =
        value(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"qwen","namespace":"demo"},
        "spec":{"replicas":1,"selector":{"matchLabels":{"app":"qwen"}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600,
        "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
        "template":{"metadata":{"labels":{"app":"qwen"}},"spec":{"containers":[{"name":"model","image":"registry/qwen:v1",
        "imagePullPolicy":"IfNotPresent","terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",
        "resources":{"limits":{"cpu":"1","memory":"512Mi"}},"ports":[{"containerPort":80,"protocol":"TCP"}],
        "readinessProbe":{"httpGet":{"port":80,"path":"/","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,
        "successThreshold":1,"failureThreshold":3}}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler",
        "securityContext":{},"terminationGracePeriodSeconds":30}}},"status":{}})");
    EXPECT_TRUE(got == want) << json::write_pretty(got);
    EXPECT_TRUE(problems(find("apps", "deployments"), got).empty());
}

TEST(Builtin, DefaultingTwiceChangesNothing) {
    ResourceInfo const& info = find("apps", "deployments");
    json::Value once = created(info, kDeployment);
    json::Value twice = once;
    info.default_object(twice);
    EXPECT_TRUE(once == twice);
}

TEST(Builtin, PodsAreAdmittedPendingWithTheirQuality) {
    json::Value pod = created(find("", "pods"), R"({"metadata":{"name":"p"},"spec":{"hostNetwork":false,"containers":[
        {"name":"a","image":"nginx","env":[],"resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]},"status":{"phase":"Running"}})");
    EXPECT_EQ(json::write(pod["status"]), R"({"phase":"Pending","qosClass":"Guaranteed"})");
    EXPECT_FALSE(pod["spec"].contains("hostNetwork")) << "false is written as nothing";
    EXPECT_FALSE(pod["spec"]["containers"].element(0).contains("env"));
    EXPECT_EQ(pod["spec"]["containers"].element(0)["imagePullPolicy"].string(), "Always");
    EXPECT_EQ(pod["spec"]["containers"].element(0)["resources"]["requests"]["memory"].string(), "1Gi");
    EXPECT_TRUE(pod["spec"]["enableServiceLinks"].as_bool());
    EXPECT_EQ(pod["spec"]["serviceAccountName"].string(), "default");
}

TEST(Builtin, CanonicalFormKeepsWhatHasAPointerBehindIt) {
    json::Value object = value(
        R"({"spec":{"replicas":0,"paused":false,"selector":null,"template":{"spec":{"volumes":[{"name":"v","emptyDir":{}}],
        "automountServiceAccountToken":false}}}})");
    internal::canonicalise(object, internal::shape_of("io.k8s.api.apps.v1.Deployment"));
    EXPECT_EQ(object["spec"]["replicas"].as_int(-1), 0);
    EXPECT_FALSE(object["spec"].contains("paused"));
    EXPECT_FALSE(object["spec"].contains("selector"));
    EXPECT_TRUE(object["spec"]["template"]["spec"]["volumes"].element(0).contains("emptyDir"));
    EXPECT_TRUE(object["spec"]["template"]["spec"].contains("automountServiceAccountToken"));
}

TEST(Builtin, TimesAreWrittenOneWayHoweverFarAway) {
    json::Value object =
        value(R"({"spec":{"acquireTime":"2026-11-24T13:00:00+01:00","renewTime":"9999-12-31T23:59:59Z"}})");
    internal::canonicalise(object, internal::shape_of("io.k8s.api.coordination.v1.Lease"));
    EXPECT_EQ(object["spec"]["acquireTime"].string(), "2026-11-24T12:00:00.000000Z");
    EXPECT_EQ(object["spec"]["renewTime"].string(), "9999-12-31T23:59:59Z");
}

TEST(Builtin, ServicesGetAddressesAndKeepThem) {
    ResourceInfo const& info = find("", "services");
    json::Value service = created(
        info,
        R"({"metadata":{"name":"web","namespace":"demo"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})");
    std::string address = service["spec"]["clusterIP"].string();
    EXPECT_TRUE(address.starts_with("10.")) << address;
    EXPECT_EQ(service["spec"]["clusterIPs"].element(0).string(), address);
    EXPECT_EQ(service["spec"]["ports"].element(0)["targetPort"].as_int(), 80);
    EXPECT_EQ(service["spec"]["internalTrafficPolicy"].string(), "Cluster");
    EXPECT_EQ(json::write(service["status"]), R"({"loadBalancer":{}})");

    json::Doc old = json::Doc::freeze(service);
    json::Value update = value(
        R"({"metadata":{"name":"web","namespace":"demo"},"spec":{"selector":{"app":"web"},"ports":[{"port":81}]}})");
    info.default_object(update);
    info.prepare(update, old);
    EXPECT_EQ(update["spec"]["clusterIP"].string(), address);
    EXPECT_TRUE(problems(info, update, old).empty());
}

TEST(Builtin, SecretsTakeTextAndNamespacesTheirLabel) {
    json::Value secret = created(find("", "secrets"), R"({"metadata":{"name":"s"},"stringData":{"k":"v"}})");
    EXPECT_EQ(secret["data"]["k"].string(), "dg==");
    EXPECT_EQ(secret["type"].string(), "Opaque");
    json::Value ns = created(find("", "namespaces"), R"({"metadata":{"name":"demo"}})");
    EXPECT_TRUE(ns == value(R"({"metadata":{"name":"demo","labels":{"kubernetes.io/metadata.name":"demo"}},
        "spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}})"))
        << json::write(ns);
}

TEST(Builtin, DeploymentProblemsAreToldInKubernetesWords) {
    ResourceInfo const& info = find("apps", "deployments");
    json::Value deployment = created(info, kDeployment);
    deployment.set({"spec", "replicas"}, -1);
    deployment.set({"spec", "template", "metadata", "labels", "app"}, "other");
    EXPECT_EQ(problems(info, deployment),
              (std::vector<std::string>{"spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                                        "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` "
                                        "does not match template `labels`"}));

    json::Doc old = json::Doc::freeze(created(info, kDeployment));
    json::Value moved = old.thaw();
    moved.set({"spec", "selector", "matchLabels", "app"}, "x");
    moved.set({"spec", "template", "metadata", "labels", "app"}, "x");
    EXPECT_EQ(problems(info, moved, old),
              std::vector<std::string>{
                  "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"x\"}}: field is immutable"});
}

TEST(Builtin, PodProblemsNameTheField) {
    ResourceInfo const& info = find("", "pods");
    json::Value pod =
        created(info, R"({"metadata":{"name":"P"},"spec":{"containers":[{"name":"a"},{"name":"a","image":"i",
        "volumeMounts":[{"name":"v","mountPath":"/x"}]}]}})");
    auto got = problems(info, pod);
    ASSERT_EQ(got.size(), 4U);
    EXPECT_TRUE(got[0].starts_with("metadata.name: Invalid value: \"P\": a lowercase RFC 1123 subdomain")) << got[0];
    EXPECT_EQ(got[1], "spec.containers[0].image: Required value");
    EXPECT_EQ(got[2], "spec.containers[1].name: Duplicate value: \"a\"");
    EXPECT_EQ(got[3], "spec.containers[1].volumeMounts[0].name: Not found: \"v\"");
    EXPECT_EQ(problems(info, created(info, R"({"metadata":{"name":"p"},"spec":{}})")),
              std::vector<std::string>{"spec.containers: Required value"});
}

TEST(Builtin, UnknownFieldsAreFoundBySchema) {
    json::Value deployment = value(kDeployment);
    deployment.set({"spec", "repicas"}, 3);
    EXPECT_EQ(find("apps", "deployments").schema->unknown_fields(deployment), std::vector<std::string>{"spec.repicas"});
}

TEST(Builtin, MergeKeysComeFromTheFacts) {
    auto const& tree = *find("", "pods").type_tree;
    auto const& containers = tree.field("spec").field("containers");
    EXPECT_EQ(containers.merge_key, "name");
    auto const& ports = containers.element->field("ports");
    ASSERT_EQ(ports.keys.size(), 2U);
    EXPECT_EQ(ports.keys[1].second.string(), "TCP");
}

TEST(Builtin, AutoscalersGoThroughTheOldVersionUnharmed) {
    json::Value const autoscaler =
        value(R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},"spec":{
        "maxReplicas":9,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":60}}},
        {"type":"Pods","pods":{"metric":{"name":"qps"},"target":{"type":"AverageValue","averageValue":"5"}}}]}})");
    json::Value old = autoscaler;
    to_version(old, "autoscaling/v1");
    EXPECT_EQ(old["spec"]["targetCPUUtilizationPercentage"].as_int(), 60);
    EXPECT_FALSE(old["spec"].contains("metrics"));
    to_version(old, "autoscaling/v2");
    EXPECT_TRUE(old == autoscaler) << json::write(old);
}

TEST(Builtin, ReadsWhatKubectlSendsAsProtobuf) {
    // The bytes of `kubectl create ns x1`.
    std::string const body(
        "k8s\0\n\x0f\n\x02v1\x12\tNamespace\x12\x1a\n\x12\n\x02x1\x12\0\x1a\0\"\0*\0"
        "2\0"
        "8\0"
        "B\0\x12\0\x1a\x02\n\0\x1a\0\"\0",
        53);
    auto decoded = decode_protobuf(body);
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(json::write(*decoded),
              R"({"metadata":{"name":"x1"},"spec":{},"status":{},"apiVersion":"v1","kind":"Namespace"})");
    EXPECT_TRUE(decode_protobuf("k8s").error().is(ErrorCode::kBadRequest));
    for (std::size_t i = 0; i + 1 < body.size(); ++i) (void)decode_protobuf(std::string_view(body).substr(0, i));
}

TEST(Builtin, DefaultRolesHaveTheirRules) {
    std::vector<json::Doc> roles = default_roles();
    auto named = [&](std::string_view kind, std::string_view name) {
        return std::ranges::any_of(roles, [&](json::Doc const& role) {
            return role["kind"].as_string() == kind && role.at({"metadata", "name"}).as_string() == name;
        });
    };
    for (std::string_view name : {"cluster-admin", "admin", "edit", "view", "system:discovery", "system:basic-user",
                                  "system:public-info-viewer"}) {
        EXPECT_TRUE(named("ClusterRole", name)) << name;
    }
    EXPECT_TRUE(named("ClusterRoleBinding", "cluster-admin"));
}

}   // namespace
}   // namespace aviary::builtin
