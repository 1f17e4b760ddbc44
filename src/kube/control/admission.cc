#include "kube/control/admission.h"

namespace aviary::control {

Task<Status> Admission::mutate(Context, AdmissionRequest&) { co_return Status{}; }

Task<Status> Admission::validate(Context, AdmissionRequest const&) { co_return Status{}; }

}   // namespace aviary::control
