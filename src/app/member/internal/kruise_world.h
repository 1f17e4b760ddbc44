// For tests: a cluster in which Kruise Rollouts' manager 0.6 leads a release up to some moment, and is taken away. What
// it writes is made by hand, in its order; pods are made by the native controllers. Then the member takes over.
#pragma once

#include <algorithm>
#include <functional>

#include "apis/rollouts/hash.h"
#include "apis/rollouts/traffic_routing.h"
#include "app/member/internal/kruise_routes.h"
#include "app/member/internal/kruise_sets.h"

namespace aviary::member {

// Where a release is within a step, in order. What is between two looks of its controllers is a moment, too.
enum class Point {
    kInitializing,   // frozen by the webhook; the Rollout is Progressing for this reason
    kBefore,         // BeforeStepUpgrade
    kUpgrade,        // StepUpgrade, the BatchRelease not written yet
    kAsked,          // the BatchRelease has the step's cursor, and nobody has looked
    kHeld,           // the workload is under its control, batch Upgrading
    kMoved,          // at the step's share; pods are starting
    kVerifying,      // they are ready
    kReadyBatch,     // batch Ready
    kRouting,        // StepTrafficRouting, nothing written
    kServices,       // the canary Service is there
    kRouted,         // and the routes lead to it
    kAnalysis,       // StepMetricsAnalysis
    kPaused,         // StepPaused
    kApproved,       // StepReady
    kCompleted       // of the last step alone
};

enum class Why { kSuccess, kRollback, kDisabled, kDeleted };
enum class Progress {   // of one step of the end
    kBegun,
    kHalf,      // asked of the BatchRelease
    kResumed,   // the workload has its own strategy back, and rolls
    kDone
};

// In the order of the sequence.
inline std::vector<std::string> finalising_steps(bool blue_green, Why why) {
    std::string const to_new = "FinalisingStepRouteTrafficToNew", to_stable = "FinalisingStepRouteTrafficToStable";
    std::string const service = "RestoreStableService", canary = "RemoveCanaryService";
    std::string const resume = "ResumeWorkload", control = "ReleaseWorkloadControl";
    if (blue_green && why == Why::kSuccess) return {to_new, service, resume, to_stable, canary, control};
    if (blue_green && why == Why::kRollback) return {to_stable, resume, service, canary, control};
    if (why == Why::kRollback) return {to_stable, resume, control, service, canary};
    return {service, to_stable, canary, resume, control};
}

// What Kruise's controllers have in their statuses.
struct KruiseSays {
    // Of the Rollout.
    std::string phase, reason, step_state, finalising, stable, canary, pod_hash;
    std::string released;   // the revision of v2
    int step = 1;
    std::int64_t generation = 0;   // of the workload, when the Rollout last saw it at rest; 0: as it is
    std::optional<Why> closing;
    // Of the BatchRelease.
    std::string batch_phase, batch_state;
    int batch = 0;
    bool batch_seen = false;   // it has seen its spec
    // How far it is: the last point of this step, or part of this step of the end; -1: before the first.
    int passed = -1;
    int closed = -1;
    bool hangs = false;   // it waits for what never comes
    bool back = false;    // in batches: what is released is the version before
    int spared = 0;       // those that had it then
    // The user's own objects before the release.
    std::map<meta::GroupVersionResource, std::string> originals;
};

struct KruiseWorld : World, KruiseSays {
    using Make = std::function<std::unique_ptr<LedWorkload>(World&)>;
    using MakeRoutes = std::function<std::unique_ptr<LedRoutes>(World&)>;
    static constexpr int kLast = 3;

    // Without routes, when they are not to be made.
    KruiseWorld(Context ctx, Make const& make, MakeRoutes const& make_routes)
        : World(std::move(ctx)),
          led(make(*this)),
          make_routes(make_routes),
          routes(make_routes ? make_routes(*this) : nullptr) {
        led->routed = routed();
    }
    bool routed() const { return routes != nullptr; }

    int share(int step) const { return led->shares()[static_cast<std::size_t>(step - 1)]; }
    std::string percent(int step) const { return fmt::format("{}%", share(step) * 100 / kReplicas); }

