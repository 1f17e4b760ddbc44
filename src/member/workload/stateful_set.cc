#include "member/workload/stateful_set.h"

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/native_set_base.h"
#include "member/workload/internal/pods.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

constexpr std::string_view kMarks[] = {apis::kInProgressingAnnotation, apis::kControlInfoAnnotation};
constexpr std::string_view kPartitionPath[] = {"spec", "updateStrategy", "rollingUpdate", "partition"};

JsonPatch::Path partition_path() { return {std::begin(kPartitionPath), std::end(kPartitionPath)}; }

class StatefulSet final : public NativeSetBase {
public:
    StatefulSet(NativeSetInputs inputs, Time now) : NativeSetBase(std::move(inputs), now, kMarks) {
        observe();
        count();
    }

    meta::GroupVersionResource const& resource() const override { return kStatefulSets; }
    std::string_view type_label() const override { return "statefulset"; }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override;
    std::optional<Write> restore(Restore const& how) const override;
    Result<std::vector<Write>> leave(Leaving how) const override;
    // Every pod that is not ready holds up the others, whatever its version.
    std::vector<control::Wait> obstacles() const override { return obstacles_of(inputs_.pods); }

private:
    std::string label_of(Doc const& revision) const override { return meta::name(revision); }
    // The last ones are updated last.
    void sort(std::vector<Doc>& units) const override {
        std::ranges::sort(units, std::ranges::greater(), [this](Doc const& pod) { return index_of(pod); });
    }
    std::int64_t index_of(Doc const& pod) const;
    std::int64_t partition_for(std::int64_t share) const;
    void restore_partition(JsonPatch& patch) const;
    void observe();
    void count();
};

void StatefulSet::observe() {
    observe_common(doc().at({"spec", "replicas"}).as_int(1));
    facts_.stable_revision = meta::label(doc(), apis::kStableRevisionLabel);
    bool const labelled = !facts_.stable_revision.empty();
    // Held by upstream's controller, which does not note it.
    if (!facts_.held_by.empty() && !labelled) facts_.stable_revision = doc().at({"status", "currentRevision"}).string();
    facts_.leftovers = !noted(apis::kControlInfoAnnotation).empty() || (labelled && facts_.held_by.empty());
    if (facts_.unit_revision.empty() && observed())
        facts_.unit_revision = doc().at({"status", "updateRevision"}).string();
    compare_revisions();
}

void StatefulSet::count() {
    auto const min_ready = std::chrono::seconds(doc().at({"spec", "minReadySeconds"}).as_int());
    Present const present =
        count_pods(facts_, inputs_.pods, [this](Doc const& pod) { return is_unit(pod); }, min_ready, now_);
    bool const known = facts_.unit_revision == doc().at({"status", "updateRevision"}).as_string();
    facts_.settled = observed() && known && present.pods == facts_.replicas && !present.going;
}

// Ordinals begin where the set says; partitions count from there.
std::int64_t StatefulSet::index_of(Doc const& pod) const {
    std::string const name = meta::name(pod);
    std::int64_t const ordinal = parse_int(std::string_view(name).substr(name.rfind('-') + 1)).value_or(0);
    return ordinal - doc().at({"spec", "ordinals", "start"}).as_int();
}

// Pods above it, and those below that are of the new version already, are no more than the share.
std::int64_t StatefulSet::partition_for(std::int64_t share) const {
    if (share == 0) return apis::kFrozenPartition;
    std::int64_t partition = facts_.replicas - share;
    std::vector<Doc> const units = this->units();
    for (; partition < facts_.replicas; ++partition) {
        std::int64_t const below =
            std::ranges::count_if(units, [&](Doc const& pod) { return index_of(pod) < partition; });
        if (facts_.replicas - partition + below <= share) break;
    }
    return partition;
}

std::vector<Write> StatefulSet::hold(Doc const& batch_release, meta::IntOrPercent const& share) const {
    bool const held = facts_.controller_uid == meta::uid(batch_release);
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
    patch.set(partition_path(), partition_for(share_of(share)));
    std::vector<Write> writes;
    if (auto hold = write_if_changed(std::move(patch), kStatefulSets, held ? "next step" : "take the workload over"))
        writes.push_back(std::move(*hold));
    return writes;
}

void StatefulSet::restore_partition(JsonPatch& patch) const {
    std::int64_t const own = own_partition(noted(apis::kInProgressingAnnotation));
    if (doc().at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int() != own)
        patch.set(partition_path(), own);
}

std::optional<Write> StatefulSet::restore(Restore const& how) const {
    if (!concerned()) return std::nullopt;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    if (how.keep_frozen) {
        patch.set(partition_path(), apis::kFrozenPartition);
        if (!how.stable_revision.empty())
            patch.set({"metadata", "labels", apis::kStableRevisionLabel}, how.stable_revision);
    } else {
        restore_partition(patch);
        patch.remove({"metadata", "annotations", apis::kInProgressingAnnotation});
        patch.remove({"metadata", "labels", apis::kStableRevisionLabel});
    }
    return write_if_changed(std::move(patch), kStatefulSets,
                            how.keep_frozen ? "close the release before the next" : "restore the workload");
}

Result<std::vector<Write>> StatefulSet::leave(Leaving how) const {
    std::vector<Write> writes;
    if (!concerned()) return writes;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    // Held as it stands it keeps the release's partition.
    if (how != Leaving::kHold || facts_.rolled_back) restore_partition(patch);
    patch.remove({"metadata", "annotations", apis::kInProgressingAnnotation});
    patch.remove({"metadata", "labels", apis::kStableRevisionLabel});
    if (how == Leaving::kRollback && !facts_.rolled_back) {
        patch.set({"spec", "template"}, TRY(stable_template()));
    }
    if (auto last = write_if_changed(std::move(patch), kStatefulSets, "give the workload back"))
        writes.push_back(std::move(*last));
    return writes;
}

}   // namespace

std::unique_ptr<Workload> observe_stateful_set(NativeSetInputs inputs, Time now) {
    return std::make_unique<StatefulSet>(std::move(inputs), now);
}

}   // namespace aviary::workload
