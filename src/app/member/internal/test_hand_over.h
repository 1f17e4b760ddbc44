// For tests: releases that Kruise Rollouts' manager 0.6 has left at any moment, and what is seen as the member finishes
// them. A kind is a line in kinds(); a moment is a line in rolling() or each_end(). One cluster is led through the
// moments, and every story has a copy of it as it is then.
#pragma once

#include <set>

#include "app/member/internal/kruise_world.h"
#include "kube/client/informer.h"

namespace aviary::member {

struct Kind {
    std::string name;
    KruiseWorld::Make make;
    bool side_by_side = false;   // blue-green
    bool taken_back = true;      // of others Kruise makes a release of the version before
    bool with_requests = true;   // to others Kruise leads none: it waits at step 1 for a stable revision
    // Taken back without requests: the webhook's partition stays, and Kruise waits for pods that it holds back.
    bool hangs = false;
};

template <typename T>
KruiseWorld::Make led() {
    return [](World& world) -> std::unique_ptr<LedWorkload> { return std::make_unique<T>(world); };
}

inline std::vector<Kind> kinds() {
    return {{.name = "Deployment partition", .make = led<LedPartition>()},
            {.name = "Deployment canary", .make = led<LedCanary>()},
            {.name = "Deployment blue-green", .make = led<LedBlueGreen>(), .side_by_side = true},
            {.name = "StatefulSet", .make = led<LedStatefulSet>()},
            {.name = "DaemonSet", .make = led<LedDaemonSet>(), .taken_back = false},
            {.name = "CloneSet", .make = led<LedCloneSet>()},
            {.name = "CloneSet of a v1alpha1 Rollout", .make = led<LedOlderCloneSet>()},
            {.name = "CloneSet blue-green", .make = led<LedCloneSetBlueGreen>(), .side_by_side = true, .hangs = true},
            {.name = "Advanced StatefulSet", .make = led<LedAdvancedStatefulSet>()},
            {.name = "Advanced DaemonSet",
             .make = led<LedAdvancedDaemonSet>(),
             .taken_back = false,
             .with_requests = false}};
}

struct Moment {
    int step;
    Point point;
};

inline std::vector<Moment> rolling() {
    std::vector<Moment> moments{{1, Point::kInitializing}};
    for (int step = 1; step <= KruiseWorld::kLast; ++step) {
        for (int each = static_cast<int>(Point::kBefore); each <= static_cast<int>(Point::kApproved); ++each)
            moments.push_back({step, static_cast<Point>(each)});
    }
    moments.push_back({KruiseWorld::kLast, Point::kCompleted});
    return moments;
}

// Whether Kruise gets there.
inline bool is_reached(Kind const& kind, bool routed, Moment const& moment) {
    bool const routing = moment.point >= Point::kServices && moment.point <= Point::kRouted;
    if (!routed) return !routing;
    return kind.with_requests || (moment.step == 1 && moment.point <= Point::kRouting);
}

inline std::string show(Moment const& moment) {
    static constexpr char const* kNames[] = {"Initializing", "before",    "upgrade",     "asked",    "held",
                                             "moved",        "verifying", "ready batch", "routing",  "services",
                                             "routed",       "analysis",  "paused",      "approved", "completed"};
    return fmt::format("step {} {}", moment.step, kNames[static_cast<int>(moment.point)]);
}

// One hand-over, and what is seen of it afterwards.
struct HandOver {
    Context ctx;
    KruiseWorld world;
    std::optional<client::Informer> pods;
    std::set<meta::ObjectKey> ready;
    std::int64_t least = kReplicas;
    std::map<std::string, std::set<meta::ObjectKey>> taken_over;   // ready pods of each version, then
    std::string approved;                                          // "2 3 "
    std::string ends = "v2";                                       // the version that every pod has in the end

    HandOver(Context ctx, Kind const& kind, KruiseWorld::MakeRoutes const& routes)
        : ctx(ctx), world(ctx, kind.make, routes) {}

    Task<Status> take_over() {
        for (std::string const& image : {std::string("v1"), std::string("v2")}) {
            std::vector<Doc> const all = co_await world.led->pods(image);
            for (Doc const& pod : all) {
                if (meta::condition_is_true(pod, "Ready")) taken_over[image].insert(meta::key_of(pod));
            }
        }
        CO_TRY(co_await world.hand_over());
        co_return co_await watch_ready();
    }

    // From now on, at each change of a pod.
    Task<Status> watch_ready() {
        pods.emplace(*world.client, kPods, client::InformerOptions{.ns = "default"});
        pods->on_change([this](client::Change const& change) {
            Doc const& pod = change.after;
            if (pod.exists() && meta::condition_is_true(pod, "Ready") && !meta::is_deleting(pod)) {
                ready.insert(meta::key_of(pod));
            } else {
                ready.erase(meta::key_of(change.object()));
            }
            if (pods->synced()) least = std::min(least, std::ssize(ready));
        });
        world.scope.spawn(pods->run(world.scope.context()));
        co_return co_await pods->wait_synced(ctx);
    }

