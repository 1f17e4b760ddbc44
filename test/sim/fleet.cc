#include "fleet.h"

#include <fmt/format.h>

#include "apis/crds.h"
#include "apis/rollouts/keys.h"
#include "app/hub/validation.h"
#include "core/async/event.h"
#include "core/base/check.h"
#include "kinds.h"
#include "kube/control/definitions.h"
#include "kube/meta/object.h"
#include "kube/simulator/definitions.h"
#include "reading.h"
#include "routing.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;

constexpr char kMemberUser[] = "system:aviary:member";
constexpr char kHubUser[] = "system:aviary:hub";
constexpr Duration kSync = 1ms;
// Few, so that whoever was away longer than a moment has to list again.
constexpr std::size_t kLogEvents = 150;
constexpr std::size_t kCompiled = 64;   // lists of kinds
constexpr int kNodes = 10;

// The disk as one life of the server sees it: nothing that this life still does after its end gets there.
class Disk final : public storage::Engine {
public:
    Disk(std::shared_ptr<storage::MemoryEngine> engine, std::shared_ptr<ServerLife const> life)
        : engine_(std::move(engine)), life_(std::move(life)) {}
    Result<std::optional<std::string>> get(std::string_view key) const override { return engine_->get(key); }
    Status scan(std::string_view begin, std::string_view end,
                std::function<bool(std::string_view, std::string_view)> const& visit) const override {
        return engine_->scan(begin, end, visit);
    }
    Task<Status> commit(Context ctx, storage::WriteBatch batch) override {
        if (life_->dead) co_return fail(ErrorCode::kUnavailable, "the storage is gone");
        Status outcome = co_await engine_->commit(ctx, std::move(batch));
        co_return outcome;
    }
    std::uint64_t failures() const override { return engine_->failures(); }
    std::uint64_t syncs() const override { return engine_->syncs(); }
    Task<Status> checkpoint(Context ctx, std::string folder) override {
        Status outcome = co_await engine_->checkpoint(ctx, std::move(folder));
        co_return outcome;
    }

private:
    std::shared_ptr<storage::MemoryEngine> engine_;
    std::shared_ptr<ServerLife const> life_;
};

}   // namespace

// The member's webhook, as far as the API server can reach it: what it is to be asked about is refused when it is down;
// or all passes.
class Fleet::MemberWebhook final : public control::Admission {
public:
    MemberWebhook(std::string cluster, MemberProcess& running, Witness& witness, bool passes)
        : cluster_(std::move(cluster)), running_(running), witness_(witness), passes_(passes) {}
    std::string_view name() const override { return "member-webhook"; }
    bool matches(control::AdmissionRequest const& request) const override {
        if (request.resource.resource == "rollouts") return true;
        bool const update = request.operation == control::Operation::kUpdate && request.subresource.empty();
        return update && is_workload(request.resource.group_resource());
    }
    Task<Status> mutate(Context ctx, control::AdmissionRequest& request) override {
        if (!up(ctx)) co_return without(request);
        ++running_.calls;
        Status outcome;
        for (auto const& each : running_.controllers->admissions()) {
            if (!outcome || !each->matches(request)) continue;
            outcome = co_await each->mutate(ctx, request);
        }
        --running_.calls;
        if (!up(ctx)) co_return without(request);
        co_return outcome;
    }
    Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override {
        if (!up(ctx)) co_return Status{};
        ++running_.calls;
        Status outcome;
        for (auto const& each : running_.controllers->admissions()) {
            if (!outcome || !each->matches(request)) continue;
            outcome = co_await each->validate(ctx, request);
        }
        --running_.calls;
        co_return outcome;
    }

private:
    bool up(Context const& ctx) const {
        bool const deaf = ctx.monotonic() < running_.deaf_until;
        return running_.controllers && !running_.process->dead && !running_.away && !deaf;
    }
    // As the configuration says whose every rule is required but that for the status of Rollouts.
    Status without(control::AdmissionRequest const& request) const {
        bool const rollout = request.resource.resource == "rollouts";
        auto const labelled = [](auto const& object) {
            return !object.at({"metadata", "labels", apis::kWorkloadTypeLabel}).as_string().empty();
        };
        auto const annotated = [](auto const& object, std::string_view key) {
            return !object.at({"metadata", "annotations", key}).as_string().empty();
        };
        bool changes = false;
        for (char const* pods : {"template", "leaderWorkerTemplate"})
            changes = changes || request.object.at({"spec", pods}) != request.old_object.at({"spec", pods}).thaw();
        bool const marked = annotated(request.object, apis::kInProgressingAnnotation) ||
                            annotated(request.old_object, apis::kInProgressingAnnotation) ||
                            annotated(request.object, apis::kRolloutIdLabel) || !labelled(request.object);
        bool const asked =
            rollout ? request.subresource.empty()
                    : labelled(request.old_object) && (changes || (marked && request.user.name != kMemberUser));
        // Where no release is on the hub has frozen it before, and puts back what nobody has marked.
        bool const releasing = annotated(request.old_object, apis::kInProgressingAnnotation);
        bool const matters = labelled(request.old_object) && changes && (releasing || request.user.name != kHubUser);
        if (passes_ && matters) witness_.passes_by(cluster_, image_of(json::Doc::freeze(request.object)));
        if (asked) witness_.unanswered(cluster_);
        if (asked && !passes_) return fail(ErrorCode::kInternal, "failed calling webhook: connection refused");
        return {};
    }
    std::string cluster_;
    MemberProcess& running_;
    Witness& witness_;
    bool passes_;
};

