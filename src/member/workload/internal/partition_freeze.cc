#include <algorithm>

#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/partition.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

constexpr std::string_view kLabels[] = {apis::kStableRevisionLabel};

void set_at(Value& object, std::span<std::string_view const> path, Value value) {
    Value* at = &object;
    for (std::string_view name : path) at = &(*at)[name];
    *at = std::move(value);
}

Value value_at(Doc object, std::span<std::string_view const> path) {
    for (std::string_view name : path) object = object[name];
    return object.thaw();
}

// What a workload is to get back; one that a release may have put there is none of its own.
Value own(Value partition, PartitionFields const& fields) {
    bool const frozen =
        partition == fields.frozen || (fields.frozen.is_number() && partition.as_int() >= fields.frozen.as_int());
    return frozen ? Value() : std::move(partition);
}

bool rolls(Doc const& object) { return object.at({"spec", "updateStrategy", "type"}).as_string() != "OnDelete"; }

// Where only the rollout-id is another there is no version to go back to.
void note_stable(Value& object, Doc const& old, PartitionFreeze const& kind) {
    if (!kind.stable.empty() && template_changes(old, Doc::freeze(object)))
        object.set({"metadata", "labels", apis::kStableRevisionLabel}, kind.stable);
}

void begin(Value& object, FreezeInputs const& inputs, PartitionFreeze const& kind) {
    // Taken over without having been frozen, as after a release that was disabled and enabled again, it has the
    // partition of that release.
    bool const taken = !meta::annotation(inputs.old, apis::kControlInfoAnnotation).empty();
    Value const partition = taken ? Value() : value_at(Doc::freeze(object), kind.fields.partition);
    drop_marks(object, kind.annotations, kLabels);
    note_stable(object, inputs.old, kind);
    object.set({"metadata", "annotations", apis::kInProgressingAnnotation},
               in_progressing(inputs.rollout, own(partition, kind.fields)));
    set_at(object, kind.fields.partition, kind.fields.frozen);
}

// New pods of a set that grows are of the stable version until the release says otherwise.
Value grown(Value partition, Doc const& before, Doc const& after) {
    std::int64_t const had = before.at({"spec", "replicas"}).as_int(1);
    std::int64_t const has = after.at({"spec", "replicas"}).as_int(1);
    bool const grows = has > had && partition.is_number();
    return grows ? Value(std::max(partition.as_int(), has)) : std::move(partition);
}

// What would let pods of the new version come stays; the partition that is asked for is what the workload gets at the
// end.
void keep_frozen(Value& object, Doc const& old, PartitionFreeze const& kind, bool new_revision) {
    PartitionFields const& fields = kind.fields;
    if (meta::label(old, apis::kStableRevisionLabel).empty()) note_stable(object, old, kind);
    Doc const asks = Doc::freeze(object);
    if (!rolls(asks)) object.set({"spec", "updateStrategy"}, old.at({"spec", "updateStrategy"}).thaw());
    Value const had = value_at(old, fields.partition);
    Value const asked = value_at(asks, fields.partition);
    if (asked != had) {
        std::string const rollout = holder_of(std::string(annotation_of(object, apis::kInProgressingAnnotation)));
        object.set({"metadata", "annotations", apis::kInProgressingAnnotation},
                   in_progressing(rollout, own(asked, fields)));
    }
    Value kept = new_revision ? fields.frozen : kind.grows ? grown(had, old, asks) : had;
    if (!kept.is_null()) set_at(object, fields.partition, std::move(kept));
    if (!fields.paused.empty() && value_at(asks, fields.paused).as_bool())
        set_at(object, fields.paused, value_at(old, fields.paused).as_bool());
}

}   // namespace

void freeze_partition(Value& object, FreezeInputs const& inputs, PartitionFreeze const& kind) {
    if (inputs.from_controller) return;
    bool const was_progressing = !meta::annotation(inputs.old, apis::kInProgressingAnnotation).empty();
    keep_label(object, inputs.old);
    if (was_progressing) keep_marks(object, inputs.old, kind.annotations, kLabels);
    Doc const after = Doc::freeze(object);
    bool const new_revision = revision_changes(inputs.old, after);
    if (!meta::annotation(after, apis::kInProgressingAnnotation).empty())
        return keep_frozen(object, inputs.old, kind, new_revision);
    // One that is updated as its pods are deleted is never taken over.
    bool const held = rolls(after) && rolls(inputs.old);
    if (new_revision && held && kind.runs && after.at({"spec", "replicas"}).as_int(1) != 0) begin(object, inputs, kind);
}

}   // namespace aviary::workload
