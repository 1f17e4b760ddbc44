#include "member/workload/leader_worker_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/internal/catching_up.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/partition.h"
#include "member/workload/internal/pods.h"
#include "member/workload/internal/revisions.h"
#include "member/workload/internal/taking_back.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

constexpr std::string_view kRolling[] = {"spec", "rolloutStrategy", "rollingUpdateConfiguration"};

JsonPatch::Path partition_path() { return {kRolling[0], kRolling[1], kRolling[2], "partition"}; }

std::int64_t index_of(Doc const& pod) { return parse_int(meta::label(pod, meta::kGroupIndexLabel)).value_or(-1); }

bool is_made_by(Doc const& pod, std::string_view stateful_set) {
    auto const owner = meta::controller_of(pod);
    return owner && owner->kind == "StatefulSet" && owner->name == stateful_set;
}

class LeaderWorkerSet final : public Workload {
public:
    LeaderWorkerSet(NativeSetInputs inputs, Time now) : inputs_(std::move(inputs)), now_(now) {
        gather();
        observe();
        count();
        compare_revisions();
    }

    Doc const& object() const override { return inputs_.set; }
    meta::GroupVersionResource const& resource() const override { return kLeaderWorkerSets; }
    std::string_view type_label() const override { return "leaderworkerset"; }
    Facts const& facts() const override { return facts_; }
    bool is_current(std::string_view revision) const override {
        return !revision.empty() && (revision == facts_.update_revision || revision == own_hash_);
    }
    std::int64_t share_of(meta::IntOrPercent const& step) const override {
        return workload::share_of(step, facts_.replicas);
    }
    // Its controller replaces groups from the last one on, whatever their versions.
    std::int64_t stable_left(std::int64_t share) const override {
        std::int64_t const partition = std::min(facts_.replicas, partition_for(share));
        return std::ranges::count_if(groups_, [&](auto const& each) {
            auto const& [index, group] = each;
            return index < partition && is_active(group.leader) && !is_new(group.leader) &&
                   meta::label(group.leader, kGroupRevisionLabel) == facts_.stable_revision;
        });
    }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override;
    std::optional<Write> let_go() const override;
    std::optional<Write> restore(Restore const& how) const override;
    Result<Write> take_back(std::string_view hold) const override;
    std::optional<Write> catch_up(std::string_view rollout, std::string_view before) const override;
    Result<std::vector<Write>> leave(Leaving how) const override;
    std::vector<Write> tidy() const override { return {}; }
    // Their controller copies no annotation to what it makes.
    std::vector<Write> clean() const override { return {}; }
    Labelling label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const override;
    std::vector<control::Wait> obstacles() const override { return obstacles_of(inputs_.pods); }

private:
    struct Group {
        Doc leader;
        std::vector<Doc> workers;   // of the leader's revision, active
    };

    Doc const& doc() const { return inputs_.set; }
    std::string noted(std::string_view mark) const { return meta::annotation(doc(), mark); }
    bool concerned() const { return !facts_.held_by.empty() || facts_.leftovers; }
    std::int64_t size() const { return doc().at({"spec", meta::kGroupTemplate, "size"}).as_int(1); }
    std::int64_t partition() const { return rolling()["partition"].as_int(); }
    Doc rolling() const { return doc().at({kRolling[0], kRolling[1], kRolling[2]}); }
    bool is_new(Doc const& pod) const {
        return !facts_.unit_revision.empty() && meta::label(pod, kGroupRevisionLabel) == facts_.unit_revision;
    }
    void observe();
    std::string stable_revision() const;
    void compare_revisions();
    void gather();
    void count();
    void count_new(Group const& group);
    std::int64_t partition_for(std::int64_t share) const;
    void restore_partition(JsonPatch& patch) const;
    // The spec's parts that a version stands for, of the one whose pods have this label; null: there is none.
    Value groups_with(std::string_view label) const;
    Status put_back(JsonPatch& patch) const;

    NativeSetInputs inputs_;
    Time now_;
    std::string own_hash_;
    std::map<std::int64_t, Group> groups_;   // by index; those that have a leader
    Facts facts_;
};

