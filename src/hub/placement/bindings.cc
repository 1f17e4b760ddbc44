#include "hub/placement/bindings.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "apis/cluster/managed_cluster_set.h"
#include "apis/policy/propagation_policy.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "hub/placement/place.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::placement {

namespace {

using control::Key;
using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

// A key's part names the kind: "apps/v1/Deployment".
std::string part_of(meta::GroupVersionKind const& kind) {
    return fmt::format("{}/{}/{}", kind.group, kind.version, kind.kind);
}

meta::GroupVersionKind kind_of_part(std::string_view part) {
    auto const parts = split(part, '/');
    return parts.size() == 3
               ? meta::GroupVersionKind{std::string(parts[0]), std::string(parts[1]), std::string(parts[2])}
               : meta::GroupVersionKind{};
}

Value write_spec(apis::FleetBindingSpec const& spec) { return apis::write_fleet_binding_spec(spec); }

// With `after` in the place of `before`, either of which may be absent.
std::vector<Doc> replaced(std::vector<Doc> objects, Doc const& before, Doc const& after) {
    if (before.exists()) std::erase_if(objects, [&](Doc const& each) { return meta::uid(each) == meta::uid(before); });
    if (after.exists()) objects.push_back(after);
    return objects;
}

std::vector<Target> targets_of(apis::FleetBindingSpec const& spec) {
    std::vector<Target> targets;
    for (apis::BoundCluster const& cluster : spec.clusters) targets.push_back({cluster.name, cluster.replicas});
    return targets;
}

// A version that was taken back in every cluster does not begin in one that comes: the pin that it gets; else nothing.
apis::BoundCluster rejected_everywhere(apis::FleetBindingSpec const& spec) {
    apis::BoundCluster pin;
    if (spec.clusters.empty()) return pin;
    apis::BoundCluster const& first = spec.clusters.front();
    bool const all = std::ranges::all_of(spec.clusters, [&](apis::BoundCluster const& each) {
        return !each.rejected.empty() && each.rejected == first.rejected;
    });
    if (!all) return pin;
    pin.revision = first.revision;
    pin.rejected = first.rejected;
    return pin;
}

}   // namespace

meta::ObjectKey binding_key(meta::GroupVersionKind const& kind, meta::ObjectKey const& object) {
    bool const plain = kind.group.empty() || kind.group == "apps" || kind.group == "rollouts.kruise.io";
    std::string const prefix = to_lower(kind.kind) + (plain ? "" : "." + kind.group);
    return {object.ns, meta::fitting_name(prefix + "-" + object.name)};
}

meta::GroupVersionResource const& binding_resource(meta::ObjectKey const& binding) {
    return binding.ns.empty() ? apis::kClusterFleetBindings : apis::kFleetBindings;
}

Write clusters_write(Doc const& binding, apis::FleetBindingSpec const& spec, std::string why) {
    Write write;
    write.key = meta::key_of(binding);
    write.resource = binding_resource(write.key);
    write.body["spec"]["clusters"] = write_spec(spec)["clusters"];
    write.body.set({"metadata", "resourceVersion"}, meta::resource_version(binding));
    write.why = std::move(why);
    return write;
}

Bindings::Bindings(client::Client hub)
    : namespaced_(hub, apis::kFleetBindings), cluster_scoped_(hub, apis::kClusterFleetBindings) {}

Doc Bindings::get(meta::ObjectKey const& key) const { return of(key.ns.empty()).get(key); }

std::shared_ptr<apis::FleetBindingSpec const> Bindings::spec(meta::ObjectKey const& key) const {
    Doc const binding = get(key);
    if (!binding.exists()) {
        read_.erase(key);
        return nullptr;
    }
    Read& known = read_[key];
    bool const same =
        known.binding.same(binding) || (known.binding.exists() && known.binding["spec"] == binding["spec"]);
    if (!same) {
        auto read = apis::read_fleet_binding(binding);
        known.spec = read ? std::make_shared<apis::FleetBindingSpec const>(std::move(read->spec)) : nullptr;
    }
    known.binding = binding;
    return known.spec;
}

Task<Status> Bindings::wait_synced(Context ctx) {
    CO_TRY(co_await namespaced_.wait_synced(ctx));
    CO_TRY(co_await cluster_scoped_.wait_synced(ctx));
    co_return Status{};
}

Task<void> Bindings::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(namespaced_.run(scope.context()));
    scope.spawn(cluster_scoped_.run(scope.context()));
    co_await scope.join();
}

