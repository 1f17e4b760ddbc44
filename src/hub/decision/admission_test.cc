#include "hub/decision/admission.h"

#include <fmt/format.h>

#include <set>

#include "apis/fleet/decision.h"
#include "core/async/co_test.h"
#include "core/async/event.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"

namespace aviary::decision {
namespace {

using namespace std::chrono_literals;
using control::AdmissionRequest;
using control::Operation;
using json::Doc;
using json::Value;

// Allows what is listed: "alice approve rollouts demo/web", "alice act managedclusters beijing".
class Listed final : public control::Authorizer {
public:
    explicit Listed(std::set<std::string> rules) : rules_(std::move(rules)) {}
    bool allowed(control::UserInfo const& user, control::Attributes const& wanted) const override {
        return rules_.contains(fmt::format("{} {} {}.{} {}{}", user.name, wanted.verb, wanted.resource, wanted.group,
                                           wanted.ns.empty() ? "" : wanted.ns + "/", wanted.name));
    }

private:
    std::set<std::string> rules_;
};

Listed const kRules({"alice approve rollouts.rollouts.kruise.io demo/web",
                     "alice jump rollouts.rollouts.kruise.io demo/web",
                     "alice undo rollouts.rollouts.kruise.io demo/web",
                     "alice act managedclusters.cluster.open-cluster-management.io beijing",
                     "alice act managedclusters.cluster.open-cluster-management.io oslo",
                     "bob approve rollouts.rollouts.kruise.io demo/web",
                     "carol jump rollouts.rollouts.kruise.io demo/web",
                     "carol act managedclusters.cluster.open-cluster-management.io beijing"});

AdmissionRequest creation(std::string const& change = "{}", std::string const& user = "alice") {
    AdmissionRequest request;
    request.operation = Operation::kCreate;
    request.resource = apis::kDecisions;
    request.key = {"demo", "web-1"};
    request.user = {user, {"llm-oncall", "system:authenticated"}, {}};
    request.object = *json::parse_value(
        R"({"spec":{"rolloutRef":{"name":"web"},"action":"Approve","targets":[
        {"cluster":"beijing","rolloutUID":"u","step":1,"revision":"r","pausedSince":"2026-11-23T13:51:07Z"}]}})");
    json::apply_merge_patch(request.object, *json::parse_value(change));
    return request;
}

Task<std::string> ask(Context ctx, AdmissionRequest& request, std::string hub_user = "hub") {
    auto const admission = make_decision_admission(control::make_reviewer(kRules), std::move(hub_user));
    EXPECT_TRUE(admission->matches(request));
    Status outcome = co_await admission->mutate(ctx, request);
    if (outcome) outcome = co_await admission->validate(ctx, request);
    if (outcome) co_return "allowed";
    co_return fmt::format("{}: {}", to_string(outcome.error().code()), outcome.error().message());
}

CO_TEST(DecisionAdmission, StampsWhoAndUntilWhen) {
    AdmissionRequest request = creation(R"({"spec":{"requester":{"username":"somebody else"}}})");
    std::string const outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome, "allowed");
    Value const& spec = std::as_const(request.object)["spec"];
    EXPECT_EQ(json::write(spec["requester"]), R"({"username":"alice","groups":["llm-oncall","system:authenticated"]})");
    EXPECT_EQ(spec["expiresAt"].as_string(), format_rfc3339(ctx.now() + 1h));
}

CO_TEST(DecisionAdmission, TheHubBringsBackWhatSomebodyDecidedWhoMay) {
    AdmissionRequest request = creation(R"({"spec":{"requester":{"username":"alice","groups":["x"]}}})", "hub");
    std::string outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome, "allowed");
    EXPECT_EQ(json::write(std::as_const(request.object).at({"spec", "requester"})),
              R"({"username":"alice","groups":["x"]})");
    request = creation(R"({"spec":{"requester":{"username":"eve"}}})", "hub");
    outcome = co_await ask(ctx, request);
    EXPECT_TRUE(outcome.starts_with("Forbidden: ")) << outcome;
}

