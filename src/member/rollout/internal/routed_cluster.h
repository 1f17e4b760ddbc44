// For tests: a release that routes requests, in memory, and what became of it in which order.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "member/rollout/internal/fake_cluster.h"

namespace aviary::rollout {

using json::Doc;
using json::Value;

inline constexpr char const* kPartition = R"("enableExtraWorkloadForCanary":false)";
inline constexpr char const* kExtra = R"("enableExtraWorkloadForCanary":true)";

inline std::string canary(std::string const& kind, std::string const& grace = "3") {
    return R"({"canary":{)" + kind + R"(,"trafficRoutings":[{"service":"web","gracePeriodSeconds":)" + grace +
           R"(,"gateway":{"httpRouteName":"web"}}]}})";
}
inline std::string blue_green(std::string const& grace = "3") {
    return R"({"blueGreen":{"trafficRoutings":[{"service":"web","gracePeriodSeconds":)" + grace +
           R"(,"gateway":{"httpRouteName":"web"}}]}})";
}

inline std::vector<std::string> const kStyles{canary(kPartition), canary(kExtra), blue_green()};

inline constexpr char const* kSteps =
    R"([{"replicas":"10%","traffic":"5%"},{"replicas":"50%","traffic":"50%"},{"replicas":"100%"}])";

struct RoutedCluster : FakeCluster {
    explicit RoutedCluster(std::string const& style, std::string const& steps = kSteps, bool with_route = true)
        : FakeCluster(steps, 10, style) {
        create("services", "web", *json::parse_value(R"({"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})"));
        if (with_route) {
            create(
                "httproutes", "web",
                *json::parse_value(
                    R"({"kind":"HTTPRoute","spec":{"rules":[{"matches":[{"path":{"type":"Exact","value":"/"}}],"backendRefs":[{"name":"web","port":80,"weight":7}]}]}})"));
        }
        run();
        keep();
    }
    // What is to be as it is now when all is over.
    void keep() {
        for (char const* resource : {"services", "httproutes", "ingresses", "virtualservices"}) {
            if (named(resource, "web").exists()) originals[resource] = named(resource, "web");
        }
    }
    // Rests, and lets grace periods pass while they are waited for; notes what happened in which order.
    void settle_all() {
        for (int count = 0; count < 60; ++count) {
            note();
            one_by_one();
            auto const plan = decide_rollout_now();
            bool const waits = !plan.waits.empty() && plan.waits.front().reason == "TrafficRouting";
            if (!waits || !plan.requeue) break;
            now = plan.requeue->at;
        }
        note();
    }
    void scale(int replicas) {
        edit(fmt::format(R"({{"spec":{{"replicas":{}}}}})", replicas));
        settle_all();
    }
    // As run(), with a note after every write.
    void one_by_one() {
        for (int round = 0; round < 500; ++round) {
            bool quiet = true;
            for (auto const& plan : {decide_rollout_now(), decide_batch_release_now(), decide_roll_now()}) {
                for (control::Write const& write : plan.writes) {
                    quiet = false;
                    control::Plan one;
                    one.writes.push_back(write);
                    if (!apply(one)) break;
                    note();
                }
                settle();
                note();
            }
            if (quiet) return;
        }
        problem = "does not come to rest";
    }
    // "v1=9 v2=1 pinned canary 95/5": the pods, the Services, and the weights of each rule.
    std::string look() const {
        std::map<std::string, int> images;
        for (Doc const& pod : list("pods")) ++images[pod.at({"spec", "image"}).string()];
        std::string text;
        for (auto const& [image, count] : images) text += fmt::format("{}={} ", image, count);
        Doc const stable = named("services", "web").at({"spec", "selector"})["pod-template-hash"];
        text += stable.exists() ? "pinned" : "open";
        if (named("services", "web-canary").exists()) text += " canary";
        if (Doc const made = named("ingresses", "web-canary"); made.exists())
            text += fmt::format(" ingress={}", share_of(made));
        for (auto const& [key, rule] : named("virtualservices", "web").at({"spec", "http"}).elements()) {
            text += " mesh=";
            for (auto const& [index, each] : rule["route"].elements())
                text += fmt::format("{}{}", text.back() == '=' ? "" : "/", each["weight"].as_int(100));
        }
        for (auto const& [key, rule] : named("httproutes", "web").at({"spec", "rules"}).elements()) {
            text += " ";
            for (auto const& [index, each] : rule["backendRefs"].elements())
                text += fmt::format("{}{}", index.empty() && text.back() != ' ' ? "/" : "", each["weight"].as_int(1));
        }
        return text;
    }
    // The weight, or the header, that the canary Ingress takes requests by.
    static std::string share_of(Doc const& made) {
        std::string const weight = meta::annotation(made, "nginx.ingress.kubernetes.io/canary-weight");
        return weight.empty() ? meta::annotation(made, "nginx.ingress.kubernetes.io/canary-by-header") : weight + "%";
    }
    void note() {
        std::string const seen = look();
        if (history.empty() || history.back() != seen) history.push_back(seen);
    }
    bool paused() const {
        Doc const status = get("rollouts")["status"];
        return status["phase"].as_string() == "Progressing" && status["currentStepState"].as_string() == "StepPaused";
    }
    void begin(std::string const& image = "v2") {
        history.clear();
        release(image);
        settle_all();
    }
    void next() {
        history.clear();
        approve();
        settle_all();
    }
    void expect_restored() {
        auto const without_time = [](Doc const& object) {
            Value value = object.thaw();
            value["metadata"].erase("generation");
            value.erase("apiVersion");
            value.erase("kind");
            return json::write_canonical(value);
        };
        for (auto const& [resource, original] : originals)
            EXPECT_EQ(without_time(named(resource, "web")), without_time(original)) << resource;
        EXPECT_FALSE(named("services", "web-canary").exists());
        EXPECT_FALSE(named("ingresses", "web-canary").exists());
        EXPECT_EQ(marks(), "");
    }
    // When the first look that contains `text` came; after all when none did.
    std::size_t first(std::string_view text) const {
        return static_cast<std::size_t>(
            std::ranges::find_if(history, [&](std::string const& each) { return each.contains(text); }) -
            history.begin());
    }
    std::map<std::string, Doc> originals;   // by resource
    std::vector<std::string> history;
};

}   // namespace aviary::rollout
