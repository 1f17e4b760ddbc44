#include "hub/propagation/propagator.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "hub/propagation/aggregate.h"
#include "hub/propagation/guard_admission.h"
#include "hub/propagation/names.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using control::Key;
using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

constexpr std::size_t kRevisionsKept = 20;
constexpr Duration kStatusInterval = std::chrono::milliseconds(500);   // status of one object at most twice a second
constexpr Duration kRetryWebhook = std::chrono::seconds(30);
constexpr std::size_t kMaxAbnormal = 100;

meta::GroupVersionKind kind_of(apis::BoundResource const& resource) {
    auto [group, version] = meta::parse_api_version(resource.api_version);
    return {std::move(group), std::move(version), resource.kind};
}

}   // namespace

struct Propagator::Impl {
    Impl(client::Client hub_client, std::string id, clusters::Members& members, placement::Sources& sources,
         placement::Bindings& bindings)
        : hub(hub_client.named("aviary-hub")),
          hub_id(std::move(id)),
          members(members),
          sources(sources),
          bindings(bindings),
          revisions(hub, kControllerRevisions) {
        revisions.add_index("hash", [](Doc const& revision) {
            return std::vector<std::string>{meta::ns(revision) + "/" + meta::label(revision, kTemplateLabel)};
        });
    }

    client::Client hub;
    std::string hub_id;
    clusters::Members& members;
    placement::Sources& sources;
    placement::Bindings& bindings;
    client::Informer revisions;
    std::unique_ptr<control::Controller> propagate, status, keep;
    std::map<std::pair<meta::ObjectKey, std::string>, Standing> standings;
    std::map<meta::ObjectKey, Time> status_written;
    std::map<std::pair<meta::ObjectKey, std::string>, Time> taken_back;               // when no webhook was in force
    std::map<std::pair<meta::ObjectKey, std::string>, std::vector<Time>> put_right;   // drift

    // ---- what is there ----

    std::optional<apis::FleetBindingSpec> spec_of(meta::ObjectKey const& binding) const {
        Doc const doc = bindings.get(binding);
        if (!doc.exists()) return std::nullopt;
        auto read = apis::read_fleet_binding(doc);
        return read ? std::optional(std::move(read->spec)) : std::nullopt;
    }

    Doc rollout_of(Doc const& workload) const {
        placement::Sources::Kind const* const rollouts = sources.find(kRolloutKind);
        if (rollouts == nullptr) return {};
        for (Doc const& rollout : rollouts->informer->list(meta::ns(workload))) {
            Doc const reference = rollout.at({"spec", "workloadRef"});
            bool const same = reference["kind"].as_string() == workload["kind"].as_string() &&
                              reference["name"].as_string() == meta::name(workload) &&
                              meta::parse_api_version(reference["apiVersion"].as_string()).first ==
                                  meta::parse_api_version(workload["apiVersion"].as_string()).first;
            if (same && !meta::is_deleting(rollout)) return rollout;
        }
        return {};
    }

    std::optional<Value> revision(std::string const& ns, std::string_view hash) const {
        auto const found = revisions.by_index("hash", ns + "/" + std::string(hash));
        if (found.empty()) return std::nullopt;
        return found.front().at({"data", "template"}).thaw();
    }

    static Assignment assignment_of(apis::BoundCluster const& cluster) {
        return {cluster.name, cluster.replicas, cluster.paused, cluster.revision, cluster.rejected};
    }

    static apis::BoundCluster const* find_cluster(apis::FleetBindingSpec const& spec, std::string const& name) {
        auto const found = std::ranges::find(spec.clusters, name, &apis::BoundCluster::name);
        return found == spec.clusters.end() ? nullptr : &*found;
    }

    bool replicas_belong_to_member(clusters::Member const& member, Doc const& source) const {
        if (meta::label(source, kRetainReplicas) == "true" || meta::label(source, kKarmadaRetainReplicas) == "true")
            return true;
        client::Informer const* const scalers = member.informer({"autoscaling", "v2", "horizontalpodautoscalers"});
        if (scalers == nullptr) return false;
        for (Doc const& scaler : scalers->list(meta::ns(source))) {
            Doc const target = scaler.at({"spec", "scaleTargetRef"});
            if (target["kind"].as_string() == source["kind"].as_string() &&
                target["name"].as_string() == meta::name(source))
                return true;
        }
        return false;
    }

