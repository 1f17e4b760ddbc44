#include "member/workload/sources.h"

#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/internal/autoscalers.h"

namespace aviary::workload {

namespace {

std::vector<std::string> controller_uid(json::Doc const& object) {
    auto const owner = meta::controller_of(object);
    return owner ? std::vector<std::string>{owner->uid} : std::vector<std::string>();
}

std::optional<meta::ObjectKey> native_owner(json::Doc const& object, std::string_view kind) {
    auto const owner = meta::controller_of(object);
    bool const native = owner && owner->kind == kind && owner->api_version.starts_with("apps/");
    return native ? std::optional(meta::ObjectKey{meta::ns(object), owner->name}) : std::nullopt;
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

Sources::Sources(client::Client const& client)
    : deployments_(client, kDeployments),
      replica_sets_(client, kReplicaSets),
      pods_(client, kPods),
      autoscalers_(client, kAutoscalers),
      stateful_sets_(client, kStatefulSets),
      daemon_sets_(client, kDaemonSets),
      revisions_(client, kControllerRevisions) {
    deployments_.add_index("canary", [](json::Doc const& object) {
        std::string const beside = meta::label(object, apis::kCanaryDeploymentLabel);
        return beside.empty() ? std::vector<std::string>() : std::vector{meta::ns(object) + "/" + beside};
    });
    autoscalers_.add_index("deployment", [](json::Doc const& object) {
        std::string const scaled = scaled_deployment(object);
        return scaled.empty() ? std::vector<std::string>() : std::vector{meta::ns(object) + "/" + scaled};
    });
    replica_sets_.add_index("controller", controller_uid);
    pods_.add_index("controller", controller_uid);
    revisions_.add_index("controller", controller_uid);
}

DeploymentInputs Sources::deployment(meta::ObjectKey const& key) const {
    DeploymentInputs inputs = owned(deployments_.get(key));
    for (json::Doc& canary : deployments_.by_index("canary", key.ns + "/" + key.name))
        inputs.canaries.push_back(owned(std::move(canary)));
    inputs.autoscalers = autoscalers_.by_index("deployment", key.ns + "/" + key.name);
    inputs.autoscalers_unread = unread(autoscalers_);
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
    auto const owner = meta::controller_of(replica_set);
    if (!owner || owner->kind != "Deployment") return std::nullopt;
    meta::ObjectKey const key{meta::ns(replica_set), owner->name};
    json::Doc const deployment = deployments_.get(key);
    return deployment.exists() ? deployment_of(deployment) : key;
}

std::optional<meta::ObjectKey> Sources::deployment_of_autoscaler(json::Doc const& autoscaler) const {
    std::string const scaled = scaled_deployment(autoscaler);
    if (scaled.empty()) return std::nullopt;
    return meta::ObjectKey{meta::ns(autoscaler), scaled};
}

std::optional<meta::ObjectKey> Sources::deployment_of_pod(json::Doc const& pod) const {
    auto const owner = meta::controller_of(pod);
    if (!owner || owner->kind != "ReplicaSet") return std::nullopt;
    return deployment_of_replica_set(replica_sets_.get({meta::ns(pod), owner->name}));
}

NativeSetInputs Sources::native_set(client::Informer const& sets, meta::ObjectKey const& key) const {
    NativeSetInputs inputs;
    inputs.set = sets.get(key);
    if (!inputs.set.exists()) return inputs;
    inputs.revisions = revisions_.by_index("controller", meta::uid(inputs.set));
    inputs.pods = pods_.by_index("controller", meta::uid(inputs.set));
    return inputs;
}

std::string Sources::native_sets_unread(client::Informer const& sets) const {
    std::string const problem = unread(sets);
    return problem.empty() ? unread(revisions_) : problem;
}

std::optional<meta::ObjectKey> Sources::stateful_set_of(json::Doc const& object) const {
    return native_owner(object, "StatefulSet");
}

std::optional<meta::ObjectKey> Sources::daemon_set_of(json::Doc const& object) const {
    return native_owner(object, "DaemonSet");
}

void Sources::run(async::Scope& scope) {
    for (client::Informer* informer :
         {&deployments_, &replica_sets_, &pods_, &autoscalers_, &stateful_sets_, &daemon_sets_, &revisions_})
        scope.spawn(informer->run(scope.context()));
}

bool Sources::synced() const { return deployments_.synced() && replica_sets_.synced() && pods_.synced(); }

}   // namespace aviary::workload
