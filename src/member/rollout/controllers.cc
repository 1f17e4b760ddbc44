#include "member/rollout/controllers.h"

#include <fmt/format.h>

#include <map>

#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout_history.h"
#include "apis/rollouts/traffic_routing.h"
#include "apis/rollouts/validate.h"
#include "core/base/lasts.h"
#include "core/json/parse.h"
#include "kube/meta/object.h"
#include "member/rollout/decide.h"
#include "member/rollout/internal/batch_machine.h"
#include "member/traffic/gateway.h"
#include "member/traffic/services.h"
#include "member/workload/roller.h"

namespace aviary::rollout {

namespace {

using control::Controller;
using control::Key;
using control::Plan;
using json::Doc;

// A status that differs in counts alone is written at most this often.
constexpr Duration kCountsInterval = std::chrono::seconds(2);

bool is_deployment(Doc const& reference) {
    return meta::parse_api_version(reference["apiVersion"].as_string()).first == "apps" &&
           reference["kind"].as_string() == "Deployment";
}

std::vector<std::string> workload_of(Doc const& object) {
    Doc const reference = object.at({"spec", "workloadRef"});
    return {workload::workload_id({meta::ns(object), reference["name"].string()}, reference["apiVersion"].as_string(),
                                  reference["kind"].as_string())};
}

// What is looked at for the traffic of an object of that namespace.
std::vector<std::string> names_of(std::optional<apis::TrafficRoutingRef> const& routing, std::string const& ns) {
    if (!routing) return {};
    std::vector<std::string> names{ns + "/Service./" + routing->service,
                                   ns + "/Service./" + traffic::canary_name(routing->service)};
    for (traffic::Target const& each : traffic::targets_of(*routing, ns)) names.push_back(ns + "/" + each.label());
    if (!routing->gateway) return names;
    for (meta::GroupVersionKind const& pool : traffic::pool_kinds())
        names.push_back(fmt::format("{}/{}.{}/{}", ns, pool.kind, pool.group, traffic::canary_name(routing->service)));
    return names;
}

std::vector<std::string> traffic_of(Doc const& rollout) {
    return names_of(apis::traffic_routing_of(rollout), meta::ns(rollout));
}

// The entry of a TrafficRouting that counts.
std::optional<apis::TrafficRoutingRef> first_entry(Doc const& routing) {
    auto const read = apis::read_traffic_routing(routing);
    return read && !read->spec.object_ref.empty() ? std::optional(read->spec.object_ref.front()) : std::nullopt;
}

// Of a Rollout, the TrafficRouting that it names.
std::vector<Key> shared_routing_of(Doc const& rollout) {
    std::string const name = apis::shared_routing_name(rollout);
    if (name.empty()) return {};
    return {{"", {meta::ns(rollout), name}}};
}

// The name of its group, in its namespace; empty: it has none.
std::string group_of(Doc const& rollout) {
    std::string const group = meta::annotation(rollout, apis::kGroupAnnotation);
    return group.empty() ? group : meta::ns(rollout) + "/" + group;
}

std::vector<Key> keys_by(client::Informer const& informer, std::string const& index, std::string const& value) {
    std::vector<Key> keys;
    for (Doc const& each : informer.by_index(index, value)) keys.push_back({"", meta::key_of(each)});
    return keys;
}

// A plan that does nothing but wait.
Plan waiting(control::Wait wait) { return {.writes = {}, .events = {}, .waits = {std::move(wait)}, .requeue = {}}; }

// What a plan waits for as long as an informer of traffic is not read.
Plan reading() {
    return waiting({"TrafficRouting", "Services, routes and scripts are being read", std::nullopt, "they are", {}});
}

// Changes of what is routed mark those objects of `informer` that name it, in the index "traffic"; `entry` is what they
// say of it.
void watch_traffic(Controller& controller, client::Informer& informer, traffic::Sources& traffic,
                   std::optional<apis::TrafficRoutingRef> (*entry)(Doc const&)) {
    traffic.on_start([&controller, &informer](client::Informer& routed, std::string const& kind) {
        std::string const label = kind + "." + routed.resource().group;
        controller.watch(routed, [&informer, label](Doc const& object) {
            return keys_by(informer, "traffic", meta::ns(object) + "/" + label + "/" + meta::name(object));
        });
    });
    traffic.on_change([&controller, &informer, entry] {
        for (auto const& [key, each] : informer.objects()) {
            if (entry(each)) controller.enqueue({"", key});
        }
    });
}

// `workload` is a workload_id(); empty: none.
std::vector<Key> keys_of(client::Informer const& informer, std::string const& workload) {
    return workload.empty() ? std::vector<Key>() : keys_by(informer, "workload", workload);
}

std::vector<Key> own_key(Doc const& object) { return {{"", meta::key_of(object)}}; }

// Everything of a workload marks the objects of `informer` that point at it.
void watch_workloads(Controller& controller, client::Informer& informer, workload::Sources& workloads) {
    auto const all = [&controller, &informer] {
        for (auto const& [key, object] : informer.objects()) controller.enqueue({"", key});
    };
    auto const owned = [&informer, &workloads](Doc const& object) {
        return keys_of(informer, workloads.workload_of(object));
    };
    controller.watch(workloads.deployments(), [&informer, &workloads](Doc const& object) {
        return keys_of(informer, workload::deployment_id(workloads.deployment_of(object)));
    });
    controller.watch(workloads.replica_sets(), [&informer, &workloads](Doc const& object) {
        auto const deployment = workloads.deployment_of_replica_set(object);
        return keys_of(informer, deployment ? workload::deployment_id(*deployment) : std::string());
    });
    controller.watch(workloads.pods(), owned);
    controller.watch_if_shown(workloads.revisions(), owned);
    controller.watch_if_shown(workloads.autoscalers(), [&informer](Doc const& object) {
        return keys_of(informer, workload::scaled_workload(object));
    });
    // There may be none: nothing else tells who waits for them that they can be read.
    for (client::Informer* each : {&workloads.autoscalers(), &workloads.revisions()}) each->on_return(all);
    workloads.on_change(all);
    workloads.each_set([&controller, &informer](client::Informer& sets, workload::SetKind const& kind) {
        auto const of_set = [&informer, kind](Doc const& object) {
            return keys_of(informer, kind.id_of(meta::key_of(object)));
        };
        if (kind.native) {
            controller.watch_if_shown(sets, of_set);
        } else {
            controller.watch(sets, of_set);
        }
    });
}

bool writes_status(Plan const& plan) {
    for (control::Write const& write : plan.writes) {
        if (write.subresource == "status") return true;
    }
    return false;
}

// When counts of a key may be written again.
class CountsTimes {
public:
    std::optional<Time> next(Key const& key, Time now) const {
        auto const found = written_.find(key);
        bool const waits = found != written_.end() && lasts(found->second, kCountsInterval, now);
        return waits ? std::optional(found->second + kCountsInterval) : std::nullopt;
    }
    void note(Key const& key, Plan const& plan, bool exists, Time now) {
        if (!exists) {
            written_.erase(key);
        } else if (writes_status(plan)) {
            written_[key] = now;
        }
    }

private:
    std::map<Key, Time> written_;
};

// What a Rollout or a BatchRelease waits for as long as its workload cannot be read: it may be there.
std::optional<control::Wait> unread(workload::Sources::Reading const& reading, Doc const& owner) {
    Doc const reference = owner.at({"spec", "workloadRef"});
    std::string const name = fmt::format("{} {}", reference["kind"].as_string(), reference["name"].as_string());
    if (!reading.known) {
        return control::Wait{"WorkloadUnread",
                             fmt::format("{}: whether the cluster has such workloads is being found out", name),
                             std::nullopt,
                             "it is",
                             {}};
    }
    if (reading.unread.empty()) return std::nullopt;
    std::string const resource = reading.kind->resource + (reading.kind->native ? "" : "." + reading.kind->group);
    return control::Wait{"WorkloadUnread", fmt::format("{} cannot be read: {}", name, reading.unread), std::nullopt,
                         fmt::format("the member controller may list {} and controllerrevisions{}", resource,
                                     reading.kind->deletes_pods ? ", and delete pods" : ""),
                         "cluster owner"};
}

// What both wait for while nobody can say which version a workload's template is: of a custom kind its controller does;
// of others, too, where that has thrown the ControllerRevision of the version before away, as it may once all pods have
// the new one, and that may be the one that has been put back.
std::optional<control::Wait> unobserved(workload::SetKind const* kind, workload::Workload const* workload,
                                        Doc const& owner) {
    if (kind == nullptr || workload == nullptr || meta::is_deleting(owner)) return std::nullopt;
    if (workload->facts().unnamed) {
        return control::Wait{"WorkloadUnread",
                             fmt::format("{} {}: its controller has not said whether this is the version before",
                                         kind->kind, workload->key().name),
                             std::nullopt, "it has made a ControllerRevision of the template",
                             "the controller of its kind"};
    }
    if (!kind->labelled || !workload->facts().unit_revision.empty()) return std::nullopt;
    return control::Wait{
        "WorkloadUnread",
        fmt::format("{} {}: its controller has not said which version it has", kind->kind, workload->key().name),
        std::nullopt, "its status.observedGeneration is its generation, and status.updateRevision is there",
        "the controller of its kind"};
}

struct Found {
    std::unique_ptr<workload::Workload> workload;   // null: there is none
    std::vector<control::Write> strays;             // then: what takes away what was made beside it
    bool unlabelled = false;                        // one is there that cannot be released as it is
};

Found find_workload(Sources& sources, Doc const& owner, workload::SetKind const* kind, workload::Style style,
                    Time now) {
    Doc const reference = owner.at({"spec", "workloadRef"});
    if (kind != nullptr) {
        workload::NativeSetInputs inputs = sources.workloads.set(reference, meta::ns(owner));
        if (kind->labelled && inputs.set.exists() && !apis::is_like_stateful_set(inputs.set))
            return {nullptr, {}, true};
        if (inputs.set.exists() && !meta::is_deleting(inputs.set))
            return {kind->observe(std::move(inputs), style.name, now), {}, false};
        return {nullptr, workload::tidy_set(inputs), false};
    }
    if (!is_deployment(reference)) return {};
    workload::DeploymentInputs inputs = sources.workloads.deployment({meta::ns(owner), reference["name"].string()});
    if (!inputs.deployment.exists() || meta::is_deleting(inputs.deployment))
        return {nullptr, workload::tidy_deployment(inputs), false};
    return {workload::observe_deployment(std::move(inputs), std::move(style), now), {}, false};
}

class RolloutReconciler final : public control::Reconciler {
public:
    RolloutReconciler(client::Client client, Sources& sources) : client_(std::move(client)), sources_(sources) {}