    // The workload in the other clusters of this binding.
    std::vector<Doc> elsewhere(apis::FleetBindingSpec const& spec, meta::GroupVersionResource const& resource,
                               meta::ObjectKey const& key, std::string const& but) const {
        std::vector<Doc> others;
        for (apis::BoundCluster const& cluster : spec.clusters) {
            clusters::Member const* const member = members.find(cluster.name);
            if (member == nullptr || cluster.name == but) continue;
            if (Doc live = member->get(resource, key); live.exists()) others.push_back(std::move(live));
        }
        return others;
    }

    std::optional<Observed> observe(Key const& key, apis::FleetBindingSpec const& spec, clusters::Member& member) {
        meta::GroupVersionKind const kind = kind_of(spec.resource);
        placement::Sources::Kind const* const known = sources.find(kind);
        if (known == nullptr || !known->informer->synced()) return std::nullopt;
        members.want(member, known->resource);
        Observed seen;
        seen.hub_id = hub_id;
        seen.resource = known->resource;
        seen.key = {spec.resource.ns, spec.resource.name};
        if (member.serving(known->resource) == clusters::Member::Serving::kUnknown) return std::nullopt;
        seen.resource_served = member.serving(known->resource) == clusters::Member::Serving::kServed;
        Doc const binding = bindings.get(key.object);
        if (!meta::is_deleting(binding)) seen.source = known->informer->get(seen.key);
        if (apis::BoundCluster const* cluster = find_cluster(spec, key.part)) {
            seen.assignment = assignment_of(*cluster);
        } else {
            seen.placed = false;
        }
        seen.overwrite = spec.conflict_resolution == "Overwrite";
        seen.preserve_on_deletion = spec.preserve_resources_on_deletion;
        seen.live = member.get(known->resource, seen.key);
        seen.on_delete = meta::annotation(known->informer->get(seen.key), kOnDelete);
        seen.revision = [this, ns = spec.resource.ns](std::string_view hash) { return revision(ns, hash); };
        if (kind == kRolloutKind && !seen.source.exists()) seen.on_delete = "Release";   // admission has let it go
        if (!seen.source.at({"spec", "template"}).exists()) return seen;

        members.want(member, {"autoscaling", "v2", "horizontalpodautoscalers"});
        seen.replicas_belong_to_member = replicas_belong_to_member(member, seen.source);
        seen.hub_rollout = rollout_of(seen.source);
        if (!seen.hub_rollout.exists()) return seen;
        members.want(member, kRollouts);
        if (member.serving(kRollouts) == clusters::Member::Serving::kUnknown) return std::nullopt;
        seen.rollouts_served = member.serving(kRollouts) == clusters::Member::Serving::kServed;
        meta::ObjectKey const rollout_binding = placement::binding_key(kRolloutKind, meta::key_of(seen.hub_rollout));
        auto const rollout_spec = spec_of(rollout_binding);
        apis::BoundCluster const* const place = rollout_spec ? find_cluster(*rollout_spec, key.part) : nullptr;
        seen.rollout_placed = place != nullptr;
        seen.member_rollout = member.get(kRollouts, meta::key_of(seen.hub_rollout));
        if (place != nullptr) {
            RenderInput input;
            input.source = seen.hub_rollout;
            input.assignment = assignment_of(*place);
            input.hub_id = hub_id;
            Value rendered = render(input);
            seen.hub_rollout_render = seal(rendered, meta::resource_version(seen.hub_rollout));
        }
        bool const empty = !seen.live.exists() || seen.live.at({"spec", "replicas"}).as_int(1) == 0;
        if (empty) {
            seen.stable_elsewhere = stable_elsewhere(elsewhere(spec, known->resource, seen.key, key.part),
                                                     template_hash(pod_template(seen.source)));
        }
        return seen;
    }

    // ---- into the members ----

    Plan decide_member(Key const& key, Time now) {
        auto const spec = spec_of(key.object);
        clusters::Member* const member = members.find(key.part);
        if (!spec || member == nullptr) return {};
        auto seen = observe(key, *spec, *member);
        if (!seen) return {};
        if (auto const found = taken_back.find({key.object, key.part}); found != taken_back.end())
            seen->not_before = found->second + kRetryWebhook;
        if (auto const found = put_right.find({key.object, key.part}); found != put_right.end())
            seen->put_right = found->second;
        Decision decision = decide(*seen, now);
        if (decision.taken_back) taken_back[{key.object, key.part}] = now;
        if (decision.put_right) put_right[{key.object, key.part}].push_back(now);
        Standing& standing = standings[{key.object, key.part}];
        bool const changed =
            standing.state != decision.state || standing.reason != decision.reason || standing.since == Time();
        standing.message = decision.message;
        if (changed) {
            standing.state = decision.state;
            standing.reason = decision.reason;
            standing.since = now;
            status->enqueue({"", key.object});
        }
        return std::move(decision.plan);
    }

