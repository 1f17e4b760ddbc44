#include "app/member/uninstall.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "apis/crds.h"
#include "apis/fleet/controller.h"
#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "apis/rollouts/traffic_routing.h"
#include "apis/rollouts/validate.h"
#include "app/command_line/output.h"
#include "core/async/event.h"
#include "kube/client/discovery.h"
#include "kube/client/http_transport.h"
#include "kube/client/retrying.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/traffic/gateway.h"
#include "member/traffic/services.h"
#include "member/traffic/traffic.h"
#include "member/workload/clone_set.h"
#include "member/workload/deployment.h"
#include "member/workload/json_patch.h"
#include "member/workload/kinds.h"
#include "member/workload/leader_worker_set.h"
#include "member/workload/stateful_set.h"

namespace aviary::member {

namespace {

using control::Write;
using json::Doc;
using json::Value;
using workload::Leaving;
using Resource = meta::GroupVersionResource;

Resource const kWebhooks[] = {{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"},
                              {"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"}};
Resource const kLeases{"coordination.k8s.io", "v1", "leases"};
Resource const kConfigMaps{"", "v1", "configmaps"};
Resource const kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
Resource const kBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};
Resource const kSecrets{"", "v1", "secrets"};
// Of the process's name, in its namespace.
Resource const kLocal[] = {{"", "v1", "services"},
                           {"policy", "v1", "poddisruptionbudgets"},
                           {"rbac.authorization.k8s.io", "v1", "rolebindings"},
                           {"rbac.authorization.k8s.io", "v1", "roles"},
                           {"", "v1", "serviceaccounts"}};
// Through these a custom kind's controller may have its pods made.
Resource const kBetween[] = {
    workload::kReplicaSets, workload::kStatefulSets, {std::string(workload::kKruiseGroup), "v1beta1", "statefulsets"}};
Resource const kRoles{"rbac.authorization.k8s.io", "v1", "clusterroles"};
constexpr char kHubBinding[] = "aviary:hub";   // made by `aviary join`

constexpr Duration kAgain = std::chrono::milliseconds(500);
constexpr Duration kEndsWithin = std::chrono::minutes(2);    // pods of the controller
constexpr Duration kFreedWithin = std::chrono::minutes(1);   // one workload; API servers may still ask a webhook
constexpr std::int64_t kLeaseSeconds = 15;                   // where a Lease does not say

std::string_view consequence(Leaving how) {
    switch (how) {
        case Leaving::kHold: return "is held paused as it stands, with its own strategy";
        case Leaving::kRollback: return "goes back to its stable version by its own strategy";
        case Leaving::kRelease: return "goes on to its new version by its own strategy";
    }
    std::unreachable();
}

bool releasing(workload::Facts const& facts) { return !facts.held_by.empty() || facts.leftovers; }

std::string name_of(workload::Workload const& workload) {
    return fmt::format("{} {}", workload.type_label(), workload.key().to_string());
}

std::string describe(workload::Workload const& workload) {
    workload::Facts const& facts = workload.facts();
    std::string const of = facts.held_by.empty() ? "" : " of rollout " + facts.held_by;
    char const* const units = workload.resource() == workload::kLeaderWorkerSets ? "groups" : "pods";
    return fmt::format("{} is in the middle of a release{}: {} of {} {} have the new version", name_of(workload), of,
                       facts.updated, facts.replicas, units);
}

class Uninstall {
public:
    Uninstall(Context ctx, client::Client client, UninstallOptions options, std::function<void(std::string const&)> say)
        : ctx_(std::move(ctx)), client_(std::move(client)), options_(std::move(options)), say_(std::move(say)) {}

