#include "app/adopt/adopt.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
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
        CO_TRY(amc::split_name(resource, name));
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

Task<Result<Doc>> ask(Session session, Options options, meta::GroupVersionResource resource, std::string name) {
    amc::Question question{.resource = std::move(resource), .ns = session.ns(), .name = std::move(name)};
    question.clusters = std::move(options.clusters);
    Result<Doc> answer = co_await session.ask(std::move(question));
    co_return answer;
}

// The answer's row of this cluster; absent when it has none.
Doc row_of(Doc const& answer, std::string const& cluster) {
    for (auto const& [index, row] : answer["clusters"].elements()) {
        if (row["name"].as_string() == cluster) return row;
    }
    return {};
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

// Of the namespace, and of all of them.
Task<Result<std::vector<Doc>>> policies(Session session) {
    std::vector<Doc> result;
    for (auto const& resource : {apis::kPropagationPolicies, apis::kClusterPropagationPolicies,
                                 apis::kKarmadaPropagationPolicies, apis::kKarmadaClusterPropagationPolicies}) {
        client::ListOptions options;
        if (resource.resource == apis::kPropagationPolicies.resource) options.ns = session.ns();
        auto const list = co_await session.hub().list(session.context(), resource, options);
        if (!list && list.error().is(ErrorCode::kNotFound))
            co_return fail(ErrorCode::kUnsupported,
                           "this server has no policies: it is no hub, or one of --mode attach, which brings nothing");
        if (!list) co_return std::unexpected(list.error());
        // Items of a list need not say their kind.
        std::string const kind = (*list)["kind"].string();
        for (Doc const& item : items(*list)) {
            Value policy = item.thaw();
            policy["apiVersion"] = (*list)["apiVersion"].string();
            policy["kind"] = kind.substr(0, kind.rfind("List"));
            result.push_back(Doc::freeze(policy));
        }
    }
    co_return result;
}

struct Seen {
    std::vector<Found> objects;
    Fleet fleet;
};

Task<Result<Seen>> look(Session session, Options options, std::vector<Named> named) {
    Seen seen;
    seen.fleet.from = options.from;
    seen.fleet.origin = propagation::parse_origin(options.from).value_or(propagation::Origin::kKubectl);
    CO_TRY_ASSIGN(seen.fleet.policies, co_await policies(session));
    CO_TRY_ASSIGN(Doc const clusters, co_await session.clusters());
    seen.fleet.clusters = items(clusters);
    CO_TRY_ASSIGN(Doc const scalers, co_await ask(session, options, kScalers, {}));
    CO_TRY_ASSIGN(Doc const rollouts, co_await ask(session, options, apis::kRollouts, {}));
    seen.fleet.hub_id = rollouts["hub"].string();
    if (seen.fleet.hub_id.empty())
        co_return fail(ErrorCode::kUnsupported, "this hub is too old to take anything over: update it first");
    for (Named const& each : named) {
        Found found{each.served.resource, each.served.kind, {session.ns(), each.name}, {}, {}};
        CO_TRY_ASSIGN(found.on_hub, co_await session.hub().find(session.context(), found.resource, found.key));
        CO_TRY_ASSIGN(Doc const objects, co_await ask(session, options, found.resource, each.name));
        for (std::string const& cluster : options.clusters) {
            Found::There there;
            there.cluster = cluster;
            for (Doc const& answer : {objects, scalers, rollouts}) {
                if (there.unreachable.empty()) there.unreachable = why_not(row_of(answer, cluster));
            }
            auto const live = items(row_of(objects, cluster));
            if (!live.empty()) there.live = live.front();
            there.scalers = items(row_of(scalers, cluster));
            there.rollouts = items(row_of(rollouts, cluster));
            found.there.push_back(std::move(there));
        }
        seen.objects.push_back(std::move(found));
    }
    co_return seen;
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
        Result<Doc> done = Doc();
        if (each.create) {
            done = co_await hub.create(ctx, each.resource, std::move(each.body));
        } else {
            done = co_await hub.patch(ctx, each.resource, each.key, client::PatchType::kMerge, std::move(each.body));
        }
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
        CO_TRY_ASSIGN(Seen const seen, co_await look(session, options, named));
        Plan now = plan(seen.objects, seen.fleet);
        bool const waits = now.goes() && std::ranges::any_of(now.rows, [](Row const& each) {
                               return each.outcome == Outcome::kLabelsOnly;
                           });
        if (!waits || session.context().monotonic() >= end) co_return now;
        (void)co_await async::sleep_for(session.context(), kLookAgain);
    }
}

Task<Result<int>> adopting(Session session, Options options) {
    if (std::ranges::count(options.clusters, "") > 0)
        co_return fail(ErrorCode::kInvalid, "--clusters: say which: NAME[,NAME]");
    CO_TRY_ASSIGN(options.clusters, co_await session.members(true));   // an unknown one is said here
    std::set<std::string> once;
    std::erase_if(options.clusters, [&](std::string const& each) { return !once.insert(each).second; });
    CO_TRY_ASSIGN(std::vector<Named> const named, co_await resolve(session, options.objects));
    CO_TRY_ASSIGN(Seen const seen, co_await look(session, options, named));
    Plan first = plan(seen.objects, seen.fleet);
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
