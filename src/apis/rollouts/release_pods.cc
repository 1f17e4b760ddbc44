#include "apis/rollouts/release_pods.h"

#include "apis/rollouts/rollout.h"

namespace aviary::apis {

ReleasePods release_pods(json::Doc const& rollout) {
    json::Doc const status = release_status(rollout);
    bool const blue_green = release_status_name(rollout) == "blueGreenStatus";
    return {status[blue_green ? "updatedReplicas" : "canaryReplicas"].as_int(),
            status[blue_green ? "updatedReadyReplicas" : "canaryReadyReplicas"].as_int()};
}

}   // namespace aviary::apis