    Task<Status> run() {
        CO_TRY(co_await look());
        CO_TRY(check());
        CO_TRY(co_await end_controller());
        // Those that are there would refuse every write that follows.
        for (Resource const& each : kWebhooks) CO_TRY(co_await take_away(each, {"", name()}));
        if (!options_.keep_rollouts) CO_TRY(co_await free_all());
        CO_TRY(co_await take_away_own());
        if (options_.definitions) CO_TRY(co_await take_away_definitions());
        say_(options_.dry_run ? "nothing was changed: this was a dry run"
                              : fmt::format("done; the namespace {} stays", options_.cluster.ns));
        co_return Status{};
    }

private:
    std::string const& name() const { return options_.cluster.name; }
    Leaving how() const { return options_.releases.value_or(Leaving::kHold); }

    // An empty list where the kind is not served.
    Task<Result<std::vector<Doc>>> list(Resource resource, std::string ns = {}) const {
        auto const found = co_await client_.list(ctx_, resource, {.ns = std::move(ns)});
        std::vector<Doc> items;
        if (!found && found.error().is(ErrorCode::kNotFound)) co_return items;
        if (!found) co_return std::unexpected(found.error().context("listing " + resource.resource));
        for (auto const& [index, each] : (*found)["items"].elements()) items.push_back(each);
        co_return items;
    }

    static std::vector<Doc> controlled(Doc const& owner, std::vector<Doc> const& objects) {
        std::vector<Doc> result;
        for (Doc const& each : objects) {
            if (meta::is_controlled_by(each, owner)) result.push_back(each);
        }
        return result;
    }

    Task<Result<std::unique_ptr<workload::Workload>>> observe(Resource resource, Doc object) const {
        if (resource == workload::kDeployments) co_return co_await observe_deployment(std::move(object));
        CO_TRY_ASSIGN(std::vector<Doc> const revisions,
                      co_await list(workload::kControllerRevisions, meta::ns(object)));
        CO_TRY_ASSIGN(std::vector<Doc> const pods, co_await list(workload::kPods, meta::ns(object)));
        workload::NativeSetInputs inputs{object, controlled(object, revisions), controlled(object, pods), resource};
        workload::SetKind const& kind = set_of(resource);
        std::string id = kind.id_of(meta::key_of(object));
        if (kind.labelled) {
            id = workload::workload_id(meta::key_of(object), object["apiVersion"].as_string(),
                                       object["kind"].as_string());
            for (Resource const& each : kBetween) {
                CO_TRY_ASSIGN(std::vector<Doc> const sets, co_await list(each, meta::ns(object)));
                for (Doc const& made : controlled(object, sets)) {
                    std::ranges::move(controlled(made, revisions), std::back_inserter(inputs.revisions));
                    std::ranges::move(controlled(made, pods), std::back_inserter(inputs.pods));
                }
            }
        }
        if (kind.groups) {
            inputs.pods = pods;
            std::erase_if(inputs.pods, [&](Doc const& pod) {
                return meta::label(pod, workload::kGroupSetLabel) != meta::name(object);
            });
        }
        CO_TRY_ASSIGN(inputs.autoscalers, co_await scaling(meta::ns(object), std::move(id)));
        co_return kind.observe(std::move(inputs), {}, ctx_.now());
    }

    static workload::SetKind const& set_of(Resource const& resource) {
        workload::SetKind const* const known = workload::find_set_resource(resource.group, resource.resource);
        return known == nullptr ? workload::labelled_kind() : *known;
    }

    Task<Result<std::vector<Doc>>> scaling(std::string ns, std::string workload) const {
        CO_TRY_ASSIGN(std::vector<Doc> autoscalers, co_await list(workload::kAutoscalers, std::move(ns)));
        std::erase_if(autoscalers, [&](Doc const& each) { return workload::scaled_workload(each) != workload; });
        co_return autoscalers;
    }

