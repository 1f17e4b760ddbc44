// explain, status, get (tree), list and history.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "apis/fleet/decision.h"
#include "apis/rollouts/rollout.h"
#include "apis/rollouts/rollout_history.h"
#include "app/amc/patience.h"
#include "app/amc/release_text.h"
#include "app/amc/resources.h"
#include "app/amc/rows.h"
#include "app/amc/session.h"
#include "app/command_line/output.h"
#include "core/base/strings.h"
#include "core/cli/progress.h"
#include "hub/proxy/explain.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;

std::string age_of(std::string_view since, Time now) {
    auto const time = parse_rfc3339(since);
    return time ? format_age(now - *time) : "-";
}

Task<Result<Doc>> view_of(Session const& session, std::string const& rollout) {
    CO_TRY(session.one_namespace());
    CO_TRY_ASSIGN(std::vector<std::string> const chosen, co_await session.members(false));
    Result<Doc> view = co_await session.release(rollout, chosen);
    co_return std::move(view);
}

cli::TableStyle narrow(Session const& session) {
    cli::TableStyle style = session.style();
    style.gutter = 2;
    style.min_width = 0;
    return style;
}

// Machine-readable forms are the hub's document itself: the exit code when that is all.
std::optional<int> raw_form(Session const& session, Doc const& view) {
    Result<bool> const printed = session.print_document(view.thaw());
    if (!printed) session.complain(printed.error());
    if (!printed) return kFailed;
    return *printed ? std::optional<int>(kDone) : std::nullopt;
}

}   // namespace

Task<int> explain(Session session, std::string rollout) {
    auto const view = co_await view_of(session, rollout);
    if (!view) {
        session.complain(view.error());
        co_return session.failure(view.error());
    }
    if (auto const code = raw_form(session, *view)) co_return *code;
    Doc const& seen = *view;
    Time const now = session.context().now();
    session.print(headline(seen));
    if (seen["problem"].exists()) session.print(fmt::format("NOT RELEASED: {}.\n", seen["problem"].as_string()));
    session.print(deleting_line(seen, now));
    session.print(stuck_line(seen));
    cli::Table table({"CLUSTER", "STEP", "STATE", "REASON", "SINCE", "ENDS WHEN", "WHO"}, narrow(session));
    for (auto const& [index, cluster] : seen["clusters"].elements()) {
        table.add({cluster["cluster"].string(), step_of(cluster), cluster["state"].string(), cluster["reason"].string(),
                   age_of(cluster["since"].as_string(), now), cluster["endsWhen"].string(), cluster["who"].string()});
    }
    if (!table.empty()) session.print(table);
    for (auto const& [index, cluster] : seen["clusters"].elements()) {
        // Why it does not answer, and who paused it: the row has no room for it.
        std::string const message = cluster["message"].string();
        std::string_view const reason = cluster["reason"].as_string();
        if (reason == "ClusterUnreachable" && message.contains(": "))
            session.print(fmt::format("{}: {}\n", cluster["cluster"].as_string(), cli::one_line(message)));
        if (reason == "Paused" && (message.starts_with("by ") || cluster["pausedThere"].as_bool()))
            session.print(fmt::format("{}: paused {}\n", cluster["cluster"].as_string(), cli::one_line(message)));
        for (auto const& [position, cause] : cluster["causes"].elements()) {
            session.print(fmt::format("{}: {}. Serving {}/{}.\n", cluster["cluster"].as_string(),
                                      cli::one_line(cause.as_string()), cluster["ready"].as_int(),
                                      cluster["replicas"].as_int()));
        }
    }
    bool const all = session.flags().members.empty() && session.flags().cluster_selector.empty();
    session.print(next_steps(seen, all, session.where()));
    co_return kDone;
}

namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(500);

// To the cluster of this number, of so many.
std::string branch_of(std::size_t number, std::size_t count) { return number == count ? "└── " : "├── "; }

