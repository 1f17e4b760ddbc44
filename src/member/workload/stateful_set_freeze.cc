// The freeze of StatefulSets.
#include <algorithm>

#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/marks.h"
#include "member/workload/stateful_set.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

constexpr std::string_view kAnnotations[] = {apis::kInProgressingAnnotation, apis::kControlInfoAnnotation};
constexpr std::string_view kLabels[] = {apis::kStableRevisionLabel};

std::int64_t partition_of(Value const& object) {
    return object.at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int();
}

void set_partition(Value& object, std::int64_t partition) {
    object.set({"spec", "updateStrategy", "rollingUpdate", "partition"}, partition);
}

bool rolls(Value const& object) {
    return object.at({"spec", "updateStrategy", "type"}).as_string("RollingUpdate") == "RollingUpdate";
}

void begin(Value& object, FreezeInputs const& inputs) {
    std::int64_t const own = partition_of(object);
    drop_marks(object, kAnnotations, kLabels);
    std::string const stable = inputs.old.at({"status", "currentRevision"}).string();
    if (!stable.empty()) object.set({"metadata", "labels", apis::kStableRevisionLabel}, stable);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation},
               in_progressing(inputs.rollout, own < apis::kFrozenPartition ? own : 0));
    set_partition(object, apis::kFrozenPartition);
}

// What would let pods of the new version come stays; the partition that is asked for is what the workload gets at the
// end. New pods of a set that grows are of the stable version until the release says otherwise.
void keep_frozen(Value& object, Doc const& old, bool new_revision) {
    if (!rolls(object)) object.set({"spec", "updateStrategy"}, old.at({"spec", "updateStrategy"}).thaw());
    std::int64_t const had = old.at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int();
    std::int64_t const asked = partition_of(object);
    if (asked != had) {
        std::string const rollout =
            field_of(std::string(annotation_of(object, apis::kInProgressingAnnotation)), "rolloutName");
        object.set({"metadata", "annotations", apis::kInProgressingAnnotation},
                   in_progressing(rollout, asked < apis::kFrozenPartition ? asked : 0));
    }
    std::int64_t const before = old.at({"spec", "replicas"}).as_int(1);
    std::int64_t const after = object.at({"spec", "replicas"}).as_int(1);
    std::int64_t const grown = after > before ? std::max(had, after) : had;
    set_partition(object, new_revision ? apis::kFrozenPartition : grown);
}

}   // namespace

void freeze_stateful_set(Value& object, FreezeInputs const& inputs) {
    if (inputs.from_controller) return;
    bool const was_progressing = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    keep_label(object, inputs.old);
    if (was_progressing) keep_marks(object, inputs.old, kAnnotations, kLabels);
    Doc const after = Doc::freeze(object);
    bool const new_revision = revision_changes(inputs.old, after);
    if (!meta::annotation(after, apis::kInProgressingAnnotation).empty())
        return keep_frozen(object, inputs.old, new_revision);
    bool const runs = inputs.old.at({"status", "replicas"}).as_int() > 0;
    // One that is updated as its pods are deleted is never taken over.
    bool const held = rolls(object) && inputs.old.at({"spec", "updateStrategy", "type"}).as_string() != "OnDelete";
    if (new_revision && held && runs && after.at({"spec", "replicas"}).as_int(1) != 0) begin(object, inputs);
}

}   // namespace aviary::workload
