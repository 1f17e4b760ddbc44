// For tests: one simulated cluster with a Member, in virtual time; on a bad network when told so.
#pragma once

#include <map>

#include "apis/crds.h"
#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "app/member/member.h"
#include "core/async/co_test.h"
#include "core/async/wait.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/apiserver/store/store.h"
#include "kube/meta/object.h"
#include "kube/simulator/simulator.h"

namespace aviary::member {

using namespace std::chrono_literals;
using json::Doc;
using json::Value;
using Images = std::map<std::string, int>;

inline meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
inline meta::GroupVersionResource const kReplicaSets{"apps", "v1", "replicasets"};
inline meta::GroupVersionResource const kPods{"", "v1", "pods"};
inline meta::GroupVersionResource const kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
inline control::UserInfo const kAdmin{"admin", {"system:masters"}, {}};
inline control::UserInfo const kController{"aviary-member", {"system:masters"}, {}};
inline meta::ObjectKey const kWeb{"default", "web"};
inline constexpr char const* kOwnNamespace = "aviary-system";

inline Value deployment(std::string const& image, std::int64_t replicas) {
    Value object = *json::parse_value(
        R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},
      "spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
      "spec":{"containers":[{"name":"main","image":""}]}}}})");
    object.set({"spec", "replicas"}, replicas);
    Value container = object.at({"spec", "template", "spec", "containers"})[0];
    container["image"] = image;
    object.set({"spec", "template", "spec", "containers"}, json::Array{container});
    return object;
}

inline constexpr char const* kCanaryStyle = R"({"canary":{"enableExtraWorkloadForCanary":true}})";
inline constexpr char const* kPartitionStyle = R"({"canary":{"enableExtraWorkloadForCanary":false}})";

inline Value rollout(std::string const& steps, std::string const& style = kPartitionStyle) {
    Value object = *json::parse_value(
        R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"default"},
      "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}})");
    Value strategy = *json::parse_value(style);
    for (auto& [kind, each] : strategy.make_object()) each["steps"] = *json::parse_value(steps);
    object.set({"spec", "strategy"}, std::move(strategy));
    return object;
}

// What a release has marked an object with.
inline std::string marks_on(Doc const& object) {
    std::string found;
    for (char const* map : {"annotations", "labels"}) {
        for (auto const& [key, value] : object.at({"metadata", map}).members()) {
            if (key.find("rollouts.kruise.io/") != std::string_view::npos && key != apis::kWorkloadTypeLabel)
                found += meta::name(object) + ": " + std::string(key) + "; ";
        }
    }
    return found;
}

inline constexpr char const* kArticle = R"([{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}])";

// Delays requests and events, and fails some requests before or after they were carried out.
class BadNetwork final : public client::Transport {
public:
    BadNetwork(std::shared_ptr<client::Transport> inner, double failures)
        : inner_(std::move(inner)), failures_(failures) {}

    Task<Result<client::Response>> send(Context ctx, client::Request request) override {
        CO_TRY(co_await async::sleep_for(ctx, delay(ctx)));
        bool const watches = request.has_query("watch");
        if (!watches && ctx.random().unit() < failures_) co_return fail(ErrorCode::kUnavailable, "lost on the way");
        auto response = co_await inner_->send(ctx, std::move(request));
        if (!watches) {
            CO_TRY(co_await async::sleep_for(ctx, delay(ctx)));
            if (ctx.random().unit() < failures_) co_return fail(ErrorCode::kUnavailable, "the answer was lost");
        }
        if (response && response->watch) response->watch = std::make_unique<Slow>(std::move(response->watch));
        co_return response;
    }

private:
    static Duration delay(Context const& ctx) { return std::chrono::microseconds(ctx.random().below(5000)); }

    class Slow final : public client::WatchStream {
    public:
        explicit Slow(std::unique_ptr<client::WatchStream> inner) : inner_(std::move(inner)) {}
        Task<Result<std::optional<json::Doc>>> next(Context ctx) override {
            auto event = co_await inner_->next(ctx);
            if (event) (void)co_await async::sleep_for(ctx, delay(ctx));
            co_return event;
        }