    Task<Result<std::unique_ptr<workload::Workload>>> observe_deployment(Doc deployment) const {
        CO_TRY_ASSIGN(std::vector<Doc> const sets, co_await list(workload::kReplicaSets, meta::ns(deployment)));
        CO_TRY_ASSIGN(std::vector<Doc> const others, co_await list(workload::kDeployments, meta::ns(deployment)));
        auto const owned = [&sets](Doc const& each) {
            workload::DeploymentInputs inputs{
                .deployment = each, .replica_sets = {}, .pods = {}, .canaries = {}, .autoscalers = {}};
            inputs.replica_sets = controlled(each, sets);
            return inputs;
        };
        workload::DeploymentInputs inputs = owned(deployment);
        for (Doc const& each : others) {
            if (meta::label(each, apis::kCanaryDeploymentLabel) == meta::name(deployment))
                inputs.canaries.push_back(owned(each));
        }
        CO_TRY_ASSIGN(inputs.autoscalers,
                      co_await scaling(meta::ns(deployment), workload::deployment_id(meta::key_of(deployment))));
        co_return workload::observe_deployment(std::move(inputs), {}, ctx_.now());
    }

    // What is in the middle of a release, and what carries the label by which webhooks are asked.
    Task<Status> look() {
        CO_TRY_ASSIGN(rollouts_, co_await list(apis::kRollouts));
        CO_TRY_ASSIGN(batch_releases_, co_await list(apis::kBatchReleases));
        CO_TRY_ASSIGN(traffic_routings_, co_await list(apis::kTrafficRoutings));
        CO_TRY(co_await look_at_all(workload::kDeployments));
        for (workload::SetKind const& kind : workload::set_kinds()) {
            std::size_t const before = guarded_.size();
            for (std::string const& version : kind.versions) {
                CO_TRY(co_await look_at_all(kind.served_as(version)));
                if (guarded_.size() > before) break;   // the same ones again
            }
        }
        std::set<meta::GroupVersionKind> custom;
        for (auto const* releases : {&rollouts_, &batch_releases_}) {
            for (Doc const& each : *releases) {
                Doc const reference = each.at({"spec", "workloadRef"});
                if (apis::is_custom_kind(reference["apiVersion"].as_string())) custom.insert(meta::kind_of(reference));
            }
        }
        for (meta::GroupVersionKind const& each : custom) {
            CO_TRY_ASSIGN(auto const served, co_await client::find_kind(ctx_, client_, each));
            if (served) CO_TRY(co_await look_at_all(served->resource));
        }
        CO_TRY_ASSIGN(Doc const hub, co_await client_.find(ctx_, kBindings, {"", kHubBinding}));
        if (hub.exists() && !options_.keep_rollouts)
            say_(
                "warning: a hub has this cluster in its fleet, and brings again what it places here: `aviary unjoin` "
                "first");
        co_return Status{};
    }

    Task<Status> look_at_all(Resource resource) {
        CO_TRY_ASSIGN(std::vector<Doc> const workloads, co_await list(resource));
        for (Doc const& each : workloads) CO_TRY(co_await look_at(resource, each));
        co_return Status{};
    }

    Task<Status> look_at(Resource resource, Doc workload) {
        if (!meta::label(workload, apis::kCanaryDeploymentLabel).empty())
            co_return Status{};   // goes with the one it is for
        bool const marked = std::ranges::any_of(
            std::initializer_list<std::string_view>{
                apis::kInProgressingAnnotation, apis::kControlInfoAnnotation, apis::kDeploymentStrategyAnnotation,
                apis::kOriginalDeploymentStrategyAnnotation, apis::kDaemonSetStrategyAnnotation},
            [&](std::string_view mark) { return !meta::annotation(workload, mark).empty(); });
        if (!meta::label(workload, apis::kWorkloadTypeLabel).empty() || marked)
            guarded_.push_back({resource, meta::key_of(workload)});
        if (!marked || options_.keep_rollouts) co_return Status{};
        CO_TRY_ASSIGN(auto observed, co_await observe(resource, workload));
        if (releasing(observed->facts())) releasing_.push_back(std::move(observed));
        co_return Status{};
    }