    // All clusters that the binding names, or where its object still is.
    void enqueue_binding(meta::ObjectKey const& binding) {
        for (clusters::Member* member : members.all()) propagate->enqueue({member->name(), binding});
        status->enqueue({"", binding});
    }

    // A Rollout and the workload it selects decide together.
    void enqueue_workload_of(Doc const& rollout) {
        Doc const reference = rollout.at({"spec", "workloadRef"});
        auto const [group, version] = meta::parse_api_version(reference["apiVersion"].as_string());
        enqueue_binding(placement::binding_key({group, version, reference["kind"].string()},
                                               {meta::ns(rollout), reference["name"].string()}));
    }

    // ---- status back ----

    Plan decide_status(Key const& key, Time now) {
        Plan plan;
        auto const spec = spec_of(key.object);
        if (!spec) return plan;
        if (auto const last = status_written.find(key.object);
            last != status_written.end() && now - last->second < kStatusInterval) {
            plan.requeue_at(last->second + kStatusInterval, "status of one object at most twice a second");
            return plan;
        }
        Doc const binding = bindings.get(key.object);
        if (meta::is_deleting(binding)) return finish_binding(key, *spec, binding);
        placement::Sources::Kind const* const known = sources.find(kind_of(spec->resource));
        if (known == nullptr) return plan;
        meta::ObjectKey const object{spec->resource.ns, spec->resource.name};
        Doc const source = known->informer->get(object);
        if (!source.exists()) return plan;

        std::vector<Reported> reported;
        for (apis::BoundCluster const& cluster : spec->clusters) {
            clusters::Member const* const member = members.find(cluster.name);
            auto const standing = standings.find({key.object, cluster.name});
            // After a start, until every cluster has been looked at: what was known before is better than too little.
            if (standing == standings.end() && !away(member)) return plan;
            bool const current = standing != standings.end() && standing->second.state == State::kApplied;
            reported.push_back(
                {cluster.name, member == nullptr ? Doc() : member->get(known->resource, object), current});
        }
        write_status(plan, known->resource, object, "status", source, aggregate(source, reported, now));
        binding_status(plan, key.object, *spec, binding, now);
        if (!plan.writes.empty()) status_written[key.object] = now;
        return plan;
    }

    // Whether a cluster does not answer, so that nothing is to be waited for.
    bool away(clusters::Member const* member) const {
        if (member == nullptr) return members.synced();
        return member->probed() && !member->reachable();
    }

    // Only what differs.
    static void write_status(Plan& plan, meta::GroupVersionResource const& resource, meta::ObjectKey const& key,
                             std::string why, Doc const& object, Value const& wanted) {
        Value changes{json::Object()};
        Value const before = object["status"].thaw();
        for (auto const& [field, value] : wanted.object()) {
            Value const* own = before.find(field);
            bool const nothing = own == nullptr && ((value.is_int() && value.as_int() == 0) ||
                                                    ((value.is_array() || value.is_object()) && value.size() == 0));
            if (!nothing && (own == nullptr || !(*own == value))) changes.set({"status", field}, value);
        }
        if (changes.size() == 0) return;
        Write write;
        write.resource = resource;
        write.key = key;
        write.subresource = "status";
        write.body = std::move(changes);
        write.why = std::move(why);
        plan.writes.push_back(std::move(write));
    }

