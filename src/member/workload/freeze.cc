#include "member/workload/freeze.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "apis/rollouts/validate.h"
#include "core/json/write.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/deployment.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/original.h"
#include "member/workload/internal/replica_sets.h"
#include "member/workload/internal/strategy.h"
#include "member/workload/kinds.h"
#include "member/workload/leader_worker_set.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

// API servers give a webhook five seconds.
constexpr Duration kWithin = std::chrono::milliseconds(4500);
constexpr Duration kSyncedWithin = std::chrono::milliseconds(2500);
constexpr Duration kLookWithin = std::chrono::seconds(2);
constexpr std::string_view kAnnotations[] = {
    apis::kInProgressingAnnotation, apis::kControlInfoAnnotation, apis::kDeploymentStrategyAnnotation,
    apis::kDeploymentExtraStatusAnnotation, apis::kOriginalDeploymentStrategyAnnotation};
constexpr std::string_view kLabels[] = {apis::kStableRevisionLabel, apis::kAdvancedDeploymentLabel};

bool labelled(Doc const& object) { return !meta::label(object, apis::kWorkloadTypeLabel).empty(); }

void restore_strategy(Value& object, Strategy const& strategy) {
    if (object.at({"spec", "strategy", "type"}).as_string() != "Recreate") return;
    if (auto own = own_strategy(strategy)) object.set({"spec", "strategy"}, std::move(*own));
}

// What an earlier release, also of another controller, did not take away.
void drop_leftovers(Value& object) {
    if (auto const strategy = parse_strategy(annotation_of(object, apis::kDeploymentStrategyAnnotation)))
        restore_strategy(object, *strategy);
    if (auto const original = parse_original(annotation_of(object, apis::kOriginalDeploymentStrategyAnnotation)))
        original->restore(object);
    drop_marks(object, kAnnotations, kLabels);
}

// Whether most pods ran the old template, by the Deployment's own account: copies of ReplicaSets may lag behind.
bool prevails(Doc const& deployment) {
    Doc const status = deployment["status"];
    return most_updated(status, "replicas", "updatedReplicas") &&
           status["observedGeneration"].as_int() >= meta::generation(deployment);
}

// Where the release comes from: what most pods ran; that may be the new template, put back while another was coming.
// While a release is taken back it is what that goes back to, however many run it yet. Upstream takes the oldest
// version that still runs, which after a rollback may be the one that was rejected.
std::string stable_revision(FreezeInputs const& inputs, Doc const& after) {
    Doc const before = inputs.old.at({"spec", "template"});
    bool const another = !same_template(before, after.at({"spec", "template"}));
    std::string const replaced = revision_running(before, inputs.replica_sets);
    if (another && !replaced.empty() && (prevails(inputs.old) || replaced == inputs.came_from)) return replaced;
    return stable_revision_for(after.at({"spec", "template"}), inputs.replica_sets, another, replaced);
}

void begin(Value& object, FreezeInputs const& inputs, Doc const& after) {
    drop_leftovers(object);
    std::string const stable = stable_revision(inputs, after);
    if (!stable.empty()) object.set({"metadata", "labels", apis::kStableRevisionLabel}, stable);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, in_progressing(inputs.rollout));
    object.set({"spec", "paused"}, true);
}

// Begun by another rollout-id alone, a release has no version to go back to before another template comes.
void note_stable(Value& object, FreezeInputs const& inputs, Doc const& after) {
    bool const noted = !meta::label(inputs.old, apis::kStableRevisionLabel).empty();
    if (noted || !prevails(inputs.old) || !template_changes(inputs.old, after)) return;
    std::string const stable = revision_running(inputs.old.at({"spec", "template"}), inputs.replica_sets);
    if (!stable.empty()) object.set({"metadata", "labels", apis::kStableRevisionLabel}, stable);
}

bool replaces_pods(FreezeInputs const& inputs, Doc const& after) {
    bool const running = inputs.old.at({"status", "replicas"}).as_int() > 0 ||
                         std::ranges::any_of(inputs.replica_sets,
                                             [](Doc const& set) { return set.at({"spec", "replicas"}).as_int(1) > 0; });
    return running && after.at({"spec", "replicas"}).as_int(1) != 0;
}

// Whether a release is to note where it comes from, and no copy of a ReplicaSet has the template before: copies may lag
// behind by seconds, and without it nothing could go back, nor requests be kept to that version.
bool looks_for_stable(Value const& object, FreezeInputs const& inputs) {
    Doc const after = Doc::freeze(object);
    if (!template_changes(inputs.old, after)) return false;
    bool const begun = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    bool const notes = begun ? !inputs.from_controller && prevails(inputs.old) &&
                                   meta::label(inputs.old, apis::kStableRevisionLabel).empty()
                             : replaces_pods(inputs, after);
    return notes && revision_running(inputs.old.at({"spec", "template"}), inputs.replica_sets).empty();
}