    Plan decide(Key const& key, Time now) override {
        RolloutSeen seen;
        seen.rollout = sources_.rollouts.get(key.object);
        if (!seen.rollout.exists()) {
            counts_.note(key, {}, false, now);
            return {};
        }
        Doc const reference = seen.rollout.at({"spec", "workloadRef"});
        auto const kind = sources_.workloads.reading(reference);
        if (auto wait = unread(kind, seen.rollout)) return waiting(std::move(*wait));
        seen.batch_release = sources_.batch_releases.get(key.object);
        seen.kind_supported = kind.kind != nullptr || is_deployment(reference);
        seen.kind_served = kind.served;
        Found const found =
            find_workload(sources_, seen.rollout, kind.kind, workload::style_of_rollout(seen.rollout), now);
        workload::Workload const* const workload = seen.workload = found.workload.get();
        if (auto wait = unobserved(kind.kind, workload, seen.rollout)) return waiting(std::move(*wait));
        seen.unlabelled = found.unlabelled;
        seen.controlled_by_other = workload != nullptr && controlled_by_other(*workload, key.object.name);
        if (workload != nullptr && workload->facts().held_by != key.object.name) {
            seen.held_by_another = sources_.rollouts.get({key.object.ns, workload->facts().held_by}).exists();
        }
        seen.counts_after = counts_.next(key, now);
        if (auto const routing = apis::traffic_routing_of(seen.rollout)) {
            auto known = sources_.traffic.see(*routing, key.object.ns);
            if (!known) return reading();
            seen.traffic = std::move(*known);
        }
        std::string const shared = apis::shared_routing_name(seen.rollout);
        if (!shared.empty()) seen.shared_routing = sources_.traffic_routings.get({key.object.ns, shared});
        seen.group = companions(seen.rollout);
        seen.refused = controller_->refusal(key);
        Plan plan = decide_rollout(seen, now);
        counts_.note(key, plan, true, now);
        return plan;
    }
    client::Client const& client_for(Key const&) override { return client_; }
    // Whose error of the last time is looked at.
    void runs_in(Controller const& controller) { controller_ = &controller; }

private:
    std::vector<Companion> companions(Doc const& rollout) const {
        std::vector<Companion> others;
        std::string const group = group_of(rollout);
        if (group.empty()) return others;
        for (Doc const& each : sources_.rollouts.by_index("group", group)) {
            bool const in_force = !each.at({"spec", "disabled"}).as_bool() && !meta::is_deleting(each);
            if (in_force && meta::name(each) != meta::name(rollout))
                others.push_back({each, sources_.batch_releases.get(meta::key_of(each))});
        }
        return others;
    }

