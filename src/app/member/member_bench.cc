// Reaction and thrift of one member's controllers: releases of ten pods in three steps on the embedded server with a
// durable store. Approvals are status patches, as upstream's tools send them; pods start at once.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "apis/crds.h"
#include "apis/rollouts/rollout.h"
#include "app/member/member.h"
#include "core/async/asio_executor.h"
#include "core/async/wait.h"
#include "core/json/parse.h"
#include "core/storage/engine.h"
#include "kube/apiserver/server.h"
#include "kube/client/informer.h"
#include "kube/meta/object.h"
#include "kube/simulator/simulator.h"

namespace aviary::member {
namespace {

using json::Doc;
using json::Value;

control::UserInfo const kAdmin{"admin", {"system:masters", "system:authenticated"}, {}};
control::UserInfo const kController{"aviary-member", {"system:masters", "system:authenticated"}, {}};
meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
meta::ObjectKey const kWeb{"default", "web"};

struct Figures {
    std::vector<double> reactions;   // milliseconds from an approval to the next pause
    std::vector<double> releases;    // milliseconds of a whole release
    double requests = 0;             // a release, beside those below
    double pod_labels = 0;           // writes of pod labels
    double replica_sets = 0;         // writes of ReplicaSets
    std::string problem;
};

class Bench {
public:
    Bench(Context ctx, Figures& figures) : ctx_(std::move(ctx)), figures_(figures) {}

