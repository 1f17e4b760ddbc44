#include "hub/propagation/guard_admission.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "apis/cluster/managed_cluster_set.h"
#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"

namespace aviary::propagation {
namespace {

using control::AdmissionRequest;
using control::Operation;
using json::Doc;
using json::Value;

Doc rollout(std::string const& name, bool disabled, std::string const& on_delete) {
    return *json::parse(fmt::format(
        R"({{"metadata":{{"name":"{}","annotations":{{"fleet.aviary.dev/on-delete":"{}"}}{}}},"spec":{{"disabled":{}}}}})",
        name, on_delete, is_done_first(on_delete) ? R"(,"finalizers":["fleet.aviary.dev/on-delete"])" : "", disabled));
}

// "releasing" is releasing in two clusters, "waiting" holds back in one of two, "going" may go; the policies place it,
// a changed one in the clusters it lists.
std::shared_ptr<control::Admission> guard(std::string const& on_delete = "") {
    return make_guard_admission(
        {[](Doc const& object) {
             bool const releases = object.at({"metadata", "name"}).as_string() == "releasing";
             return releases ? std::vector<std::string>{"beijing", "oslo"} : std::vector<std::string>();
         },
         [](Doc const& object) {
             bool const waits = object.at({"metadata", "name"}).as_string() == "waiting";
             return waits ? HeldBack{{"lima"}, {"quito"}} : HeldBack();
         },
         [](Doc const& object) { return object.at({"metadata", "name"}).as_string() == "going"; },
         [=](Doc const&, Doc const&) {
             return std::vector<Doc>{rollout("quiet", false, ""), rollout("releasing", false, on_delete)};
         },
         [](Doc const&, Doc const&, Doc const& after) {
             std::vector<std::string> clusters;
             for (auto const& [index, cluster] : after["clusters"].elements()) clusters.push_back(cluster.string());
             return clusters;
         }});
}

Task<Status> ask(Context ctx, std::shared_ptr<control::Admission> admission, AdmissionRequest request) {
    if (!admission->matches(request)) co_return Status{};
    CO_TRY(co_await admission->mutate(ctx, request));
    CO_TRY(co_await admission->validate(ctx, request));
    co_return Status{};
}

std::string shown(Status const& status) { return status ? "allowed" : std::string(to_string(status.error().code())); }

AdmissionRequest on_rollout(Operation operation, Doc before, Doc after = {}) {
    AdmissionRequest request;
    request.operation = operation;
    request.resource = kRollouts;
    request.old_object = std::move(before);
    request.object = after.thaw();
    return request;
}

CO_TEST(GuardAdmission, ARolloutThatHoldsAVersionBackIsNotTakenAwayOrDisabled) {
    struct Case {
        char const* name;
        char const* on_delete;
        char const* outcome;
    };
    for (Case const& each : std::vector<Case>{{"quiet", "", "allowed"},
                                              {"releasing", "", "Forbidden"},
                                              {"releasing", "Release", "allowed"},
                                              {"releasing", "Rollback", "allowed"},
                                              {"releasing", "Hold", "allowed"},
                                              {"releasing", "yes", "Forbidden"},
                                              {"waiting", "Hold", "allowed"}}) {
        Doc const before = rollout(each.name, false, each.on_delete);
        Status outcome = co_await ask(ctx, guard(), on_rollout(Operation::kDelete, before));
        EXPECT_EQ(shown(outcome), each.outcome) << each.name << each.on_delete;
        outcome = co_await ask(ctx, guard(),
                               on_rollout(Operation::kUpdate, before, rollout(each.name, true, each.on_delete)));
        EXPECT_EQ(shown(outcome), each.outcome) << each.name << each.on_delete;
    }
    Status const refused = co_await ask(ctx, guard(), on_rollout(Operation::kDelete, rollout("releasing", false, "")));
    EXPECT_EQ(
        refused.error().message(),
        "rollouts.rollouts.kruise.io \"releasing\" is releasing in beijing, oslo and cannot be deleted: without it "
        "the new version would go through unapproved. Finish or abort the release first, or annotate the Rollout "
        "with fleet.aviary.dev/on-delete=Rollback to go back to the stable version first, with Hold to keep the "
        "members' own until they have ended theirs and the new version away from where it has not begun, or with "
        "Release to let the new version through");
}

// What nothing but the guard holds back goes through with the Rollout; disabled it goes on guarding.
CO_TEST(GuardAdmission, WhatHasNotBegunIsHeldBackToo) {
    Doc const before = rollout("waiting", false, "");
    Status outcome = co_await ask(ctx, guard(), on_rollout(Operation::kDelete, before));
    EXPECT_THAT(
        outcome.error().message(),
        testing::HasSubstr("\"waiting\" holds a new version back in lima and may hold one back in clusters that "
                           "were not read, quito, and cannot be deleted"));
    outcome = co_await ask(ctx, guard(), on_rollout(Operation::kUpdate, before, rollout("waiting", true, "")));
    EXPECT_EQ(shown(outcome), "allowed");
}

// It is let go as by a deletion.
CO_TEST(GuardAdmission, ARolloutThatHoldsAVersionBackStaysAtItsWorkload) {
    auto const at = [](char const* name, char const* workload) {
        Value object = rollout(name, false, "").thaw();
        object.set({"spec", "workloadRef"},
                   json::Object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", workload}});
        return Doc::freeze(object);
    };
    for (auto const& [name, outcome] :
         {std::pair("quiet", "allowed"), {"releasing", "Forbidden"}, {"waiting", "Forbidden"}}) {
        Status const moved =
            co_await ask(ctx, guard(), on_rollout(Operation::kUpdate, at(name, "web"), at(name, "web2")));
        EXPECT_EQ(shown(moved), outcome) << name;
        Status const stays =
            co_await ask(ctx, guard(), on_rollout(Operation::kUpdate, at(name, "web"), at(name, "web")));
        EXPECT_EQ(shown(stays), "allowed") << name;
    }
    auto const other_version = [&](char const* version) {
        Value object = at("releasing", "web").thaw();
        object["spec"]["workloadRef"]["apiVersion"] = version;
        return Doc::freeze(object);
    };
    Status const named = co_await ask(
        ctx, guard(), on_rollout(Operation::kUpdate, other_version("apps/v1beta1"), other_version("apps/v1")));
    EXPECT_EQ(shown(named), "allowed");
    // Hold and Rollback are about the workload that it has.
    for (auto const& [word, outcome] :
         {std::pair("Hold", "Forbidden"), {"Rollback", "Forbidden"}, {"Release", "allowed"}}) {
        Value after = rollout("waiting", false, word).thaw();
        after.set({"spec", "workloadRef"}, at("waiting", "web2")["spec"]["workloadRef"].thaw());
        Status const moved =
            co_await ask(ctx, guard(), on_rollout(Operation::kUpdate, at("waiting", "web"), Doc::freeze(after)));
        EXPECT_EQ(shown(moved), outcome) << word;
    }
}

// The only form that somebody has who applies whole files.
CO_TEST(GuardAdmission, AWordThatIsNoneIsRefusedWhenItComes) {
    auto const said = [&](Operation operation, char const* before, char const* after) -> Task<std::string> {
        co_return shown(co_await ask(
            ctx, guard(), on_rollout(operation, rollout("quiet", false, before), rollout("quiet", false, after))));
    };
    EXPECT_EQ(co_await said(Operation::kCreate, "", "rollback"), "Forbidden");
    EXPECT_EQ(co_await said(Operation::kUpdate, "", "Rolback"), "Forbidden");
    EXPECT_EQ(co_await said(Operation::kUpdate, "Hold", "Rolback"), "Forbidden");
    EXPECT_EQ(co_await said(Operation::kUpdate, "Rolback", "Rolback"), "allowed") << "it is there already";
    EXPECT_EQ(co_await said(Operation::kUpdate, "Rolback", "Rollback"), "allowed");
    EXPECT_EQ(co_await said(Operation::kUpdate, "Rolback", ""), "allowed");
}

CO_TEST(GuardAdmission, TheWordMayComeWithTheWrite) {
    Doc const before = rollout("releasing", false, "");
    Status outcome =
        co_await ask(ctx, guard(), on_rollout(Operation::kUpdate, before, rollout("releasing", true, "Rollback")));
    EXPECT_EQ(shown(outcome), "allowed");
    outcome = co_await ask(
        ctx, guard(),
        on_rollout(Operation::kUpdate, rollout("releasing", false, "Hold"), rollout("releasing", true, "")));
    EXPECT_EQ(shown(outcome), "Forbidden");
}

CO_TEST(GuardAdmission, TheFinalizerOfOneThatGoesIsTheHubs) {
    for (auto const& [name, wanted] :
         std::vector<std::pair<std::string, std::string>>{{"waiting", "Forbidden"}, {"going", "allowed"}}) {
        for (char const* word : {"Rollback", "Hold"}) {
            Value going = rollout(name, false, word).thaw();
            going.set({"metadata", "deletionTimestamp"}, "2026-01-01T00:00:00Z");
            Value bare = going;
            bare["metadata"].erase("finalizers");
            Status outcome =
                co_await ask(ctx, guard(), on_rollout(Operation::kUpdate, Doc::freeze(going), Doc::freeze(bare)));
            EXPECT_EQ(shown(outcome), wanted) << name << word;
            bare.set({"metadata", "annotations", kOnDelete}, "Release");
            outcome = co_await ask(ctx, guard(), on_rollout(Operation::kUpdate, Doc::freeze(going), Doc::freeze(bare)));
            EXPECT_EQ(shown(outcome), "allowed") << name << word;
        }
    }
}

CO_TEST(GuardAdmission, OtherWritesPass) {
    Doc const enabled = rollout("releasing", false, "");
    Doc const disabled = rollout("releasing", true, "");
    std::vector<std::pair<Doc, Doc>> const updates{{enabled, enabled}, {disabled, disabled}, {disabled, enabled}};
    for (auto const& [before, after] : updates) {
        Status const outcome = co_await ask(ctx, guard(), on_rollout(Operation::kUpdate, before, after));
        EXPECT_TRUE(outcome);
    }
    AdmissionRequest status = on_rollout(Operation::kUpdate, enabled, disabled);
    status.subresource = "status";
    EXPECT_FALSE(guard()->matches(status));
    EXPECT_TRUE(co_await ask(ctx, guard(), on_rollout(Operation::kCreate, {}, disabled)));
    AdmissionRequest other = on_rollout(Operation::kDelete, enabled);
    other.resource.group = "argoproj.io";
    EXPECT_FALSE(guard()->matches(other));
    other.operation = Operation::kUpdate;
    other.resource.resource = "propagationpolicies";
    EXPECT_FALSE(guard()->matches(other));
    other.resource.group = "policy.karmada.io";
    EXPECT_TRUE(guard()->matches(other));
    other.operation = Operation::kDelete;
    EXPECT_FALSE(guard()->matches(other)) << "what is placed stays";
}

// Something is to be done between the deletion and the end, if only to note the word: the finalizer gives the time.
CO_TEST(GuardAdmission, AWordIsAFinalizer) {
    Doc const marked = rollout("releasing", false, "Rollback");
    Value bare = marked.thaw();
    bare["metadata"].erase("finalizers");
    Value deleted = bare;
    deleted.set({"metadata", "deletionTimestamp"}, "2026-01-01T00:00:00Z");
    struct Case {
        Operation operation;
        Value before, after;
        std::string finalizers;
    };
    std::string const ours = R"(["fleet.aviary.dev/on-delete"])";
    for (Case const& each :
         std::vector<Case>{{Operation::kCreate, {}, bare, ours},
                           {Operation::kUpdate, marked.thaw(), bare, ours},
                           {Operation::kUpdate, marked.thaw(), marked.thaw(), ours},
                           {Operation::kUpdate, deleted, deleted, "null"},   // nothing may be put on any more
                           {Operation::kCreate, {}, rollout("releasing", false, "Hold").thaw(), ours},
                           {Operation::kCreate, {}, rollout("releasing", false, "Release").thaw(), ours}}) {
        AdmissionRequest request = on_rollout(each.operation, Doc::freeze(each.before), Doc::freeze(each.after));
        CO_ASSERT_OK(co_await guard()->mutate(ctx, request));
        EXPECT_EQ(json::write(std::as_const(request.object).at({"metadata", "finalizers"})), each.finalizers);
    }
    Status const refused = co_await ask(ctx, guard(), on_rollout(Operation::kDelete, Doc::freeze(bare)));
    EXPECT_EQ(shown(refused), "Forbidden") << "it would be gone at once";
    EXPECT_THAT(refused.error().message(), testing::HasSubstr("its finalizer fleet.aviary.dev/on-delete is missing"));
}

CO_TEST(GuardAdmission, WhatGoesBackIsNotLetThroughWithoutAWord) {
    Value going = rollout("releasing", false, "Rollback").thaw();
    going.set({"metadata", "deletionTimestamp"}, "2026-01-01T00:00:00Z");
    for (auto const& [word, wanted] : std::vector<std::pair<std::string, std::string>>{
             {"", "Forbidden"}, {"Hold", "allowed"}, {"Release", "allowed"}, {"Rollback", "allowed"}}) {
        Status outcome = co_await ask(
            ctx, guard(), on_rollout(Operation::kUpdate, Doc::freeze(going), rollout("releasing", false, word)));
        EXPECT_EQ(shown(outcome), wanted) << word;
        outcome = co_await ask(ctx, guard(),
                               on_rollout(Operation::kUpdate, Doc::freeze(going), rollout("releasing", true, word)));
        EXPECT_EQ(shown(outcome), wanted) << word;
    }
}

CO_TEST(GuardAdmission, AChangedPolicyKeepsItWhereItReleases) {
    struct Case {
        char const* clusters;
        char const* outcome;
    };
    for (Case const& each : std::vector<Case>{{R"(["beijing","oslo"])", "allowed"},
                                              {R"(["beijing","lima","oslo"])", "allowed"},
                                              {R"(["oslo"])", "Forbidden"},
                                              {"[]", "Forbidden"}}) {
        AdmissionRequest request;
        request.operation = Operation::kUpdate;
        request.resource = {"policy.one.alibabacloud.com", "v1alpha1", "propagationpolicies"};
        request.object = *json::parse_value(fmt::format(R"({{"clusters":{}}})", each.clusters));
        Status outcome = co_await ask(ctx, guard(), request);
        EXPECT_EQ(shown(outcome), each.outcome) << each.clusters;
        outcome = co_await ask(ctx, guard("Release"), request);
        EXPECT_EQ(shown(outcome), "allowed") << each.clusters;
        request.operation = Operation::kCreate;   // of one that takes it over
        outcome = co_await ask(ctx, guard(), request);
        EXPECT_EQ(shown(outcome), each.outcome) << each.clusters;
    }
    AdmissionRequest request;
    request.operation = Operation::kUpdate;
    request.resource = {"policy.one.alibabacloud.com", "v1alpha1", "propagationpolicies"};
    request.object = *json::parse_value(R"({"clusters":["oslo"]})");
    Status const refused = co_await ask(ctx, guard(), request);
    EXPECT_THAT(refused.error().message(), testing::HasSubstr("is releasing in beijing and cannot be un-placed there"));
}

CO_TEST(GuardAdmission, ASetOrItsBindingIsNotTakenFromARelease) {
    for (auto const& resource : {apis::kManagedClusterSets, apis::kManagedClusterSetBindings}) {
        AdmissionRequest request;
        request.resource = resource;
        request.operation = Operation::kDelete;
        request.old_object = *json::parse(R"({"kind":"ManagedClusterSetBinding","metadata":{"name":"gpu"}})");
        Status outcome = co_await ask(ctx, guard(), request);
        EXPECT_EQ(shown(outcome), "Forbidden");
        EXPECT_THAT(outcome.error().message(),
                    testing::HasSubstr("is releasing in beijing, oslo and cannot be un-placed there"));
        outcome = co_await ask(ctx, guard("Hold"), request);
        EXPECT_EQ(shown(outcome), "allowed");
        request.operation = Operation::kUpdate;
        request.object = *json::parse_value(R"({"clusters":["beijing","oslo"]})");
        outcome = co_await ask(ctx, guard(), request);
        EXPECT_EQ(shown(outcome), "allowed");
    }
}

}   // namespace
}   // namespace aviary::propagation