struct Placer::Impl {
    Impl(client::Client hub, Sources& sources, Bindings& bindings, client::Informer& managed_clusters, Allowed allowed)
        : hub(std::move(hub)), sources(sources), bindings(bindings), managed_clusters(managed_clusters) {
        for (auto const& resource : {apis::kPropagationPolicies, apis::kClusterPropagationPolicies,
                                     apis::kKarmadaPropagationPolicies, apis::kKarmadaClusterPropagationPolicies}) {
            policies.push_back(std::make_unique<client::Informer>(this->hub, resource));
        }
        if (allowed == Allowed::kEverywhere) return;
        cluster_sets = std::make_unique<client::Informer>(this->hub, apis::kManagedClusterSets);
        set_bindings = std::make_unique<client::Informer>(this->hub, apis::kManagedClusterSetBindings);
    }

    client::Client hub;
    Sources& sources;
    Bindings& bindings;
    client::Informer& managed_clusters;
    std::vector<std::unique_ptr<client::Informer>> policies;
    std::unique_ptr<client::Informer> cluster_sets, set_bindings;   // null where no binding is required
    std::unique_ptr<control::Controller> controller;

    std::vector<client::Informer*> informers() const {
        std::vector<client::Informer*> result;
        for (auto const& informer : policies) result.push_back(informer.get());
        for (auto const* informer : {&cluster_sets, &set_bindings}) {
            if (*informer) result.push_back(informer->get());
        }
        return result;
    }
    bool synced() const {
        return std::ranges::all_of(informers(), [](client::Informer const* each) { return each->synced(); });
    }

    std::vector<Doc> all_policies() const {
        std::vector<Doc> result;
        for (auto const& informer : policies) {
            std::ranges::copy(informer->all(), std::back_inserter(result));
        }
        return result;
    }

    std::vector<Doc> policies_after(Doc const& before, Doc const& after) const {
        return replaced(all_policies(), before, after);
    }

    std::vector<Doc> all_clusters() const { return managed_clusters.all(); }

    // What place() is to know of sets for an object of this namespace, once `before` is replaced by `after`.
    std::optional<ClusterSets> sets_after(std::string const& ns, Doc const& before = {}, Doc const& after = {}) const {
        if (!cluster_sets) return std::nullopt;
        ClusterSets sets{cluster_sets->all(), set_bindings->list(ns)};
        std::string_view const kind = (before.exists() ? before : after)["kind"].as_string();
        if (kind == "ManagedClusterSet") sets.sets = replaced(std::move(sets.sets), before, after);
        if (kind == "ManagedClusterSetBinding") sets.bindings = replaced(std::move(sets.bindings), before, after);
        return sets;
    }

    // Where an object goes; `bound` is where it is now. Without a policy, absent: nothing is said about it.
    std::optional<Result<Placement>> placement_of(Doc const& object, Doc const& policy,
                                                  apis::FleetBindingSpec const& bound,
                                                  std::optional<ClusterSets> const& sets) const {
        std::vector<Target> const previous = targets_of(bound);
        if (policy.exists()) return place(object, policy, all_clusters(), previous, sets ? &*sets : nullptr);
        bool const limited = sets && bound.policy && bound.policy->kind == "PropagationPolicy";
        if (!limited) return std::nullopt;
        return stay(bound.policy->ns, previous, all_clusters(), *sets);
    }

    // Everything a policy may concern: all objects of the kinds it names.
    void enqueue_kinds(Doc const& policy) {
        for (auto const& [index, selector] : policy.at({"spec", "resourceSelectors"}).elements()) {
            auto const [group, version] = meta::parse_api_version(selector["apiVersion"].as_string());
            meta::GroupVersionKind const kind{group, version, selector["kind"].string()};
            sources.want(kind);
            Sources::Kind const* const known = sources.find(kind);
            if (known == nullptr) continue;
            for (auto const& [key, object] : known->informer->objects()) controller->enqueue({part_of(kind), key});
        }
    }

