#include "app/hub/recover.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "apis/fleet/decision.h"
#include "app/command_line/output.h"
#include "app/hub/internal/fleet_identity.h"
#include "core/async/event.h"
#include "core/base/strings.h"
#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"
#include "hub/propagation/render.h"
#include "hub/proxy/paths.h"
#include "hub/recovery/rebuild.h"
#include "kube/client/http_transport.h"
#include "kube/client/retrying.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

using command_line::print_line;
using json::Doc;
using json::Value;
using recovery::Restored;
using Resource = meta::GroupVersionResource;

constexpr Duration kAtMost = std::chrono::minutes(5);
constexpr Duration kForClusters = std::chrono::seconds(15);   // until clusters that have just joined answer
constexpr Duration kForTheHub = std::chrono::seconds(45);     // until it leads, and until it goes on
constexpr Duration kSettles = std::chrono::seconds(1);        // until the hub has seen what was written
constexpr int kRounds = 8;

// One resource in all members, as the hub reads it.
struct InMembers {
    struct Row {
        std::string cluster, problem;   // no problem: it answered
        std::vector<Doc> items;
    };
    std::vector<Row> rows;
    bool all_answer() const {
        return std::ranges::all_of(rows, [](Row const& row) { return row.problem.empty(); });
    }
};

InMembers rows_of(Doc const& body) {
    InMembers result;
    for (auto const& [index, each] : body["clusters"].elements()) {
        InMembers::Row row{each["name"].string(), each["error"].string(), {}};
        // What a cluster answered before it went away is no news of it.
        if (row.problem.empty() && !each["reachable"].as_bool()) row.problem = "unreachable";
        for (auto const& [at, item] : each["items"].elements()) {
            if (row.problem.empty()) row.items.push_back(item);
        }
        result.rows.push_back(std::move(row));
    }
    return result;
}

Task<Result<InMembers>> read_members(Context ctx, client::Client hub, Resource resource, std::string selector) {
    client::Request request;
    request.path = std::string(proxy::kRoot) + "resources";
    request.query = {{"group", resource.group},
                     {"version", resource.version},
                     {"resource", resource.resource},
                     {"labelSelector", std::move(selector)},
                     {"output", "json"}};
    auto const response = co_await hub.raw(ctx, std::move(request));
    if (!response) co_return std::unexpected(response.error());
    co_return rows_of(response->body);
}

// A hub that has just begun does not read members yet, nor do clusters that have just joined answer.
Task<Result<InMembers>> read_records(Context ctx, client::Client hub) {
    MonotonicTime const begun = ctx.monotonic();
    while (true) {
        auto found = co_await read_members(ctx, hub, recovery::kConfigMaps, recovery::kRecordSelector);
        Duration const passed = ctx.monotonic() - begun;
        if (found && (found->all_answer() || passed > kForClusters)) co_return found;
        if (!found && passed > kForTheHub)
            co_return std::unexpected(
                found.error().context("the hub is asked for what its members have, and has to run"));
        CO_TRY(co_await async::sleep_for(ctx, kSettles));
    }
}

struct Found {
    Identity own;             // of this hub
    std::string id;           // … that the members know
    std::int64_t epoch = 0;   // the highest that they carry
    recovery::Rebuilt rebuilt;
    recovery::HubSide hub;
    std::vector<std::string> behind;   // bindings that the hub itself says it is behind with
};

struct Recovering {
    RecoverOptions options;
    client::Client hub;
    Found found;

    Resource resource_of(Doc const& binding) const {
        Value named{json::Object{{"apiVersion", binding.at({"spec", "resource", "apiVersion"}).string()},
                                 {"kind", binding.at({"spec", "resource", "kind"}).string()}}};
        return meta::resource_of(named);
    }

    Task<Status> read_identity_of_hub(Context ctx) {
        CO_TRY_ASSIGN(std::string const uid, co_await process::cluster_uid(ctx, hub));
        CO_TRY_ASSIGN(Doc const said, co_await hub.find(ctx, kConfigMaps, {options.cluster.ns, kIdentityName}));
        found.own = read_identity(said, uid);
        co_return Status{};
    }

