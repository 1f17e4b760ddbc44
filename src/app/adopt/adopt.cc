#include "app/adopt/adopt.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <utility>

#include "apis/cluster/managed_cluster.h"
#include "apis/policy/propagation_policy.h"
#include "apis/rollouts/rollout.h"
#include "app/adopt/plan.h"
#include "app/amc/resources.h"
#include "app/amc/session.h"
#include "app/process/process.h"
#include "core/async/event.h"
#include "core/cli/table.h"
#include "kube/meta/object.h"

namespace aviary::adopt {

namespace {

using amc::Session;
using json::Doc;
using json::Value;

meta::GroupVersionResource const kScalers{"autoscaling", "v2", "horizontalpodautoscalers"};
constexpr Duration kLookAgain = std::chrono::milliseconds(300);

// What was named, by its kind on the hub.
struct Named {
    amc::Served served;
    std::string name;
};

Task<Result<std::vector<Named>>> resolve(Session session, std::vector<std::string> objects) {
    std::vector<Named> result;
    for (std::string const& text : objects) {
        std::string resource = text, name;
        amc::split_name(resource, name);
        if (name.empty())
            co_return fail(ErrorCode::kInvalid, fmt::format("\"{}\": name it as KIND/NAME, such as deploy/web", text));
        CO_TRY_ASSIGN(amc::Served served, co_await amc::find_resource(session, resource));
        if (!served.namespaced)
            co_return fail(ErrorCode::kUnsupported,
                           fmt::format("{}: objects without a namespace are not taken over", text));
        // A Rollout is there before a workload that it holds back.
        bool const rollout = served.kind == "Rollout";
        auto const place =
            rollout ? std::ranges::find_if(result, [](Named const& each) { return each.served.kind != "Rollout"; })
                    : result.end();
        result.insert(place, {std::move(served), std::move(name)});
    }
    co_return result;
}

// One kind's objects of the namespace by cluster; `rows` as Session::ask has them.
using Rows = std::map<std::string, Doc, std::less<>>;

Task<Result<Rows>> ask(Session session, Options options, meta::GroupVersionResource resource, std::string name) {
    amc::Question question{.resource = std::move(resource), .ns = session.ns(), .name = std::move(name)};
    question.clusters = options.clusters;
    CO_TRY_ASSIGN(Doc const answer, co_await session.ask(std::move(question)));
    Rows rows;
    for (auto const& [index, row] : answer["clusters"].elements()) rows[row["name"].string()] = row;
    co_return rows;
}

std::vector<Doc> items(Doc const& row) {
    std::vector<Doc> result;
    for (auto const& [index, item] : row["items"].elements()) result.push_back(item);
    return result;
}

// A kind that the cluster does not serve has no objects there.
bool answered(Doc const& row) {
    return row["reachable"].as_bool() && (!row["error"].exists() || row["reason"].as_string() == "NotFound");
}

std::string why_not(Doc const& row) {
    if (answered(row)) return {};
    std::string const error = row["error"].string();
    return error.empty() ? "unreachable" : error;
}

Task<Result<std::vector<Found>>> look(Session session, Options options, std::vector<Named> named) {
    CO_TRY_ASSIGN(Rows const scalers, co_await ask(session, options, kScalers, {}));
    CO_TRY_ASSIGN(Rows const rollouts, co_await ask(session, options, apis::kRollouts, {}));
    std::vector<Found> result;
    for (Named const& each : named) {
        Found found{each.served.resource, each.served.kind, {session.ns(), each.name}, {}, {}};
        CO_TRY_ASSIGN(found.on_hub, co_await session.hub().find(session.context(), found.resource, found.key));
        CO_TRY_ASSIGN(Rows const rows, co_await ask(session, options, found.resource, each.name));
        for (std::string const& cluster : options.clusters) {
            Found::There there;
            there.cluster = cluster;
            for (Rows const* all : {&rows, &scalers, &rollouts}) {
                auto const row = all->find(cluster);
                std::string why = row == all->end() ? "unreachable" : why_not(row->second);
                if (there.unreachable.empty()) there.unreachable = std::move(why);
            }
            if (there.unreachable.empty()) {
                auto const live = items(rows.at(cluster));
                if (!live.empty()) there.live = live.front();
                there.scalers = items(scalers.at(cluster));
                there.rollouts = items(rollouts.at(cluster));
            }
            found.there.push_back(std::move(there));
        }
        result.push_back(std::move(found));
    }
    co_return result;
}

Task<Result<Fleet>> read_fleet(Session session, std::string from) {
    Fleet fleet;
    fleet.from = from;
    fleet.origin = propagation::parse_origin(from).value_or(propagation::Origin::kKubectl);
    CO_TRY_ASSIGN(fleet.hub_id, co_await process::cluster_uid(session.context(), session.hub()));
    for (auto const& resource : {apis::kPropagationPolicies, apis::kClusterPropagationPolicies,
                                 apis::kKarmadaPropagationPolicies, apis::kKarmadaClusterPropagationPolicies}) {
        client::ListOptions options;
        if (resource.resource == apis::kPropagationPolicies.resource) options.ns = session.ns();
        CO_TRY_ASSIGN(Doc const list, co_await session.hub().list(session.context(), resource, options));
        // Items of a list need not say their kind.
        std::string const kind = list["kind"].string().substr(0, list["kind"].string().size() - 4);
        for (Doc const& item : items(list)) {
            Value policy = item.thaw();
            policy["apiVersion"] = list["apiVersion"].string();
            policy["kind"] = kind;
            fleet.policies.push_back(Doc::freeze(policy));
        }
    }
    CO_TRY_ASSIGN(Doc const clusters, co_await session.clusters());
    fleet.clusters = items(clusters);
    co_return fleet;
}

void print(Session const& session, std::vector<Row> const& rows, std::set<std::string> const& adopted) {
    cli::Table table({"CLUSTER", "OBJECT", "RESULT", "MESSAGE"});
    for (Row const& each : rows) {
        bool const now = each.outcome == Outcome::kUnchanged && adopted.contains(each.cluster + " " + each.object);
        table.add({each.cluster, each.object, now ? "adopted" : std::string(to_string(each.outcome)), each.message});
    }
    session.print(table);
}

// The exit code where something stands against it.
int refusal(std::vector<Row> const& rows) {
    bool const away = std::ranges::all_of(rows, [](Row const& each) {
        return each.outcome == Outcome::kUnreachable || each.outcome == Outcome::kUnchanged ||
               each.outcome == Outcome::kLabelsOnly;
    });
    return away ? amc::kUnreachable : amc::kRefused;
}

Task<Status> carry_out(Session session, std::vector<HubWrite> writes) {
    Context const ctx = session.context();
    client::Client const hub = session.hub().named("aviary-adopt");
    if (!writes.empty()) CO_TRY(co_await process::ensure_namespace(ctx, hub, session.ns()));
    for (HubWrite& each : writes) {
        std::string const what = fmt::format("{}/{}", each.resource.resource, each.key.name);
        auto const done = each.create ? co_await hub.create(ctx, each.resource, std::move(each.body))
                                      : co_await hub.patch(ctx, each.resource, each.key, client::PatchType::kMerge,
                                                           std::move(each.body));
        if (!done)
            co_return std::unexpected(done.error().context(fmt::format("hub: {}, and it is safe to try again", what)));
        session.print(fmt::format("hub: {} {}\n", what, each.create ? "created" : "marked"));
    }
    co_return Status{};
}

// Until each row is the hub's, or time is up, or something else has changed one of them meanwhile.
Task<Result<Plan>> wait(Session session, Options options, std::vector<Named> named) {
    MonotonicTime const end = session.context().monotonic() + options.timeout;
    while (true) {
        CO_TRY_ASSIGN(std::vector<Found> const found, co_await look(session, options, named));
        CO_TRY_ASSIGN(Fleet const fleet, co_await read_fleet(session, options.from));
        Plan now = plan(found, fleet);
        bool const waits = now.goes() && std::ranges::any_of(now.rows, [](Row const& each) {
                               return each.outcome == Outcome::kLabelsOnly;
                           });
        if (!waits || session.context().monotonic() >= end) co_return now;
        (void)co_await async::sleep_for(session.context(), kLookAgain);
    }
}

Task<Result<int>> adopting(Session session, Options options) {
    CO_TRY(co_await session.members(true));   // an unknown one is said here
    CO_TRY_ASSIGN(std::vector<Named> const named, co_await resolve(session, options.objects));
    CO_TRY_ASSIGN(std::vector<Found> const found, co_await look(session, options, named));
    CO_TRY_ASSIGN(Fleet const fleet, co_await read_fleet(session, options.from));
    Plan first = plan(found, fleet);
    if (!first.goes() || options.dry_run) {
        print(session, first.rows, {});
        if (first.goes()) co_return amc::kDone;
        session.complain("not all of it can be taken over as it is, so nothing is written");
        co_return refusal(first.rows);
    }
    std::set<std::string> adopted;
    for (Row const& each : first.rows) {
        if (each.outcome == Outcome::kLabelsOnly) adopted.insert(each.cluster + " " + each.object);
    }
    CO_TRY(co_await carry_out(session, std::move(first.writes)));
    CO_TRY_ASSIGN(Plan const last, co_await wait(session, options, named));
    print(session, last.rows, adopted);
    if (!last.goes()) {
        session.complain("what has changed meanwhile stays as it is: the hub takes it over once it is the same");
        co_return amc::kPartial;
    }
    for (Row const& each : last.rows) {
        if (each.outcome == Outcome::kUnchanged) continue;
        session.complain(
            "the hub has not come to all of it; it goes on: `kubectl get fb` on the hub says what it waits for");
        co_return amc::kTimeout;
    }
    co_return amc::kDone;
}

Task<int> adopt_or_say(Session session, Options options) {
    auto const done = co_await adopting(session, std::move(options));
    if (done) co_return *done;
    session.complain(done.error());
    co_return amc::kFailed;
}

}   // namespace

int adopt(Options options) {
    std::signal(SIGPIPE, SIG_IGN);
    async::AsioExecutor executor;
    amc::Flags flags;
    flags.kubeconfig = options.kubeconfig;
    flags.context = options.context;
    flags.ns = options.ns;
    flags.members = options.clusters;
    auto session = Session::open(executor, std::move(flags));
    if (!session) {
        fmt::print(stderr, "error: {}\n", session.error().message());
        return amc::kFailed;
    }
    return executor.run(adopt_or_say(std::move(*session), std::move(options)));
}

}   // namespace aviary::adopt
