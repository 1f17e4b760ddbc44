// One BatchRelease: moves the workload to the batch under its cursor, says when the batch is ready, and at the end
// gives the workload its own strategy back.
#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/hash.h"
#include "apis/rollouts/keys.h"
#include "core/json/patch.h"
#include "kube/control/events.h"
#include "kube/meta/object.h"
#include "member/rollout/internal/batch_machine.h"
#include "member/rollout/internal/rollback.h"
#include "member/rollout/internal/status_write.h"
#include "member/workload/deployment.h"
#include "member/workload/json_patch.h"

namespace aviary::rollout {

namespace {

using control::Plan;
using control::Write;
using json::Value;

constexpr int kMostTransitions = 300;
constexpr Duration kBeginTime = std::chrono::seconds(2);
constexpr Duration kSettleTime = std::chrono::seconds(60);
constexpr char kAnotherVersion[] = "the workload has another version than the one being released";

class BatchMachine {
public:
    BatchMachine(BatchReleaseSeen const& seen, Time now) : seen_(seen), now_(now) {}

    // After run() and its plan.
    apis::BatchReleaseStatus take_status() { return std::move(status_); }

    Plan run() {
        if (!seen_.batch_release.exists()) return {};
        auto release = apis::read_batch_release(seen_.batch_release);
        if (!release) {
            plan_.waits.push_back(
                {"Invalid", release.error().message(), std::nullopt, "it is put right", "release owner"});
            return std::move(plan_);
        }
        release_ = std::move(*release);
        before_ = status_ = release_.status;
        deleting_ = meta::is_deleting(seen_.batch_release);
        if (deleting_ && !meta::has_finalizer(seen_.batch_release, apis::kBatchReleaseFinalizer)) return {};
        if (!deleting_) add_finalizer();
        status_.observed_generation = meta::generation(seen_.batch_release);
        status_.message.clear();
        if (!deleting_ && !supported()) {
            status_.message = fmt::format("rollingStyle {} is not known", plan().rolling_style);
            plan_.waits.push_back(
                {"Unsupported", status_.message, std::nullopt, "the BatchRelease is changed", "release owner"});
        } else {
            for (int count = 0; count < kMostTransitions && transition(); ++count) {
            }
        }
        if (!seen_.refused.empty()) say_refused();
        persist();
        return std::move(plan_);
    }

private:
    apis::ReleasePlan const& plan() const { return release_.spec.release_plan; }
    apis::BatchCanaryStatus& batch() { return status_.canary_status; }
    workload::Facts const& facts() const { return seen_.workload->facts(); }
    std::int64_t batch_count() const { return std::ssize(plan().batches); }
    meta::IntOrPercent const& asked_by(std::int64_t batch) const {
        return plan().batches[static_cast<std::size_t>(batch)].canary_replicas;
    }
    // Its Rollout looks after new versions and after what is left in the end.
    bool owned() const { return meta::controller_of(seen_.batch_release).has_value(); }

    // Whether what the workload has now is what its Rollout releases: the steps that were approved are that version's.
    bool released() const { return seen_.workload->is_current(apis::release_revision(seen_.rollout)); }
    bool rolling() const {
        std::string const why = meta::condition(seen_.rollout, apis::condition::kProgressing)["reason"].string();
        return seen_.rollout.at({"status", "phase"}).as_string() == apis::phase::kProgressing &&
               (why == apis::reason::kInRolling || why == apis::reason::kPaused);
    }

    bool supported() const {
        std::string const& style = plan().rolling_style;
        return style.empty() || style == apis::batch::kPartitionStyle || style == apis::batch::kCanaryStyle ||
               style == apis::batch::kBlueGreenStyle;
    }

    void add_finalizer() {
        if (meta::has_finalizer(seen_.batch_release, apis::kBatchReleaseFinalizer)) return;
        Value finalizers = seen_.batch_release.at({"metadata", "finalizers"}).thaw();
        finalizers.push_back(apis::kBatchReleaseFinalizer);
        workload::JsonPatch patch(seen_.batch_release);
        patch.test({"metadata", "finalizers"});
        patch.set({"metadata", "finalizers"}, std::move(finalizers));
        Write write;
        write.verb = Write::Verb::kJsonPatch;
        write.resource = apis::kBatchReleases;
        write.key = meta::key_of(seen_.batch_release);
        write.body = patch.take();
        write.why = "finalizer";
        plan_.writes.push_back(std::move(write));
    }