void LeaderWorkerSet::observe() {
    own_hash_ = meta::template_hash(Doc::freeze(meta::groups_of(doc()["spec"])));
    facts_.replicas = doc().at({"spec", "replicas"}).as_int(1);
    facts_.generation = meta::generation(doc());
    facts_.held_by = holder_of(noted(apis::kInProgressingAnnotation));
    facts_.controller_uid = field_of(noted(apis::kControlInfoAnnotation), "uid");
    facts_.rollout_id = rollout_id_of(doc());
    bool const labelled = !meta::label(doc(), apis::kStableRevisionLabel).empty();
    facts_.leftovers = !noted(apis::kControlInfoAnnotation).empty() || (labelled && facts_.held_by.empty());
    facts_.unit_revision = meta::label(group_revision(doc(), inputs_.revisions), kGroupRevisionLabel);
    facts_.stable_revision = stable_revision();
    facts_.update_revision = facts_.unit_revision.empty() ? own_hash_ : facts_.unit_revision;
    facts_.max_unavailable =
        std::max<std::int64_t>(1, meta::scaled(rolling()["maxUnavailable"], facts_.replicas, false, "1"));
}

// What the release began from; where nobody has noted it yet, what most groups have.
std::string LeaderWorkerSet::stable_revision() const {
    std::string noted_one = meta::label(doc(), apis::kStableRevisionLabel);
    if (!noted_one.empty() || facts_.held_by.empty()) return noted_one;
    std::vector<Doc> leaders;
    for (auto const& [index, group] : groups_) leaders.push_back(group.leader);
    return prevailing_revision(leaders, inputs_.revisions, kGroupRevisionLabel);
}

// Without a note, as with another rollout-id alone, one whose groups all have its version, also those that are going,
// came from nowhere.
void LeaderWorkerSet::compare_revisions() {
    facts_.unnamed = !facts_.held_by.empty() && facts_.unit_revision.empty() && !facts_.stable_revision.empty() &&
                     groups_with(facts_.stable_revision).is_null();
    if (facts_.held_by.empty() || facts_.unit_revision.empty() || facts_.stable_revision != facts_.unit_revision)
        return;
    bool const noted = !meta::label(doc(), apis::kStableRevisionLabel).empty();
    facts_.rolled_back = noted || std::ranges::any_of(groups_, [this](auto const& each) {
                             return each.first < facts_.replicas &&
                                    meta::label(each.second.leader, kGroupRevisionLabel) != facts_.unit_revision;
                         });
    if (!facts_.rolled_back) facts_.stable_revision.clear();
}

void LeaderWorkerSet::gather() {
    for (Doc const& pod : inputs_.pods) {
        bool const leads = meta::label(pod, meta::kWorkerIndexLabel) == "0" && is_made_by(pod, meta::name(doc()));
        if (leads && (is_active(pod) || counted_until(pod, now_))) groups_[index_of(pod)].leader = pod;
    }
    std::erase_if(groups_, [](auto const& each) { return each.first < 0; });
    for (Doc const& pod : inputs_.pods) {
        auto const group = groups_.find(index_of(pod));
        if (group == groups_.end() || !is_active(pod) || !is_made_by(pod, meta::name(group->second.leader))) continue;
        if (meta::label(pod, kGroupRevisionLabel) == meta::label(group->second.leader, kGroupRevisionLabel))
            group->second.workers.push_back(pod);
    }
}

// A group is new once its leader and all of its workers are there, and ready once all of them are.
void LeaderWorkerSet::count_new(Group const& group) {
    if (std::ssize(group.workers) + 1 < size()) return;
    ++facts_.updated;
    if (!is_ready(group.leader) || !std::ranges::all_of(group.workers, is_ready)) return;
    ++facts_.updated_ready;
    ++facts_.updated_available;
}

