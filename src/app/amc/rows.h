// What a verb that decides says of each cluster, from what the hub shows of it (hub/proxy/explain.h). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/json/doc.h"

namespace aviary::amc {

// What becomes of one selected cluster.
struct Row {
    std::string cluster;
    std::string step;
    // approved | paused | … | not-yet | refused | stale | waiting | unreachable | failed | done (there is nothing to
    // do)
    std::string result;
    std::string message;   // of a target: what the person should know before it is carried out
    bool target = false;
    // Of a not-yet: it is not paused at a step; it is, and pods of the new version are not ready; it is to be resumed
    // first. Of one that is done: it was taken back before. Of one that is refused: it has no such step.
    enum class Why { kNotPaused, kNotReady, kStopped, kTakenBack, kNoSuchStep } why = Why::kNotPaused;
};

struct Asked {
    std::string action;
    bool chosen = false;     // clusters were chosen, by name or by labels: each of them is answered for
    bool by_name = false;    // … by name
    std::int64_t step = 0;   // 0: at any
    std::int64_t to = 0;     // of a jump: the step to go to
    Time now{};
    // Where spec.strategy.paused of the Rollout on the hub pauses it everywhere: the command that ends that, as no
    // Decision does.
    std::string unpause = {};
    bool without_hub = false;
    bool fast = false;   // `undo --fast`: a jump back, and nothing for who is there already or before it
};

// "2/3", with a question mark where nobody knows.
std::string step_of(json::Doc const& view);
// "approved"
std::string past(std::string_view action);

// Where `undo --fast` goes from this step of a Rollout: the earlier one without traffic that has the most replicas, the
// nearest of several (kubectl-kruise). Where requests are routed, that is one with `traffic: 0%`: in one that says none
// the pods share them. 0: there is none.
std::int64_t step_without_traffic(json::Doc const& rollout, std::int64_t from);
// The same from where the chosen clusters of a view are; of several steps the first counts. An Error where none of them
// has one.
Result<std::int64_t> fast_step(json::Doc const& rollout, json::Doc const& view, std::vector<std::string> const& chosen);

// Whether the action is for this cluster; a row says why not, and nothing is said of clusters that do not count.
std::optional<Row> look(json::Doc const& view, Asked const& asked);

// Those of the view's clusters, or of the chosen ones: what is not in the view is refused by `absent`.
std::vector<Row> rows_of(json::Doc const& view, std::vector<std::string> const& chosen, Asked const& asked,
                         std::string const& absent);

struct Counts {
    std::size_t done = 0, not_paused = 0, not_ready = 0, stopped = 0, waiting = 0, unreachable = 0, refused = 0,
                failed = 0;
    std::size_t not_done() const { return not_paused + not_ready + stopped + waiting + unreachable + refused + failed; }
    // "1 approved, 1 not paused, 1 waiting"
    std::string text(std::string_view action) const;
};
Counts count(std::vector<Row> const& rows, std::string_view action);

// Why there is no cluster to decide about.
std::string nothing_to_do(std::vector<Row> const& rows, Asked const& asked, std::string const& rollout);

// Of a release's view: those of the chosen clusters, of none chosen of all, that cannot be read, and answer since a
// moment only. An API server that has come back reads rights and kinds first.
std::vector<std::string> just_come_back(json::Doc const& view, std::vector<std::string> const& chosen, Time now);
// A view with the rows that a later one has of some clusters.
json::Doc with_rows_of(json::Doc const& view, json::Doc const& later);

}   // namespace aviary::amc
