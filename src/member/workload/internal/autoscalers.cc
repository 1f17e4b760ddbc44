#include "member/workload/internal/autoscalers.h"

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "kube/meta/object.h"
#include "member/workload/deployment.h"
#include "member/workload/json_patch.h"
#include "member/workload/native_set.h"

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

std::string scaled_workload(Doc const& autoscaler) {
    Doc const reference = autoscaler.at({"spec", "scaleTargetRef"});
    std::string const name = apis::scaled_name(autoscaler);
    if (name.empty()) return {};
    return workload_id({meta::ns(autoscaler), name}, reference["apiVersion"].as_string(),
                       reference["kind"].as_string());
}

control::Wait autoscalers_unread(std::string const& why) {
    return {std::string(apis::kAutoscalersUnread),
            "HorizontalPodAutoscalers, which a blue-green release switches off meanwhile, cannot be read: " + why,
            std::nullopt, "the member may get, list, watch and patch horizontalpodautoscalers.autoscaling",
            "cluster owner"};
}

std::optional<Write> switch_off(Doc const& autoscaler) {
    if (meta::is_deleting(autoscaler) || apis::switched_off(autoscaler)) return std::nullopt;
    return rename(autoscaler, apis::scaled_name(autoscaler) + std::string(apis::kSwitchedOffSuffix),
                  "both versions run side by side");
}

std::optional<Write> switch_on(Doc const& autoscaler) {
    if (meta::is_deleting(autoscaler) || !apis::switched_off(autoscaler)) return std::nullopt;
    return rename(autoscaler, apis::scaled_name(autoscaler), "the release is over");
}

std::vector<Write> tidy_set(NativeSetInputs const& inputs) {
    std::vector<Write> writes;
    for (Doc const& each : inputs.autoscalers) {
        if (auto on = switch_on(each)) writes.push_back(std::move(*on));
    }
    return writes;
}

}   // namespace aviary::workload
