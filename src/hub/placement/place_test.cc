#include "hub/placement/place.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "kube/meta/object.h"

namespace aviary::placement {
namespace {

using json::Doc;
using json::Value;

Doc doc(std::string const& text) { return *json::parse(text); }

Doc object(std::string const& change = "{}") {
    Value value = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo","uid":"uid-2",
        "labels":{"app":"web","tier":"gpu"}},"spec":{"replicas":10}})");
    json::apply_merge_patch(value, *json::parse_value(change));
    return Doc::freeze(value);
}

// ---- which policy ----

struct PolicyCase {
    std::string name;
    std::string selector;
    int priority = 0;
    std::string ns = "demo";   // "": a ClusterPropagationPolicy
};

Doc policy_of(PolicyCase const& each) {
    return doc(fmt::format(
        R"({{"kind":"{}","metadata":{{"name":"{}"{}}},"spec":{{"priority":{},"resourceSelectors":[{{"apiVersion":"apps/v1","kind":"Deployment"{}}}]}}}})",
        each.ns.empty() ? "ClusterPropagationPolicy" : "PropagationPolicy", each.name,
        each.ns.empty() ? "" : R"(,"namespace":")" + each.ns + "\"", each.priority,
        each.selector.empty() ? "" : "," + each.selector));
}

TEST(PolicyFor, ASelectorMatchesByKindNamespaceNameAndLabels) {
    struct Case {
        char const* selector;
        bool matches;
    };
    for (
        Case const& each : std::vector<Case>{
            {R"("apiVersion":"apps/v1","kind":"Deployment")", true},
            {R"("apiVersion":"apps/v1","kind":"StatefulSet")", false},
            {R"("apiVersion":"apps/v1beta1","kind":"Deployment")", false},
            {R"("apiVersion":"apps/v1","kind":"Deployment","name":"web")", true},
            {R"("apiVersion":"apps/v1","kind":"Deployment","name":"other")", false},
            {R"("apiVersion":"apps/v1","kind":"Deployment","namespace":"demo")", true},
            {R"("apiVersion":"apps/v1","kind":"Deployment","namespace":"other","name":"web")", false},
            {R"("apiVersion":"apps/v1","kind":"Deployment","labelSelector":{"matchLabels":{"app":"web"}})", true},
            {R"("apiVersion":"apps/v1","kind":"Deployment","labelSelector":{"matchLabels":{"app":"db"}})", false},
            {R"("apiVersion":"apps/v1","kind":"Deployment","labelSelector":{"matchExpressions":[{"key":"tier","operator":"In","values":["gpu"]}]})",
             true},
            {R"("apiVersion":"apps/v1","kind":"Deployment","labelSelector":{"matchExpressions":[{"key":"tier","operator":"Nonsense"}]})",
             false},
            // A name decides alone.
            {R"("apiVersion":"apps/v1","kind":"Deployment","name":"web","labelSelector":{"matchLabels":{"app":"db"}})",
             true},
        }) {
        Doc const policy = doc(fmt::format(
            R"({{"kind":"PropagationPolicy","metadata":{{"name":"p","namespace":"demo"}},"spec":{{"resourceSelectors":[{{"apiVersion":"v1","kind":"Secret"}},{{{}}}]}}}})",
            each.selector));
        EXPECT_EQ(policy_for(object(), {policy}).exists(), each.matches) << each.selector;
    }
}

TEST(PolicyFor, OwnNamespaceThenPriorityThenSelectorThenName) {
    std::string const by_name = R"("name":"web")";
    std::string const by_label = R"("labelSelector":{"matchLabels":{"app":"web"}})";
    struct Case {
        std::vector<PolicyCase> policies;
        char const* winner;
    };
    for (Case const& each : std::vector<Case>{
             {{}, ""},
             {{{"b", by_label}, {"a", ""}}, "b"},
             {{{"b", by_name}, {"a", by_label}}, "b"},
             {{{"b", by_name}, {"a", by_name}}, "a"},
             {{{"b", "", 1}, {"a", by_name, 0}}, "b"},
             {{{"b", "", -1}, {"a", "", -2}}, "b"},
             {{{"cluster", by_name, 100, ""}, {"own", "", 0}}, "own"},
             {{{"cluster", "", 0, ""}}, "cluster"},
             {{{"foreign", by_name, 100, "other"}, {"cluster", "", 0, ""}}, "cluster"},
             {{{"foreign", by_name, 100, "other"}}, ""},
         }) {
        std::vector<Doc> policies;
        for (PolicyCase const& policy : each.policies) policies.push_back(policy_of(policy));
        EXPECT_EQ(meta::name(policy_for(object(), policies)), each.winner);
        std::ranges::reverse(policies);
        EXPECT_EQ(meta::name(policy_for(object(), policies)), each.winner) << "in whatever order";
    }
}

