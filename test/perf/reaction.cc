// From a Decision's creation on the hub to the next pause in each member, over TLS, against a fleet in another process.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "apis/fleet/decision.h"
#include "apis/policy/propagation_policy.h"
#include "apis/rollouts/rollout.h"
#include "core/async/asio_executor.h"
#include "core/async/wait.h"
#include "core/base/strings.h"
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
meta::ObjectKey const kWeb{"bench", "web"};
constexpr Duration kLimit = std::chrono::seconds(30);

constexpr char kNamespacePolicy[] =
    R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"ClusterPropagationPolicy","metadata":{"name":"bench"},"spec":{
        "resourceSelectors":[{"apiVersion":"v1","kind":"Namespace","name":"bench"}],
        "placement":{"replicaScheduling":{"replicaSchedulingType":"Duplicated"}}}})";
constexpr char kPolicy[] =
    R"({"apiVersion":"policy.one.alibabacloud.com/v1alpha1","kind":"PropagationPolicy","metadata":{"name":"web","namespace":"bench"},
        "spec":{"resourceSelectors":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
        {"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","name":"web"}],
        "placement":{"replicaScheduling":{"replicaSchedulingType":"Duplicated"}}}})";
constexpr char kDeployment[] =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"bench"},"spec":{"replicas":10,
        "selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
        "spec":{"containers":[{"name":"main","image":"v1"}]}}}})";