// -w: lines that change in place on a terminal, one a change elsewhere. Who watches stays when the hub goes away.
Task<int> watch_tree(Session session, std::string rollout) {
    cli::Terminal const terminal = cli::Terminal::of(1);
    cli::Progress progress(terminal, command_line::print);
    Context const ctx(session.context().executor());
    Patience patience;
    std::vector<cli::Progress::Line> lines;
    while (true) {
        auto const view = co_await view_of(session, rollout);
        if (view) {
            lines.clear();
            std::string const name = (*view)["namespace"].string() + "/" + (*view)["name"].string();
            lines.push_back({name, fmt::format("{}  {}", name, movement(*view)), cli::Colour::kBold});
            std::size_t const count = (*view)["clusters"].size();
            for (auto const& [index, cluster] : (*view)["clusters"].elements()) {
                // A line of a log stands by itself.
                std::string const branch = terminal.is_terminal ? branch_of(lines.size(), count) : "";
                lines.push_back({cluster["cluster"].string(), branch + tree_line(*view, cluster), cli::Colour::kNone});
            }
            patience.answered();
        } else if (!patience.lasts(view.error(), ctx.monotonic())) {
            session.complain(view.error());
            co_return session.failure(view.error());
        } else if (patience.tells()) {
            lines.insert(lines.begin(), outage_line(session, view.error()));
        }
        progress.show(ctx.now(), lines);
        if (!command_line::flush()) co_return kDone;
        (void)co_await async::sleep_for(ctx, kLookAgain);
    }
}

}   // namespace

Task<int> status(Session session, std::string rollout) {
    if (Status const form = session.document_form(); !form) {
        session.complain(form.error());
        co_return kFailed;
    }
    std::map<std::string, std::string> told;
    Doc last;
    bool const watch = session.flags().watch;
    Context const ctx(session.context().executor());
    std::optional<Time> until;
    if (watch && session.watch_timeout()) until = ctx.now() + *session.watch_timeout();
    Patience patience;
    while (true) {
        auto const view = co_await view_of(until ? session.within(*until - ctx.now()) : session, rollout);
        // What was cut off is no word of the clusters.
        bool const over = until && ctx.now() >= *until;
        if (!view && !(over && client::no_answer(view.error()))) {
            if (!watch || !patience.lasts(view.error(), ctx.monotonic())) {
                session.complain(view.error());
                co_return session.failure(view.error());
            }
            if (patience.tells()) session.complain(view.error());
        }
        if (view && !over) {
            last = *view;
            patience.answered();
            Standing const standing = standing_of(*view, session.flags().allow_unreachable);
            for (auto const& [cluster, line] : standing.lines) {
                bool const same = std::exchange(told[cluster], line) == line;
                if (same || !session.as_table()) continue;
                std::string const text = cli::one_line(line) + "\n";
                session.print(watch ? fmt::format("{} {}", format_rfc3339(ctx.now()), text) : text);
            }
            command_line::flush();
            if (standing.over || !watch) {
                if (auto const code = raw_form(session, *view); code && *code != kDone) co_return *code;
                if (standing.lines.empty() || (*view)["problem"].exists())
                    session.complain((*view)["problem"].exists() ? (*view)["problem"].string()
                                                                 : "the Rollout reaches no cluster");
                co_return standing.code;
            }
        }
        if (over) {
            if (last.exists()) (void)raw_form(session, last);
            session.complain(fmt::format("not done within {}", session.flags().watch_timeout));
            co_return kTimeout;
        }
        (void)co_await async::sleep_for(ctx, until ? std::min(kLookAgain, *until - ctx.now()) : kLookAgain);
    }
}

Task<int> tree(Session session, std::string rollout) {
    if (session.flags().watch) {
        if (!session.as_table()) {
            session.complain("-w shows lines: leave -o out, or -w");
            co_return kFailed;
        }
        int const code = co_await watch_tree(std::move(session), std::move(rollout));
        co_return code;
    }
    auto const view = co_await view_of(session, rollout);
    if (!view) {
        session.complain(view.error());
        co_return session.failure(view.error());
    }
    if (auto const code = raw_form(session, *view)) co_return *code;
    session.print(
        fmt::format("{}/{}  {}\n", (*view)["namespace"].as_string(), (*view)["name"].as_string(), movement(*view)));
    std::size_t const count = (*view)["clusters"].size();
    std::size_t number = 0;
    for (auto const& [key, cluster] : (*view)["clusters"].elements())
        session.print(branch_of(++number, count) + tree_line(*view, cluster) + "\n");
    co_return kDone;
}

