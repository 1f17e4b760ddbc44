#include "member/rollout/internal/rollback.h"

#include <algorithm>

#include "apis/rollouts/hash.h"
#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/rollout/internal/conditions.h"
#include "member/rollout/internal/machine.h"
#include "member/workload/counting.h"

namespace aviary::rollout {

using apis::CanaryStatus;

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

// What a deadline has put back is whole again at once: nobody is there to approve it.
bool Machine::goes_back_in_batches() const {
    bool const overdue = apis::find_condition(status_.conditions, apis::condition::kStalled) != nullptr &&
                         limits_.on_deadline == apis::on_deadline::kRollback;
    return facts().rolled_back && facts().in_batches && asks_for_batches(seen_.rollout) && routing() == nullptr &&
           !blue_green() && !overdue;
}

// From the first step on, with the stable version as the one that is released.
bool Machine::turn_back() {
    event("Progressing", "workload has been rollback, and goes back in batches");
    note_way(true);
    CanaryStatus& current = release();
    current.canary_revision = facts().update_revision;
    current.pod_template_hash = facts().unit_revision;
    current.rollout_hash = apis::plan_hash(seen_.rollout);
    current.current_step_index = 1;
    current.next_step_index = next_of(1);
    enter(apis::step::kBeforeUpgrade);
    return true;
}

// Its revisions do not tell: with another rollout-id alone they are equal, too.
void Machine::note_way(bool back) {
    if (back) {
        change_condition(status_, apis::condition::kRolledBack, "True", apis::reason::kInBatches,
                         "the stable version comes back in batches", now_);
    } else {
        drop_condition(status_, apis::condition::kRolledBack);
    }
}

}   // namespace aviary::rollout
