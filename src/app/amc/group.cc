#include "app/amc/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include "apis/fleet/decision.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/resources.h"
#include "app/amc/rows.h"
#include "app/command_line/output.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;

// One of the group.
struct Other {
    std::string name, group;
    bool could_go_back = false;
};

// The hub's, or those that the chosen clusters have; none where they cannot be seen, as who may decide need not see
// all.
Task<std::vector<Doc>> rollouts_of(Session const& session, std::vector<std::string> chosen) {
    if (session.without_hub()) {
        Question question{.resource = apis::kRollouts, .ns = session.ns()};
        question.clusters = std::move(chosen);
        auto const answer = co_await session.ask(std::move(question));
        co_return answer ? items_of(*answer) : std::vector<Doc>();
    }
    std::vector<Doc> rollouts;
    auto const list = co_await session.hub().list(session.context(), apis::kRollouts, {.ns = session.ns()});
    if (!list) co_return rollouts;
    for (auto const& [index, each] : (*list)["items"].elements()) rollouts.push_back(each);
    co_return rollouts;
}

// A group is of each cluster by itself. By name, each once.
std::vector<Other> others_of(std::vector<Doc> const& rollouts, std::string const& rollout) {
    std::map<std::string, std::string> groups;   // by cluster
    for (Doc const& each : rollouts) {
        if (meta::name(each) == rollout) groups[cluster_of(each)] = meta::annotation(each, apis::kGroupAnnotation);
    }
    std::map<std::string, std::string> found;
    for (Doc const& each : rollouts) {
        auto const group = groups.find(cluster_of(each));
        bool const same = group != groups.end() && !group->second.empty() &&
                          meta::annotation(each, apis::kGroupAnnotation) == group->second;
        if (same && meta::name(each) != rollout) found.emplace(meta::name(each), group->second);
    }
    std::vector<Other> others;
    for (auto const& [name, group] : found) others.push_back({name, group});
    return others;
}

// Whether the verb would take it back in any of the clusters; so it counts where nobody can tell.
Task<void> look_at(Context, Session const& session, std::string action, std::vector<std::string> chosen, Other& other) {
    auto const view = co_await session.release(other.name, chosen);
    if (!view) {
        other.could_go_back = !view.error().is(ErrorCode::kNotFound);
        co_return;
    }
    Asked const asked{.action = std::move(action),
                      .chosen = !chosen.empty(),
                      .now = session.context().now(),
                      .without_hub = session.without_hub()};
    std::vector<Row> const rows = rows_of(*view, chosen, asked, "");
    other.could_go_back = std::ranges::any_of(
        rows, [](Row const& row) { return row.target || row.result == "unreachable" || row.result == "failed"; });
}

// The flags that choose the same clusters, as they are typed.
std::string same_clusters(Session const& session) {
    Flags const& flags = session.flags();
    if (flags.direct) return session.where();
    std::string where = !flags.members.empty() ? "-m " + join(flags.members, ",")
                        : flags.cluster_selector.empty()
                            ? "-M"
                            : fmt::format("--cluster-selector '{}'", flags.cluster_selector);
    if (session.without_hub()) where += " " + session.where();
    return where;
}

}   // namespace

Task<void> tell_of_group(Session session, std::string action, std::string rollout) {
    bool const undo = action == apis::action::kUndo;
    if (!undo && action != apis::action::kAbort) co_return;
    auto const chosen = co_await session.members(true);
    if (!chosen) co_return;
    std::vector<Doc> const rollouts = co_await rollouts_of(session, *chosen);
    std::vector<Other> others = others_of(rollouts, rollout);
    async::Scope scope(Context(session.context().executor()));
    for (Other& each : others) scope.spawn(look_at(scope.context(), session, action, *chosen, each));
    co_await scope.join();
    command_line::flush();
    // An undo may take back what is in no release, too.
    char const* const what = undo ? "; if it is to go back as well" : "";
    for (Other const& each : others) {
        if (!each.could_go_back) continue;
        fmt::print(
            stderr,
            "{0} is of the same group, {1}, and not taken back by this{2}: kubectl amc rollout {3} {0} -n {4} {5}\n",
            each.name, each.group, what, to_lower(action), session.ns(), same_clusters(session));
    }
}

}   // namespace aviary::amc
