// The people of a simulation: they release, look, approve (sometimes what they saw a while ago), pause, change their
// minds, touch labels, move Rollouts between clusters and delete them in the middle, all through the hub's API.
#pragma once

#include <string>
#include <vector>

#include "apis/fleet/decision.h"
#include "core/json/doc.h"
#include "fleet.h"
#include "laws.h"

namespace aviary::sim {

inline constexpr char kNamespace[] = "demo";
inline constexpr char kName[] = "web";
inline constexpr std::int64_t kReplicas = 10;

class People {
public:
    People(Context const& ctx, Fleet& fleet, Laws& laws) : ctx_(ctx), fleet_(fleet), laws_(laws) {}

    // The workload, its Rollout and policies, in their first version.
    Task<Status> begin();
    // An autoscaler in each cluster, once the workload is there.
    Task<Status> autoscale();
    // One thing that somebody does now.
    Task<void> act();
    // Puts everything in order and releases a last version.
    Task<void> tidy();
    // Approves whatever is paused. Called again and again after tidy().
    Task<void> go_on();
    // Empty when every cluster runs the last version, healthy, and every decision is settled; else what differs.
    Task<std::string> differs();
    // What a release has left behind on any object.
    Task<std::string> leftovers();

    // How many versions there have been: the newest is "v" and this.
    int versions() const { return versions_; }

private:
    struct View {
        std::string cluster;
        json::Doc rollout;
    };
    Task<void> push();
    Task<void> look();
    Task<void> approve(std::vector<View> views);
    Task<void> leave_word(std::string cluster, json::Doc rollout);
    Task<void> approve_in_member();
    Task<void> intervene(std::string action, bool everywhere);
    Task<void> decide(std::string action, std::vector<apis::DecisionTarget> targets);
    Task<void> place(std::string affinity);
    Task<void> touch();
    bool sets() const { return kind_ == "StatefulSet"; }
    meta::GroupVersionResource workloads() const;
    json::Value rollout();                                    // in one of the styles of its kind
    Task<std::vector<apis::DecisionTarget>> side_by_side();   // clusters in a blue-green release
    Task<void> take_back();                                   // what is released there
    Task<void> leave();
    Task<void> come_back();

    Context ctx_;
    Fleet& fleet_;
    Laws& laws_;
    std::string kind_ = "Deployment";   // of the workload
    int versions_ = 1;
    std::string version_ = "v1";
    bool leaving_ = false;      // the Rollout was deleted, and may be there still
    std::vector<View> views_;   // what somebody saw last; acted upon later
};

}   // namespace aviary::sim
