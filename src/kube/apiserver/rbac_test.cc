#include "kube/apiserver/internal/test_server.h"

namespace aviary::apiserver {
namespace {

using json::Value;

Value role(std::string_view name, std::string_view rules) {
    return parsed(fmt::format(
        R"({{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{{"name":"{}","namespace":"default"}},"rules":{}}})",
        name, rules));
}

Value binding(std::string_view name, std::string_view role, std::string_view user) {
    return parsed(fmt::format(
        R"({{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{{"name":"{}","namespace":"default"}},
      "roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"{}"}},"subjects":[{{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"{}"}}]}})",
        name, role, user));
}

CO_TEST(Rbac, RefusalsSayWhoMayNotDoWhat) {
    TestServer test(ctx);
    co_await test.start();
    auto const guest = test.as("guest");
    auto const create = co_await guest.create(ctx, kConfigMaps, config_map("a"));
    EXPECT_EQ(
        "configmaps is forbidden: User \"guest\" cannot create resource \"configmaps\" in API group \"\" in the "
        "namespace \"default\"",
        create.error().message());
    auto const list = co_await guest.list(ctx, kDeployments, {});
    EXPECT_EQ(
        "deployments.apps is forbidden: User \"guest\" cannot list resource \"deployments\" in API group \"apps\" at "
        "the cluster scope",
        list.error().message());
    auto const get = co_await guest.get(ctx, kDeployments, {"default", "web"}, "scale");
    EXPECT_EQ(
        "deployments.apps \"web\" is forbidden: User \"guest\" cannot get resource \"deployments/scale\" in API group "
        "\"apps\" in the namespace \"default\"",
        get.error().message());
    co_await test.stop();
}

CO_TEST(Rbac, ABodyIsReadOnlyOfWhomItMayBeTaken) {
    TestServer test(ctx);
    co_await test.start();
    client::Request request =
        TestServer::request("POST", "/api/v1/namespaces/default/configmaps", {}, {}, "application/json");
    request.content_type = "application/json";
    request.raw_body = "{";
    auto const guest = co_await test.server->handle(ctx, "fleet", {"guest", {"system:authenticated"}, {}}, request);
    EXPECT_EQ(403, guest.status);
    auto const admin = co_await test.send(request);
    EXPECT_EQ(400, admin.status);
    // What does not exist is said to be missing, whatever the body is.
    request.path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    request.content_type = "application/vnd.kubernetes.protobuf";
    auto const token = co_await test.send(request);
    EXPECT_NE(std::string::npos, token.body["message"].as_string().find("not supported")) << token.status;
    co_await test.stop();
}

CO_TEST(Rbac, RolesGrantByNamespaceNameAndSubresource) {
    TestServer test(ctx);
    co_await test.start();
    auto const admin = test.admin();
    CO_ASSERT_OK(co_await admin.create(ctx, kConfigMaps, config_map("a")));
    CO_ASSERT_OK(co_await admin.create(ctx, kConfigMaps, config_map("b")));
    CO_ASSERT_OK(co_await admin.create(
        ctx, kRoles,
        role("r", R"([{"apiGroups":[""],"resources":["configmaps"],"resourceNames":["a"],"verbs":["get","list"]}])")));
    CO_ASSERT_OK(co_await admin.create(ctx, kRoleBindings, binding("r", "r", "bob")));
    auto const bob = test.as("bob");
    EXPECT_TRUE(co_await bob.get(ctx, kConfigMaps, {"default", "a"}));
    EXPECT_FALSE(co_await bob.get(ctx, kConfigMaps, {"default", "b"}));
    EXPECT_FALSE(co_await bob.list(ctx, kConfigMaps, {.ns = "default"}));
    EXPECT_TRUE(co_await bob.list(ctx, kConfigMaps, {.ns = "default", .field_selector = "metadata.name=a"}));
    auto const& authorizer = test.server->authorizer("fleet");
    EXPECT_TRUE(
        authorizer.allowed({"bob", {}, {}}, {.verb = "get", .resource = "configmaps", .ns = "default", .name = "a"}));
    EXPECT_FALSE(
        authorizer.allowed({"bob", {}, {}}, {.verb = "get", .resource = "configmaps", .ns = "other", .name = "a"}));
    EXPECT_FALSE(authorizer.allowed(
        {"bob", {}, {}},
        {.verb = "get", .resource = "configmaps", .subresource = "status", .ns = "default", .name = "a"}));
    // Takes effect at once, also when it ends.
    CO_ASSERT_OK(co_await admin.remove(ctx, kRoleBindings, {"default", "r"}));
    EXPECT_FALSE(co_await bob.get(ctx, kConfigMaps, {"default", "a"}));
    co_await test.stop();
}

CO_TEST(Rbac, NobodyGrantsMoreThanHeHas) {
    TestServer test(ctx);
    co_await test.start();
    auto const admin = test.admin();
    CO_ASSERT_OK(co_await admin.create(
        ctx, kRoles,
        role(
            "editor",
            R"([{"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings"],"verbs":["create","update"]},
      {"apiGroups":[""],"resources":["configmaps"],"verbs":["get"]}])")));
    CO_ASSERT_OK(co_await admin.create(
        ctx, kRoles, role("strong", R"([{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}])")));
    CO_ASSERT_OK(co_await admin.create(ctx, kRoleBindings, binding("editor", "editor", "eve")));
    auto const eve = test.as("eve");
    EXPECT_TRUE(co_await eve.create(
        ctx, kRoles, role("fine", R"([{"apiGroups":[""],"resources":["configmaps"],"verbs":["get"]}])")));
    auto const more = co_await eve.create(
        ctx, kRoles,
        role("more", R"([{"apiGroups":[""],"resources":["configmaps"],"verbs":["get","delete","list"]}])"));
    EXPECT_EQ(
        "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"eve\" (groups=[\"system:authenticated\"]) is "
        "attempting to grant RBAC permissions not currently held:\n"
        "{APIGroups:[\"\"], Resources:[\"configmaps\"], Verbs:[\"delete\" \"list\"]}",
        more.error().message());
    auto const bound = co_await eve.create(ctx, kRoleBindings, binding("strong", "strong", "eve"));
    EXPECT_TRUE(bound.error().is(ErrorCode::kForbidden)) << bound.error().message();
    EXPECT_TRUE(co_await eve.create(ctx, kRoleBindings, binding("again", "editor", "mallory")));
    co_await test.stop();
}

CO_TEST(Rbac, AggregatedRolesGrowWithTheirParts) {
    TestServer test(ctx);
    co_await test.start();
    auto const admin = test.admin();
    CO_ASSERT_OK(co_await admin.create(
        ctx, kClusterRoles,
        parsed(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"all"},
      "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"part":"of-all"}}]},"rules":[]})")));
    CO_ASSERT_OK(co_await admin.create(
        ctx, kClusterRoleBindings,
        parsed(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"all"},
      "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"all"},"subjects":[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"ops"}]})")));
    auto const dan = test.as("dan", {"ops"});
    EXPECT_FALSE(co_await dan.list(ctx, kPods, {}));
    CO_ASSERT_OK(co_await admin.create(
        ctx, kClusterRoles,
        parsed(
            R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"part","labels":{"part":"of-all"}},
      "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"part":"of-all"}}]}})")));
    CO_ASSERT_OK(co_await admin.create(
        ctx, kClusterRoles,
        parsed(
            R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"pods","labels":{"part":"of-all"}},
      "rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["list"]}]})")));
    EXPECT_TRUE(co_await dan.list(ctx, kPods, {}));
    co_await test.stop();
}

