#include "hub/clusters/members.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apis/cluster/managed_cluster.h"
#include "apis/fleet/link.h"
#include "core/base/strings.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::clusters {

namespace {

constexpr Duration kProbeEvery = std::chrono::seconds(10);
// While it does not answer: often at first, since most are back soon.
constexpr Duration kProbeSoon = std::chrono::milliseconds(500);
constexpr Duration kProbeAgain = std::chrono::seconds(1);
constexpr Duration kSoon = std::chrono::minutes(1);
constexpr Duration kCopyBackoff = std::chrono::seconds(10);
constexpr Duration kProbeTimeout = std::chrono::seconds(5);
// An agent that was linked to the hub before this one has dialled this by then.
constexpr Duration kDialsWithin = std::chrono::seconds(10);
// A thousand members that come at once are not a thousand writes at once: whatever else the hub asks of its API server
// would wait for them.
constexpr std::size_t kReportsAtOnce = 16;
constexpr std::size_t kNamedVersions = 5;
constexpr Duration kConnectAgain = std::chrono::seconds(10);
// Who runs the releases there changes seldom.
constexpr Duration kLookEvery = std::chrono::minutes(1);
constexpr int kReportTries = 3;

std::string why_silent(Error const& error) {
    return error.is(ErrorCode::kTimeout) ? no_answer_within(kProbeTimeout) : error.message();
}

// Whether the object's status is so already.
bool says(json::Doc const& object, json::Value const& status) {
    return std::ranges::all_of(status.object(), [&object](auto const& field) {
        json::Doc const there = object["status"][field.key];
        // Others may say more there.
        return field.key == "version" ? there["kubernetes"].as_string() == field.value["kubernetes"].as_string()
                                      : there.thaw() == field.value;
    });
}

// To a cluster that cannot be connected to: it is one that does not answer, and why is known.
class Unconnected final : public client::Transport {
public:
    explicit Unconnected(std::string why) : why_(std::move(why)) {}
    Task<Result<client::Response>> send(Context, client::Request) override {
        co_return fail(ErrorCode::kUnavailable, why_);
    }

private:
    std::string why_;
};

}   // namespace