namespace {

// As explain shows a release: "sha256:3f9a1c…" is 3f9a1c.
std::string short_digest(std::string_view digest) {
    return std::string(digest.size() > 13 ? digest.substr(7, 6) : digest);
}

cli::Table history_table(Session const& session) {
    std::vector<std::string> headers{"AGE", "ACTION", "BY", "CLUSTER", "STEP", "OUTCOME", "WAITED", "MESSAGE"};
    if (session.flags().output == "wide") headers.insert(headers.end() - 2, {"RELEASE", "REASON"});
    return cli::Table(std::move(headers), session.style());
}

// As the headers are.
struct HistoryRow {
    std::string age, action, by = "-", cluster, step = "-", outcome, release, reason, waited = "-", message;

    std::vector<cli::Cell> cells(bool wide) const {
        std::vector<cli::Cell> cells{age, action, cli::one_line(by), cluster, step, outcome};
        if (wide) cells.insert(cells.end(), {release, cli::one_line(reason)});
        cells.insert(cells.end(), {waited, cli::one_line(message)});
        return cells;
    }
};

// From one time to another, as ages are printed; "-" where one of them is not known.
std::string time_between(std::string_view from, std::string_view until) {
    auto const began = parse_rfc3339(from);
    auto const ended = parse_rfc3339(until);
    return began && ended && *ended >= *began ? format_age(*ended - *began) : "-";
}

HistoryRow decision_row(Doc const& decision, Doc const& target, Time now) {
    bool const in_member = decision.at({"spec", "selection"}).as_string() == apis::kInMember;
    Doc known;
    for (auto const& [position, each] : decision.at({"status", "clusters"}).elements()) {
        if (each["cluster"].as_string() == target["cluster"].as_string()) known = each;
    }
    std::string const created = decision.at({"metadata", "creationTimestamp"}).string();
    HistoryRow row;
    row.age = age_of(created, now);
    row.action = decision.at({"spec", "action"}).string();
    row.by = in_member ? "(in member)" : decision.at({"spec", "requester", "username"}).string();
    row.cluster = target["cluster"].string();
    if (target["step"].exists()) row.step = std::to_string(target["step"].as_int());
    row.outcome = known.exists() ? known["outcome"].string() : in_member ? "Applied" : "Pending";
    row.release = short_digest(decision.at({"spec", "release", "digest"}).as_string());
    row.reason = decision.at({"spec", "reason"}).string();
    // A record of what was done in a member may be made later.
    if (!in_member) row.waited = time_between(target["pausedSince"].as_string(), created);
    row.message = known["message"].string();
    return row;
}

// Sorts; prints where -o asks for another form than a table: then the exit code.
std::optional<int> print_sorted(Session const& session, std::vector<Doc>& objects,
                                meta::GroupVersionResource const& resource, std::string const& kind) {
    Status const sorted = session.sort(objects);
    json::Value items{json::Array()};
    for (Doc const& object : objects) items.push_back(object.thaw());
    Result<bool> const printed =
        sorted ? session.print_objects(std::move(items), resource, kind) : std::unexpected(sorted.error());
    if (!printed) session.complain(printed.error());
    if (!printed) return kFailed;
    return *printed ? std::optional<int>(kDone) : std::nullopt;
}

std::string created_and_name(Doc const& object) {
    return object.at({"metadata", "creationTimestamp"}).string() + meta::name(object);
}

// Times are whole seconds: of two words of one second the one about the earlier pause and step was the first. One that
// is about no pause, such as an abort, ends what the others went on with.
auto in_time(Doc const& decision) {
    Doc const target = decision.at({"spec", "targets"})[0];
    std::string const since = target["pausedSince"].string();
    return std::tuple(decision.at({"metadata", "creationTimestamp"}).string(), since.empty(), since,
                      target["step"].as_int(), meta::name(decision));
}

// Whether a target of a Decision is one of these clusters; none: any is.
bool is_chosen(Doc const& target, std::vector<std::string> const& clusters) {
    return clusters.empty() || std::ranges::count(clusters, target["cluster"].as_string()) > 0;
}

bool about(Doc const& decision, std::vector<std::string> const& clusters) {
    for (auto const& [index, target] : decision.at({"spec", "targets"}).elements()) {
        if (is_chosen(target, clusters)) return true;
    }
    return false;
}

// A release of one cluster, as its controller has kept it.
HistoryRow release_row(Doc const& history, std::vector<apis::StepNote> const& notes, Time now) {
    Doc const kept = history.at({"spec", "workload"});
    Doc const workload = Doc::freeze(json::Object{{"apiVersion", kept["apiVersion"].string()},
                                                  {"kind", kept["kind"].string()},
                                                  {"metadata", json::Object{{"name", kept["name"].string()}}},
                                                  {"spec", kept["data"].thaw()}});
    Doc const rollout = Doc::freeze(json::Object{{"spec", history.at({"spec", "rollout", "data"}).thaw()}});
    std::size_t const steps = apis::release_steps(rollout).size();
    std::int64_t step = 0;
    std::size_t pods = 0;
    for (auto const& [index, each] : history.at({"status", "canarySteps"}).elements()) {
        step = std::max(step, each["canaryStepIndex"].as_int());
        pods += each["pods"].size();
    }
    std::string const took = notes.empty() ? "-" : time_between(notes.front().began, notes.back().passed);
    HistoryRow row;
    row.age = age_of(history.at({"metadata", "creationTimestamp"}).as_string(), now);
    row.action = "Release";
    row.cluster = cluster_of(history);
    if (step > 0) row.step = std::to_string(step);
    std::string const ended = meta::annotation(history, apis::kHistoryOutcome);
    bool const completed = history.at({"status", "phase"}).as_string() == apis::kHistoryCompleted;
    row.outcome = !ended.empty() ? ended : completed ? "Completed" : "Progressing";
    row.release = history.at({"spec", "rollout", "rolloutID"}).string();
    row.message =
        fmt::format("{} of {}/{}; {} steps, {} pods noted{}", proxy::version_of(meta::pod_template_of(workload)),
                    to_lower(workload["kind"].as_string()), meta::name(workload), steps, pods,
                    took == "-" ? "" : fmt::format("; took {}", took));
    return row;
}

// One step of it: how long its pods took, and how long it waited for whom.
HistoryRow step_row(Doc const& history, apis::StepNote const& note, Time now) {
    bool const passed = !note.passed.empty();
    bool const paused = !note.paused.empty();
    std::string const rolled = time_between(note.began, note.paused);
    HistoryRow row;
    row.age = age_of(note.began, now);
    row.action = "Step";
    if (!note.by.empty()) row.by = note.by;
    row.cluster = cluster_of(history);
    row.step = std::to_string(note.step);
    row.outcome = passed ? "Passed" : paused ? "Paused" : "Progressing";
    row.release = history.at({"spec", "rollout", "rolloutID"}).string();
    row.waited = time_between(note.paused, passed ? note.passed : format_rfc3339(now));
    if (rolled != "-") row.message = fmt::format("ready after {}", rolled);
    return row;
}

// What the clusters themselves have kept of a Rollout.
Task<int> history_without_hub(Session session, std::string rollout, std::vector<std::string> chosen) {
    Question question{.resource = apis::kRolloutHistories, .ns = session.ns()};
    question.clusters = chosen;
    auto const answer = co_await session.ask(std::move(question));
    if (!answer) {
        session.complain(answer.error());
        co_return session.failure(answer.error());
    }
    std::vector<Doc> histories = items_of(*answer);
    std::erase_if(histories,
                  [&](Doc const& each) { return each.at({"spec", "rollout", "name"}).as_string() != rollout; });
    std::ranges::sort(histories, {}, created_and_name);
    Time const now = session.context().now();
    if (auto const code = print_sorted(session, histories, apis::kRolloutHistories, "RolloutHistory"))
        co_return *code == kDone ? report(session, *answer, now, !histories.empty(), false) : *code;
    cli::Table table = history_table(session);
    bool const wide = session.flags().output == "wide";
    for (Doc const& each : histories) {
        std::vector<apis::StepNote> const notes = apis::read_step_notes(each);
        table.add(release_row(each, notes, now).cells(wide));
        for (apis::StepNote const& note : notes) table.add(step_row(each, note, now).cells(wide));
    }
    if (!table.empty()) {
        session.print(table);
        co_return report(session, *answer, now, true, false);
    }
    if (int const code = report(session, *answer, now, false, false); code != kDone) co_return code;
    auto const known = co_await session.release(rollout, chosen);   // one that never was is a slip of the pen
    if (!known) {
        session.complain(known.error());
        co_return session.failure(known.error());
    }
    fmt::print(
        stderr,
        "No history of {}: a cluster keeps one of the releases that begin while its rollout controller runs with "
        "--feature-gates RolloutHistory=true.\n",
        rollout);
    co_return kDone;
}

}   // namespace

