#include "member/rollout/validation.h"

#include "apis/rollouts/rollout.h"
#include "apis/rollouts/validate.h"

namespace aviary::rollout {

bool Validation::matches(control::AdmissionRequest const& request) const {
    return request.operation != control::Operation::kDelete && request.subresource.empty() &&
           request.resource.group == apis::kRollouts.group && request.resource.resource == apis::kRollouts.resource;
}

Task<Status> Validation::validate(Context, control::AdmissionRequest const& request) {
    // Objects on their way out, and writes that leave the spec alone, are not held up by rules that came later.
    bool const leaving = request.object.at({"metadata", "deletionTimestamp"}).is_string();
    bool const same =
        request.old_object.exists() && request.old_object["spec"] == json::Doc::freeze(request.object["spec"]);
    if (leaving || same) co_return Status{};
    std::vector<json::Doc> others;
    if (rollouts_ != nullptr && rollouts_->synced()) others = rollouts_->list(request.key.ns);
    co_return apis::refuse(apis::validate_rollout(request.object, request.old_object, others), apis::kRollouts.group,
                           "Rollout", request.key.name);
}

}   // namespace aviary::rollout
