// The freeze of LeaderWorkerSets.
#include <algorithm>

#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/marks.h"
#include "member/workload/leader_worker_set.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

constexpr std::string_view kAnnotations[] = {apis::kInProgressingAnnotation, apis::kControlInfoAnnotation};
constexpr std::string_view kLabels[] = {apis::kStableRevisionLabel};

std::int64_t partition_of(Doc const& object) {
    return object.at({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}).as_int();
}

void set_partition(Value& object, std::int64_t partition) {
    object.set({"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}, partition);
}

void begin(Value& object, Doc const& after, FreezeInputs const& inputs) {
    std::int64_t const own = partition_of(after);
    drop_marks(object, kAnnotations, kLabels);
    std::string const stable = meta::label(group_revision(inputs.old, inputs.revisions), kGroupRevisionLabel);
    if (!stable.empty()) object.set({"metadata", "labels", apis::kStableRevisionLabel}, stable);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation},
               in_progressing(inputs.rollout, own < apis::kFrozenPartition ? own : 0));
    set_partition(object, apis::kFrozenPartition);
}

// As of a StatefulSet: a partition that is asked for is what the workload gets at the end, and groups that are added
// are of the stable version until the release says otherwise.
void keep_frozen(Value& object, Doc const& after, Doc const& old, bool new_revision) {
    std::int64_t const had = partition_of(old);
    std::int64_t const asked = partition_of(after);
    if (asked != had) {
        std::string const rollout = field_of(meta::annotation(after, apis::kInProgressingAnnotation), "rolloutName");
        object.set({"metadata", "annotations", apis::kInProgressingAnnotation},
                   in_progressing(rollout, asked < apis::kFrozenPartition ? asked : 0));
    }
    std::int64_t const before = old.at({"spec", "replicas"}).as_int(1);
    std::int64_t const wanted = after.at({"spec", "replicas"}).as_int(1);
    std::int64_t const grown = wanted > before ? std::max(had, wanted) : had;
    set_partition(object, new_revision ? apis::kFrozenPartition : grown);
}

}   // namespace

bool leader_worker_set_begins(Value const& object, FreezeInputs const& inputs) {
    Doc const after = Doc::freeze(object);
    bool const releasing = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty() ||
                           !meta::annotation(after, apis::kInProgressingAnnotation).empty();
    bool const runs = inputs.old.at({"status", "replicas"}).as_int() > 0;
    return !inputs.from_controller && !releasing && runs && after.at({"spec", "replicas"}).as_int(1) != 0 &&
           revision_changes(inputs.old, after);
}

void freeze_leader_worker_set(Value& object, FreezeInputs const& inputs) {
    if (inputs.from_controller) return;
    bool const begins = leader_worker_set_begins(object, inputs);
    bool const was_progressing = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    keep_label(object, inputs.old);
    if (was_progressing) keep_marks(object, inputs.old, kAnnotations, kLabels);
    Doc const after = Doc::freeze(object);
    if (begins) return begin(object, after, inputs);
    if (!meta::annotation(after, apis::kInProgressingAnnotation).empty())
        keep_frozen(object, after, inputs.old, revision_changes(inputs.old, after));
}

}   // namespace aviary::workload
