#include "member/workload/advanced_daemon_set.h"

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "core/base/sort.h"
#include "kube/meta/object.h"
#include "member/workload/freeze.h"
#include "member/workload/internal/partitioned_set.h"
#include "member/workload/internal/pods.h"
#include "member/workload/internal/revisions.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

class AdvancedDaemonSet final : public PartitionedSet {
public:
    AdvancedDaemonSet(NativeSetInputs inputs, Time now)
        : PartitionedSet(std::move(inputs), now, stateful_set_fields()) {
        observe(doc().at({"status", "desiredNumberScheduled"}).as_int());
        count();
        // One that drains for long keeps its node, and is not waited for.
        std::int64_t const on_nodes = std::ranges::count_if(
            inputs_.pods, [](Doc const& pod) { return is_active(pod) || meta::is_deleting(pod); });
        facts_.settled = observed() && !facts_.unit_revision.empty() && on_nodes >= facts_.replicas && !present_.going;
    }

    std::string_view type_label() const override { return "daemonset"; }
    std::vector<control::Wait> obstacles() const override { return obstacles_of(units()); }

private:
    // So many pods keep their version; those of the new one count, wherever they are.
    Value partition_for(meta::IntOrPercent const& share) const override {
        std::int64_t const wanted = share_of(share);
        return wanted == 0 ? apis::kFrozenPartition : facts_.replicas - wanted;
    }
    std::string label_of(Doc const& revision) const override { return meta::label(revision, kRevisionHashLabel); }
    // Its status does not tell what it came from.
    std::string current_revision() const override {
        bool const nowhere = doc().at({"metadata", "labels", apis::kStableRevisionLabel}).exists();
        return replaced_revision(inputs_, !nowhere);
    }
    std::string newest_revision() const override { return doc().at({"status", "daemonSetHash"}).string(); }
    // The newest ones come last.
    void sort(std::vector<Doc>& units) const override { sort_by(units, age_of); }
    // By the name of their node, from the last on.
    void sort_old(std::vector<Doc>& pods) const override {
        sort_by(pods, [](Doc const& pod) { return pod.at({"spec", "nodeName"}).string(); }, std::ranges::greater());
    }
};

// An empty label: with another rollout-id alone it came from nowhere. Without one it is a release of another
// controller, which notes none.
void note_nowhere(Value& object, FreezeInputs const& inputs) {
    Doc const after = Doc::freeze(object);
    bool const begun = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    bool const nowhere = begun ? inputs.old.at({"metadata", "labels", apis::kStableRevisionLabel}).exists()
                               : !template_changes(inputs.old, after);
    bool const noted = after.at({"metadata", "labels", apis::kStableRevisionLabel}).exists();
    if (nowhere && !noted && !meta::annotation(after, apis::kInProgressingAnnotation).empty())
        object.set({"metadata", "labels", apis::kStableRevisionLabel}, "");
}

}   // namespace

void freeze_advanced_daemon_set(Value& object, FreezeInputs const& inputs) {
    Doc const status = inputs.old["status"];
    // Where a version has come past the webhook the status is of that one already.
    Doc const before = revision_with(inputs.old.at({"spec", "template"}), inputs.revisions);
    std::string replaced = before.exists() ? meta::label(before, kRevisionHashLabel) : status["daemonSetHash"].string();
    bool const known = prevails(inputs.old) || replaced == inputs.came_from;
    freeze_partition(object, inputs,
                     {.fields = stateful_set_fields(),
                      .stable = known ? std::move(replaced) : std::string(),
                      .runs = status["currentNumberScheduled"].as_int() > 0});
    if (!inputs.from_controller) note_nowhere(object, inputs);
}

std::unique_ptr<Workload> observe_advanced_daemon_set(NativeSetInputs inputs, Time now) {
    return std::make_unique<AdvancedDaemonSet>(std::move(inputs), now);
}

}   // namespace aviary::workload
