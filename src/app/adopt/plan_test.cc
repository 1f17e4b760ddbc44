#include "app/adopt/plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::adopt {
namespace {

using json::Doc;
using json::Value;

Doc doc(std::string const& text) { return *json::parse(text); }

Doc workload(std::string const& change = "{}") {
    Value value = *json::parse_value(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web",
        "namespace":"demo","resourceVersion":"1","labels":{"app":"web"}},"spec":{"replicas":4,"template":{"spec":{
        "containers":[{"name":"main","image":"v1"}]}}},"status":{"replicas":4}})");
    json::apply_merge_patch(value, *json::parse_value(change));
    return Doc::freeze(value);
}

std::string replicas(int count) { return fmt::format(R"({{"spec":{{"replicas":{}}}}})", count); }

// Deployment demo/web in clusters a, b …, as these changes of it have it.
Found found(std::vector<std::string> const& changes) {
    Found result{{"apps", "v1", "deployments"}, "Deployment", {"demo", "web"}, {}, {}};
    for (std::string const& change : changes) {
        Found::There there;
        there.cluster = std::string(1, static_cast<char>('a' + result.there.size()));
        if (change != "none") there.live = workload(change);
        result.there.push_back(std::move(there));
    }
    return result;
}

Fleet fleet(std::vector<Doc> policies = {}) {
    Fleet result{"hub", std::move(policies), {}, "kubectl", propagation::Origin::kKubectl};
    for (char const* name : {"a", "b", "c"})
        result.clusters.push_back(
            doc(fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"hubAcceptsClient":true}}}})", name)));
    return result;
}

std::string rows(Plan const& plan) {
    std::string text;
    for (Row const& each : plan.rows)
        text += fmt::format("{}{} {} {}{}{}", text.empty() ? "" : "; ", each.cluster, each.object,
                            to_string(each.outcome), each.message.empty() ? "" : ": ", each.message);
    return text;
}

std::string adopted(Plan const& plan) {
    std::string text;
    for (HubWrite const& each : plan.writes)
        text += fmt::format("{}{} {}/{}", text.empty() ? "" : "; ", each.create ? "create" : "patch",
                            each.resource.resource, each.key.name);
    return text;
}

TEST(Plan, APolicyThenTheObject) {
    Plan const made = plan({found({"{}", "{}"})}, fleet());
    EXPECT_EQ(rows(made), "a deployment/web labels only; b deployment/web labels only");
    EXPECT_TRUE(made.goes());
    EXPECT_EQ(adopted(made), "create propagationpolicies/web-deployment; create deployments/web");
    EXPECT_EQ(json::write_canonical(made.writes[0].body["spec"]),
              R"({"placement":{"clusterAffinity":{"clusterNames":["a","b"]},"replicaScheduling":{)"
              R"("replicaSchedulingType":"Duplicated"}},"preserveResourcesOnDeletion":true,"resourceSelectors":[)"
              R"({"apiVersion":"apps/v1","kind":"Deployment","name":"web","namespace":"demo"}]})");
    EXPECT_EQ(made.writes[1].body.at({"metadata", "annotations", propagation::kAdopt}).as_string(), "kubectl");
    EXPECT_TRUE(made.writes[1].body["status"].is_null());
}

TEST(Plan, CountsThatDifferAreDivided) {
    Plan const made = plan({found({replicas(5), replicas(3), replicas(1)})}, fleet());
    EXPECT_EQ(rows(made), "a deployment/web labels only; b deployment/web labels only; c deployment/web labels only");
    EXPECT_EQ(made.writes[1].body.at({"spec", "replicas"}).as_int(), 9);
    EXPECT_EQ(made.writes[0].body.at({"spec", "placement", "replicaScheduling", "replicaSchedulingType"}).as_string(),
              "Divided");
    Plan const empty = plan({found({replicas(5), replicas(0)})}, fleet());
    EXPECT_FALSE(empty.goes());
    EXPECT_TRUE(empty.rows[1].message.contains("no replicas in one cluster")) << rows(empty);
    EXPECT_TRUE(plan({found({replicas(0), replicas(0)})}, fleet()).goes());
}

TEST(Plan, AnAutoscalersCountIsNoDifference) {
    Found scaled = found({replicas(5), replicas(3)});
    for (Found::There& each : scaled.there)
        each.scalers = {doc(R"({"spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"}}})")};
    Plan const made = plan({scaled}, fleet());
    EXPECT_EQ(rows(made), "a deployment/web labels only; b deployment/web labels only");
    EXPECT_FALSE(made.writes[0].body.at({"spec", "placement"}).contains("replicaScheduling"));
}

