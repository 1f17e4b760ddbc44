#include "app/amc/release_text.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "app/amc/rows.h"
#include "app/amc/session.h"

namespace aviary::amc {

namespace {

using json::Doc;

bool progressing(Doc const& cluster) { return cluster["phase"].as_string() == "Progressing"; }

std::string one_of(std::set<std::string> const& versions) {
    if (versions.size() > 1) return "several versions";
    return versions.begin()->empty() ? "the stable version" : *versions.begin();
}

// Commands under each other behind "next:".
class Steps {
public:
    Steps(Doc const& view, std::string const& way) : view_(view), way_(way) {}

    void add(std::string_view verb, std::string_view where, std::string_view comment = {}) {
        add_line(fmt::format("kubectl amc rollout {} rollouts/{} -n {} {}{}{}{}{}", verb, view_["name"].as_string(),
                             view_["namespace"].as_string(), way_, way_.empty() ? "" : " ", where,
                             comment.empty() ? "" : "      # ", comment));
    }
    void add_line(std::string_view command) {
        text_ += fmt::format("{}  {}\n", text_.empty() ? "next:" : "     ", command);
    }
    std::string const& text() const { return text_; }

private:
    Doc const& view_;
    std::string const& way_;
    std::string text_;
};

}   // namespace

std::string movement(Doc const& view) {
    std::string const to = view["to"].string();
    if (to.empty()) return "no version is known";   // its workload is not there, or may not be read
    std::set<std::string> pinned;
    bool all = view["clusters"].size() > 0;
    bool any_progressing = false;
    for (auto const& [index, cluster] : view["clusters"].elements()) {
        all = all && cluster["pinned"].exists();
        pinned.insert(cluster["pinned"].string());
        any_progressing = any_progressing || progressing(cluster);
    }
    if (all && any_progressing) return fmt::format("undo {} -> {}", to, one_of(pinned));
    if (all) return fmt::format("pinned to {}, {} rejected", one_of(pinned), to);
    std::string const from = view["from"].string();
    return from.empty() ? to : fmt::format("{} -> {}", from, to);
}

std::string headline(Doc const& view) {
    if (view["to"].as_string().empty())
        return fmt::format("{}/{}  {}\n", view["namespace"].as_string(), view["name"].as_string(), movement(view));
    return fmt::format("{}/{}  release {}  {}   on {}: {}/{}   ready: {}/{}\n", view["namespace"].as_string(),
                       view["name"].as_string(), view["release"].as_string(), movement(view), view["to"].as_string(),
                       view["onNew"].as_int(), view["total"].as_int(), view["ready"].as_int(), view["total"].as_int());
}

std::string stuck_line(Doc const& view) {
    if (!view["stuck"].as_bool()) return {};
    bool all_answer = true;
    for (auto const& [index, cluster] : view["clusters"].elements())
        all_answer = all_answer && cluster["reason"].as_string() != "ClusterUnreachable";
    return fmt::format("STUCK: no cluster {}will move without a person.\n", all_answer ? "" : "that answers ");
}

std::string deleting_line(Doc const& view, Time now) {
    Doc const deleting = view["deleting"];
    if (!deleting.exists()) return {};
    auto const since = parse_rfc3339(deleting["since"].as_string());
    std::string const wish = deleting["onDelete"].string();
    std::string const message = deleting["message"].string();
    return fmt::format("BEING DELETED{}{}{}{}.\n", since ? " for " + format_age(now - *since) : "",
                       wish.empty() ? "" : ", on-delete ", wish, message.empty() ? "" : ": " + cli::one_line(message));
}

std::string tree_line(Doc const& view, Doc const& cluster) {
    std::string const back =
        cluster["pinned"].exists()
            ? fmt::format("  pinned to {}, {} rejected", cluster["pinned"].as_string(), cluster["rejected"].as_string())
            : "";
    std::string const to = view["to"].string();
    std::string const on =
        to.empty() ? "" : fmt::format("  on {}: {}/{}", to, cluster["updated"].as_int(), cluster["replicas"].as_int());
    return fmt::format("{}  {}  step {}  {}{}  ready: {}/{}{}", cluster["cluster"].as_string(),
                       cluster["phase"].as_string(), step_of(cluster), cluster["state"].as_string(), on,
                       cluster["ready"].as_int(), cluster["replicas"].as_int(), back);
}

std::string unpause_command(Doc const& view) {
    if (!view["pausedByAll"].as_bool()) return {};
    return fmt::format(
        R"(kubectl patch rollout {} -n {} --type merge -p '{{"spec":{{"strategy":{{"paused":false}}}}}}')",
        view["name"].as_string(), view["namespace"].as_string());
}

std::string next_steps(Doc const& view, bool all, std::string const& where) {
    // Clusters of one command: of the new version, or on the way back to an old one, at one step.
    std::map<std::pair<std::string, std::int64_t>, std::string> approvals;
    std::string abort_where;
    std::string paused;                            // by somebody
    std::vector<std::string> paused_there, held;   // in the cluster itself, whose context may have its name
    std::string_view finished;                     // what an abort leaves alone
    std::set<std::string> releasing;               // where the clusters in a release come from
    for (auto const& [index, cluster] : view["clusters"].elements()) {
        if (cluster["reason"].as_string() == "-" && cluster["current"].as_bool()) finished = " but the finished ones";
        if (cluster["heldThere"].as_bool()) held.push_back(cluster["cluster"].string());
        if (cluster["pausedThere"].as_bool()) {
            paused_there.push_back(cluster["cluster"].string());
        } else if (cluster["reason"].as_string() == "Paused") {
            paused += (paused.empty() ? "" : ",") + cluster["cluster"].string();
        }
        if (progressing(cluster) && !cluster["pinned"].exists() && !cluster["begunByIdAlone"].as_bool()) {
            releasing.insert(cluster["stable"].string());
            abort_where += (abort_where.empty() ? "-m " : ",") + cluster["cluster"].string();
        }
        bool const waits = cluster["reason"].as_string() == "AwaitingApproval" && !cluster["trouble"].exists();
        if (!waits) continue;
        std::string& clusters = approvals[{cluster["pinned"].string(), cluster["step"].as_int()}];
        clusters += (clusters.empty() ? "" : ",") + cluster["cluster"].string();
    }
    Steps steps(view, where);
    bool const attached = view["attached"].as_bool();   // others say what its clusters are to run
    if (!paused.empty() && view["pausedByAll"].as_bool()) {
        steps.add_line(unpause_command(view));
    } else if (!paused.empty() && (!attached || !where.empty())) {
        steps.add("resume", "-m " + paused);
    }
    for (std::string const& each : paused_there) steps.add("resume", "--direct --context " + each);
    for (std::string const& each : held) {
        steps.add_line(
            fmt::format("kubectl --context {} annotate {} -n {} fleet.aviary.dev/hold-      # the hub goes on there",
                        each, view["workload"].as_string(), view["namespace"].as_string()));
    }
    for (auto const& [which, clusters] : approvals) {
        auto const& [back, step] = which;
        steps.add("approve", fmt::format("-m {} --step {}", clusters, step),
                  back.empty() ? "" : "on the way back to " + back);
    }
    if (!releasing.empty() && !attached)
        steps.add("abort", all ? "-M" : abort_where, fmt::format("all{} back to {}", finished, one_of(releasing)));
    return steps.text();
}

Standing standing_of(Doc const& view, bool allow_unreachable) {
    Standing result;
    std::size_t done = 0;
    std::size_t away = 0;
    std::size_t ended = 0;   // by a person, or waits for one
    bool waits = false;
    for (auto const& [index, cluster] : view["clusters"].elements()) {
        std::string const reason = cluster["reason"].string();
        bool const finished = reason == "-";
        std::string line = fmt::format("{} step {} {}{}", cluster["cluster"].as_string(), step_of(cluster),
                                       finished ? "Healthy" : cluster["state"].as_string(),
                                       finished ? "" : ": " + reason + " " + cluster["message"].string());
        for (auto const& [position, cause] : cluster["causes"].elements()) {
            if (cause != cluster["message"]) line += "; " + cause.string();
        }
        result.lines.emplace_back(cluster["cluster"].string(), std::move(line));
        waits = waits || (reason == "AwaitingApproval" && !cluster["trouble"].exists());
        away += cluster["reachable"].as_bool() ? 0 : 1;
        done += finished && cluster["current"].as_bool() ? 1 : 0;
        ended += reason == "AwaitingApproval" || reason == "Paused" || reason == "TakenBack" || reason == "ScaledToZero"
                     ? 1
                     : 0;
    }
    std::size_t const total = result.lines.size();
    result.over = waits || done + ended == total;
    bool const none_away = away == 0 || allow_unreachable;
    if (total == 0) {
        result.code = kFailed;
    } else if (away == total) {
        result.code = none_away ? kDone : kUnreachable;
    } else if (waits) {
        result.code = kAwaiting;
    } else if (done + away == total) {
        result.code = none_away ? kDone : kPartial;
    } else {
        result.code = kFailed;
    }
    return result;
}

}   // namespace aviary::amc
