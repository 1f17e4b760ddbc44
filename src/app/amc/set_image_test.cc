#include "app/amc/set_image.h"

#include <gtest/gtest.h>

#include "app/amc/internal/test_clusters.h"
#include "app/hub/internal/test_attached.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"

namespace aviary::amc {
namespace {

using hub::Fleet;
using namespace std::chrono_literals;

std::string shown(std::vector<std::string> const& words) {
    auto const images = parse_images(words);
    if (!images) return "error: " + images.error().message();
    auto const patch =
        image_patch(json::Doc::freeze(*json::parse_value(
                        R"({"spec":{"template":{"spec":{"initContainers":[{"name":"load","image":"load:v1"}],
            "containers":[{"name":"vllm","image":"vllm:v1"},{"name":"proxy","image":"proxy:v1"}]}}}})")),
                    *images);
    return patch ? json::write(patch->patch) : "error: " + patch.error().message();
}

TEST(SetImage, ChangesTheContainersThatAreNamed) {
    EXPECT_EQ(shown({"vllm=reg:5000/vllm:v2"}),
              R"({"spec":{"template":{"spec":{"containers":[{"name":"vllm","image":"reg:5000/vllm:v2"}]}}}})");
    EXPECT_EQ(shown({"load=load:v2", "proxy=proxy:v2"}),
              R"({"spec":{"template":{"spec":{"containers":[{"name":"proxy","image":"proxy:v2"}],)"
              R"("initContainers":[{"name":"load","image":"load:v2"}]}}}})");
    EXPECT_EQ(shown({"*=vllm:v1"}), R"({"spec":{"template":{"spec":{"containers":[{"name":"proxy","image":"vllm:v1"}],)"
                                    R"("initContainers":[{"name":"load","image":"vllm:v1"}]}}}})");
    EXPECT_EQ(shown({"vllm=vllm:v1"}), "null");
    EXPECT_EQ(shown({"web=v2"}), "error: it has no container \"web\", but vllm, proxy");
    for (char const* word : {"vllm", "=v2", "vllm="})
        EXPECT_EQ(shown({word}), std::string("error: \"") + word + "\" is not CONTAINER=IMAGE");
    EXPECT_EQ(shown({}), "error: say what is to change: CONTAINER=IMAGE");
}

// A server answers 415 to a strategic merge patch of a custom resource.
TEST(SetImage, OfOtherKindsChangesTheImageAlone) {
    auto const patched = [](char const* text, std::vector<std::string> const& words) {
        json::Value object = *json::parse_value(text);
        auto const change = image_patch(json::Doc::freeze(object), *parse_images(words));
        EXPECT_TRUE(change && change->type == client::PatchType::kJson);
        EXPECT_TRUE(json::apply_json_patch(object, change->patch)) << json::write(change->patch);
        json::Value const spec = object["spec"];
        EXPECT_EQ(spec["replicas"].as_int(), 2);
        // Of what was replaced meanwhile it is refused.
        json::Value other = *json::parse_value(text);
        other["spec"] = *json::parse_value(
            R"({"template":{"spec":{"containers":[{"name":"new"},{"name":"new"}]}},"leaderWorkerTemplate":{}})");
        EXPECT_FALSE(json::apply_json_patch(other, change->patch));
        return json::write(spec);
    };
    constexpr char kCloneSet[] = R"({"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet","spec":{"replicas":2,
        "template":{"spec":{"containers":[{"name":"main","image":"v1","args":["x"]},{"name":"side","image":"v1"}]}}}})";
    EXPECT_EQ(patched(kCloneSet, {"side=v2"}),
              R"({"replicas":2,"template":{"spec":{"containers":[{"name":"main","image":"v1","args":["x"]},)"
              R"({"name":"side","image":"v2"}]}}})");
    constexpr char kGroups[] =
        R"({"apiVersion":"leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet","spec":{"replicas":2,
        "leaderWorkerTemplate":{"leaderTemplate":{"spec":{"containers":[{"name":"main","image":"v1"}]}},
        "workerTemplate":{"spec":{"initContainers":[{"name":"load","image":"v1"}],
        "containers":[{"name":"main","image":"v1"}]}}}}})";
    EXPECT_EQ(
        patched(kGroups, {"main=v2"}),
        R"({"replicas":2,"leaderWorkerTemplate":{"leaderTemplate":{"spec":{"containers":[{"name":"main","image":"v2"}]}},)"
        R"("workerTemplate":{"spec":{"initContainers":[{"name":"load","image":"v1"}],)"
        R"("containers":[{"name":"main","image":"v2"}]}}}})");
}

