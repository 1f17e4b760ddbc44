// What each cluster of a release waits for, as one document: what `explain`, `status` and the approving commands show.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "hub/propagation/propagator.h"

namespace aviary::proxy {

struct ClusterView {
    std::string cluster;
    bool placed = false;   // the Rollout is placed there
    bool reachable = true;
    Time reachable_since{};
    json::Doc rollout;   // the member's
    json::Doc workload;
    std::vector<json::Doc> pods;   // of the workload
    std::optional<propagation::Standing> workload_standing;
    bool bound = true;   // the workload is placed there
};

// "step 2 of 3, StepUpgrade, because …"
json::Value explain_cluster(ClusterView const& view);
json::Value explain(json::Doc const& rollout, json::Doc const& workload, std::string const& digest,
                    std::vector<ClusterView> const& views);

}   // namespace aviary::proxy
