// A thousand members in this process, and their agents, which dial a hub that runs elsewhere: the agents' own code over
// TCP and TLS, joined as `aviary join NAME --agent` has them join. Each serves a cluster of an API server in memory.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "apis/cluster/managed_cluster.h"
#include "apis/crds.h"
#include "apis/rollouts/rollout.h"
#include "app/hub/join.h"
#include "app/process/process.h"
#include "core/async/asio_executor.h"
#include "core/async/event.h"
#include "core/base/strings.h"
#include "core/storage/engine.h"
#include "hub/proxy/member_roles.h"
#include "kube/apiserver/http_frontend.h"
#include "kube/apiserver/server.h"
#include "kube/client/http_transport.h"
#include "kube/client/informer.h"
#include "kube/control/definitions.h"
#include "kube/control/roles.h"
#include "kube/meta/object.h"
#include "load.h"
#include "member/agent/agent.h"

namespace aviary::perf {

namespace {

using namespace std::chrono_literals;
using json::Doc;
using json::Object;
using json::Value;

control::UserInfo const kAdmin{"admin", {"system:masters"}, {}};
meta::GroupVersionResource const kSecrets{"", "v1", "secrets"};
meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};
meta::ObjectKey const kWeb{"default", "web"};
constexpr int kWorkers = 16;             // that prepare members side by side
constexpr std::size_t kFiller = 1'000;   // bytes of a status' message
constexpr Duration kJoinEvery = 20ms;    // clusters are joined one by one; what is measured is how they come back
constexpr Duration kTick = 10ms;
constexpr Duration kAtMost = 10min;

struct Site {
    std::string name;
    std::unique_ptr<agent::Agent> agent;
    // What the hub was last answered over the link.
    MonotonicTime probed{}, watched{};
};

// Counts what flows to the hub.
class Counted final : public http::BodyStream {
public:
    Counted(std::unique_ptr<http::BodyStream> from, std::uint64_t& bytes) : from_(std::move(from)), bytes_(bytes) {}
    Task<Result<std::optional<std::string>>> next(Context ctx) override {
        auto piece = co_await from_->next(std::move(ctx));
        if (piece && *piece) bytes_ += (*piece)->size();
        co_return piece;
    }

private:
    std::unique_ptr<http::BodyStream> from_;
    std::uint64_t& bytes_;
};

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

class Fleet {
public:
    Fleet(Context ctx, async::AsioExecutor& executor, AgentsOptions const& options)
        : ctx_(std::move(ctx)), executor_(executor), options_(options) {}

    Task<Status> run() {
        async::Scope scope(ctx_);
        Status const outcome = co_await play(scope);
        co_await scope.cancel_and_join();
        co_return outcome;
    }

private:
    Task<Status> play(async::Scope& scope) {
        CO_TRY_ASSIGN(client::ServerAccess const access, client::load_kubeconfig(options_.kubeconfig, ""));
        CO_TRY_ASSIGN(auto transport, client::http_transport(executor_, access));
        hub_ = client::Client(std::move(transport), "aviary-perf");
        CO_TRY_ASSIGN(server_,
                      co_await apiserver::ApiServer::open(ctx_, std::make_shared<storage::MemoryEngine>(), {}));
        handler_ = apiserver::http_handler(*server_);
        sites_.resize(static_cast<std::size_t>(options_.agents));
        CO_TRY(co_await prepare_all());

        client::Informer clusters(*hub_, apis::kManagedClusters);
        scope.spawn(clusters.run(scope.context()));
        MonotonicTime begun = ctx_.monotonic();
        for (Site& site : sites_) {
            scope.spawn(site.agent->run(scope.context()));
            CO_TRY(co_await async::sleep_for(ctx_, kJoinEvery));
        }
        CO_TRY(co_await until([&] { return linked_since(begun) && available(clusters); }));
        say("joined", fmt::format("agents={} seconds={:.1f}", sites_.size(), seconds_of(ctx_.monotonic() - begun)));

        scope.spawn(change(scope.context()));
        CO_TRY(co_await measure("status"));
        CO_TRY(co_await until([this] { return std::ranges::any_of(sites_, &Fleet::cut); }));
        begun = ctx_.monotonic();
        CO_TRY(co_await until([&] { return linked_since(begun); }));
        say("again", fmt::format("agents={}", sites_.size()));
        CO_TRY(co_await measure("after"));
        (void)co_await executor_.wait_for_signal(ctx_, {SIGINT, SIGTERM});
        co_return Status{};
    }