// The hub would have put it back in a moment, and the release that began would have been for nothing.
TEST(SetImage, LeavesWhatAHubHasBroughtToThatHub) {
    Time const now = *parse_rfc3339("2026-11-29T12:00:00Z");
    auto const workload = [](std::string const& labels, std::string const& hold) {
        json::Value object = *json::parse_value(R"({"metadata":{"labels":)" + labels + "}}");
        if (!hold.empty()) object.set({"metadata", "annotations", "fleet.aviary.dev/hold"}, hold);
        return json::Doc::freeze(object);
    };
    EXPECT_TRUE(may_change_there(workload("{}", ""), now));
    std::string const brought = R"({"fleet.aviary.dev/hub":"h1"})";
    EXPECT_TRUE(may_change_there(workload(brought, "2026-11-29T13:00:00Z;alice;hub is down"), now));
    EXPECT_FALSE(may_change_there(workload(brought, "2026-11-29T11:00:00Z;alice;hub was down"), now));
    Status const refused = may_change_there(workload(brought, ""), now);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message().starts_with("hub h1 has brought it")) << refused.error().message();
}

TEST(SetImage, OfWhatRunsNothingSaysSo) {
    json::Doc const service =
        json::Doc::freeze(*json::parse_value(R"({"kind":"Service","spec":{"selector":{"app":"web"}}})"));
    for (char const* word : {"vllm=v2", "*=v2"}) {
        auto const patch = image_patch(service, *parse_images({word}));
        ASSERT_FALSE(patch);
        EXPECT_EQ(patch.error().message(),
                  "a Service has no pod template with containers: name a workload, such as deployment/NAME");
    }
}

// Passes on what is read; no answer comes to what is written.
class Unanswered final : public client::Transport {
public:
    explicit Unanswered(std::shared_ptr<client::Transport> inner) : inner_(std::move(inner)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        bool const writes = request.method != "GET";
        auto response = co_await inner_->send(ctx, std::move(request));
        if (writes) co_return fail(ErrorCode::kUnavailable, "connection reset");
        co_return response;
    }

private:
    std::shared_ptr<client::Transport> inner_;
};

Command set_v2() {
    return [](Session session) { return set_image(std::move(session), "deploy/web", {"main=v2"}); };
}

// What is set on a hub is released everywhere.
CO_TEST(SetImage, AHubIsLeftOut) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await hub::deliver_paused(fleet, {"beijing"}, propagation::Mode::kAttached));
    CO_ASSERT_OK(co_await fleet.create(hub::kDeployments, hub::kDeployment));
    std::string text = co_await Clusters{fleet}.add("fleet").add("beijing").run(everywhere(), set_v2());
    EXPECT_EQ(text, "0\nbeijing  -  done  it has that image already\nnote: context fleet is a hub: it is left out\n");
    hub::Doc const there = co_await fleet.get("fleet", hub::kDeployments);
    EXPECT_FALSE(has(json::write(there), "\"v2\""));
    Flags flags;
    flags.members = {"fleet"};
    text = co_await Clusters{fleet}.add("fleet", false).add("beijing").run(flags, set_v2());
    EXPECT_TRUE(text.starts_with("1\nerror: context fleet is a hub")) << text;
    co_await fleet.stop();
}

// Each that is meant has a row; one that did not answer may have it.
CO_TEST(SetImage, SaysWhatEachClusterAnswers) {
    Fleet fleet(ctx);
    CO_ASSERT_OK(co_await hub::deliver_paused(fleet, {"beijing", "oslo", "paris"}, propagation::Mode::kAttached));
    fleet.ways.cut.insert("oslo");
    Clusters clusters{fleet};
    clusters.add("beijing").add("oslo");
    clusters.list.push_back({.name = "gone", .by_pattern = true});
    clusters.list.back().away = Error(ErrorCode::kUnavailable, "no such certificate");
    Flags flags = everywhere();
    Command const set_v3 = [](Session session) { return set_image(std::move(session), "deploy/web", {"main=v3"}); };
    std::string text = co_await clusters.run(flags, set_v3);
    EXPECT_EQ(text,
              "2\n"
              "beijing  -  set          image of deployment/web set\n"
              "oslo     -  unreachable  no route\n"
              "gone     -  unreachable  no such certificate\n"
              "error: 1 set, 2 unreachable\n");
    flags.members = {"oslo,gone", "oslo"};
    flags.all_members = false;
    text = co_await clusters.run(flags, set_v2());
    EXPECT_TRUE(text.starts_with("6\nerror: no cluster answers: oslo: no route; gone: no such")) << text;
    flags.members = {"beijing", "oslo"};
    flags.allow_unreachable = true;
    text = co_await clusters.run(flags, set_v2());
    EXPECT_TRUE(text.starts_with("0\nbeijing  -  set ") && text.ends_with("note: 1 set, 1 unreachable\n")) << text;
    clusters.list.clear();
    auto const lost = std::make_shared<Unanswered>(fleet.server->transport("paris", hub::kAdmin));
    clusters.list.push_back({.name = "paris", .client = client::Client(lost, "kubectl-amc")});
    text = co_await clusters.run(everywhere(), set_v3);
    EXPECT_TRUE(text.starts_with("1\nparis  -  failed  it may be stored or not: ")) << text;
    co_await fleet.stop();
}

}   // namespace
}   // namespace aviary::amc
