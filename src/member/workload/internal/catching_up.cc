#include "member/workload/internal/catching_up.h"

#include "apis/rollouts/keys.h"
#include "member/workload/internal/marks.h"

namespace aviary::workload {

std::optional<control::Write> caught_up(Workload const& workload, FreezeInputs const& inputs,
                                        void (*freeze)(json::Value& object, FreezeInputs const& inputs)) {
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
