// The freeze of LeaderWorkerSets.
#include "kube/meta/object.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/partition.h"
#include "member/workload/leader_worker_set.h"

namespace aviary::workload {

using json::Doc;
using json::Value;

namespace {

bool runs(Doc const& set) { return set.at({"status", "replicas"}).as_int() > 0; }

}   // namespace

bool leader_worker_set_begins(Value const& object, FreezeInputs const& inputs) {
    Doc const after = Doc::freeze(object);
    bool const releasing = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty() ||
                           !meta::annotation(after, apis::kInProgressingAnnotation).empty();
    return !inputs.from_controller && !releasing && runs(inputs.old) && after.at({"spec", "replicas"}).as_int(1) != 0 &&
           revision_changes(inputs.old, after);
}

void freeze_leader_worker_set(Value& object, FreezeInputs const& inputs) {
    freeze_partition(object, inputs,
                     {.fields = leader_worker_set_fields(),
                      .stable = meta::label(group_revision(inputs.old, inputs.revisions), kGroupRevisionLabel),
                      .runs = runs(inputs.old)});
}

}   // namespace aviary::workload
