#include "member/workload/internal/partitioned_set.h"

#include <algorithm>

#include "kube/meta/object.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/taking_back.h"

namespace aviary::workload {

using control::Write;
using json::Doc;
using json::Value;

void PartitionedSet::observe(std::int64_t replicas) {
    observe_common(replicas);
    facts_.stable_revision = meta::label(doc(), apis::kStableRevisionLabel);
    bool const labelled = !facts_.stable_revision.empty();
    // At rest, or held by upstream's controller, which does not note it.
    if (!labelled) facts_.stable_revision = current_revision();
    bool const marked = std::ranges::any_of(marks_, [this](std::string_view mark) { return !noted(mark).empty(); });
    facts_.leftovers = !noted(apis::kControlInfoAnnotation).empty() || ((labelled || marked) && facts_.held_by.empty());
    if (facts_.unit_revision.empty() && observed()) facts_.unit_revision = newest_revision();
}

void PartitionedSet::count() {
    present_ = count_pods(
        facts_, inputs_.pods, [this](Doc const& pod) { return is_unit(pod); }, min_ready(), now_, label_key());
    auto const kept = meta::IntOrPercent::from(JsonPatch(doc()).at(fields_.partition));
    facts_.asked = std::max<std::int64_t>(0, facts_.replicas - (kept ? kept->scaled(facts_.replicas, true) : 0));
    compare_revisions(!meta::label(doc(), apis::kStableRevisionLabel).empty());
    bool const known = facts_.unit_revision == newest_revision();
    facts_.settled = observed() && known && present_.pods == facts_.replicas && !present_.going;
}

std::int64_t PartitionedSet::stable_left(std::int64_t share) const {
    std::vector<Doc> old;
    for (Doc const& pod : inputs_.pods) {
        if (is_active(pod) && !is_unit(pod)) old.push_back(pod);
    }
    sort_old(old);
    // Of a set that was scaled up, the pods that are missing come first, also those of the old version.
    std::int64_t const surplus = std::ssize(old) - (facts_.replicas - share);
    auto const gone = std::clamp<std::int64_t>(std::min(share - facts_.updated, surplus), 0, std::ssize(old));
    return std::count_if(old.begin() + gone, old.end(),
                         [this](Doc const& pod) { return meta::label(pod, label_key()) == facts_.stable_revision; });
}

void PartitionedSet::take(JsonPatch& patch, Doc const& batch_release) const {
    patch.test({"metadata", "generation"});
    patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
    // It is not found again by its status once every pod has the new version.
    bool const another = !facts_.stable_revision.empty() && facts_.stable_revision != facts_.unit_revision;
    if (!facts_.held_by.empty() && (another || facts_.rolled_back))
        patch.set({"metadata", "labels", apis::kStableRevisionLabel}, facts_.stable_revision);
    if (!fields_.paused.empty() && patch.at(fields_.paused).as_bool()) patch.set(fields_.paused, false);
}

std::vector<Write> PartitionedSet::held(JsonPatch patch, Doc const& batch_release) const {
    bool const held = facts_.controller_uid == meta::uid(batch_release);
    std::vector<Write> writes;
    if (auto next = write_if_changed(std::move(patch), resource(), held ? "next step" : "take the workload over"))
        writes.push_back(std::move(*next));
    return writes;
}

std::vector<Write> PartitionedSet::hold(Doc const& batch_release, meta::IntOrPercent const& share) const {
    JsonPatch patch(doc());
    take(patch, batch_release);
    restore_settings(patch);
    drop_marks(patch, {apis::kInProgressingAnnotation, apis::kControlInfoAnnotation});
    patch.set(fields_.partition, partition_for(share));
    return held(std::move(patch), batch_release);
}

void PartitionedSet::restore_partition(JsonPatch& patch) const {
    Value own = own_partition(noted(apis::kInProgressingAnnotation));
    Doc const there = patch.at(fields_.partition);
    if (there.exists() || own != Value(0)) patch.set(fields_.partition, std::move(own));
}

std::optional<Write> PartitionedSet::restore(Restore const& how) const {
    bool const frozen = JsonPatch(doc()).at(fields_.partition).thaw() == fields_.frozen;
    if (!concerned() && !(how.unmarked && frozen)) return std::nullopt;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    restore_settings(patch);
    if (how.keep_frozen) {
        drop_marks(patch, {apis::kInProgressingAnnotation});
        patch.set(fields_.partition, fields_.frozen);
        if (!how.stable_revision.empty())
            patch.set({"metadata", "labels", apis::kStableRevisionLabel}, how.stable_revision);
    } else {
        restore_partition(patch);
        drop_marks(patch);
        patch.remove({"metadata", "labels", apis::kStableRevisionLabel});
    }
    return write_if_changed(std::move(patch), resource(),
                            how.keep_frozen ? "close the release before the next" : "restore the workload");
}

Result<Write> PartitionedSet::take_back(std::string_view hold) const {
    JsonPatch patch = taking_back(doc(), TRY(stable_template()), hold);
    // As the freeze does with any other template.
    patch.set(fields_.partition, fields_.frozen);
    return as_write(std::move(patch), resource(), kTakeBack);
}

Result<std::vector<Write>> PartitionedSet::leave(Leaving how) const {
    std::vector<Write> writes;
    if (!concerned()) return writes;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    restore_settings(patch);
    // Held as it stands it keeps the release's partition, also one that goes back in batches.
    bool const at_once = facts_.rolled_back && patch.at(fields_.partition).thaw() == fields_.frozen;
    if (how != Leaving::kHold || at_once) restore_partition(patch);
    drop_marks(patch);
    patch.remove({"metadata", "labels", apis::kStableRevisionLabel});
    if (how == Leaving::kRollback && !facts_.rolled_back) {
        patch.set({"spec", "template"}, TRY(stable_template()));
    }
    if (auto last = write_if_changed(std::move(patch), resource(), "give the workload back"))
        writes.push_back(std::move(*last));
    return writes;
}

void PartitionedSet::drop_marks(JsonPatch& patch, std::initializer_list<std::string_view> kept) const {
    for (std::string_view mark : marks_) {
        if (std::ranges::find(kept, mark) == kept.end()) patch.remove({"metadata", "annotations", mark});
    }
}

}   // namespace aviary::workload
