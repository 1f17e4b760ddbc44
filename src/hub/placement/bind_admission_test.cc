#include "hub/placement/bind_admission.h"

#include <fmt/format.h>

#include "apis/cluster/managed_cluster_set.h"
#include "core/async/co_test.h"
#include "core/json/parse.h"

namespace aviary::placement {
namespace {

using control::AdmissionRequest;
using control::Operation;
using json::Doc;

// alice may bind the set gpu and move clusters between gpu and eu, bob into gpu alone, and nobody anything else.
class Rules final : public control::Authorizer {
public:
    bool allowed(control::UserInfo const& user, control::Attributes const& wanted) const override {
        bool const of_sets = wanted.verb == "create" && wanted.resource == "managedclustersets" &&
                             wanted.group == "cluster.open-cluster-management.io" && wanted.ns.empty();
        bool const bind = user.name == "alice" && wanted.name == "gpu";
        bool const join =
            bind || (user.name == "alice" && wanted.name == "eu") || (user.name == "bob" && wanted.name == "gpu");
        return of_sets && ((wanted.subresource == "bind" && bind) || (wanted.subresource == "join" && join));
    }
};
Rules const kRules;

Task<std::string> ask(Context ctx, AdmissionRequest request) {
    auto const admission = make_bind_admission(control::make_reviewer(kRules));
    if (!admission->matches(request)) co_return "not asked";
    Status const outcome = co_await admission->validate(ctx, request);
    if (outcome) co_return "allowed";
    co_return std::string(to_string(outcome.error().code()));
}

AdmissionRequest binding(std::string const& user, std::string const& name, std::string const& set,
                         std::string const& before = "") {
    AdmissionRequest request;
    request.operation = before.empty() ? Operation::kCreate : Operation::kUpdate;
    request.resource = apis::kManagedClusterSetBindings;
    request.kind = "ManagedClusterSetBinding";
    request.key = {"demo", name};
    request.user = {user, {}, {}};
    request.object = *json::parse_value(
        fmt::format(R"({{"metadata":{{"name":"{}","namespace":"demo"}},"spec":{{"clusterSet":"{}"}}}})", name, set));
    if (!before.empty()) request.old_object = *json::parse(R"({"spec":{"clusterSet":")" + before + R"("}})");
    return request;
}

CO_TEST(BindAdmission, WhoMayBindASet) {
    struct Case {
        AdmissionRequest request;
        char const* outcome;
    };
    for (Case const& each : std::vector<Case>{
             {binding("alice", "gpu", "gpu"), "allowed"},
             {binding("bob", "gpu", "gpu"), "Forbidden"},
             {binding("alice", "eu", "eu"), "Forbidden"},
             {binding("alice", "mine", "gpu"), "Invalid"},
             {binding("bob", "gpu", "gpu", "gpu"), "allowed"},    // a label, say
             {binding("bob", "gpu", "gpu", "eu"), "Forbidden"},   // one of before there were webhooks
         }) {
        std::string const outcome = co_await ask(ctx, each.request);
        EXPECT_EQ(outcome, each.outcome) << each.request.user.name << each.request.key.name;
    }
}

Doc cluster(std::string const& set) {
    return *json::parse(
        set.empty()
            ? R"({"metadata":{"name":"beijing"}})"
            : fmt::format(
                  R"({{"metadata":{{"name":"beijing","labels":{{"cluster.open-cluster-management.io/clusterset":"{}"}}}}}})",
                  set));
}

// Whoever may label a cluster must also be let into the set, and out of the one that it was in.
CO_TEST(BindAdmission, WhoMayMoveAClusterToAnotherSet) {
    struct Case {
        char const *user, *from, *to, *outcome;
    };
    for (Operation const operation : {Operation::kCreate, Operation::kUpdate}) {
        for (Case const& each : std::vector<Case>{
                 {"alice", "", "", "allowed"},
                 {"carol", "", "", "allowed"},
                 {"alice", "", "gpu", "allowed"},
                 {"bob", "", "gpu", "allowed"},
                 {"carol", "", "gpu", "Forbidden"},
                 {"bob", "", "eu", "Forbidden"},
                 {"alice", "gpu", "eu", "allowed"},
                 {"bob", "gpu", "eu", "Forbidden"},
                 {"bob", "eu", "gpu", "Forbidden"},
                 {"bob", "gpu", "", "allowed"},
                 {"bob", "eu", "", "Forbidden"},
                 {"carol", "eu", "eu", "allowed"},   // anything else about it
             }) {
            bool const create = operation == Operation::kCreate;
            if (create && *each.from != 0) continue;
            AdmissionRequest request;
            request.operation = operation;
            request.resource = apis::kManagedClusters;
            request.kind = "ManagedCluster";
            request.key = {"", "beijing"};
            request.user = {each.user, {}, {}};
            request.object = cluster(each.to).thaw();
            if (!create) request.old_object = cluster(each.from);
            std::string outcome = co_await ask(ctx, request);
            EXPECT_EQ(outcome, each.outcome) << each.user << " " << each.from << " " << each.to;
            request.subresource = "status";
            outcome = co_await ask(ctx, request);
            EXPECT_EQ(outcome, "not asked");
        }
    }
}

CO_TEST(BindAdmission, SetsAreCheckedAndDeletionsAreNotItsMatter) {
    AdmissionRequest request = binding("alice", "gpu", "gpu");
    request.operation = Operation::kDelete;
    std::string outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome, "not asked");
    request.operation = Operation::kCreate;
    request.resource = apis::kManagedClusterSets;
    request.key = {"", "default"};
    request.object = *json::parse_value(
        R"({"metadata":{"name":"default"},"spec":{"clusterSelector":{"selectorType":"LabelSelector","labelSelector":{}}}})");
    outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome, "Invalid");
}

}   // namespace
}   // namespace aviary::placement