TEST(PolicyFor, OneThatIsGoingClaimsNothing) {
    Value going = policy_of({"p", ""}).thaw();
    going.set({"metadata", "deletionTimestamp"}, "2026-11-23T14:00:00Z");
    EXPECT_FALSE(policy_for(object(), {Doc::freeze(going)}).exists());
}

TEST(PolicyFor, TheOneThatHasClaimedItKeepsItAsLongAsItSelectsIt) {
    Doc const held = policy_of({"held", R"("labelSelector":{"matchLabels":{"app":"web"}})"});
    Doc const raised = policy_of({"a", R"("name":"web")", 10});
    Doc const elsewhere = policy_of({"held", R"("name":"db")"});
    Value going = held.thaw();
    going.set({"metadata", "deletionTimestamp"}, "2026-11-23T14:00:00Z");
    auto const claimed = [](Doc const& policy) {
        return std::optional(apis::BoundPolicy{policy["apiVersion"].string(), policy["kind"].string(), meta::ns(policy),
                                               meta::name(policy)});
    };
    EXPECT_EQ(meta::name(policy_for(object(), {held, raised})), "a");
    EXPECT_EQ(meta::name(policy_for(object(), {held, raised}, claimed(held))), "held");
    EXPECT_EQ(meta::name(policy_for(object(), {elsewhere, raised}, claimed(held))), "a") << "it selects another now";
    EXPECT_EQ(meta::name(policy_for(object(), {Doc::freeze(going), raised}, claimed(held))), "a");
    EXPECT_EQ(meta::name(policy_for(object(), {raised}, claimed(held))), "a") << "it is gone";
}

TEST(PolicyFor, ClusterScopedObjectsFollowClusterPolicies) {
    Doc const ns = doc(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}})");
    Doc const policy = doc(
        R"({"kind":"ClusterPropagationPolicy","metadata":{"name":"p"},"spec":{"resourceSelectors":[{"apiVersion":"v1","kind":"Namespace","name":"demo"}]}})");
    EXPECT_TRUE(policy_for(ns, {policy}).exists());
}

// ---- which clusters ----

Doc cluster(std::string const& name, std::string const& change = "{}") {
    Value value = *json::parse_value(R"({"metadata":{"name":")" + name + R"("},"spec":{"hubAcceptsClient":true}})");
    json::apply_merge_patch(value, *json::parse_value(change));
    return Doc::freeze(value);
}

std::vector<Doc> const kFleet{
    cluster("beijing", R"({"metadata":{"labels":{"region":"cn","topology.kubernetes.io/region":"cn-north"}}})"),
    cluster(
        "oslo",
        R"({"metadata":{"labels":{"region":"eu"}},"status":{"clusterClaims":[{"name":"region.open-cluster-management.io","value":"eu-north"},{"name":"platform.open-cluster-management.io","value":"aliyun"}]}})"),
    cluster("shanghai", R"({"metadata":{"labels":{"region":"cn"}},"spec":{"region":"cn-east","zones":["z1","z2"]}})"),
};

// "beijing=4 oslo; shanghai: Excluded"
std::string placed(std::string const& placement, std::vector<Doc> const& clusters = kFleet, Doc const& what = object(),
                   std::vector<Target> const& previous = {}) {
    Doc const policy = doc(R"({"spec":{"placement":)" + placement + "}}");
    auto const result = place(what, policy, clusters, previous);
    if (!result) return result.error().message();
    std::string text;
    for (Target const& target : result->targets) {
        text += (text.empty() ? "" : " ") + target.cluster;
        if (target.replicas) text += fmt::format("={}", *target.replicas);
    }
    for (Rejected const& each : result->rejected) {
        EXPECT_FALSE(each.message.empty());
        text += fmt::format("; {}: {}", each.cluster, each.reason);
    }
    return text;
}

