#include "member/rollout/internal/rollback.h"

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"

namespace aviary::rollout {

namespace {

constexpr std::string_view kRollbackPrefix = "rollback-";
constexpr std::size_t kLongestLabel = 63;

}   // namespace

bool asks_for_batches(json::Doc const& object) {
    return meta::annotation(object, apis::kRollbackInBatchAnnotation) == "true";
}

meta::IntOrPercent rollback_share(meta::IntOrPercent const& step, std::int64_t replicas,
                                  std::optional<std::int64_t> spared) {
    if (!spared) return step;
    std::int64_t const kept = std::clamp<std::int64_t>(*spared, 0, std::max<std::int64_t>(replicas, 0));
    return meta::IntOrPercent::count(kept + workload::share_of(step, replicas - kept));
}

// The end of a revision's name, its hash, tells it from others.
std::string rollback_id(std::string_view revision) {
    std::size_t const room = kLongestLabel - kRollbackPrefix.size();
    if (revision.size() > room) revision.remove_prefix(revision.size() - room);
    return std::string(kRollbackPrefix) + std::string(revision);
}

}   // namespace aviary::rollout