void keep_partition(Value& object, Strategy strategy, bool new_revision) {
    object.set({"spec", "paused"}, true);
    Value const update = object.at({"spec", "strategy", "rollingUpdate"});
    bool const rolling = object.at({"spec", "strategy", "type"}).as_string() != "Recreate";
    if (update.is_object() && update.size() > 0) strategy.rolling_update = update;
    if (rolling || update.is_object()) object.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
    if (new_revision) strategy.paused = true;
    object.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, strategy.to_text());
}

// What would let pods of the new version count, or old ones go, stays; it is what the workload gets at the end.
void keep_blue_green(Value& object, Doc const& old, Original original, bool new_revision) {
    bool const was_paused = old.at({"spec", "paused"}).as_bool();
    if (new_revision || was_paused) {
        object.set({"spec", "paused"}, true);
    } else {
        object["spec"].erase("paused");
    }
    original.keep(object, old);
    object.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation}, original.to_text());
}

// A write that does not come from the release may not lift what holds it.
void keep_frozen(Value& object, Doc const& old) {
    object.set({"spec", "paused"}, true);
    bool const was_recreate = old.at({"spec", "strategy", "type"}).as_string() == "Recreate";
    if (object.at({"spec", "strategy", "type"}).as_string() == "Recreate" && !was_recreate)
        object.set({"spec", "strategy"}, old.at({"spec", "strategy"}).thaw());
}

}   // namespace

bool template_changes(Doc const& before, Doc const& after) {
    return !same_template(before.at({"spec", "template"}), after.at({"spec", "template"})) ||
           !same_groups(before, after);
}

bool revision_changes(Doc const& before, Doc const& after) {
    if (template_changes(before, after)) return true;
    std::string const id = meta::annotation(after, apis::kRolloutIdLabel);
    return !id.empty() && id != meta::annotation(before, apis::kRolloutIdLabel);
}

bool in_force(Doc const& rollout) {
    // Enabled again it holds back at once, whatever its status says yet.
    bool const disabled = rollout.at({"spec", "disabled"}).as_bool() &&
                          rollout.at({"status", "phase"}).as_string() == apis::phase::kDisabled;
    return !meta::is_deleting(rollout) && !disabled && rollout.at({"spec", "strategy"}).size() > 0;
}

namespace {

bool is_of(control::AdmissionRequest const& request, meta::GroupVersionResource const& resource) {
    return request.resource.group == resource.group && request.resource.resource == resource.resource;
}

// Whether the Rollout holds back new versions of the workload in its namespace.
bool holds(Doc const& rollout, control::AdmissionRequest const& request) {
    Doc const reference = rollout.at({"spec", "workloadRef"});
    return meta::parse_api_version(reference["apiVersion"].as_string()).first == request.resource.group &&
           reference["kind"].as_string() == request.kind && reference["name"].as_string() == request.key.name &&
           in_force(rollout);
}

}   // namespace

void freeze_deployment(Value& object, FreezeInputs const& inputs) {
    bool const was_progressing = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    if (!inputs.from_controller) keep_label(object, inputs.old);
    if (was_progressing && !inputs.from_controller) keep_marks(object, inputs.old, kAnnotations, kLabels);
    Doc const after = Doc::freeze(object);
    bool const new_revision = revision_changes(inputs.old, after);
    if (meta::annotation(after, apis::kInProgressingAnnotation).empty()) {
        if (new_revision && replaces_pods(inputs, after)) begin(object, inputs, after);
        return;
    }
    if (!inputs.from_controller) note_stable(object, inputs, after);
    std::optional<Strategy> strategy = strategy_of(after);
    std::optional<Original> original = original_of(after);
    if (original && inputs.from_controller) return;
    if (original) {
        keep_blue_green(object, inputs.old, std::move(*original), new_revision);
    } else if (strategy && (strategy->style == apis::batch::kPartitionStyle || !strategy->promotes.empty())) {
        keep_partition(object, std::move(*strategy), new_revision);
    } else {
        keep_frozen(object, inputs.old);
    }
}

Freeze::Freeze(client::Client client, client::Informer& rollouts, client::Informer& replica_sets,
               std::string controller_user, bool labelled_kinds)
    : client_(std::move(client)),
      rollouts_(rollouts),
      replica_sets_(replica_sets),
      controller_user_(std::move(controller_user)),
      labelled_kinds_(labelled_kinds) {}

SetKind const* Freeze::set_of(control::AdmissionRequest const& request) const {
    SetKind const* const known = find_set_resource(request.resource.group, request.resource.resource);
    bool const labelled = labelled_kinds_ && known == nullptr && !is_of(request, kDeployments) &&
                          apis::is_like_stateful_set(request.old_object);
    return labelled ? &labelled_kind() : known;
}