    // The last step passes by itself where all pods have the new version then.
    int last_pause() const { return world.led->style() == "BlueGreen" ? KruiseWorld::kLast : KruiseWorld::kLast - 1; }
    // The pauses that are still to be approved from this moment on.
    std::string pauses_from(Moment const& moment) const {
        std::string text;
        for (int step = moment.step + (moment.point >= Point::kApproved ? 1 : 0); step <= last_pause(); ++step)
            text += std::to_string(step) + " ";
        return text;
    }

    Images expected(int step) const {
        if (world.back) return {{"v1", world.updated(step)}, {"v2", kReplicas - world.updated(step)}};
        int const share = world.share(step);
        bool const beside = world.led->side_by_side();
        Images images{{"v2", share}};
        if (beside || share < kReplicas) images["v1"] = beside ? kReplicas : kReplicas - share;
        return images;
    }

    // Which pods get requests of each Service, and how many of a hundred go to the new version; -1: the route knows
    // none.
    Task<std::string> requests() {
        std::string text;
        for (char const* service : {"web", "web-canary"}) {
            Doc const selector = (co_await world.led->get(kServices, service)).at({"spec", "selector"});
            for (std::string const& image : {std::string("v1"), std::string("v2")}) {
                std::vector<Doc> const all = co_await world.led->pods(image);
                auto const count = std::ranges::count_if(all, [&selector](Doc const& pod) {
                    auto const wanted = selector.members();
                    return std::ranges::all_of(wanted, [&pod](auto const& label) {
                        return meta::label(pod, label.first) == label.second.as_string();
                    });
                });
                if (selector.exists() && count > 0) text += fmt::format("{} {}: {}; ", service, image, count);
            }
        }
        std::int64_t const weight = co_await world.routes->share();
        co_return text + std::to_string(weight);
    }
    std::string expected_requests(int step) const {
        Images const images = expected(step);
        return fmt::format("web v1: {}; web-canary v2: {}; {}", images.at("v1"), images.at("v2"),
                           world.share(step) * 100 / kReplicas);
    }

    // Approves each pause, once nothing moves any more, until the Rollout is in this phase; empty: until it is gone.
    Task<Status> drive(std::string phase = "Healthy") {
        for (int count = 0; count < 600; ++count) {
            std::string const state = co_await world.state();
            if (state.substr(0, state.find('/')) == phase) co_return Status{};
            int const step = phase == "Healthy" && state.ends_with("/StepPaused/InRolling")
                                 ? state[sizeof("Progressing/") - 1] - '0'
                                 : 0;
            if (step > 0 && step <= last_pause()) {
                CO_TRY(co_await async::sleep_for(ctx, 10s));
                std::string const later = co_await world.state();
                EXPECT_EQ(later, state) << "nobody has approved";
                Images const images = co_await world.images();
                EXPECT_EQ(images, expected(step)) << state;
                if (world.routed()) {
                    std::string const led = co_await requests();
                    EXPECT_EQ(led, expected_requests(step)) << state;
                }
                approved += std::to_string(step) + " ";
                CO_TRY(co_await world.approve());
            }
            CO_TRY(co_await async::sleep_for(ctx, 500ms));
        }
        std::string const state = co_await world.state();
        Doc const object = co_await world.get(apis::kRollouts);
        Doc const batches = co_await world.get(apis::kBatchReleases);
        Doc const live = co_await world.led->live();
        auto const waits = world.member->waits(kWeb);
        co_return fail(ErrorCode::kTimeout, "it stays " + state + ": " + (waits.empty() ? "" : waits.front().message) +
                                                "\n" + json::write(object["status"]) + "\n" +
                                                json::write(batches["spec"]) + json::write(batches["status"]) + "\n" +
                                                json::write(live));
    }

    // Pods of the version that every pod has in the end, which are gone. Those of a second Deployment go with it, and
    // which pods of a CloneSet go where both versions are whole is chosen by Kruise's controller.
    Task<int> needless() {
        bool const second = world.led->style() == "Canary" && ends == "v2";
        if (second || (world.led->kind == "CloneSet" && world.led->side_by_side())) co_return 0;
        std::set<meta::ObjectKey> left = taken_over[ends];
        std::vector<Doc> const all = co_await world.led->pods(ends);
        for (Doc const& pod : all) left.erase(meta::key_of(pod));
        co_return static_cast<int>(left.size());
    }