    Task<Status> read_hub(Context ctx) {
        recovery::HubSide side;
        side.hub = found.own.id;
        side.epoch = found.own.epoch;
        found.behind.clear();
        std::vector<Doc> bindings;
        for (Resource const& kind : {apis::kFleetBindings, apis::kClusterFleetBindings}) {
            CO_TRY_ASSIGN(Doc const list, co_await hub.list(ctx, kind));
            for (auto const& [index, binding] : list["items"].elements()) bindings.push_back(binding);
        }
        for (Doc const& binding : bindings) {
            meta::ObjectKey const key = meta::key_of(binding);
            Doc const resource = binding.at({"spec", "resource"});
            side.bindings[key] = binding;
            side.resources[key] = resource_of(binding);
            CO_TRY_ASSIGN(side.sources[key],
                          co_await hub.find(ctx, side.resources[key],
                                            {resource["namespace"].string(), resource["name"].string()}));
            Doc const counts = binding.at({"status", "counts"});
            if (counts["BehindMembers"].as_int() > 0) found.behind.push_back(key.to_string());
        }
        CO_TRY_ASSIGN(Doc const decisions, co_await hub.list(ctx, apis::kDecisions));
        for (auto const& [index, each] : decisions["items"].elements()) side.decisions.push_back(each);
        CO_TRY_ASSIGN(Doc const revisions, co_await hub.list(ctx, propagation::kControllerRevisions));
        for (auto const& [index, each] : revisions["items"].elements()) side.revisions.push_back(each);
        found.hub = std::move(side);
        co_return Status{};
    }

    // Which hub wrote in members, and in which epoch: on what it brought there.
    Task<Status> read_labels(Context ctx, std::set<std::string>& hubs, std::map<std::string, std::int64_t>& epochs) {
        std::set<Resource> kinds;
        for (auto const& [key, resource] : found.hub.resources) kinds.insert(resource);
        for (Resource const& kind : kinds) {
            CO_TRY_ASSIGN(InMembers const there,
                          co_await read_members(ctx, hub, kind, std::string(propagation::kHubLabel)));
            for (InMembers::Row const& row : there.rows) {
                for (Doc const& each : row.items) {
                    std::string const id = meta::label(each, propagation::kHubLabel);
                    hubs.insert(id);
                    std::int64_t& epoch = epochs[id];
                    epoch = std::max(epoch, propagation::generation_of(each).epoch);
                }
            }
        }
        co_return Status{};
    }

    Status choose_fleet(std::set<std::string> hubs) {
        if (!options.fleet.empty()) {
            if (!hubs.contains(options.fleet) && options.fleet != found.own.id)
                return fail(ErrorCode::kNotFound, fmt::format("no member knows a hub {}", options.fleet));
            found.id = options.fleet;
            return {};
        }
        // What this one has brought since it began is no other fleet.
        if (hubs.size() > 1) hubs.erase(found.own.id);
        if (hubs.size() > 1) {
            std::vector<std::string> const all(hubs.begin(), hubs.end());
            return fail(
                ErrorCode::kConflict,
                fmt::format("the members know several hubs: {}; --fleet says which one was lost", join(all, ", ")));
        }
        found.id = hubs.empty() ? found.own.id : *hubs.begin();
        return {};
    }

