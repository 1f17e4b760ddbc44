// Simulator: stands in for kube-controller-manager, kube-scheduler and the kubelets of one cluster, through its API
// alone. Deployments, ReplicaSets, StatefulSets, DaemonSets, Pods, HorizontalPodAutoscalers (without metrics), Services
// → EndpointSlices behave as the real controllers make them; so do LeaderWorkerSets and Kruise's kinds, in a cluster
// that has them. What it does not simulate (Jobs, volumes …) stays as it was written. It knows nothing of releases.
// Lives on one loop.
//
// What a pod does is told by annotations on the pod or on its node (the pod's win):
//   simulator.aviary.dev/start: "5s"                    ready that long after it was scheduled, instead of --pod-start
//   simulator.aviary.dev/behaviour: crash-loop | fail | never-ready | image-pull-error
//   simulator.aviary.dev/engine: vllm                   on a pod: it serves requests (engines.h)
//   simulator.aviary.dev/images: "vllm-qwen:v4"         on a node: only pods with an image that contains this text
#pragma once

#include <memory>

#include "core/async/task.h"
#include "kube/client/client.h"

namespace aviary::simulator {

class Engines;

struct Options {
    Duration pod_start = std::chrono::seconds(2);   // from scheduled to ready
    int nodes = 2;
    int gpus_per_node = 16;   // nvidia.com/gpu
    int cpus_per_node = 192;
    int memory_gib_per_node = 2048;
    Engines* engines = nullptr;   // not owned; null: no pod serves requests
};

class Simulator {
public:
    Simulator(client::Client client, Options options);
    ~Simulator();

    // Creates the nodes where there are none and runs every controller until the context stops.
    Task<void> run(Context ctx);
    // True once all its informers have synced.
    bool ready() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::simulator
