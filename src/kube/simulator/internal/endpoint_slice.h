// Decides the EndpointSlice of one Service, as kube-controller-manager's endpointslice controller does; one slice a
// Service.
#pragma once

#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// `pods` are the Service's namespace's; `slice` is absent when there is none yet. Pure.
control::Plan decide_endpoint_slice(json::Doc const& service, std::vector<json::Doc> const& pods,
                                    json::Doc const& slice);
// The name of a Service's slice.
std::string endpoint_slice_name(std::string_view service);

}   // namespace aviary::simulator