// The hub's admission functions run in whichever replica answers; without one, what they guard is refused.
class Fleet::HubAdmission final : public control::Admission {
public:
    HubAdmission(std::vector<HubProcess> const& hubs, control::Authorizer const& authorizer)
        : hubs_(hubs), decisions_(decision::make_decision_admission(control::make_reviewer(authorizer), kHubUser)) {}
    std::string_view name() const override { return "hub-webhook"; }
    bool matches(control::AdmissionRequest const& request) const override {
        return request.resource.resource == "decisions" || request.resource.resource == "rollouts" ||
               request.resource.resource == "propagationpolicies";
    }
    Task<Status> mutate(Context ctx, control::AdmissionRequest& request) override {
        if (decisions_->matches(request)) CO_TRY(co_await decisions_->mutate(ctx, request));
        for (HubProcess const& running : hubs_) {
            if (running.hub == nullptr || running.process->dead || running.away || !running.hub->ready()) continue;
            auto const guard = running.hub->guard_admission();
            if (guard->matches(request)) CO_TRY(co_await guard->mutate(ctx, request));
            break;
        }
        co_return Status{};
    }
    Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override {
        if (decisions_->matches(request)) CO_TRY(co_await decisions_->validate(ctx, request));
        for (HubProcess const& running : hubs_) {
            if (running.hub == nullptr || running.process->dead || running.away || !running.hub->ready()) continue;
            auto const guard = running.hub->guard_admission();
            if (guard->matches(request)) CO_TRY(co_await guard->validate(ctx, request));
            co_return Status{};
        }
        bool const guarded =
            request.operation == control::Operation::kDelete && request.resource.resource != "decisions";
        if (guarded) co_return fail(ErrorCode::kInternal, "failed calling webhook: connection refused");
        co_return Status{};
    }

private:
    std::vector<HubProcess> const& hubs_;
    std::shared_ptr<control::Admission> decisions_;
};

Fleet::Fleet(Context const& ctx, Witness& witness, bool with_hub, bool webhook_passes)
    : witness_(witness),
      with_hub_(with_hub),
      webhook_passes_(webhook_passes),
      scope_(ctx),
      engine_(std::make_shared<storage::MemoryEngine>(kSync)) {}

std::shared_ptr<Process> Fleet::make_process(std::string name) {
    auto process = std::make_shared<Process>();
    process->name = fmt::format("{}#{}", name, ++started_);   // each start is another process
    process->die = [this, process = process.get()] {
        process->dead = true;
        dying_.push_back(process->name);
    };
    return process;
}

std::shared_ptr<client::Transport> Fleet::wire(std::string cluster, std::string user,
                                               std::shared_ptr<Process> process) {
    return make_wire(server_, std::move(cluster), std::move(user), std::move(process), witness_);
}

client::Client Fleet::person(std::string const& cluster) {
    return client::Client(wire(cluster, "admin", make_process("person")), "person");
}

