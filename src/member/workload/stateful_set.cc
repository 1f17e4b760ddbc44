#include "member/workload/stateful_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/pods.h"
#include "member/workload/internal/revisions.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

constexpr std::string_view kMarks[] = {apis::kInProgressingAnnotation, apis::kControlInfoAnnotation};
constexpr std::string_view kPartitionPath[] = {"spec", "updateStrategy", "rollingUpdate", "partition"};

JsonPatch::Path partition_path() { return {std::begin(kPartitionPath), std::end(kPartitionPath)}; }

class StatefulSet final : public Workload {
public:
    StatefulSet(StatefulSetInputs inputs, Time now) : inputs_(std::move(inputs)), now_(now) {
        observe();
        count();
    }

    Doc const& object() const override { return inputs_.set; }
    meta::GroupVersionResource const& resource() const override { return kStatefulSets; }
    std::string_view type_label() const override { return "statefulset"; }
    Facts const& facts() const override { return facts_; }
    bool is_current(std::string_view revision) const override {
        return !revision.empty() && (revision == facts_.update_revision || revision == own_hash_);
    }
    std::int64_t share_of(meta::IntOrPercent const& step) const override {
        return workload::share_of(step, facts_.replicas);
    }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override;
    std::optional<Write> let_go() const override;
    std::optional<Write> restore(Restore const& how) const override;
    Result<std::vector<Write>> leave(Leaving how) const override;
    std::vector<Write> tidy() const override { return {}; }
    std::vector<Write> clean() const override;
    Labelling label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const override {
        return label_units(units(), rollout_id, increments, now_);
    }
    // Every pod that is not ready holds up the others, whatever its version.
    std::vector<control::Wait> obstacles() const override { return obstacles_of(inputs_.pods); }

private:
    Doc const& doc() const { return inputs_.set; }
    std::string noted() const { return meta::annotation(doc(), apis::kInProgressingAnnotation); }
    bool observed() const { return doc().at({"status", "observedGeneration"}).as_int() >= facts_.generation; }
    bool is_unit(Doc const& pod) const {
        return is_active(pod) && !facts_.unit_revision.empty() &&
               meta::label(pod, kRevisionHashLabel) == facts_.unit_revision;
    }
    std::vector<Doc> units() const;
    std::int64_t index_of(Doc const& pod) const;
    std::int64_t partition_for(std::int64_t share) const;
    void restore_partition(JsonPatch& patch) const;
    std::optional<Write> write(JsonPatch patch, std::string why) const;
    void observe();
    void count();

    StatefulSetInputs inputs_;
    Time now_;
    std::string own_hash_;
    Facts facts_;
};

void StatefulSet::observe() {
    Doc const pod_template = doc().at({"spec", "template"});
    own_hash_ = meta::template_hash(pod_template);
    facts_.replicas = doc().at({"spec", "replicas"}).as_int(1);
    facts_.generation = meta::generation(doc());
    facts_.held_by = field_of(noted(), "rolloutName");
    facts_.controller_uid = field_of(meta::annotation(doc(), apis::kControlInfoAnnotation), "uid");
    facts_.rollout_id = meta::label(doc(), apis::kRolloutIdLabel);
    facts_.stable_revision = meta::label(doc(), apis::kStableRevisionLabel);
    bool const labelled = !facts_.stable_revision.empty();
    // Held by upstream's controller, which does not note it.
    if (!facts_.held_by.empty() && !labelled) facts_.stable_revision = doc().at({"status", "currentRevision"}).string();
    facts_.leftovers =
        !meta::annotation(doc(), apis::kControlInfoAnnotation).empty() || (labelled && facts_.held_by.empty());
    Doc const current = revision_with(pod_template, inputs_.revisions);
    if (current.exists()) facts_.unit_revision = meta::name(current);
    if (facts_.unit_revision.empty() && observed())
        facts_.unit_revision = doc().at({"status", "updateRevision"}).string();
    facts_.update_revision = facts_.unit_revision.empty() ? own_hash_ : facts_.unit_revision;
    facts_.rolled_back =
        !facts_.held_by.empty() && !facts_.stable_revision.empty() && facts_.stable_revision == facts_.unit_revision;
    facts_.max_unavailable =
        std::max<std::int64_t>(1, meta::scaled(doc().at({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}),
                                               facts_.replicas, false, "1"));
}