std::string no_answer_within(Duration duration) {
    return fmt::format("no answer within {} s", std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

Member::Member(std::string name, client::Client client, json::Doc configuration)
    : name_(std::move(name)), client_(std::move(client)), configuration_(std::move(configuration)) {}

std::string Member::controller_problem() const {
    if (!controller_) return {};
    Verdict verdict = judge(*controller_, *parse_version(program_version()));
    return verdict.status == "False" ? std::move(verdict.message) : std::string();
}

Member::Serving Member::serving(meta::GroupVersionResource const& resource) const {
    auto const found = watched_.find(resource);
    return found == watched_.end() ? Serving::kUnknown : found->second.serving;
}

std::string Member::other_versions(meta::GroupVersionResource const& resource) const {
    auto const found = watched_.find(resource);
    return found == watched_.end() ? std::string() : found->second.other_versions;
}

client::Informer* Member::informer(meta::GroupVersionResource const& resource) const {
    auto const found = watched_.find(resource);
    return found == watched_.end() ? nullptr : found->second.informer.get();
}

client::Informer* Member::labelled(meta::GroupVersionResource const& resource, std::string const& label) const {
    auto const found = labelled_.find({resource, label});
    return found == labelled_.end() ? nullptr : found->second.get();
}

json::Doc Member::get(meta::GroupVersionResource const& resource, meta::ObjectKey const& key) const {
    client::Informer const* const copy = informer(resource);
    return copy == nullptr ? json::Doc() : copy->get(key);
}

Members::Members(client::Client hub, Connect connect, std::string ns)
    : hub_(std::move(hub)),
      connect_(std::move(connect)),
      ns_(std::move(ns)),
      managed_clusters_(hub_, apis::kManagedClusters),
      reports_(kReportsAtOnce) {
    managed_clusters_.on_change([this](client::Change const& change) {
        if (change.after.exists()) {
            changed(change.after);
        } else {
            leave(meta::name(change.before));
        }
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

std::vector<json::Doc> Members::objects() const { return managed_clusters_.all(); }

// A cluster that is not accepted any more, is reached otherwise or is another one leaves; in the latter cases it comes
// again.
void Members::changed(json::Doc const& managed_cluster) {
    bool const accepted = managed_cluster.at({"spec", "hubAcceptsClient"}).as_bool();
    std::string const name = meta::name(managed_cluster);
    Member const* const member = find(name);
    bool const same = member != nullptr &&
                      member->configuration_ == managed_cluster.at({"spec", "managedClusterClientConfigs"}) &&
                      member->by_link_ == apis::reached_by_link(managed_cluster) &&
                      member->uid_ == meta::annotation(managed_cluster, apis::kClusterUid);
    if (member != nullptr && !(accepted && same)) leave(name);
    if (accepted) admit(managed_cluster);
}

void Members::admit(json::Doc const& managed_cluster) {
    std::string const name = meta::name(managed_cluster);
    Member* const there = find(name);
    if ((there != nullptr && there->connected_) || !ctx_) return;
    auto transport = connect_(managed_cluster);
    if (!transport) {
        std::string const problem = transport.error().message();
        auto const [known, first] = trying_.try_emplace(name);
        if (problem != known->second) {
            ctx_->log().warning("cannot connect to a cluster", {{"cluster", name}, {"error", problem}});
            known->second = problem;
        }
        // A member all the same: whoever asks of all clusters is told of this one, too.
        Member& member = there != nullptr ? *there : add(managed_cluster, std::make_shared<Unconnected>(problem));
        member.problem_ = problem;
        set_standing(member, false, ctx_->now());
        if (first) scope_->spawn(try_again(*ctx_, name));
        return;
    }
    if (there != nullptr) leave(name);
    Member& member = add(managed_cluster, std::move(*transport));
    member.connected_ = true;
    async::Scope& scope = *scopes_[name];
    scope.spawn(follow(scope.context(), member));
}

Member& Members::add(json::Doc const& managed_cluster, std::shared_ptr<client::Transport> transport) {
    std::string const name = meta::name(managed_cluster);
    auto member = std::make_unique<Member>(name, client::Client(std::move(transport), "aviary-hub"),
                                           managed_cluster.at({"spec", "managedClusterClientConfigs"}));
    member->by_link_ = apis::reached_by_link(managed_cluster);
    member->uid_ = meta::annotation(managed_cluster, apis::kClusterUid);
    scopes_[name] = std::make_unique<async::Scope>(*ctx_);
    return *members_.emplace(name, std::move(member)).first->second;
}

// What it needs to be connected to, a Secret say, is no part of its object: tried again.
Task<void> Members::try_again(Context ctx, std::string name) {
    while (ctx.check()) {
        Report report;
        report.name = name;
        report.reason = "ConnectFailed";
        report.message = trying_[name];
        report.unless_said = true;
        (void)co_await this->report(ctx, std::move(report));
        co_await rest(ctx, name, kConnectAgain);
        json::Doc const object = managed_clusters_.get({"", name});
        if (object.exists()) changed(object);
        bool const wanted = object.at({"spec", "hubAcceptsClient"}).as_bool();
        Member const* const member = find(name);
        if (!wanted || (member != nullptr && member->connected_)) break;
    }
    trying_.erase(name);
}

// So long, unless it is woken.
Task<void> Members::rest(Context ctx, std::string const& name, Duration duration) {
    (void)co_await wakes_[name].wait(ctx.with_timeout(duration));
}

void Members::wake(std::string const& name) {
    if (auto const found = wakes_.find(name); found != wakes_.end()) found->second.notify();
}

// Its tasks end; its objects in the cluster stay as they are.
void Members::leave(std::string const& name) {
    auto const member = members_.find(name);
    if (member == members_.end()) return;
    auto const scope = scopes_.find(name);
    left_.push_back({std::move(member->second), std::move(scope->second)});
    members_.erase(member);
    scopes_.erase(scope);
    said_.erase(name);
    left_.back().scope->cancel();
    if (scope_ != nullptr) scope_->spawn(end(*left_.back().member, *left_.back().scope));
}

Task<void> Members::end(Member& member, async::Scope& scope) {
    co_await scope.join();
    for (auto& [resource, watched] : member.watched_) watched.informer->forget();
    for (auto& [selected, informer] : member.labelled_) informer->forget();
}

void Members::set_standing(Member& member, bool reachable, Time now) {
    if (member.probed_ && member.reachable_ == reachable) return;
    member.probed_ = true;
    member.reachable_ = reachable;
    member.since_ = now;
    if (reachable) {
        for (auto& [resource, watched] : member.watched_) watched.informer->reconnect();
        for (auto& [selected, informer] : member.labelled_) informer->reconnect();
    }
    for (auto const& changed : standing_) changed(member);
}

bool Members::may_come(Context const& ctx, Member const& member, MonotonicTime since) const {
    return member.by_link_ && !member.reported_ && ctx.monotonic() < since + kDialsWithin &&
           meta::condition_is_true(managed_clusters_.get({"", member.name_}), apis::kClusterAvailable);
}

// Asks the member now and then whether it is there.
Task<void> Members::follow(Context ctx, Member& member) {
    MonotonicTime const begun = ctx.monotonic();
    while (ctx.check()) {
        Status const answer = co_await member.client_.ready(ctx.with_timeout(kProbeTimeout));
        if (!ctx.check()) co_return;
        bool const before = member.reachable_;
        bool const first = !member.probed_;
        set_standing(member, answer.has_value(), ctx.now());
        bool another = false;
        if (answer) another = co_await look_closer(ctx, member);
        if (!ctx.check()) co_return;
        // Why it does not answer may become another reason: it is there, say, and refuses us.
        bool const other = !answer && why_silent(answer.error()) != member.problem_ &&
                           ctx.monotonic() >= member.problem_told_ + kProbeEvery;
        if (!answer && !member.reported_) member.problem_ = why_silent(answer.error());
        bool const news = first || before != member.reachable_ || !member.reported_ || another || other;
        if (news && (answer || !may_come(ctx, member, begun))) {
            Report report;
            report.name = member.name_;
            report.available = answer.has_value();
            report.reason = answer ? "ManagedClusterAvailable" : "ClusterUnreachable";
            report.message = answer ? "Managed cluster is available" : why_silent(answer.error());
            member.problem_ = answer ? std::string() : report.message;
            member.problem_told_ = ctx.monotonic();
            report.version = member.version_;
            if (answer) report.controller = member.controller_;
            // By an earlier hub. A copy that may lag behind what this one wrote is no reason to keep silent.
            report.unless_said = !std::exchange(member.reported_, true);
            if (!co_await this->report(ctx, std::move(report))) member.probed_ = false;   // said with the next probe
        }
        Duration const again = ctx.now() < member.since_ + kSoon ? kProbeSoon : kProbeAgain;
        co_await rest(ctx, member.name_, answer ? kProbeEvery : again);
    }
}

// What cannot be found out at the moment is as it was last seen.
Task<bool> Members::look_closer(Context ctx, Member& member) {
    if (ctx.monotonic() < member.look_again_) co_return false;
    auto version = co_await member.client_.server_version(ctx.with_timeout(kProbeTimeout));
    if (!version) co_return false;
    bool const newer = member.version_ != *version;
    member.version_ = std::move(*version);
    auto found = co_await find_controller(ctx.with_timeout(kProbeTimeout), member.client_, ns_);
    if (!found) co_return newer;
    member.look_again_ = ctx.monotonic() + kLookEvery;
    bool const another = member.controller_ != *found;
    member.controller_ = std::move(*found);
    co_return another || newer;
}

// Of the status what is the hub's to say. Claims of others are OCM's agents', which write the whole list: what they
// take away is put back when the hub has something new to say, so that the two never answer each other.
json::Value Members::status_of(json::Doc const& object, Report const& report, Time now) {
    json::Doc const before = object["status"];
    json::Value status{json::Object()};
    json::Value conditions = before["conditions"].thaw();
    meta::set_condition(conditions, apis::kHubAccepted, "True", "HubClusterAdminAccepted",
                        "Accepted by hub cluster admin", now);
    if (report.available)
        meta::set_condition(conditions, apis::kClusterJoined, "True", "ManagedClusterJoined", "Managed cluster joined",
                            now);
    meta::set_condition(conditions, apis::kClusterAvailable, report.available ? "True" : "False", report.reason,
                        report.message, now);
    if (!report.version.empty()) status.set({"version", "kubernetes"}, report.version);
    if (report.controller) {
        Verdict const verdict = judge(*report.controller, *parse_version(program_version()));
        meta::set_condition(conditions, apis::kControllerSupported, verdict.status, verdict.reason, verdict.message,
                            now);
        status["clusterClaims"] = with_claims(before["clusterClaims"], report.controller->controller, report.version,
                                              meta::annotation(object, apis::kClusterUid));
    }
    status["conditions"] = std::move(conditions);
    return status;
}

// Conditions as OCM's: written when they change, and over nothing that somebody else wrote meanwhile.
Task<bool> Members::report(Context ctx, Report report) {
    auto const turn = co_await reports_.take(ctx);
    if (!turn) co_return true;
    // On top of what was said last, which the copy may not show yet.
    if (auto const last = said_.find(report.name); last != said_.end()) {
        Status const seen = co_await managed_clusters_.wait_for(ctx.with_timeout(kProbeTimeout), last->second);
        if (!seen) co_return false;
    }
    json::Doc object = managed_clusters_.get({"", report.name});
    client::WriteOptions options;
    options.subresource = "status";
    Result<json::Doc> written = fail(ErrorCode::kInternal, "not sent");
    for (int attempt = 0; attempt < kReportTries; ++attempt) {
        if (!object.exists()) co_return true;
        json::Value status = status_of(object, report, ctx.now());
        if (report.unless_said && says(object, status)) co_return true;
        json::Value patch{json::Object{{"status", std::move(status)}}};
        patch.set({"metadata", "resourceVersion"}, meta::resource_version(object));
        written = co_await hub_.patch(ctx, apis::kManagedClusters, {"", report.name}, client::PatchType::kMerge,
                                      std::move(patch), options);
        if (written || !written.error().is(ErrorCode::kConflict)) break;
        auto now_there = co_await hub_.find(ctx, apis::kManagedClusters, {"", report.name});
        if (!now_there) break;
        object = std::move(*now_there);
    }
    if (written) said_[report.name] = meta::resource_version(*written);
    if (written || written.error().is(ErrorCode::kCancelled) || written.error().is(ErrorCode::kNotFound))
        co_return true;
    ctx.log().warning("cluster conditions not written",
                      {{"cluster", report.name}, {"error", written.error().message()}});
    co_return false;
}

// It waits long when the member does not answer: the probe that is answered wakes it.
std::unique_ptr<client::Informer> Members::copy_of(Member& member, meta::GroupVersionResource const& resource,
                                                   std::string const& label) {
    client::InformerOptions options;
    options.label_selector = label;
    options.last_backoff = kCopyBackoff;
    auto informer = std::make_unique<client::Informer>(member.client_, resource, std::move(options));
    // A connection that breaks is a reason to look whether the member is still there.
    informer->on_failure([this, &member](Error const& error) {
        if (client::no_answer(error) && member.reachable_) wake(member.name_);
    });
    return informer;
}

void Members::want(Member& member, meta::GroupVersionResource const& resource) {
    if (member.watched_.contains(resource) || !ctx_ || find(member.name_) != &member) return;
    Member::Watched& watched = member.watched_[resource];
    watched.informer = copy_of(member, resource, {});
    for (auto const& started : started_) started(member, *watched.informer);
    async::Scope& scope = *scopes_.at(member.name_);
    scope.spawn(watched.informer->run(scope.context()));
    scope.spawn(settle(scope.context(), member, resource));
}

void Members::want_labelled(Member& member, meta::GroupVersionResource const& resource, std::string const& label,
                            std::function<void(client::Informer&)> const& started) {
    std::pair const key(resource, label);
    if (member.labelled_.contains(key) || !ctx_ || find(member.name_) != &member) return;
    auto& informer = member.labelled_[key] = copy_of(member, resource, label);
    started(*informer);
    async::Scope& scope = *scopes_.at(member.name_);
    scope.spawn(informer->run(scope.context()));
}

// What a member says of itself, bounded.
Task<std::string> Members::versions_of(Context ctx, client::Client client, std::string group) {
    client::Request request;
    request.path = "/apis/" + group;
    auto const answer = co_await client.raw(ctx.with_timeout(kProbeTimeout), std::move(request));
    std::vector<std::string> names;
    if (!answer) co_return "";
    for (auto const& [index, version] : answer->body["versions"].elements()) {
        std::string name = version["version"].string();
        if (names.size() < kNamedVersions && !meta::dns1123_label_problem(name)) names.push_back(std::move(name));
    }
    co_return join(names, ", ");
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
            watched.other_versions = co_await versions_of(ctx, member.client_, resource.group);
            if (!ctx.check()) co_return;
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
    for (auto const& [key, object] : managed_clusters_.objects()) changed(object);
    scope.spawn(managed_clusters_.run(scope.context()));
    co_await scope.join();
    for (auto const& [name, member_scope] : scopes_) co_await member_scope->cancel_and_join();
    for (Left const& left : left_) co_await left.scope->cancel_and_join();
    ctx_.reset();
    scope_ = nullptr;
}

}   // namespace aviary::clusters
