#include "hub/proxy/fleet_gauges.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "apis/cluster/managed_cluster.h"
#include "apis/rollouts/release_pods.h"
#include "core/async/scope.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "hub/proxy/attached.h"
#include "hub/proxy/explain.h"
#include "hub/proxy/internal/released.h"
#include "kube/meta/object.h"

namespace aviary::proxy {

namespace {

using json::Doc;
using json::Value;
using observe::Gauges;
using observe::Sample;
using propagation::Propagator;

constexpr std::size_t kMostLooks = 200;   // at pods, of one scrape
constexpr Duration kLookAtMost = std::chrono::seconds(3);

double seconds(Duration duration) { return std::max(std::chrono::duration<double>(duration).count(), 0.0); }

// A Rollout in one cluster.
struct Row {
    meta::ObjectKey key;
    clusters::Member* member = nullptr;
    ClusterView view;
    Value said;   // by explain

    bool is(std::string_view field, std::string_view value) const { return said[field].as_string() == value; }
};

struct Rows {
    std::vector<Row> moving;
    std::vector<observe::Labels> at_rest;
    std::size_t left_out = 0;
};

std::set<meta::ObjectKey> rollouts_of(Propagator const& propagator) {
    std::set<meta::ObjectKey> keys;
    auto const add = [&keys](client::Informer const* rollouts) {
        if (rollouts == nullptr) return;
        for (auto const& [key, rollout] : rollouts->objects()) keys.insert(key);
    };
    if (auto const* const kind = propagator.sources().find(propagation::kRolloutKind)) add(kind->informer.get());
    for (clusters::Member const* member : propagator.members().all()) add(member->informer(propagation::kRollouts));
    return keys;
}

observe::Labels labels_of(meta::ObjectKey const& rollout, std::string const& cluster) {
    return {{"namespace", rollout.ns}, {"rollout", rollout.name}, {"cluster", cluster}};
}

// Explain has nothing to say of it; found out without asking, because most are so.
bool at_rest(ClusterView const& view) {
    bool const applied = !view.workload_standing || view.workload_standing->state == propagation::State::kApplied;
    return view.reachable && view.unread.empty() && view.placed && view.pinned.empty() && applied &&
           has_hub_version(view) && view.rollout.at({"status", "phase"}).as_string() == "Healthy" &&
           !propagation::releasing(view.workload) && !propagation::frozen(view.workload);
}

Rows rows_of(Propagator const& propagator) {
    Rows rows;
    for (meta::ObjectKey const& key : rollouts_of(propagator)) {
        auto const found = released(propagator, key);
        if (!found) continue;
        for (clusters::Member* member : propagator.members().all()) {
            ClusterView view = found->attached ? attached_view_of(*member, key) : view_of(propagator, *member, *found);
            if (found->attached) view.placed = view.bound = view.rollout.exists();
            if (!view.placed && !view.bound) continue;
            if (at_rest(view)) {
                if (rows.at_rest.size() < kMostSeries) {
                    rows.at_rest.push_back(labels_of(key, view.cluster));
                } else {
                    ++rows.left_out;
                }
            } else if (rows.moving.size() < kMostSeries) {
                Value said = explain_cluster(view);
                rows.moving.push_back({key, member, std::move(view), std::move(said)});
            } else {
                ++rows.left_out;
            }
        }
    }
    std::size_t const room = kMostSeries - rows.moving.size();
    if (rows.at_rest.size() > room) {
        rows.left_out += rows.at_rest.size() - room;
        rows.at_rest.resize(room);
    }
    return rows;
}

Task<void> look_at_pods(Context ctx, Row& row) {
    if (row.view.workload.exists()) {
        (void)co_await read_pods(ctx, *row.member, row.view);
    } else {
        co_await read_workload(
            [ctx, &row](client::Request request) { return row.member->client().raw(ctx, std::move(request)); },
            row.view);
    }
}

using Silences = std::map<clusters::Member*, std::optional<Time>>;

Task<void> look_at_controller(Context ctx, std::string ns, Silences::value_type& silence) {
    silence.second = co_await controller_silence(std::move(ctx), *silence.first, std::move(ns));
}

// What explain reads of a member beside what is watched there: of its controller once, however many rows wait for it.
Task<void> look_closer(Context ctx, std::string ns, std::vector<Row>& rows) {
    Silences silences;
    std::vector<Row*> looked;
    std::size_t looks = 0;
    async::Scope scope(ctx.with_timeout(kLookAtMost));
    for (Row& row : rows) {
        if (!waits_for_controller(row.said)) continue;
        bool const pods = row.is("reason", "NotReady") && looks++ < kMostLooks;
        if (pods) scope.spawn(look_at_pods(scope.context(), row));
        auto const [silence, is_new] = silences.try_emplace(row.member);
        if (is_new) scope.spawn(look_at_controller(scope.context(), ns, *silence));
        looked.push_back(&row);
    }
    co_await scope.join();
    for (Row* row : looked) {
        row->view.controller_silent = silences.at(row->member);
        row->said = explain_cluster(row->view);
    }
}

// A watch that broke a moment ago has not been refused for as long as the cluster answers.
std::optional<Time> unread_since(Row const& row, Context const& ctx) {
    Time const answers_since = row.view.reachable_since;
    client::Informer const* const copy = row.member->informer(row.view.unread_of.value_or(propagation::kRollouts));
    if (copy != nullptr && copy->last_contact() != MonotonicTime())
        return std::max(answers_since, ctx.now() - (ctx.monotonic() - copy->last_contact()));
    return answers_since == Time() ? std::nullopt : std::optional(answers_since);
}

// What is not said to have begun has stood so at least since the workload was found so, or the Rollout has been there.
std::optional<Time> since(Row const& row, Context const& ctx) {
    if (auto const said = parse_rfc3339(row.said["since"].as_string())) return said;
    if (row.is("reason", "ReadRefused")) return unread_since(row, ctx);
    if (!row.view.workload_standing) return std::nullopt;
    Time const found = row.view.workload_standing->since;
    return std::max(found, meta::created(row.view.rollout).value_or(found));
}

Gauges steps_of(Rows const& rows) {
    Gauges steps{"aviary_rollout_step", "The step that a release is in, 0 when there is none under way.", {}};
    for (Row const& row : rows.moving) {
        bool const releasing = row.is("phase", "Progressing");
        steps.samples.push_back(
            {labels_of(row.key, row.view.cluster), releasing ? static_cast<double>(row.said["step"].as_int()) : 0});
    }
    for (observe::Labels const& labels : rows.at_rest) steps.samples.push_back({labels, 0});
    return steps;
}

Gauges waits_of(std::vector<Row> const& rows, Context const& ctx) {
    Time const now = ctx.now();
    Gauges waits{"aviary_rollout_wait_seconds",
                 "How long a release has waited in a cluster; the reason is that of kubectl amc rollout explain.",
                 {}};
    for (Row const& row : rows) {
        std::string reason = row.said["reason"].string();
        if (reason.empty() || reason == "-") continue;
        observe::Labels labels = labels_of(row.key, row.view.cluster);
        labels["reason"] = std::move(reason);
        waits.samples.push_back({std::move(labels), seconds(now - since(row, ctx).value_or(now))});
    }
    return waits;
}

Gauges pods_of(std::vector<Row> const& rows) {
    Gauges pods{
        "aviary_rollout_pods", "Pods of the new version of a release under way: updated, and ready of these.", {}};
    for (Row const& row : rows) {
        if (!row.is("phase", "Progressing")) continue;
        for (auto const& [state, count] : apis::release_pods(row.view.rollout)) {
            pods.samples.push_back({labels_of(row.key, row.view.cluster), static_cast<double>(count)});
            pods.samples.back().labels["state"] = state;
        }
    }
    return pods;
}

// Since when a cluster has not answered; of one that this hub has not heard of, what an earlier one wrote.
Time last_seen(Doc const& managed_cluster, clusters::Member const* member, Time now) {
    if (member != nullptr && member->reachable()) return now;
    Time seen = member != nullptr && member->probed() ? member->since() : now;
    Doc const available = meta::condition(managed_cluster, apis::kClusterAvailable);
    auto const said = available["status"].as_string() == "True"
                          ? std::nullopt
                          : parse_rfc3339(available["lastTransitionTime"].as_string());
    if (!available.exists()) seen = std::min(seen, meta::created(managed_cluster).value_or(seen));
    return std::min(seen, said.value_or(seen));
}

Gauges members_of(clusters::Members const& members, Time now) {
    Gauges seen{"aviary_member_last_seen_seconds",
                "How long ago a cluster of the fleet was last known to answer; 0 while it does.",
                {}};
    for (Doc const& object : members.objects()) {
        if (!object.at({"spec", "hubAcceptsClient"}).as_bool()) continue;
        std::string name = meta::name(object);
        Time const last = last_seen(object, members.find(name), now);
        seen.samples.push_back({{{"cluster", std::move(name)}}, seconds(now - last)});
    }
    return seen;
}

}   // namespace

Task<std::vector<Gauges>> fleet_gauges(Context ctx, std::shared_ptr<Propagator> propagator) {
    Rows rows = rows_of(*propagator);
    co_await look_closer(ctx, propagator->members().controller_namespace(), rows.moving);
    std::vector<Gauges> all;
    all.push_back(steps_of(rows));
    all.push_back(waits_of(rows.moving, ctx));
    all.push_back(pods_of(rows.moving));
    all.push_back(members_of(propagator->members(), ctx.now()));
    all.push_back({"aviary_rollout_series_left_out",
                   "Rollouts in clusters that have no series, because there are too many.",
                   {{{}, static_cast<double>(rows.left_out)}}});
    co_return all;
}

}   // namespace aviary::proxy