    bool controlled_by_other(workload::Workload const& workload, std::string const& name) const {
        if (workload.facts().controller_uid.empty()) return false;
        auto const info = json::parse(meta::annotation(workload.object(), apis::kControlInfoAnnotation));
        if (!info || (*info)["name"].as_string() == name) return false;
        Doc const holder = sources_.batch_releases.get({meta::ns(workload.object()), (*info)["name"].string()});
        return holder.exists() && meta::uid(holder) == workload.facts().controller_uid;
    }

    client::Client client_;
    Controller const* controller_ = nullptr;
    Sources& sources_;
    CountsTimes counts_;
};

// What else a BatchRelease goes by, put into `seen`; the workload lives as long as what is returned.
std::unique_ptr<workload::Workload> look_at(Sources& sources, BatchReleaseSeen& seen, workload::SetKind const* kind,
                                            Time now) {
    if (auto const owner = meta::controller_of(seen.batch_release))
        seen.rollout = sources.rollouts.get({meta::ns(seen.batch_release), owner->name});
    Found found =
        find_workload(sources, seen.batch_release, kind, workload::style_of_batch_release(seen.batch_release), now);
    seen.workload = found.workload.get();
    seen.strays = std::move(found.strays);
    return std::move(found.workload);
}

class BatchReleaseReconciler final : public control::Reconciler {
public:
    BatchReleaseReconciler(client::Client client, Sources& sources) : client_(std::move(client)), sources_(sources) {}