CO_TEST(Rbac, ImpersonationIsItselfAuthorised) {
    TestServer test(ctx);
    co_await test.start();
    auto const refused = co_await test.as("guest").impersonating("admin", {"system:masters"}).list(ctx, kPods, {});
    EXPECT_EQ(
        "users \"admin\" is forbidden: User \"guest\" cannot impersonate resource \"users\" in API group \"\" at the "
        "cluster scope",
        refused.error().message());
    auto const as_guest = co_await test.admin().impersonating("guest", {}).list(ctx, kPods, {});
    EXPECT_TRUE(as_guest.error().message().starts_with("pods is forbidden: User \"guest\" cannot list"));
    EXPECT_TRUE(co_await test.admin().impersonating("boss", {"system:masters"}).list(ctx, kPods, {}));
    co_await test.stop();
}

CO_TEST(Rbac, ReviewsAnswerWithoutBeingStored) {
    TestServer test(ctx);
    co_await test.start();
    meta::GroupVersionResource const reviews{"authorization.k8s.io", "v1", "selfsubjectaccessreviews"};
    Value const review = parsed(
        R"({"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}})");
    auto const guest = co_await test.as("guest").create(ctx, reviews, review);
    CO_ASSERT_OK(guest);
    EXPECT_FALSE(guest->at({"status", "allowed"}).as_bool(true));
    auto const admin = co_await test.admin().create(ctx, reviews, review);
    CO_ASSERT_OK(admin);
    EXPECT_TRUE(admin->at({"status", "allowed"}).as_bool());
    co_await test.stop();
}

