// Releases that Kruise Rollouts' manager 0.6 has left at any moment are finished by the member: of each kind of
// workload and style, at each state. A kind is a line in kinds(); a moment is a line in rolling() or ends().
#include "app/member/internal/kruise_world.h"

namespace aviary::member {
namespace {

struct Kind {
    std::string name;
    KruiseWorld::Make make;
};

template <typename T>
KruiseWorld::Make led() {
    return [](World& world) -> std::unique_ptr<LedWorkload> { return std::make_unique<T>(world); };
}

std::vector<Kind> kinds() {
    return {{"Deployment partition", led<LedPartition>()},
            {"Deployment canary", led<LedCanary>()},
            {"Deployment blue-green", led<LedBlueGreen>()},
            {"StatefulSet", led<LedStatefulSet>()},
            {"DaemonSet", led<LedDaemonSet>()}};
}

struct Moment {
    int step;
    Point point;
};

std::vector<Moment> rolling() {
    std::vector<Moment> moments{{1, Point::kInitializing}};
    for (int step = 1; step <= KruiseWorld::kLast; ++step) {
        for (int each = static_cast<int>(Point::kBefore); each <= static_cast<int>(Point::kApproved); ++each)
            moments.push_back({step, static_cast<Point>(each)});
    }
    moments.push_back({KruiseWorld::kLast, Point::kCompleted});
    return moments;
}

std::string show(Moment const& moment) {
    static constexpr char const* kNames[] = {"Initializing", "before",    "upgrade",     "asked",    "held",
                                             "moved",        "verifying", "ready batch", "routing",  "services",
                                             "routed",       "analysis",  "paused",      "approved", "completed"};
    return fmt::format("step {} {}", moment.step, kNames[static_cast<int>(moment.point)]);
}

// One hand-over, and what is seen of it afterwards.
struct HandOver {
    Context ctx;
    KruiseWorld world;
    std::int64_t least = kReplicas;
    std::string approved;      // "2 3 "
    std::string ends = "v2";   // the version that every pod has in the end

    HandOver(Context ctx, Kind const& kind, bool routed) : ctx(ctx), world(ctx, kind.make, routed) {}

    Task<Status> take_over() {
        CO_TRY(co_await world.hand_over());
        world.scope.spawn(watch_ready());
        co_return Status{};
    }