    Task<Status> find(Context ctx) {
        CO_TRY(co_await read_identity_of_hub(ctx));
        CO_TRY_ASSIGN(InMembers const there, co_await read_records(ctx, hub));
        CO_TRY(co_await read_hub(ctx));
        std::vector<recovery::Found> records;
        for (InMembers::Row const& row : there.rows) {
            for (Doc const& each : row.items) records.push_back({row.cluster, each});
            print_line(
                row.problem.empty()
                    ? fmt::format("{}: {} record{}", row.cluster, row.items.size(), row.items.size() == 1 ? "" : "s")
                    : fmt::format("{}: {}: what only it has is not found", row.cluster, row.problem));
        }
        std::set<std::string> hubs;
        std::map<std::string, std::int64_t> epochs;
        CO_TRY(co_await read_labels(ctx, hubs, epochs));
        auto const all = recovery::rebuild(records);
        hubs.insert(all.hubs.begin(), all.hubs.end());
        CO_TRY(choose_fleet(hubs));
        found.rebuilt = recovery::rebuild(records, found.id);
        for (std::string const& remark : found.rebuilt.remarks) print_line(remark);
        found.epoch = std::max(found.rebuilt.epoch, epochs[found.id]);
        co_return Status{};
    }

    static void tell(std::vector<Restored> const& plan) {
        for (Restored const& each : plan) {
            for (std::string const& line : each.lines)
                print_line(fmt::format("{}: {}", each.binding.to_string(), line));
        }
    }

    Status check(std::vector<Restored> const& plan) const {
        bool const missing = std::ranges::count(plan, Restored::Outcome::kNotBound, &Restored::outcome) > 0;
        if (missing && !options.skip_missing)
            return fail(ErrorCode::kNotFound,
                        "this hub does not place all that members have records of: apply the manifests and policies, "
                        "or --skip-missing leaves them out");
        return {};
    }

    // One who is not the hub would become the one who decided.
    Task<Status> check_user(Context ctx, std::vector<Restored> const& plan) const {
        for (Restored const& each : plan) {
            for (control::Write const& write : each.decisions) {
                if (write.verb != control::Write::Verb::kCreate) continue;
                Value object = write.body;
                object.set({"metadata", "name"}, write.key.name);
                object.set({"metadata", "namespace"}, write.key.ns);
                // A group of nobody: from another user than the hub it does not come back.
                object["spec"]["requester"]["groups"].make_array().push_back("aviary:recovering");
                Value const wanted = object["spec"]["requester"];
                auto const answer = co_await hub.create(ctx, apis::kDecisions, std::move(object), {.dry_run = true});
                if (!answer) co_return std::unexpected(answer.error().context(write.key.to_string()));
                if (answer->at({"spec", "requester"}) == Doc::freeze(wanted)) continue;
                co_return fail(ErrorCode::kForbidden,
                               "decisions of people are brought back by the hub alone: use its own kubeconfig, or "
                               "kubectl -n aviary-system exec deploy/aviary-hub -- aviary hub recover --from-members");
            }
        }
        co_return Status{};
    }

    Task<Status> perform(Context ctx, std::vector<control::Write> writes) const {
        for (control::Write& write : writes) {
            std::string const what = fmt::format("{} {}", write.resource.resource, write.key.to_string());
            auto const done = co_await control::perform(ctx, hub, std::move(write));
            if (!done && !done.error().is(ErrorCode::kConflict) && !done.error().is(ErrorCode::kInvalid))
                co_return std::unexpected(done.error().context(what));
        }
        co_return Status{};
    }

    // Until all stands on the hub as it is to be: what does not hold is decided anew. The hub runs meanwhile, and ends
    // a pin whose template it has not got yet.
    Task<Status> restore(Context ctx) {
        std::set<meta::ObjectKey> begun;
        int same = 0;
        for (int round = 0; round < kRounds && same < 2; ++round) {
            if (round > 0) {
                CO_TRY(co_await async::sleep_for(ctx, kSettles));
                CO_TRY(co_await read_hub(ctx));
            }
            auto const plan = recovery::decide_recovery(found.hub, found.rebuilt, ctx.now(), begun);
            bool wrote = false;
            for (Restored const& each : plan) {
                if (each.outcome != Restored::Outcome::kRestored) continue;
                begun.insert(each.binding);
                wrote = wrote || !each.revisions.empty() || !each.source.empty() || !each.pins.empty() ||
                        !each.decisions.empty();
                CO_TRY(co_await perform(ctx, each.revisions));
                CO_TRY(co_await perform(ctx, each.source));
                if (!each.source.empty()) continue;   // the pins, once the hub has seen it
                CO_TRY(co_await perform(ctx, each.pins));
                CO_TRY(co_await perform(ctx, each.decisions));
            }
            same = wrote ? 0 : same + 1;
        }
        if (same < 2)
            co_return fail(ErrorCode::kConflict, "something else writes the same objects on the hub: run this again");
        co_return Status{};
    }