Task<int> list_rollouts(Session session) {
    if (session.without_hub()) {   // then there are none but those of the clusters
        int const code = co_await get_resource(std::move(session), "rollouts.rollouts.kruise.io", "");
        co_return code;
    }
    client::ListOptions options;
    options.ns = session.ns();
    options.label_selector = session.flags().selector;
    options.field_selector = session.flags().field_selector;
    auto const list = co_await session.hub().list(session.context(), apis::kRollouts, options);
    if (!list) {
        session.complain(list.error());
        co_return kFailed;
    }
    std::vector<Doc> rollouts;
    for (auto const& [key, rollout] : (*list)["items"].elements()) rollouts.push_back(rollout);
    if (rollouts.empty()) {   // the members may have some that others have brought
        int const code = co_await get_resource(std::move(session), "rollouts.rollouts.kruise.io", "");
        co_return code;
    }
    if (auto const code = print_sorted(session, rollouts, apis::kRollouts, "Rollout")) co_return *code;
    cli::Table table({"NAMESPACE", "NAME", "WORKLOAD", "STATUS", "STEP", "STATE", "MESSAGE"}, session.style());
    for (Doc const& rollout : rollouts) {
        Doc const status = rollout["status"];
        table.add({meta::ns(rollout), meta::name(rollout),
                   fmt::format("{}/{}", to_lower(rollout.at({"spec", "workloadRef", "kind"}).as_string()),
                               rollout.at({"spec", "workloadRef", "name"}).as_string()),
                   status["phase"].string(), std::to_string(status["currentStepIndex"].as_int()),
                   status["currentStepState"].string(), cli::one_line(status["message"].as_string())});
    }
    if (table.empty()) {
        fmt::print(stderr, "No rollouts found.\n");
    } else {
        session.print(table);
    }
    co_return kDone;
}

