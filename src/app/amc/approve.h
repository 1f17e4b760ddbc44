// approve without a hub, in the clusters of kubeconfig contexts (--contexts, --direct): the hub's own patch, sent to
// each.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "app/amc/rows.h"
#include "app/amc/session.h"
#include "hub/proxy/explain.h"

namespace aviary::amc {

// What is wrong with these flags where there is no hub, and what to do instead; empty: nothing.
std::string problem_without_hub(Flags const& flags);
// Sends the approvals; the exit code.
Task<int> approve_without_hub(Session session, std::string rollout);

// ---- what each verb without a hub does ----

inline constexpr std::string_view kNoRolloutThere = "there is no such Rollout in this cluster";
// What the chosen clusters have, and which of them the verb is for.
struct Looked {
    std::vector<proxy::ClusterView> views;
    json::Doc rollout, view;           // one of theirs; what explain says of all
    std::vector<std::string> chosen;   // empty: all
    Asked asked;
    std::vector<Row> rows;
};
// An exit code where there is nothing to look at; it has been said why.
Task<std::expected<Looked, int>> look_without_hub(Session const& session, std::string action, std::string rollout);
// What was looked at was another when the write arrived.
bool overtaken(Error const& error);
// Why a write was not done, and that it may be where no answer says so.
std::string write_problem(Error const& error);
// What becomes of a row whose write was not done; and of one of which nothing was sent, as it could not be read.
void not_written(Row& row, Error const& error);
void not_read(Row& row, Error const& error);
inline constexpr std::string_view kMovedOn = "the cluster has moved on since it was looked at";
// The JSON Patch on the status that takes a Rollout as it is to another step: an approval where that is the next one.
json::Value step_patch(json::Doc const& rollout, std::int64_t to);
// Waits, once such a patch is sent, until the cluster has left the step that it was at `before`, and sends it again
// when the controller there undoes it. True: not within --timeout. The row says what else becomes of it.
Task<bool> taken_up_late(Session const& session, client::Client const& client, json::Doc before, std::int64_t to,
                         Row& row);

}   // namespace aviary::amc
