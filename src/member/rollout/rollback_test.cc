// Rollbacks in batches: decisions about a CloneSet, whose controller settles at once.
#include "member/rollout/internal/rollback.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "member/rollout/internal/fake_cluster.h"
#include "member/workload/clone_set.h"

namespace aviary::rollout {
namespace {

using json::Doc;
using json::Value;
using meta::IntOrPercent;

constexpr char const* kSteps = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";
constexpr char const* kInBatches = R"({"metadata":{"annotations":{"rollouts.kruise.io/rollback-in-batch":"true"}}})";

struct SetCluster : FakeCluster {
    explicit SetCluster(std::string const& steps, std::int64_t replicas = 10,
                        std::string const& style = R"({"canary":{}})")
        : FakeCluster(steps, replicas, style) {
        for (char const* each : {"deployments", "replicasets", "pods"}) objects[each].clear();
        edit_rollout(R"({"spec":{"workloadRef":{"apiVersion":"apps.kruise.io/v1alpha1","kind":"CloneSet"}}})");
        Value set = *json::parse_value(R"({"spec":{"updateStrategy":{"type":"ReCreate"}},"status":{}})");
        set.set({"spec", "replicas"}, replicas);
        set.set({"spec", "template"}, pod_template("v1"));
        create("clonesets", "web", std::move(set));
        controller();
        edit_rollout(kInBatches);
        go_on();
    }

    static Value pod_template(std::string const& image) {
        Value result{json::Object()};
        result.set({"spec", "containers"}, json::Array{json::Object{{"name", "main"}, {"image", image}}});
        return result;
    }
    Doc set() const { return get("clonesets"); }
    std::string image() const { return set().at({"spec", "template", "spec", "containers"})[0]["image"].string(); }
    Value& live() { return objects["clonesets"]["web"]; }

    // Through the freeze.
    void put(std::string const& image) {
        Value next = live();
        next.set({"spec", "template"}, pod_template(image));
        workload::FreezeInputs inputs;
        inputs.old = set();
        inputs.rollout = "web";
        workload::freeze_clone_set(next, inputs);
        next.set({"metadata", "generation"}, set().at({"metadata", "generation"}).as_int() + 1);
        live() = std::move(next);
    }

    workload::NativeSetInputs seen() const {
        std::vector<Doc> revisions;
        for (auto const& [name, revision] : revisions_) revisions.push_back(Doc::freeze(revision));
        return {set(), revisions, list("pods"), {"apps.kruise.io", "v1alpha1", "clonesets"}};
    }
    control::Plan rollout_plan() const {
        auto const workload = observe_clone_set(seen(), workload::style_of_rollout(get("rollouts")).name, now);
        RolloutSeen seen{.rollout = get("rollouts"), .batch_release = get("batchreleases"), .workload = workload.get()};
        seen.group = group;
        return decide_rollout(seen, now);
    }
    control::Plan batch_plan() const {
        auto const workload =
            observe_clone_set(seen(), workload::style_of_batch_release(get("batchreleases")).name, now);
        return decide_batch_release({.batch_release = get("batchreleases"),
                                     .rollout = get("rollouts"),
                                     .workload = workload.get(),
                                     .strays = {}},
                                    now);
    }