Value cluster_binding(std::string_view kind, std::string_view role, std::string_view user, std::string_view ns = {}) {
    Value object = parsed(fmt::format(
        R"({{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"{}","metadata":{{"name":"{}-{}"}},
      "roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{}"}},"subjects":[{{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"{}"}}]}})",
        kind, role, user, role, user));
    if (!ns.empty()) object.set({"metadata", "namespace"}, ns);
    return object;
}

// A path inside a namespace is authorised there: it must not reach what is outside.
CO_TEST(Rbac, ARoleInOneNamespaceReachesNoOther) {
    TestServer test(ctx);
    co_await test.start();
    auto const admin = test.admin();
    for (char const* ns : {"team-a", "team-b"})
        CO_ASSERT_OK(
            co_await admin.create(ctx, kNamespaces, parsed(fmt::format(R"({{"metadata":{{"name":"{}"}}}})", ns))));
    CO_ASSERT_OK(
        co_await admin.create(ctx, kRoleBindings, cluster_binding("RoleBinding", "cluster-admin", "ann", "team-a")));
    control::UserInfo const ann{"ann", {"system:authenticated"}, {}};
    std::string const list = "/api/v1/namespaces/team-a/namespaces";
    Value const patch = parsed(R"({"metadata":{"labels":{"a":"b"}}})");
    std::vector<client::Request> requests;
    for (std::string const& path : {list, list + "/team-b", list + "/team-b/finalize"})
        requests.push_back(TestServer::request("GET", path));
    requests.push_back(TestServer::request("POST", list, {}, parsed(R"({"metadata":{"name":"team-c"}})")));
    requests.push_back(
        TestServer::request("PUT", list + "/team-b/finalize", {}, parsed(R"({"metadata":{"name":"team-b"}})")));
    requests.push_back(TestServer::request("PATCH", list + "/team-b", {}, patch, "application/merge-patch+json"));
    requests.push_back(TestServer::request("DELETE", list + "/team-b"));
    requests.push_back(TestServer::request("DELETE", list));
    for (client::Request const& request : requests) {
        auto const response = co_await test.server->handle(ctx, "fleet", ann, request);
        EXPECT_EQ(404, response.status) << request.method << " " << request.path << json::write(response.body);
    }
    auto const own = co_await test.as("ann").get(ctx, kNamespaces, {"", "team-a"});
    EXPECT_TRUE(own);
    auto const other = co_await admin.get(ctx, kNamespaces, {"", "team-b"});
    CO_ASSERT_OK(other);
    EXPECT_FALSE(meta::is_deleting(*other));
    EXPECT_EQ("", meta::label(*other, "a"));
    EXPECT_FALSE(co_await admin.get(ctx, kNamespaces, {"", "team-c"}));
    co_await test.stop();
}