// Groups of a surge are above spec.replicas: they come and go beside those that are counted.
void LeaderWorkerSet::count() {
    facts_.asked = std::max<std::int64_t>(0, facts_.replicas - partition());
    std::int64_t present = 0;
    bool going = false;
    for (auto const& [index, group] : groups_) {
        if (index >= facts_.replicas) break;
        ++present;
        if (auto const until = counted_until(group.leader, now_)) {
            facts_.settles_at = std::min(*until, facts_.settles_at.value_or(*until));
            going = true;
        }
        if (is_active(group.leader) && is_new(group.leader)) {
            count_new(group);
            continue;
        }
        ++facts_.outdated;
        if (!is_active(group.leader) || meta::label(group.leader, kGroupRevisionLabel) != facts_.stable_revision)
            continue;
        ++facts_.stable;
        bool const ready = is_ready(group.leader) && std::ranges::all_of(group.workers, is_ready);
        if (ready) ++facts_.stable_ready;
        if (ready || !facts_.stable_pod.exists()) facts_.stable_pod = group.leader;
    }
    std::int64_t const whole = facts_.updated + facts_.outdated;
    facts_.settled = !facts_.unit_revision.empty() && !going && present == facts_.replicas && whole == present;
}

// Groups above it, and those below that are new already, are no more than the share.
std::int64_t LeaderWorkerSet::partition_for(std::int64_t share) const {
    if (share == 0) return apis::kFrozenPartition;
    std::int64_t partition = facts_.replicas - share;
    for (; partition < facts_.replicas; ++partition) {
        std::int64_t const below = std::ranges::count_if(groups_, [&](auto const& each) {
            return each.first < partition && is_active(each.second.leader) && is_new(each.second.leader);
        });
        if (facts_.replicas - partition + below <= share) break;
    }
    return partition;
}

std::vector<Write> LeaderWorkerSet::hold(Doc const& batch_release, meta::IntOrPercent const& share) const {
    bool const held = facts_.controller_uid == meta::uid(batch_release);
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
    // It is not found again by its groups once all have the new version.
    if (!facts_.held_by.empty() && !facts_.stable_revision.empty())
        patch.set({"metadata", "labels", apis::kStableRevisionLabel}, facts_.stable_revision);
    patch.set(partition_path(), partition_for(share_of(share)));
    std::vector<Write> writes;
    if (auto hold =
            write_if_changed(std::move(patch), kLeaderWorkerSets, held ? "next step" : "take the workload over"))
        writes.push_back(std::move(*hold));
    return writes;
}

std::optional<Write> LeaderWorkerSet::let_go() const {
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    return write_if_changed(std::move(patch), kLeaderWorkerSets, "give up control");
}

void LeaderWorkerSet::restore_partition(JsonPatch& patch) const {
    std::int64_t const own = own_partition(noted(apis::kInProgressingAnnotation)).as_int();
    if (partition() != own) patch.set(partition_path(), own);
}

std::optional<Write> LeaderWorkerSet::restore(Restore const& how) const {
    if (!concerned() && !(how.unmarked && partition() == apis::kFrozenPartition)) return std::nullopt;
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
    return write_if_changed(std::move(patch), kLeaderWorkerSets,
                            how.keep_frozen ? "close the release before the next" : "restore the workload");
}

Value LeaderWorkerSet::groups_with(std::string_view label) const {
    auto const found = std::ranges::find_if(inputs_.revisions, [&](Doc const& revision) {
        return !label.empty() && meta::label(revision, kGroupRevisionLabel) == label;
    });
    if (found == inputs_.revisions.end()) return {};
    Value parts{json::Object()};
    for (std::string_view field : {meta::kGroupTemplate, meta::kGroupNetwork}) {
        Value kept = found->at({"data", "spec", field}).thaw();
        if (!kept.is_object()) continue;
        kept.erase("$patch");
        parts[field] = std::move(kept);
    }
    return parts;
}

Status LeaderWorkerSet::put_back(JsonPatch& patch) const {
    Value const stable = groups_with(facts_.stable_revision);
    if (stable.is_null()) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("{} has no ControllerRevision of the version before: it cannot go back by itself",
                                key().to_string()));
    }
    for (auto const& [field, kept] : stable.object()) patch.set({"spec", field}, kept);
    return {};
}