    Plan decide(Key const& key, Time now) override {
        BatchReleaseSeen seen;
        seen.batch_release = sources_.batch_releases.get(key.object);
        if (!seen.batch_release.exists()) {
            counts_.note(key, {}, false, now);
            return {};
        }
        auto const kind = sources_.workloads.reading(seen.batch_release.at({"spec", "workloadRef"}));
        if (auto wait = unread(kind, seen.batch_release)) return waiting(std::move(*wait));
        auto const workload = look_at(sources_, seen, kind.kind, now);
        if (auto wait = unobserved(kind.kind, seen.workload, seen.batch_release)) return waiting(std::move(*wait));
        seen.counts_after = counts_.next(key, now);
        seen.refused = controller_->refusal(key);
        Plan plan = decide_batch_release(seen, now);
        counts_.note(key, plan, true, now);
        return plan;
    }
    client::Client const& client_for(Key const&) override { return client_; }
    void runs_in(Controller const& controller) { controller_ = &controller; }

private:
    client::Client client_;
    Controller const* controller_ = nullptr;
    Sources& sources_;
    CountsTimes counts_;
};

template <class Of>
std::unique_ptr<Controller> make_controller(std::string name, client::Client client, Sources& sources) {
    auto reconciler = std::make_unique<Of>(std::move(client), sources);
    Of& made = *reconciler;
    auto controller =
        std::make_unique<Controller>(control::ControllerOptions{.name = std::move(name)}, std::move(reconciler));
    made.runs_in(*controller);
    return controller;
}

class TrafficRoutingReconciler final : public control::Reconciler {
public:
    TrafficRoutingReconciler(client::Client client, Sources& sources) : client_(std::move(client)), sources_(sources) {}

