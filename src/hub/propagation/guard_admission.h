// "Deleting is not releasing": admission on the hub (design section 8).
#pragma once

#include <memory>

#include "kube/control/admission.h"

namespace aviary::propagation {

class Propagator;

// The propagator must outlive the admission.
std::shared_ptr<control::Admission> make_guard_admission(Propagator& propagator);

}   // namespace aviary::propagation
