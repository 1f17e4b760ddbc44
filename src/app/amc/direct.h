// pause, resume, abort, undo and jump without a hub, in the clusters of kubeconfig contexts (--contexts, --direct):
// what is to be written in each, pure, and the command that does it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/amc/session.h"

namespace aviary::amc {

// What is sent to one cluster.
struct DirectChange {
    meta::GroupVersionResource resource;
    meta::ObjectKey key;
    std::string subresource;
    client::PatchType type = client::PatchType::kMerge;
    json::Value patch;     // null: it is on the way already
    std::string message;   // what becomes of it: "going back to v1"
};

struct DirectAsked {
    std::string action;
    std::int64_t to = 0;   // of a jump
    // "<until>;<who>;<why>", for what a hub has brought there: it is to leave alone what is changed, when it is back.
    std::string hold;
};

// `revisions`: the workload's, as its controller keeps them (ReplicaSets or ControllerRevisions), for abort and undo.
// An Error where it cannot be done, and why.
Result<DirectChange> direct_change(DirectAsked const& asked, proxy::ClusterView const& view,
                                   std::vector<json::Doc> const& revisions);

Task<int> decide_without_hub(Session session, std::string action, std::string rollout);

}   // namespace aviary::amc
