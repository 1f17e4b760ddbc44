#include "member/workload/internal/catching_up.h"

#include "apis/rollouts/keys.h"
#include "member/workload/internal/marks.h"

namespace aviary::workload {

FreezeInputs freeze_inputs(NativeSetInputs const& inputs, std::string_view rollout, std::string_view came_from) {
    FreezeInputs result;
    result.rollout = rollout;
    result.came_from = came_from;
    result.revisions = inputs.revisions;
    return result;
}

std::optional<control::Write> caught_up(Workload const& workload, json::Value const& before, FreezeInputs inputs,
                                        void (*freeze)(json::Value& object, FreezeInputs const& inputs)) {
    if (!before.is_object()) return std::nullopt;
    json::Value old = workload.object().thaw();
    for (auto const& [field, value] : before.object()) old.set({"spec", field}, value);
    inputs.old = json::Doc::freeze(old);
    control::Write write;
    write.verb = control::Write::Verb::kUpdate;   // of what was seen: its resourceVersion is in it
    write.resource = workload.resource();
    write.key = workload.key();
    write.body = workload.object().thaw();
    freeze(write.body, inputs);
    if (annotation_of(write.body, apis::kInProgressingAnnotation).empty()) return std::nullopt;
    write.why = "a version that came past the webhook";
    return write;
}

}   // namespace aviary::workload