    // One member: its cluster, with a Rollout, and what its agent needs to join the hub.
    Task<Status> prepare(Site& site, std::size_t index) {
        site.name = fmt::format("member-{:04}", index);
        CO_TRY(co_await server_->ensure_cluster(ctx_, site.name));
        client::Client const member = at(site);
        std::vector<Value> definitions = apis::crds();
        std::erase_if(definitions, [](Value const& each) {
            return each.at({"spec", "group"}).as_string() != apis::kRollouts.group ||
                   each.at({"spec", "names", "plural"}).as_string() != apis::kRollouts.resource;
        });
        CO_TRY(co_await control::install_definitions(ctx_, member, std::move(definitions)));
        CO_TRY(co_await control::install_roles(ctx_, member, proxy::member_roles(true)));
        Value ns{Object{{"apiVersion", "v1"}, {"kind", "Namespace"}}};
        ns.set({"metadata", "name"}, process::kNamespace);
        CO_TRY(co_await member.create(ctx_, kNamespaces, std::move(ns)));
        Value rollout{Object{{"apiVersion", apis::kRollouts.api_version()}, {"kind", "Rollout"}}};
        rollout.set({"metadata", "name"}, kWeb.name);
        rollout.set({"metadata", "namespace"}, kWeb.ns);
        rollout.set({"spec", "workloadRef"},
                    Object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", kWeb.name}});
        rollout.set({"spec", "strategy", "canary", "steps"}, json::Array{Object{{"replicas", "50%"}}});
        CO_TRY(co_await member.create(ctx_, apis::kRollouts, std::move(rollout)));
        hub::AgentJoinOptions join;
        join.name = site.name;
        CO_TRY_ASSIGN(hub::ExpectedAgent expected, co_await hub::expect_agent(ctx_, *hub_, std::move(join)));
        CO_TRY(co_await member.create(ctx_, kSecrets, std::move(expected.given)));
        CO_TRY_ASSIGN(std::string uid, co_await process::cluster_uid(ctx_, member));
        site.agent = std::make_unique<agent::Agent>(member, serve(site), agent::dial_by(executor_),
                                                    agent::AgentOptions{process::kNamespace, std::move(uid), "perf"});
        co_return Status{};
    }

    Task<void> work(std::size_t& next, Status& outcome) {
        while (outcome && next < sites_.size()) {
            std::size_t const index = next++;
            Status const done = co_await prepare(sites_[index], index);
            if (!done) outcome = std::unexpected(done.error().context(sites_[index].name));
        }
    }

    Task<Status> prepare_all() {
        MonotonicTime const begun = ctx_.monotonic();
        async::Scope scope(ctx_);
        std::size_t next = 0;
        Status outcome;
        for (int worker = 0; worker < kWorkers; ++worker) scope.spawn(work(next, outcome));
        co_await scope.join();
        say("prepared", fmt::format("agents={} seconds={:.1f}", sites_.size(), seconds_of(ctx_.monotonic() - begun)));
        co_return outcome;
    }

    client::Client at(Site const& site) { return {server_->transport(site.name, kAdmin), "aviary-perf"}; }

    // The member's API, as its agent has it.
    client::Exchange serve(Site& site) {
        return [this, &site](Context ctx, http::Request request, bool) {
            return answer(std::move(ctx), std::move(request), site);
        };
    }

    Task<Result<http::Response>> answer(Context ctx, http::Request request, Site& site) {
        bool const probe = http::path_of(request.target) == "/version";
        request.target = "/clusters/" + site.name + request.target;
        auto response = co_await handler_->handle(ctx, std::move(request),
                                                  {.common_name = kAdmin.name, .organisations = kAdmin.groups});
        if (response.status == 200 && (probe || response.stream))
            (probe ? site.probed : site.watched) = ctx.monotonic();
        if (response.stream) response.stream = std::make_unique<Counted>(std::move(response.stream), bytes_);
        co_return response;
    }

    // Status after status, in one member after the other, at a steady rate.
    Task<void> change(Context ctx) {
        MonotonicTime const begun = ctx.monotonic();
        for (std::uint64_t count = 0; ctx.check(); ++count) {
            Site const& site = sites_[count % sites_.size()];
            Value patch{Object()};
            patch.set({"status", "message"}, fmt::format("{} {}", count, std::string(kFiller, 'x')));
            client::WriteOptions options;
            options.subresource = "status";
            auto const done = co_await at(site).patch(ctx, apis::kRollouts, kWeb, client::PatchType::kMerge,
                                                      std::move(patch), options);
            if (!done && ctx.check()) fmt::print(stderr, "{}: {}\n", site.name, done.error().message());
            auto const due = std::chrono::duration_cast<Duration>(
                std::chrono::duration<double>(static_cast<double>(count) / options_.rate));
            if (begun + due > ctx.monotonic()) (void)co_await async::sleep_for(ctx, begun + due - ctx.monotonic());
        }
    }

    Task<Status> measure(char const* what) {
        std::uint64_t const before = bytes_;
        MonotonicTime const begun = ctx_.monotonic();
        CO_TRY(co_await async::sleep_for(
            ctx_, std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options_.seconds))));
        double const seconds = seconds_of(ctx_.monotonic() - begun);
        auto const linked = sites_.size() - static_cast<std::size_t>(std::ranges::count_if(sites_, &Fleet::cut));
        say(what, fmt::format("linked={} megabytes_per_second={:.2f}", linked,
                              static_cast<double>(bytes_ - before) / seconds / 1e6));
        co_return Status{};
    }

