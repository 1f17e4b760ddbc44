// Who may let a namespace use a set of clusters: as in Open Cluster Management, who may `create` the subresource `bind`
// of that ManagedClusterSet. Stateless.
#pragma once

#include <memory>

#include "kube/control/access_review.h"
#include "kube/control/admission.h"

namespace aviary::placement {

// Also refuses sets and bindings that say what cannot be (apis/cluster/managed_cluster_set.h).
std::shared_ptr<control::Admission> make_bind_admission(std::shared_ptr<control::AccessReviewer> reviewer);

}   // namespace aviary::placement