    private:
        std::unique_ptr<client::WatchStream> inner_;
    };

    std::shared_ptr<client::Transport> inner_;
    double failures_;
};

struct World {
    explicit World(Context ctx, double failures = -1) : scope(ctx), failures(failures) {}

    // On a bad network when failures are not negative.
    std::shared_ptr<client::Transport> reach(control::UserInfo user) {
        auto transport = server->transport("fleet", std::move(user));
        if (failures < 0) return transport;
        return std::make_shared<BadNetwork>(std::move(transport), failures);
    }

    Task<Status> start(Duration pod_start = 500ms) {
        CO_TRY(co_await start_cluster(apis::member_crds(), pod_start));
        start_member();
        co_return Status{};
    }

    // Servers of all tests know the same kinds.
    static apiserver::Options server_options() {
        static auto const catalog = apiserver::make_catalog(64);
        apiserver::Options options;
        options.catalog = catalog;
        return options;
    }

    // With these definitions beside those that are there.
    Task<Status> start_cluster(std::vector<Value> definitions, Duration pod_start = 500ms) {
        CO_TRY_ASSIGN(server, co_await apiserver::ApiServer::open(scope.context(), engine, server_options()));
        client.emplace(server->transport("fleet", kAdmin), "test");
        for (Value const& crd : definitions) {
            CO_TRY(co_await client->create(scope.context(), kCrds, crd));
        }
        simulator::Options options;
        options.pod_start = pod_start;
        options.nodes = nodes;
        simulator.emplace(client::Client(reach(kAdmin), "simulator"), options);
        server->add_admission("fleet", std::make_shared<Gate>(*this));
        scope.spawn(server->run_controllers(scope.context()));
        scope.spawn(simulator->run(scope.context()));
        co_return Status{};
    }

    void start_member() { start_member(reach(controller)); }
    void start_member(std::shared_ptr<client::Transport> transport) {
        member.emplace(client::Client(std::move(transport), "aviary-member"), controller.name, kOwnNamespace, features);
        member_scope = std::make_unique<async::Scope>(scope.context());
        member_scope->spawn(member->run(member_scope->context()));
    }
    Task<void> stop_member() {
        co_await member_scope->cancel_and_join();
        member.reset();
    }
    Task<void> stop() {
        if (member_scope) co_await stop_member();
        co_await scope.cancel_and_join();
    }

    // Before start_cluster(): a cluster of its own that has what the other one has at this moment.
    Task<Status> copy(World const& other) {
        storage::WriteBatch all;
        CO_TRY(other.engine->scan("", "\xff", [&all](std::string_view key, std::string_view value) {
            all.put(std::string(key), std::string(value));
            return true;
        }));
        co_return co_await engine->commit(scope.context(), std::move(all));
    }

    // Before start(): these objects are there as they are, with uids, generations and status.
    Task<Status> restore(std::vector<Value> objects) {
        Context const ctx = scope.context();
        CO_TRY_ASSIGN(auto bare, co_await apiserver::ApiServer::open(ctx, engine, server_options()));
        bare.reset();
        CO_TRY_ASSIGN(auto const store, store::Store::open(*engine, "fleet"));
        for (Value& object : objects) {
            meta::GroupVersionResource const resource = meta::resource_of(object);
            store::Key const where{resource.group, resource.resource, object.at({"metadata", "namespace"}).string(),
                                   object.at({"metadata", "name"}).string()};
            CO_TRY(co_await store->write(ctx, {.key = where, .object = std::move(object)}));
        }
        co_return Status{};
    }

    // Ten pods of v1, ready, and a Healthy Rollout.
    Task<Status> set_up(std::string steps = kArticle, std::int64_t replicas = 10, std::string style = kPartitionStyle) {
        CO_TRY(co_await start());
        co_return co_await set_up_started(std::move(steps), replicas, std::move(style));
    }
    Task<Status> set_up_started(std::string steps, std::int64_t replicas, std::string style) {
        CO_TRY(co_await client->create(scope.context(), kDeployments, deployment("v1", replicas)));
        CO_TRY(co_await async::sleep_for(scope.context(), 5s));
        CO_TRY(co_await client->create(scope.context(), apis::kRollouts, rollout(steps, style)));
        co_return co_await until("Healthy/0//", true);
    }