    // Ten pods of v1, and a Healthy Rollout.
    Task<Status> begin() {
        guarded = false;
        CO_TRY(co_await start_cluster(apis::member_crds()));
        Context const ctx = scope.context();
        if (routed()) {
            Value const service = *json::parse_value(
                R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},
                "spec":{"selector":{"app":"web"},"ports":[{"name":"http","port":80,"targetPort":8080}]}})");
            CO_TRY(co_await client->create(ctx, kServices, service));
            CO_TRY(co_await routes->create());
            CO_TRY(co_await note_original(kServices));
            if (auto const of = routes->restored()) CO_TRY(co_await note_original(*of));
        }
        CO_TRY(co_await led->create());
        Value label{json::Object()};
        label.set({"metadata", "labels", apis::kWorkloadTypeLabel}, to_lower(led->kind));
        CO_TRY(co_await led->merge(std::move(label)));
        CO_TRY(co_await client->create(ctx, apis::kRollouts, own_rollout()));
        Value hash{json::Object()};
        hash.set({"metadata", "annotations", apis::kRolloutHashAnnotation},
                 apis::plan_hash(co_await get(apis::kRollouts)));
        CO_TRY(co_await led->merge_into(apis::kRollouts, "web", std::move(hash)));
        stable = co_await led->stable_revision();
        canary = co_await led->canary_revision("v1");
        phase = "Healthy";
        step_state = "Completed";
        step = kLast;
        co_return Status{};
    }

    // As another one is at this moment; what is done to one is not seen by the other.
    Task<Status> begin_as(KruiseWorld const& other) {
        guarded = false;
        static_cast<KruiseSays&>(*this) = other;
        CO_TRY(co_await copy(other));
        co_return co_await start_cluster({});
    }

    // On to this point of this step, through those before it; from Healthy, or from where it is.
    Task<Status> lead(int to, Point point) {
        if (phase == "Healthy") {
            CO_TRY(co_await led->freeze("v2"));
            CO_TRY(co_await async::sleep_for(scope.context(), 2s));
            stable = co_await led->stable_revision();
            canary = released = co_await led->canary_revision("v2");
            pod_hash.clear();
            phase = "Progressing";
            reason = "InRolling";
            step = 1;
        }
        while (step < to || passed < static_cast<int>(point)) {
            if (step < to && passed == static_cast<int>(Point::kApproved)) {
                ++step;
                passed = -1;
            }
            CO_TRY(co_await pass(static_cast<Point>(++passed)));
        }
        co_return Status{};
    }

    // The end begins: it is only said to be so.
    Task<Status> end(Why why) {
        closing = why;
        if (why == Why::kSuccess) reason = "Finalising";
        if (why == Why::kRollback) {
            reason = "Cancelling";
            CO_TRY(co_await led->put("v1"));
            CO_TRY(co_await async::sleep_for(scope.context(), 2s));
            canary = co_await led->canary_revision("v1");
        }
        if (why == Why::kDisabled) {
            CO_TRY(
                co_await led->merge_into(apis::kRollouts, "web", *json::parse_value(R"({"spec":{"disabled":true}})")));
            phase = "Disabling";
        }
        if (why == Why::kDeleted) {
            CO_TRY(co_await client->remove(scope.context(), apis::kRollouts, rollout_key));
            phase = "Terminating";
        }
        co_return Status{};
    }

    // On to this part of this step of it; "END" is after the last.
    Task<Status> close(std::string const& last, Progress progress) {
        if (finalising.empty()) {
            Value free{json::Object()};
            free.set({"metadata", "annotations", apis::kInProgressingAnnotation}, nullptr);
            CO_TRY(co_await led->merge(std::move(free)));
        }
        std::vector<std::string> const steps = finalising_steps(led->style() == "BlueGreen", *closing);
        auto const reached = std::ranges::find(steps, finalising);
        for (auto each = reached == steps.end() ? steps.begin() : reached; each != steps.end(); ++each) {
            if (*each != finalising) closed = -1;
            finalising = *each;
            Progress const to = *each == last ? progress : Progress::kDone;
            while (closed < static_cast<int>(to))
                CO_TRY(co_await close_part(finalising, static_cast<Progress>(++closed)));
            if (*each == last) co_return Status{};
        }
        finalising = "END";
        if (closing == Why::kSuccess || closing == Why::kRollback) reason = "Completed";
        co_return Status{};
    }

    // Before a release: one that is taken back goes back in batches.
    Task<Status> ask_for_batches() {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kRollbackInBatchAnnotation}, "true");
        co_return co_await led->merge_into(apis::kRollouts, "web", std::move(patch));
    }
    // The version before is put back, and nobody has looked yet.
    Task<Status> put_back() {
        CO_TRY(co_await led->put("v1"));
        co_return co_await async::sleep_for(scope.context(), 2s);
    }
    // The Rollout has looked: it begins at step 1, with that version as the one that is released.
    Task<Status> turn_back() {
        back = true;
        spared = static_cast<int>(std::ssize(co_await led->pods("v1")));
        canary = co_await led->canary_revision("v1");
        step_state = "BeforeStepUpgrade";
        batch_phase = "Preparing";
        step = 1;
        passed = static_cast<int>(Point::kInitializing);
        co_return Status{};
    }
    // How many pods have the version that is released, at this step.
    int updated(int index) const {
        if (!back) return share(index);
        if (batch_phase == "Preparing") return spared;
        int const rest = kReplicas - spared;
        return spared + (share(index) * rest + kReplicas - 1) / kReplicas;
    }
    // Its user's own objects, as they are to be in the end.
    Task<Status> note_original(meta::GroupVersionResource of) {
        originals[of] = co_await own(of);
        co_return Status{};
    }

    // Writes what the statuses say at this moment; then it is the member's.
    Task<Status> hand_over() {
        generation = generation == 0 ? meta::generation(co_await led->live()) : generation;
        CO_TRY(co_await write_batch_status());
        CO_TRY(co_await client->patch(scope.context(), apis::kRollouts, rollout_key, client::PatchType::kMerge,
                                      co_await rollout_status(), {.subresource = "status"}));
        guarded = true;
        start_member();
        co_return Status{};
    }

    // What is left of a release, anywhere.
    Task<std::string> remains() {
        std::string found = co_await led->left();
        std::vector<Doc> objects{co_await led->live()};
        for (auto const& resource : {kReplicaSets, kControllerRevisions}) {
            auto const list = co_await client->list(scope.context(), resource, {.ns = "default"});
            for (auto const& [index, each] : (*list)["items"].elements()) objects.push_back(each);
        }
        for (Doc const& object : objects) found += marks_on(object);
        Doc const spec = objects.front()["spec"];
        if (spec["paused"].as_bool()) found += "paused; ";
        if (led->kind == "Deployment" && spec.at({"strategy", "type"}).as_string() != "RollingUpdate")
            found += "strategy; ";
        if ((co_await get(apis::kBatchReleases)).exists()) found += "BatchRelease; ";
        for (auto const& [resource, original] : originals) {
            std::string const now = co_await own(resource);
            if (now != original) found += fmt::format("{} is {} and was {}; ", resource.resource, now, original);
        }
        Doc const shared = co_await get(apis::kTrafficRoutings);
        bool const free = apis::holders_of(shared).empty() && shared.at({"status", "phase"}).as_string() == "Healthy";
        if (shared.exists() && !free) found += "the TrafficRouting is " + json::write(shared) + "; ";
        if (!routed()) co_return found;
        if ((co_await led->get(kServices, "web-canary")).exists()) found += "web-canary; ";
        co_return found + co_await routes->left();
    }

    std::unique_ptr<LedWorkload> led;
    MakeRoutes make_routes;
    std::unique_ptr<LedRoutes> routes;

