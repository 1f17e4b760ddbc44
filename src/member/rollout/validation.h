// Validation of Rollouts as an admission function: what the schema cannot say, by JSON path.
#pragma once

#include "kube/client/informer.h"
#include "kube/control/admission.h"

namespace aviary::rollout {

class Validation final : public control::Admission {
public:
    // The informer of Rollouts tells of others that point at the same workload; null: that is not checked.
    explicit Validation(client::Informer const* rollouts = nullptr) : rollouts_(rollouts) {}

    std::string_view name() const override { return "rollout-validation"; }
    bool matches(control::AdmissionRequest const& request) const override;
    Task<Status> validate(Context ctx, control::AdmissionRequest const& request) override;

private:
    client::Informer const* rollouts_;
};

}   // namespace aviary::rollout