void StatefulSet::count() {
    auto const min_ready = std::chrono::seconds(doc().at({"spec", "minReadySeconds"}).as_int());
    Present const present =
        count_pods(facts_, inputs_.pods, [this](Doc const& pod) { return is_unit(pod); }, min_ready, now_);
    bool const known = facts_.unit_revision == doc().at({"status", "updateRevision"}).as_string();
    facts_.settled = observed() && known && present.pods == facts_.replicas && !present.going;
}

std::vector<Doc> StatefulSet::units() const {
    std::vector<Doc> result;
    for (Doc const& pod : inputs_.pods) {
        if (is_unit(pod)) result.push_back(pod);
    }
    // The last ones are labelled first, with the latest batch: those that are updated last.
    std::ranges::sort(result, std::ranges::greater(), [this](Doc const& pod) { return index_of(pod); });
    return result;
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
    if (auto hold = write(std::move(patch), held ? "next step" : "take the workload over"))
        writes.push_back(std::move(*hold));
    return writes;
}

std::optional<Write> StatefulSet::let_go() const {
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    return write(std::move(patch), "give up control");
}

void StatefulSet::restore_partition(JsonPatch& patch) const {
    std::int64_t const own = own_partition(noted());
    if (doc().at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int() != own)
        patch.set(partition_path(), own);
}

std::optional<Write> StatefulSet::restore(Restore const& how) const {
    if (facts_.held_by.empty() && !facts_.leftovers) return std::nullopt;
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
    return write(std::move(patch), how.keep_frozen ? "close the release before the next" : "restore the workload");
}

Result<std::vector<Write>> StatefulSet::leave(Leaving how) const {
    std::vector<Write> writes;
    if (facts_.held_by.empty() && !facts_.leftovers) return writes;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    // Held as it stands it keeps the release's partition.
    if (how != Leaving::kHold || facts_.rolled_back) restore_partition(patch);
    patch.remove({"metadata", "annotations", apis::kInProgressingAnnotation});
    patch.remove({"metadata", "labels", apis::kStableRevisionLabel});
    if (how == Leaving::kRollback && !facts_.rolled_back) {
        auto const stable = std::ranges::find(inputs_.revisions, facts_.stable_revision,
                                              [](Doc const& revision) { return meta::name(revision); });
        if (stable == inputs_.revisions.end()) {
            return fail(ErrorCode::kNotFound,
                        fmt::format("{} has no ControllerRevision of the version before: it cannot go back by itself",
                                    key().to_string()));
        }
        patch.set({"spec", "template"}, template_of(*stable));
    }
    if (auto last = write(std::move(patch), "give the workload back")) writes.push_back(std::move(*last));
    return writes;
}

std::vector<Write> StatefulSet::clean() const {
    if (facts_.leftovers || !facts_.held_by.empty()) return {};
    return clean_revisions(inputs_.revisions, kMarks);
}

std::optional<Write> StatefulSet::write(JsonPatch patch, std::string why) const {
    if (!patch.changes()) return std::nullopt;
    Write result;
    result.verb = Write::Verb::kJsonPatch;
    result.resource = kStatefulSets;
    result.key = key();
    result.body = patch.take();
    result.why = std::move(why);
    return result;
}

}   // namespace

std::unique_ptr<Workload> observe_stateful_set(StatefulSetInputs inputs, Time now) {
    return std::make_unique<StatefulSet>(std::move(inputs), now);
}

}   // namespace aviary::workload