    // Before anything is touched.
    Status check() {
        for (auto const& each : releasing_) {
            say_(describe(*each));
            if (options_.releases) {
                say_(fmt::format("{} {}", name_of(*each), consequence(*options_.releases)));
                TRY(each->leave(*options_.releases));
            }
        }
        std::size_t const objects = rollouts_.size() + batch_releases_.size();
        if (options_.definitions && objects > 0 && !options_.delete_rollouts) {
            return fail(
                ErrorCode::kInvalid,
                fmt::format("--crds would delete {} Rollouts and BatchReleases: say --rollouts to delete them, too",
                            objects));
        }
        if (releasing_.empty() || options_.releases) return {};
        std::string const text = fmt::format(
            "{} in the middle of a release: finish or roll back first, or say --release-in-progress hold, "
            "rollback or release",
            releasing_.size() == 1 ? "a workload is" : fmt::format("{} workloads are", releasing_.size()));
        if (!options_.dry_run) return fail(ErrorCode::kConflict, text);
        say_("would stop here: " + text);
        return {};
    }

    // In pods it is ended; elsewhere whoever started it has to.
    Task<Status> end_controller() {
        Resource const& deployments = workload::kDeployments;
        meta::ObjectKey const key{options_.cluster.ns, name()};
        CO_TRY_ASSIGN(Doc const own, co_await client_.find(ctx_, deployments, key));
        CO_TRY(co_await take_away(deployments, key));
        if (options_.dry_run) co_return Status{};
        Context const limited = ctx_.with_timeout(kEndsWithin);
        std::string seen;
        auto since = ctx_.monotonic();
        while (true) {
            CO_TRY_ASSIGN(Doc const lease, co_await client_.find(limited, kLeases, key));
            std::string const holder = lease.at({"spec", "holderIdentity"}).string();
            if (holder.empty()) co_return Status{};
            std::string const renewed = holder + lease.at({"spec", "renewTime"}).string();
            if (!seen.empty() && renewed != seen && !own.exists()) {
                co_return fail(
                    ErrorCode::kConflict,
                    fmt::format("`aviary member` runs here as {}: end it first, or it makes anew what is taken away",
                                holder));
            }
            if (renewed != seen) since = ctx_.monotonic();
            seen = renewed;
            // By our own clock: a holder that was killed does not renew.
            auto const lasts = std::chrono::seconds(lease.at({"spec", "leaseDurationSeconds"}).as_int(kLeaseSeconds));
            if (ctx_.monotonic() - since > lasts) co_return Status{};
            Status const slept = co_await async::sleep_for(limited, kAgain);
            if (!slept) co_return std::unexpected(slept.error().context(holder + " does not end"));
        }
    }

    Task<Status> free_all() {
        for (Doc const& each : rollouts_) CO_TRY(co_await free_traffic(each));
        for (Doc const& each : traffic_routings_) CO_TRY(co_await free_traffic_routing(each));
        for (auto const& each : releasing_) {
            if (!options_.dry_run) CO_TRY(co_await free(each->resource(), each->key(), name_of(*each)));
        }
        for (auto const& [resource, key] : guarded_) CO_TRY(co_await unlabel(resource, key));
        for (Doc const& each : batch_releases_) {
            bool const of_rollout = meta::controller_of(each).has_value();
            CO_TRY(co_await end(each, apis::kBatchReleases, apis::kBatchReleaseFinalizer,
                                of_rollout || options_.delete_rollouts));
        }
        for (Doc const& each : rollouts_) {
            CO_TRY(co_await forget_release(each));
            CO_TRY(co_await end(each, apis::kRollouts, apis::kRolloutFinalizer, options_.delete_rollouts));
        }
        co_return Status{};
    }

    // Requests go to the Service as before, and it to all pods, before anything else moves.
    Task<Status> free_traffic(Doc rollout) {
        auto routing = apis::traffic_routing_of(rollout);
        if (!routing || options_.dry_run) co_return Status{};
        traffic::Setup setup = setup_of(rollout, std::move(*routing));
        setup.revision_key = workload::revision_label(rollout.at({"spec", "workloadRef"}));
        setup.stable_revision = apis::release_status(rollout)["stableRevision"].string();
        co_return co_await put_back(std::move(setup), "rollout " + meta::key_of(rollout).to_string());
    }

