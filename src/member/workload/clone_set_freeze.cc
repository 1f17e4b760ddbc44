// The freeze of CloneSets.
#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/clone_set.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/clone_set_settings.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/partition.h"

namespace aviary::workload {

namespace {

// Where a release comes from. A CloneSet's own account has the version before until the last pod of it has gone, also
// when the release of the next one is over.
std::string stable_revision(FreezeInputs const& inputs) {
    json::Doc const status = inputs.old["status"];
    std::string updated(short_revision(status["updateRevision"].as_string()));
    if (!updated.empty() && updated == inputs.brought) return updated;
    return std::string(short_revision(status["currentRevision"].as_string()));
}

}   // namespace

void freeze_clone_set(json::Value& object, FreezeInputs const& inputs) {
    if (inputs.from_controller) return;
    json::Doc const status = inputs.old["status"];
    bool const progressing = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    std::optional<Original> original = original_of(inputs.old);
    if (original && !progressing) {   // an earlier release, also of another controller, has left it
        give_back(*original, object);
        drop_marks(object, kCloneSetMarks, {});
    }
    bool const side_by_side = original && progressing;
    freeze_partition(object, inputs,
                     {.fields = clone_set_fields(),
                      .stable = stable_revision(inputs),
                      .runs = status["replicas"].as_int() > 0,
                      .grows = !side_by_side,
                      .annotations = kCloneSetMarks});
    if (!side_by_side) return;
    keep(*original, object, inputs.old);
    object.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation}, original->to_text());
}

}   // namespace aviary::workload
