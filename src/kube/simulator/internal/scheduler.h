// Decides on which node one pod goes: by what pod and node say of each other, by requests and free capacity, as
// kube-scheduler's filters with spreading.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// Milli-units by resource name ("cpu", "memory", "nvidia.com/gpu", "pods").
using Amounts = std::map<std::string, std::int64_t>;

// What a pod asks for: the larger of its containers' sum and each init container; and one of "pods".
Amounts requests_of(json::Doc const& pod);

// What is in use on each node. Fed with every change of a pod; `assume` counts a binding before its write is seen.
class NodeUsage {
public:
    void update(json::Doc const& before, json::Doc const& after);
    void assume(json::Doc const& pod, std::string const& node);
    Amounts const& used(std::string const& node) const;

private:
    void take(std::string const& key, std::string const& node, Amounts const& amounts);
    void release(std::string const& key);
    struct Place {
        std::string node;
        Amounts amounts;
    };
    std::map<std::string, Place> pods_;   // by uid
    std::map<std::string, Amounts> used_;
};

// A binding for a pod that waits for one, or the condition that says why none fits. `chosen` gets the node's name.
// Pure.
control::Plan decide_binding(json::Doc const& pod, std::vector<json::Doc> const& nodes, NodeUsage const& usage,
                             Time now, std::string& chosen);

}   // namespace aviary::simulator
