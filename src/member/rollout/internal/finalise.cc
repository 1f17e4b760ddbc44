// The end of a release: undoing what it did, in upstream's order. Each step is one that may be looked at again: what is
// done already needs nothing. Without traffic they are: resume the workload, release control.
#include <algorithm>

#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/rollout/internal/conditions.h"
#include "member/rollout/internal/machine.h"
#include "member/workload/json_patch.h"

namespace aviary::rollout {

using control::Write;
using json::Value;

namespace {

// How long a release that is over waits for pods that its workload moves by itself; then it moves on without them.
constexpr Duration kPatience = std::chrono::seconds(60);

// Upstream's. On the way back requests leave the new version before its pods do.
std::vector<std::string_view> sequence(bool blue_green, bool success, bool rollback) {
    using namespace apis::finalising;
    if (blue_green && success) {
        return {kRouteTrafficToNew,    kRestoreStableService, kResumeWorkload,
                kRouteTrafficToStable, kRemoveCanaryService,  kReleaseWorkloadControl};
    }
    if (blue_green && rollback) {
        return {kRouteTrafficToStable, kResumeWorkload, kRestoreStableService, kRemoveCanaryService,
                kReleaseWorkloadControl};
    }
    if (rollback) {
        return {kRouteTrafficToStable, kResumeWorkload, kReleaseWorkloadControl, kRestoreStableService,
                kRemoveCanaryService};
    }
    return {kRestoreStableService, kRouteTrafficToStable, kRemoveCanaryService, kResumeWorkload,
            kReleaseWorkloadControl};
}

}   // namespace

bool Machine::finalise(Closing why) {
    for (std::string_view const step : sequence(blue_green(), why == Closing::kSuccess, why == Closing::kRollback)) {
        if (!finish(step, why)) return false;
    }
    return true;
}

bool Machine::finish(std::string_view step, Closing why) {
    if (step == apis::finalising::kResumeWorkload) return resume_workload(why);
    if (step == apis::finalising::kReleaseWorkloadControl) return release_workload(why);
    if (step == apis::finalising::kRouteTrafficToStable && !leave_shared_routing()) return false;
    return finish_traffic(step);
}

bool Machine::resume_workload(Closing why) {
    if (!seen_.batch_release.exists()) return true;
    bool const completed = batch_release_ && batch_release_->status.phase == apis::phase::kCompleted;
    if (completed || meta::is_deleting(seen_.batch_release) || !batch_release_) return true;
    if (release().finalising_step != apis::finalising::kResumeWorkload) {
        release().finalising_step = apis::finalising::kResumeWorkload;
        if (routing() != nullptr) release().last_update_time = format_rfc3339(now_);
    }
    follow_batch_release();
    std::string_view const policy = why == Closing::kSuccess ? apis::batch::kWaitResume : apis::batch::kImmediate;
    auto const& plan = batch_release_->spec.release_plan;
    if (plan.batch_partition || plan.finalizing_policy != policy) {
        Write promote;
        promote.resource = apis::kBatchReleases;
        promote.key = meta::key_of(seen_.batch_release);
        promote.body.set({"spec", "releasePlan", "batchPartition"}, nullptr);
        promote.body.set({"spec", "releasePlan", "finalizingPolicy"}, policy);
        promote.why = "resume the workload";
        after_status_.push_back(std::move(promote));
    }
    // The workload has its own strategy back. What does not get on then must not keep the next template out.
    if (why == Closing::kSuccess && seen_.workload != nullptr &&
        facts().controller_uid != meta::uid(seen_.batch_release)) {
        Time const until = patience();
        if (until <= now_) return true;
        plan_.requeue_at(until, "pods of the release that is over");
    }
    note_hindrance();
    for (control::Wait const& each :
         seen_.workload != nullptr ? seen_.workload->obstacles() : std::vector<control::Wait>())
        plan_.waits.push_back(each);
    if (plan_.waits.empty())
        wait("Finalising", "the workload is getting its own strategy back", "its BatchRelease is completed");
    return false;
}

bool Machine::release_workload(Closing why) {
    if (seen_.batch_release.exists()) {
        release().finalising_step = apis::finalising::kReleaseWorkloadControl;
        follow_batch_release();
        remove_batch_release();
        wait("Finalising", "the BatchRelease is being removed", "it is gone");
        return false;
    }
    return seen_.workload == nullptr || free_workload(why);
}

Time Machine::patience() { return parse_rfc3339(release().last_update_time).value_or(now_) + kPatience; }

// Upstream takes in-progressing off first, and its BatchRelease frees the workload: without one it stays frozen, and
// nothing on it says so.
bool Machine::begun_elsewhere() const {
    if (noted() == nullptr || !facts().held_by.empty() || facts().leftovers || seen_.controlled_by_other) return false;
    std::string const& step = noted()->finalising_step;
    auto const* const progress = apis::find_condition(before_.conditions, apis::condition::kProgressing);
    return !step.empty() && step != apis::finalising::kEnd && progress != nullptr && progress->status == "True";
}

bool Machine::free_workload(Closing why) {
    // Enabled again before that has come to its end, a newer template waits for its own release.
    bool const regardless = why == Closing::kDeleting || (why == Closing::kDisabled && rollout_.spec.disabled);
    bool const current = noted() != nullptr && seen_.workload->is_current(noted()->canary_revision);
    bool const marked = held() || (facts().leftovers && !seen_.controlled_by_other && facts().held_by.empty());
    if (marked && (regardless || current)) {
        // The copy of the Rollout may be older than that of a workload whose newer template came once it was enabled.
        if (why == Closing::kDisabled && !current) write(still_disabled());
        // Before the status says so: a release that is over and a workload that is held would be taken for the next
        // one.
        write(seen_.workload->restore({}));
        wait("Finalising", "the workload is getting its own strategy back", "it has it");
        return false;
    }
    if (marked && facts().leftovers) {   // a newer template is frozen already
        write(seen_.workload->restore({.keep_frozen = true, .stable_revision = {}}));
        wait("Finalising", "the release is closed before the next one", "its marks are gone");
        return false;
    }
    if (begun_elsewhere()) {
        if (std::optional<Write> freed = seen_.workload->restore({.stable_revision = {}, .unmarked = true})) {
            write(std::move(freed));
            wait("Finalising", "the workload is getting its own strategy back", "it has it");
            return false;
        }
    }
    if (why != Closing::kRollback || !current || (facts().outdated == 0 && facts().settled)) return true;
    Time const until = patience();
    if (until <= now_) return true;
    for (control::Wait const& each : seen_.workload->obstacles()) plan_.waits.push_back(each);
    wait("RollingBack", "pods of the old version are coming back", "all are");
    plan_.requeue_at(std::min(until, facts().settles_at.value_or(until)), "pods come back");
    return false;
}

// Changes nothing; the plan ends there where it does not hold any more.
Write Machine::still_disabled() const {
    workload::JsonPatch patch(seen_.rollout);
    patch.test({"spec", "disabled"});
    Write test = workload::as_write(std::move(patch), apis::kRollouts, "the Rollout is still disabled");
    test.subresource = "status";
    return test;
}

void Machine::remove_batch_release() {
    if (meta::is_deleting(seen_.batch_release)) return;
    after_status_.push_back(
        control::deletion(apis::kBatchReleases, seen_.batch_release, "release control of the workload"));
}

}   // namespace aviary::rollout