Task<Status> Fleet::start_server(Context ctx) {
    auto life = std::make_shared<ServerLife>();
    apiserver::Options options;
    options.root_cluster = kHubCluster;
    options.max_log_events = kLogEvents;
    // The same in every seed, and after every restart.
    static auto const catalog = apiserver::make_catalog(kCompiled);
    options.catalog = catalog;
    CO_TRY_ASSIGN(serving_.api,
                  co_await apiserver::ApiServer::open(ctx, std::make_shared<Disk>(engine_, life), options));
    for (std::string const& cluster : members_) CO_TRY(co_await serving_.api->ensure_cluster(ctx, cluster));
    apiserver::ApiServer& api = *serving_.api;
    life->connect = [&api](std::string const& cluster, std::string const& user) {
        return api.transport(cluster, {user, {"system:masters", "system:authenticated"}, {}});
    };
    life->die = [this, life = life.get()] {
        life->dead = true;
        engine_->crash();
        dying_.push_back("server");
    };
    for (std::string const& cluster : members_)
        api.add_admission(cluster,
                          std::make_shared<MemberWebhook>(cluster, controllers_[cluster], witness_, webhook_passes_));
    api.add_admission(kHubCluster, std::make_shared<HubAdmission>(hubs_, api.authorizer(kHubCluster)));
    serving_.scope = std::make_unique<async::Scope>(scope_.context());
    serving_.scope->spawn(api.run_controllers(serving_.scope->context()));
    witness_.server_started(ctx, [&api](std::string const& cluster) {
        return client::Client(api.transport(cluster, {"witness", {"system:masters"}, {}}), "witness");
    });
    *server_ = std::move(life);
    co_return Status{};
}

void Fleet::deafen(std::string const& cluster, Duration time) {
    controllers_[cluster].deaf_until = scope_.context().monotonic() + time;
}

Task<void> Fleet::crash_server(Context ctx, Duration away) {
    std::shared_ptr<ServerLife> const life = *server_;
    if (!life) co_return;
    if (!life->dead) life->die();
    std::erase(dying_, "server");
    server_->reset();
    // What was durable was visible: the witness hears of it before the end.
    (void)co_await async::sleep_for(ctx, 1us);
    co_await witness_.server_ended();
    life->end.request_stop();
    co_await serving_.scope->cancel_and_join();
    while (life->in_flight > 0) (void)co_await async::sleep_for(ctx, 1ms);
    (void)co_await async::sleep_for(ctx, away + 10ms);
    serving_.api.reset();
    engine_->restart();
    Status const started = co_await start_server(ctx);
    AVIARY_CHECK(started.has_value());
}

void Fleet::start_kubernetes(std::string const& cluster) {
    simulator::Options options;
    options.pod_start = webhook_passes_ ? 1500ms : 200ms;
    if (!with_hub_) options.nodes = kNodes;
    auto& kubernetes = kubernetes_[cluster];
    kubernetes = std::make_unique<simulator::Simulator>(
        client::Client(wire(cluster, "system:kube-controller-manager", make_process("kubernetes of " + cluster)),
                       "kubernetes"),
        options);
    scope_.spawn(kubernetes->run(scope_.context()));
    auto& game_sets = game_sets_[cluster];
    game_sets = std::make_unique<member::GameSetController>(
        client::Client(wire(cluster, "gameset-manager", make_process("gameset-manager of " + cluster)), "gamesets"));
    scope_.spawn(game_sets->run(scope_.context()));
}

void Fleet::start_member(std::string const& cluster) {
    MemberProcess& running = controllers_[cluster];
    running.process = make_process("member of " + cluster);
    running.scope = std::make_unique<async::Scope>(scope_.context());
    running.controllers =
        std::make_unique<member::Member>(client::Client(wire(cluster, kMemberUser, running.process), "aviary-member"),
                                         kMemberUser, "aviary-system", rollout::Features{.labelled_kinds = true});
    running.away = false;
    running.scope->spawn(running.controllers->run(running.scope->context()));
}

