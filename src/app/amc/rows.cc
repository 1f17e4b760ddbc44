#include "app/amc/rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/fleet/decision.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "kube/meta/int_or_percent.h"

namespace aviary::amc {

namespace {

using json::Doc;

bool paused(Doc const& view) {
    // One that does not answer may be approved where it was last seen waiting: the approval is bound to that pause.
    std::string_view const state =
        view["reachable"].as_bool() ? view["state"].as_string() : view["lastState"].as_string();
    return view["phase"].as_string() == "Progressing" && state == "StepPaused";
}

std::string age(Doc const& view, Time now) {
    auto const since = parse_rfc3339(view["since"].as_string());
    return since ? format_age(now - *since) : "";
}

std::string causes(Doc const& view) {
    std::vector<std::string> texts;
    for (auto const& [index, cause] : view["causes"].elements()) texts.push_back(cause.string());
    return join(texts, "; ");
}

// Of a cluster that could go on: pods that are not ready are a reason to look, so -M does not send it on.
Row look_at_pods(Doc const& view, Row row, Asked const& asked, std::string_view sends) {
    row.target = true;
    if (view["otherVersion"].as_bool()) row.message = causes(view);
    if (view["trouble"].as_string().empty()) return row;
    row.message = view["causes"].size() > 0 ? causes(view) : view["message"].string();
    if (asked.by_name) return row;
    row.target = false;
    row.why = Row::Why::kNotReady;
    row.result = "not-yet";
    row.message += fmt::format("; -m {} {} it all the same", row.cluster, sends);
    return row;
}

Row refused(Row row, std::string message) {
    row.result = "refused";
    row.message = std::move(message);
    return row;
}

constexpr char kPausedEverywhere[] = "spec.strategy.paused of the Rollout on the hub pauses it everywhere";

Row stopped(Row row, Asked const& asked) {
    row.result = "not-yet";
    row.why = Row::Why::kStopped;
    row.message = asked.unpause.empty() ? "somebody paused the release: resume first" : kPausedEverywhere;
    return row;
}

// Of a cluster in a release that is to go to another step than the next one.
Row look_at_jump(Doc const& view, Row row, Asked const& asked) {
    if (asked.fast && view["step"].as_int() < asked.to) {
        return refused(std::move(row), fmt::format("at step {}, before step {}: abort takes the release back",
                                                   view["step"].as_int(), asked.to));
    }
    if (asked.to == view["step"].as_int()) {
        row.result = "done";
        row.message = fmt::format("at step {} already", asked.to);
        return row;
    }
    if (asked.to > view["steps"].as_int()) {
        row.why = Row::Why::kNoSuchStep;
        return refused(std::move(row),
                       fmt::format("there is no step {}: the last one is {}", asked.to, view["steps"].as_int()));
    }
    if (view["reason"].as_string() == "Paused") return stopped(std::move(row), asked);
    if (asked.to > view["step"].as_int()) return look_at_pods(view, std::move(row), asked, "sends");
    row.target = true;
    return row;
}

// Where the other version was complete, the way back has steps of its own, and may get stuck.
bool back_in_own_steps(Doc const& view) {
    return view["phase"].as_string() == "Progressing" && view["rejected"].exists() &&
           view["stable"] == view["rejected"];
}

// Of one that was taken back, or is on the way: once more is nothing, and the hub would say that it is done.
Row look_at_taken_back(Doc const& view, Row row, Asked const& asked) {
    bool const progressing = view["phase"].as_string() == "Progressing";
    row.result = "done";
    row.why = Row::Why::kTakenBack;
    row.message = fmt::format("{} {} already", progressing ? "goes back to" : "is back on", view["pinned"].as_string());
    if (progressing && view["inBatches"].as_bool()) {
        row.message += ", in batches: approve goes on";
    } else if (back_in_own_steps(view)) {
        row.message +=
            fmt::format(", in steps: approve them, or end that with `abort{}`", asked.without_hub ? "" : " --direct");
    }
    return row;
}

// Of a cluster that is in no release: an abort says what it is instead. `reason` is the hub's.
std::optional<Row> look_at_unreleased(Doc const& view, Row row, Asked const& asked) {
    bool const finished = view["reason"].as_string() == "-" && view["current"].as_bool();
    if (asked.action == apis::action::kAbort && finished) {
        row.result = "done";
        row.message = fmt::format("finished on {}: undo takes it back", view["version"].as_string());
        return row;
    }
    // What has not come to it yet, or is not known to have come, or has not begun there, does not go on.
    bool const applying = view["reason"].as_string() == "Applying" || view["reason"].as_string() == "ScaledToZero";
    bool const to_come = !view["current"].as_bool() || applying;
    row.target = asked.action == apis::action::kAbort && to_come;
    if (row.target) return row;
    // The Rollout is on its way, or somebody has taken it away: it is not one that has nothing to approve.
    if (applying || view["reason"].as_string() == "RolloutMissing") {
        row.result = "not-yet";
        row.message = fmt::format("not paused: {}", view["message"].as_string());
        return row;
    }
    if (!asked.chosen) return std::nullopt;
    return refused(std::move(row), fmt::format("not paused: the phase is {}", view["phase"].as_string()));
}

}   // namespace

std::string step_of(Doc const& view) {
    if (view["steps"].as_int() == 0 || view["step"].as_int() == 0) return "-";
    return fmt::format("{}/{}{}", view["step"].as_int(), view["steps"].as_int(),
                       view["reachable"].as_bool() ? "" : "?");
}

std::string past(std::string_view action) {
    if (action == apis::action::kApprove) return "approved";
    if (action == apis::action::kPause) return "paused";
    if (action == apis::action::kResume) return "resumed";
    if (action == apis::action::kJump) return "jumped";
    if (action == "Set") return "set";
    return action == apis::action::kUndo ? "undone" : "aborted";
}

namespace {

bool is_routed(Doc const& rollout) {
    return std::ranges::any_of(std::array{"canary", "blueGreen"}, [&](char const* style) {
        return rollout.at({"spec", "strategy", style, "trafficRoutings"}).size() > 0;
    });
}

}   // namespace

std::int64_t step_without_traffic(Doc const& rollout, std::int64_t from) {
    bool const routed = is_routed(rollout);
    std::int64_t best = 0;
    std::int64_t most = -1;
    std::int64_t number = 0;
    for (auto const& [index, step] : apis::release_steps(rollout).elements()) {
        if (++number >= from) break;
        std::string_view const traffic = step["traffic"].as_string();
        auto const replicas = meta::IntOrPercent::from(step["replicas"]);
        bool const none = traffic == "0%" || (traffic.empty() && !routed);
        if (!none || step["matches"].size() > 0 || !replicas) continue;
        std::int64_t const share = replicas->scaled(100, true);
        if (share < most) continue;
        most = share;
        best = number;
    }
    return best;
}

Result<std::int64_t> fast_step(Doc const& rollout, Doc const& view, std::vector<std::string> const& chosen) {
    std::int64_t last = 0;    // where the furthest cluster is
    std::int64_t found = 0;   // of those that have one
    for (auto const& [index, cluster] : view["clusters"].elements()) {
        bool const meant = chosen.empty() || std::ranges::count(chosen, cluster["cluster"].as_string()) > 0;
        if (!meant || cluster["phase"].as_string() != "Progressing") continue;
        std::int64_t const step = cluster["step"].as_int();
        last = std::max(last, step);
        std::int64_t const back = step_without_traffic(rollout, step);
        if (back > 0) found = found == 0 ? back : std::min(found, back);
    }
    if (last == 0) return fail(ErrorCode::kInvalid, "no release is in progress in any chosen cluster");
    if (found > 0) return found;
    return fail(ErrorCode::kInvalid, fmt::format("there is no step {} before step {}: abort takes the release back",
                                                 is_routed(rollout) ? "with `traffic: 0%`" : "without traffic", last));
}

std::optional<Row> look(Doc const& view, Asked const& asked) {
    std::string const& action = asked.action;
    Row row{view["cluster"].string(), step_of(view), "", ""};
    bool const progressing = view["phase"].as_string() == "Progressing";
    bool const back = action == apis::action::kUndo || action == apis::action::kAbort;
    bool const rollout_there = view["placed"].as_bool() || !view["rolloutUID"].as_string().empty();
    bool const workload_counts = action == apis::action::kUndo || (back && view["version"].exists());
    if (!rollout_there && !workload_counts) {
        if (!asked.chosen) return std::nullopt;
        return refused(std::move(row), "the Rollout is not placed here");
    }
    if (view["error"].exists()) {
        row.result = view["reachable"].as_bool() ? "failed" : "unreachable";
        row.message = view["error"].string();
        return row;
    }
    // Where it was pinned by what was known before, it is asked for again.
    bool const outdated = view["reason"].as_string() == "PinOutdated";
    // A hub has pinned it there; without one nothing but its own release takes it there.
    bool const ends = asked.without_hub && action == apis::action::kAbort && back_in_own_steps(view);
    if (back && view["pinned"].exists() && !outdated && !ends) return look_at_taken_back(view, std::move(row), asked);
    // One that is taken out of its cluster is the hub's no more, and is resumed.
    if (action == apis::action::kResume && !asked.unpause.empty() && view["placed"].as_bool()) {
        row.why = Row::Why::kStopped;
        return refused(std::move(row), kPausedEverywhere);
    }
    if (action == apis::action::kUndo || action == apis::action::kPause || action == apis::action::kResume) {
        row.target = true;
        return row;
    }
    if (!view["reachable"].as_bool() && !progressing && !view["finished"].as_bool()) {
        row.result = "unreachable";
        row.message = view["message"].string();
        return row;
    }
    if (!progressing) return look_at_unreleased(view, std::move(row), asked);
    if (action == apis::action::kAbort) {
        if (view["begunByIdAlone"].as_bool()) return refused(std::move(row), std::string(apis::kBegunByIdAlone));
        row.target = true;
        return row;
    }
    if (asked.step > 0 && view["step"].as_int() != asked.step)
        return refused(std::move(row), fmt::format("at step {}, not step {}", view["step"].as_int(), asked.step));
    if (asked.action == apis::action::kJump && (asked.fast || asked.to != view["step"].as_int() + 1))
        return look_at_jump(view, std::move(row), asked);
    if (paused(view)) return look_at_pods(view, std::move(row), asked, "approves");
    if (!view["reachable"].as_bool()) {
        row.result = "unreachable";
        row.message = fmt::format("{}; last seen at {}", view["message"].as_string(), view["lastState"].as_string());
        return row;
    }
    if (view["reason"].as_string() == "Paused") return stopped(std::move(row), asked);
    row.result = "not-yet";
    row.message = fmt::format("not paused: {}, {}, {}", view["state"].as_string(), view["message"].as_string(),
                              age(view, asked.now));
    return row;
}

std::vector<Row> rows_of(Doc const& view, std::vector<std::string> const& chosen, Asked const& asked,
                         std::string const& absent) {
    std::vector<Row> rows;
    for (auto const& [index, cluster] : view["clusters"].elements()) {
        bool const meant = chosen.empty() || std::ranges::find(chosen, cluster["cluster"].as_string()) != chosen.end();
        auto row = meant ? look(cluster, asked) : std::nullopt;
        if (row) rows.push_back(std::move(*row));
    }
    for (std::string const& name : chosen) {
        if (std::ranges::find(rows, name, &Row::cluster) == rows.end())
            rows.push_back(refused({name, "-", "", ""}, absent));
    }
    return rows;
}

Counts count(std::vector<Row> const& rows, std::string_view action) {
    Counts counts;
    for (Row const& row : rows) {
        if (row.result == "done") continue;
        if (row.result == past(action) || row.result == "sent") {
            ++counts.done;
        } else if (row.result == "not-yet") {
            ++(row.why == Row::Why::kNotReady  ? counts.not_ready
               : row.why == Row::Why::kStopped ? counts.stopped
                                               : counts.not_paused);
        } else if (row.result == "waiting") {
            ++counts.waiting;
        } else if (row.result == "unreachable") {
            ++counts.unreachable;
        } else if (row.result == "failed") {
            ++counts.failed;
        } else {
            ++counts.refused;
        }
    }
    return counts;
}

std::string Counts::text(std::string_view action) const {
    std::string text = fmt::format("{} {}", done, past(action));
    if (not_paused > 0) text += fmt::format(", {} not paused", not_paused);
    if (stopped > 0) text += fmt::format(", {} to be resumed first", stopped);
    if (not_ready > 0) text += fmt::format(", {} not ready", not_ready);
    if (waiting > 0) text += fmt::format(", {} waiting", waiting);
    if (unreachable > 0) text += fmt::format(", {} unreachable", unreachable);
    if (refused > 0) text += fmt::format(", {} refused", refused);
    if (failed > 0) text += fmt::format(", {} failed", failed);
    return text;
}

std::string nothing_to_do(std::vector<Row> const& rows, Asked const& asked, std::string const& rollout) {
    bool const other_step =
        asked.step > 0 && std::ranges::any_of(rows, [](Row const& row) { return row.message.starts_with("at step"); });
    if (other_step) return fmt::format("no cluster is paused at step {}", asked.step);
    std::string const verb = to_lower(asked.action);
    auto const any = [&](Row::Why why) { return std::ranges::find(rows, why, &Row::why) != rows.end(); };
    if (any(Row::Why::kStopped) && !asked.unpause.empty())
        return fmt::format("nothing to {}: {} is paused everywhere; this ends it: {}", verb, rollout, asked.unpause);
    if (any(Row::Why::kStopped))
        return fmt::format("nothing to {}: {} is paused by somebody; kubectl amc rollout resume comes first", verb,
                           rollout);
    if (any(Row::Why::kNotReady))
        return fmt::format("nothing {}: pods of the new version are not ready; name clusters by -m to {} all the same",
                           past(asked.action), verb);
    if (any(Row::Why::kNoSuchStep))
        return fmt::format("nothing to {}: {} has no step {} in any chosen cluster", verb, rollout, asked.to);
    if (std::ranges::any_of(rows, [](Row const& row) { return row.message.starts_with("at step"); }))
        return fmt::format("nothing to {}: {} is at step {} already", verb, rollout, asked.to);
    // To the next step a jump is an approval.
    bool const next = std::ranges::find(rows, "not-yet", &Row::result) != rows.end();
    if (asked.action == apis::action::kApprove || (asked.action == apis::action::kJump && next))
        return fmt::format("nothing to {}: {} is not paused (StepPaused) in any chosen cluster", verb, rollout);
    bool const all_back =
        !rows.empty() && std::ranges::all_of(rows, [](Row const& row) { return row.why == Row::Why::kTakenBack; });
    if (all_back) return fmt::format("nothing to {}: each chosen cluster is back already, or goes there", verb);
    return fmt::format("nothing to {}: no release of {} is in progress in any chosen cluster", verb, rollout);
}

std::vector<std::string> just_come_back(Doc const& view, std::vector<std::string> const& chosen, Time now) {
    constexpr Duration kJustBack = std::chrono::seconds(20);
    std::vector<std::string> clusters;
    for (auto const& [index, row] : view["clusters"].elements()) {
        auto const since = parse_rfc3339(row["reachableSince"].as_string());
        bool const asked = chosen.empty() || std::ranges::find(chosen, row["cluster"].as_string()) != chosen.end();
        if (asked && row["error"].exists() && since && now < *since + kJustBack)
            clusters.push_back(row["cluster"].string());
    }
    return clusters;
}

Doc with_rows_of(Doc const& view, Doc const& later) {
    json::Value whole = view.thaw();
    json::Value rows{json::Array()};
    for (json::Value const& row : whole["clusters"].array()) {
        Doc newer;
        for (auto const& [index, each] : later["clusters"].elements()) {
            if (each["cluster"].as_string() == row["cluster"].as_string()) newer = each;
        }
        rows.push_back(newer.exists() ? newer.thaw() : row);
    }
    whole["clusters"] = std::move(rows);
    return Doc::freeze(whole);
}

}   // namespace aviary::amc
