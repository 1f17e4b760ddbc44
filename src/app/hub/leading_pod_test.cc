#include "app/hub/internal/leading_pod.h"

#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/meta/object.h"

namespace aviary::hub {
namespace {

meta::GroupVersionResource const kPods{"", "v1", "pods"};

CO_TEST(LeadingPod, OneAtATimeHasTheLabel) {
    auto server = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(server);
    client::Client const client((*server)->transport("fleet", {"admin", {"system:masters"}, {}}), "test");
    for (std::string_view name : {"hub-a", "hub-b", "other"}) {
        json::Value pod = *json::parse_value(
            R"({"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default","labels":{"app":"hub"}},"spec":{"containers":[{"name":"a","image":"a"}]}})");
        pod.set({"metadata", "name"}, name);
        CO_ASSERT_OK(co_await client.create(ctx, kPods, std::move(pod)));
    }
    auto const marked = [ctx, client]() -> Task<std::string> {
        auto const pods = co_await client.list(ctx, kPods, {.ns = "default"});
        std::string names;
        for (auto const& [index, pod] : (*pods)["items"].elements()) {
            EXPECT_EQ(meta::name(pod) == "other" || !meta::label(pod, "app").empty(), true);
            if (meta::label(pod, kLeadingLabel) == "true") names += meta::name(pod) + " ";
        }
        co_return names;
    };
    co_await mark_leading_pod(ctx, client, {"default", "hub-a"});
    EXPECT_EQ(co_await marked(), "hub-a ");
    co_await mark_leading_pod(ctx, client, {"default", "hub-b"});
    EXPECT_EQ(co_await marked(), "hub-b ");
    co_await mark_leading_pod(ctx, client, {"default", "hub-b"});
    EXPECT_EQ(co_await marked(), "hub-b ");

    // One that is not there yet is waited for.
    async::Scope waiting(ctx);
    waiting.spawn(mark_leading_pod(waiting.context(), client, {"default", "hub-c"}));
    (void)co_await async::sleep_for(ctx, std::chrono::seconds(5));
    EXPECT_EQ(waiting.running(), 1U);
    EXPECT_EQ(co_await marked(), "");
    co_await waiting.cancel_and_join();
}

}   // namespace
}   // namespace aviary::hub