    Task<void> watch_ready() {
        Context const inner = world.scope.context();
        while (co_await async::sleep_for(inner, 100ms)) {
            auto const list = co_await world.client->list(inner, kPods, {.ns = "default"});
            if (!list) continue;
            std::int64_t ready = 0;
            for (auto const& [index, pod] : (*list)["items"].elements())
                ready += meta::condition_is_true(pod, "Ready") && !meta::is_deleting(pod) ? 1 : 0;
            least = std::min(least, ready);
        }
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
        int const share = KruiseWorld::kShares[step];
        bool const beside = world.led->style() != "Partition";
        Images images{{"v2", share}};
        if (beside || share < kReplicas) images["v1"] = beside ? kReplicas : kReplicas - share;
        return images;
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

    // Every pod has its version, none was missed in between, and nothing of the release is left.
    Task<Status> over() {
        CO_TRY(co_await async::sleep_for(ctx, 60s));
        Images const images = co_await world.images();
        EXPECT_EQ(images, (Images{{ends, kReplicas}}));
        std::string const left = co_await world.remains();
        EXPECT_EQ(left, "");
        EXPECT_GE(least, world.led->least_ready());
        co_return Status{};
    }
};

using Story = std::function<Task<Status>(HandOver&)>;

Task<void> play(Context ctx, Kind const& kind, bool routed, std::string title, Story const& story) {
    SCOPED_TRACE(kind.name + (routed ? " with requests, " : ", ") + title);
    HandOver it(ctx, kind, routed);
    Status done = co_await it.world.begin();
    if (done) done = co_await story(it);
    if (done) done = co_await it.over();
    EXPECT_TRUE(done) << done.error().message();
    co_await it.world.stop();
}

Task<Status> goes_on(HandOver& it, Moment moment) {
    CO_TRY(co_await it.world.lead(moment.step, moment.point));
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await it.drive());
    EXPECT_EQ(it.approved, it.pauses_from(moment));
    co_return Status{};
}

CO_TEST(HandOver, AReleaseGoesOnWhereKruiseHasLeftIt) {
    for (Kind const& kind : kinds()) {
        for (bool const routed : {false, true}) {
            for (Moment const& moment : rolling()) {
                bool const routing = moment.point >= Point::kServices && moment.point <= Point::kRouted;
                if (routing && !routed) continue;
                co_await play(ctx, kind, routed, show(moment), [&](HandOver& it) { return goes_on(it, moment); });
            }
        }
    }
}

Task<Status> is_ended(HandOver& it, Why why, std::string step, Progress progress) {
    bool const success = why == Why::kSuccess;
    CO_TRY(co_await it.world.lead(success ? 3 : 2, success ? Point::kCompleted : Point::kPaused));
    CO_TRY(co_await it.world.close(why, step, progress));
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await it.drive(why == Why::kDisabled ? "Disabled" : why == Why::kDeleted ? "" : "Healthy"));
    EXPECT_EQ(it.approved, "");
    if (why == Why::kRollback) it.ends = "v1";
    co_return Status{};
}

// Each step of the end: only said to be so, half done, done and not said. "" is before the first, "END" after the last.
Task<void> each_end(Context ctx, Why why) {
    for (Kind const& kind : kinds()) {
        // Of DaemonSets Kruise takes nothing back: that is a release of its own.
        if (kind.name == "DaemonSet" && why == Why::kRollback) continue;
        std::vector<std::string> steps = finalising_steps(kind.name == "Deployment blue-green", why);
        steps.insert(steps.begin(), "");
        steps.push_back("END");
        for (std::string const& step : steps) {
            bool const has_halves = step == "ResumeWorkload" || step == "ReleaseWorkloadControl";
            for (Progress const progress : {Progress::kBegun, Progress::kHalf, Progress::kResumed, Progress::kDone}) {
                if (progress == Progress::kHalf && !has_halves) continue;
                if (progress == Progress::kResumed && step != "ResumeWorkload") continue;
                if (progress == Progress::kDone && (step.empty() || step == "END")) continue;
                for (bool const routed : {false, true}) {
                    co_await play(ctx, kind, routed, fmt::format("end '{}' {}", step, static_cast<int>(progress)),
                                  [&](HandOver& it) { return is_ended(it, why, step, progress); });
                }
            }
        }
    }
}

// Before there was a BatchRelease, which alone frees a workload there.
Task<Status> is_ended_early(HandOver& it, Why why, Point point) {
    CO_TRY(co_await it.world.lead(1, point));
    CO_TRY(co_await it.world.close(why, "ResumeWorkload", Progress::kDone));
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await it.drive(why == Why::kDisabled ? "Disabled" : why == Why::kDeleted ? "" : "Healthy"));
    if (why == Why::kRollback) it.ends = "v1";
    co_return Status{};
}

CO_TEST(HandOver, AReleaseThatHasNotBegunIsClosed) {
    for (Kind const& kind : kinds()) {
        for (Why const why : {Why::kRollback, Why::kDisabled, Why::kDeleted}) {
            if (kind.name == "DaemonSet" && why == Why::kRollback) continue;
            for (bool const routed : {false, true}) {
                co_await play(ctx, kind, routed, fmt::format("end {}", static_cast<int>(why)), [&](HandOver& it) {
                    return is_ended_early(it, why, why == Why::kRollback ? Point::kBefore : Point::kInitializing);
                });
            }
        }
    }
}

CO_TEST(HandOver, ACompletedReleaseIsClosedFromAnyStepOfTheEnd) { co_await each_end(ctx, Why::kSuccess); }
CO_TEST(HandOver, ACancelledReleaseIsClosedFromAnyStepOfTheEnd) { co_await each_end(ctx, Why::kRollback); }
CO_TEST(HandOver, ADisabledRolloutGivesItsWorkloadBackFromAnyStepOfTheEnd) { co_await each_end(ctx, Why::kDisabled); }
CO_TEST(HandOver, ADeletedRolloutGivesItsWorkloadBackFromAnyStepOfTheEnd) { co_await each_end(ctx, Why::kDeleted); }

