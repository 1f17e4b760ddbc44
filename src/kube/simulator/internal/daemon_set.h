// Decides one sync of one DaemonSet, as kube-controller-manager's daemonset controller does (apps/v1, Kubernetes 1.37).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "kube/simulator/internal/revisions.h"

namespace aviary::simulator {

// Pods that fail on a node are replaced at once the first time, and then with delays that double up to 15 minutes.
class FailedPods {
public:
    // When the failed pod may go: now, which is noted, or later.
    Time replaced_at(std::string const& key, Time now);

private:
    struct Entry {
        Duration delay;
        Time last;
    };
    std::map<std::string, Entry> entries_;
};

struct DaemonSetView {
    meta::GroupVersionKind kind;
    json::Doc set;
    std::vector<json::Doc> pods;        // that it controls
    std::vector<json::Doc> revisions;   // that it controls
    std::vector<json::Doc> nodes;
    Find find;
};

// Pure but for what `failed` notes.
control::Plan decide_daemon_set(DaemonSetView const& view, FailedPods& failed, Time now);

}   // namespace aviary::simulator
