// The freeze of DaemonSets.
#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/daemon_set.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/revisions.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

std::string_view type_of(Value const& object) { return object.at({"spec", "updateStrategy", "type"}).as_string(); }

// What most pods ran; while a release is taken back, what that goes back to, however many run it yet. Empty: pods tell.
std::string stable_revision(FreezeInputs const& inputs) {
    Doc const before = inputs.old.at({"spec", "template"});
    std::string const replaced = meta::label(revision_with(before, inputs.revisions), kRevisionHashLabel);
    bool const known = !replaced.empty() && (prevails(inputs.old) || replaced == inputs.came_from);
    return known ? replaced : std::string();
}

void hold(Value& object, std::string_view own_type) {
    object.set({"metadata", "annotations", apis::kDaemonSetStrategyAnnotation}, own_type);
    object.set({"spec", "updateStrategy", "type"}, kOnDelete);
}

// What an earlier release, also of another controller, did not take away.
void drop_leftovers(Value& object) {
    std::string const own(annotation_of(object, apis::kDaemonSetStrategyAnnotation));
    if (!own.empty()) object.set({"spec", "updateStrategy", "type"}, own);
    drop_marks(object, kDaemonSetMarks, {});
}

bool runs(Doc const& set) { return set.at({"status", "currentNumberScheduled"}).as_int() > 0; }

void note_stable(Value& object, FreezeInputs const& inputs) {
    object.set({"metadata", "annotations", apis::kDaemonSetRevisionAnnotation},
               daemon_set_revisions({}, stable_revision(inputs)));
}

void begin(Value& object, FreezeInputs const& inputs) {
    drop_leftovers(object);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation}, in_progressing(inputs.rollout));
    if (daemon_set_notes_stable(object, inputs)) note_stable(object, inputs);
    hold(object, type_of(object));
}

}   // namespace

// Where only the rollout-id is another there is no version to go back to.
bool daemon_set_notes_stable(Value const& object, FreezeInputs const& inputs) {
    bool const begun = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    std::string const mark = meta::annotation(inputs.old, apis::kDaemonSetRevisionAnnotation);
    bool const noted = begun && !field_of(mark, "stable-revision").empty();
    return !inputs.from_controller && !noted && runs(inputs.old) && template_changes(inputs.old, Doc::freeze(object));
}

void freeze_daemon_set(Value& object, FreezeInputs const& inputs) {
    if (inputs.from_controller) return;
    keep_label(object, inputs.old);
    bool const was_progressing = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    if (was_progressing) keep_marks(object, inputs.old, kDaemonSetMarks, {});
    bool const progressing = !annotation_of(object, apis::kInProgressingAnnotation).empty();
    if (!progressing && runs(inputs.old) && revision_changes(inputs.old, Doc::freeze(object)))
        return begin(object, inputs);
    if (was_progressing && daemon_set_notes_stable(object, inputs)) note_stable(object, inputs);
    // The type that is asked for is what the workload gets at the end.
    if (progressing && type_of(object) != kOnDelete) hold(object, type_of(object));
}

}   // namespace aviary::workload
