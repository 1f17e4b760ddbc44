// What a tool does that puts the same manifests from Git again and again, or an older state of them.
#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {
namespace {

// The Deployment as it stands in Git, with this image.
Task<Status> sync(Fleet& fleet, std::string image) {
    Value object = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo"},
        "spec":{"replicas":10,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
        "spec":{"containers":[{"name":"main","image":")" +
        image + R"("}]}}}})");
    client::WriteOptions options;
    options.field_manager = "argocd-controller";
    options.force = true;
    CO_TRY(co_await fleet.at("fleet").apply(fleet.scope.context(), kDeployments, std::move(object), options));
    co_return Status{};
}

CO_TEST(GitOps, ATemplateThatComesAgainDoesNotUndoAnUndo) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up({"beijing", "oslo"}));
    CO_ASSERT_OK(co_await sync(fleet, "v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    CO_ASSERT_OK(co_await fleet.decide("Undo", {"beijing", "oslo"}, "undo"));
    CO_ASSERT_OK(co_await fleet.until_all("v1", "10"));
    CO_ASSERT_OK(co_await fleet.until_all("phase", "Healthy"));
    // Applied again, also to a hub that knows of it from the bindings alone; and reverted.
    for (char const* image : {"v2", "v2", "v1"}) {
        CO_ASSERT_OK(co_await sync(fleet, image));
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        co_await fleet.stop_hub();
        fleet.start_hub();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        for (char const* cluster : {"beijing", "oslo"}) {
            EXPECT_EQ(co_await fleet.images(cluster), (Images{{"v1", 10}})) << cluster << " after " << image;
            EXPECT_EQ(co_await fleet.show(cluster, "phase"), "Healthy") << cluster << " after " << image;
        }
    }
    // After the revert the same version is a release as any: it waits at its first step.
    CO_ASSERT_OK(co_await sync(fleet, "v2"));
    CO_ASSERT_OK(co_await fleet.until_all("state", "Progressing/1/StepPaused"));
    EXPECT_EQ(co_await fleet.images("oslo"), (Images{{"v1", 9}, {"v2", 1}}));
    co_await fleet.stop();
}

// From Git it is applied again and again, and made again when the hub has cleaned it up: it approves once.
CO_TEST(GitOps, ADecisionFromGitIsCarriedOutOnce) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await fleet.set_up_paused({"beijing"}));
    CO_ASSERT_OK(co_await fleet.decide("Approve", {"beijing"}, "from-git"));
    CO_ASSERT_OK(co_await fleet.until("beijing", "state", "Progressing/2/StepPaused"));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_EQ(co_await fleet.outcome("from-git"), "Applied beijing Applied");
    auto const made = co_await fleet.at("fleet").get(ctx, apis::kDecisions, {"demo", "from-git"});
    CO_ASSERT_OK(made);
    Value object{json::Object{{"apiVersion", "fleet.aviary.dev/v1alpha1"}, {"kind", "Decision"}}};
    object["metadata"] = json::Object{{"name", "from-git"}, {"namespace", "demo"}};
    object["spec"] = (*made)["spec"].thaw();
    object["spec"].erase("requester");
    client::WriteOptions options;
    options.field_manager = "kustomize-controller";
    for (int again = 0; again < 2; ++again)
        CO_ASSERT_OK(co_await fleet.at("fleet").apply(ctx, apis::kDecisions, object, options));

    CO_ASSERT_OK(co_await async::sleep_for(ctx, 2h));
    client::Client const as_hub(fleet.server->transport("fleet", kHubUser), "aviary-hub");
    CO_ASSERT_OK(co_await as_hub.remove(ctx, apis::kDecisions, {"demo", "from-git"}));
    CO_ASSERT_OK(co_await fleet.at("fleet").apply(ctx, apis::kDecisions, object, options));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
    // What has taken effect has.
    EXPECT_EQ(co_await fleet.outcome("from-git"), "Applied beijing Applied");
    EXPECT_EQ(co_await fleet.show("beijing", "state"), "Progressing/2/StepPaused");
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::hub