    void binding_status(Plan& plan, meta::ObjectKey const& key, apis::FleetBindingSpec const& spec, Doc const& binding,
                        Time now) {
        apis::FleetBindingStatus next;
        next.observed_generation = meta::generation(binding);
        bool guarded = false;
        std::string guard_reason = "NothingHeld";
        std::string guard_message = "no cluster holds a template back";
        bool applied = true;
        for (apis::BoundCluster const& cluster : spec.clusters) {
            auto const found = standings.find({key, cluster.name});
            Standing const standing =
                found == standings.end() ? Standing{State::kApplying, "", "", now} : found->second;
            clusters::Member const* const member = members.find(cluster.name);
            bool const unreachable = member == nullptr || !member->reachable();
            std::string const state = unreachable ? "Unreachable" : std::string(to_string(standing.state));
            ++next.counts[state];
            applied = applied && state == "Applied";
            if (standing.state == State::kGuarded && !guarded) {
                guarded = true;
                guard_reason = standing.reason;
                guard_message = fmt::format("{}: {}", cluster.name, standing.message);
            }
            if (state != "Applied" && next.abnormal.size() < kMaxAbnormal) {
                next.abnormal.push_back({cluster.name, state, unreachable ? "ClusterUnreachable" : standing.reason,
                                         standing.message, format_rfc3339(standing.since)});
            }
        }
        Value written = apis::write_fleet_binding_status(next);
        written.erase("rejected");
        for (char const* field : {"abnormal"}) {
            if (!written.contains(field)) written[field] = json::Array();
        }
        Value conditions = binding.at({"status", "conditions"}).thaw();
        meta::set_condition(conditions, "Applied", applied ? "True" : "False", applied ? "AllApplied" : "SomeDiffer",
                            applied ? "every cluster carries the object" : "see status.abnormal", now);
        meta::set_condition(conditions, "Guarded", guarded ? "False" : "True", guard_reason, guard_message, now);
        written["conditions"] = conditions;
        // A merge patch leaves counts of states that no cluster is in any more: they are taken out by name.
        for (auto const& [state, count] : binding.at({"status", "counts"}).members()) {
            if (!next.counts.contains(std::string(state))) written["counts"][state] = nullptr;
        }
        Value comparable = written;
        bool removal = false;
        for (auto const& [state, count] : written["counts"].object()) removal = removal || count.is_null();
        if (removal) {
            Write write;
            write.resource = placement::binding_resource(key);
            write.key = key;
            write.subresource = "status";
            write.body["status"] = written;
            write.why = "binding status";
            plan.writes.push_back(std::move(write));
            return;
        }
        write_status(plan, placement::binding_resource(key), key, "binding status", binding, comparable);
    }

    // A binding goes once no member has its object any more.
    Plan finish_binding(Key const& key, apis::FleetBindingSpec const& spec, Doc const& binding) {
        Plan plan;
        placement::Sources::Kind const* const known = sources.find(kind_of(spec.resource));
        for (apis::BoundCluster const& cluster : spec.clusters) {
            clusters::Member* const member = members.find(cluster.name);
            if (member == nullptr || known == nullptr) continue;   // a cluster that left the fleet keeps what it has
            auto const standing = standings.find({key.object, cluster.name});
            bool const clean = standing != standings.end() && (standing->second.state == State::kRemoved ||
                                                               standing->second.state == State::kNotServed);
            if (!clean) return plan;
        }
        if (!meta::has_finalizer(binding, placement::kBindingFinalizer)) return plan;
        Value finalizers{json::Array()};
        for (auto const& [index, finalizer] : binding.at({"metadata", "finalizers"}).elements()) {
            if (finalizer.as_string() != placement::kBindingFinalizer) finalizers.push_back(finalizer.thaw());
        }
        Write write;
        write.resource = placement::binding_resource(key.object);
        write.key = key.object;
        write.body.set({"metadata", "finalizers"}, finalizers);
        write.body.set({"metadata", "resourceVersion"}, meta::resource_version(binding));
        write.why = "every member is clean";
        plan.writes.push_back(std::move(write));
        for (clusters::Member* member : members.all()) standings.erase({key.object, member->name()});
        status_written.erase(key.object);
        return plan;
    }

    // ---- revisions ----