bool Freeze::matches(control::AdmissionRequest const& request) const {
    if (request.operation != control::Operation::kUpdate || !request.subresource.empty()) return false;
    if (!is_of(request, kDeployments) && set_of(request) == nullptr) return false;
    // What its controllers write of a release is what holds it back.
    if (request.user.name == controller_user_) {
        return template_changes(request.old_object, Doc::freeze(request.object));
    }
    bool const releasing = !meta::annotation(request.old_object, apis::kInProgressingAnnotation).empty() ||
                           !annotation_of(request.object, apis::kInProgressingAnnotation).empty();
    if (releasing) return true;
    Doc const after = Doc::freeze(request.object);
    return revision_changes(request.old_object, after) || (labelled(request.old_object) && !labelled(after));
}

Task<Result<Doc>> Freeze::rollout_for(Context ctx, control::AdmissionRequest const& request) const {
    for (Doc const& rollout : rollouts_.list(request.key.ns)) {
        if (holds(rollout, request)) co_return rollout;
    }
    // One pointed here once: the copy may not have what was made a moment ago.
    bool const progressing = !meta::annotation(request.old_object, apis::kInProgressingAnnotation).empty();
    if (!labelled(request.old_object) && !progressing) co_return Doc();
    auto const live = co_await client_.list(ctx.with_timeout(kLookWithin), apis::kRollouts, {.ns = request.key.ns});
    if (!live && live.error().is(ErrorCode::kNotFound)) co_return Doc();
    if (!live) {
        co_return fail(ErrorCode::kUnavailable,
                       fmt::format("whether a Rollout holds new versions of {} back cannot be found out: {}; try again",
                                   request.key.to_string(), live.error().message()));
    }
    for (auto const& [index, rollout] : (*live)["items"].elements()) {
        if (holds(rollout, request)) co_return rollout;
    }
    co_return Doc();
}

Task<Result<std::vector<Doc>>> Freeze::controlled_by(Context ctx, Doc workload,
                                                     meta::GroupVersionResource resource) const {
    CO_TRY_ASSIGN(std::string const selector, meta::pod_selector_of(workload));
    auto const live = co_await client_.list(ctx.with_timeout(kLookWithin), resource,
                                            {.ns = meta::ns(workload), .label_selector = selector});
    if (!live) {
        co_return fail(
            ErrorCode::kUnavailable,
            fmt::format("the version that {} has cannot be found out, so a new one could not be held back: {}; "
                        "try again",
                        meta::key_of(workload).to_string(), live.error().message()));
    }
    std::vector<Doc> controlled;
    for (auto const& [index, each] : (*live)["items"].elements()) {
        if (meta::is_controlled_by(each, workload)) controlled.push_back(each);
    }
    co_return controlled;
}

Task<Status> Freeze::mutate(Context ctx, control::AdmissionRequest& request) {
    ctx = ctx.with_timeout(kWithin);
    Context const limited = ctx.with_timeout(kSyncedWithin);
    for (client::Informer* informer : {&rollouts_, &replica_sets_}) {
        if (informer->synced() || (informer == &replica_sets_ && !is_of(request, kDeployments))) continue;
        Status const synced = co_await informer->wait_synced(limited);
        if (synced) continue;
        if (!labelled(request.old_object)) co_return Status{};
        co_return fail(
            ErrorCode::kUnavailable,
            fmt::format(
                "the rollout controller does not see {} yet: a new version of {} could not be held back; try again",
                informer->resource().resource, request.key.to_string()));
    }
    FreezeInputs inputs;
    inputs.old = request.old_object;
    CO_TRY_ASSIGN(Doc const rollout, co_await rollout_for(ctx, request));
    if (!rollout.exists()) co_return Status{};
    inputs.rollout = meta::name(rollout);
    Doc const release = apis::release_status(rollout);
    inputs.came_from = release["stableRevision"].string();
    // A Rollout that has only come says Completed of the template that it finds, whatever runs.
    bool const ended = release["finalisingStep"].as_string() == apis::finalising::kEnd;
    if (ended && rollout.at({"status", "currentStepState"}).as_string() == apis::step::kCompleted)
        inputs.brought = release["podTemplateHash"].string();
    inputs.replica_sets = replica_sets_.by_index("controller", meta::uid(request.old_object));
    inputs.from_controller = request.user.name == controller_user_;
    SetKind const* const set = set_of(request);
    if (set != nullptr && set->notes_stable != nullptr && set->notes_stable(request.object, inputs)) {
        CO_TRY_ASSIGN(inputs.revisions, co_await controlled_by(ctx, request.old_object, kControllerRevisions));
    }
    if (is_of(request, kDeployments) && looks_for_stable(request.object, inputs)) {
        CO_TRY_ASSIGN(inputs.replica_sets, co_await controlled_by(ctx, request.old_object, kReplicaSets));
    }
    (set != nullptr ? set->freeze : freeze_deployment)(request.object, inputs);
    co_return Status{};
}

}   // namespace aviary::workload
