#include "apis/rollouts/release_pods.h"

#include "apis/rollouts/rollout.h"

namespace aviary::apis {

ReleasePodFields release_pod_fields(std::string_view status_name) {
    if (status_name == "blueGreenStatus") return {"updatedReplicas", "updatedReadyReplicas"};
    return {"canaryReplicas", "canaryReadyReplicas"};
}

std::array<std::pair<std::string_view, std::int64_t>, 2> release_pods(json::Doc const& rollout) {
    ReleasePodFields const fields = release_pod_fields(release_status_name(rollout));
    json::Doc const status = release_status(rollout);
    return {{{"updated", status[fields.updated].as_int()}, {"ready", status[fields.ready].as_int()}}};
}

}   // namespace aviary::apis
