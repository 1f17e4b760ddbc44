#include "member/workload/stateful_set.h"

#include <algorithm>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "member/workload/internal/partitioned_set.h"
#include "member/workload/internal/pods.h"

namespace aviary::workload {

namespace {

using json::Doc;
using json::Value;

// Native ones have none of the fields that Kruise's have beside theirs.
class StatefulSet final : public PartitionedSet {
public:
    StatefulSet(NativeSetInputs inputs, Time now) : PartitionedSet(std::move(inputs), now, stateful_set_fields()) {
        observe(doc().at({"spec", "replicas"}).as_int(1));
        count();
        facts_.in_batches = true;
    }

    std::string_view type_label() const override { return "statefulset"; }
    // Every pod that is not ready holds up the others, whatever its version.
    std::vector<control::Wait> obstacles() const override { return obstacles_of(inputs_.pods); }

private:
    Doc rolling_update() const { return doc().at({"spec", "updateStrategy", "rollingUpdate"}); }
    Value partition_for(meta::IntOrPercent const& share) const override { return partition_at(share_of(share)); }
    Duration min_ready() const override {
        Doc const own = rolling_update()["minReadySeconds"];
        return own.exists() ? std::chrono::seconds(own.as_int()) : PartitionedSet::min_ready();
    }
    std::string label_of(Doc const& revision) const override { return meta::name(revision); }
    // The last ones are updated last.
    void sort(std::vector<Doc>& units) const override {
        std::ranges::sort(units, std::ranges::greater(), [this](Doc const& pod) { return index_of(pod); });
    }
    std::int64_t index_of(Doc const& pod) const;
    std::int64_t partition_at(std::int64_t share) const;
    std::vector<std::int64_t> indexes() const;
};

// Ordinals begin where the set says.
std::int64_t StatefulSet::index_of(Doc const& pod) const {
    std::string const name = meta::name(pod);
    std::int64_t const ordinal = parse_int(std::string_view(name).substr(name.rfind('-') + 1)).value_or(0);
    return ordinal - doc().at({"spec", "ordinals", "start"}).as_int();
}

// It counts pods from the first one on: those after it, and those before that are of the new version already, are no
// more than the share. On the way back one that is gone for a moment is among these: it comes with the stable version.
std::int64_t StatefulSet::partition_at(std::int64_t share) const {
    if (share == 0) return apis::kFrozenPartition;
    // Whichever go first, it is a number of pods then.
    if (rolling_update()["unorderedUpdate"].exists()) return facts_.replicas - share;
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