TEST(Place, ByNamesLabelsAndFields) {
    struct Case {
        char const* affinity;
        char const* placed;
    };
    for (
        Case const& each : std::vector<Case>{
            {"{}", "beijing oslo shanghai"},
            {R"({"clusterNames":["oslo","atlantis"]})",
             "oslo; beijing: NotInClusterNames; shanghai: NotInClusterNames"},
            {R"({"clusterNames":[]})", "beijing oslo shanghai"},
            {R"({"exclude":["oslo"]})", "beijing shanghai; oslo: Excluded"},
            {R"({"clusterNames":["oslo"],"exclude":["oslo"]})",
             "; beijing: NotInClusterNames; oslo: Excluded; shanghai: NotInClusterNames"},
            {R"({"labelSelector":{"matchLabels":{"region":"cn"}}})", "beijing shanghai; oslo: LabelsDiffer"},
            {R"({"labelSelector":{"matchExpressions":[{"key":"region","operator":"NotIn","values":["cn"]}]}})",
             "oslo; beijing: LabelsDiffer; shanghai: LabelsDiffer"},
            {R"({"clusterNames":["beijing","oslo"],"labelSelector":{"matchLabels":{"region":"cn"}}})",
             "beijing; oslo: LabelsDiffer; shanghai: NotInClusterNames"},
            {R"({"fieldSelector":{"matchExpressions":[{"key":"region","operator":"In","values":["cn-north","eu-north"]}]}})",
             "beijing oslo; shanghai: FieldsDiffer"},
            {R"({"fieldSelector":{"matchExpressions":[{"key":"region","operator":"NotIn","values":["cn-east"]}]}})",
             "beijing oslo; shanghai: FieldsDiffer"},
            {R"({"fieldSelector":{"matchExpressions":[{"key":"provider","operator":"In","values":["aliyun"]}]}})",
             "oslo; beijing: FieldsDiffer; shanghai: FieldsDiffer"},
            {R"({"fieldSelector":{"matchExpressions":[{"key":"zone","operator":"In","values":["z2"]}]}})",
             "shanghai; beijing: FieldsDiffer; oslo: FieldsDiffer"},
        }) {
        EXPECT_EQ(placed(R"({"clusterAffinity":)" + std::string(each.affinity) + "}"), each.placed) << each.affinity;
    }
    EXPECT_EQ(placed("{}"), "beijing oslo shanghai");
    EXPECT_EQ(placed("null"), "beijing oslo shanghai");
    EXPECT_EQ(placed("{}", {}), "");
}

TEST(Place, WhereTheHubMayNotGoOrATaintIsNotTolerated) {
    std::vector<Doc> const fleet{
        cluster("a", R"({"spec":{"hubAcceptsClient":false}})"),
        cluster("b", R"({"metadata":{"deletionTimestamp":"2026-11-23T14:00:00Z"}})"),
        cluster("c", R"({"spec":{"taints":[{"key":"full","effect":"NoSelect"}]}})"),
        cluster("d", R"({"spec":{"taints":[{"key":"full","value":"yes","effect":"NoSchedule"}]}})"),
        cluster("e", R"({"spec":{"taints":[{"key":"slow","effect":"PreferNoSelect"}]}})"),
    };
    EXPECT_EQ(placed("{}", fleet), "e; a: NotAccepted; b: NotAccepted; c: Tainted; d: Tainted");
    // Where it is already, a taint for newcomers does not take it away.
    EXPECT_EQ(placed("{}", fleet, object(), {{"c", {}}, {"d", {}}}), "d e; a: NotAccepted; b: NotAccepted; c: Tainted");
    for (auto const& [toleration, want] : std::vector<std::pair<std::string, std::string>>{
             {R"({"operator":"Exists"})", "c d e"},
             {R"({"key":"full","operator":"Exists"})", "c d e"},
             {R"({"key":"full","operator":"Exists","effect":"NoSelect"})", "c e"},
             {R"({"key":"full","value":"yes"})", "d e"},
             {R"({"key":"full","operator":"Equal","value":"no"})", "e"},
             {R"({"key":"slow","operator":"Exists"})", "e"}}) {
        std::string const text = placed(R"({"clusterTolerations":[)" + toleration + "]}", fleet);
        EXPECT_EQ(text.substr(0, text.find(';')), want) << toleration;
    }
}

