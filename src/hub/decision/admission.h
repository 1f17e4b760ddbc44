// Who may decide, and what a Decision must say. Stateless.
#pragma once

#include <memory>
#include <string>

#include "kube/control/access_review.h"
#include "kube/control/admission.h"

namespace aviary::decision {

// `create` on decisions is asked by the API server; this asks the verb named after the action on the Rollout and `act`
// on each target's ManagedCluster, stamps the requester and when the attempt ends, and keeps the spec as it was
// written. `hub_user` alone may write status and delete, and bring back a Decision of somebody else who may decide.
std::shared_ptr<control::Admission> make_decision_admission(std::shared_ptr<control::AccessReviewer> reviewer,
                                                            std::string hub_user);

}   // namespace aviary::decision
