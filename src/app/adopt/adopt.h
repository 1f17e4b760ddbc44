// `aviary adopt`: what kubectl or Karmada has brought to clusters becomes the hub's, with nothing changed in it.
#pragma once

#include <string>
#include <vector>

#include "core/base/time.h"

namespace aviary::adopt {

struct Options {
    std::string from;                   // kubectl | karmada
    std::vector<std::string> objects;   // "deploy/qwen", "rollout/qwen", "service/qwen"
    std::vector<std::string> clusters;
    std::string kubeconfig, context;   // of the hub
    std::string ns;                    // empty: the context's
    bool dry_run = false;
    Duration timeout = std::chrono::minutes(1);   // until all of it is the hub's
};

// Safe to repeat. Where one object in one cluster cannot be taken over, nothing is written at all. The exit code, as
// kubectl-amc has them; says on stdout what becomes of each object in each cluster.
int adopt(Options options);

}   // namespace aviary::adopt