    // Nobody would ever take their finalizers.
    Task<Status> free_traffic_routing(Doc object) {
        std::string const what = "trafficrouting " + meta::key_of(object).to_string();
        if (options_.dry_run) co_return Status{};
        auto routing = apis::read_traffic_routing(object);
        if (routing && !routing->spec.object_ref.empty()) {
            traffic::Setup setup = setup_of(object, std::move(routing->spec.object_ref.front()));
            setup.generates = false;
            CO_TRY(co_await put_back(std::move(setup), what));
        }
        Value left{json::Array()};
        for (auto const& [index, each] : object.at({"metadata", "finalizers"}).elements()) {
            std::string_view const text = each.as_string();
            if (text != apis::kTrafficRoutingFinalizer && !text.starts_with(apis::kHolderFinalizers))
                left.push_back(text);
        }
        if (left == object.at({"metadata", "finalizers"}).thaw()) co_return Status{};
        std::vector<Write> writes(2);
        for (Write& each : writes) {
            each.resource = apis::kTrafficRoutings;
            each.key = meta::key_of(object);
        }
        writes[0].subresource = "status";
        writes[0].body["status"] = Value();
        writes[1].body.set({"metadata", "finalizers"}, std::move(left));
        Status const done = co_await perform_all(ctx_, std::move(writes));
        if (!done && !done.error().is(ErrorCode::kNotFound)) co_return std::unexpected(done.error().context(what));
        say_(what + ": has lost its finalizers");
        co_return Status{};
    }

    static traffic::Setup setup_of(Doc const& owner, apis::TrafficRoutingRef routing) {
        traffic::Setup setup;
        setup.routing = std::move(routing);
        setup.owner = meta::key_of(owner);
        setup.reference["uid"] = meta::uid(owner);
        return setup;
    }

    Task<Status> put_back(traffic::Setup setup, std::string what) {
        apis::TrafficRoutingRef const& routing = setup.routing;
        std::string const ns = setup.owner.ns;
        bool wrote = false;
        Duration grace{};
        while (true) {
            traffic::Seen seen;
            CO_TRY_ASSIGN(seen.stable, co_await client_.find(ctx_, traffic::kServices, {ns, routing.service}));
            CO_TRY_ASSIGN(seen.canary,
                          co_await client_.find(ctx_, traffic::kServices, {ns, traffic::canary_name(routing.service)}));
            seen.targets = traffic::targets_of(routing, ns);
            for (traffic::Target& each : seen.targets) CO_TRY(co_await read(each));
            traffic::Traffic const traffic(setup, seen, ctx_.now());
            grace = traffic.grace();
            traffic::Outcome outcome = traffic.restore_routes();
            if (outcome.writes.empty()) outcome = traffic.release_stable();
            if (outcome.writes.empty()) outcome = traffic.remove_canary();
            if (outcome.writes.empty()) break;
            Status const written = co_await perform_all(ctx_, std::move(outcome.writes));
            if (!written && !written.error().is(ErrorCode::kConflict))
                co_return std::unexpected(written.error().context("traffic of " + what));
            wrote = true;
        }
        if (!wrote) co_return Status{};
        say_(fmt::format("{}: all requests go to Service {} as before", what, routing.service));
        co_return co_await async::sleep_for(ctx_, grace);
    }