// Before a release, and after one.
Task<Status> goes_on_from_rest(HandOver& it, std::string phase) {
    it.world.phase = std::move(phase);
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await async::sleep_for(it.ctx, 10s));
    std::string const state = co_await it.world.state();
    EXPECT_TRUE(state.starts_with("Healthy/")) << state;
    CO_TRY(co_await it.world.led->merge(pod_template_of("v2")));
    CO_TRY(co_await async::sleep_for(it.ctx, 2s));
    CO_TRY(co_await it.drive());
    EXPECT_EQ(it.approved, it.pauses_from({1, Point::kBefore}));
    co_return Status{};
}

CO_TEST(HandOver, ARolloutAtRestReleasesTheNextVersion) {
    for (Kind const& kind : kinds()) {
        for (std::string const& phase : {std::string("Initial"), std::string("Healthy")}) {
            for (bool const routed : {false, true}) {
                co_await play(ctx, kind, routed, phase, [&](HandOver& it) { return goes_on_from_rest(it, phase); });
            }
        }
    }
}

Task<Status> set_paused(KruiseWorld& world, Value paused) {
    Value patch{json::Object()};
    patch.set({"spec", "strategy", "paused"}, std::move(paused));
    return world.led->merge_into(apis::kRollouts, "web", std::move(patch));
}

Task<Status> is_resumed(HandOver& it, Moment moment) {
    CO_TRY(co_await it.world.lead(moment.step, moment.point));
    CO_TRY(co_await set_paused(it.world, true));
    it.world.reason = "Paused";
    std::string const state = fmt::format("Progressing/{}/{}/Paused", moment.step, it.world.step_state);
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await async::sleep_for(it.ctx, 60s));
    std::string const later = co_await it.world.state();
    EXPECT_EQ(later, state);
    CO_TRY(co_await set_paused(it.world, nullptr));
    CO_TRY(co_await it.drive());
    EXPECT_EQ(it.approved, it.pauses_from(moment));
    co_return Status{};
}

CO_TEST(HandOver, APausedRolloutWaitsToBeResumed) {
    for (Kind const& kind : kinds()) {
        for (Moment const& moment : {Moment{1, Point::kPaused}, Moment{2, Point::kHeld}, Moment{2, Point::kApproved}}) {
            for (bool const routed : {false, true}) {
                co_await play(ctx, kind, routed, "Paused at " + show(moment),
                              [&](HandOver& it) { return is_resumed(it, moment); });
            }
        }
    }
}

// What people do once the member is there.
enum class Turn { kTakeBack, kDelete };

Task<Status> turns(HandOver& it, Moment moment, Turn turn) {
    CO_TRY(co_await it.world.lead(moment.step, moment.point));
    CO_TRY(co_await it.take_over());
    CO_TRY(co_await async::sleep_for(it.ctx, 1s));
    if (turn == Turn::kTakeBack) {
        it.ends = "v1";
        CO_TRY(co_await it.world.led->merge(pod_template_of("v1")));
        CO_TRY(co_await async::sleep_for(it.ctx, 1s));
        CO_TRY(co_await it.drive());
    } else {
        CO_TRY(co_await it.world.client->remove(it.ctx, apis::kRollouts, kWeb));
        CO_TRY(co_await it.drive(""));
    }
    EXPECT_EQ(it.approved, "");
    co_return Status{};
}

Task<void> turns_at_each_moment(Context ctx, Turn turn) {
    for (Kind const& kind : kinds()) {
        for (Moment const& moment : rolling()) {
            for (bool const routed : {false, true}) {
                bool const thorough = moment.point == Point::kPaused || moment.point == Point::kMoved;
                if (routed && !thorough) continue;
                // What is approved is over before anybody turns: the last step, unless it waits for an approval.
                bool const waits = kind.name == "Deployment blue-green" && moment.point < Point::kApproved;
                bool const turns_late = moment.step == 3 || (moment.step == 2 && moment.point == Point::kApproved);
                if (turn == Turn::kTakeBack && turns_late && !waits) continue;
                co_await play(ctx, kind, routed, show(moment), [&](HandOver& it) { return turns(it, moment, turn); });
            }
        }
    }
}

CO_TEST(HandOver, TheOldVersionPutBackEndsTheRelease) { co_await turns_at_each_moment(ctx, Turn::kTakeBack); }
CO_TEST(HandOver, ARolloutThatIsDeletedLeavesNothing) { co_await turns_at_each_moment(ctx, Turn::kDelete); }

}   // namespace
}   // namespace aviary::member