    Plan decide(Key const& key, Time now) override {
        TrafficRoutingSeen seen;
        seen.traffic_routing = sources_.traffic_routings.get(key.object);
        if (!seen.traffic_routing.exists()) {
            rests_since_.erase(key);
            return {};
        }
        for (std::string& name : apis::holders_of(seen.traffic_routing)) {
            Doc const holder = sources_.rollouts.get({key.object.ns, name});
            bool const holds = holder.exists() && apis::shared_routing_name(holder) == key.object.name;
            if (!holds) seen.strays.push_back(std::move(name));
        }
        if (auto const routing = first_entry(seen.traffic_routing)) {
            auto known = sources_.traffic.see(*routing, key.object.ns);
            if (!known) return reading();
            seen.traffic = std::move(*known);
        }
        seen.rests_since = rests_since_[key];
        TrafficRoutingDecision decision = decide_traffic_routing(seen, now);
        rests_since_[key] = decision.rests_since;
        return std::move(decision.plan);
    }
    client::Client const& client_for(Key const&) override { return client_; }

private:
    client::Client client_;
    Sources& sources_;
    std::map<Key, std::optional<Time>> rests_since_;
};

class Roller final : public control::Reconciler {
public:
    Roller(client::Client client, Sources& sources) : client_(std::move(client)), sources_(sources) {}

    Plan decide(Key const& key, Time now) override {
        workload::DeploymentInputs const inputs = sources_.workloads.deployment(key.object);
        if (!inputs.deployment.exists()) return {};
        std::string const text = meta::annotation(inputs.deployment, apis::kControlInfoAnnotation);
        if (text.empty()) return {};
        auto const info = json::parse(text);
        if (!info) return {};
        Doc const holder = sources_.batch_releases.get({key.object.ns, (*info)["name"].string()});
        if (!workload::rolls(inputs.deployment, holder)) return {};
        return workload::decide_roll(inputs, holder, deployment_to_come(key, holder, now));
    }
    client::Client const& client_for(Key const&) override { return client_; }

private:
    Doc deployment_to_come(Key const& key, Doc const& holder, Time now) const {
        Doc const reference = holder.at({"spec", "workloadRef"});
        if (!is_deployment(reference) || reference["name"].as_string() != key.object.name) return {};
        if (unread(sources_.workloads.reading(reference), holder)) return {};
        BatchReleaseSeen seen;
        seen.batch_release = holder;
        auto const workload = look_at(sources_, seen, nullptr, now);
        return rollout::deployment_to_come(seen, now).value_or(Doc());
    }