    Task<Status> read(traffic::Target& target) {
        if (target.provider == traffic::Provider::kCustom) {
            CO_TRY_ASSIGN(auto const kind,
                          co_await client::find_kind(ctx_, client_,
                                                     {target.resource.group, target.resource.version, target.kind}));
            target.served = kind && kind->namespaced;
            if (!target.served) co_return Status{};
            target.resource = kind->resource;
        }
        auto found = co_await client_.find(ctx_, target.resource, target.key);
        if (found && !found->exists() && target.resource == traffic::kHttpRoutes) {
            found = co_await client_.find(ctx_, traffic::kHttpRoutesBeta, target.key);
            if (found && found->exists()) target.resource = traffic::kHttpRoutesBeta;
        }
        if (!found) co_return std::unexpected(found.error().context(target.kind + " " + target.key.to_string()));
        target.live = std::move(*found);
        co_return Status{};
    }

    // Until nothing is left to be written: an API server may still ask a webhook that it was told to forget.
    Task<Status> free(Resource resource, meta::ObjectKey key, std::string what) {
        Context const limited = ctx_.with_timeout(kFreedWithin);
        while (true) {
            CO_TRY_ASSIGN(Doc object, co_await client_.find(limited, resource, key));
            if (!object.exists()) co_return Status{};
            CO_TRY_ASSIGN(auto const workload, co_await observe(resource, std::move(object)));
            CO_TRY_ASSIGN(std::vector<Write> writes, workload->leave(how()));
            if (writes.empty()) writes = workload->tidy();
            if (writes.empty()) break;
            Status const written = co_await perform_all(limited, std::move(writes));
            if (written) continue;
            bool const again = written.error().is(ErrorCode::kConflict) || written.error().is(ErrorCode::kInvalid) ||
                               written.error().is(ErrorCode::kInternal) || written.error().is(ErrorCode::kUnavailable);
            if (!again || !co_await async::sleep_for(limited, kAgain))
                co_return std::unexpected(written.error().context(what));
        }
        say_(fmt::format("{}: has its own strategy back", what));
        bool const set = resource != workload::kDeployments;
        if (how() == Leaving::kHold && set) {
            say_(fmt::format("  held: set {} of {} in {} to {} to let the rest of the new version through",
                             set_of(resource).held_by, key.name, key.ns, set_of(resource).frees));
        } else if (how() == Leaving::kHold) {
            say_(fmt::format(
                "  paused: kubectl -n {} rollout resume deployment/{} lets the rest of the new version through", key.ns,
                key.name));
        }
        co_return Status{};
    }

    Task<Status> perform_all(Context ctx, std::vector<Write> writes) const {
        for (Write& each : writes) {
            auto const done = co_await control::perform(ctx, client_, std::move(each));
            if (!done) co_return std::unexpected(done.error());
        }
        co_return Status{};
    }

    // And what the native controllers have copied to ReplicaSets and revisions.
    Task<Status> unlabel(Resource resource, meta::ObjectKey key) {
        if (options_.dry_run) co_return Status{};
        CO_TRY_ASSIGN(Doc const object, co_await client_.find(ctx_, resource, key));
        if (!object.exists()) co_return Status{};
        CO_TRY_ASSIGN(auto const workload, co_await observe(resource, object));
        std::vector<Write> writes = workload->clean();
        if (!meta::label(object, apis::kWorkloadTypeLabel).empty()) {
            Write label;
            label.resource = resource;
            label.key = key;
            label.body.set({"metadata", "labels", apis::kWorkloadTypeLabel}, Value());
            writes.push_back(std::move(label));
        }
        Status const done = co_await perform_all(ctx_, std::move(writes));
        if (done || done.error().is(ErrorCode::kNotFound)) co_return Status{};
        co_return std::unexpected(done.error().context(name_of(*workload)));
    }

    // A controller that comes later is not to go on with a release that is over.
    Task<Status> forget_release(Doc rollout) {
        std::string const phase = rollout.at({"status", "phase"}).string();
        bool const idle = phase.empty() || phase == apis::phase::kHealthy || phase == apis::phase::kDisabled ||
                          phase == apis::phase::kInitial;
        if (idle || options_.dry_run) co_return Status{};
        Write status;
        status.resource = apis::kRollouts;
        status.key = meta::key_of(rollout);
        status.subresource = "status";
        status.body["status"] = Value();
        auto const done = co_await control::perform(ctx_, client_, std::move(status));
        if (done || done.error().is(ErrorCode::kNotFound)) co_return Status{};
        co_return std::unexpected(done.error().context("rollout " + meta::key_of(rollout).to_string()));
    }

