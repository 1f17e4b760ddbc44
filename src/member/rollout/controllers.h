// The controllers of one member cluster: Rollouts, BatchReleases, TrafficRoutings, the roller of the Deployments these
// hold, and what keeps histories. All on one loop.
#pragma once

#include <memory>
#include <vector>

#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "kube/control/controller.h"
#include "member/rollout/features.h"
#include "member/traffic/sources.h"
#include "member/workload/sources.h"

namespace aviary::rollout {

// The informers of a member's controllers.
struct Sources {
    // `ns` is the controller's own namespace, where the scripts of traffic are.
    Sources(client::Client const& client, std::string const& ns, Features features = {});

    client::Informer rollouts;           // index "workload": workload_id() of workloadRef, "traffic": the same
                                         // of what its trafficRoutings name, "routing": "namespace/name" of the
                                         // TrafficRouting that it names, "group": those of one group
    client::Informer batch_releases;     // index "workload"
    client::Informer traffic_routings;   // index "traffic"
    client::Informer histories;          // index "rollout": "namespace/name"; not read without the feature
    Features features;
    workload::Sources workloads;
    traffic::Sources traffic;   // of what is routed; nothing is waited for

    void run(async::Scope& scope);
    bool synced() const;
};

// Each is to be run with Controller::run; they read from `sources`, which must outlive them.
std::unique_ptr<control::Controller> make_rollout_controller(client::Client client, Sources& sources);
std::unique_ptr<control::Controller> make_batch_release_controller(client::Client client, Sources& sources);
std::unique_ptr<control::Controller> make_traffic_routing_controller(client::Client client, Sources& sources);
std::unique_ptr<control::Controller> make_history_controller(client::Client client, Sources& sources);
std::unique_ptr<control::Controller> make_roller(client::Client client, Sources& sources);

}   // namespace aviary::rollout