constexpr char kRollout[] =
    R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"bench"},"spec":{
        "workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
        "strategy":{"canary":{"steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}]}}}})";

struct Member {
    std::string name;
    std::unique_ptr<client::Informer> rollouts, deployments;
    std::string last_revision;
    MonotonicTime seen{};   // when the awaited state was first seen
};

class Reaction {
public:
    Reaction(Context ctx, async::AsioExecutor& executor, ReactionOptions const& options)
        : ctx_(std::move(ctx)), executor_(executor), options_(options) {}

    Task<Status> run() {
        async::Scope scope(ctx_);
        Status const outcome = co_await play(scope);
        co_await scope.cancel_and_join();
        co_return outcome;
    }

private:
    Result<client::Client> connect(std::string const& context) {
        client::ServerAccess const access = TRY(client::load_kubeconfig(options_.kubeconfig, context));
        return client::Client(TRY(client::http_transport(executor_, access)), "aviary-perf");
    }

    Task<Status> play(async::Scope& scope) {
        CO_TRY_ASSIGN(hub_, connect("fleet"));
        for (std::string_view name : split(options_.clusters, ',')) {
            CO_TRY_ASSIGN(client::Client const client, connect(std::string(name)));
            Member& member = members_.emplace_back();
            member.name = name;
            member.rollouts = std::make_unique<client::Informer>(client, apis::kRollouts);
            member.deployments = std::make_unique<client::Informer>(client, kDeployments);
        }
        for (Member& member : members_) {
            for (client::Informer* informer : {member.rollouts.get(), member.deployments.get()}) {
                informer->on_change([this](client::Change const&) { look(); });
                scope.spawn(informer->run(scope.context()));
            }
        }
        CO_TRY(co_await set_up());
        for (int index = 0; index < options_.approvals; ++index) {
            Status const released = co_await release(fmt::format("v{}-{}", ::getpid(), index));
            if (!released) co_return std::unexpected(released.error().context(fmt::format("release {}", index + 1)));
        }
        std::ranges::sort(times_);
        auto const share = [this](double part) {
            return times_[std::min(times_.size() - 1,
                                   static_cast<std::size_t>(part * static_cast<double>(times_.size())))];
        };
        fmt::print("reaction approvals={} pauses={} p50_ms={:.1f} p99_ms={:.1f} max_ms={:.1f}\n", options_.approvals,
                   times_.size(), share(0.5), share(0.99), times_.back());
        co_return Status{};
    }

    Task<Status> set_up() {
        auto const create = [this](meta::GroupVersionResource const& resource, char const* text) {
            return create_once(resource, text);
        };
        CO_TRY(co_await create(kNamespaces, R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"bench"}})"));
        CO_TRY(co_await create(apis::kClusterPropagationPolicies, kNamespacePolicy));
        CO_TRY(co_await create(apis::kPropagationPolicies, kPolicy));
        expect([](Member const& member) {
            return member.deployments->get(kWeb).at({"status", "readyReplicas"}).as_int() == 10;
        });
        CO_TRY(co_await create(kDeployments, kDeployment));
        CO_TRY(co_await all_seen());
        expect([](Member const& member) { return at(member, "Healthy", 3, "Completed"); });
        CO_TRY(co_await create(apis::kRollouts, kRollout));
        CO_TRY(co_await all_seen());
        co_return Status{};
    }

    // A fleet that has been measured before is as good.
    Task<Status> create_once(meta::GroupVersionResource resource, std::string text) {
        auto const made = co_await hub_->create(ctx_, resource, *json::parse_value(text));
        if (!made && !made.error().is(ErrorCode::kAlreadyExists)) co_return std::unexpected(made.error());
        co_return Status{};
    }

    // One release; what is timed is its first approval.
    Task<Status> release(std::string image) {
        for (Member& member : members_) member.last_revision = revision(member);
        auto const paused_at = [](std::int64_t step) {
            return [step](Member const& member) {
                return is_new(member) && at(member, "Progressing", step, "StepPaused");
            };
        };
        expect(paused_at(1));
        CO_TRY(co_await hub_->patch(
            ctx_, kDeployments, kWeb, client::PatchType::kStrategicMerge,
            *json::parse_value(fmt::format(
                R"({{"spec":{{"template":{{"spec":{{"containers":[{{"name":"main","image":"{}"}}]}}}}}}}})", image))));
        CO_TRY(co_await all_seen());
        expect(paused_at(2));
        MonotonicTime const begun = ctx_.monotonic();
        CO_TRY(co_await approve());
        CO_TRY(co_await all_seen());
        for (Member const& member : members_)
            times_.push_back(std::chrono::duration<double, std::milli>(member.seen - begun).count());
        expect([](Member const& member) { return is_new(member) && at(member, "Healthy", 3, "Completed"); });
        CO_TRY(co_await approve());
        CO_TRY(co_await all_seen());
        co_return Status{};
    }

    Task<Status> approve() {
        apis::DecisionSpec spec;
        spec.rollout_ref = {"rollouts.kruise.io/v1beta1", "Rollout", kWeb.name};
        spec.action = apis::action::kApprove;
        spec.selection = "AllPaused";
        for (Member const& member : members_) {
            Doc const rollout = member.rollouts->get(kWeb);
            Doc const canary = rollout.at({"status", "canaryStatus"});
            spec.targets.push_back({member.name, meta::uid(rollout), canary["currentStepIndex"].as_int(),
                                    canary["canaryRevision"].string(), canary["lastUpdateTime"].string()});
        }
        spec.expires_at = format_rfc3339(ctx_.now() + std::chrono::hours(1));
        spec.nonce = ctx_.random().uuid();
        Value object{json::Object{{"apiVersion", "fleet.aviary.dev/v1alpha1"}, {"kind", "Decision"}}};
        object.set({"metadata", "name"}, fmt::format("{}-{}", kWeb.name, spec.nonce));
        object.set({"metadata", "namespace"}, kWeb.ns);
        object["spec"] = apis::write_decision_spec(spec);
        CO_TRY(co_await hub_->create(ctx_, apis::kDecisions, std::move(object)));
        co_return Status{};
    }

    static std::string revision(Member const& member) {
        return member.rollouts->get(kWeb).at({"status", "canaryStatus", "canaryRevision"}).string();
    }
    static bool is_new(Member const& member) { return revision(member) != member.last_revision; }
    static bool at(Member const& member, std::string_view phase, std::int64_t step, std::string_view state) {
        Doc const status = member.rollouts->get(kWeb)["status"];
        Doc const canary = status["canaryStatus"];
        return status["phase"].as_string() == phase && canary["currentStepIndex"].as_int() == step &&
               canary["currentStepState"].as_string() == state;
    }

    // What comes next in every member. Said before the write that brings it about, whose answer may come later than it.
    void expect(std::function<bool(Member const&)> wanted) {
        wanted_ = std::move(wanted);
        for (Member& member : members_) member.seen = {};
    }

    void look() {
        for (Member& member : members_) {
            if (wanted_ && member.seen == MonotonicTime{} && wanted_(member)) member.seen = ctx_.monotonic();
        }
        changed_.notify();
    }

    Task<Status> all_seen() {
        Context const limited = ctx_.with_timeout(kLimit);
        look();
        while (std::ranges::any_of(members_, [](Member const& member) { return member.seen == MonotonicTime{}; }))
            CO_TRY(co_await changed_.wait(limited));
        co_return Status{};
    }

    Context ctx_;
    async::AsioExecutor& executor_;
    ReactionOptions const& options_;
    std::optional<client::Client> hub_;
    std::vector<Member> members_;
    std::function<bool(Member const&)> wanted_;
    async::Event changed_;
    std::vector<double> times_;   // milliseconds
};

}   // namespace

Status reaction(ReactionOptions const& options) {
    async::AsioExecutor executor;
    Reaction reaction(Context(executor), executor, options);
    return executor.run(reaction.run());
}

}   // namespace aviary::perf