    Task<Status> end(Doc object, Resource resource, std::string_view finalizer, bool remove) {
        std::string const what = resource.resource + " " + meta::key_of(object).to_string();
        if (meta::has_finalizer(object, finalizer) && !options_.dry_run) {
            auto const freed =
                co_await control::perform(ctx_, client_, workload::without_finalizer(object, resource, finalizer));
            if (!freed && !freed.error().is(ErrorCode::kNotFound))
                co_return std::unexpected(freed.error().context(what));
        }
        if (remove) co_return co_await take_away(resource, meta::key_of(object));
        if (meta::has_finalizer(object, finalizer))
            say_(fmt::format("{}: {} its finalizer", what, options_.dry_run ? "would lose" : "has lost"));
        co_return Status{};
    }

    Task<Status> take_away_own() {
        std::string const& ns = options_.cluster.ns;
        CO_TRY(co_await take_away(kLeases, {ns, name()}));
        CO_TRY(co_await take_away(kConfigMaps, {ns, std::string(apis::kControllerRecord)}));
        CO_TRY(co_await take_away(kSecrets, process::authority_secret(options_.cluster)));
        for (Resource const& each : kLocal) CO_TRY(co_await take_away(each, {ns, name()}));
        CO_TRY(co_await take_away(kBindings, {"", name()}));
        co_return co_await take_away(kRoles, {"", name()});
    }

    Task<Status> take_away_definitions() {
        for (Value const& each : apis::member_crds())
            CO_TRY(co_await take_away(kDefinitions, {"", each.at({"metadata", "name"}).string()}));
        co_return Status{};
    }

    // Says nothing of what is not there.
    Task<Status> take_away(Resource resource, meta::ObjectKey key) {
        std::string const what = resource.resource + " " + key.to_string();
        auto const there = co_await client_.find(ctx_, resource, key);
        if (!there) co_return std::unexpected(there.error().context(what));
        if (!there->exists()) co_return Status{};
        if (options_.dry_run) {
            say_(what + ": would be deleted");
            co_return Status{};
        }
        Status const gone = co_await client_.remove(ctx_, resource, key);
        if (!gone && !gone.error().is(ErrorCode::kNotFound))
            co_return std::unexpected(gone.error().context("deleting " + what));
        say_(what + ": deleted");
        co_return Status{};
    }

    Context ctx_;
    client::Client client_;
    UninstallOptions options_;
    std::function<void(std::string const&)> say_;
    std::vector<Doc> rollouts_, batch_releases_, traffic_routings_;
    std::vector<std::pair<Resource, meta::ObjectKey>> guarded_;
    std::vector<std::unique_ptr<workload::Workload>> releasing_;
};

Task<Status> from_command_line(Context ctx, async::AsioExecutor& executor, UninstallOptions options) {
    CO_TRY_ASSIGN(client::ServerAccess const access, process::find_access(options.cluster));
    CO_TRY_ASSIGN(auto transport, client::http_transport(executor, access));
    client::Client const client(client::retrying(std::move(transport)), "aviary-uninstall");
    co_return co_await uninstall(ctx, client, std::move(options),
                                 [](std::string const& line) { command_line::print_line(line); });
}

}   // namespace

Task<Status> uninstall(Context ctx, client::Client client, UninstallOptions options,
                       std::function<void(std::string const&)> say) {
    Uninstall leaving(std::move(ctx), std::move(client), std::move(options), std::move(say));
    co_return co_await leaving.run();
}

int uninstall(UninstallOptions options) { return process::run(from_command_line, std::move(options)); }

}   // namespace aviary::member
