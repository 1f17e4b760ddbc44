// set image: a new version of a workload, which is how a release starts. On the hub, for every cluster that it is
// placed in; or, without one, in the clusters of kubeconfig contexts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/amc/session.h"
#include "core/base/time.h"

namespace aviary::amc {

// "main=registry/model:v2", "*=…" for every container; an Error says which is malformed.
Result<std::vector<std::pair<std::string, std::string>>> parse_images(std::vector<std::string> const& words);
struct ImagePatch {
    client::PatchType type = client::PatchType::kStrategicMerge;
    json::Value patch;   // null when it has these images
};
// For this workload; of a kind that is not Kubernetes' own a JSON patch, which tests the containers' names. An Error
// where it has no such container.
Result<ImagePatch> image_patch(json::Doc const& workload,
                               std::vector<std::pair<std::string, std::string>> const& images);

// Whether what a cluster has may be changed there: a hub puts its own version back into what it has brought, unless the
// annotation fleet.aviary.dev/hold keeps it away.
Status may_change_there(json::Doc const& workload, Time now);

// `what`: "deployment/web", or "rollout/web" for the workload that it points at.
Task<int> set_image(Session session, std::string what, std::vector<std::string> words);

}   // namespace aviary::amc
