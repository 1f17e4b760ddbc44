#include "member/workload/stateful_set.h"

#include <algorithm>

#include "apis/rollouts/validate.h"
#include "core/base/sort.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "member/workload/internal/partitioned_set.h"
#include "member/workload/internal/pods.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

std::optional<std::int64_t> ordinal_of(Doc const& pod) {
    std::string const name = meta::name(pod);
    return parse_int(std::string_view(name).substr(name.rfind('-') + 1));
}

// Pods of kinds that are like StatefulSets may have the label that those of ReplicaSets have.
std::string_view label_key_of(std::vector<Doc> const& pods) {
    auto const has = [&pods](std::string_view key) {
        return std::ranges::any_of(pods, [key](Doc const& pod) { return !meta::label(pod, key).empty(); });
    };
    bool const other = !has(meta::kRevisionHashLabel) && has(meta::kTemplateHashLabel);
    return other ? meta::kTemplateHashLabel : meta::kRevisionHashLabel;
}

// Native ones have none of the fields that Kruise's have beside theirs.
class StatefulSet final : public PartitionedSet {
public:
    StatefulSet(NativeSetInputs inputs, Time now) : PartitionedSet(std::move(inputs), now, stateful_set_fields()) {
        label_key_ = label_key_of(inputs_.pods);
        observe(doc().at({"spec", "replicas"}).as_int(1));
        facts_.stable_revision = as_label(std::move(facts_.stable_revision));
        count();
        facts_.in_batches = true;
    }

    std::string_view type_label() const override { return apis::kStatefulSetType; }
    // Every pod that is not ready holds up the others, whatever its version.
    std::vector<control::Wait> obstacles() const override { return obstacles_of(inputs_.pods); }

private:
    Doc rolling_update() const { return doc().at({"spec", "updateStrategy", "rollingUpdate"}); }
    Value partition_for(meta::IntOrPercent const& share) const override { return partition_at(share_of(share)); }
    Duration min_ready() const override {
        Doc const own = rolling_update()["minReadySeconds"];
        return own.exists() ? std::chrono::seconds(own.as_int()) : PartitionedSet::min_ready();
    }
    std::string label_of(Doc const& revision) const override { return as_label(meta::name(revision)); }
    std::string_view label_key() const override { return label_key_; }
    std::string current_revision() const override { return as_label(PartitionedSet::current_revision()); }
    std::string newest_revision() const override { return as_label(PartitionedSet::newest_revision()); }
    // The last ones are updated last.
    void sort(std::vector<Doc>& units) const override {
        if (numbered()) {
            sort_by(units, [this](Doc const& pod) { return index_of(pod); }, std::ranges::greater());
        } else {
            sort_by(units, age_of);
        }
    }
    std::string as_label(std::string revision) const;
    bool numbered() const {
        return std::ranges::all_of(inputs_.pods, [](Doc const& pod) { return ordinal_of(pod).has_value(); });
    }
    std::int64_t index_of(Doc const& pod) const;
    std::int64_t partition_at(std::int64_t share) const;
    std::vector<std::int64_t> indexes() const;

    std::string_view label_key_;
};

// Pods are labelled with the name of their revision; those of kinds that are like StatefulSets may have the hash at its
// end alone.
std::string StatefulSet::as_label(std::string revision) const {
    std::string const names[] = {PartitionedSet::current_revision(), PartitionedSet::newest_revision()};
    for (Doc const& pod : inputs_.pods) {
        std::string const label = meta::label(pod, label_key());
        if (label.empty()) continue;
        for (std::string const& name : names) {
            if (name == label) return revision;
            if (name.ends_with("-" + label)) return revision.substr(revision.rfind('-') + 1);
        }
    }
    return revision;
}

// Ordinals begin where the set says.
std::int64_t StatefulSet::index_of(Doc const& pod) const {
    return ordinal_of(pod).value_or(0) - doc().at({"spec", "ordinals", "start"}).as_int();
}

// It counts pods from the first one on: those after it, and those before that are of the new version already, are no
// more than the share. On the way back one that is gone for a moment is among these: it comes with the stable version.
std::int64_t StatefulSet::partition_at(std::int64_t share) const {
    if (share == 0) return apis::kFrozenPartition;
    // Whichever go first, it is a number of pods then.
    if (rolling_update()["unorderedUpdate"].exists() || !numbered()) return facts_.replicas - share;
    std::vector<std::int64_t> const indexes = this->indexes();
    std::vector<Doc> const units = this->units();
    auto const is_outdated = [this](Doc const& pod) { return is_active(pod) && !is_unit(pod); };
    std::int64_t kept = facts_.replicas - share;
    for (; kept < facts_.replicas; ++kept) {
        std::int64_t const first = indexes[static_cast<std::size_t>(kept)];
        auto const before = [&](Doc const& pod) { return index_of(pod) < first; };
        std::int64_t const below =
            facts_.rolled_back
                ? kept - std::ranges::count_if(inputs_.pods,
                                               [&](Doc const& pod) { return is_outdated(pod) && before(pod); })
                : std::ranges::count_if(units, before);
        if (facts_.replicas - kept + below <= share) break;
    }
    return kept;
}

// Of the pods that it is to have, in order: reserved ordinals are passed over.
std::vector<std::int64_t> StatefulSet::indexes() const {
    std::int64_t const start = doc().at({"spec", "ordinals", "start"}).as_int();
    std::vector<std::pair<std::int64_t, std::int64_t>> reserved;
    for (auto const& [key, each] : doc().at({"spec", "reserveOrdinals"}).elements()) {
        std::string const text = each.string();
        std::size_t const dash = text.find('-');
        std::int64_t const first = parse_int(std::string_view(text).substr(0, dash)).value_or(each.as_int(-1));
        std::int64_t const last =
            dash == std::string::npos ? first : parse_int(std::string_view(text).substr(dash + 1)).value_or(first);
        reserved.emplace_back(first - start, last - start);
    }
    std::vector<std::int64_t> result;
    for (std::int64_t index = 0; std::ssize(result) < facts_.replicas; ++index) {
        auto const found = std::ranges::find_if(
            reserved, [index](auto const& range) { return range.first <= index && index <= range.second; });
        if (found == reserved.end()) {
            result.push_back(index);
        } else {
            index = found->second;
        }
    }
    return result;
}

}   // namespace

PartitionFields const& stateful_set_fields() {
    static PartitionFields const kFields{{"spec", "updateStrategy", "rollingUpdate", "partition"},
                                         apis::kFrozenPartition,
                                         {"spec", "updateStrategy", "rollingUpdate", "paused"}};
    return kFields;
}

std::unique_ptr<Workload> observe_stateful_set(NativeSetInputs inputs, Time now) {
    return std::make_unique<StatefulSet>(std::move(inputs), now);
}

}   // namespace aviary::workload
