// The annotation deployment-strategy: what the user's strategy was, and how far the release may go.
#pragma once

#include <optional>
#include <string>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/int_or_percent.h"

namespace aviary::workload {

struct Strategy {
    std::string style = "Partition";
    json::Value rolling_update;   // the user's; null when the type was not RollingUpdate
    bool paused = false;          // a new template came in the middle of a release
    meta::IntOrPercent partition;
    std::string original_type;   // ours: what spec.strategy.type was, when not RollingUpdate
    std::string promotes;        // ours: the ReplicaSet that the Deployment is to take over (canary.cc)
    std::string granted_to;      // ours: the hash of the template that the partition was granted to; empty: any

    std::string to_text() const;
};

// The user's own spec.strategy, in place of the Recreate that holds the workload; absent where that was the user's.
std::optional<json::Value> own_strategy(Strategy const& strategy);
// Absent when there is no such annotation, or it cannot be read. Paused, too, where the template is another one than it
// was granted to: nobody may have asked the freeze about that.
std::optional<Strategy> strategy_of(json::Doc const& deployment);
std::optional<Strategy> parse_strategy(std::string_view text);

struct Budget {
    std::int64_t surge = 0;
    std::int64_t unavailable = 0;
};
// maxSurge rounds up, maxUnavailable down, 25 % each by default; both zero means one unavailable.
Budget budget_of(json::Value const& rolling_update, std::int64_t replicas);

}   // namespace aviary::workload
