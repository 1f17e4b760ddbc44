// explain, status, get (tree), list and history.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apis/fleet/decision.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/session.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;

std::string age_of(std::string_view since, Time now) {
    auto const time = parse_rfc3339(since);
    return time ? format_age(now - *time) : "-";
}

std::string step_of(Doc const& view) {
    if (view["steps"].as_int() == 0 || view["step"].as_int() == 0) return "-";
    return fmt::format("{}/{}{}", view["step"].as_int(), view["steps"].as_int(),
                       view["reachable"].as_bool() ? "" : "?");
}

Task<Result<Doc>> view_of(Session const& session, std::string const& rollout) {
    Result<Doc> view =
        co_await session.read(fmt::format("/fleet/v1/namespaces/{}/rollouts/{}", percent_encode(session.ns()),
                                          percent_encode(Session::object_name(rollout))));
    co_return std::move(view);
}

cli::TableStyle narrow(Session const& session) {
    cli::TableStyle style = session.style();
    style.gutter = 2;
    style.min_width = 0;
    return style;
}

// Machine-readable forms are the hub's document itself.
bool print_raw(Session const& session, Doc const& view) {
    if (session.flags().output == "json") {
        session.print(json::write_pretty(view.thaw()) + "\n");
        return true;
    }
    if (session.flags().output != "yaml") return false;
    session.print(yaml::write(view.thaw()));
    return true;
}

}   // namespace

Task<int> explain(Session session, std::string rollout) {
    auto const view = co_await view_of(session, rollout);
    if (!view) {
        session.complain(view.error().message());
        co_return kFailed;
    }
    if (print_raw(session, *view)) co_return kDone;
    Doc const& seen = *view;
    Time const now = session.context().now();
    std::string const from = seen["from"].string();
    session.print(fmt::format("{}/{}  release {}  {}{}   on {}: {}/{}   ready: {}/{}\n", seen["namespace"].as_string(),
                              seen["name"].as_string(), seen["release"].as_string(), from.empty() ? "" : from + " -> ",
                              seen["to"].as_string(), seen["to"].as_string(), seen["onNew"].as_int(),
                              seen["total"].as_int(), seen["ready"].as_int(), seen["total"].as_int()));
    if (seen["stuck"].as_bool()) session.print("STUCK: no cluster will move without a person.\n");
    cli::Table table({"CLUSTER", "STEP", "STATE", "REASON", "SINCE", "ENDS WHEN", "WHO"}, narrow(session));
    std::string approve;
    std::int64_t approve_step = 0;
    bool progressing = false;
    for (auto const& [index, cluster] : seen["clusters"].elements()) {
        table.add({cluster["cluster"].string(), step_of(cluster), cluster["state"].string(), cluster["reason"].string(),
                   age_of(cluster["since"].as_string(), now), cluster["endsWhen"].string(), cluster["who"].string()});
        progressing = progressing || cluster["phase"].as_string() == "Progressing";
        if (cluster["reason"].as_string() != "AwaitingApproval") continue;
        if (approve.empty()) approve_step = cluster["step"].as_int();
        if (cluster["step"].as_int() == approve_step)
            approve += (approve.empty() ? "" : ",") + cluster["cluster"].string();
    }
    session.print(table);
    for (auto const& [index, cluster] : seen["clusters"].elements()) {
        for (auto const& [position, cause] : cluster["causes"].elements()) {
            session.print(fmt::format("{}: {}. Serving {}/{}.\n", cluster["cluster"].as_string(),
                                      cli::one_line(cause.as_string()), cluster["ready"].as_int(),
                                      cluster["replicas"].as_int()));
        }
    }
    if (!approve.empty()) {
        session.print(fmt::format("next:  kubectl amc rollout approve rollouts/{} -n {} -m {} --step {}\n",
                                  seen["name"].as_string(), seen["namespace"].as_string(), approve, approve_step));
    }
    if (progressing) {
        session.print(fmt::format("{}  kubectl amc rollout abort rollouts/{} -n {} -M      # all back to {}\n",
                                  approve.empty() ? "next:" : "     ", seen["name"].as_string(),
                                  seen["namespace"].as_string(), from.empty() ? "the stable version" : from));
    }
    co_return kDone;
}

