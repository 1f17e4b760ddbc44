// Many Rollouts of one cluster that are released at once, without anybody's approval: from the first new template to
// the last end, over TLS, against a cluster and a controller in other processes.
#include <fmt/format.h>
#include <unistd.h>

#include "apis/rollouts/rollout.h"
#include "core/async/asio_executor.h"
#include "core/async/event.h"
#include "core/async/scope.h"
#include "core/json/parse.h"
#include "kube/client/http_transport.h"
#include "kube/client/informer.h"
#include "kube/meta/object.h"
#include "load.h"

namespace aviary::perf {

namespace {

using json::Doc;
using json::Value;

meta::GroupVersionResource const kDeployments{"apps", "v1", "deployments"};
meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
constexpr char kNamespace[] = "releases";
constexpr Duration kLimit = std::chrono::seconds(120);

constexpr char kDeployment[] =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"releases"},"spec":{"replicas":10,
        "selector":{"matchLabels":{}},"template":{"metadata":{"labels":{}},
        "spec":{"containers":[{"name":"main","image":"v1"}]}}}})";
constexpr char kRollout[] =
    R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"namespace":"releases"},"spec":{
        "workloadRef":{"apiVersion":"apps/v1","kind":"Deployment"},"strategy":{"canary":{"steps":[
        {"replicas":"10%","pause":{"duration":0}},{"replicas":"50%","pause":{"duration":0}},
        {"replicas":"100%","pause":{"duration":0}}]}}}})";

class Releases {
public:
    Releases(Context ctx, async::AsioExecutor& executor, ReleasesOptions const& options)
        : ctx_(std::move(ctx)), executor_(executor), options_(options) {}

    Task<Status> run() {
        async::Scope scope(ctx_);
        Status const outcome = co_await play(scope);
        co_await scope.cancel_and_join();
        co_return outcome;
    }

private:
    Task<Status> play(async::Scope& scope) {
        CO_TRY_ASSIGN(std::shared_ptr<client::Transport> transport, client::http_transport(executor_, options_.access));
        client_.emplace(std::move(transport), "aviary-perf");
        rollouts_ = std::make_unique<client::Informer>(*client_, apis::kRollouts);
        deployments_ = std::make_unique<client::Informer>(*client_, kDeployments);
        for (client::Informer* informer : {rollouts_.get(), deployments_.get()}) {
            informer->on_change([this](client::Change const&) { changed_.notify(); });
            scope.spawn(informer->run(scope.context()));
        }
        auto const made = co_await client_->create(
            ctx_, kNamespaces,
            *json::parse_value(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"releases"}})"));
        if (!made && !made.error().is(ErrorCode::kAlreadyExists)) co_return std::unexpected(made.error());
        CO_TRY(co_await each([this](int index) { return create(index); }));
        CO_TRY(co_await all_at("v1"));
        std::string const image = fmt::format("v{}", ::getpid());
        MonotonicTime const begun = ctx_.monotonic();
        CO_TRY(co_await each([this, image](int index) { return release(index, image); }));
        CO_TRY(co_await all_at(image));
        fmt::print("releases rollouts={} pods={} seconds={:.2f}\n", options_.rollouts, options_.rollouts * 10,
                   std::chrono::duration<double>(ctx_.monotonic() - begun).count());
        co_return Status{};
    }

    // All of them at once; the first failure.
    Task<Status> each(std::function<Task<Status>(int)> act) {
        Status first;
        async::Scope scope(ctx_);
        for (int index = 0; index < options_.rollouts; ++index) scope.spawn(note(act(index), first));
        co_await scope.join();
        co_return first;
    }
    static Task<void> note(Task<Status> task, Status& first) {
        Status const done = co_await std::move(task);
        if (!done && first) first = done;
    }

    static std::string name(int index) { return fmt::format("web-{}", index); }

    Task<Status> create(int index) {
        Value workload = *json::parse_value(kDeployment);
        workload.set({"metadata", "name"}, name(index));
        workload.set({"spec", "selector", "matchLabels", "app"}, name(index));
        workload.set({"spec", "template", "metadata", "labels", "app"}, name(index));
        Value rollout = *json::parse_value(kRollout);
        rollout.set({"metadata", "name"}, name(index));
        rollout.set({"spec", "workloadRef", "name"}, name(index));
        CO_TRY(co_await client_->create(ctx_, kDeployments, std::move(workload)));
        if (!options_.native) CO_TRY(co_await client_->create(ctx_, apis::kRollouts, std::move(rollout)));
        co_return Status{};
    }

    Task<Status> release(int index, std::string image) {
        Value patch{json::Object()};
        patch.set({"spec", "template", "spec", "containers"},
                  json::Array{json::Object{{"name", "main"}, {"image", image}}});
        CO_TRY(co_await client_->patch(ctx_, kDeployments, {kNamespace, name(index)},
                                       client::PatchType::kStrategicMerge, std::move(patch)));
        co_return Status{};
    }

    bool at(int index, std::string const& image) const {
        meta::ObjectKey const key{kNamespace, name(index)};
        Doc const workload = deployments_->get(key);
        Doc const status = workload["status"];
        bool const current = status["observedGeneration"].as_int() == meta::generation(workload) &&
                             workload.at({"spec", "template", "spec", "containers"})[0]["image"].as_string() == image;
        bool const whole = status["replicas"].as_int() == 10 && status["updatedReplicas"].as_int() == 10 &&
                           status["availableReplicas"].as_int() == 10;
        bool const held = !meta::annotation(workload, "rollouts.kruise.io/in-progressing").empty();
        bool const healthy = rollouts_->get(key).at({"status", "phase"}).as_string() == "Healthy";
        return current && whole && !held && (healthy || options_.native);
    }

    Task<Status> all_at(std::string image) {
        Context const limited = ctx_.with_timeout(kLimit);
        for (int index = 0; index < options_.rollouts;) {
            if (at(index, image)) {
                ++index;
            } else if (Status const waited = co_await changed_.wait(limited); !waited) {
                co_return std::unexpected(
                    waited.error().context(fmt::format("{} has not come to {}", name(index), image)));
            }
        }
        co_return Status{};
    }

    Context ctx_;
    async::AsioExecutor& executor_;
    ReleasesOptions const& options_;
    std::optional<client::Client> client_;
    std::unique_ptr<client::Informer> rollouts_, deployments_;
    async::Event changed_;
};

}   // namespace

Status releases(ReleasesOptions const& options) {
    async::AsioExecutor executor;
    Releases releases(Context(executor), executor, options);
    return executor.run(releases.run());
}

}   // namespace aviary::perf
