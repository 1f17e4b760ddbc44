// Who may let a namespace use a set of clusters, and who may move a cluster from one set to another: as in Open Cluster
// Management, who may `create` the subresource `bind` of that ManagedClusterSet, and `join` of both. Stateless.
#pragma once

#include <memory>
#include <string>

#include "kube/control/access_review.h"
#include "kube/control/admission.h"

namespace aviary::placement {

// Also refuses sets and bindings that say what cannot be (apis/cluster/managed_cluster_set.h).
std::shared_ptr<control::Admission> make_bind_admission(std::shared_ptr<control::AccessReviewer> reviewer);
// Which writes of a ManagedCluster it is to be asked about, as a webhook's condition in CEL: no other waits for the
// hub.
std::string moves_to_another_set();

}   // namespace aviary::placement
