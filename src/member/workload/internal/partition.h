// Where a kind of set keeps its partition: so many of its pods keep the version that they have.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apis/rollouts/keys.h"
#include "core/json/value.h"
#include "member/workload/freeze.h"

namespace aviary::workload {

struct PartitionFields {
    std::vector<std::string_view> partition;
    json::Value frozen;                     // what holds all of a new version back
    std::vector<std::string_view> paused;   // stops every roll while it is true; empty: the kind has no such field
};

PartitionFields const& stateful_set_fields();
PartitionFields const& clone_set_fields();
PartitionFields const& leader_worker_set_fields();

inline constexpr std::string_view kPartitionAnnotations[] = {apis::kInProgressingAnnotation,
                                                             apis::kControlInfoAnnotation};

// The freeze of such a kind.
struct PartitionFreeze {
    PartitionFields const& fields;
    std::string stable;   // the version that another template replaces; empty: pods will tell
    bool runs = true;     // there are pods of it
    bool grows = true;    // its partition counts pods that a set which grows is to have yet
    std::span<std::string_view const> annotations = kPartitionAnnotations;
};
void freeze_partition(json::Value& object, FreezeInputs const& inputs, PartitionFreeze const& kind);

}   // namespace aviary::workload