    static bool cut(Site const& site) { return !site.agent->missing().empty(); }

    // Each has a link, and the hub has asked over it since whether the cluster is there, and for its Rollouts.
    bool linked_since(MonotonicTime when) const {
        return std::ranges::all_of(
            sites_, [when](Site const& site) { return !cut(site) && site.probed > when && site.watched > when; });
    }

    bool available(client::Informer const& clusters) const {
        return std::ranges::all_of(sites_, [&clusters](Site const& site) {
            return meta::condition_is_true(clusters.get({"", site.name}), apis::kClusterAvailable);
        });
    }

    Task<Status> until(std::function<bool()> holds) {
        Context const limited = ctx_.with_timeout(kAtMost);
        while (!holds()) CO_TRY(co_await async::sleep_for(limited, kTick));
        co_return Status{};
    }

    // With the time of day, for whoever restarts the hub.
    void say(char const* what, std::string const& pairs) const {
        fmt::print("{} {} at_ms={}\n", what, pairs,
                   std::chrono::duration_cast<std::chrono::milliseconds>(ctx_.now().time_since_epoch()).count());
        std::fflush(stdout);
    }

    Context ctx_;
    async::AsioExecutor& executor_;
    AgentsOptions const& options_;
    std::optional<client::Client> hub_;
    std::unique_ptr<apiserver::ApiServer> server_;
    std::shared_ptr<http::Handler> handler_;
    std::vector<Site> sites_;
    std::uint64_t bytes_ = 0;   // of watches, to the hub
};

}   // namespace

Status agents(AgentsOptions const& options) {
    async::AsioExecutor executor;
    Fleet fleet(Context(executor), executor, options);
    return executor.run(fleet.run());
}

}   // namespace aviary::perf
