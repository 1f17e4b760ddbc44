// Validation of Rollouts and TrafficRoutings as admission functions: what the schema cannot say, by JSON path; and that
// an approval is of a step that asks for one.
#pragma once

#include <string>
#include <utility>

#include "apis/rollouts/validate.h"
#include "kube/client/informer.h"
#include "kube/control/admission.h"

namespace aviary::rollout {

class Validation final : public control::Admission {
public:
    // The informer of Rollouts tells of others that point at the same workload; null: that is not checked.
    explicit Validation(client::Informer const* rollouts = nullptr,
                        apis::WorkloadKinds kinds = apis::WorkloadKinds::kKnown)
        : rollouts_(rollouts), kinds_(kinds) {}

    std::string_view name() const override { return "rollout-validation"; }
    bool matches(control::AdmissionRequest const& request) const override;
    Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override;

private:
    client::Informer const* rollouts_;
    apis::WorkloadKinds kinds_;
};

class TrafficRoutingValidation final : public control::Admission {
public:
    std::string_view name() const override { return "traffic-routing-validation"; }
    bool matches(control::AdmissionRequest const& request) const override;
    Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override;
};

// Of two approvals made at the same time the second finds the next step at work: it is refused, not counted for that.
class Approvals final : public control::Admission {
public:
    // `controller_user` is whom the member's controllers authenticate as.
    explicit Approvals(std::string controller_user) : controller_user_(std::move(controller_user)) {}

    std::string_view name() const override { return "rollout-approvals"; }
    bool matches(control::AdmissionRequest const& request) const override;
    Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override;

private:
    std::string controller_user_;
};

}   // namespace aviary::rollout
