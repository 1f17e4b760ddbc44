#include "member/workload/internal/autoscalers.h"

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "kube/meta/object.h"
#include "member/workload/deployment.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;

Write rename(Doc const& autoscaler, std::string name, std::string why) {
    JsonPatch patch(autoscaler);
    patch.test({"spec", "scaleTargetRef"});
    patch.set({"spec", "scaleTargetRef", "name"}, std::move(name));
    Write write;
    write.verb = Write::Verb::kJsonPatch;
    write.resource = kAutoscalers;
    write.key = meta::key_of(autoscaler);
    write.body = patch.take();
    write.why = std::move(why);
    return write;
}

}   // namespace

std::string scaled_deployment(Doc const& autoscaler) {
    Doc const reference = autoscaler.at({"spec", "scaleTargetRef"});
    bool const deployment = reference["kind"].as_string() == "Deployment" &&
                            meta::parse_api_version(reference["apiVersion"].as_string()).first == "apps";
    return deployment ? apis::scaled_name(autoscaler) : std::string();
}

std::optional<Write> switch_off(Doc const& autoscaler) {
    if (meta::is_deleting(autoscaler) || apis::switched_off(autoscaler)) return std::nullopt;
    return rename(autoscaler, apis::scaled_name(autoscaler) + std::string(apis::kSwitchedOffSuffix),
                  "both versions run side by side");
}

std::optional<Write> switch_on(Doc const& autoscaler) {
    std::string name = scaled_deployment(autoscaler);
    if (meta::is_deleting(autoscaler) || name.empty() || !apis::switched_off(autoscaler)) return std::nullopt;
    return rename(autoscaler, std::move(name), "the release is over");
}

}   // namespace aviary::workload