void Fleet::start_hub(std::size_t replica) {
    HubProcess& running = hubs_[replica];
    running.process = make_process(fmt::format("hub-{}", replica));
    running.scope = std::make_unique<async::Scope>(scope_.context());
    std::shared_ptr<Process> const process = running.process;
    client::LeaseOptions options;
    options.name = "aviary-hub";
    options.identity = process->name;
    options.duration = 6s;
    options.renew_deadline = 4s;
    options.retry_period = 1s;
    running.controllers =
        *client::Lease::create(client::Client(wire(kHubCluster, kHubUser, process), "aviary-hub"), options);
    hub::LeasedHub parts{
        .client = client::Client(wire(kHubCluster, kHubUser, process), "aviary-hub"),
        .hub_id = kHubCluster,
        .connect = [this, process](json::Doc const& cluster) -> Result<std::shared_ptr<client::Transport>> {
            return wire(meta::name(cluster), kHubUser, process);
        },
        .serving = [&running](std::shared_ptr<hub::Hub> const& hub) { running.hub = hub.get(); }};
    running.away = false;
    running.scope->spawn(hub::run_with_lease(running.scope->context(), *running.controllers, std::move(parts)));
}

template <class Controllers>
Task<void> Fleet::end(Running<Controllers>& running) {
    running.away = true;
    running.process->dead = true;
    co_await running.scope->cancel_and_join();
    while (running.calls > 0) (void)co_await async::sleep_for(Context(scope_.context().executor()), 1ms);
    running.controllers.reset();
}

Task<void> Fleet::crash_member(Context ctx, std::string cluster, Duration away) {
    MemberProcess& running = controllers_.at(cluster);
    if (running.away) co_return;
    witness_.member_dies(cluster);
    co_await end(running);
    std::erase(dying_, running.process->name);
    (void)co_await async::sleep_for(ctx, away);
    start_member(cluster);
}

Task<void> Fleet::crash_hub(Context ctx, std::size_t replica, Duration away) {
    HubProcess& running = hubs_.at(replica);
    if (running.away) co_return;
    co_await end(running);
    std::erase(dying_, running.process->name);
    (void)co_await async::sleep_for(ctx, away);
    start_hub(replica);
}

Task<void> Fleet::crash(Context ctx, std::string process, Duration away) {
    for (std::string const& cluster : members_) {
        if (controllers_.at(cluster).process->name == process) co_await crash_member(ctx, cluster, away);
    }
    for (std::size_t replica = 0; replica < hubs_.size(); ++replica) {
        if (hubs_[replica].process->name == process) co_await crash_hub(ctx, replica, away);
    }
}

std::vector<std::shared_ptr<Process>> Fleet::processes() const {
    std::vector<std::shared_ptr<Process>> result;
    for (auto const& [cluster, running] : controllers_) result.push_back(running.process);
    for (HubProcess const& running : hubs_) result.push_back(running.process);
    return result;
}

Task<Status> Fleet::start(Context ctx) {
    if (with_hub_) hubs_.resize(2);
    for (std::string const& cluster : members_) controllers_[cluster];
    CO_TRY(co_await start_server(ctx));
    for (std::string const& cluster : members_) {
        CO_TRY(co_await control::install_definitions(ctx, person(cluster), apis::member_crds()));
        CO_TRY(co_await control::install_definitions(ctx, person(cluster), simulator::workload_definitions()));
        CO_TRY(co_await control::install_definitions(ctx, person(cluster),
                                                     {routes_definition(), member::game_set_definition()}));
        start_kubernetes(cluster);
        start_member(cluster);
    }
    if (!with_hub_) co_return Status{};
    client::Client const hub = person(kHubCluster);
    CO_TRY(co_await control::install_definitions(ctx, hub, apis::crds()));
    CO_TRY(co_await control::install_definitions(ctx, hub, simulator::workload_definitions()));
    CO_TRY(co_await control::install_definitions(ctx, hub, {routes_definition(), member::game_set_definition()}));
    for (std::string const& cluster : members_) CO_TRY(co_await hub::register_cluster(ctx, hub, cluster, ""));
    for (std::size_t replica = 0; replica < hubs_.size(); ++replica) start_hub(replica);
    co_return Status{};
}

Task<void> Fleet::stop() {
    for (auto& [cluster, running] : controllers_) co_await end(running);
    for (HubProcess& running : hubs_) co_await end(running);
    co_await scope_.cancel_and_join();
    co_await witness_.server_ended();
    co_await serving_.scope->cancel_and_join();
    serving_.api.reset();
}

}   // namespace aviary::sim
