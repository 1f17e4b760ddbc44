#include "hub/clusters/members.h"

#include <fmt/format.h>

#include <utility>

#include "apis/cluster/managed_cluster.h"
#include "kube/meta/object.h"

namespace aviary::clusters {

namespace {

constexpr Duration kProbeEvery = std::chrono::seconds(10);
constexpr Duration kProbeAgain = std::chrono::seconds(1);   // while it does not answer
constexpr Duration kProbeTimeout = std::chrono::seconds(5);

}   // namespace

Member::Member(std::string name, client::Client client) : name_(std::move(name)), client_(std::move(client)) {}

Member::Serving Member::serving(meta::GroupVersionResource const& resource) const {
    auto const found = watched_.find(resource);
    return found == watched_.end() ? Serving::kUnknown : found->second.serving;
}

client::Informer* Member::informer(meta::GroupVersionResource const& resource) const {
    auto const found = watched_.find(resource);
    return found == watched_.end() ? nullptr : found->second.informer.get();
}

json::Doc Member::get(meta::GroupVersionResource const& resource, meta::ObjectKey const& key) const {
    client::Informer const* const copy = informer(resource);
    return copy == nullptr ? json::Doc() : copy->get(key);
}

Members::Members(client::Client hub, Connect connect)
    : hub_(std::move(hub)), connect_(std::move(connect)), managed_clusters_(hub_, apis::kManagedClusters) {
    managed_clusters_.on_change([this](client::Change const& change) {
        if (change.after.exists()) {
            admit(change.after);
            return;
        }
        // A cluster that leaves: its tasks end; the object stays until they have, for who still holds it.
        auto const found = scopes_.find(meta::name(change.before));
        if (found != scopes_.end()) found->second->cancel();
    });
}

Members::~Members() = default;

Member* Members::find(std::string const& name) const {
    auto const found = members_.find(name);
    return found == members_.end() ? nullptr : found->second.get();
}

std::vector<Member*> Members::all() const {
    std::vector<Member*> result;
    for (auto const& [name, member] : members_) result.push_back(member.get());
    return result;
}

std::vector<json::Doc> Members::objects() const {
    std::vector<json::Doc> result;
    for (auto const& [key, object] : managed_clusters_.objects()) result.push_back(object);
    return result;
}

void Members::admit(json::Doc const& managed_cluster) {
    std::string const name = meta::name(managed_cluster);
    if (members_.contains(name) || !ctx_ || !managed_cluster.at({"spec", "hubAcceptsClient"}).as_bool()) return;
    auto transport = connect_(managed_cluster);
    if (!transport) {
        ctx_->log().warning("cannot connect to a cluster", {{"cluster", name}, {"error", transport.error().message()}});
        return;
    }
    Member& member =
        *members_.emplace(name, std::make_unique<Member>(name, client::Client(std::move(*transport), "aviary-hub")))
             .first->second;
    auto& scope = scopes_[name] = std::make_unique<async::Scope>(*ctx_);
    scope->spawn(follow(scope->context(), member));
}

void Members::set_standing(Member& member, bool reachable, Time now) {
    if (member.probed_ && member.reachable_ == reachable) return;
    member.probed_ = true;
    member.reachable_ = reachable;
    member.since_ = now;
    for (auto const& changed : standing_) changed(member);
}

// Asks the member now and then whether it is there.
Task<void> Members::follow(Context ctx, Member& member) {
    while (ctx.check()) {
        client::Request request;
        request.path = "/version";
        auto const answer = co_await member.client_.raw(ctx.with_timeout(kProbeTimeout), std::move(request));
        if (!ctx.check()) co_return;
        bool const before = member.reachable_;
        bool const first = !member.probed_;
        if (answer) member.version_ = answer->body["gitVersion"].string();
        set_standing(member, answer.has_value(), ctx.now());
        if (first || before != member.reachable_)
            co_await report(ctx, member, answer ? std::string() : answer.error().message());
        (void)co_await async::sleep_for(ctx, answer ? kProbeEvery : kProbeAgain);
    }
}

// Conditions as OCM's: written when they change, by nobody else.
Task<void> Members::report(Context ctx, Member& member, std::string problem) {
    json::Doc const object = managed_clusters_.get({"", member.name_});
    json::Value status = object["status"].thaw();
    json::Value conditions = status["conditions"];
    bool const up = member.reachable_;
    meta::set_condition(conditions, apis::kHubAccepted, "True", "HubClusterAdminAccepted",
                        "Accepted by hub cluster admin", ctx.now());
    if (up)
        meta::set_condition(conditions, apis::kClusterJoined, "True", "ManagedClusterJoined", "Managed cluster joined",
                            ctx.now());
    meta::set_condition(conditions, apis::kClusterAvailable, up ? "True" : "False",
                        up ? "ManagedClusterAvailable" : "ClusterUnreachable",
                        up ? "Managed cluster is available" : problem, ctx.now());
    bool const said =
        conditions == status["conditions"] &&
        (member.version_.empty() || object.at({"status", "version", "kubernetes"}).as_string() == member.version_);
    // By an earlier hub. A copy that may lag behind what this one wrote is no reason to keep silent.
    if (!std::exchange(member.reported_, true) && said) co_return;
    json::Value patch{json::Object()};
    patch.set({"status", "conditions"}, conditions);
    if (!member.version_.empty()) patch.set({"status", "version", "kubernetes"}, member.version_);
    client::WriteOptions options;
    options.subresource = "status";
    auto const written = co_await hub_.patch(ctx, apis::kManagedClusters, {"", member.name_}, client::PatchType::kMerge,
                                             std::move(patch), options);
    if (!written && !written.error().is(ErrorCode::kCancelled)) {
        ctx.log().warning("cluster conditions not written",
                          {{"cluster", member.name_}, {"error", written.error().message()}});
        member.probed_ = false;   // said again with the next probe
    }
}

void Members::want(Member& member, meta::GroupVersionResource const& resource) {
    if (member.watched_.contains(resource) || !ctx_) return;
    Member::Watched& watched = member.watched_[resource];
    watched.informer = std::make_unique<client::Informer>(member.client_, resource);
    for (auto const& started : started_) started(member, *watched.informer);
    async::Scope& scope = *scopes_.at(member.name_);
    scope.spawn(watched.informer->run(scope.context()));
    scope.spawn(settle(scope.context(), member, resource));
}

// Finds out whether the member serves the resource: the first list says.
Task<void> Members::settle(Context ctx, Member& member, meta::GroupVersionResource resource) {
    Member::Watched& watched = member.watched_.at(resource);
    while (ctx.check()) {
        Status const synced = co_await watched.informer->wait_synced(ctx.with_timeout(std::chrono::milliseconds(500)));
        if (!ctx.check()) co_return;
        auto const& error = watched.informer->last_error();
        Member::Serving const before = watched.serving;
        if (synced) {
            watched.serving = Member::Serving::kServed;
        } else if (error && error->is(ErrorCode::kNotFound)) {
            watched.serving = Member::Serving::kNotServed;
        }
        if (watched.serving != before) {
            for (auto const& changed : standing_) changed(member);
        }
        if (synced) co_return;
    }
}

Task<void> Members::run(Context ctx) {
    async::Scope scope(ctx);
    scope_ = &scope;
    ctx_ = scope.context();
    for (auto const& [key, object] : managed_clusters_.objects()) admit(object);
    scope.spawn(managed_clusters_.run(scope.context()));
    co_await scope.join();
    for (auto const& [name, member_scope] : scopes_) co_await member_scope->cancel_and_join();
    ctx_.reset();
    scope_ = nullptr;
}

}   // namespace aviary::clusters