    client::Client client_;
    Sources& sources_;
};

}   // namespace

Sources::Sources(client::Client const& client, std::string const& ns, Features features)
    : rollouts(client, apis::kRollouts),
      batch_releases(client, apis::kBatchReleases),
      traffic_routings(client, apis::kTrafficRoutings),
      histories(client, apis::kRolloutHistories),
      features(features),
      workloads(client, features.labelled_kinds),
      traffic(client, ns) {
    rollouts.add_index("traffic", traffic_of);
    rollouts.on_change([this](client::Change const& change) {
        if (auto const routing = apis::traffic_routing_of(change.after)) traffic.want(*routing);
    });
    traffic_routings.add_index("traffic",
                               [](Doc const& routing) { return names_of(first_entry(routing), meta::ns(routing)); });
    traffic_routings.on_change([this](client::Change const& change) {
        if (auto const routing = first_entry(change.after)) traffic.want(*routing);
    });
    rollouts.add_index("routing", [](Doc const& rollout) {
        std::vector<std::string> names;
        for (Key const& each : shared_routing_of(rollout)) names.push_back(each.object.to_string());
        return names;
    });
    rollouts.add_index("group", [](Doc const& rollout) {
        std::string group = group_of(rollout);
        return group.empty() ? std::vector<std::string>() : std::vector{std::move(group)};
    });
    histories.add_index("rollout", [](Doc const& history) {
        return std::vector<std::string>{meta::ns(history) + "/" + history.at({"spec", "rollout", "name"}).string()};
    });
    for (client::Informer* each : {&rollouts, &batch_releases}) {
        each->add_index("workload", workload_of);
        each->on_change(
            [this](client::Change const& change) { workloads.want(change.after.at({"spec", "workloadRef"})); });
    }
}

void Sources::run(async::Scope& scope) {
    scope.spawn(rollouts.run(scope.context()));
    scope.spawn(batch_releases.run(scope.context()));
    scope.spawn(traffic_routings.run(scope.context()));
    if (features.rollout_history) scope.spawn(histories.run(scope.context()));
    workloads.run(scope);
    scope.spawn(traffic.run(scope.context()));
}

bool Sources::synced() const {
    return rollouts.synced() && batch_releases.synced() && traffic_routings.synced() && workloads.synced();
}

std::unique_ptr<Controller> make_rollout_controller(client::Client client, Sources& sources) {
    auto controller = make_controller<RolloutReconciler>("rollout-controller", std::move(client), sources);
    controller->watch(sources.rollouts, own_key);
    controller->watch(sources.batch_releases, own_key);
    auto const companions_of = [&sources](Doc const& rollout) {
        std::string const group = group_of(rollout);
        return group.empty() ? std::vector<Key>() : keys_by(sources.rollouts, "group", group);
    };
    controller->watch(sources.rollouts, companions_of);
    controller->watch(sources.batch_releases, [&sources, companions_of](Doc const& object) {
        return companions_of(sources.rollouts.get(meta::key_of(object)));
    });
    watch_workloads(*controller, sources.rollouts, sources.workloads);
    controller->watch(sources.traffic_routings, [&sources](Doc const& object) {
        return keys_by(sources.rollouts, "routing", meta::key_of(object).to_string());
    });
    watch_traffic(*controller, sources.rollouts, sources.traffic, apis::traffic_routing_of);
    return controller;
}

std::unique_ptr<Controller> make_batch_release_controller(client::Client client, Sources& sources) {
    auto controller = make_controller<BatchReleaseReconciler>("batchrelease-controller", std::move(client), sources);
    controller->watch(sources.batch_releases, own_key);
    controller->watch(sources.rollouts, own_key);   // theirs have their names
    watch_workloads(*controller, sources.batch_releases, sources.workloads);
    return controller;
}

std::unique_ptr<Controller> make_traffic_routing_controller(client::Client client, Sources& sources) {
    auto controller =
        std::make_unique<Controller>(control::ControllerOptions{.name = "trafficrouting-controller"},
                                     std::make_unique<TrafficRoutingReconciler>(std::move(client), sources));
    controller->watch(sources.traffic_routings, own_key);
    controller->watch(sources.rollouts, shared_routing_of);
    watch_traffic(*controller, sources.traffic_routings, sources.traffic, first_entry);
    return controller;
}

std::unique_ptr<Controller> make_roller(client::Client client, Sources& sources) {
    auto controller = std::make_unique<Controller>(control::ControllerOptions{.name = "advanced-deployment-controller"},
                                                   std::make_unique<Roller>(std::move(client), sources));
    workload::Sources& workloads = sources.workloads;
    controller->watch(workloads.deployments(), own_key);
    controller->watch(workloads.replica_sets(), [&workloads](Doc const& object) {
        auto const deployment = workloads.deployment_of_replica_set(object);
        return deployment ? std::vector<Key>{{"", *deployment}} : std::vector<Key>();
    });
    controller->watch(sources.batch_releases, [](Doc const& object) {
        return std::vector<Key>{{"", {meta::ns(object), object.at({"spec", "workloadRef", "name"}).string()}}};
    });
    return controller;
}

}   // namespace aviary::rollout
