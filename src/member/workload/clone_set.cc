#include "member/workload/clone_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "core/base/sort.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/internal/autoscalers.h"
#include "member/workload/internal/clone_set_settings.h"
#include "member/workload/internal/partitioned_set.h"
#include "member/workload/internal/pods.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

class CloneSet : public PartitionedSet {
public:
    CloneSet(NativeSetInputs inputs, Time now)
        : PartitionedSet(std::move(inputs), now, clone_set_fields(), kCloneSetMarks) {
        observe(doc().at({"spec", "replicas"}).as_int(1));
        count();
        facts_.in_batches = true;
        facts_.max_unavailable = std::max<std::int64_t>(
            1, meta::scaled(Doc::freeze(settings().max_unavailable), facts_.replicas, false, "20%"));
    }

    std::string_view type_label() const final { return "cloneset"; }
    Result<std::vector<Write>> leave(Leaving how) const final;
    std::vector<Write> tidy() const final { return tidy_set(inputs_); }
    std::vector<control::Wait> obstacles() const override { return obstacles_of(units()); }

protected:
    Original settings() const {
        auto const noted = original_of(doc());
        return noted ? *noted : clone_set_settings(doc());
    }

private:
    Value partition_for(meta::IntOrPercent const& share) const final;
    std::string label_of(Doc const& revision) const final { return std::string(short_revision(meta::name(revision))); }
    std::string_view label_key() const final { return meta::kTemplateHashLabel; }
    std::string current_revision() const final {
        return std::string(short_revision(PartitionedSet::current_revision()));
    }
    std::string newest_revision() const final { return std::string(short_revision(PartitionedSet::newest_revision())); }
    void sort(std::vector<Doc>& units) const final { sort_by(units, age_of); }
    // What has served for the shortest time first.
    void sort_old(std::vector<Doc>& pods) const final {
        sort_by(
            pods,
            [](Doc const& pod) {
                std::string since = meta::condition(pod, "Ready")["lastTransitionTime"].string();
                return std::tuple(!is_ready(pod), std::move(since), age_of(pod));
            },
            std::ranges::greater());
    }
    void restore_settings(JsonPatch& patch) const final;
};

// A percentage goes along when the CloneSet is scaled: where it leaves what the step does, it is one.
Value CloneSet::partition_for(meta::IntOrPercent const& share) const {
    std::int64_t const kept = facts_.replicas - share_of(share);
    if (!share.percent) return kept;
    if (kept == facts_.replicas) return clone_set_fields().frozen;
    meta::IntOrPercent const percent{kept * 100 / facts_.replicas, true};
    return percent.scaled(facts_.replicas, true) == kept ? percent.to_value() : Value(kept);
}

// As they were before a blue-green release.
void CloneSet::restore_settings(JsonPatch& patch) const {
    if (auto const original = original_of(doc())) give_back(*original, patch);
}

Result<std::vector<Write>> CloneSet::leave(Leaving how) const {
    if (how == Leaving::kHold && !facts_.rolled_back && original_of(doc()) && facts_.updated > 0 && facts_.outdated > 0)
        return std::unexpected(both_versions(key()));
    return PartitionedSet::leave(how);
}