Task<int> status(Session session, std::string rollout) {
    std::map<std::string, std::string> told;
    while (true) {
        auto const view = co_await view_of(session, rollout);
        if (!view) {
            session.complain(view.error().message());
            co_return kFailed;
        }
        bool waits = false;
        bool healthy = true;
        bool away = true;
        for (auto const& [index, cluster] : (*view)["clusters"].elements()) {
            std::string const reason = cluster["reason"].string();
            std::string const line =
                fmt::format("{} step {} {}{}", cluster["cluster"].as_string(), step_of(cluster),
                            cluster["phase"].as_string() == "Healthy" ? "Healthy" : cluster["state"].as_string(),
                            reason == "-" ? "" : ": " + reason + " " + cluster["message"].string());
            waits = waits || reason == "AwaitingApproval";
            healthy = healthy && cluster["phase"].as_string() == "Healthy";
            away = away && !cluster["reachable"].as_bool();
            std::string& last = told[cluster["cluster"].string()];
            if (last == line) continue;
            last = line;
            session.print(session.flags().watch ? fmt::format("{} {}\n", format_rfc3339(session.context().now()), line)
                                                : line + "\n");
        }
        std::fflush(stdout);
        if (!session.flags().watch || healthy || waits) {
            if (away && (*view)["clusters"].size() > 0)
                co_return session.flags().allow_unreachable ? kDone : kUnreachable;
            co_return healthy ? kDone : waits ? kAwaiting : session.flags().watch ? kFailed : kDone;
        }
        (void)co_await async::sleep_for(session.context(), std::chrono::milliseconds(500));
    }
}

Task<int> tree(Session session, std::string rollout) {
    auto const view = co_await view_of(session, rollout);
    if (!view) {
        session.complain(view.error().message());
        co_return kFailed;
    }
    if (print_raw(session, *view)) co_return kDone;
    session.print(fmt::format("{}/{}  {}\n", (*view)["namespace"].as_string(), (*view)["name"].as_string(),
                              (*view)["to"].as_string()));
    std::size_t const count = (*view)["clusters"].size();
    std::size_t index = 0;
    for (auto const& [key, cluster] : (*view)["clusters"].elements()) {
        bool const last = ++index == count;
        session.print(fmt::format("{} {}  {}  step {}  {}  on {}: {}/{}  ready: {}/{}\n", last ? "└──" : "├──",
                                  cluster["cluster"].as_string(), cluster["phase"].as_string(), step_of(cluster),
                                  cluster["state"].as_string(), (*view)["to"].as_string(), cluster["updated"].as_int(),
                                  cluster["replicas"].as_int(), cluster["ready"].as_int(),
                                  cluster["replicas"].as_int()));
    }
    co_return kDone;
}

Task<int> list_rollouts(Session session) {
    client::ListOptions options;
    options.ns = session.ns();
    options.label_selector = session.flags().selector;
    auto const list = co_await session.hub().list(session.context(), apis::kRollouts, options);
    if (!list) {
        session.complain(list.error().message());
        co_return kFailed;
    }
    cli::Table table({"NAMESPACE", "NAME", "WORKLOAD", "STATUS", "STEP", "STATE", "MESSAGE"}, session.style());
    for (auto const& [key, rollout] : (*list)["items"].elements()) {
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
    rollout = Session::object_name(rollout);
    client::ListOptions options;
    options.ns = session.ns();
    auto const list = co_await session.hub().list(session.context(), apis::kDecisions, options);
    if (!list) {
        session.complain(list.error().message());
        co_return kFailed;
    }
    std::vector<Doc> decisions;
    for (auto const& [key, decision] : (*list)["items"].elements()) {
        if (decision.at({"spec", "rolloutRef", "name"}).as_string() == rollout) decisions.push_back(decision);
    }
    std::ranges::sort(decisions, {}, [](Doc const& decision) {
        return decision.at({"metadata", "creationTimestamp"}).string() + meta::name(decision);
    });
    Time const now = session.context().now();
    cli::Table table({"AGE", "ACTION", "BY", "CLUSTER", "STEP", "OUTCOME", "MESSAGE"}, session.style());
    for (Doc const& decision : decisions) {
        for (auto const& [index, target] : decision.at({"spec", "targets"}).elements()) {
            Doc row;
            for (auto const& [position, each] : decision.at({"status", "clusters"}).elements()) {
                if (each["cluster"].as_string() == target["cluster"].as_string()) row = each;
            }
            table.add({age_of(decision.at({"metadata", "creationTimestamp"}).as_string(), now),
                       decision.at({"spec", "action"}).string(),
                       decision.at({"spec", "requester", "username"}).string(), target["cluster"].string(),
                       target["step"].exists() ? std::to_string(target["step"].as_int()) : "-",
                       row.exists() ? row["outcome"].string() : "Pending", cli::one_line(row["message"].as_string())});
        }
    }
    if (table.empty()) {
        fmt::print(stderr, "No decisions about {} yet.\n", rollout);
    } else {
        session.print(table);
    }
    co_return kDone;
}

}   // namespace aviary::amc
