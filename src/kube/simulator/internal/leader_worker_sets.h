// The controllers of LeaderWorkerSets in a simulated cluster: begun when the cluster has the kind. Lives on one loop.
#pragma once

#include <memory>

#include "core/async/event.h"
#include "core/async/scope.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "kube/control/controller.h"

namespace aviary::simulator {

class LeaderWorkerSets {
public:
    // Somebody else runs these; made before they run. `revisions` has the index "controller" by the owner's uid.
    struct Shared {
        client::Informer& stateful_sets;
        client::Informer& revisions;
        client::Informer& pods;
        client::Informer& services;
    };
    LeaderWorkerSets(client::Client const& client, Shared shared);

    Task<void> run(Context ctx);

private:
    control::Plan sync_set(control::Key const& key, Time now) const;
    control::Plan sync_pod(control::Key const& key, Time now) const;
    std::unique_ptr<control::Controller> controller(std::string name, control::FunctionReconciler::Decide decide) const;

    client::Client client_;
    Shared shared_;
    client::Informer definition_;
    client::Informer sets_;
    async::Event served_;
    std::unique_ptr<control::Controller> set_controller_, pod_controller_;
};

}   // namespace aviary::simulator
