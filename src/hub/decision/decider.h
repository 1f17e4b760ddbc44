// Decider: carries people's Decisions out in the members they name, exactly once or reported refused (design section
// 8). Lives on the hub's loop.
#pragma once

#include <memory>

#include "hub/propagation/propagator.h"
#include "kube/control/admission.h"
#include "kube/control/authorizer.h"

namespace aviary::decision {

class Decider {
public:
    Decider(client::Client hub, propagation::Propagator& propagator);
    ~Decider();
    Task<void> run(Context ctx);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Who may decide: `create` on decisions is asked by the API server; this asks the verb named after the action on the
// Rollout and `act` on each target's ManagedCluster, stamps the requester, and keeps the spec as it was written.
// `hub_user` alone may write status and delete.
std::shared_ptr<control::Admission> make_decision_admission(control::Authorizer const& authorizer,
                                                            std::string hub_user);

// The digest of what is released: the workload's template and the Rollout's strategy, as the hub has them.
std::string release_digest(json::Doc const& workload, json::Doc const& rollout);

}   // namespace aviary::decision