    // Every template a workload has had, by hash: what an undo goes back to.
    Plan decide_revisions(Key const& key) {
        Plan plan;
        for (placement::Sources::Kind const* kind : sources.all()) {
            if (kind->kind.kind != key.part) continue;
            Doc const source = kind->informer->get(key.object);
            if (!source.at({"spec", "template"}).exists() || !revisions.synced()) continue;
            Value const value = pod_template(source);
            std::string const hash = template_hash(value);
            end_pins(plan, placement::binding_key(kind->kind, key.object), hash);
            std::vector<Doc> own;
            bool known = false;
            std::int64_t latest = 0;
            for (Doc const& each : revisions.list(key.object.ns)) {
                auto const owner = meta::controller_of(each);
                if (!owner || owner->uid != meta::uid(source)) continue;
                own.push_back(each);
                known = known || meta::label(each, kTemplateLabel) == hash;
                latest = std::max(latest, each["revision"].as_int());
            }
            if (!known) {
                Write write;
                write.verb = Write::Verb::kCreate;
                write.resource = kControllerRevisions;
                write.key = {key.object.ns, fmt::format("{}-{}", key.object.name, hash)};
                write.body = json::Object{{"apiVersion", "apps/v1"}, {"kind", "ControllerRevision"}};
                write.body.set({"metadata", "labels", kTemplateLabel}, hash);
                write.body.set({"metadata", "ownerReferences"}, json::Array{meta::controller_reference(source)});
                write.body.set({"data", "template"}, value);
                write.body["revision"] = latest + 1;
                write.ignore_already_exists = true;
                write.why = "remember the template";
                plan.writes.push_back(std::move(write));
            }
            std::ranges::sort(own, {}, [](Doc const& each) { return each["revision"].as_int(); });
            for (std::size_t index = 0; own.size() > kRevisionsKept && index < own.size() - kRevisionsKept; ++index) {
                if (in_use(kind->resource, key.object, meta::label(own[index], kTemplateLabel))) continue;
                Write write;
                write.verb = Write::Verb::kDelete;
                write.resource = kControllerRevisions;
                write.key = meta::key_of(own[index]);
                write.ignore_not_found = true;
                write.why = "revision history";
                plan.writes.push_back(std::move(write));
            }
        }
        return plan;
    }

    // A pin ends with a hub template that is not the rejected one; the rejected version may be released again after
    // that.
    void end_pins(Plan& plan, meta::ObjectKey const& binding, std::string const& hash) const {
        auto spec = spec_of(binding);
        if (!spec) return;
        bool ended = false;
        for (apis::BoundCluster& cluster : spec->clusters) {
            if (cluster.revision.empty() || cluster.rejected == hash) continue;
            cluster.revision.clear();
            cluster.rejected.clear();
            ended = true;
        }
        if (!ended) return;
        Write write;
        write.resource = placement::binding_resource(binding);
        write.key = binding;
        write.body["spec"]["clusters"] = apis::write_fleet_binding_spec(*spec)["clusters"];
        write.body.set({"metadata", "resourceVersion"}, meta::resource_version(bindings.get(binding)));
        write.why = "pins ended";
        plan.writes.push_back(std::move(write));
    }

    bool in_use(meta::GroupVersionResource const& resource, meta::ObjectKey const& key, std::string const& hash) const {
        return std::ranges::any_of(members.all(), [&](clusters::Member const* member) {
            Doc const live = member->get(resource, key);
            return meta::label(live, kStableLabel) == hash || meta::label(live, kTemplateLabel) == hash;
        });
    }

    // ---- wiring ----