    Plan decide(Key const& key) {
        Plan plan;
        meta::GroupVersionKind const kind = kind_of_part(key.part);
        Doc const source = sources.get(kind, key.object);
        meta::ObjectKey const name = binding_key(kind, key.object);
        Doc const binding = bindings.get(name);
        Sources::Kind const* const known = sources.find(kind);
        if (known == nullptr || !known->informer->synced() || !bindings.synced() || !managed_clusters.synced() ||
            !synced())
            return plan;
        // Waits, being deleted, for what it leaves behind: until then it is where it was.
        if (meta::is_deleting(source) && meta::has_finalizer(source, kOnDeleteFinalizer)) return plan;
        bool const gone = !source.exists() || meta::is_deleting(source);
        if (gone) {
            if (binding.exists() && !meta::is_deleting(binding))
                plan.writes.push_back(control::deletion(binding_resource(name), binding, "the object is gone"));
            return plan;
        }
        if (meta::is_deleting(binding)) {   // ends first, and begins anew when it is gone
            announce(plan, kind, source, name, binding);
            return plan;
        }

        apis::FleetBindingSpec before;
        apis::FleetBindingStatus status;
        if (auto const read = apis::read_fleet_binding(binding); binding.exists() && read) {
            before = read->spec;
            status = read->status;
        }
        Doc const policy = policy_for(source, all_policies(), before.policy);
        // Without a policy what is placed stays where it is, and follows the hub (Karmada): taking a policy away is no
        // way to end what serves.
        auto const answer = placement_of(source, policy, before, sets_after(key.object.ns));
        if (!answer) return plan;
        Result<Placement> const& placed = *answer;

        apis::FleetBindingSpec spec = before;
        apis::FleetBindingStatus next_status = status;
        next_status.rejected.clear();
        if (placed) {
            spec.resource = {source["apiVersion"].string(), source["kind"].string(), meta::ns(source),
                             meta::name(source), meta::uid(source)};
            if (policy.exists()) follow(policy, spec);
            spec.clusters.clear();
            apis::BoundCluster const inherited = rejected_everywhere(before);
            for (Target const& target : placed->targets) {
                apis::BoundCluster bound = inherited;
                auto const old = std::ranges::find(before.clusters, target.cluster, &apis::BoundCluster::name);
                if (old != before.clusters.end()) bound = *old;
                bound.name = target.cluster;
                bound.replicas = target.replicas;
                spec.clusters.push_back(std::move(bound));
            }
            for (Rejected const& rejected : placed->rejected) {
                if (next_status.rejected.size() < kMaxRejected)
                    next_status.rejected.push_back({rejected.cluster, rejected.reason, rejected.message});
            }
            // Without a policy nothing is chosen anew: why a cluster was left stays known.
            if (!policy.exists()) {
                for (auto const& row : status.rejected) {
                    bool const told =
                        std::ranges::find(placed->rejected, row.name, &Rejected::cluster) != placed->rejected.end();
                    bool const there =
                        std::ranges::find(placed->targets, row.name, &Target::cluster) != placed->targets.end();
                    if (!told && !there) next_status.rejected.push_back(row);
                }
            }
        }
        if (!binding.exists()) {
            if (!placed)
                return plan;   // said once there is something to say it on; the policy was refused by its validation
            Write write;
            write.verb = Write::Verb::kCreate;
            write.resource = binding_resource(name);
            write.key = name;
            write.body = json::Object{{"apiVersion", "fleet.aviary.dev/v1alpha1"},
                                      {"kind", name.ns.empty() ? "ClusterFleetBinding" : "FleetBinding"}};
            write.body.set({"metadata", "finalizers"}, json::Array{kBindingFinalizer});
            write.body.set({"metadata", "ownerReferences"}, json::Array{owned_by(source)});
            write.body["spec"] = write_spec(spec);
            write.ignore_already_exists = true;
            write.why = "bind";
            plan.writes.push_back(std::move(write));
            return plan;
        }
        if (!(spec == before)) {
            Write write;
            write.resource = binding_resource(name);
            write.key = name;
            write.body["spec"] = write_spec(spec);
            write.body.set({"metadata", "resourceVersion"}, meta::resource_version(binding));
            if (spec.resource.uid != before.resource.uid)
                write.body.set({"metadata", "ownerReferences"}, json::Array{owned_by(source)});
            write.why = "placement";
            plan.writes.push_back(std::move(write));
        }
        if (!(next_status.rejected == status.rejected)) {
            Write write;
            write.resource = binding_resource(name);
            write.key = name;
            write.subresource = "status";
            Value const written = apis::write_fleet_binding_status(next_status);
            write.body.set({"status", "rejected"},
                           written.contains("rejected") ? written["rejected"] : Value(json::Array()));
            write.why = "rejected clusters";
            plan.writes.push_back(std::move(write));
        }
        return plan;
    }

    static Value owned_by(Doc const& source) {
        return meta::to_value({source["apiVersion"].string(), source["kind"].string(), meta::name(source),
                               meta::uid(source), true, false});
    }

    // Of a Rollout that was created anew and will be bound, to what is ending for it.
    void announce(Plan& plan, meta::GroupVersionKind const& kind, Doc const& source, meta::ObjectKey const& name,
                  Doc const& binding) {
        bool const rollout = kind.group == apis::kRollouts.group && kind.kind == "Rollout";
        if (!rollout || meta::annotation(binding, kSucceededBy) == meta::uid(source)) return;
        auto const placed =
            placement_of(source, policy_for(source, all_policies(), {}), {}, sets_after(std::string(meta::ns(source))));
        if (!placed || !*placed || (*placed)->targets.empty()) return;
        Write write;
        write.resource = binding_resource(name);
        write.key = name;
        write.body.set({"metadata", "resourceVersion"}, meta::resource_version(binding));
        write.body.set({"metadata", "annotations", kSucceededBy}, meta::uid(source));
        write.why = "the next one of its name waits";
        plan.writes.push_back(std::move(write));
    }