// ---- how many ----

std::string weights(std::string const& rules) {
    return R"({"replicaScheduling":{"replicaSchedulingType":"Divided","weightPreference":{"staticWeightList":[)" +
           rules + "]}}}";
}

TEST(Place, DuplicatedSaysNoNumber) {
    EXPECT_EQ(placed(R"({"replicaScheduling":{"replicaSchedulingType":"Duplicated"}})"), "beijing oslo shanghai");
}

TEST(Place, DividedByStaticWeights) {
    EXPECT_EQ(placed(R"({"replicaScheduling":{}})"), "beijing=4 oslo=3 shanghai=3") << "evenly, and Divided by default";
    EXPECT_EQ(placed(weights(R"({"targetCluster":{"clusterNames":["beijing"]},"weight":2},
                               {"targetCluster":{"clusterNames":["oslo"]},"weight":1},
                               {"targetCluster":{"clusterNames":["shanghai"]},"weight":2})")),
              "beijing=4 oslo=2 shanghai=4");
    // The largest of the rules that match counts; who matches none gets nothing.
    EXPECT_EQ(placed(weights(R"({"targetCluster":{"labelSelector":{"matchLabels":{"region":"cn"}}},"weight":1},
                               {"targetCluster":{"clusterNames":["beijing"]},"weight":4})")),
              "beijing=8 shanghai=2; oslo: NoWeight");
    EXPECT_EQ(placed(weights(R"({"targetCluster":{"clusterNames":["atlantis"]},"weight":1})")),
              "beijing=4 oslo=3 shanghai=3")
        << "no rule matches any: all weigh the same";
    EXPECT_EQ(placed(weights(""), kFleet, object(R"({"spec":{"replicas":2}})")),
              "beijing=1 oslo=1; shanghai: NoWeight");
}

// An object scaled to nothing stays where it is: taking it away and bringing it back would be a first creation.
TEST(Place, NoReplicasAreNotDivided) {
    EXPECT_EQ(placed(weights(R"({"targetCluster":{"clusterNames":["beijing"]},"weight":1})"), kFleet,
                     object(R"({"spec":{"replicas":0}})")),
              "beijing oslo shanghai");
    EXPECT_EQ(placed(R"({"replicaScheduling":{}})", kFleet, object(R"({"spec":{"replicas":null}})")),
              "beijing oslo shanghai");
}

TEST(Place, WhatIsNotThereYetIsSaid) {
    for (auto const& [placement, field] : std::vector<std::pair<std::string, std::string>>{
             {R"({"clusterAffinities":[{"affinityName":"a"}]})", "spec.placement.clusterAffinities"},
             {R"({"spreadConstraints":[{"maxGroups":2}]})", "spec.placement.spreadConstraints"},
             {R"({"replicaScheduling":{"replicaDivisionPreference":"Aggregated"}})",
              "spec.placement.replicaScheduling.replicaDivisionPreference: Aggregated"},
             {R"({"replicaScheduling":{"weightPreference":{"dynamicWeight":"AvailableReplicas"}}})",
              "spec.placement.replicaScheduling.weightPreference.dynamicWeight"}}) {
        EXPECT_EQ(placed(placement), field + " is not supported: one clusterAffinity and static weights place");
    }
    EXPECT_EQ(placed(R"({"spreadConstraints":[{"spreadByField":"cluster","minGroups":1}]})"), "beijing oslo shanghai");
}

// ---- sets of clusters ----

Doc set(std::string const& name, std::string const& selector) {
    return doc(
        fmt::format(R"({{"kind":"ManagedClusterSet","metadata":{{"name":"{}"}},"spec":{{"clusterSelector":{}}}}})",
                    name, selector));
}
Doc binding(std::string const& set, std::string const& ns) {
    return doc(fmt::format(
        R"({{"kind":"ManagedClusterSetBinding","metadata":{{"name":"{0}","namespace":"{1}"}},"spec":{{"clusterSet":"{0}"}}}})",
        set, ns));
}
constexpr char kByLabel[] = R"({"selectorType":"ExclusiveClusterSetLabel"})";

std::vector<Doc> const kInSets{
    cluster("beijing", R"({"metadata":{"labels":{"cluster.open-cluster-management.io/clusterset":"gpu"}}})"),
    cluster("oslo", R"({"metadata":{"labels":{"region":"eu"}}})"),
    cluster("paris",
            R"({"metadata":{"labels":{"region":"eu","cluster.open-cluster-management.io/clusterset":"gone"}}})"),
};

ClusterSets sets_with(std::vector<Doc> bindings) {
    return {{set("gpu", kByLabel), set("default", "{}"),
             set("eu", R"({"selectorType":"LabelSelector","labelSelector":{"matchLabels":{"region":"eu"}}})"),
             set("global", R"({"selectorType":"LabelSelector","labelSelector":{}})"),
             set("nothing", R"({"selectorType":"LabelSelector"})")},
            std::move(bindings)};
}

TEST(ClusterSets, MembersAreByLabelBySelectorOrInDefault) {
    using Names = std::vector<std::string>;
    ClusterSets const sets = sets_with({});
    EXPECT_EQ(sets_of(kInSets[0], sets), (Names{"global", "gpu"}));
    EXPECT_EQ(sets_of(kInSets[1], sets), (Names{"default", "eu", "global"}));
    EXPECT_EQ(sets_of(kInSets[2], sets), (Names{"eu", "global"})) << "the set of its label does not exist";
}

// As placed(), from a policy of that kind in namespace demo.
std::string limited(std::vector<Doc> bindings, std::string const& kind = "PropagationPolicy",
                    std::string const& affinity = "null") {
    ClusterSets const sets = sets_with(std::move(bindings));
    Doc const policy = doc(fmt::format(
        R"({{"kind":"{}","metadata":{{"name":"p","namespace":"demo"}},"spec":{{"placement":{{"clusterAffinity":{}}}}}}})",
        kind, affinity));
    auto const result = place(object(), policy, kInSets, {}, &sets);
    std::string text;
    for (Target const& target : result->targets) text += target.cluster + " ";
    for (Rejected const& each : result->rejected) text += fmt::format("; {}: {}", each.cluster, each.reason);
    return text;
}

TEST(Place, APropagationPolicyPlacesInBoundSetsAlone) {
    constexpr char kNowhere[] = "; beijing: ClusterSetNotBound; oslo: ClusterSetNotBound; paris: ClusterSetNotBound";
    EXPECT_EQ(limited({}), kNowhere);
    EXPECT_EQ(limited({binding("gpu", "other")}), kNowhere);
    EXPECT_EQ(limited({binding("nothing", "demo"), binding("gone", "demo")}), kNowhere);
    EXPECT_EQ(limited({binding("gpu", "demo")}), "beijing ; oslo: ClusterSetNotBound; paris: ClusterSetNotBound");
    EXPECT_EQ(limited({binding("gpu", "demo"), binding("eu", "demo")}), "beijing oslo paris ");
    EXPECT_EQ(limited({binding("default", "demo")}), "oslo ; beijing: ClusterSetNotBound; paris: ClusterSetNotBound");
    EXPECT_EQ(limited({binding("global", "demo")}), "beijing oslo paris ");
    EXPECT_EQ(limited({binding("eu", "demo")}, "PropagationPolicy", R"({"clusterNames":["oslo","beijing"]})"),
              "oslo ; beijing: ClusterSetNotBound; paris: NotInClusterNames");
    EXPECT_EQ(limited({}, "ClusterPropagationPolicy"), "beijing oslo paris ");
}

TEST(Place, OneThatIsGoingBindsNothing) {
    Value going = binding("global", "demo").thaw();
    going.set({"metadata", "deletionTimestamp"}, "2026-11-23T14:00:00Z");
    EXPECT_EQ(limited({Doc::freeze(going), binding("gpu", "demo")}),
              "beijing ; oslo: ClusterSetNotBound; paris: ClusterSetNotBound");
}

TEST(Place, TheReasonNamesNamespaceAndSets) {
    ClusterSets const sets = sets_with({});
    Placement const result = stay("demo", {{"oslo", 3}, {"lima", {}}}, kInSets, sets);
    ASSERT_EQ(result.rejected.size(), 1u);
    EXPECT_EQ(result.rejected[0].message,
              "namespace demo has no ManagedClusterSetBinding to a set that it is in: default, eu, global");
    EXPECT_EQ(result.targets, (std::vector<Target>{{"lima", {}}})) << "of a cluster that is not known nothing is said";
}

}   // namespace
}   // namespace aviary::placement