    // Where no record tells: what members have newer, and Git is to say.
    Task<Status> check_rest(Context ctx) {
        MonotonicTime const begun = ctx.monotonic();
        while (!found.behind.empty() && !options.hub_wins) {
            if (ctx.monotonic() - begun > kForClusters) {
                co_return fail(ErrorCode::kConflict,
                               fmt::format("members have something newer of {}: apply their newest manifests, or "
                                           "--hub-wins brings there what the hub has",
                                           join(found.behind, ", ")));
            }
            CO_TRY(co_await async::sleep_for(ctx, kSettles));
            CO_TRY(co_await read_hub(ctx));
        }
        co_return Status{};
    }

    Task<Status> go_on(Context ctx) {
        Identity const next{found.id, std::max(found.epoch, found.own.id == found.id ? found.own.epoch : 0) + 1};
        auto const written =
            co_await hub.apply(ctx, kConfigMaps, write_identity(options.cluster.ns, next), {.force = true});
        if (!written) co_return std::unexpected(written.error().context(kIdentityName));
        print_line(fmt::format("this is the hub of fleet {} now, in epoch {}", next.id, next.epoch));
        MonotonicTime const begun = ctx.monotonic();
        while (true) {
            CO_TRY(co_await async::sleep_for(ctx, kSettles / 2));
            CO_TRY(co_await read_hub(ctx));
            if (found.behind.empty() && !of_another()) break;
            if (ctx.monotonic() - begun > kForTheHub)
                co_return fail(ErrorCode::kTimeout,
                               "the hub does not go on: kubectl get fleetbindings -A says with what");
        }
        print_line("the hub goes on");
        co_return Status{};
    }

    // Whether the hub says of anything that another hub's is in its place.
    bool of_another() const {
        return std::ranges::any_of(found.hub.bindings, [](auto const& each) {
            for (auto const& [index, row] : each.second.at({"status", "abnormal"}).elements()) {
                if (row["reason"].as_string() == "OtherHub") return true;
            }
            return false;
        });
    }

    Task<Status> run(Context ctx) {
        CO_TRY(co_await find(ctx));
        auto const plan = recovery::decide_recovery(found.hub, found.rebuilt, ctx.now());
        tell(plan);
        bool const restores = std::ranges::any_of(plan, [](Restored const& each) {
            return each.outcome == Restored::Outcome::kRestored || each.outcome == Restored::Outcome::kSame;
        });
        if (found.id == found.own.id && !restores && found.behind.empty()) {
            print_line("nothing to do: no member is ahead of this hub");
            co_return Status{};
        }
        CO_TRY(check(plan));
        CO_TRY(co_await check_user(ctx, plan));
        if (options.dry_run) {
            print_line("dry run: nothing was written");
            co_return Status{};
        }
        CO_TRY(co_await restore(ctx));
        CO_TRY(co_await check_rest(ctx));
        co_return co_await go_on(ctx);
    }
};

Task<Status> recovering(Context ctx, async::AsioExecutor& executor, RecoverOptions options) {
    CO_TRY_ASSIGN(client::ServerAccess const access, process::find_access(options.cluster));
    CO_TRY_ASSIGN(auto transport, client::http_transport(executor, access));
    Recovering recovering{
        std::move(options), client::Client(client::retrying(std::move(transport)), "aviary-recover"), {}};
    co_return co_await recovering.run(ctx.with_timeout(kAtMost));
}

}   // namespace

int recover(RecoverOptions options) { return process::run(recovering, std::move(options)); }

}   // namespace aviary::hub
