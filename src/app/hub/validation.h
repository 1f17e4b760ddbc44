// Admission on the hub: Rollouts and policies that could not be carried out are refused where they are written.
#pragma once

#include <memory>

#include "hub/placement/sources.h"
#include "kube/control/admission.h"

namespace aviary::hub {

// The sources must outlive the admission.
std::shared_ptr<control::Admission> make_validation(placement::Sources& sources);

}   // namespace aviary::hub