TEST(Plan, SaysWhatStandsAgainstIt) {
    struct Case {
        char const* change;
        char const* row;
    };
    for (
        Case const& each : std::vector<Case>{
            {R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v2"}]}}}})",
             R"(b deployment/web differs: spec.template.spec.containers[main].image is "v2" here and "v1" on the hub)"},
            {"none", "b deployment/web refused: is not there: name the clusters that have it"},
            {R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"x"}}})", "b deployment/web refused: belongs to hub x"},
            {R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}})",
             "b deployment/web refused: is being deleted"},
            {R"({"metadata":{"annotations":{"rollouts.kruise.io/in-progressing":"{}"}}})",
             "b deployment/web refused: a release is under way: approve it to its end, or abort it, and try again"},
        }) {
        Plan const made = plan({found({"{}", each.change})}, fleet());
        EXPECT_FALSE(made.goes()) << each.row;
        EXPECT_TRUE(rows(made).contains(each.row)) << rows(made);
    }
    Found away = found({"{}", "{}"});
    away.there[1].unreachable = "no route";
    EXPECT_EQ(rows(plan({away}, fleet())), "b deployment/web unreachable: no route");
    Found releasing = found({"{}", "{}"});
    releasing.there[0].rollouts = {doc(
        R"({"kind":"Rollout","spec":{"workloadRef":{"kind":"Deployment","name":"web"}},"status":{"phase":"Progressing"}})")};
    EXPECT_TRUE(rows(plan({releasing}, fleet())).starts_with("a deployment/web refused: a release is under way"));
}

Doc policy(std::string const& name, std::string const& clusters, std::string const& more = "") {
    return doc(fmt::format(
        R"({{"kind":"PropagationPolicy","metadata":{{"name":"{}","namespace":"demo"}},"spec":{{{}"resourceSelectors":[
        {{"apiVersion":"apps/v1","kind":"Deployment"}}],"placement":{{"clusterAffinity":{{"clusterNames":[{}]}},
        "replicaScheduling":{{"replicaSchedulingType":"Duplicated"}}}}}}}})",
        name, more, clusters));
}

TEST(Plan, WhatTheHubHasIsComparedAndItsPolicyStays) {
    Found known = found({"{}", "{}"});
    known.on_hub = workload();
    Plan const made = plan({known}, fleet({policy("all", R"("a","b")")}));
    EXPECT_EQ(rows(made), "a deployment/web labels only; b deployment/web labels only");
    EXPECT_EQ(adopted(made), "patch deployments/web");
    EXPECT_TRUE(rows(plan({known}, fleet({policy("all", R"("a")")})))
                    .contains("b deployment/web refused: propagationpolicy all does not place it here: "));
    known.on_hub = workload(replicas(3));
    EXPECT_TRUE(rows(plan({known}, fleet({policy("all", R"("a","b")")})))
                    .starts_with("a deployment/web differs: spec.replicas is 4 here and 3 on the hub"));
    // Without one it gets one.
    known.on_hub = workload();
    EXPECT_EQ(adopted(plan({known}, fleet())), "create propagationpolicies/web-deployment; patch deployments/web");
}

TEST(Plan, APolicyThatClaimsItIsUsed) {
    EXPECT_EQ(adopted(plan({found({"{}", "{}"})}, fleet({policy("all", R"("a","b")")}))), "create deployments/web");
    Plan const more = plan({found({"{}"})}, fleet({policy("all", R"("a","c")")}));
    EXPECT_EQ(rows(more),
              "a deployment/web refused: propagationpolicy all would bring it to c, too: name that cluster, "
              "or exclude it there");
    // One that divides gets what it divides into what there is.
    Value divided = policy("all", R"("a","b")").thaw();
    divided.set({"spec", "placement", "replicaScheduling"},
                *json::parse_value(R"({"replicaSchedulingType":"Divided","replicaDivisionPreference":"Weighted",
        "weightPreference":{"staticWeightList":[{"targetCluster":{"clusterNames":["a"]},"weight":1},
        {"targetCluster":{"clusterNames":["b"]},"weight":1}]}})"));
    Plan const halves = plan({found({"{}", "{}"})}, fleet({Doc::freeze(divided)}));
    EXPECT_EQ(rows(halves), "a deployment/web labels only; b deployment/web labels only");
    EXPECT_EQ(halves.writes[0].body.at({"spec", "replicas"}).as_int(), 8);
    Plan const other = plan({found({replicas(5), replicas(3)})}, fleet({Doc::freeze(divided)}));
    EXPECT_TRUE(rows(other).contains("a deployment/web differs: spec.replicas is 5 here and 4 on the hub"))
        << rows(other);
}

TEST(Plan, GoesOnWhereAnEarlierRunHasStopped) {
    Plan const first = plan({found({"{}", "{}"})}, fleet());
    Fleet half = fleet({Doc::freeze(first.writes[0].body)});
    EXPECT_EQ(adopted(plan({found({"{}", "{}"})}, half)), "create deployments/web");
    Found done = found({R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"hub"}}})",
                        R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"hub"}}})"});
    done.on_hub = Doc::freeze(first.writes[1].body);
    EXPECT_EQ(rows(plan({done}, half)), "a deployment/web unchanged; b deployment/web unchanged");
    EXPECT_EQ(adopted(plan({done}, half)), "");
    // Labelled, and the old manager's claims are still there.
    done.there[1].live = workload(R"({"metadata":{"labels":{"fleet.aviary.dev/hub":"hub"},"managedFields":[
        {"manager":"aviary-hub","operation":"Apply","fieldsV1":{"f:spec":{"f:replicas":{}}}},
        {"manager":"kubectl-client-side-apply","operation":"Update","fieldsV1":{"f:spec":{"f:replicas":{}}}}]}})");
    EXPECT_EQ(rows(plan({done}, half)), "a deployment/web unchanged; b deployment/web labels only");
}

}   // namespace
}   // namespace aviary::adopt