CO_TEST(DecisionAdmission, ACreationMustSayWhatItIsAbout) {
    std::string const soon = format_rfc3339(ctx.now() + 23h);
    std::string const late = format_rfc3339(ctx.now() + 25h);
    auto const expiry = [](std::string const& text) { return R"({"spec":{"expiresAt":")" + text + R"("}})"; };
    auto const target = [](std::string const& fields) {
        return R"({"spec":{"targets":[{"cluster":"beijing",)" + fields + "}]}}";
    };
    std::string const digest = R"("release":{"digest":"sha256:1"})";
    std::vector<std::pair<std::string, std::string>> const cases{
        {expiry(soon), "allowed"},
        {expiry(late), "Invalid: spec.expiresAt: Invalid value: a time within the next 24 hours"},
        {expiry("tomorrow"), "Invalid: spec.expiresAt: Invalid value: a time within the next 24 hours"},
        {R"({"spec":{"targets":[]}})", "Invalid: spec.targets: Required value: name at least one cluster"},
        {R"({"spec":{"action":"Reject"}})",
         "NotSupported: spec.action: Reject is not supported: Abort takes a release back"},
        {R"({"spec":{"action":"Retry"}})",
         "NotSupported: spec.action: Retry is not supported: what failed is tried again by itself"},
        {R"({"spec":{"action":"Jump"}})",
         "Invalid: spec.toStep: Required value: the step to jump to; they count from 1"},
        {R"({"spec":{"action":"Jump","toStep":3}})", "allowed"},
        {R"({"spec":{"toStep":3}})", "Invalid: spec.toStep: Forbidden: Approve goes to no step"},
        {R"({"spec":{"action":"Jump","toStep":3,"targets":[{"cluster":"beijing","rolloutUID":"u","revision":"r"}]}})",
         "Invalid: spec.targets[0].step: Required value: a jump says from where"},
        {target(R"("rolloutUID":"u","revision":"r")"),
         "Invalid: spec.targets[0].step: Required value: an approval says what it approves"},
        {target(R"("step":1,"revision":"r")"),
         "Invalid: spec.targets[0].rolloutUID: Required value: an approval says what it approves"},
        {target(R"("rolloutUID":"u","step":1,"revision":"")"),
         "Invalid: spec.targets[0].revision: Required value: an approval says what it approves"},
        {R"({"spec":{"action":"Undo","targets":[{"cluster":"beijing"},{"cluster":"beijing"}],)" + digest + "}}",
         "Invalid: spec.targets[1].cluster: Duplicate value"},
        {R"({"spec":{"action":"Undo","targets":[{"cluster":"beijing"}],)" + digest + "}}", "allowed"},
        {R"({"spec":{"action":"Undo","targets":[{"cluster":"beijing"}]}})",
         "Invalid: spec.release.digest: Required value: which release this is about"},
        {R"({"spec":{"action":"Abort","targets":[{"cluster":"beijing"}]}})",
         "Invalid: spec.release.digest: Required value: which release this is about"},
    };
    for (auto const& [change, wanted] : cases) {
        AdmissionRequest request = creation(change);
        std::string const outcome = co_await ask(ctx, request);
        EXPECT_EQ(outcome, wanted) << change;
    }
}

CO_TEST(DecisionAdmission, AJumpOnwardsIsForWhoMayApprove) {
    auto const jump = [](int step, int to) {
        return fmt::format(
            R"({{"spec":{{"action":"Jump","toStep":{},"targets":[{{"cluster":"beijing","rolloutUID":"u","step":{},"revision":"r"}}]}}}})",
            to, step);
    };
    AdmissionRequest request = creation(jump(1, 3), "carol");
    std::string outcome = co_await ask(ctx, request);
    EXPECT_TRUE(outcome.starts_with("Forbidden: ") && outcome.contains("cannot approve")) << outcome;
    request = creation(jump(3, 1), "carol");
    outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome, "allowed") << "back";
    request = creation(jump(1, 3));
    outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome, "allowed");
}

CO_TEST(DecisionAdmission, OneClusterThatIsNotAllowedRefusesTheWholeObject) {
    std::string const both =
        R"({"spec":{"targets":[{"cluster":"beijing","rolloutUID":"u","step":1,"revision":"r"},{"cluster":"CLUSTER","rolloutUID":"u","step":1,"revision":"r"}]}})";
    auto const with = [&](std::string const& cluster) {
        std::string text = both;
        text.replace(text.find("CLUSTER"), 7, cluster);
        return text;
    };
    AdmissionRequest request = creation(with("oslo"));
    std::string outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome, "allowed");
    request = creation(with("paris"));
    outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome.substr(0, 9), "Forbidden");
    EXPECT_NE(outcome.find("paris"), std::string::npos) << outcome;
    request = creation("{}", "bob");   // may approve, and not act in that cluster
    outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome.substr(0, 9), "Forbidden");
    request = creation(R"({"spec":{"action":"Pause"}})");   // the verb is that of the action
    outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome.substr(0, 9), "Forbidden");
    EXPECT_NE(outcome.find("pause"), std::string::npos) << outcome;
}

