// The freeze of CloneSets.
#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/clone_set.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/clone_set_settings.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/partition.h"

namespace aviary::workload {

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
                      .stable = std::string(short_revision(status["currentRevision"].as_string())),
                      .runs = status["replicas"].as_int() > 0,
                      .grows = !side_by_side,
                      .annotations = kCloneSetMarks});
    if (!side_by_side) return;
    keep(*original, object, inputs.old);
    object.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation}, original->to_text());
}

}   // namespace aviary::workload
