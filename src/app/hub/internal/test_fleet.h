// For tests: a hub and simulated members with their controllers over one API server, in virtual time.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <set>

#include "apis/crds.h"
#include "apis/fleet/decision.h"
#include "apis/rollouts/rollout.h"
#include "app/hub/hub.h"
#include "app/member/member.h"
#include "core/async/co_test.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/storage/engine.h"
#include "hub/proxy/fleet_route.h"
#include "hub/proxy/member_roles.h"
#include "hub/proxy/paths.h"
#include "kube/apiserver/server.h"
#include "kube/control/definitions.h"
#include "kube/control/roles.h"
#include "kube/meta/object.h"
#include "kube/simulator/definitions.h"
#include "kube/simulator/simulator.h"

namespace aviary::hub {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;
using Images = std::map<std::string, int>;

inline meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
inline meta::GroupVersionResource const kPods{"", "v1", "pods"};
inline meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
inline meta::GroupVersionResource const kPolicies{"policy.one.alibabacloud.com", "v1alpha1", "propagationpolicies"};
inline meta::GroupVersionResource const kClusterPolicies{"policy.one.alibabacloud.com", "v1alpha1",
                                                         "clusterpropagationpolicies"};
inline control::UserInfo const kAdmin{"admin", {"system:masters"}, {}};
inline control::UserInfo const kMemberUser{"aviary-member", {"system:masters"}, {}};
inline control::UserInfo const kHubUser{"aviary-hub-user", {"system:masters"}, {}};
inline meta::ObjectKey const kWeb{"demo", "web"};

// What is wrong with the hub's ways to members.
struct Ways {
    std::set<std::string> cut;
    std::set<std::string> without_admin;         // whose owners do not let the hub be administrator
    std::set<std::string> read_only;             // … nor write
    std::map<std::string, std::string> unread;   // … nor list this resource
    std::map<std::string, Duration> slow;        // before each answer but that to the probe
    std::string late;                            // of the hub's own: a resource that takes two seconds to be listed
};

// The hub's way to one member; without a name, to its own API server.
class Wire final : public client::Transport {
public:
    Wire(std::shared_ptr<client::Transport> inner, Ways const& ways, std::string cluster)
        : inner_(std::move(inner)), ways_(ways), cluster_(std::move(cluster)) {}
    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        if (ways_.cut.contains(cluster_)) co_return fail(ErrorCode::kUnavailable, "no route");
        if (ways_.without_admin.contains(cluster_) && request.header("Impersonate-User") == "aviary:admin")
            co_return fail(ErrorCode::kForbidden,
                           R"(users "aviary:admin" is forbidden: User "hub" cannot impersonate)");
        if (ways_.read_only.contains(cluster_) && request.method != "GET")
            co_return fail(ErrorCode::kForbidden, R"(User "hub" may not write)");
        if (auto const unread = ways_.unread.find(cluster_);
            unread != ways_.unread.end() && request.path.ends_with("/" + unread->second))
            co_return fail(ErrorCode::kForbidden, "User \"hub\" may not list " + unread->second);
        if (auto const slow = ways_.slow.find(cluster_);
            slow != ways_.slow.end() && request.path != "/readyz" && request.path != "/version")
            CO_TRY(co_await async::sleep_for(ctx, slow->second));
        if (cluster_.empty() && !ways_.late.empty() && request.path.ends_with("/" + ways_.late))
            CO_TRY(co_await async::sleep_for(ctx, std::chrono::seconds(2)));
        auto response = co_await inner_->send(ctx, std::move(request));
        co_return response;
    }

private:
    std::shared_ptr<client::Transport> inner_;
    Ways const& ways_;
    std::string cluster_;
};

struct Fleet {
    explicit Fleet(Context ctx) : scope(ctx) {}

