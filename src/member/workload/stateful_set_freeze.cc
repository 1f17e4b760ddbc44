// The freeze of StatefulSets.
#include "member/workload/freeze.h"
#include "member/workload/internal/partition.h"
#include "member/workload/stateful_set.h"

namespace aviary::workload {

void freeze_stateful_set(json::Value& object, FreezeInputs const& inputs) {
    json::Doc const status = inputs.old["status"];
    freeze_partition(object, inputs,
                     {.fields = stateful_set_fields(),
                      .stable = status["currentRevision"].string(),
                      .runs = status["replicas"].as_int() > 0});
}

}   // namespace aviary::workload
