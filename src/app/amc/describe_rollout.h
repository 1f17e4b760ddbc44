// A Rollout of one cluster in words: what is released, each step and where the release stands among them, and the pods
// with the batch that each belongs to. Pure.
#pragma once

#include <string>

#include "core/json/doc.h"

namespace aviary::amc {

// `pods`: the server's Table of the workload's pods; absent, as `workload` may be, where it is not known.
// `unknown`: why the workload is not; empty: it is not there.
std::string describe_rollout(json::Doc const& rollout, json::Doc const& workload, json::Doc const& pods,
                             std::string const& unknown = {});

}   // namespace aviary::amc