std::optional<Write> LeaderWorkerSet::catch_up(std::string_view rollout, std::string_view before) const {
    return caught_up(*this, groups_with(before), freeze_inputs(inputs_, rollout, before), freeze_leader_worker_set);
}

Result<Write> LeaderWorkerSet::take_back(std::string_view hold) const {
    JsonPatch patch = taking_back(doc(), hold);
    TRY(put_back(patch));
    // As the freeze does with any other template.
    patch.set(partition_path(), apis::kFrozenPartition);
    return as_write(std::move(patch), kLeaderWorkerSets, kTakeBack);
}

Result<std::vector<Write>> LeaderWorkerSet::leave(Leaving how) const {
    std::vector<Write> writes;
    if (!concerned()) return writes;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    // Held as it stands it keeps the release's partition.
    if (how != Leaving::kHold || facts_.rolled_back) restore_partition(patch);
    patch.remove({"metadata", "annotations", apis::kInProgressingAnnotation});
    patch.remove({"metadata", "labels", apis::kStableRevisionLabel});
    if (how == Leaving::kRollback && !facts_.rolled_back) TRY(put_back(patch));
    if (auto last = write_if_changed(std::move(patch), kLeaderWorkerSets, "give the workload back"))
        writes.push_back(std::move(*last));
    return writes;
}

// Leaders are labelled as units are, and each one's workers as their leader.
Labelling LeaderWorkerSet::label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const {
    std::vector<Doc> leaders;   // the highest group, which is updated first, is labelled last with the latest batch …
    for (auto each = groups_.rbegin(); each != groups_.rend(); ++each) {
        bool const counts = each->first < facts_.replicas && is_active(each->second.leader);
        if (counts && is_new(each->second.leader)) leaders.push_back(each->second.leader);
    }
    Labelling result = label_units(leaders, rollout_id, increments, now_);
    std::map<std::string, std::string> batches;   // … by leader
    for (Doc const& leader : leaders) {
        if (meta::label(leader, apis::kRolloutIdLabel) == rollout_id)
            batches[meta::name(leader)] = meta::label(leader, apis::kRolloutBatchIdLabel);
    }
    for (Write const& write : result.writes)
        batches[write.key.name] = write.body.at({"metadata", "labels", apis::kRolloutBatchIdLabel}).string();
    for (auto const& [index, group] : groups_) {
        auto const batch = batches.find(meta::name(group.leader));
        if (batch == batches.end()) continue;
        for (Doc const& worker : group.workers) {
            if (meta::label(worker, apis::kRolloutIdLabel) == rollout_id &&
                meta::label(worker, apis::kRolloutBatchIdLabel) == batch->second) {
                continue;
            }
            if (auto const until = starting_until(worker, now_)) {
                result.more_at = std::min(*until, result.more_at.value_or(*until));
                continue;
            }
            result.writes.push_back(
                label_pod(worker, {{apis::kRolloutIdLabel, rollout_id}, {apis::kRolloutBatchIdLabel, batch->second}},
                          "label the worker with its group's batch"));
        }
    }
    return result;
}

}   // namespace

PartitionFields const& leader_worker_set_fields() {
    static PartitionFields const kFields{
        {"spec", "rolloutStrategy", "rollingUpdateConfiguration", "partition"}, apis::kFrozenPartition, {}};
    return kFields;
}

Doc group_revision(Doc const& set, std::vector<Doc> const& revisions) {
    Value const wanted = meta::groups_of(set["spec"]);
    Doc newest;
    for (Doc const& revision : revisions) {
        if (newest.exists() && revision["revision"].as_int() <= newest["revision"].as_int()) continue;
        if (meta::groups_of(revision.at({"data", "spec"})) == wanted) newest = revision;
    }
    return newest;
}

std::unique_ptr<Workload> observe_leader_worker_set(NativeSetInputs inputs, Time now) {
    return std::make_unique<LeaderWorkerSet>(std::move(inputs), now);
}

}   // namespace aviary::workload
