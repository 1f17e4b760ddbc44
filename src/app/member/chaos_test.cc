// SEED=n replays one run, SEEDS=n does that many.
// Releases under people who approve, edit, scale and change their minds at random, on a network that delays and loses.
// What must hold, holds at every moment.
#include <cstdlib>

#include "app/member/internal/test_world.h"

namespace aviary::member {
namespace {

std::int64_t share(std::int64_t step, std::int64_t replicas) {
    if (step >= 3) return replicas;
    std::int64_t const part = step == 2 ? (replicas + 1) / 2 : (replicas + 9) / 10;
    return replicas > 1 ? std::min(part, replicas - 1) : part;
}

class Chaos {
public:
    Chaos(World& world, Context ctx) : world_(world), ctx_(std::move(ctx)) {}

    Task<void> run(int releases) {
        for (int count = 0; count < releases && !::testing::Test::HasFailure(); ++count) {
            stable_ = newest_;
            approved_ = 0;
            co_await push();
            co_await release();
        }
    }

private:
    bool chance(double share) { return ctx_.random().unit() < share; }

    // Without pods a new template is not held back.
    Task<void> push(std::string version = {}) {
        if (approved_ == 2 || replicas_ == 0) late_ = true;
        newest_ = version.empty() ? "v" + std::to_string(++version_) : version;
        approved_ = 0;
        seen_step_ = 0;
        Status const pushed = co_await world_.release(newest_);
        EXPECT_TRUE(pushed) << pushed.error().message();
    }

    // Until the release has ended one way or the other.
    Task<void> release() {
        MonotonicTime const limit = ctx_.monotonic() + 10min;
        bool back = false;
        while (!::testing::Test::HasFailure()) {
            (void)co_await async::sleep_for(ctx_, std::chrono::microseconds(ctx_.random().below(30000)));
            if (ctx_.monotonic() > limit) {
                Status const late = co_await world_.until("never", false);
                ADD_FAILURE() << "the release does not end: " << late.error().message();
                co_return;
            }
            Doc const object = co_await world_.get(apis::kRollouts);
            Doc const status = object["status"];
            bool const healthy = status["phase"].as_string() == "Healthy";
            Doc const workload = co_await world_.get(kDeployments);
            Images const now = co_await active();
            co_await watch_gate(back);
            bool const frozen = !meta::annotation(workload, apis::kInProgressingAnnotation).empty();
            if (healthy && !frozen && now == whole()) {
                if (!back && !late_) EXPECT_EQ(approved_, 2) << newest_ << " came without its approvals";
                co_await ended();
                co_return;
            }
            if (status["phase"].as_string() != "Progressing") continue;
            co_await meddle(back);
            bool const paused = status.at({"canaryStatus", "currentStepState"}).as_string() == "StepPaused" &&
                                meta::condition(object, "Progressing")["reason"].as_string() == "InRolling";
            if (paused && !back)
                co_await paused_at(status.at({"canaryStatus", "currentStepIndex"}).as_int(),
                                   status.at({"canaryStatus", "canaryRevision"}).string());
        }
    }

    Task<Images> active() {
        Images counts;
        auto const list = co_await world_.client->list(ctx_, kPods, {.ns = "default"});
        EXPECT_TRUE(list) << list.error().message();
        for (auto const& [key, pod] : (*list)["items"].elements()) {
            if (!meta::is_deleting(pod)) ++counts[pod.at({"spec", "containers"})[0]["image"].string()];
        }
        co_return counts;
    }

    // No more pods are asked for on the new version than what was approved allows.
    Task<void> watch_gate(bool back) {
        if (back || scaled_ || late_) co_return;
        Doc const set = co_await newest_set();
        EXPECT_LE(set.at({"spec", "replicas"}).as_int(), share(approved_ + 1, replicas_))
            << newest_ << " after approval of step " << approved_;
    }

    Task<void> paused_at(std::int64_t step, std::string revision) {
        Doc const set = co_await newest_set();
        if (revision != meta::label(set, "pod-template-hash")) co_return;
        if (step != approved_ + 1 && !late_ && !again_) co_return;
        if (!scaled_ && !late_ && seen_step_ != step) {
            seen_step_ = step;
            auto const everything = co_await world_.images();
            Images expected{{newest_, static_cast<int>(share(step, replicas_))}};
            if (share(step, replicas_) < replicas_)
                expected[stable_] = static_cast<int>(replicas_ - share(step, replicas_));
            if (!killed_) EXPECT_EQ(everything, expected) << "paused at step " << step;
        }
        if (!chance(0.5)) co_return;
        Status const done = co_await world_.approve();
        if (!done && done.error().is(ErrorCode::kConflict)) co_return;   // it has moved on
        EXPECT_TRUE(done) << done.error().message();
        approved_ = step;
        killed_ = false;
    }

