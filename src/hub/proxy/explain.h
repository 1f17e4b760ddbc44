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
    std::string away_because;   // why it does not answer, where that is known
    json::Doc rollout;          // the member's
    json::Doc workload;
    std::vector<json::Doc> pods;        // of the workload
    std::vector<json::Doc> revisions;   // … where they are all that is left of a version (attached.h)
    std::optional<propagation::Standing> workload_standing, rollout_standing;
    bool bound = true;   // the workload is placed there
    // Why nothing is known of its objects: what it refused, or why it does not answer. Empty: they are known.
    std::string unread;
    std::optional<meta::GroupVersionResource> unread_of;   // of which; absent: Rollouts
    std::string pods_unread;                               // … of its pods
    // Why its rollout controller does not work with this hub; empty: it does, or that is not known.
    std::string controller_problem;
    // Since when none leads there; absent: one does, or that is not known.
    std::optional<Time> controller_silent;

    // What the hub releases: the hash of its template, and the image. Empty: not known.
    std::string hub_template, hub_image;
    // Versions in words: what the cluster has been taken back to, and against which; what it would go back to.
    std::string pinned, rejected, stable;
    std::string paused_by;       // who had it paused there by the hub, when and why
    bool rollout_held = false;   // by a hold of the Rollout there, which is not over
};

// What is released.
struct Release {
    json::Doc rollout, workload;   // the hub's
    std::string digest;
    std::string problem;   // why it reaches no cluster; empty where it does
    // Something else than a hub has delivered it to its clusters (attached.h).
    bool attached = false;
    std::string to;   // the version in words; empty: the workload's
};

// Whether the cluster has the hub's version, be it on the way.
bool has_hub_version(ClusterView const& view);

// The tag of the first container's image.
std::string version_of(json::Doc const& pod_template);

// "step 2 of 3, StepUpgrade, because …"
json::Value explain_cluster(ClusterView const& view);
// Whether that says otherwise of a controller that is silent.
bool waits_for_controller(json::Value const& row);
json::Value explain(Release const& release, std::vector<ClusterView> const& views);

}   // namespace aviary::proxy
