#include "member/workload/sources.h"
#include "member/workload/leader_worker_set.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/validate.h"
#include "kube/client/discovery.h"
#include "kube/meta/object.h"

namespace aviary::workload {

namespace {

// How often a cluster is asked for a kind that it does not have.
constexpr Duration kAskAgain = std::chrono::seconds(10);
constexpr char kByGroups[] = "groups";
constexpr std::ptrdiff_t kMostLabelledKinds = 16;

std::vector<std::string> by_controller(json::Doc const& object) {
    std::string const uid = meta::controller_uid(object);
    return uid.empty() ? std::vector<std::string>() : std::vector{uid};
}

// Empty: it can be read.
std::string unread(client::Informer const& informer) {
    auto const& error = informer.last_error();
    // Where the right was taken away the copy is an old one.
    bool const read = informer.synced() && !(error && error->is(ErrorCode::kForbidden));
    if (read) return {};
    return error ? error->message() : "they have not been listed yet";
}

}   // namespace

Sources::Sources(client::Client const& client, bool labelled_kinds)
    : client_(client),
      deployments_(client, kDeployments),
      replica_sets_(client, kReplicaSets),
      pods_(client, kPods),
      autoscalers_(client, kAutoscalers),
      revisions_(client, kControllerRevisions),
      labelled_kinds_(labelled_kinds) {
    deployments_.add_index("canary", [](json::Doc const& object) {
        std::string const beside = meta::label(object, apis::kCanaryDeploymentLabel);
        return beside.empty() ? std::vector<std::string>() : std::vector{meta::ns(object) + "/" + beside};
    });
    deployments_.add_index("promotes", [](json::Doc const& object) {
        std::string const set = promoted_set(object);
        return set.empty() ? std::vector<std::string>() : std::vector{meta::ns(object) + "/" + set};
    });
    autoscalers_.add_index("scaled", [](json::Doc const& object) {
        std::string const scaled = scaled_workload(object);
        return scaled.empty() ? std::vector<std::string>() : std::vector{scaled};
    });
    replica_sets_.add_index("controller", by_controller);
    pods_.add_index("controller", by_controller);
    pods_.add_index(kByGroups, [](json::Doc const& pod) {
        std::string const set = meta::label(pod, kGroupSetLabel);
        return set.empty() ? std::vector<std::string>() : std::vector{meta::ns(pod) + "/" + set};
    });
    revisions_.add_index("controller", by_controller);
    for (SetKind const& kind : set_kinds()) {
        Set& set = sets_.emplace_back();
        set.kind = kind;
        if (kind.native) read(set, kind.served_as(kind.versions.front()));
    }
}

DeploymentInputs Sources::deployment(meta::ObjectKey const& key) const {
    DeploymentInputs inputs = owned(deployments_.get(key));
    for (json::Doc& canary : deployments_.by_index("canary", key.ns + "/" + key.name))
        inputs.canaries.push_back(owned(std::move(canary)));
    if (std::string const set = promoted_set(inputs.deployment); !set.empty()) {
        inputs.promoted.replica_set = replica_sets_.get({key.ns, set});
        inputs.promoted.pods = pods_.by_index("controller", meta::uid(inputs.promoted.replica_set));
    }
    inputs.autoscalers = autoscalers_.by_index("scaled", deployment_id(key));
    inputs.autoscalers_unread = unread(autoscalers_);
    inputs.may_be_old = !deployments_.current();
    return inputs;
}

DeploymentInputs Sources::owned(json::Doc deployment) const {
    DeploymentInputs inputs;
    inputs.deployment = std::move(deployment);
    if (!inputs.deployment.exists()) return inputs;
    inputs.replica_sets = replica_sets_.by_index("controller", meta::uid(inputs.deployment));
    for (json::Doc const& set : inputs.replica_sets) {
        for (json::Doc& pod : pods_.by_index("controller", meta::uid(set))) inputs.pods.push_back(std::move(pod));
    }
    return inputs;
}

meta::ObjectKey Sources::deployment_of(json::Doc const& deployment) const {
    std::string const beside = meta::label(deployment, apis::kCanaryDeploymentLabel);
    return meta::ObjectKey{meta::ns(deployment), beside.empty() ? meta::name(deployment) : beside};
}

std::optional<meta::ObjectKey> Sources::deployment_of_replica_set(json::Doc const& replica_set) const {
    // For a moment nobody controls one that is being taken over.
    auto const taking = deployments_.by_index("promotes", meta::ns(replica_set) + "/" + meta::name(replica_set));
    if (!taking.empty()) return meta::key_of(taking.front());
    auto const owner = meta::controller_of(replica_set);
    if (!owner || owner->kind != "Deployment") return std::nullopt;
    meta::ObjectKey const key{meta::ns(replica_set), owner->name};
    json::Doc const deployment = deployments_.get(key);
    return deployment.exists() ? deployment_of(deployment) : key;
}

std::string Sources::workload_of(json::Doc const& object) const {
    if (std::string const groups = meta::label(object, kGroupSetLabel); !groups.empty())
        return workload_id({meta::ns(object), groups}, kLeaderWorkerSets.api_version(), kLeaderWorkerSet);
    auto const owner = meta::controller_of(object);
    if (!owner) return {};
    meta::ObjectKey const key{meta::ns(object), owner->name};
    bool const replica_set = owner->kind == "ReplicaSet";
    if (replica_set) {
        auto const deployment = deployment_of_replica_set(replica_sets_.get(key));
        if (deployment || !labelled_kinds_) return deployment ? deployment_id(*deployment) : std::string();
    }
    if (labelled_kinds_) {
        Set const* const set = find(owner->api_version, owner->kind);
        client::Informer const* const informer = replica_set                       ? &replica_sets_
                                                 : set != nullptr && set->informer ? &*set->informer
                                                                                   : nullptr;
        auto const above = informer == nullptr ? std::nullopt : meta::controller_of(informer->get(key));
        if (above) return workload_id({key.ns, above->name}, above->api_version, above->kind);
    }
    return workload_id(key, owner->api_version, owner->kind);
}

void Sources::each_set(std::function<void(client::Informer&, SetKind const&)> each) {
    for (Set& set : sets_) {
        if (set.informer) each(*set.informer, set.kind);
    }
    each_set_.push_back(std::move(each));
}

Sources::Set const* Sources::find(json::Doc const& reference) const {
    return find(reference["apiVersion"].as_string(), reference["kind"].as_string());
}

Sources::Set const* Sources::find(std::string_view api_version, std::string_view kind) const {
    auto const [group, version] = meta::parse_api_version(api_version);
    for (Set const& set : sets_) {
        if (set.kind.group == group && set.kind.kind == kind) return &set;
    }
    return nullptr;
}

Sources::Set* Sources::find(json::Doc const& reference) {
    return const_cast<Set*>(std::as_const(*this).find(reference));
}

void Sources::want(json::Doc const& reference) {
    Set* set = find(reference);
    if (set == nullptr) set = add_labelled(reference);
    if (set == nullptr || set->informer || set->wanted) return;
    set->wanted = true;
    wake_.set();
}

Sources::Set* Sources::add_labelled(json::Doc const& reference) {
    std::string const kind = reference["kind"].string();
    bool const custom = apis::is_custom_kind(reference["apiVersion"].as_string()) && !kind.empty();
    auto const [group, version] = meta::parse_api_version(reference["apiVersion"].as_string());
    auto const there = std::ranges::count_if(sets_, [](Set const& set) { return set.kind.labelled; });
    if (!labelled_kinds_ || !custom || there >= kMostLabelledKinds) return nullptr;
    // Its controller may have its pods made by one of these.
    for (Set& each : sets_) {
        if (!each.informer) each.wanted = true;
    }
    Set& set = sets_.emplace_back();
    set.kind = labelled_kind();
    set.kind.group = group;
    set.kind.kind = kind;
    set.kind.versions = {version};
    return &set;
}

void Sources::read(Set& set, meta::GroupVersionResource const& resource) {
    set.answered = true;
    set.error.clear();
    set.kind.resource = resource.resource;
    set.informer.emplace(client_, resource);
    if (labelled_kinds_) set.informer->add_index("controller", by_controller);
    set.informer->on_failure([this, &set](Error const&) {
        if (!std::exchange(set.failed, true)) changed();
    });
    set.informer->on_return([this, &set] {
        set.failed = false;
        changed();
    });
}

void Sources::changed() const {
    for (auto const& each : changed_) each();
}

Task<void> Sources::look_for(Context ctx, Set& set) {
    while (ctx.check()) {
        std::string error;
        for (std::string const& version : set.kind.versions) {
            auto const found = co_await client::find_kind(ctx, client_, {set.kind.group, version, set.kind.kind});
            if (!found) error = found.error().message();
            if (!found || !*found || !(*found)->namespaced) continue;
            read(set, (*found)->resource);
            for (auto const& each : each_set_) each(*set.informer, set.kind);
            async::Scope scope(ctx);
            scope.spawn(set.informer->run(scope.context()));
            if (co_await set.informer->wait_synced(scope.context())) changed();
            co_await scope.join();
            co_return;
        }
        bool const news = !std::exchange(set.answered, true) || set.error != error;
        set.error = error;
        if (news) changed();
        (void)co_await async::sleep_for(ctx, kAskAgain);
    }
}

Task<void> Sources::look_for_all(Context ctx) {
    async::Scope scope(ctx);
    while (co_await wake_.wait(scope.context())) {
        wake_.reset();
        for (Set& set : sets_) {
            if (!set.wanted || std::exchange(set.asked, true)) continue;
            scope.spawn(look_for(scope.context(), set));
        }
    }
    co_await scope.join();
}

Sources::Reading Sources::reading(json::Doc const& reference) const {
    Set const* const set = find(reference);
    if (set == nullptr) return {};
    Reading result{.kind = &set->kind};
    if (!set->informer) {
        result.known = set->answered;
        result.served = false;
        result.unread = set->error;
        return result;
    }
    auto const& error = set->informer->last_error();
    result.served = set->informer->synced() || !error || !error->is(ErrorCode::kNotFound);
    if (result.served) result.unread = unread(*set->informer);
    if (result.unread.empty()) result.unread = unread(revisions_);
    return result;
}

NativeSetInputs Sources::set(json::Doc const& reference, std::string const& ns) const {
    NativeSetInputs inputs;
    Set const* const set = find(reference);
    meta::ObjectKey const key{ns, reference["name"].string()};
    inputs.autoscalers = autoscalers_.by_index(
        "scaled", workload_id(key, reference["apiVersion"].as_string(), reference["kind"].as_string()));
    inputs.autoscalers_unread = unread(autoscalers_);
    if (set == nullptr || !set->informer) return inputs;
    inputs.resource = set->informer->resource();
    inputs.set = set->informer->get(key);
    if (!inputs.set.exists()) return inputs;
    inputs.revisions = controlled(revisions_, inputs.set, set->kind.labelled);
    inputs.pods = set->kind.groups ? pods_.by_index(kByGroups, key.ns + "/" + key.name)
                                   : controlled(pods_, inputs.set, set->kind.labelled);
    return inputs;
}

std::vector<json::Doc> Sources::controlled(client::Informer const& informer, json::Doc const& object,
                                           bool labelled) const {
    std::vector<json::Doc> found = informer.by_index("controller", meta::uid(object));
    if (!labelled) return found;
    std::vector<client::Informer const*> between{&replica_sets_};
    for (Set const& each : sets_) {
        if (each.informer && !each.kind.labelled) between.push_back(&*each.informer);
    }
    for (client::Informer const* const each : between) {
        for (json::Doc const& made : each->by_index("controller", meta::uid(object)))
            std::ranges::move(informer.by_index("controller", meta::uid(made)), std::back_inserter(found));
    }
    return found;
}

void Sources::run(async::Scope& scope) {
    for (client::Informer* informer : {&deployments_, &replica_sets_, &pods_, &autoscalers_, &revisions_})
        scope.spawn(informer->run(scope.context()));
    for (Set& set : sets_) {
        if (set.informer) scope.spawn(set.informer->run(scope.context()));
    }
    scope.spawn(look_for_all(scope.context()));
}

bool Sources::synced() const { return deployments_.synced() && replica_sets_.synced() && pods_.synced(); }

}   // namespace aviary::workload