    Task<void> run(std::string folder, int releases) {
        async::Scope scope(ctx_);
        Status const done = co_await play(scope, std::move(folder), releases);
        if (!done) figures_.problem = done.error().message();
        co_await scope.cancel_and_join();
        rollouts_.reset();
        member_.reset();
        simulator_.reset();
        server_.reset();
    }

private:
    Task<Status> play(async::Scope& scope, std::string folder, int releases) {
        CO_TRY_ASSIGN(std::shared_ptr<storage::Engine> engine, storage::open_rocks(std::move(folder)));
        CO_TRY_ASSIGN(server_, co_await apiserver::ApiServer::open(ctx_, engine, {}));
        client_.emplace(server_->transport("fleet", kAdmin), "bench");
        meta::GroupVersionResource const definitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
        for (Value const& crd : apis::member_crds()) {
            CO_TRY(co_await client_->create(ctx_, definitions, crd));
        }
        simulator::Options options;
        options.pod_start = Duration(0);
        simulator_.emplace(client::Client(server_->transport("fleet", kAdmin), "simulator"), options);
        member_.emplace(client::Client(server_->transport("fleet", kController), "member"), kController.name,
                        "aviary-system");
        for (auto const& admission : member_->admissions()) server_->add_admission("fleet", admission);
        rollouts_.emplace(*client_, apis::kRollouts);
        rollouts_->on_change([this](client::Change const&) { changed_.notify(); });
        scope.spawn(server_->run_controllers(scope.context()));
        scope.spawn(simulator_->run(scope.context()));
        scope.spawn(member_->run(scope.context()));
        scope.spawn(rollouts_->run(scope.context()));
        CO_TRY(co_await client_->create(
            ctx_, kDeployments,
            *json::parse_value(
                R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},"spec":{"replicas":10,
                   "selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"v1"}]}}}})")));
        CO_TRY(co_await async::sleep_for(ctx_, std::chrono::milliseconds(500)));
        CO_TRY(co_await client_->create(
            ctx_, apis::kRollouts,
            *json::parse_value(
                R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"default"},"spec":{
                   "workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
                   "strategy":{"canary":{"steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}]}}}})")));
        CO_TRY(co_await until("Healthy", 3, "Completed", ""));
        Requests const before = requests();
        for (int index = 0; index < releases; ++index) {
            CO_TRY(co_await release(fmt::format("v{}", index + 2)));
        }
        Requests const after = requests();
        figures_.requests = (after.others - before.others) / releases;
        figures_.pod_labels = (after.pod_labels - before.pod_labels) / releases;
        figures_.replica_sets = (after.replica_sets - before.replica_sets) / releases;
        co_return Status{};
    }

    Task<Status> release(std::string image) {
        std::string const last = rollouts_->get(kWeb).at({"status", "canaryStatus", "canaryRevision"}).string();
        MonotonicTime const begin = ctx_.monotonic();
        CO_TRY(co_await client_->patch(
            ctx_, kDeployments, kWeb, client::PatchType::kStrategicMerge,
            *json::parse_value(fmt::format(
                R"({{"spec":{{"template":{{"spec":{{"containers":[{{"name":"main","image":"{}"}}]}}}}}}}})", image))));
        CO_TRY(co_await until("Progressing", 1, "StepPaused", last));
        MonotonicTime const approved = ctx_.monotonic();
        CO_TRY(co_await approve());
        CO_TRY(co_await until("Progressing", 2, "StepPaused", last));
        figures_.reactions.push_back(milliseconds(ctx_.monotonic() - approved));
        CO_TRY(co_await approve());
        CO_TRY(co_await until("Healthy", 3, "Completed", last));
        figures_.releases.push_back(milliseconds(ctx_.monotonic() - begin));
        co_return Status{};
    }

    Task<Status> approve() {
        CO_TRY(co_await client_->patch(
            ctx_, apis::kRollouts, kWeb, client::PatchType::kMerge,
            *json::parse_value(R"({"status":{"canaryStatus":{"currentStepState":"StepReady"}}})"),
            {.subresource = "status"}));
        co_return Status{};
    }

    // Of another revision than `last`.
    Task<Status> until(std::string phase, std::int64_t step, std::string state, std::string last) {
        Context const limited = ctx_.with_timeout(std::chrono::seconds(20));
        while (true) {
            Doc const status = rollouts_->get(kWeb)["status"];
            Doc const canary = status["canaryStatus"];
            if (status["phase"].as_string() == phase && canary["currentStepIndex"].as_int() == step &&
                canary["currentStepState"].as_string() == state && canary["canaryRevision"].as_string() != last) {
                co_return Status{};
            }
            CO_TRY(co_await changed_.wait(limited));
        }
    }

    struct Requests {
        double others = 0, pod_labels = 0, replica_sets = 0;
    };

    // All that the server has counted of the controllers; watches stay open from before the first release.
    Requests requests() const {
        Requests result;
        for (auto const& each : server_->request_counts()) {
            if (each.user != kController.name) continue;
            bool const reads = each.verb == "get" || each.verb == "list" || each.verb == "watch";
            double& total = each.resource == "pods" && each.verb == "patch" ? result.pod_labels
                            : each.resource == "replicasets" && !reads      ? result.replica_sets
                                                                            : result.others;
            total += static_cast<double>(each.count);
        }
        return result;
    }

    static double milliseconds(Duration duration) {
        return std::chrono::duration<double, std::milli>(duration).count();
    }

    Context ctx_;
    Figures& figures_;
    std::unique_ptr<apiserver::ApiServer> server_;
    std::optional<client::Client> client_;
    std::optional<simulator::Simulator> simulator_;
    std::optional<Member> member_;
    std::optional<client::Informer> rollouts_;
    async::Event changed_;
};

double share(std::vector<double> sorted, double part) {
    if (sorted.empty()) return 0;
    std::ranges::sort(sorted);
    return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(part * static_cast<double>(sorted.size())))];
}

void releases(benchmark::State& state) {
    for (auto _ : state) {
        std::filesystem::path const folder =
            std::filesystem::temp_directory_path() / fmt::format("aviary-member-bench-{}", ::getpid());
        Figures figures;
        {
            async::AsioExecutor executor;
            Bench bench(Context(executor), figures);
            executor.run(bench.run(folder.string(), 60));
        }
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
        if (!figures.problem.empty()) return state.SkipWithError(figures.problem.c_str());
        state.counters["approval_to_pause_p50_ms"] = share(figures.reactions, 0.5);
        state.counters["approval_to_pause_p99_ms"] = share(figures.reactions, 0.99);
        state.counters["release_p50_ms"] = share(figures.releases, 0.5);
        state.counters["release_p99_ms"] = share(figures.releases, 0.99);
        state.counters["requests_a_release"] = figures.requests;
        state.counters["pod_label_writes_a_release"] = figures.pod_labels;
        state.counters["replicaset_writes_a_release"] = figures.replica_sets;
    }
}
BENCHMARK(releases)->Iterations(1)->Unit(benchmark::kMillisecond);

}   // namespace
}   // namespace aviary::member
