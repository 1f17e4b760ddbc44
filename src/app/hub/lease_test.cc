#include "apis/crds.h"
#include "app/hub/hub.h"
#include "core/async/co_test.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/control/definitions.h"
#include "kube/meta/object.h"

namespace aviary::hub {
namespace {

using namespace std::chrono_literals;
using json::Value;

meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
meta::GroupVersionResource const kPolicies{"policy.one.alibabacloud.com", "v1alpha1", "propagationpolicies"};
meta::ObjectKey const kSettings{"default", "settings"};
control::UserInfo const kAdmin{"admin", {"system:masters", "system:authenticated"}, {}};

Value parsed(std::string_view text) { return *json::parse_value(text); }

// Counts the writes that pass, and lets nothing pass when cut.
class Line final : public client::Transport {
public:
    explicit Line(std::shared_ptr<client::Transport> inner) : inner_(std::move(inner)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        if (cut) {
            async::Event never;
            CO_TRY(co_await never.wait(ctx));
        }
        if (request.method != "GET") ++writes;
        auto answer = co_await inner_->send(ctx, std::move(request));
        co_return answer;
    }
    bool cut = false;
    int writes = 0;

private:
    std::shared_ptr<client::Transport> inner_;
};

// One of several hub processes.
struct Process {
    Process(Context const& ctx, apiserver::ApiServer& server, std::string const& name)
        : scope(ctx),
          to_lease(std::make_shared<Line>(server.transport("fleet", kAdmin))),
          to_hub(std::make_shared<Line>(server.transport("fleet", kAdmin))),
          to_member(std::make_shared<Line>(server.transport("beijing", kAdmin))) {
        client::LeaseOptions options;
        options.name = "aviary-hub";
        options.identity = name;
        lease = *client::Lease::create(client::Client(to_lease, "aviary-hub"), options);
        LeasedHub parts{
            .client = client::Client(to_hub, "aviary-hub"),
            .hub_id = "fleet",
            .connect = [this](json::Doc const&) { return Result<std::shared_ptr<client::Transport>>(to_member); },
            .serving = [this](std::shared_ptr<Hub> next) { hub = std::move(next); }};
        scope.spawn(run_with_lease(scope.context(), *lease, std::move(parts)));
    }
    int writes() const { return to_hub->writes + to_member->writes; }

    async::Scope scope;
    std::shared_ptr<Line> to_lease, to_hub, to_member;
    std::unique_ptr<client::Lease> lease;
    std::shared_ptr<Hub> hub;
};

Task<std::string> value_in(Context ctx, client::Client member) {
    auto const object = co_await member.get(ctx, kConfigMaps, kSettings);
    co_return object ? object->at({"data", "k"}).string() : std::string("absent");
}

CO_TEST(LeasedHub, OneWorksAndAnotherTakesOver) {
    observe::set_level(observe::Level::kOff);
    auto opened = co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {});
    CO_ASSERT_OK(opened);
    apiserver::ApiServer& server = **opened;
    CO_ASSERT_OK(co_await server.ensure_cluster(ctx, "beijing"));
    client::Client const fleet(server.transport("fleet", kAdmin), "test");
    client::Client const beijing(server.transport("beijing", kAdmin), "test");
    CO_ASSERT_OK(co_await control::install_definitions(ctx, fleet, apis::crds()));
    CO_ASSERT_OK(co_await register_cluster(ctx, fleet, "beijing", "https://127.0.0.1/clusters/beijing"));
    CO_ASSERT_OK(co_await fleet.create(ctx, kPolicies, parsed(R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1",
        "kind":"PropagationPolicy","metadata":{"name":"all","namespace":"default"},"spec":{"resourceSelectors":
        [{"apiVersion":"v1","kind":"ConfigMap","name":"settings"}],"placement":{"replicaScheduling":
        {"replicaSchedulingType":"Duplicated"}}}})")));
    CO_ASSERT_OK(co_await fleet.create(ctx, kConfigMaps, parsed(R"({"apiVersion":"v1","kind":"ConfigMap",
        "metadata":{"name":"settings","namespace":"default"},"data":{"k":"1"}})")));

    Process one(ctx, server, "one");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_EQ(co_await value_in(ctx, beijing), "1");
    Process two(ctx, server, "two");
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    CO_ASSERT_TRUE(one.hub != nullptr);
    EXPECT_TRUE(two.hub == nullptr);
    EXPECT_EQ(two.writes(), 0);

    // Only its lease is out of reach; what it could still write to it may not write.
    one.to_lease->cut = true;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_TRUE(one.hub == nullptr);
    CO_ASSERT_TRUE(two.hub != nullptr);
    int const before = one.writes();
    CO_ASSERT_OK(
        co_await fleet.patch(ctx, kConfigMaps, kSettings, client::PatchType::kMerge, parsed(R"({"data":{"k":"2"}})")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_EQ(co_await value_in(ctx, beijing), "2");
    EXPECT_EQ(one.writes(), before);

    // It leads again once the other has gone, and knows what has happened.
    one.to_lease->cut = false;
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 20s));
    EXPECT_TRUE(one.hub == nullptr);
    co_await two.scope.cancel_and_join();
    EXPECT_TRUE(two.hub == nullptr);
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 1s));
    CO_ASSERT_TRUE(one.hub != nullptr);
    EXPECT_EQ(one.lease->term(), 2U);
    CO_ASSERT_OK(
        co_await fleet.patch(ctx, kConfigMaps, kSettings, client::PatchType::kMerge, parsed(R"({"data":{"k":"3"}})")));
    CO_ASSERT_OK(co_await async::sleep_for(ctx, 5s));
    EXPECT_EQ(co_await value_in(ctx, beijing), "3");
    co_await one.scope.cancel_and_join();
    observe::set_level(observe::Level::kWarning);
}

}   // namespace
}   // namespace aviary::hub