    // As many pods of other versions as the partition keeps stay.
    void controller() {
        std::string const image = this->image();
        Value& revision = revisions_[image];
        if (revision.is_null()) {
            revision.set({"metadata", "name"}, "web-" + image);
            revision.set({"data", "spec", "template"}, pod_template(image));
        }
        revision["revision"] = ++revision_count_;
        std::int64_t const replicas = set().at({"spec", "replicas"}).as_int();
        std::int64_t const kept = meta::scaled(set().at({"spec", "updateStrategy", "partition"}), replicas, true, "0");
        std::vector<std::string> old;
        auto& pods = objects["pods"];
        for (auto const& [name, pod] : pods) {
            if (Doc::freeze(pod).at({"spec", "image"}).string() != image) old.push_back(name);
        }
        for (; std::ssize(old) > kept; old.pop_back()) pods.erase(old.back());
        std::string const current = live().at({"status"})["currentRevision"].string();
        for (; std::ssize(pods) < replicas;) {
            Value pod = *json::parse_value(
                R"({"status":{"phase":"Running","startTime":"2026-01-01T00:00:00Z","conditions":[
                {"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})");
            pod.set({"spec", "image"}, image);
            pod.set({"metadata", "labels", "pod-template-hash"}, image);
            create("pods", fmt::format("web-{:03}", ++pods_made_), std::move(pod));
        }
        bool const everywhere = of(image) == replicas;
        Value status{json::Object{{"replicas", replicas}, {"updateRevision", "web-" + image}}};
        status["currentRevision"] = current.empty() || everywhere ? "web-" + image : current;
        status["observedGeneration"] = set().at({"metadata", "generation"}).as_int();
        live()["status"] = std::move(status);
    }
    std::int64_t of(std::string const& image) const {
        std::int64_t count = 0;
        for (Doc const& pod : list("pods")) count += pod.at({"spec", "image"}).string() == image ? 1 : 0;
        return count;
    }
    std::int64_t labelled(std::string_view label, std::string const& value) const {
        std::int64_t count = 0;
        for (Doc const& pod : list("pods")) count += meta::label(pod, label) == value ? 1 : 0;
        return count;
    }

    // Everything decides, until nothing changes.
    void go_on() {
        for (int round = 0; round < 300; ++round) {
            bool quiet = true;
            for (bool const first : {true, false}) {
                control::Plan const plan = first ? rollout_plan() : batch_plan();
                quiet = quiet && plan.writes.empty();
                apply(plan);
                controller();
            }
            if (quiet) return;
        }
        problem = "does not come to rest";
    }
    void approve_and_go_on() {
        approve();
        go_on();
    }
    // A new version, up to its second step.
    void release_half() {
        put("v2");
        go_on();
        approve_and_go_on();
    }
    Doc release() const { return get("rollouts").at({"status", "canaryStatus"}); }
    std::int64_t spared() const {
        return get("batchreleases").at({"status", "canaryStatus", "noNeedUpdateReplicas"}).as_int(-1);
    }

private:
    std::map<std::string, Value> revisions_;
    std::int64_t revision_count_ = 0;
    int pods_made_ = 0;
};

TEST(RollbackShare, SharesOutTheUnitsThatAreToGoBack) {
    for (auto const& [step, replicas, spared, wanted] :
         {std::tuple(IntOrPercent{10, true}, 10, 5, 6), std::tuple(IntOrPercent{50, true}, 10, 5, 8),
          std::tuple(IntOrPercent{100, true}, 10, 5, 10), std::tuple(IntOrPercent{3, false}, 10, 5, 8),
          std::tuple(IntOrPercent{9, false}, 10, 5, 10), std::tuple(IntOrPercent{50, true}, 10, 0, 5),
          std::tuple(IntOrPercent{50, true}, 4, 5, 4), std::tuple(IntOrPercent{50, true}, 0, 5, 0)}) {
        IntOrPercent const share = rollback_share(step, replicas, spared);
        EXPECT_FALSE(share.percent);
        EXPECT_EQ(share.value, wanted) << replicas << " " << spared;
    }
}

TEST(RollbackId, CanBeALabel) {
    EXPECT_EQ(rollback_id("web-5d4f"), "rollback-web-5d4f");
    std::string const longest = std::string(60, 'a') + "-5d4f";
    EXPECT_EQ(rollback_id(longest).size(), 63u);
    EXPECT_TRUE(rollback_id(longest).ends_with("a-5d4f"));
}

TEST(RollbackInBatches, GoesThroughTheStepsWithTheStableVersion) {
    SetCluster cluster(kSteps);
    cluster.release_half();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    std::string const batch_release = meta::uid(cluster.get("batchreleases"));
    cluster.put("v1");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=6 v2=4");
    EXPECT_EQ(cluster.spared(), 5);
    EXPECT_EQ(cluster.release()["canaryRevision"].string(), "v1");
    EXPECT_EQ(cluster.release()["stableRevision"].string(), "v1");
    EXPECT_EQ(cluster.release()["observedRolloutID"].string(), "rollback-v1");
    EXPECT_EQ(cluster.labelled(apis::kNoNeedUpdateLabel, "rollback-v1"), 5);
    EXPECT_EQ(cluster.labelled(apis::kRolloutIdLabel, "rollback-v1"), 1);
    for (Doc const& pod : cluster.list("pods")) {
        bool const spared = !meta::label(pod, apis::kNoNeedUpdateLabel).empty();
        bool const rolled = meta::label(pod, apis::kRolloutIdLabel) == "rollback-v1";
        EXPECT_FALSE(spared && rolled) << "the one that was rolled has the batch";
    }
    EXPECT_EQ(meta::uid(cluster.get("batchreleases")), batch_release) << "the same, as upstream";
    cluster.approve_and_go_on();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=8 v2=2");
    EXPECT_EQ(cluster.labelled(apis::kRolloutIdLabel, "rollback-v1"), 5);
    cluster.approve_and_go_on();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v1=10");
    EXPECT_EQ(meta::condition(cluster.get("rollouts"), apis::condition::kSucceeded)["status"].string(), "True");
    EXPECT_EQ(meta::annotation(cluster.set(), apis::kInProgressingAnnotation), "");
}

TEST(RollbackInBatches, IsAtOnceWhereItIsNotAskedForOrUpstreamHasNone) {
    for (char const* text : {"null", R"("false")"}) {
        SetCluster cluster(kSteps);
        cluster.edit_rollout(
            fmt::format(R"({{"metadata":{{"annotations":{{"rollouts.kruise.io/rollback-in-batch":{}}}}}}})", text));
        cluster.put("v2");
        cluster.go_on();
        cluster.put("v1");
        cluster.go_on();
        EXPECT_EQ(cluster.show(), "Healthy/1/StepPaused v1=10") << text;
    }
    SetCluster side_by_side(kSteps, 10, R"({"blueGreen":{}})");
    auto const workload =
        workload::observe_clone_set(side_by_side.seen(), apis::batch::kBlueGreenStyle, side_by_side.now);
    EXPECT_FALSE(workload->facts().in_batches);
}

// It is on record for others of its group, whose revisions tell no more; until the next release.
TEST(RollbackInBatches, IsOnRecordToTheEndAndBeyond) {
    SetCluster cluster(kSteps);
    auto const back = [&] { return meta::condition_is_true(cluster.get("rollouts"), apis::condition::kRolledBack); };
    cluster.put("v2");
    cluster.go_on();
    EXPECT_FALSE(back());
    cluster.approve_and_go_on();
    cluster.put("v1");
    for (char const* seen :
         {"Progressing/1/StepPaused v1=6 v2=4", "Progressing/2/StepPaused v1=8 v2=2", "Healthy/3/Completed v1=10"}) {
        cluster.go_on();
        EXPECT_EQ(cluster.show(), seen);
        EXPECT_TRUE(back()) << seen;
        cluster.approve();
    }
    cluster.put("v2");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=9 v2=1");
    EXPECT_FALSE(back());
    cluster.put("v1");
    cluster.go_on();
    EXPECT_TRUE(back());
    cluster.put("v3");
    cluster.go_on();
    EXPECT_FALSE(back()) << cluster.show();
}

// One that was taken back whole never comes to its steps.
TEST(RollbackInBatches, WaitsForNobodyOfItsGroup) {
    SetCluster cluster(kSteps);
    cluster.release_half();
    cluster.group = {{*json::parse(R"({"metadata":{"name":"decode","namespace":"demo"},"status":{"phase":"Healthy",
        "conditions":[{"type":"Progressing","status":"False","reason":"Completed"},
        {"type":"Succeeded","status":"False"}]}})"),
                      {}}};
    cluster.put("v1");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=6 v2=4") << cluster.message();
    cluster.approve_and_go_on();
    cluster.approve_and_go_on();
    EXPECT_EQ(cluster.show(), "Healthy/3/Completed v1=10") << cluster.message();
}

// Before a pod has the new version there is nothing to go back.
TEST(RollbackInBatches, OfNothingEndsAtOnce) {
    SetCluster cluster(kSteps);
    cluster.put("v2");
    cluster.put("v1");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Healthy/1/BeforeStepUpgrade v1=10") << cluster.message();
}

TEST(RollbackInBatches, WaitsWhileTheRolloutIsPaused) {
    SetCluster cluster(kSteps);
    cluster.release_half();
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":true}}})");
    cluster.put("v1");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/2/StepPaused v1=5 v2=5");
    cluster.edit_rollout(R"({"spec":{"strategy":{"paused":false}}})");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=6 v2=4");
}