Task<int> history(Session session, std::string rollout) {
    if (Status const one = session.one_namespace(); !one) {
        session.complain(one.error());
        co_return kFailed;
    }
    auto const chosen = co_await session.members(false);
    if (!chosen) {
        session.complain(chosen.error());
        co_return kFailed;
    }
    if (session.without_hub()) {
        int const code = co_await history_without_hub(std::move(session), std::move(rollout), *chosen);
        co_return code;
    }
    client::ListOptions options;
    options.ns = session.ns();
    auto const list = co_await session.hub().list(session.context(), apis::kDecisions, options);
    if (!list) {
        session.complain(list.error());
        co_return kFailed;
    }
    std::vector<Doc> decisions;
    for (auto const& [key, decision] : (*list)["items"].elements()) {
        if (decision.at({"spec", "rolloutRef", "name"}).as_string() == rollout && about(decision, *chosen))
            decisions.push_back(decision);
    }
    std::ranges::sort(decisions, {}, in_time);
    if (auto const code = print_sorted(session, decisions, apis::kDecisions, "Decision")) co_return *code;
    Time const now = session.context().now();
    bool const wide = session.flags().output == "wide";
    cli::Table table = history_table(session);
    for (Doc const& decision : decisions) {
        for (auto const& [index, target] : decision.at({"spec", "targets"}).elements()) {
            if (is_chosen(target, *chosen)) table.add(decision_row(decision, target, now).cells(wide));
        }
    }
    if (table.empty()) {
        // Of one that is gone the decisions stay; one that never was is a slip of the pen.
        auto const known = co_await view_of(session, rollout);
        if (!known) session.complain(known.error());
        if (!known) co_return kFailed;
    }
    if (table.empty()) {
        fmt::print(stderr, "No decisions about {} yet.\n", rollout);
    } else {
        session.print(table);
    }
    co_return kDone;
}

}   // namespace aviary::amc
