// Whether a pod may run on a node by what both say of it: names, labels, affinity, taints. Free capacity is another
// matter (scheduler.h).
#pragma once

#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::simulator {

// spec.nodeSelector and the required node affinity.
bool matches_node(json::Doc const& pod_spec, json::Doc const& node);
// Whether one of the node's taints with one of these effects is not tolerated.
bool repels(json::Doc const& node, std::vector<json::Doc> const& tolerations,
            std::vector<std::string_view> const& effects);
bool tolerates(std::vector<json::Doc> const& tolerations, json::Doc const& taint);
std::vector<json::Doc> elements_of(json::Doc const& list);

}   // namespace aviary::simulator
