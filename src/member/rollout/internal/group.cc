// Rollouts that are one release, such as those of prefill and decode: what one version sends the other has to
// understand. A step begins for all or for none, requests go to the new version once all have pods of it that are
// ready, and the release ends for all or for none.
#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/hash.h"
#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/rollout/internal/machine.h"

namespace aviary::rollout {

using json::Doc;

namespace {

bool batch_is_ready(Doc const& batch_release, std::int64_t step) {
    Doc const status = batch_release["status"];
    return batch_release.exists() && !meta::is_deleting(batch_release) &&
           status["phase"].as_string() == apis::phase::kProgressing &&
           status["observedReleasePlanHash"].as_string() == apis::release_plan_hash(batch_release) &&
           status.at({"canaryStatus", "batchState"}).as_string() == apis::batch::kReady &&
           status.at({"canaryStatus", "currentBatch"}).as_int() + 1 >= step;
}

// Why it has not come to that step, or is not ready there, or not through with it; empty: it has, and is. `begun`: it
// was in this release before.
std::string behind(Companion const& other, std::int64_t step, Together together, bool begun) {
    Doc const status = other.rollout["status"];
    std::string_view const phase = status["phase"].as_string();
    std::string const why = meta::condition(other.rollout, apis::condition::kProgressing)["reason"].string();
    auto const steps = static_cast<std::int64_t>(apis::release_steps(other.rollout).size());
    Doc const release = apis::release_status(other.rollout);
    std::int64_t const there = release["currentStepIndex"].as_int();
    std::string_view const state = release["currentStepState"].as_string();
    std::int64_t const due = together == Together::kEnd ? steps : std::min(step, steps);
    bool const back = meta::condition_is_true(other.rollout, apis::condition::kRolledBack);
    if (phase != apis::phase::kProgressing) {
        std::string_view const succeeded =
            meta::condition(other.rollout, apis::condition::kSucceeded)["status"].as_string();
        if (begun && phase == apis::phase::kHealthy && !back && succeeded == "True") return "";
        // One that was disabled, made anew or lost its workload says nothing of its end: there is nothing to go back
        // to.
        if (together == Together::kEnd && !back && succeeded.empty()) return "";
        return begun ? "has been taken back: take this one back, too" : "has no release: give it its new version, too";
    }
    if (why == apis::reason::kInitializing) return "is about to begin";
    if (why == apis::reason::kCancelling || back) return "is being taken back: take this one back, too";
    if (why == apis::reason::kFinalising || why == apis::reason::kCompleted)
        return begun ? "" : "is completing the release before";
    if (together == Together::kEnd && why == apis::reason::kPaused) return "is paused: resume it first";
    if (together == Together::kEnd && apis::new_version_refused(other.rollout)) return "has yet another version";
    bool const through = together != Together::kEnd || state == apis::step::kCompleted;
    if (there < due || !through) return fmt::format("is in step({}/{}), {}", there, steps, state);
    if (together != Together::kReady || there > due) return "";
    bool const waits = state == apis::step::kBeforeUpgrade || state == apis::step::kUpgrade || state.empty();
    if (!waits || (state == apis::step::kUpgrade && batch_is_ready(other.batch_release, due))) return "";
    return fmt::format("has yet to get its pods of step({}/{}) ready", due, steps);
}

std::string those_behind(std::vector<Companion> const& group, std::int64_t step, Together together, bool begun) {
    std::string others;
    for (Companion const& each : group) {
        std::string const why = behind(each, step, together, begun || together != Together::kBegin);
        if (why.empty()) continue;
        if (!others.empty()) others += "; ";
        others += fmt::format("{} {}", meta::name(each.rollout), why);
    }
    return others;
}

}   // namespace

bool Machine::group_follows(Together together) {
    std::int64_t const step = noted()->current_step_index;
    // Also of one that has jumped back to its first step.
    bool const begun = step > 1 || batch_release_.has_value();
    // Going back in batches it waits for nobody.
    std::string const others = facts().rolled_back ? std::string() : those_behind(seen_.group, step, together, begun);
    std::string const place = fmt::format("Rollout is in step({}/{})", step, step_count());
    if (others.empty()) {
        if (status_.message.contains(apis::kWaitsForGroup)) status_.message = place;
        return true;
    }
    status_.message = place + std::string(apis::kWaitsForGroup) + others;
    bool const ends = together == Together::kEnd;
    wait("WaitingForGroup", status_.message, ends ? "they are through, too" : "they have come to this step",
         "release owner");
    return false;
}

}   // namespace aviary::rollout