    void drop_finalizer() {
        plan_.writes.push_back(
            workload::without_finalizer(seen_.batch_release, apis::kBatchReleases, apis::kBatchReleaseFinalizer));
    }

    bool transition() {
        if (status_.phase == apis::phase::kCompleted) {
            if (deleting_) drop_finalizer();
            return false;
        }
        if (deleting_ || status_.phase == apis::phase::kFinalizing || !plan().batch_partition) return finalizing();
        if (seen_.workload == nullptr) {
            if (status_.phase == apis::phase::kProgressing) {
                status_.phase = apis::phase::kFinalizing;
                return true;
            }
            status_.phase = apis::phase::kPreparing;
            status_.message = "the workload is not found";
            plan_.waits.push_back(
                {"WorkloadNotFound", status_.message, std::nullopt, "it is created", "release owner"});
            return false;
        }
        if (batch_count() == 0) return false;
        // Its Rollout begins again, goes back, or ends the release; until then nothing of the new version appears.
        if (owned() && (!rolling() || !released())) {
            status_.observed_generation = before_.observed_generation;   // nothing comes of it
            if (!released()) status_.message = kAnotherVersion;
            if (rolling() && !facts().rolled_back) keep_stable();
            return false;
        }
        if (status_.phase != apis::phase::kProgressing) {
            if (goes_back()) return turn_back(true);
            begin();
            return true;
        }
        return progressing();
    }

    // In batches, that is: else its Rollout would have cancelled the release.
    bool goes_back() const { return owned() && facts().rolled_back && facts().in_batches; }

    // Begins with the way back, in batches. How many units have the stable version is on record before any other gets
    // it. With a BatchRelease that is made anew the release may have moved some already: it is one too few rather than
    // one too many.
    bool turn_back(bool anew) {
        // Its plan may be that of the version before, with an id for its labels, and steps that nobody has approved for
        // this one.
        json::Doc const release = apis::release_status(seen_.rollout);
        bool const own = plan().rollout_id == release["observedRolloutID"].as_string() &&
                         *plan().batch_partition < release["currentStepIndex"].as_int();
        // Some may never come while the version before is there. Those are not spared, then.
        Time const until = parse_rfc3339(release["lastUpdateTime"].as_string()).value_or(now_) + kSettleTime;
        bool const settles = !facts().settled && now_ < until;
        if (!own || settles) {
            status_.message = kAnotherVersion;
            if (facts().settles_at) plan_.requeue_at(*facts().settles_at, "pods that are going");
            if (own) plan_.requeue_at(until, "pods that are coming");
            explain();
            return false;
        }
        workload::Labelling spared = seen_.workload->spare(plan().rollout_id);
        begin();
        bool const moved = anew && *plan().batch_partition > 0;
        batch().no_need_update_replicas = moved ? 0 : anew ? spared.labelled : facts().updated;
        for (Write& each : spared.writes) plan_.writes.push_back(std::move(each));
        return false;
    }

    void begin() {
        status_.phase = apis::phase::kProgressing;
        status_.stable_revision = facts().stable_revision;
        status_.update_revision = facts().update_revision;
        status_.canary_status = {};
        batch().batch_state = apis::batch::kUpgrading;
        note_plan();
    }

    void note_plan() {
        status_.observed_release_plan_hash = apis::release_plan_hash(seen_.batch_release);
        status_.observed_rollout_id = plan().rollout_id;
        status_.observed_workload_replicas = facts().replicas;
    }