Value local_review(std::string_view ns, std::string_view user) {
    Value review = parsed(
        R"({"apiVersion":"authorization.k8s.io/v1","kind":"LocalSubjectAccessReview","metadata":{"namespace":"default"},
      "spec":{"resourceAttributes":{"verb":"list","resource":"pods"}}})");
    review.set({"spec", "resourceAttributes", "namespace"}, ns);
    review.set({"spec", "user"}, user);
    return review;
}

// Whatever names a review asks about, they are not taken for somebody else's.
CO_TEST(Rbac, AReviewDoesNotChangeWhatOthersMay) {
    TestServer test(ctx);
    co_await test.start();
    auto const admin = test.admin();
    meta::GroupVersionResource const reviews{"authorization.k8s.io", "v1", "localsubjectaccessreviews"};
    CO_ASSERT_OK(co_await admin.create(ctx, kRoleBindings, cluster_binding("RoleBinding", "admin", "eve", "default")));
    CO_ASSERT_OK(
        co_await admin.create(ctx, kClusterRoleBindings, cluster_binding("ClusterRoleBinding", "view", "hal")));
    auto const asked =
        co_await test.as("eve").create(ctx, reviews, local_review("default", "hal\nsystem:authenticated"));
    CO_ASSERT_OK(asked);
    EXPECT_FALSE(asked->at({"status", "allowed"}).as_bool(true));
    EXPECT_TRUE(co_await test.as("hal").list(ctx, kPods, {}));
    co_await test.stop();
}

CO_TEST(Rbac, ALocalReviewIsOfItsOwnNamespace) {
    TestServer test(ctx);
    co_await test.start();
    meta::GroupVersionResource const reviews{"authorization.k8s.io", "v1", "localsubjectaccessreviews"};
    for (char const* ns : {"kube-system", ""}) {
        auto const other = co_await test.admin().create(ctx, reviews, local_review(ns, "hal"));
        EXPECT_FALSE(other) << "namespace \"" << ns << "\"";
        if (other) continue;
        EXPECT_EQ(fmt::format("LocalSubjectAccessReview.authorization.k8s.io \"\" is invalid: "
                              "spec.resourceAttributes.namespace: Invalid value: \"{}\": must match metadata.namespace",
                              ns),
                  other.error().message());
    }
    Value paths = parsed(
        R"({"metadata":{"namespace":"default"},"spec":{"user":"hal","nonResourceAttributes":{"verb":"get","path":"/"}}})");
    auto const path = co_await test.admin().create(ctx, reviews, paths);
    EXPECT_FALSE(path);
    EXPECT_TRUE(co_await test.admin().create(ctx, reviews, local_review("default", "hal")));
    co_await test.stop();
}

CO_TEST(Rbac, AnApplyThatCreatesAsksForBoth) {
    TestServer test(ctx);
    co_await test.start();
    auto const admin = test.admin();
    CO_ASSERT_OK(co_await admin.create(ctx, kConfigMaps, config_map("there")));
    CO_ASSERT_OK(co_await admin.create(
        ctx, kRoles, role("patch", R"([{"apiGroups":[""],"resources":["configmaps"],"verbs":["patch"]}])")));
    CO_ASSERT_OK(co_await admin.create(ctx, kRoleBindings, binding("patch", "patch", "pat")));
    auto const pat = test.as("pat");
    EXPECT_TRUE(co_await pat.apply(ctx, kConfigMaps, config_map("there")));
    auto const made = co_await pat.apply(ctx, kConfigMaps, config_map("new"));
    EXPECT_FALSE(made);
    if (!made) {
        EXPECT_EQ(
            "configmaps \"new\" is forbidden: User \"pat\" cannot create resource \"configmaps\" in API group \"\" in "
            "the namespace \"default\"",
            made.error().message());
    }
    EXPECT_FALSE(co_await admin.get(ctx, kConfigMaps, {"default", "new"}));
    co_await test.stop();
}

}   // namespace
}   // namespace aviary::apiserver