    void build() {
        control::ControllerOptions options;
        options.name = "propagation";
        options.concurrency = 64;
        propagate = std::make_unique<control::Controller>(
            options, std::make_unique<control::FunctionReconciler>(
                         [this](Key const& key, Time now) { return decide_member(key, now); },
                         [this](Key const& key) -> client::Client const& { return members.find(key.part)->client(); }));
        auto const on_hub = [this](Key const&) -> client::Client const& { return hub; };
        options.name = "status";
        status = std::make_unique<control::Controller>(
            options, std::make_unique<control::FunctionReconciler>(
                         [this](Key const& key, Time now) { return decide_status(key, now); }, on_hub));
        options.name = "revisions";
        keep = std::make_unique<control::Controller>(
            options, std::make_unique<control::FunctionReconciler>(
                         [this](Key const& key, Time) { return decide_revisions(key); }, on_hub));

        for (bool const scope : {false, true}) {
            status->watch(bindings.of(scope),
                          [](Doc const& binding) { return std::vector<Key>{{"", meta::key_of(binding)}}; });
            keep->watch(bindings.of(scope), [](Doc const&) { return std::vector<Key>(); });   // it ends pins there
            bindings.of(scope).on_change([this](client::Change const& change) {
                enqueue_binding(meta::key_of(change.object()));
                Doc const resource = change.object().at({"spec", "resource"});
                if (meta::generation(change.before) != meta::generation(change.after))
                    keep->enqueue(
                        {resource["kind"].string(), {resource["namespace"].string(), resource["name"].string()}});
                if (resource["kind"].as_string() != "Rollout") return;
                Doc const rollout =
                    sources.get(kRolloutKind, {resource["namespace"].string(), resource["name"].string()});
                if (rollout.exists()) enqueue_workload_of(rollout);
            });
        }
        sources.on_informer([this](placement::Sources::Kind const& kind) {
            status->watch(*kind.informer, [gvk = kind.kind](Doc const& object) {
                return std::vector<Key>{{"", placement::binding_key(gvk, meta::key_of(object))}};
            });
            kind.informer->on_change([this, gvk = kind.kind](client::Change const& change) {
                enqueue_binding(placement::binding_key(gvk, meta::key_of(change.object())));
                if (gvk == kRolloutKind) enqueue_workload_of(change.object());
                if (change.after.at({"spec", "template"}).exists())
                    keep->enqueue({gvk.kind, meta::key_of(change.after)});
            });
        });
        keep->watch(revisions, [](Doc const& revision) {
            auto const owner = meta::controller_of(revision);
            return owner ? std::vector<Key>{{owner->kind, {meta::ns(revision), owner->name}}} : std::vector<Key>();
        });
        members.on_informer([this](clusters::Member& member, client::Informer& informer) {
            std::string const cluster = member.name();
            propagate->watch(informer, [](Doc const&) { return std::vector<Key>(); }, cluster);
            informer.on_change([this, cluster](client::Change const& change) {
                Doc const& object = change.object();
                if (meta::label(change.before, kHubLabel).empty() && meta::label(change.after, kHubLabel).empty()) {
                    if (object["kind"].as_string() != "HorizontalPodAutoscaler") return;
                    Doc const target = object.at({"spec", "scaleTargetRef"});
                    auto const [group, version] = meta::parse_api_version(target["apiVersion"].as_string());
                    propagate->enqueue({cluster, placement::binding_key({group, version, target["kind"].string()},
                                                                        {meta::ns(object), target["name"].string()})});
                    return;
                }
                meta::GroupVersionKind const kind = meta::kind_of(object);
                meta::ObjectKey const binding = placement::binding_key(kind, meta::key_of(object));
                propagate->enqueue({cluster, binding});
                status->enqueue({"", binding});
                if (kind == kRolloutKind) {
                    Doc const reference = object.at({"spec", "workloadRef"});
                    auto const [group, version] = meta::parse_api_version(reference["apiVersion"].as_string());
                    propagate->enqueue(
                        {cluster, placement::binding_key({group, version, reference["kind"].string()},
                                                         {meta::ns(object), reference["name"].string()})});
                }
            });
        });
        members.on_standing([this](clusters::Member& member) {
            for (bool const scope : {false, true}) {
                for (auto const& [key, binding] : bindings.of(scope).objects()) {
                    propagate->enqueue({member.name(), key});
                    status->enqueue({"", key});
                }
            }
        });
    }
};

Propagator::Propagator(client::Client hub, std::string hub_id, clusters::Members& members, placement::Sources& sources,
                       placement::Bindings& bindings)
    : impl_(std::make_unique<Impl>(std::move(hub), std::move(hub_id), members, sources, bindings)) {
    impl_->build();
}

Propagator::~Propagator() = default;

Task<void> Propagator::run(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(impl_->revisions.run(scope.context()));
    for (auto const* controller : {&impl_->propagate, &impl_->status, &impl_->keep})
        scope.spawn((*controller)->run(scope.context()));
    co_await scope.join();
}

std::optional<Standing> Propagator::standing(meta::ObjectKey const& binding, std::string const& cluster) const {
    auto const found = impl_->standings.find({binding, cluster});
    return found == impl_->standings.end() ? std::nullopt : std::optional(found->second);
}

Doc Propagator::rollout_of(Doc const& workload) const { return impl_->rollout_of(workload); }
std::optional<Value> Propagator::revision(std::string const& ns, std::string_view hash) const {
    return impl_->revision(ns, hash);
}
clusters::Members& Propagator::members() const { return impl_->members; }
placement::Sources& Propagator::sources() const { return impl_->sources; }
placement::Bindings& Propagator::bindings() const { return impl_->bindings; }
std::string const& Propagator::hub_id() const { return impl_->hub_id; }

std::shared_ptr<control::Admission> Propagator::guard_admission() { return make_guard_admission(*this); }

}   // namespace aviary::propagation