    bool progressing() {
        if (status_.observed_release_plan_hash != apis::release_plan_hash(seen_.batch_release)) {
            // Another id of the same version relabels what is there.
            bool const other_release = status_.observed_rollout_id != plan().rollout_id &&
                                       !seen_.workload->is_current(status_.update_revision);
            batch().current_batch =
                other_release ? 0 : std::clamp<std::int64_t>(*plan().batch_partition, 0, batch_count() - 1);
            batch().batch_state = apis::batch::kUpgrading;
            note_plan();
            return true;
        }
        if (batch().current_batch >= batch_count()) {
            begin();
            return true;
        }
        if (facts().replicas != status_.observed_workload_replicas) {
            batch().batch_state = apis::batch::kUpgrading;
            status_.observed_workload_replicas = facts().replicas;
        }
        if (!seen_.workload->is_current(status_.update_revision)) {
            // With a hash of another controller's its Rollout has been adopted by now.
            if (goes_back()) return turn_back(false);
            if (owned() && seen_.workload->is_known(status_.update_revision)) {
                status_.message = kAnotherVersion;
                return false;
            }
            status_.update_revision = facts().update_revision;
        }
        return upgrade();
    }

    // Another version is refused. The workload may be scaled meanwhile.
    void keep_stable() {
        std::int64_t const current = batch().current_batch;
        if (status_.phase != apis::phase::kProgressing || current >= batch_count()) return;
        for (Write& each : seen_.workload->keep_stable(status_.update_revision, asked_by(current)))
            plan_.writes.push_back(std::move(each));
    }

    // Brings the current batch about; true when the next one may follow.
    bool upgrade() {
        std::int64_t const current = batch().current_batch;
        meta::IntOrPercent const& step = asked_by(current);
        auto const spared = batch().no_need_update_replicas;
        meta::IntOrPercent const wanted = rollback_share(step, facts().replicas, spared);
        std::vector<Write> hold = seen_.workload->hold(seen_.batch_release, wanted);
        bool const moved = !hold.empty();
        for (Write& each : hold) plan_.writes.push_back(std::move(each));   // first: pods wait for it
        // Those that the rollback moves are labelled first.
        bool const there = !spared || facts().updated >= seen_.workload->share_of(wanted);
        std::int64_t const labelled = there ? label(current) : 0;
        batch().updated_replicas = facts().updated;
        batch().updated_ready_replicas = facts().updated_ready;
        if (moved || !ready(wanted, step, labelled)) {
            batch().batch_state = apis::batch::kUpgrading;
            batch().batch_ready_time.clear();
            explain();
            return false;
        }
        if (batch().batch_state != apis::batch::kReady) {
            batch().batch_state = apis::batch::kReady;
            batch().batch_ready_time = format_rfc3339(now_);
        }
        // Pods are labelled for one batch at a time.
        if (labelling_ || *plan().batch_partition <= current || current + 1 >= batch_count()) return false;
        ++batch().current_batch;
        batch().batch_state = apis::batch::kUpgrading;
        batch().batch_ready_time.clear();
        return true;
    }

    // How many pods carry the release's id once the plan's writes are done.
    std::int64_t label(std::int64_t current) {
        if (plan().rollout_id.empty()) return -1;
        std::vector<std::int64_t> increments;
        std::int64_t before = 0;
        for (std::int64_t index = 0; index <= current; ++index) {
            std::int64_t const share = seen_.workload->share_of(asked_by(index));
            increments.push_back(std::max<std::int64_t>(0, share - before));
            before = std::max(before, share);
        }
        workload::Labelling labelling = seen_.workload->label(plan().rollout_id, increments);
        labelling_ = !labelling.writes.empty();
        if (labelling.more_at) plan_.requeue_at(*labelling.more_at, "pods that are starting");
        for (Write& each : labelling.writes) plan_.writes.push_back(std::move(each));
        return labelling.labelled;
    }

    // `step`: what of the batches carries their labels; the same, but on the way back.
    bool ready(meta::IntOrPercent const& wanted, meta::IntOrPercent const& step, std::int64_t labelled) {
        std::int64_t const desired = seen_.workload->share_of(wanted);
        std::int64_t const tolerated =
            plan().failure_threshold ? plan().failure_threshold->scaled(facts().updated, true) : 0;
        if (facts().settles_at) plan_.requeue_at(*facts().settles_at, "pods that are going");
        // With pods that may be unready the old ones cannot all go; else the batch ends when every pod is where it
        // belongs.
        bool const settled = tolerated > 0 || facts().settled;
        return facts().updated >= desired && facts().updated_ready + tolerated >= desired &&
               (desired == 0 || facts().updated_ready > 0) &&
               (labelled < 0 || labelled >= seen_.workload->share_of(step)) && settled;
    }