    // Every pod has its version, none was missed in between, and nothing of the release is left.
    Task<Status> over() {
        CO_TRY(co_await async::sleep_for(ctx, 60s));
        Images const images = co_await world.images();
        EXPECT_EQ(images, (Images{{ends, kReplicas}}));
        EXPECT_EQ(co_await needless(), 0) << "pods that could have stayed";
        std::string const left = co_await world.remains();
        EXPECT_EQ(left, "");
        EXPECT_GE(least, world.led->least_ready());
        co_return Status{};
    }
};

using Story = std::function<Task<Status>(HandOver&)>;

inline Task<void> play(Context ctx, Kind const& kind, KruiseWorld const& led, std::string title, Story const& story) {
    SCOPED_TRACE(title);
    HandOver it(ctx, kind, led.make_routes);
    Status done = co_await it.world.begin_as(led);
    if (done) done = co_await story(it);
    if (done) done = co_await it.over();
    EXPECT_TRUE(done) << done.error().message();
    co_await it.world.stop();
}

using Leader = std::function<Task<Status>(Kind const&, KruiseWorld&)>;

template <typename T>
KruiseWorld::MakeRoutes by() {
    return [](World& world) -> std::unique_ptr<LedRoutes> { return std::make_unique<T>(world); };
}

// Of each of these kinds, with each of these routes, one that is at rest; without requests where there are none.
inline Task<void> each_of(Context ctx, std::vector<Kind> const& kinds, std::vector<KruiseWorld::MakeRoutes> const& all,
                          Leader const& leader) {
    for (Kind const& kind : kinds) {
        for (KruiseWorld::MakeRoutes const& routes : all) {
            KruiseWorld led(ctx, kind.make, routes);
            SCOPED_TRACE(kind.name + (led.routed() ? " by " + led.routes->reference() : ""));
            Status done = co_await led.begin();
            if (done) done = co_await leader(kind, led);
            EXPECT_TRUE(done) << done.error().message();
            co_await led.scope.cancel_and_join();
        }
    }
}
inline Task<void> each_kind(Context ctx, Leader const& leader) {
    co_await each_of(ctx, kinds(), {nullptr, by<LedGateway>()}, leader);
}

using StoryOfMoment = std::function<Task<Status>(HandOver&, Moment)>;

inline Task<Status> at_each(Context ctx, Kind const& kind, KruiseWorld& led, std::vector<Moment> moments,
                            StoryOfMoment story) {
    for (Moment const& moment : moments) {
        if (!is_reached(kind, led.routed(), moment)) continue;
        CO_TRY(co_await led.lead(moment.step, moment.point));
        co_await play(ctx, kind, led, show(moment), [&](HandOver& it) { return story(it, moment); });
    }
    co_return Status{};
}

inline Task<Status> goes_on(HandOver& it, Moment moment) {
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await it.drive());
    EXPECT_EQ(it.approved, it.pauses_from(moment));
    co_return Status{};
}

inline Task<Status> is_ended(HandOver& it, Why why) {
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await it.drive(why == Why::kDisabled ? "Disabled" : why == Why::kDeleted ? "" : "Healthy"));
    EXPECT_EQ(it.approved, "");
    if (why == Why::kRollback) it.ends = "v1";
    co_return Status{};
}

// Each step of the end: only said to be so, half done, done and not said. "" is before the first, "END" after the last.
inline Task<Status> each_end(Context ctx, Kind const& kind, KruiseWorld& led, Why why) {
    Moment const from =
        why == Why::kSuccess ? Moment{KruiseWorld::kLast, Point::kCompleted} : Moment{2, Point::kPaused};
    if (!is_reached(kind, led.routed(), from) || (why == Why::kRollback && !kind.taken_back)) co_return Status{};
    CO_TRY(co_await led.lead(from.step, from.point));
    CO_TRY(co_await led.end(why));
    Story const story = [why](HandOver& it) { return is_ended(it, why); };
    co_await play(ctx, kind, led, "end", story);
    std::vector<std::string> steps = finalising_steps(kind.side_by_side, why);
    steps.push_back("END");
    for (std::string const& step : steps) {
        bool const has_halves = step == "ResumeWorkload" || step == "ReleaseWorkloadControl";
        for (Progress const progress : {Progress::kBegun, Progress::kHalf, Progress::kResumed, Progress::kDone}) {
            if (progress == Progress::kHalf && !has_halves) continue;
            if (progress == Progress::kResumed && step != "ResumeWorkload") continue;
            if (progress == Progress::kDone && step == "END") continue;
            CO_TRY(co_await led.close(step, progress));
            if (led.hangs) {
                EXPECT_TRUE(kind.hangs && why == Why::kRollback && !led.routed());
                co_return Status{};
            }
            co_await play(ctx, kind, led, fmt::format("end '{}' {}", step, static_cast<int>(progress)), story);
        }
    }
    co_return Status{};
}

}   // namespace aviary::member