class BlueGreen final : public CloneSet {
public:
    BlueGreen(NativeSetInputs inputs, Time now) : CloneSet(std::move(inputs), now) {
        bool const begun = original_of(doc()).has_value();
        facts_.in_batches = false;
        facts_.restarts = facts_.controller_uid.empty() && !begun;
        facts_.unread = !inputs_.autoscalers_unread.empty();
        // Frozen, with its own surge: Kruise's controller takes the youngest away.
        facts_.loses_released = begun;
        if (begun) facts_.settled = observed() && !present_.going && makes_no_more();
    }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override;
    std::vector<control::Wait> obstacles() const override;

private:
    Doc update() const { return doc().at({"spec", "updateStrategy"}); }
    bool recreates() const { return update()["type"].as_string(kReCreate) == kReCreate; }
    // Of old pods there are as many as it is to have, or fewer: Kruise's controller makes pods for those that are new
    // yet to be, and not beyond the old ones that are there, as where it was replacing some when the release began.
    // Without old ones there is no surge.
    bool makes_no_more() const {
        std::int64_t const most = facts_.outdated > 0 ? surge() : 0;
        std::int64_t const new_ones = std::max<std::int64_t>(0, facts_.replicas - facts_.updated);
        std::int64_t const least = std::min({most, facts_.outdated, new_ones});
        return present_.pods >= facts_.replicas + least && present_.pods <= facts_.replicas + most;
    }
    std::int64_t surge() const { return meta::scaled(update()["maxSurge"], facts_.replicas, true, "0"); }
};

std::vector<control::Wait> BlueGreen::obstacles() const {
    std::vector<control::Wait> waits = CloneSet::obstacles();
    if (facts_.unread) waits.insert(waits.begin(), autoscalers_unread(inputs_.autoscalers_unread));
    // It counts on as many old ones to go as there are new ones, and none goes.
    if (surge() > facts_.updated && facts_.updated > 0 && facts_.updated * 2 >= facts_.replicas) {
        waits.insert(
            waits.begin(),
            {"Unsupported",
             fmt::format("Kruise's controller makes no more pods beside the old ones once half of them have the "
                         "new version: {} of {} have it",
                         facts_.updated, facts_.replicas),
             std::nullopt, "no step asks for more, or the first one asks for all", "release owner"});
    }
    if (!recreates()) {
        waits.insert(waits.begin(),
                     {"Unsupported",
                      fmt::format("blue-green needs new pods, and spec.updateStrategy.type of CloneSet {} is {}",
                                  meta::name(doc()), update()["type"].as_string()),
                      std::nullopt, "it is ReCreate", "release owner"});
    }
    return waits;
}

std::vector<Write> BlueGreen::hold(Doc const& batch_release, meta::IntOrPercent const& share) const {
    std::vector<Write> writes;
    if (facts_.unread || !recreates()) return writes;
    for (Doc const& each : inputs_.autoscalers) {
        if (auto off = switch_off(each)) writes.push_back(std::move(*off));
    }
    auto const original = original_of(doc());
    bool const held = original && facts_.controller_uid == meta::uid(batch_release);
    JsonPatch patch(doc());
    take(patch, batch_release);
    if (!original)
        patch.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation},
                  clone_set_settings(doc()).to_text());
    patch.set({"spec", "minReadySeconds"}, kNeverAvailable);
    // The surge of a release before this one is none of its own.
    if (!held || surge() < share_of(share)) patch.set({"spec", "updateStrategy", "maxSurge"}, share.to_value());
    patch.set({"spec", "updateStrategy", "maxUnavailable"}, 0);
    patch.set(clone_set_fields().partition, facts_.replicas > 0 ? Value(0) : clone_set_fields().frozen);
    for (Write& each : this->held(std::move(patch), batch_release)) writes.push_back(std::move(each));
    return writes;
}

}   // namespace

PartitionFields const& clone_set_fields() {
    static PartitionFields const kFields{
        {"spec", "updateStrategy", "partition"}, "100%", {"spec", "updateStrategy", "paused"}};
    return kFields;
}

std::string_view short_revision(std::string_view name) {
    std::size_t const dash = name.rfind('-');
    return dash == std::string_view::npos ? name : name.substr(dash + 1);
}

std::unique_ptr<Workload> observe_clone_set(NativeSetInputs inputs, std::string_view style, Time now) {
    bool const side_by_side =
        style.empty() ? original_of(inputs.set).has_value() : style == apis::batch::kBlueGreenStyle;
    if (side_by_side) return std::make_unique<BlueGreen>(std::move(inputs), now);
    return std::make_unique<CloneSet>(std::move(inputs), now);
}

}   // namespace aviary::workload
