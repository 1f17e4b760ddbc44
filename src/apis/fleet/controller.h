// Which rollout controller runs in a cluster: as `aviary member` says it there, and as the hub says it of the cluster.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::apis {

// What `aviary member` says of itself: a ConfigMap of this name in its namespace. It is written when it changes.
inline constexpr std::string_view kControllerRecord = "aviary-member";

// Of ManagedClusters, status.clusterClaims. The last two are names of OCM's and of the SIG Multicluster.
inline constexpr std::string_view kControllerClaim = "rollouts.aviary.dev/controller";
inline constexpr std::string_view kControllerVersionClaim = "rollouts.aviary.dev/controller-version";
inline constexpr std::string_view kCapabilitiesClaim = "rollouts.aviary.dev/capabilities";
inline constexpr std::string_view kKubernetesClaim = "kubeversion.open-cluster-management.io";
inline constexpr std::string_view kClusterIdClaim = "id.k8s.io";
// … and a condition: whether that controller is one that this hub works with.
inline constexpr std::string_view kControllerSupported = "RolloutControllerSupported";

namespace controller {
inline constexpr std::string_view kAviary = "aviary";
inline constexpr std::string_view kKruise = "kruise-rollouts";
}   // namespace controller

// What can be relied on beyond what every controller of Rollouts v1beta1 does. Whoever does so asks for the capability,
// not for a version.
namespace capability {
inline constexpr std::string_view kApprovalGuard = "approval-guard";   // a step is approved from its pause alone
inline constexpr std::string_view kScaleGuard = "scale-guard";   // scaling in a release takes no step over its share
}   // namespace capability

struct Controller {
    std::string name;      // controller::…; empty: none is known
    std::string version;   // empty: not known
    std::vector<std::string> capabilities;
    bool operator==(Controller const&) const = default;
};

// Longer texts are no versions.
inline constexpr std::size_t kLongestControllerVersion = 64;

// The capabilities of `aviary member`, of this program.
Controller this_controller();

json::Value write_controller_record(std::string const& ns, Controller const& controller);
// Nothing is taken over from it that is no name, or too long: whoever may write there wrote it.
Controller read_controller_record(json::Doc const& config_map);
// "approval-guard,scale-guard"
std::string capabilities_text(Controller const& controller);

}   // namespace aviary::apis
