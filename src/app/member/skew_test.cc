// Releases that an earlier version has left in the middle, as test/real/skew.sh recorded them on a real cluster
// (test/compat/skew), go on where they were.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/member/internal/test_world.h"

namespace aviary::member {
namespace {

using Cases = std::map<std::string, std::vector<Value>>;   // by the state that was recorded
constexpr char kImage[] = "registry.example.com/inference/vllm-qwen:";

std::vector<std::filesystem::path> versions() {
    std::vector<std::filesystem::path> found;
    for (auto const& each :
         std::filesystem::directory_iterator(std::filesystem::path(AVIARY_SOURCE_DIR) / "test" / "compat" / "skew"))
        if (each.is_directory()) found.push_back(each.path());
    std::ranges::sort(found);
    return found;
}

Cases cases_of(std::filesystem::path const& version) {
    Cases cases;
    for (auto const& each : std::filesystem::directory_iterator(version)) {
        std::ifstream file(each.path());
        auto list = json::parse_value(std::string(std::istreambuf_iterator<char>(file), {}));
        EXPECT_TRUE(list) << each.path() << ": " << list.error().message();
        if (!list) continue;
        std::vector<Value>& objects = cases[each.path().stem().string()];
        objects.push_back(*json::parse_value(
            R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo","uid":"demo"},"status":{"phase":"Active"}})"));
        for (Value& object : list->make_array()) {
            // On a node of the simulator's: somebody has to start and to end it.
            if (object["kind"].as_string() == "Pod") object.set({"spec", "nodeName"}, "gpu-node-1");
            objects.push_back(std::move(object));
        }
    }
    return cases;
}

std::string image_of(Doc const& pod_template) {
    return pod_template.at({"spec", "containers"})[0]["image"].string().substr(sizeof(kImage) - 1);
}

struct Left {
    Context ctx;
    World world;
    std::string state;         // as recorded: "StepPaused-1"
    std::string now, before;   // the version in the Deployment's template, and the other one there is

    Left(Context ctx, std::string state) : ctx(ctx), world(ctx), state(std::move(state)) {
        world.workload = {"demo", "qwen-inference"};
        world.rollout_key = {"demo", "qwen-inference-rollout"};
    }

    bool is(std::string_view name) const { return state.starts_with(name); }
    int step() const { return is("Step") ? state.back() - '0' : 0; }

    // The newest time in the objects: from then on they are looked at.
    Task<Status> begin(std::vector<Value> objects) {
        Time newest{};
        for (Value const& each : objects) {
            if (each["kind"].as_string() == "Deployment") now = image_of(Doc::freeze(each)["spec"]["template"]);
            auto const made = parse_rfc3339(each.at({"metadata", "creationTimestamp"}).as_string());
            newest = std::max(newest, made.value_or(newest));
        }
        for (Value const& each : objects) {
            std::string const image = each["kind"].as_string() == "Pod" ? image_of(Doc::freeze(each)) : now;
            if (image != now) before = image;
        }
        CO_TRY(co_await async::sleep_for(ctx, std::max<Duration>(newest + 10s - ctx.now(), 0s)));
        CO_TRY(co_await world.restore(std::move(objects)));
        co_return co_await world.start();
    }

    // "v1=9 v2=1"
    Task<std::string> pods() {
        std::string text;
        Images const counts = co_await world.images();
        for (auto const& [image, count] : counts)
            text += (text.empty() ? "" : " ") + image.substr(sizeof(kImage) - 1) + "=" + std::to_string(count);
        co_return text;
    }
    std::string share(int of_new) const {
        return before + "=" + std::to_string(10 - of_new) + " " + now + "=" + std::to_string(of_new);
    }
    Task<std::string> names() {
        std::string text;
        auto const list = co_await world.client->list(ctx, kPods, {.ns = "demo"});
        for (auto const& [index, pod] : (*list)["items"].elements()) text += meta::name(pod) + " ";
        co_return text;
    }

    Task<void> stays(int of_new) {
        std::string const pods_before = co_await names();
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 60s));
        std::string const pods_after = co_await names();
        EXPECT_EQ(pods_before, pods_after) << "no pod is touched";
        std::string const text = co_await pods();
        EXPECT_EQ(text, of_new == 10 ? now + "=10" : share(of_new));
    }
    // From the pause at this step to the end.
    Task<void> finish(int step) {
        static constexpr int kShares[] = {0, 1, 5, 10};
        for (; step < 3; ++step) {
            CO_ASSERT_OK(co_await world.until(fmt::format("Progressing/{}/StepPaused/InRolling", step)));
            co_await stays(kShares[step]);
            CO_ASSERT_OK(co_await world.approve());
        }
        CO_ASSERT_OK(co_await world.until("Healthy/3/Completed/Completed"));
        co_await ends_with(now);
    }
    Task<void> ends_with(std::string version) {
        CO_ASSERT_OK(co_await async::sleep_for(ctx, 30s));
        std::string const text = co_await pods();
        EXPECT_EQ(text, version + "=10");
        std::string const left = co_await world.leftovers();
        EXPECT_EQ(left, "");
    }

    Task<void> go_on() {
        if (is("Healthy")) {
            co_await stays(10);
            before = std::exchange(now, "v99");
            CO_ASSERT_OK(co_await release_next());
            co_await finish(1);
        } else if (is("Cancelling")) {
            CO_ASSERT_OK(co_await world.until("Healthy/0//", true));
            co_await ends_with(now);
        } else if (is("StepReady")) {
            co_await finish(step() + 1);
        } else {
            co_await finish(step());
        }
    }
    Task<Status> release_next() {
        Value patch = *json::parse_value(
            R"({"spec":{"template":{"spec":{"containers":[{"name":"vllm","image":"registry.example.com/inference/vllm-qwen:v99"}]}}}})");
        CO_TRY(co_await world.client->patch(ctx, kDeployments, world.workload, client::PatchType::kStrategicMerge,
                                            std::move(patch)));
        co_return Status{};
    }
};

CO_TEST(Skew, WhatAnEarlierVersionHasLeftGoesOn) {
    std::size_t count = 0;
    for (auto const& version : versions()) {
        for (auto const& [state, objects] : cases_of(version)) {
            SCOPED_TRACE(version.filename().string() + " " + state);
            ++count;
            Left left(ctx, state);
            CO_ASSERT_OK(co_await left.begin(objects));
            co_await left.go_on();
            co_await left.world.stop();
        }
    }
    EXPECT_GT(count, 0u) << "there are none";
}

}   // namespace
}   // namespace aviary::member