    // Every pod on the newest version.
    Images whole() const { return replicas_ == 0 ? Images() : Images{{newest_, static_cast<int>(replicas_)}}; }

    // The ReplicaSet whose pods run the newest image.
    Task<Doc> newest_set() {
        auto const sets = co_await world_.client->list(ctx_, kReplicaSets, {.ns = "default"});
        for (auto const& [key, set] : (*sets)["items"].elements()) {
            if (set.at({"spec", "template", "spec", "containers"})[0]["image"].as_string() == newest_) co_return set;
        }
        co_return Doc();
    }

    Task<void> patch(std::string text) {
        auto const done = co_await world_.client->patch(ctx_, kDeployments, kWeb, client::PatchType::kMerge,
                                                        *json::parse_value(text));
        EXPECT_TRUE(done) << done.error().message();
    }

    Task<void> meddle(bool& back) {
        if (chance(0.02))
            co_await patch(R"({"metadata":{"labels":{"touched":"t)" + std::to_string(ctx_.random().below(1000)) +
                           "\"}}}");
        if (chance(0.02))
            co_await patch(
                R"({"spec":{"paused":false,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}}}})");
        if (chance(0.005) && !back) {
            scaled_ = true;
            co_await scale(static_cast<std::int64_t>(ctx_.random().below(13)));
        }
        if (chance(0.005)) {
            killed_ = true;
            co_await kill_one();
        }
        if (chance(0.01)) {   // killed, and started again
            co_await world_.stop_member();
            world_.start_member();
        }
        if (chance(0.005) && !back) {   // a newer version still
            scaled_ = true;             // pods of versions in between are on their way
            co_await push();
        }
        if (chance(0.01) && !back) {
            // Once all is approved the release may have ended: then this is another one.
            back = approved_ < 2 && !late_;
            late_ = !back;
            rejected_ = newest_;
            newest_ = stable_;
            Status const pushed = co_await world_.release(stable_);
            EXPECT_TRUE(pushed) << pushed.error().message();
        } else if (chance(0.2) && back) {   // once more, or another, while that is being taken back
            back = false;
            scaled_ = again_ = true;
            co_await push(chance(0.5) ? rejected_ : "");
        }
    }

    Task<void> scale(std::int64_t replicas) {
        replicas_ = replicas;
        co_await patch(R"({"spec":{"replicas":)" + std::to_string(replicas_) + "}}");
    }

    Task<void> kill_one() {
        auto const list = co_await world_.client->list(ctx_, kPods, {.ns = "default"});
        std::size_t const count = (*list)["items"].size();
        if (count == 0) co_return;
        Doc const pod = (*list)["items"][ctx_.random().below(count)];
        (void)co_await world_.client->remove(ctx_, kPods, meta::key_of(pod));
    }

    Task<void> ended() {
        if (replicas_ == 0) {
            co_await scale(10);
            (void)co_await async::sleep_for(ctx_, 10s);
        }
        scaled_ = killed_ = late_ = again_ = false;
        if (chance(0.5)) co_return;   // the next release comes at once
        (void)co_await async::sleep_for(ctx_, 10s);
        std::string const left = co_await world_.leftovers();
        EXPECT_EQ(left, "");
        Images const now = co_await world_.images();
        EXPECT_EQ(now, whole());
    }

    World& world_;
    Context ctx_;
    int version_ = 1;
    std::string newest_ = "v1", stable_, rejected_;
    std::int64_t approved_ = 0, seen_step_ = 0, replicas_ = 10;
    bool scaled_ = false, killed_ = false;
    bool again_ = false;   // pushed while a rollback closes: which of its steps is asked for depends on who was first
    bool late_ = false;    // a change came when the release before may or may not have ended: only the end is checked
};

Task<void> play(Context ctx, double failures, int releases) {
    World world(ctx, failures);
    Status const ready = co_await world.set_up();
    EXPECT_TRUE(ready) << ready.error().message();
    if (ready) {
        Chaos chaos(world, ctx);
        co_await chaos.run(releases);
    }
    co_await world.stop();
}

void seeds(double failures) {
    char const* const wanted = std::getenv("SEED");
    std::uint64_t const first = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
    char const* const count = std::getenv("SEEDS");
    std::uint64_t const last = wanted != nullptr ? first : count != nullptr ? std::strtoull(count, nullptr, 10) : 8;
    for (std::uint64_t seed = first; seed <= last && !::testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("SEED=" + std::to_string(seed));
        async::VirtualExecutor executor(seed);
        executor.run(play(Context(executor), failures, 4));
    }
}

TEST(MemberChaos, HoldsOnASlowNetwork) { seeds(0); }
TEST(MemberChaos, HoldsOnANetworkThatLoses) { seeds(0.05); }

}   // namespace
}   // namespace aviary::member