    static void follow(Doc const& policy, apis::FleetBindingSpec& spec) {
        spec.policy = apis::BoundPolicy{policy["apiVersion"].string(), policy["kind"].string(), meta::ns(policy),
                                        meta::name(policy)};
        spec.preserve_resources_on_deletion = policy.at({"spec", "preserveResourcesOnDeletion"}).as_bool();
        spec.conflict_resolution = policy.at({"spec", "conflictResolution"}).as_string("Abort");
    }

    // Those of one namespace; of all when it is empty.
    void enqueue_objects(std::string_view ns) {
        for (Sources::Kind const* kind : sources.all()) {
            for (auto const& [key, object] : kind->informer->objects()) {
                if (ns.empty() || key.ns == ns) controller->enqueue({part_of(kind->kind), key});
            }
        }
    }

    void watch_sets() {
        for (client::Informer* informer : {cluster_sets.get(), set_bindings.get()}) {
            controller->watch(*informer, [](Doc const&) { return std::vector<Key>(); });
            informer->on_change([this](client::Change const& change) {
                bool const same = change.before.exists() && change.after.exists() &&
                                  change.before["spec"] == change.after["spec"] &&
                                  meta::is_deleting(change.before) == meta::is_deleting(change.after);
                if (!same) enqueue_objects(meta::ns(change.object()));
            });
        }
    }

    void build() {
        control::ControllerOptions options;
        options.name = "placement";
        controller = std::make_unique<control::Controller>(
            options,
            std::make_unique<control::FunctionReconciler>([this](Key const& key, Time) { return decide(key); },
                                                          [this](Key const&) -> client::Client const& { return hub; }));
        for (auto const& informer : policies) {
            controller->watch(*informer, [](Doc const&) { return std::vector<Key>(); });
            informer->on_change([this](client::Change const& change) {
                if (change.before.exists()) enqueue_kinds(change.before);
                if (change.after.exists()) enqueue_kinds(change.after);
            });
        }
        for (bool const scope : {false, true}) {
            controller->watch(bindings.of(scope), [](Doc const& binding) {
                auto const [group, version] =
                    meta::parse_api_version(binding.at({"spec", "resource", "apiVersion"}).as_string());
                Doc const resource = binding.at({"spec", "resource"});
                return std::vector<Key>{{part_of({group, version, resource["kind"].string()}),
                                         {resource["namespace"].string(), resource["name"].string()}}};
            });
        }
        sources.on_informer([this](Sources::Kind const& kind) {
            std::string const part = part_of(kind.kind);
            controller->watch(
                *kind.informer, [part](Doc const& object) { return std::vector<Key>{{part, meta::key_of(object)}}; },
                part);
        });
        // A cluster that comes, goes, or changes its labels may move anything.
        managed_clusters.on_change([this](client::Change const& change) {
            bool const same = change.before.exists() && change.after.exists() &&
                              change.before["spec"] == change.after["spec"] &&
                              change.before.at({"metadata", "labels"}) == change.after.at({"metadata", "labels"});
            if (!same) enqueue_objects("");
        });
        if (cluster_sets) watch_sets();
    }
};

Placer::Placer(client::Client hub, Sources& sources, Bindings& bindings, client::Informer& managed_clusters,
               Allowed allowed)
    : impl_(std::make_unique<Impl>(std::move(hub), sources, bindings, managed_clusters, allowed)) {
    impl_->build();
}

Placer::~Placer() = default;

Task<void> Placer::run(Context ctx) {
    async::Scope scope(ctx);
    for (client::Informer* informer : impl_->informers()) scope.spawn(informer->run(scope.context()));
    scope.spawn(impl_->controller->run(scope.context()));
    co_await scope.join();
}

bool Placer::synced() const { return impl_->synced(); }

bool Placer::would_claim(Doc const& object, apis::FleetBindingSpec const& bound, Doc const& before,
                         Doc const& after) const {
    Doc const policy = policy_for(object, impl_->policies_after(before, after), bound.policy);
    return policy.exists() && policy.same(after);
}

std::vector<Target> Placer::targets_after(Doc const& object, apis::FleetBindingSpec const* bound, Doc const& before,
                                          Doc const& after) const {
    bool const of_policy = (before.exists() ? before : after)["kind"].as_string().ends_with("PropagationPolicy");
    apis::FleetBindingSpec const now = bound == nullptr ? apis::FleetBindingSpec() : *bound;
    Doc const policy =
        policy_for(object, of_policy ? impl_->policies_after(before, after) : impl_->all_policies(), now.policy);
    auto placed =
        impl_->placement_of(object, policy, now, impl_->sets_after(std::string(meta::ns(object)), before, after));
    return placed && *placed ? std::move((*placed)->targets) : targets_of(now);
}

}   // namespace aviary::placement
