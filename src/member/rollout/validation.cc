#include "member/rollout/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "apis/rollouts/traffic_routing.h"
#include "kube/meta/object.h"

namespace aviary::rollout {

namespace {

// The annotations that are looked at beside the spec.
constexpr std::string_view kSaying[] = {apis::kTrafficRoutingAnnotation, apis::kRollingStyleAnnotation,
                                        apis::kProgressDeadlineAnnotation, apis::kOnDeadlineAnnotation,
                                        apis::kHealthySecondsAnnotation};

// What a step may be in.
constexpr std::array kStates{apis::step::kBeforeUpgrade,   apis::step::kUpgrade, apis::step::kTrafficRouting,
                             apis::step::kMetricsAnalysis, apis::step::kPaused,  apis::step::kReady,
                             apis::step::kCompleted};

bool is_rollout(control::AdmissionRequest const& request) {
    return request.operation != control::Operation::kDelete && request.resource.group == apis::kRollouts.group &&
           request.resource.resource == apis::kRollouts.resource;
}

std::unexpected<Error> refused(control::AdmissionRequest const& request, std::string_view part,
                               std::string const& why) {
    return fail(Error(ErrorCode::kConflict, why)
                    .with_causes({{"FieldValueForbidden", fmt::format("status.{}.currentStepState", part), why}})
                    .with_object(std::string(apis::kRollouts.group), "Rollout", request.key.name));
}

}   // namespace

bool Validation::matches(control::AdmissionRequest const& request) const {
    return is_rollout(request) && request.subresource.empty();
}

Task<Status> Validation::validate(Context, control::AdmissionRequest const& request) {
    // Objects on their way out, and writes that leave the spec alone, are not held up by rules that came later.
    bool const leaving = request.object.at({"metadata", "deletionTimestamp"}).is_string();
    auto const kept = [&request](std::string_view annotation) {
        return meta::annotation(request.old_object, annotation) ==
               request.object.at({"metadata", "annotations"})[annotation].as_string();
    };
    bool const same = request.old_object.exists() &&
                      request.old_object["spec"] == json::Doc::freeze(request.object["spec"]) &&
                      std::ranges::all_of(kSaying, kept);
    if (leaving || same) co_return Status{};
    std::vector<json::Doc> others;
    if (rollouts_ != nullptr && rollouts_->synced()) others = rollouts_->list(request.key.ns);
    co_return apis::refuse(apis::validate_rollout(request.object, request.old_object, others, kinds_),
                           apis::kRollouts.group, "Rollout", request.key.name);
}

bool TrafficRoutingValidation::matches(control::AdmissionRequest const& request) const {
    return request.operation != control::Operation::kDelete && request.subresource.empty() &&
           request.resource.group == apis::kTrafficRoutings.group &&
           request.resource.resource == apis::kTrafficRoutings.resource;
}

Task<Status> TrafficRoutingValidation::validate(Context, control::AdmissionRequest const& request) {
    // Finalizers come and go whatever the spec is.
    bool const same =
        request.old_object.exists() && request.old_object["spec"] == json::Doc::freeze(request.object["spec"]);
    if (same) co_return Status{};
    co_return apis::refuse(apis::validate_traffic_routing(request.object, request.old_object),
                           apis::kTrafficRoutings.group, "TrafficRouting", request.key.name);
}

bool Approvals::matches(control::AdmissionRequest const& request) const {
    return is_rollout(request) && request.subresource == "status" && request.old_object.exists() &&
           request.user.name != controller_user_;
}

Task<Status> Approvals::validate(Context, control::AdmissionRequest const& request) {
    std::string const part(apis::release_status_name(request.old_object));
    json::Doc const was = apis::release_status(request.old_object);
    std::string_view const before = was["currentStepState"].as_string();
    std::string_view const after = request.object.at({"status", part, "currentStepState"}).as_string();
    bool const known = after.empty() || std::ranges::find(kStates, after) != kStates.end();
    if (!known && after != before)
        co_return refused(request, part,
                          fmt::format("{} is no state of a step: {} approves", after, apis::step::kReady));
    bool const approves = after == apis::step::kReady && before != apis::step::kReady;
    bool const third = apis::new_version_refused(request.old_object);
    if (!approves || (before == apis::step::kPaused && !third)) co_return Status{};
    std::string const why =
        third ? std::string(apis::kNewVersionRefused)
              : fmt::format("step {} is in {}: only one in {} can be approved", was["currentStepIndex"].as_int(),
                            before.empty() ? "no state" : before, apis::step::kPaused);
    co_return refused(request, part, why);
}

}   // namespace aviary::rollout
