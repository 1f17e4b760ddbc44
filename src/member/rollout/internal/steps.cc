// The step machine: what moves a release from step to step.
#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/hash.h"
#include "apis/rollouts/keys.h"
#include "kube/control/events.h"
#include "kube/meta/object.h"
#include "member/rollout/internal/conditions.h"
#include "member/rollout/internal/machine.h"
#include "member/rollout/internal/rollback.h"
#include "member/workload/deployment.h"
#include "member/workload/json_patch.h"

namespace aviary::rollout {

using apis::CanaryStatus;
using control::Write;
using json::Value;

std::int64_t Machine::share_of_step(std::int64_t index) const {
    auto const& replicas = step_at(index).replicas;
    return replicas ? share_of(*replicas) : 0;
}

std::int64_t Machine::share_of(meta::IntOrPercent const& step) const {
    auto const spared =
        batch_release_ ? batch_release_->status.canary_status.no_need_update_replicas : std::optional<std::int64_t>();
    return seen_.workload->share_of(rollback_share(step, facts().replicas, spared));
}

bool Machine::step() {
    CanaryStatus& current = release();
    current.current_step_index = std::clamp<std::int64_t>(current.current_step_index, 1, step_count());
    follow_batch_release();
    if (jump()) return true;
    if (!current_step().routes() && !clear_traffic()) return false;
    std::string const state = current.current_step_state;
    if (state == apis::step::kBeforeUpgrade || state.empty()) {
        if (!group_follows(Together::kBegin)) {
            follow_stable_pods_at_rest();
            return false;
        }
        if (!prepare_services()) return false;
        enter(apis::step::kUpgrade);
        return true;
    }
    if (state == apis::step::kUpgrade) {
        status_.message = fmt::format("Rollout is in step({}/{}), and upgrade workload to new version",
                                      current.current_step_index, step_count());
        bool const done = upgraded();
        if (!done) {
            note_hindrance();
            for (control::Wait const& each : seen_.workload->obstacles()) plan_.waits.push_back(each);
            if (plan_.waits.empty())
                wait("NotReady",
                     fmt::format("{} of {} pods are ready on the new version", facts().updated_ready,
                                 share_of_step(current.current_step_index)),
                     "they are ready");
        }
        if (!in_time(done) || !done || holds_healthy() || !group_follows(Together::kReady)) return false;
        event("Progressing",
              fmt::format("upgrade step({}) canary pods with new versions done", current.current_step_index));
        current.pod_template_hash = facts().unit_revision;
        // Without a stable pod left there is nothing to choose between.
        enter(routing() != nullptr && lacks_stable_pods() ? apis::step::kMetricsAnalysis : apis::step::kTrafficRouting);
        return true;
    }
    if (state == apis::step::kTrafficRouting) {
        if (!route_traffic()) return false;
        enter(apis::step::kMetricsAnalysis);
        return true;
    }
    if (state == apis::step::kMetricsAnalysis) {
        enter(apis::step::kPaused);
        return true;
    }
    if (state == apis::step::kPaused) return paused_step();
    if (state == apis::step::kReady) {
        if (current.current_step_index < step_count()) {
            ++current.current_step_index;
            current.next_step_index = next_of(current.current_step_index);
            enter(apis::step::kBeforeUpgrade);
        } else {
            enter(apis::step::kCompleted);
        }
        return true;
    }
    if (state == apis::step::kCompleted) {
        if (!group_follows(Together::kEnd)) return false;
        reason("True", apis::reason::kFinalising, "Rollout has been completed and some closing work is being done");
        return true;
    }
    // Somebody has written it past the webhook. What the step has done already takes no time.
    plan_.events.push_back(control::event_about(
        seen_.rollout, control::kWarning, "NoSuchState",
        fmt::format("currentStepState {} is none: step {} is looked at again", state, current.current_step_index)));
    enter(apis::step::kBeforeUpgrade);
    return true;
}

// What keeps the BatchRelease from moving pods.
void Machine::note_hindrance() {
    if (!batch_release_) return;
    std::string_view const message = batch_release_->status.message;
    for (std::string_view const kind : {apis::kUnsupported, apis::kWriteRefused}) {
        if (!message.starts_with(kind) || !message.substr(kind.size()).starts_with(": ")) continue;
        bool const refused = kind == apis::kWriteRefused;
        wait(std::string(kind), std::string(message.substr(kind.size() + 2)),
             std::string(refused ? apis::kUntilNotRefused : apis::kUntilSupported),
             refused ? "cluster owner" : "release owner");
    }
}

bool Machine::paused_step() {
    CanaryStatus const& current = release();
    std::int64_t const index = current.current_step_index;
    apis::CanaryStep const& step = current_step();
    bool const everything = !blue_green() && index == step_count() && step.replicas && step.replicas->percent &&
                            step.replicas->value == 100;
    if (everything) {
        enter(apis::step::kReady);
        return true;
    }
    std::string const place = fmt::format("Rollout is in step({}/{})", index, step_count());
    if (!step.pause.duration) {
        status_.message = place + ", and you need manually confirm to enter the next step";
        wait("AwaitingApproval", status_.message, "approved or aborted", "approver");
        return false;
    }
    std::chrono::seconds const length(std::min(*step.pause.duration, apis::kLongestPause));
    Time const until = parse_rfc3339(current.last_update_time).value_or(now_) + length;
    if (until <= now_) {
        enter(apis::step::kReady);
        return true;
    }
    status_.message =
        fmt::format("{}, and wait duration({} seconds) to enter the next step", place, *step.pause.duration);
    wait("Soaking", status_.message, format_rfc3339(until));
    plan_.requeue_at(until, fmt::format("pause.duration of step {}", index));
    return false;
}

// Somebody set nextStepIndex to another step than the one that follows.
bool Machine::jump() {
    CanaryStatus& current = release();
    std::int64_t const target = current.next_step_index;
    std::int64_t const natural = next_of(current.current_step_index);
    if (target == natural) return false;
    if (target < 1 || target > step_count()) {
        // 0: nobody has said any.
        if (target != 0) {
            plan_.events.push_back(control::event_about(
                seen_.rollout, control::kWarning, "NoSuchStep",
                fmt::format("nextStepIndex {} is ignored: there are steps 1 to {}", target, step_count())));
        }
        current.next_step_index = natural;
        return false;
    }
    // Back, no pod moves: what may be wrong with the new ones must not keep requests with them.
    bool const back = routing() != nullptr && target < current.current_step_index;
    current.current_step_index = target;
    current.next_step_index = next_of(target);
    // Where none have been led there yet, pods are waited for as in any step.
    bool const led = seen_.traffic.canary.exists() || !generates_canary_service();
    bool const answers = !current_step().routes() || facts().updated_ready > 0 || led;
    bool const there = back && facts().updated >= share_of_step(target) && answers;
    enter(there ? apis::step::kTrafficRouting : apis::step::kBeforeUpgrade);
    return true;
}

// The plan was edited: go on from the step whose share is what the release has reached.
bool Machine::plan_changed() {
    CanaryStatus& current = release();
    current.rollout_hash = apis::plan_hash(seen_.rollout);
    current.current_step_index = std::clamp<std::int64_t>(current.current_step_index, 1, step_count());
    std::int64_t target = 1;
    if (batch_release_ && batch_release_->spec.release_plan.batch_partition &&
        !batch_release_->spec.release_plan.batches.empty()) {
        auto const& batches = batch_release_->spec.release_plan.batches;
        // After a jump back its cursor may be further than the step.
        std::int64_t const cursor =
            std::min(*batch_release_->spec.release_plan.batch_partition, current.current_step_index - 1);
        auto const at = std::clamp<std::int64_t>(cursor, 0, std::ssize(batches) - 1);
        std::int64_t const reached = share_of(batches[static_cast<std::size_t>(at)].canary_replicas);
        std::vector<std::int64_t> order{current.current_step_index};
        for (std::int64_t index = 1; index <= step_count(); ++index) {
            if (index != current.current_step_index) order.push_back(index);
        }
        target = order.back();
        for (std::int64_t const index : order) {
            if (share_of_step(index) < reached) continue;
            target = index;
            break;
        }
    }
    std::int64_t const natural = next_of(current.current_step_index);
    if (target == natural) {
        current.next_step_index = natural;
        enter(apis::step::kReady);
        return true;
    }
    current.current_step_index = target;
    current.next_step_index = next_of(target);
    // Also where no pod moves: the BatchRelease is to have the step as it is now.
    enter(apis::step::kBeforeUpgrade);
    return true;
}

void Machine::follow_batch_release() {
    if (!batch_release_) return;
    auto const& batch = batch_release_->status;
    release().canary_replicas = batch.canary_status.updated_replicas;
    release().canary_ready_replicas = batch.canary_status.updated_ready_replicas;
    std::string message =
        fmt::format("BatchRelease is at state {}, rollout-id {}, step {}", batch.canary_status.batch_state,
                    batch.observed_rollout_id, batch.canary_status.current_batch + 1);
    if (!batch.message.empty()) message += ", " + batch.message;
    for (FieldCause const& each : limits_.problems)
        message += fmt::format(", {} is ignored: {}", each.field, each.message);
    release().message = std::move(message);
}

std::string Machine::batch_release_hash() const { return apis::release_plan_hash(seen_.batch_release); }

// Whether the BatchRelease has moved the pods of the current step.
bool Machine::upgraded() const {
    if (!batch_release_ || meta::is_deleting(seen_.batch_release)) return false;
    CanaryStatus const& current = *noted();
    auto const& done = batch_release_->status;
    return apis::write_batch_release_spec(batch_release_->spec) == wanted_spec() &&
           done.observed_release_plan_hash == batch_release_hash() && done.phase == apis::phase::kProgressing &&
           done.canary_status.batch_state == apis::batch::kReady &&
           done.canary_status.current_batch + 1 >= current.current_step_index &&
           done.observed_workload_replicas == facts().replicas && seen_.workload->is_current(done.update_revision);
}

Value Machine::wanted_spec() const {
    CanaryStatus const& current = *noted();
    auto const& strategy = rollout_.spec.strategy;
    apis::BatchReleaseSpec spec;
    spec.workload_ref = rollout_.spec.workload_ref;
    for (apis::CanaryStep const& step : steps())
        spec.release_plan.batches.push_back({step.replicas.value_or(meta::IntOrPercent())});
    spec.release_plan.batch_partition = current.current_step_index - 1;
    spec.release_plan.rollout_id = current.observed_rollout_id;
    spec.release_plan.failure_threshold =
        blue_green() ? strategy.blue_green->failure_threshold : strategy.canary->failure_threshold;
    spec.release_plan.rolling_style = workload::style_of_rollout(seen_.rollout).name;
    if (!blue_green()) {
        spec.release_plan.patch_pod_template_metadata = strategy.canary->patch_pod_template_metadata;
        spec.release_plan.enable_extra_workload_for_canary = strategy.canary->enable_extra_workload_for_canary;
    }
    return apis::write_batch_release_spec(spec);
}

// The workload has got another id in a step that is upgraded already: its pods are labelled anew.
void Machine::pass_rollout_id_on() {
    std::string_view const state = noted()->current_step_state;
    bool const waits =
        state == apis::step::kTrafficRouting || state == apis::step::kPaused || state == apis::step::kCompleted;
    if (!waits || facts().rollout_id.empty() || !batch_release_ || meta::is_deleting(seen_.batch_release)) return;
    workload::JsonPatch patch(seen_.batch_release);
    patch.test({"metadata", "uid"});
    patch.set({"spec", "releasePlan", "rolloutID"}, facts().rollout_id);
    write(workload::write_if_changed(std::move(patch), apis::kBatchReleases, "another rollout-id"));
}

// While a step is being upgraded the BatchRelease is what the step wants.
void Machine::drive_batch_release() {
    bool const rolling = noted() != nullptr &&
                         reason_of(status_, apis::condition::kProgressing) == apis::reason::kInRolling &&
                         seen_.workload != nullptr && seen_.workload->is_current(noted()->canary_revision);
    if (!rolling) return;
    if (noted()->current_step_state != apis::step::kUpgrade) return pass_rollout_id_on();
    Value spec = wanted_spec();
    meta::ObjectKey const key = meta::key_of(seen_.rollout);
    std::string const in_batch = meta::annotation(seen_.rollout, apis::kRollbackInBatchAnnotation);
    if (!seen_.batch_release.exists()) {
        Value object{json::Object{{"apiVersion", apis::kBatchReleases.api_version()}, {"kind", "BatchRelease"}}};
        object.set({"metadata", "ownerReferences"},
                   json::Array{json::Object{{"apiVersion", apis::kRollouts.api_version()},
                                            {"kind", "Rollout"},
                                            {"name", key.name},
                                            {"uid", meta::uid(seen_.rollout)},
                                            {"controller", true},
                                            {"blockOwnerDeletion", true}}});
        object.set({"metadata", "finalizers"}, json::Array{apis::kBatchReleaseFinalizer});
        if (!in_batch.empty()) object.set({"metadata", "annotations", apis::kRollbackInBatchAnnotation}, in_batch);
        object["spec"] = std::move(spec);
        Write create;
        create.verb = Write::Verb::kCreate;
        create.resource = apis::kBatchReleases;
        create.key = key;
        create.body = std::move(object);
        create.why = "start the release";
        write(std::move(create));
        return;
    }
    if (meta::is_deleting(seen_.batch_release) || !batch_release_) return;
    workload::JsonPatch patch(seen_.batch_release);
    patch.test({"metadata", "uid"});
    if (!in_batch.empty()) patch.set({"metadata", "annotations", apis::kRollbackInBatchAnnotation}, in_batch);
    if (apis::write_batch_release_spec(batch_release_->spec) != spec) patch.set({"spec"}, std::move(spec));
    write(workload::write_if_changed(std::move(patch), apis::kBatchReleases, "next step"));
}

}   // namespace aviary::rollout
