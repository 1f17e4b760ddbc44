// The controllers of Kruise's kinds of workloads: each begins once the cluster serves its kind. On the simulator's
// loop.
#pragma once

#include <memory>
#include <vector>

#include "core/async/event.h"
#include "kube/client/informer.h"
#include "kube/control/controller.h"
#include "kube/simulator/internal/daemon_set.h"
#include "kube/simulator/internal/resources.h"
#include "kube/simulator/internal/revisions.h"

namespace aviary::simulator {

class KruiseControllers {
public:
    // The informers of others that these controllers read, and who runs them.
    struct Shared {
        client::Informer& pods;
        client::Informer& revisions;
        client::Informer& claims;
        client::Informer& nodes;
        std::function<Find(std::string)> finder;   // of a namespace
    };

    // Before the shared informers run.
    KruiseControllers(client::Client const& client, Shared shared);
    Task<void> run(Context ctx);
    // Whether it knows what the cluster serves, and of that all objects.
    bool ready() const;

private:
    // One kind, from when the cluster serves it.
    struct Kind {
        Kind(client::Client const& client, meta::GroupVersionKind kind, meta::GroupVersionResource const& resource);
        meta::GroupVersionKind kind;
        client::Informer informer;
        std::unique_ptr<control::Controller> controller;
        async::Event served;
    };

    control::Plan sync_clone_set(control::Key const& key, Time now) const;
    control::Plan sync_stateful_set(control::Key const& key, Time now) const;
    control::Plan sync_daemon_set(control::Key const& key, Time now);
    void see(json::Doc const& definition);
    static Task<void> run_kind(Context ctx, Kind& kind);

    Shared shared_;
    client::Informer definitions_;
    Kind clone_sets_;
    Kind stateful_sets_;
    Kind daemon_sets_;
    FailedPods failed_pods_;
    std::vector<Kind*> kinds_;
};

}   // namespace aviary::simulator