TEST(RollbackInBatches, ANewVersionInTheMiddleBeginsAnew) {
    SetCluster cluster(kSteps);
    cluster.release_half();
    cluster.put("v1");
    cluster.go_on();
    cluster.put("v2");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=6 v2=4") << "no more than there were";
    EXPECT_EQ(cluster.spared(), -1);
    cluster.put("v1");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=7 v2=3");
    EXPECT_EQ(cluster.spared(), 6);
}

// One that is made anew in the middle does not know what was moved.
TEST(RollbackInBatches, ABatchReleaseThatWasDeletedByHandMovesNothingEarly) {
    SetCluster cluster(kSteps);
    cluster.release_half();
    cluster.put("v1");
    cluster.go_on();
    for (char const* seen : {"Progressing/2/StepPaused v1=6 v2=4", "Healthy/3/Completed v1=10"}) {
        cluster.objects["batchreleases"].clear();
        cluster.approve_and_go_on();
        EXPECT_EQ(cluster.show(), seen);
    }
}

// The Rollout has begun with the way back, and its BatchRelease has the plan of the version before, for its second
// step.
TEST(RollbackInBatches, WaitsForItsOwnPlan) {
    SetCluster cluster(kSteps);
    cluster.release_half();
    cluster.put("v1");
    cluster.controller();
    cluster.apply(cluster.rollout_plan(), 1);
    ASSERT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=5 v2=5");
    ASSERT_EQ(cluster.get("batchreleases").at({"spec", "releasePlan", "batchPartition"}).as_int(), 1);
    for (int round = 0; round < 20; ++round) {
        cluster.apply(cluster.batch_plan());
        cluster.controller();
    }
    EXPECT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=5 v2=5");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=6 v2=4");
}

