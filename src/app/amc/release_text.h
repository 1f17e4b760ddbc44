// A release in words, from the hub's document about it (hub/proxy/explain.h): what explain and status say. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"

namespace aviary::amc {

// "v1 -> v2", "undo v2 -> v1", "pinned to v1, v2 rejected"
std::string movement(json::Doc const& view);
// "demo/web  release 3f9a1c  v1 -> v2   on v2: 9/30   ready: 28/30"
std::string headline(json::Doc const& view);
// That nothing moves without a person; empty where something does. Of a cluster that does not answer nobody knows.
std::string stuck_line(json::Doc const& view);
// That the Rollout is being deleted, how and for how long, and what that waits for; empty where it is not.
std::string deleting_line(json::Doc const& view, Time now);
// A cluster in one line.
std::string tree_line(json::Doc const& view, json::Doc const& cluster);
// Ends the pause of a Rollout that is paused everywhere by its spec; empty where it is not.
std::string unpause_command(json::Doc const& view);
// The commands that would move it on, as people type them; empty when there is none. `all`: the view is of all
// clusters. `where`: the flags by which they were reached, if any.
std::string next_steps(json::Doc const& view, bool all = true, std::string const& where = {});

// What status says.
struct Standing {
    std::vector<std::pair<std::string, std::string>> lines;   // by cluster
    int code = 0;        // the exit code (session.h): 0 only when each cluster has the hub's version and is done
    bool over = false;   // nothing more comes without a person
};
Standing standing_of(json::Doc const& view, bool allow_unreachable);

}   // namespace aviary::amc
