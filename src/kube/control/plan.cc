#include "kube/control/plan.h"

namespace aviary::control {

void Plan::requeue_at(Time at, std::string reason) {
    if (!requeue || at < requeue->at) requeue = Requeue{at, std::move(reason)};
}

}   // namespace aviary::control