// At the first step the plan of the version before asks for no more; its id is another, and would be on the pods.
TEST(RollbackInBatches, WaitsForItsOwnId) {
    SetCluster cluster(kSteps);
    cluster.put("v2");
    cluster.go_on();
    cluster.put("v1");
    cluster.controller();
    cluster.apply(cluster.rollout_plan(), 1);
    ASSERT_EQ(cluster.show(), "Progressing/1/StepUpgrade v1=9 v2=1");
    cluster.apply(cluster.batch_plan());
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=10");
    EXPECT_EQ(cluster.spared(), 9);
    EXPECT_EQ(cluster.labelled(apis::kNoNeedUpdateLabel, "rollback-v1"), 9);
}

// Such as where a quota is used up: what has the stable version by then is spared.
TEST(RollbackInBatches, DoesNotWaitForPodsThatNeverCome) {
    SetCluster cluster(kSteps);
    cluster.release_half();
    cluster.put("v1");
    cluster.controller();
    for (auto const& [name, pod] : std::map(cluster.objects["pods"])) {
        if (Doc::freeze(pod).at({"spec", "image"}).string() != "v1") continue;
        cluster.objects["pods"].erase(name);
        break;
    }
    auto const decide = [&] {
        for (int round = 0; round < 10; ++round) {
            cluster.apply(cluster.rollout_plan());
            cluster.apply(cluster.batch_plan());
        }
    };
    decide();
    EXPECT_EQ(cluster.spared(), -1);
    auto const next = cluster.batch_plan().requeue;
    ASSERT_TRUE(next);
    cluster.now = next->at;
    decide();
    EXPECT_EQ(cluster.spared(), 4);
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Progressing/1/StepPaused v1=5 v2=5");
}