    // An Event of the Rollout, or of a BatchRelease that was made by hand.
    void warn(control::Wait const& trouble) {
        json::Doc const& about = seen_.rollout.exists() ? seen_.rollout : seen_.batch_release;
        plan_.events.push_back(control::event_about(about, control::kWarning, trouble.reason, trouble.message));
    }

    // In the status before it is tried again: a plan ends with what is refused.
    void say_refused() {
        control::Wait const refused{std::string(apis::kWriteRefused), seen_.refused, std::nullopt,
                                    std::string(apis::kUntilNotRefused), "cluster owner"};
        status_.message = refused.reason + ": " + refused.message;
        plan_.waits.insert(plan_.waits.begin(), refused);
        if (before_.message == status_.message) return;
        apis::BatchReleaseStatus said = before_;
        said.message = status_.message;
        plan_.writes.insert(plan_.writes.begin(), of_status(said));
        if (before_.message.starts_with(refused.reason)) return;
        warn(refused);
        plan_.events.back().regardless = true;
    }

    void explain() {
        std::vector<control::Wait> const obstacles = seen_.workload->obstacles();
        for (control::Wait const& each : obstacles) plan_.waits.push_back(each);
        if (obstacles.empty()) return;
        control::Wait const& worst = obstacles.front();
        // What may pass by itself is not worth a write.
        bool const passes =
            worst.reason == "NotReady" || worst.reason == "PullingImage" || worst.reason == "LoadingModel";
        if (passes) return;
        status_.message = worst.reason + ": " + worst.message;
        // One for each trouble: the pods that have it come and go.
        if (!before_.message.starts_with(worst.reason + ":")) warn(worst);
    }

    bool finalizing() {
        if (seen_.workload != nullptr && facts().controller_uid == meta::uid(seen_.batch_release)) {
            if (taken_back_at_the_end()) return false;
            if (std::optional<Write> back = give_back()) {
                plan_.writes.push_back(std::move(*back));
                status_ = before_;   // the end follows, and says as much
            } else {
                for (control::Wait& each : seen_.workload->obstacles()) plan_.waits.push_back(std::move(each));
            }
            return false;
        }
        bool const waits = seen_.workload != nullptr && !plan().batch_partition &&
                           plan().finalizing_policy == apis::batch::kWaitResume &&
                           seen_.workload->is_current(status_.update_revision);
        if (waits && !deleting_ && !promoted()) {
            status_.phase = apis::phase::kFinalizing;
            if (facts().settles_at) plan_.requeue_at(*facts().settles_at, "pods that are going");
            explain();
            return false;
        }
        if (tidying()) return false;
        status_.phase = apis::phase::kCompleted;
        return deleting_;
    }

    // Its Rollout cancels the release, and asks for the workload in another way.
    bool taken_back_at_the_end() const {
        bool const success = plan().finalizing_policy == apis::batch::kWaitResume && !plan().batch_partition;
        return success && owned() && !deleting_ && (facts().rolled_back || facts().loses_released) &&
               !seen_.workload->is_current(status_.update_revision);
    }

    // Whether something is left of what the release has made beside the workload.
    bool tidying() {
        if (seen_.workload != nullptr && !facts().controller_uid.empty()) return false;   // it is somebody else's now
        // One that has made no pod has changed nothing else either.
        if (seen_.workload != nullptr && facts().unread && batch().updated_replicas > 0) {
            explain();
            return true;
        }
        std::vector<Write> writes = seen_.workload != nullptr ? seen_.workload->tidy() : seen_.strays;
        for (Write& each : writes) plan_.writes.push_back(std::move(each));
        return !writes.empty();
    }

    bool promoted() const {
        return facts().settled && facts().outdated == 0 && facts().updated >= facts().replicas &&
               facts().updated_available >= facts().replicas - facts().max_unavailable;
    }

