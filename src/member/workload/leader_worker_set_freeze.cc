// The freeze of LeaderWorkerSets.
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/partition.h"
#include "member/workload/leader_worker_set.h"

namespace aviary::workload {

using json::Doc;
using json::Value;

namespace {

bool runs(Doc const& set) { return set.at({"status", "replicas"}).as_int() > 0; }

// What most groups ran: a version that was still on its way is not what the release comes from. Their controller does
// not say what it has seen, but it makes a version's revision before anything of it. Empty: pods tell.
std::string stable_revision(FreezeInputs const& inputs) {
    std::string const replaced = meta::label(group_revision(inputs.old, inputs.revisions), kGroupRevisionLabel);
    bool const known =
        most_updated(inputs.old["status"], "replicas", "updatedReplicas") || replaced == inputs.came_from;
    return known ? replaced : std::string();
}

}   // namespace

bool leader_worker_set_notes_stable(Value const& object, FreezeInputs const& inputs) {
    Doc const after = Doc::freeze(object);
    bool const begun = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    bool const noted = begun && !meta::label(inputs.old, apis::kStableRevisionLabel).empty();
    return !inputs.from_controller && !noted && runs(inputs.old) && after.at({"spec", "replicas"}).as_int(1) != 0 &&
           template_changes(inputs.old, after);
}

void freeze_leader_worker_set(Value& object, FreezeInputs const& inputs) {
    freeze_partition(
        object, inputs,
        {.fields = leader_worker_set_fields(), .stable = stable_revision(inputs), .runs = runs(inputs.old)});
}

}   // namespace aviary::workload
