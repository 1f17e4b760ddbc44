#include "app/hub/hub.h"

#include "apis/cluster/managed_cluster.h"
#include "app/hub/internal/fleet_identity.h"
#include "kube/meta/object.h"

namespace aviary::hub {

Hub::Hub(client::Client client, std::string hub_id, clusters::Members::Connect connect, decision::AuditSink audit,
         propagation::Mode mode, std::int64_t epoch, placement::Allowed allowed, std::string ns)
    : members_(client, std::move(connect), std::move(ns)),
      sources_(client),
      bindings_(client),
      placer_(client, sources_, bindings_, members_.managed_clusters(), allowed),
      propagator_(client, std::move(hub_id), members_, sources_, bindings_, mode, epoch),
      decider_(client, propagator_, std::move(audit)) {
    // Guarding a Rollout's deletion needs them, policies or not.
    sources_.want(propagation::kRolloutKind);
    // What others have brought there is seen and approved, too.
    members_.on_standing([this](clusters::Member& member) { members_.want(member, propagation::kRollouts); });
    members_.on_standing([this, client](clusters::Member& member) { tell_of(member, client); });
    if (mode == propagation::Mode::kAttached) {
        namespaces_ = std::make_unique<Namespaces>(client, members_);
    } else {
        recorder_ = std::make_unique<recovery::Recorder>(client, propagator_);
    }
}

void Hub::tell_of(clusters::Member const& member, client::Client const& client) {
    if (!ctx_ || !member.probed()) return;
    auto const [known, first] = answered_.try_emplace(member.name(), member.reachable());
    if (!first && known->second == member.reachable()) return;
    known->second = member.reachable();
    json::Doc const object = members_.managed_clusters().get({"", member.name()});
    std::string_view const said = meta::condition(object, apis::kClusterAvailable)["status"].as_string();
    // What an earlier hub found out is no news.
    if (!object.exists() || (first && said == (member.reachable() ? "True" : "False"))) return;
    std::vector<control::EventNote> notes;
    if (member.reachable()) {
        notes.push_back(
            control::event_about(object, control::kNormal, "ManagedClusterAvailable", "the cluster answers"));
    } else {
        notes.push_back(control::event_about(object, control::kWarning, "ClusterUnreachable",
                                             "the cluster does not answer: nothing new goes there"));
    }
    events_.record(*ctx_, client.named("aviary-hub"), std::move(notes));
}

bool Hub::ready() const {
    bool const read = propagator_.attached() || (bindings_.synced() && placer_.synced());
    if (!members_.synced() || !read) return false;
    for (clusters::Member const* member : members_.all()) {
        if (!member->probed()) return false;
    }
    // What was found out is on record: of one that is away too, which keeps nobody from starting. Of one that is not
    // accepted nothing is found out.
    for (auto const& object : members_.objects()) {
        if (!object.at({"spec", "hubAcceptsClient"}).as_bool()) continue;
        clusters::Member const* const member = members_.find(meta::name(object));
        bool const available = member != nullptr && member->reachable();
        std::string_view const said = meta::condition(object, apis::kClusterAvailable)["status"].as_string();
        if (said != (available ? "True" : "False")) return false;
    }
    return true;
}

Task<void> Hub::run(Context ctx) {
    async::Scope scope(ctx);
    ctx_ = scope.context();
    events_.start(scope);
    scope.spawn(members_.run(scope.context()));
    if (propagator_.attached()) {
        scope.spawn(namespaces_->run(scope.context()));
    } else {
        scope.spawn(sources_.run(scope.context()));
        scope.spawn(bindings_.run(scope.context()));
        scope.spawn(placer_.run(scope.context()));
        scope.spawn(propagator_.run(scope.context()));
        scope.spawn(recorder_->run(scope.context()));
    }
    scope.spawn(decider_.run(scope.context()));
    co_await scope.join();
    ctx_.reset();
}

namespace {

// One term: the fence is that of its beginning, whenever a member is connected.
Task<void> lead(Context ctx, client::Fence fence, LeasedHub const& parts) {
    clusters::Members::Connect const connect =
        [to_member = parts.connect, fence](json::Doc const& cluster) -> Result<std::shared_ptr<client::Transport>> {
        return client::fenced(TRY(to_member(cluster)), fence);
    };
    client::Client const client = client::fenced(parts.client, fence);
    async::Scope scope(ctx);
    if (parts.beside) scope.spawn(parts.beside(scope.context(), client));
    client::Informer said(client, kConfigMaps, client::only(parts.identity));
    async::Event changed;
    said.on_change([&changed](client::Change const&) { changed.notify(); });
    if (!parts.identity.name.empty()) {
        scope.spawn(said.run(scope.context()));
        (void)co_await said.wait_synced(ctx);
    }
    while (ctx.check()) {
        Identity const identity = read_identity(said.get(parts.identity), parts.hub_id);
        auto const hub = std::make_shared<Hub>(client, identity.id, connect, parts.audit, parts.mode, identity.epoch,
                                               parts.allowed, parts.ns);
        async::Scope work(ctx);
        if (parts.serving) parts.serving(hub);
        work.spawn(hub->run(work.context()));
        while (ctx.check() && read_identity(said.get(parts.identity), parts.hub_id) == identity)
            (void)co_await changed.wait(ctx);
        co_await work.cancel_and_join();
        if (parts.serving) parts.serving(nullptr);
    }
    co_await scope.cancel_and_join();
}

}   // namespace

Task<void> run_with_lease(Context ctx, client::Lease& lease, LeasedHub parts) {
    co_await client::run_as_leader(
        ctx, lease, [&lease, &parts](Context term) { return lead(term, lease.fence(parts.margin), parts); });
}

Task<Status> register_cluster(Context ctx, client::Client client, std::string name, std::string url) {
    CO_TRY_ASSIGN(json::Doc const current, co_await client.find(ctx, apis::kManagedClusters, {"", name}));
    if (current.exists()) co_return Status{};
    json::Value object{
        json::Object{{"apiVersion", "cluster.open-cluster-management.io/v1"}, {"kind", "ManagedCluster"}}};
    object.set({"metadata", "name"}, name);
    apis::ManagedClusterSpec spec;
    spec.hub_accepts_client = true;
    spec.managed_cluster_client_configs.push_back({std::move(url), ""});
    object["spec"] = apis::write_managed_cluster_spec(spec);
    CO_TRY(co_await client.create(ctx, apis::kManagedClusters, std::move(object)));
    co_return Status{};
}

}   // namespace aviary::hub
