// Which rollout controller runs in a member, and whether this hub works with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "apis/fleet/controller.h"
#include "core/async/task.h"
#include "core/base/time.h"
#include "core/base/version.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/client/client.h"

namespace aviary::clusters {

// Of Kruise Rollouts: nobody has tried an older one.
inline constexpr Version kOldestKruise{0, 6, 2};
// A hub works with members of its own minor version and of so many before it.
inline constexpr std::int64_t kMinorsBehind = 2;

struct FoundController {
    apis::Controller controller;
    std::string unread;   // why it is not known: what was not allowed to be read; empty: all was
    bool operator==(FoundController const&) const = default;
};

// Asks the member, with single reads: `aviary member`'s record in the namespace; without one, what Kruise Rollouts'
// installation says. What may not be read is no Error.
Task<Result<FoundController>> find_controller(Context ctx, client::Client member, std::string ns);

// Since when nobody leads there as `aviary member`, by its Lease in the namespace and that API server's clock. Absent:
// somebody does, or that is not known, as where another controller runs, or the Lease may not be read.
Task<std::optional<Time>> controller_silent_since(Context ctx, client::Client member, std::string ns);
std::optional<Time> silent_since(json::Doc const& lease, Time now);

// By the Deployment of Kruise Rollouts' manager; absent: the version is not known.
apis::Controller kruise_controller(json::Doc const& deployment);

// As a condition says it.
struct Verdict {
    std::string_view status, reason;   // True Supported | False ControllerTooOld, ControllerTooNew | Unknown …
    std::string message;
};
Verdict judge(FoundController const& found, Version const& hub);

// The list of claims with what the hub has to say; those of others stay where they are. Empty texts: not known, and
// nothing is changed.
json::Value with_claims(json::Doc const& claims, apis::Controller const& controller, std::string_view kubernetes,
                        std::string_view cluster_id);

}   // namespace aviary::clusters