private:
    // Without what a server changes with every write.
    Task<std::string> own(meta::GroupVersionResource of) {
        Value value = (co_await led->get(of, "web")).thaw();
        for (char const* each : {"resourceVersion", "generation", "managedFields"}) value["metadata"].erase(each);
        co_return json::write(value);
    }
    bool blue_green() const { return led->style() == "BlueGreen"; }
    std::string release_id() const { return back ? "rollback-" + canary : canary; }
    std::string part() const { return blue_green() ? "blueGreenStatus" : "canaryStatus"; }
    bool routes_at(int index) const { return routed() && (index < kLast || led->fully_routed()); }

    Value own_rollout() const {
        Value steps{json::Array()};
        for (int index = 1; index <= kLast; ++index) {
            Value one{json::Object{{"replicas", percent(index)}, {"pause", json::Object()}}};
            if (routes_at(index)) one["traffic"] = percent(index);
            steps.push_back(std::move(one));
        }
        Value object = rollout(json::write(steps), json::write(led->strategy()));
        object.set({"spec", "workloadRef"}, led->reference());
        object.set({"metadata", "finalizers"}, json::Array{apis::kRolloutFinalizer});
        std::string_view const strategy = blue_green() ? "blueGreen" : "canary";
        if (routed()) {
            object.set({"spec", "strategy", strategy, "trafficRoutings"},
                       *json::parse_value(R"([{"service":"web","gracePeriodSeconds":1,)" + routes->reference() + "}]"));
        }
        return object;
    }

    Task<Status> pass(Point point) {
        switch (point) {
            case Point::kInitializing:
                if (step == 1) reason = "Initializing";
                step_state = "BeforeStepUpgrade";
                co_return Status{};
            case Point::kBefore:
                reason = "InRolling";
                if (step == 1 && routes_at(step)) CO_TRY(co_await select("web", stable));
                if (!routes_at(step)) co_return co_await clear_routes();
                co_return Status{};
            case Point::kUpgrade: step_state = "StepUpgrade"; co_return Status{};
            case Point::kAsked: generation = meta::generation(co_await led->live()); co_return co_await ask();
            case Point::kHeld: co_return co_await hold();
            case Point::kMoved: led->spared = spared; co_return co_await led->move(updated(step), percent(step));
            case Point::kVerifying:
                CO_TRY(co_await async::sleep_for(scope.context(), 20s));
                CO_TRY(co_await led->finish(updated(step)));
                CO_TRY(co_await async::sleep_for(scope.context(), 2s));
                batch_state = "Verifying";
                if (back) co_return co_await led->label_back(step, release_id(), share(step));
                co_return co_await led->label(step);
            case Point::kReadyBatch: batch_state = "Ready"; co_return Status{};
            case Point::kRouting:
                generation = 0;
                pod_hash = co_await led->pod_hash(back ? "v1" : "v2");
                step_state = "StepTrafficRouting";
                co_return Status{};
            case Point::kServices:
                if (!routes_at(step)) co_return Status{};
                CO_TRY(co_await make_canary_service());
                co_return co_await routes->prepare();
            case Point::kRouted:
                if (routes_at(step)) CO_TRY(co_await routes->lead(share(step) * 10));
                co_return Status{};
            case Point::kAnalysis: step_state = "StepMetricsAnalysis"; co_return Status{};
            case Point::kPaused: step_state = "StepPaused"; co_return Status{};
            case Point::kApproved: step_state = "StepReady"; co_return Status{};
            case Point::kCompleted: step_state = "Completed"; co_return Status{};
        }
        co_return Status{};
    }

    Task<Status> ask() {
        batch_seen = false;
        Value patch{json::Object()};
        patch.set({"spec", "releasePlan", "batchPartition"}, step - 1);
        if (back && step == 1) patch.set({"spec", "releasePlan", "rolloutID"}, release_id());
        if (back || step > 1) co_return co_await led->merge_into(apis::kBatchReleases, "web", std::move(patch));
        Value object{json::Object{{"apiVersion", "rollouts.kruise.io/v1beta1"}, {"kind", "BatchRelease"}}};
        object.set({"metadata", "name"}, "web");
        object.set({"metadata", "namespace"}, "default");
        object.set({"metadata", "finalizers"}, json::Array{apis::kBatchReleaseFinalizer});
        Doc const rollout = co_await get(apis::kRollouts);
        if (std::string const in_batch = meta::annotation(rollout, apis::kRollbackInBatchAnnotation); !in_batch.empty())
            object.set({"metadata", "annotations", apis::kRollbackInBatchAnnotation}, in_batch);
        object.set({"metadata", "ownerReferences"},
                   json::Array{json::Object{{"apiVersion", "rollouts.kruise.io/v1beta1"},
                                            {"kind", "Rollout"},
                                            {"name", "web"},
                                            {"uid", meta::uid(rollout)},
                                            {"controller", true},
                                            {"blockOwnerDeletion", true}}});
        object.set({"spec", "workloadRef"}, led->reference());
        Value batches{json::Array()};
        for (int index = 1; index <= kLast; ++index)
            batches.push_back(json::Object{{"canaryReplicas", percent(index)}});
        object.set({"spec", "releasePlan"}, json::Object{{"batches", std::move(batches)},
                                                         {"batchPartition", 0},
                                                         {"rolloutID", canary},
                                                         {"rollingStyle", led->style()},
                                                         {"enableExtraWorkloadForCanary", led->style() == "Canary"}});
        CO_TRY(co_await client->create(scope.context(), apis::kBatchReleases, std::move(object)));
        co_return Status{};
    }

    Task<Status> hold() {
        if (step == 1 && back) CO_TRY(co_await led->spare("v1", release_id()));
        if (step == 1 && !back) CO_TRY(co_await led->take(co_await get(apis::kBatchReleases)));
        batch_phase = "Progressing";
        batch_state = "Upgrading";
        batch = step - 1;
        batch_seen = true;
        co_return Status{};
    }

    Task<Status> close_part(std::string which, Progress part) {
        if (which == "ResumeWorkload") co_return co_await resume(part);
        if (which == "ReleaseWorkloadControl") co_return co_await give_up(part);
        if (!routed() || part != Progress::kDone) co_return Status{};
        if (which == "FinalisingStepRouteTrafficToNew") co_return co_await routes->lead(100);
        if (which == "FinalisingStepRouteTrafficToStable") co_return co_await routes->restore();
        if (which == "RestoreStableService") co_return co_await select("web", "");
        co_return co_await remove_canary_service();
    }

    Task<Status> resume(Progress part) {
        if (part == Progress::kBegun || !(co_await get(apis::kBatchReleases)).exists()) co_return Status{};
        if (part == Progress::kHalf) {
            Value patch{json::Object()};
            patch.set({"spec", "releasePlan", "batchPartition"}, nullptr);
            patch.set({"spec", "releasePlan", "finalizingPolicy"},
                      closing == Why::kSuccess ? "WaitResume" : "Immediate");
            co_return co_await led->merge_into(apis::kBatchReleases, "web", std::move(patch));
        }
        if (part == Progress::kResumed) {
            batch_phase = "Finalizing";
            co_return co_await led->finalize();
        }
        CO_TRY(co_await async::sleep_for(scope.context(), 60s));
        hangs = !co_await led->resumed();
        if (hangs) co_return Status{};
        batch_phase = "Completed";
        co_return co_await led->release();
    }

    Task<Status> give_up(Progress part) {
        if (!(co_await get(apis::kBatchReleases)).exists()) co_return Status{};
        if (part == Progress::kHalf) {
            CO_TRY(co_await write_batch_status());
            co_return co_await client->remove(scope.context(), apis::kBatchReleases, rollout_key);
        }
        if (part != Progress::kDone) co_return Status{};
        Value patch{json::Object()};
        patch.set({"metadata", "finalizers"}, nullptr);
        CO_TRY(co_await led->merge_into(apis::kBatchReleases, "web", std::move(patch)));
        co_return co_await async::sleep_for(scope.context(), 5s);
    }

    // The Service's selector gets the revision, or loses it.
    Task<Status> select(std::string service, std::string revision) {
        Value patch{json::Object()};
        patch.set({"spec", "selector", led->revision_key()}, revision.empty() ? Value(nullptr) : Value(revision));
        co_return co_await led->merge_into(kServices, std::move(service), std::move(patch));
    }
    Task<Status> make_canary_service() {
        if ((co_await led->get(kServices, "web-canary")).exists()) co_return Status{};
        Doc const stable_service = co_await led->get(kServices, "web");
        Value object{json::Object{{"apiVersion", "v1"}, {"kind", "Service"}}};
        object.set({"metadata", "name"}, "web-canary");
        object.set({"metadata", "namespace"}, "default");
        object.set({"metadata", "ownerReferences"},
                   json::Array{json::Object{{"apiVersion", "rollouts.kruise.io/v1beta1"},
                                            {"kind", "Rollout"},
                                            {"name", "web"},
                                            {"uid", meta::uid(co_await get(apis::kRollouts))},
                                            {"controller", true},
                                            {"blockOwnerDeletion", true}}});
        object.set({"spec", "ports"}, stable_service.at({"spec", "ports"}).thaw());
        object.set({"spec", "selector"}, json::Object{{"app", "web"}, {led->revision_key(), pod_hash}});
        CO_TRY(co_await client->create(scope.context(), kServices, std::move(object)));
        co_return Status{};
    }
    Task<Status> remove_canary_service() {
        if ((co_await led->get(kServices, "web-canary")).exists())
            CO_TRY(co_await client->remove(scope.context(), kServices, {"default", "web-canary"}));
        co_return Status{};
    }
    Task<Status> clear_routes() {
        if (!routed()) co_return Status{};
        CO_TRY(co_await select("web", ""));
        CO_TRY(co_await routes->restore());
        co_return co_await remove_canary_service();
    }

    Task<Status> write_batch_status() {
        Doc const object = co_await get(apis::kBatchReleases);
        if (!object.exists() || batch_phase.empty()) co_return Status{};
        Value status{json::Object{{"phase", batch_phase},
                                  {"stableRevision", stable},
                                  {"updateRevision", closing == Why::kRollback ? released : canary},
                                  {"observedRolloutID", meta_id(object)},
                                  {"observedWorkloadReplicas", kReplicas}}};
        status["canaryStatus"] = json::Object{{"batchState", batch_state},
                                              {"currentBatch", batch},
                                              {"updatedReplicas", updated(batch + 1)},
                                              {"updatedReadyReplicas", updated(batch + 1)}};
        if (back && batch_phase == "Progressing") status["canaryStatus"]["noNeedUpdateReplicas"] = spared;
        if (batch_seen) {
            status["observedReleasePlanHash"] = apis::release_plan_hash(object);
            status["observedGeneration"] = meta::generation(object);
        }
        Value patch{json::Object()};
        patch["status"] = std::move(status);
        CO_TRY(co_await client->patch(scope.context(), apis::kBatchReleases, rollout_key, client::PatchType::kMerge,
                                      std::move(patch), {.subresource = "status"}));
        co_return Status{};
    }
    static std::string meta_id(Doc const& batch_release) {
        return batch_release.at({"spec", "releasePlan", "rolloutID"}).string();
    }

    Task<Value> rollout_status() {
        std::string const now = format_rfc3339(scope.context().now());
        Doc const object = co_await get(apis::kRollouts);
        bool const over = phase == "Healthy" || reason == "Completed";
        Value status{json::Object{{"observedGeneration", meta::generation(object)},
                                  {"phase", phase},
                                  {"message", "as Kruise has it"},
                                  {"currentStepIndex", step},
                                  {"currentStepState", step_state}}};
        Value own{json::Object{{"observedWorkloadGeneration", generation},
                               {"observedRolloutID", release_id()},
                               {"rolloutHash", meta::annotation(object, apis::kRolloutHashAnnotation)},
                               {"stableRevision", stable},
                               {"podTemplateHash", pod_hash},
                               {"currentStepIndex", step},
                               {"nextStepIndex", step == kLast ? -1 : step + 1},
                               {"finalisingStep", finalising},
                               {"currentStepState", step_state},
                               {"lastUpdateTime", now}}};
        std::string const prefix = blue_green() ? "updated" : "canary";
        own[prefix + "Revision"] = canary;
        own[prefix + "Replicas"] = batch_phase.empty() ? 0 : updated(batch + 1);
        own[prefix + "ReadyReplicas"] = batch_phase.empty() ? 0 : updated(batch + 1);
        status[part()] = std::move(own);
        Value conditions{json::Array()};
        auto const add = [&](char const* type, char const* value, std::string why) {
            conditions.push_back(json::Object{{"type", type},
                                              {"status", value},
                                              {"reason", why},
                                              {"message", "Rollout is in Progressing"},
                                              {"lastUpdateTime", now},
                                              {"lastTransitionTime", now}});
        };
        if (!reason.empty()) add("Progressing", over ? "False" : "True", reason);
        if (over && !reason.empty()) add("Succeeded", closing == Why::kRollback ? "False" : "True", "");
        if (phase == "Terminating")
            add("Terminating", finalising == "END" ? "False" : "True",
                finalising == "END" ? "Completed" : "InTerminating");
        status["conditions"] = std::move(conditions);
        Value patch{json::Object()};
        patch["status"] = std::move(status);
        co_return patch;
    }
};

}   // namespace aviary::member