    Task<Status> start(std::vector<std::string> clusters, std::set<std::string> without_controller = {}) {
        members = std::move(clusters);
        Context const ctx = scope.context();
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(ctx, std::make_shared<storage::MemoryEngine>(), {}));
        for (std::string const& cluster : members) {
            CO_TRY(co_await server->ensure_cluster(ctx, cluster));
            simulator::Options options;
            options.pod_start = 200ms;
            simulators.push_back(std::make_unique<simulator::Simulator>(
                client::Client(server->transport(cluster, kAdmin), "simulator"), options));
            scope.spawn(simulators.back()->run(ctx));
            CO_TRY(co_await control::install_roles(ctx, at(cluster), proxy::member_roles()));
            CO_TRY(co_await install_kind(cluster));
            if (without_controller.contains(cluster)) continue;
            client::Client const client(server->transport(cluster, kMemberUser), "aviary-member");
            CO_TRY(co_await control::install_definitions(ctx, client, apis::member_crds()));
            controllers.push_back(std::make_unique<member::Member>(client, kMemberUser.name, "aviary-system"));
            if (!without_webhook.contains(cluster)) add_webhook(cluster, *controllers.back());
            scope.spawn(controllers.back()->run(ctx));
        }
        CO_TRY(co_await control::install_definitions(ctx, at("fleet"), apis::crds()));
        CO_TRY(co_await install_kind("fleet"));
        for (std::string const& cluster : members) CO_TRY(co_await register_cluster(ctx, at("fleet"), cluster, ""));
        server->add_admission("fleet", decision::make_decision_admission(
                                           control::make_reviewer(server->authorizer("fleet")), kHubUser.name));
        server->add_admission("fleet", std::make_shared<Guard>(*this));
        server->add_route("fleet", std::string(proxy::kRoot), std::make_shared<Reads>(*this));
        scope.spawn(server->run_controllers(ctx));
        start_hub();
        co_return Status{};
    }

    Task<Status> install_kind(std::string cluster) {
        if (api_version == "apps/v1") co_return Status{};
        co_return co_await control::install_definitions(scope.context(), at(cluster),
                                                        simulator::workload_definitions());
    }

    void add_webhook(std::string const& cluster, member::Member& controller) {
        for (auto const& admission : controller.admissions()) server->add_admission(cluster, admission);
    }

    void start_hub() {
        hub = std::make_shared<Hub>(
            client::Client(std::make_shared<Wire>(server->transport("fleet", kHubUser), ways, ""), "aviary-hub"),
            hub_id,
            [this](Doc const& cluster) -> Result<std::shared_ptr<client::Transport>> {
                std::string const name = meta::name(cluster);
                return std::make_shared<Wire>(server->transport(name, kHubUser), ways, name);
            },
            audit, mode, epoch, allowed);
        hub_scope = std::make_unique<async::Scope>(scope.context());
        hub_scope->spawn(hub->run(hub_scope->context()));
    }
    Task<void> stop_hub() {
        co_await hub_scope->cancel_and_join();
        hub.reset();
    }
    Task<void> stop() {
        if (hub) co_await stop_hub();
        co_await scope.cancel_and_join();
    }

    meta::GroupVersionResource workloads() const {
        auto const [group, version] = meta::parse_api_version(api_version);
        return {group, version, to_lower(kind) + "s"};
    }
    client::Client at(std::string const& cluster) { return client::Client(server->transport(cluster, kAdmin), "test"); }

    Task<Status> create(meta::GroupVersionResource resource, std::string text) {
        CO_TRY(co_await at("fleet").create(scope.context(), resource, *json::parse_value(text)));
        co_return Status{};
    }
    Task<Status> patch(std::string cluster, meta::GroupVersionResource resource, std::string text,
                       std::string name = "web") {
        CO_TRY(co_await at(cluster).patch(scope.context(), resource, {"demo", name}, client::PatchType::kMerge,
                                          *json::parse_value(text)));
        co_return Status{};
    }
    // Where workload and Rollout go.
    Task<Status> place(std::string affinity) {
        for (std::string const& policy : {std::string("deployment"), std::string("rollout")})
            CO_TRY(co_await patch("fleet", kPolicies, R"({"spec":{"placement":{"clusterAffinity":)" + affinity + "}}}",
                                  policy));
        co_return Status{};
    }

    // Namespace demo with a workload of `kind` and Rollout web, each with a policy; ten pods of v1 and a Healthy
    // Rollout wherever there is a controller.
    Task<Status> set_up(std::vector<std::string> clusters, std::set<std::string> without_controller = {}) {
        CO_TRY(co_await start(std::move(clusters), without_controller));
        CO_TRY(co_await create(kNamespaces, R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}})"));
        CO_TRY(
            co_await create(kClusterPolicies,
                            R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"ClusterPropagationPolicy",
            "metadata":{"name":"demo"},"spec":{"resourceSelectors":[{"apiVersion":"v1","kind":"Namespace","name":"demo"}]}})"));
        if (kind == "LeaderWorkerSet") {
            CO_TRY(co_await create(workloads(), R"({"apiVersion":"leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet",
            "metadata":{"name":"web","namespace":"demo"},"spec":{"replicas":10,"leaderWorkerTemplate":{"size":1,
            "workerTemplate":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"v1"}]}}}}})"));
        } else {
            CO_TRY(co_await create(workloads(), R"({"apiVersion":")" + api_version + R"(","kind":")" + kind +
                                                    R"(","metadata":{"name":"web","namespace":"demo"},
            "spec":{"replicas":10,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
            "spec":{"containers":[{"name":"main","image":"v1"}]}}}})"));
        }
        CO_TRY(co_await create(
            apis::kRollouts,
            R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"demo"},
            "spec":{"workloadRef":{"apiVersion":")" +
                api_version + R"(","kind":")" + kind + R"(","name":"web"},"strategy":{"canary":{
            "steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}]}}}})"));
        for (std::string const& each : {kind, std::string("Rollout")}) {
            bool const rollout = each == "Rollout";
            std::string const version = rollout ? "rollouts.kruise.io/v1beta1" : api_version;
            CO_TRY(co_await create(
                kPolicies,
                fmt::format(
                    R"({{"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy","metadata":{{"name":"{0}",
                "namespace":"demo"}},"spec":{{"resourceSelectors":[{{"apiVersion":"{1}","kind":"{2}","name":"web"}}]}}}})",
                    rollout ? "rollout" : "deployment", version, each)));
        }
        for (std::string const& cluster : members) {
            CO_TRY(co_await until(cluster, "v1", "10"));
            if (!without_controller.contains(cluster)) CO_TRY(co_await until(cluster, "phase", "Healthy"));
        }
        co_return Status{};
    }

    Task<Doc> get(std::string cluster, meta::GroupVersionResource resource) {
        auto const found = co_await at(cluster).get(scope.context(), resource, kWeb);
        co_return found ? *found : Doc();
    }
    Task<Images> images(std::string cluster) {
        Images counts;
        auto const list = co_await at(cluster).list(scope.context(), kPods, {.ns = "demo"});
        if (!list) co_return counts;
        for (auto const& [key, pod] : (*list)["items"].elements()) {
            if (!meta::is_deleting(pod)) ++counts[pod.at({"spec", "containers"})[0]["image"].string()];
        }
        co_return counts;
    }
    // What a cluster shows: "phase" or "state" of the Rollout, or the number of pods with that image.
    Task<std::string> show(std::string cluster, std::string what) {
        if (what[0] == 'v') {
            Images const counts = co_await images(cluster);
            auto const found = counts.find(what);
            co_return std::to_string(found == counts.end() ? 0 : found->second);
        }
        Doc const rollout = co_await get(cluster, apis::kRollouts);
        Doc const status = rollout["status"];
        if (what == "phase") co_return status["phase"].string();
        co_return fmt::format("{}/{}/{}", status["phase"].as_string(),
                              status.at({"canaryStatus", "currentStepIndex"}).as_int(),
                              status.at({"canaryStatus", "currentStepState"}).as_string());
    }
    Task<Status> until(std::string cluster, std::string what, std::string wanted) {
        std::string seen;
        for (int count = 0; count < 6000; ++count) {
            seen = co_await show(cluster, what);
            if (seen == wanted) co_return Status{};
            CO_TRY(co_await async::sleep_for(scope.context(), 10ms));
        }
        Doc const workload = co_await get(cluster, workloads());
        co_return fail(ErrorCode::kTimeout, fmt::format("waiting for {} {} in {}, it is {}\n{}", what, wanted, cluster,
                                                        seen, json::write(workload)));
    }
    Task<Status> until_all(std::string what, std::string wanted) {
        for (std::string const& cluster : members) CO_TRY(co_await until(cluster, what, wanted));
        co_return Status{};
    }

    Task<Status> release(std::string image) {
        std::string pods = R"({"spec":{"containers":[{"name":"main","image":")" + image + R"("}]}})";
        if (kind == "LeaderWorkerSet") pods = R"({"workerTemplate":)" + pods + "}";
        char const* const field = kind == "LeaderWorkerSet" ? "leaderWorkerTemplate" : "template";
        co_return co_await patch("fleet", workloads(), fmt::format(R"({{"spec":{{"{}":{}}}}})", field, pods));
    }

    // v2 in its first step in each of these clusters, where it waits for an approval.
    Task<Status> set_up_paused(std::vector<std::string> clusters) {
        CO_TRY(co_await set_up(std::move(clusters)));
        CO_TRY(co_await release("v2"));
        co_return co_await until_all("state", "Progressing/1/StepPaused");
    }

    // One person's word on these clusters, bound to what they show now.
    Task<Status> decide(std::string action, std::vector<std::string> clusters, std::string name,
                        std::optional<Duration> expires = {}) {
        apis::DecisionSpec spec;
        if (expires) spec.expires_at = format_rfc3339(scope.context().now() + *expires);
        spec.rollout_ref = {"rollouts.kruise.io/v1beta1", "Rollout", "web"};
        Doc const workload = co_await get("fleet", workloads());
        Doc const rollout = co_await get("fleet", apis::kRollouts);
        spec.release = apis::ReleaseReference{decision::release_digest(workload, rollout)};
        spec.action = action;
        spec.selection = "Named";
        for (std::string const& cluster : clusters) {
            Doc const live = co_await get(cluster, apis::kRollouts);
            apis::DecisionTarget target;
            target.cluster = cluster;
            target.rollout_uid = meta::uid(live);
            Doc const canary = live.at({"status", "canaryStatus"});
            if (action == "Approve") {
                target.step = canary["currentStepIndex"].as_int();
                target.revision = canary["canaryRevision"].string();
                target.paused_since = canary["lastUpdateTime"].string();
            }
            spec.targets.push_back(std::move(target));
        }
        Value object{json::Object{{"apiVersion", "fleet.aviary.dev/v1alpha1"}, {"kind", "Decision"}}};
        object["metadata"] = json::Object{{"name", name}, {"namespace", "demo"}};
        object["spec"] = apis::write_decision_spec(spec);
        CO_TRY(co_await at("fleet").create(scope.context(), apis::kDecisions, std::move(object)));
        co_return Status{};
    }
    // What the hub explains of Rollout web.
    Task<Result<Doc>> explained() {
        client::Request request;
        request.path = std::string(proxy::kRoot) + "namespaces/demo/rollouts/web";
        CO_TRY_ASSIGN(auto const answer, co_await at("fleet").raw(scope.context(), std::move(request)));
        co_return answer.body;
    }
    // "Partial beijing Applied oslo Stale"
    Task<std::string> outcome(std::string name) {
        auto const found = co_await at("fleet").get(scope.context(), apis::kDecisions, {"demo", name});
        if (!found) co_return found.error().message();
        std::string text = (*found).at({"status", "outcome"}).string();
        for (auto const& [index, row] : (*found).at({"status", "clusters"}).elements()) {
            text += fmt::format(" {} {}", row["cluster"].as_string(), row["outcome"].as_string());
        }
        co_return text;
    }

    // Writes of the hub so far, by cluster: "beijing patch deployments".
    std::map<std::string, std::uint64_t> hub_writes() const {
        std::map<std::string, std::uint64_t> result;
        for (auto const& each : server->request_counts()) {
            bool const reads = each.verb == "get" || each.verb == "list" || each.verb == "watch";
            if (each.user != kHubUser.name || reads) continue;
            result[fmt::format("{} {} {}{}", each.cluster, each.verb, each.resource,
                               each.subresource.empty() ? "" : "/" + each.subresource)] += each.count;
        }
        return result;
    }

    // The guard of whichever hub is running; without one it refuses.
    class Guard final : public control::Admission {
    public:
        explicit Guard(Fleet& fleet) : fleet_(fleet) {}
        std::string_view name() const override { return "guard"; }
        bool matches(control::AdmissionRequest const& request) const override {
            if (request.resource == apis::kFleetBindings && request.subresource.empty()) return true;
            if (fleet_.without_guard) return false;
            std::string const& resource = request.resource.resource;
            return resource == "rollouts" || resource.ends_with("policies") ||
                   resource.starts_with("managedclusterset");
        }
        Task<Status> mutate(Context ctx, control::AdmissionRequest& request) override {
            if (!fleet_.hub || fleet_.without_guard) co_return Status{};
            auto const guard = fleet_.hub->guard_admission();
            if (guard->matches(request)) CO_TRY(co_await guard->mutate(ctx, request));
            co_return Status{};
        }
        Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override {
            if (request.resource == apis::kFleetBindings) {
                if (auto const intrude = std::exchange(fleet_.before_binding, {})) co_await intrude();
                co_return Status{};
            }
            if (!fleet_.hub) co_return fail(ErrorCode::kUnavailable, "no hub");
            auto const guard = fleet_.hub->guard_admission();
            if (!guard->matches(request)) co_return Status{};
            Status outcome = co_await guard->validate(ctx, request);
            co_return outcome;
        }

    private:
        Fleet& fleet_;
    };

    // The reads of whichever hub is running.
    class Reads final : public apiserver::Route {
    public:
        explicit Reads(Fleet& fleet) : fleet_(fleet) {}
        Task<client::Response> handle(Context ctx, control::UserInfo user, client::Request request) override {
            auto const route = proxy::make_fleet_route({fleet_.hub, &fleet_.hub->propagator()},
                                                       control::make_reviewer(fleet_.server->authorizer("fleet")));
            auto response = co_await route->handle(ctx, std::move(user), std::move(request));
            co_return response;
        }

    private:
        Fleet& fleet_;
    };

    async::Scope scope;
    std::string kind = "Deployment", api_version = "apps/v1";   // of the workload
    Ways ways;                                                  // to the members
    decision::AuditSink audit;                                  // of each hub that is started
    propagation::Mode mode = propagation::Mode::kFull;
    std::string hub_id = "fleet";
    std::int64_t epoch = 1;
    placement::Allowed allowed = placement::Allowed::kEverywhere;
    std::set<std::string> without_webhook;        // members that run controllers and are not asked
    bool without_guard = false;                   // the hub's admission is not asked
    std::function<Task<void>()> before_binding;   // comes in between, once, before the next write of a binding's spec
    std::vector<std::string> members;
    std::unique_ptr<apiserver::ApiServer> server;
    std::vector<std::unique_ptr<simulator::Simulator>> simulators;
    std::vector<std::unique_ptr<member::Member>> controllers;
    std::shared_ptr<Hub> hub;
    std::unique_ptr<async::Scope> hub_scope;
};

}   // namespace aviary::hub
