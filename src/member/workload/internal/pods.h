// Pods as a release sees them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "kube/control/plan.h"
#include "kube/meta/pods.h"
#include "member/workload/workload.h"

namespace aviary::workload {

using meta::is_active;
// Ready, and not about to be changed in its place: until its containers are, it shows the old ones as ready.
bool is_ready(json::Doc const& pod);

// Orders pods: the newest come last.
std::pair<std::string, std::string> age_of(json::Doc const& pod);

// How long a pod that was told to go is still counted as there; absent when it is not any more, or was not told to go.
std::optional<Time> counted_until(json::Doc const& pod, Time now);

// Since when a ready pod is available, which may be to come; absent: it is not ready.
std::optional<Time> available_from(json::Doc const& pod, Duration min_ready);

struct Present {
    std::int64_t pods = 0;
    bool going = false;   // some were told to go
};
// Counts the pods in `facts`, as units or as outdated ones, and notes when that changes by itself. Their label `key`
// tells revisions apart.
Present count_pods(Facts& facts, std::vector<json::Doc> const& pods,
                   std::function<bool(json::Doc const&)> const& is_unit, Duration min_ready, Time now,
                   std::string_view key = meta::kRevisionHashLabel);

// Until when a new pod is left to its node, which writes its status: a write in between makes it try again. Absent once
// it runs there, or has been given time enough.
std::optional<Time> starting_until(json::Doc const& pod, Time now);

// One that may go alongside others.
control::Write label_pod(json::Doc const& pod,
                         std::initializer_list<std::pair<std::string_view, std::string_view>> labels, std::string why);

// Workload::spare and Workload::label over these pods, which are the units of the current template. Units that are
// spared have what is left of the batches once no other is starting.
Labelling spare_units(std::vector<json::Doc> const& units, std::string_view rollout_id, Time now);
Labelling label_units(std::vector<json::Doc> const& units, std::string_view rollout_id,
                      std::vector<std::int64_t> const& increments, Time now);

// Why active pods are not ready: one wait for each reason, the worst first.
std::vector<control::Wait> obstacles_of(std::vector<json::Doc> const& pods);

}   // namespace aviary::workload