    std::optional<Write> give_back() const {
        // Without an end to the plan somebody only takes the BatchRelease away: the workload stays as it is, frozen.
        if (plan().batch_partition) return seen_.workload->let_go();
        bool const success = plan().finalizing_policy == apis::batch::kWaitResume;
        // Any other template has been frozen for the next release; what was released too, once it was taken back.
        bool const known = seen_.workload->is_current(status_.stable_revision) ||
                           (success && seen_.workload->is_current(status_.update_revision));
        workload::Restore how;
        // Upstream's end begins with taking in-progressing off: what it had frozen nobody would free any more.
        how.keep_frozen = owned() && !known && !facts().held_by.empty();
        if (how.keep_frozen && success) how.stable_revision = status_.update_revision;
        return seen_.workload->restore(how);
    }

    bool only_counts_differ() const {
        apis::BatchReleaseStatus levelled = status_;
        levelled.canary_status.updated_replicas = before_.canary_status.updated_replicas;
        levelled.canary_status.updated_ready_replicas = before_.canary_status.updated_ready_replicas;
        return levelled == before_;
    }

    // Until when a batch that has only begun is not worth a write: its Rollout says so, and most are ready soon.
    std::optional<Time> begun_until() const {
        apis::BatchReleaseStatus levelled = status_;
        levelled.observed_generation = before_.observed_generation;
        levelled.observed_release_plan_hash = before_.observed_release_plan_hash;
        levelled.observed_workload_replicas = before_.observed_workload_replicas;
        levelled.canary_status = before_.canary_status;
        // With the same plan the cursor has moved by itself: from where it was the workload would be moved back.
        bool const next_step = status_.observed_release_plan_hash != before_.observed_release_plan_hash;
        bool const begun = owned() && next_step && status_.phase == apis::phase::kProgressing && levelled == before_ &&
                           status_.canary_status.batch_state == apis::batch::kUpgrading;
        auto const entered = parse_rfc3339(apis::release_status(seen_.rollout)["lastUpdateTime"].as_string());
        if (!begun || !entered || now_ >= *entered + kBeginTime) return std::nullopt;
        return *entered + kBeginTime;
    }

    void persist() {
        bool const goes = deleting_ && status_.phase == apis::phase::kCompleted;
        if (status_ == before_ || goes) return;
        if (only_counts_differ() && seen_.counts_after && now_ < *seen_.counts_after) {
            plan_.requeue_at(*seen_.counts_after, "counts in the status");
            return;
        }
        if (std::optional<Time> const until = begun_until()) {
            plan_.requeue_at(*until, "a batch that has begun");
            return;
        }
        plan_.writes.push_back(of_status(status_));
    }

    Write of_status(apis::BatchReleaseStatus const& next) const {
        return status_write(seen_.batch_release, apis::kBatchReleases, apis::write_batch_release_status(before_),
                            apis::write_batch_release_status(next), {{"metadata", "uid"}, {"status", "phase"}});
    }

    BatchReleaseSeen const& seen_;
    Time now_;
    apis::BatchRelease release_;
    apis::BatchReleaseStatus before_;
    apis::BatchReleaseStatus status_;
    bool deleting_ = false;
    bool labelling_ = false;   // pods are being labelled in this plan
    Plan plan_;
};

}   // namespace

control::Plan decide_batch_release(BatchReleaseSeen const& seen, Time now) { return BatchMachine(seen, now).run(); }

std::optional<apis::BatchReleaseStatus> status_to_come(BatchReleaseSeen const& seen, Time now) {
    BatchMachine machine(seen, now);
    Plan const plan = machine.run();
    if (plan.writes.size() != 1 || plan.writes.front().subresource != "status") return std::nullopt;
    return machine.take_status();
}

std::optional<json::Doc> deployment_to_come(BatchReleaseSeen const& seen, Time now) {
    for (Write const& write : BatchMachine(seen, now).run().writes) {
        if (write.resource != workload::kDeployments || write.verb != Write::Verb::kJsonPatch) continue;
        Value next = seen.workload->object().thaw();
        return json::apply_json_patch(next, write.body) ? std::optional(json::Doc::freeze(next)) : std::nullopt;
    }
    return std::nullopt;
}

}   // namespace aviary::rollout