TEST(RollbackInBatches, OfADeadlineIsAtOnce) {
    SetCluster cluster(kSteps);
    cluster.edit_rollout(
        R"({"metadata":{"annotations":{"rollouts.aviary.dev/progress-deadline-seconds":"60","rollouts.aviary.dev/on-deadline":"Rollback"}}})");
    cluster.put("v2");
    cluster.go_on();
    cluster.approve();
    // The step is being upgraded, and no pod comes.
    for (int round = 0; round < 20; ++round) {
        cluster.apply(cluster.rollout_plan());
        cluster.apply(cluster.batch_plan());
        cluster.now += std::chrono::seconds(30);
        if (cluster.image() == "v1") break;
    }
    ASSERT_EQ(cluster.image(), "v1");
    cluster.go_on();
    EXPECT_EQ(cluster.show(), "Healthy/2/StepUpgrade v1=10");
}

// Whatever is cut off, and in whatever order both decide: of the pods that are to go back no more do than the step that
// was approved says.
TEST(RollbackInBatchesLaw, NoStepIsPassedThatNobodyApproved) {
    bool const held = rc::check([] {
        std::int64_t const replicas = *rc::gen::inRange<std::int64_t>(1, 12);
        SetCluster cluster(R"([{"replicas":"20%"},{"replicas":2},{"replicas":"70%"},{"replicas":"100%"}])", replicas);
        cluster.put("v2");
        cluster.go_on();
        int const forward = *rc::gen::inRange(0, 3);
        for (int step = 0; step < forward; ++step) cluster.approve_and_go_on();
        if (cluster.show().starts_with("Healthy") || cluster.of("v2") == 0) return;
        std::int64_t const spared = cluster.of("v1");
        cluster.put("v1");
        std::vector<IntOrPercent> const steps{{20, true}, {2, false}, {70, true}, {100, true}};
        int const rounds = *rc::gen::inRange(5, 60);
        for (int round = 0; round < rounds; ++round) {
            auto const limit = static_cast<std::size_t>(*rc::gen::inRange(0, 5));
            switch (*rc::gen::inRange(0, 6)) {
                case 0:
                case 1: cluster.apply(cluster.rollout_plan(), limit); break;
                case 2:
                case 3: cluster.apply(cluster.batch_plan(), limit); break;
                case 4: cluster.controller(); break;
                default:
                    if (cluster.release()["currentStepState"].string() == apis::step::kPaused &&
                        cluster.release()["canaryRevision"].string() == "v1")
                        cluster.approve();
            }
            if (!cluster.show().starts_with("Progressing")) break;
            bool const begun = cluster.release()["canaryRevision"].string() == "v1";
            std::int64_t const index = cluster.release()["currentStepIndex"].as_int();
            bool const last = index == std::ssize(steps);
            std::int64_t const allowed =
                !begun ? spared : rollback_share(steps[static_cast<std::size_t>(index - 1)], replicas, spared).value;
            RC_ASSERT(last || cluster.of("v1") <= allowed);
        }
        for (int step = 0; step < 5; ++step) {
            cluster.go_on();
            if (cluster.release()["currentStepState"].string() == apis::step::kPaused) cluster.approve();
        }
        RC_ASSERT(cluster.show().starts_with("Healthy/4/Completed v1="));
        RC_ASSERT(cluster.of("v1") == replicas);
    });
    EXPECT_TRUE(held);
}

}   // namespace
}   // namespace aviary::rollout