    // The same beside it, of another name and with this annotation; what the World's functions are about from now on.
    Task<Status> set_up_beside(meta::ObjectKey key, std::string steps, std::string style, std::string_view annotation,
                               std::string value) {
        Value made = deployment("v1", 10);
        made.set({"metadata", "name"}, key.name);
        made.set({"spec", "selector", "matchLabels", "app"}, key.name);
        made.set({"spec", "template", "metadata", "labels", "app"}, key.name);
        CO_TRY(co_await client->create(scope.context(), kDeployments, made));
        CO_TRY(co_await async::sleep_for(scope.context(), 5s));
        Value release = rollout(steps, style);
        release.set({"metadata", "name"}, key.name);
        release.set({"metadata", "annotations", annotation}, std::move(value));
        release.set({"spec", "workloadRef", "name"}, key.name);
        CO_TRY(co_await client->create(scope.context(), apis::kRollouts, release));
        of(key);
        co_return co_await until("Healthy/0//", true);
    }
    // Whose release the World's functions are about.
    void of(meta::ObjectKey const& key) { workload = rollout_key = key; }

    Task<Images> images() {
        Images counts;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = workload.ns});
        EXPECT_TRUE(list) << list.error().message();
        for (auto const& [index, pod] : (*list)["items"].elements())
            ++counts[pod.at({"spec", "containers"})[0]["image"].string()];
        co_return counts;
    }

    Task<Status> release(std::string image) {
        Value patch = *json::parse_value(R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":")" +
                                         image + R"("}]}}}})");
        CO_TRY(
            co_await client->patch(scope.context(), kDeployments, workload, client::PatchType::kStrategicMerge, patch));
        co_return Status{};
    }

    Task<Status> approve() {
        Doc const object = co_await get(apis::kRollouts);
        Value patch{json::Object()};
        patch.set({"status", apis::release_status_name(object), "currentStepState"}, "StepReady");
        CO_TRY(co_await client->patch(scope.context(), apis::kRollouts, rollout_key, client::PatchType::kMerge, patch,
                                      {.subresource = "status"}));
        co_return Status{};
    }

    Task<Doc> get(meta::GroupVersionResource resource) {
        auto const found =
            co_await client->get(scope.context(), resource, resource == kDeployments ? workload : rollout_key);
        co_return found ? *found : Doc();
    }

    // "Progressing/1/StepPaused/InRolling"
    Task<std::string> state() {
        Doc const object = co_await get(apis::kRollouts);
        Doc const status = object["status"];
        std::string reason;
        for (auto const& [key, each] : status["conditions"].elements()) {
            if (each["type"].as_string() == "Progressing") reason = each["reason"].string();
        }
        co_return status["phase"].string() + "/" +
            std::to_string(apis::release_status(object)["currentStepIndex"].as_int()) + "/" +
            apis::release_status(object)["currentStepState"].string() + "/" + reason;
    }

    Task<Status> until(std::string wanted, bool phase_only = false) {
        std::string seen;
        for (int count = 0; count < 6000; ++count) {
            seen = co_await state();
            std::string const shown = phase_only ? seen.substr(0, seen.find('/')) + "/0//" : seen;
            if (shown == wanted) co_return Status{};
            CO_TRY(co_await async::sleep_for(scope.context(), 10ms));
        }
        Doc const object = co_await get(apis::kRollouts);
        Doc const live = co_await get(kDeployments);
        Doc const batches = co_await get(apis::kBatchReleases);
        co_return fail(ErrorCode::kTimeout, "waiting for " + wanted + ", it is " + seen + "\n" +
                                                json::write(object["status"]) + "\n" + json::write(batches["spec"]) +
                                                json::write(batches["status"]) + "\n" + json::write(live));
    }

    // How often something was said in Events of this reason.
    Task<std::int64_t> said(std::string reason) {
        auto const list = co_await client->list(scope.context(), {"", "v1", "events"}, {.ns = "default"});
        std::int64_t count = 0;
        for (auto const& [index, each] : (*list)["items"].elements()) {
            if (each["reason"].as_string() == reason) count += each["count"].as_int(1);
        }
        co_return count;
    }

    // Nothing of a release is left on the Deployment and its ReplicaSets.
    Task<std::string> leftovers() {
        Doc const live = co_await get(kDeployments);
        std::string found = marks_on(live);
        if (live.at({"spec", "paused"}).as_bool()) found += "paused; ";
        if (live.at({"spec", "strategy", "type"}).as_string() != "RollingUpdate") found += "strategy; ";
        auto const sets = co_await client->list(scope.context(), kReplicaSets, {.ns = workload.ns});
        for (auto const& [key, set] : (*sets)["items"].elements()) found += marks_on(set);
        Doc const batches = co_await get(apis::kBatchReleases);
        if (batches.exists()) found += "BatchRelease; ";
        co_return found;
    }

    // Gives the member's user these rules, beside what it has.
    Task<Status> allow(std::string name, std::string rules) {
        std::string const group = "rbac.authorization.k8s.io";
        Value role{json::Object{{"apiVersion", group + "/v1"}, {"kind", "ClusterRole"}}};
        role.set({"metadata", "name"}, name);
        role["rules"] = *json::parse_value(rules);
        CO_TRY(co_await client->create(scope.context(), {group, "v1", "clusterroles"}, role));
        Value binding{json::Object{{"apiVersion", group + "/v1"}, {"kind", "ClusterRoleBinding"}}};
        binding.set({"metadata", "name"}, name);
        binding["roleRef"] = json::Object{{"apiGroup", group}, {"kind", "ClusterRole"}, {"name", name}};
        binding["subjects"] =
            json::Array{json::Object{{"apiGroup", group}, {"kind", "User"}, {"name", controller.name}}};
        CO_TRY(co_await client->create(scope.context(), {group, "v1", "clusterrolebindings"}, binding));
        co_return Status{};
    }

    // The admission functions of whichever Member is running; without one they refuse, as a webhook that fails.
    class Gate final : public control::Admission {
    public:
        explicit Gate(World& world) : world_(world) {}
        std::string_view name() const override { return "member"; }
        bool matches(control::AdmissionRequest const& request) const override {
            bool const approves = request.resource.resource == "rollouts" && request.subresource == "status";
            std::string const& resource = request.resource.resource;
            bool const workload = resource == "deployments" || resource == "statefulsets" || resource == "daemonsets" ||
                                  resource == "clonesets" || resource == "leaderworkersets" || resource == "gamesets";
            bool const changes = workload && request.subresource.empty();
            bool const routing = resource == "trafficroutings" && request.subresource.empty();
            return world_.guarded && (approves || changes || routing) &&
                   request.operation == control::Operation::kUpdate;
        }
        Task<Status> mutate(Context ctx, control::AdmissionRequest& request) override {
            if (request.subresource == "status" || request.resource.resource == "trafficroutings") co_return Status{};
            if (!world_.member) co_return fail(ErrorCode::kUnavailable, "no member controller");
            auto const admissions = world_.member->admissions();
            for (auto const& each : admissions) {
                if (each->matches(request)) CO_TRY(co_await each->mutate(ctx, request));
            }
            co_return Status{};
        }
        Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override {
            if (!world_.member) co_return Status{};
            auto const admissions = world_.member->admissions();
            for (auto const& each : admissions) {
                if (each->matches(request)) CO_TRY(co_await each->validate(ctx, request));
            }
            co_return Status{};
        }

    private:
        World& world_;
    };

    async::Scope scope;
    double failures;
    int nodes = 2;
    bool guarded = true;                          // writes are put before the member's admission functions
    control::UserInfo controller = kController;   // whom the member authenticates as
    rollout::Features features;
    meta::ObjectKey workload = kWeb, rollout_key = kWeb;
    std::shared_ptr<storage::MemoryEngine> engine = std::make_shared<storage::MemoryEngine>();
    std::unique_ptr<apiserver::ApiServer> server;
    std::optional<client::Client> client;
    std::optional<simulator::Simulator> simulator;
    std::optional<Member> member;
    std::unique_ptr<async::Scope> member_scope;
};

}   // namespace aviary::member