CO_TEST(DecisionAdmission, WrittenOnceAndKept) {
    struct Case {
        Operation operation;
        char const* user;
        char const* change;   // of the new object
        bool allowed;
    };
    std::vector<Case> const cases{
        {Operation::kUpdate, "hub", R"({"status":{"outcome":"Applied"}})", true},
        {Operation::kUpdate, "hub", R"({"spec":{"reason":"other"}})", false},
        {Operation::kUpdate, "alice", R"({"status":{"outcome":"Applied"}})", false},
        {Operation::kUpdate, "alice", R"({"spec":{"reason":"other"}})", false},
        {Operation::kUpdate, "alice", R"({"metadata":{"finalizers":["a/b"]}})", false},
        {Operation::kUpdate, "alice", R"({"metadata":{"ownerReferences":[{"name":"gone"}]}})", false},
        // Applied again, as from Git.
        {Operation::kUpdate, "alice", R"({"metadata":{"labels":{"a":"b"}}})", true},
        {Operation::kUpdate, "alice", "{}", true},
        {Operation::kUpdate, "alice", R"({"spec":{"requester":null}})", true},
        {Operation::kUpdate, "alice", R"({"spec":{"requester":{"username":"bob"}}})", false},
        {Operation::kUpdate, "system:serviceaccount:kube-system:generic-garbage-collector",
         R"({"metadata":{"finalizers":[]}})", true},
        {Operation::kUpdate, "system:serviceaccount:kube-system:generic-garbage-collector",
         R"({"spec":{"action":"Undo"}})", false},
        {Operation::kDelete, "hub", "{}", true},
        {Operation::kDelete, "alice", "{}", false},
        {Operation::kDelete, "system:serviceaccount:kube-system:namespace-controller", "{}", true},
        {Operation::kDelete, "system:serviceaccount:demo:default", "{}", false},
        {Operation::kDelete, "system:serviceaccount:kube-system:default", "{}", false},
    };
    for (Case const& each : cases) {
        for (char const* subresource : {"", "status"}) {
            AdmissionRequest request = creation(R"({"spec":{"requester":{"username":"carol"}}})", each.user);
            request.operation = each.operation;
            request.subresource = subresource;
            request.old_object = Doc::freeze(request.object);
            json::apply_merge_patch(request.object, *json::parse_value(each.change));
            if (each.operation == Operation::kDelete) request.object = {};
            std::string const outcome = co_await ask(ctx, request);
            EXPECT_EQ(outcome.substr(0, 7) == "allowed", each.allowed) << each.user << each.change << outcome;
        }
    }
}

// Answers late, and counts.
class Slow final : public control::AccessReviewer {
public:
    Task<Result<bool>> allowed(Context ctx, control::UserInfo, control::Attributes wanted) override {
        ++asked;
        CO_TRY(co_await async::sleep_for(ctx, 200ms));
        co_return wanted.name != "c999" && (everywhere || !wanted.name.empty());
    }
    bool everywhere = false;
    int asked = 0;
};

CO_TEST(DecisionAdmission, OfManyClustersIsAnsweredInTime) {
    auto const reviewer = std::make_shared<Slow>();
    auto const admission = make_decision_admission(reviewer, "hub");
    AdmissionRequest request = creation();
    Value const target = std::as_const(request.object).at({"spec", "targets"})[0];
    json::Array targets(300, target);
    for (std::size_t index = 0; index < targets.size(); ++index) targets[index]["cluster"] = fmt::format("c{}", index);
    request.object.set({"spec", "targets"}, targets);
    CO_ASSERT_OK(co_await admission->mutate(ctx, request));
    CO_ASSERT_OK(co_await admission->validate(ctx.with_timeout(4s), request));
    EXPECT_EQ(reviewer->asked, 302);
    reviewer->everywhere = true;
    CO_ASSERT_OK(co_await admission->validate(ctx.with_timeout(1s), request));
    EXPECT_EQ(reviewer->asked, 304);
    reviewer->everywhere = false;
    targets[200]["cluster"] = "c999";
    request.object.set({"spec", "targets"}, targets);
    Status const refused = co_await admission->validate(ctx, request);
    EXPECT_FALSE(refused);
}

TEST(DecisionAdmission, IsForDecisionsAlone) {
    auto const admission = make_decision_admission(control::make_reviewer(kRules), "hub");
    AdmissionRequest request = creation();
    request.resource.group = "example.com";
    EXPECT_FALSE(admission->matches(request));
    request.resource = {"rollouts.kruise.io", "v1beta1", "rollouts"};
    EXPECT_FALSE(admission->matches(request));
}

// The record of what was approved in a member itself is the hub's alone, and names nobody.
CO_TEST(DecisionAdmission, TheHubAloneRecordsWhatItSaw) {
    std::string const change = R"({"spec":{"selection":"InMember","requester":{"username":"alice"}}})";
    AdmissionRequest request = creation(change);
    std::string outcome = co_await ask(ctx, request);
    EXPECT_TRUE(outcome.starts_with("Forbidden: spec.selection: InMember is for the hub")) << outcome;
    request = creation(change, "hub");
    outcome = co_await ask(ctx, request);
    EXPECT_EQ(outcome, "allowed");
    EXPECT_TRUE(std::as_const(request.object).at({"spec", "requester"}).is_null());
    request = creation(change, "system:serviceaccount:kube-system:namespace-controller");
    outcome = co_await ask(ctx, request);
    EXPECT_TRUE(outcome.starts_with("Forbidden")) << outcome;
}

}   // namespace
}   // namespace aviary::decision
