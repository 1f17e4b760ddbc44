// Blue-green style: no pod of the new version counts as available (internal/original.h), so the native controller makes
// as many above spec.replicas as maxSurge says, and takes no old one away. The end gives the settings back: old pods go
// by the workload's own strategy. What scales the workload is switched off meanwhile.
#include <algorithm>
#include <iterator>
#include <utility>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "kube/meta/object.h"
#include "member/workload/internal/autoscalers.h"
#include "member/workload/internal/deployment_base.h"
#include "member/workload/internal/original.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

class BlueGreen final : public DeploymentBase {
public:
    BlueGreen(DeploymentInputs inputs, Time now) : DeploymentBase(std::move(inputs), now) {
        facts_.restarts = facts_.controller_uid.empty() && !original_of(doc());
        facts_.unread = !inputs_.autoscalers_unread.empty();
        if (original_of(doc())) settle_side_by_side();
    }

    std::vector<control::Wait> obstacles() const override {
        std::vector<control::Wait> waits = DeploymentBase::obstacles();
        if (facts_.unread) waits.insert(waits.begin(), autoscalers_unread(inputs_.autoscalers_unread));
        return waits;
    }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override {
        std::vector<Write> writes;
        if (facts_.unread) return writes;
        for (Doc const& each : inputs_.autoscalers) {
            if (auto off = switch_off(each)) writes.push_back(std::move(*off));
        }
        auto const original = original_of(doc());
        if (original && !held_by(batch_release)) {
            std::vector<Write> earlier = end_earlier(*original);
            if (!earlier.empty()) return earlier;
        }
        if (!original && paused()) {
            std::vector<Write> way = make_way();
            std::ranges::move(way, std::back_inserter(writes));
            if (!way.empty()) return writes;
        }
        // Of the version of a release that is just over pods may be on their way out: by an old copy they would count
        // as serving, and the others be taken away for them.
        bool const of_before =
            original ? !held_by(batch_release) : sets_.current != nullptr && sets_.current->wanted > 0;
        if (of_before && paused() && !seen_natively()) return writes;
        bool const held = original && never_available(doc());
        std::optional<meta::IntOrPercent> const surge =
            meta::IntOrPercent::from(doc().at({"spec", "strategy", "rollingUpdate", "maxSurge"}));
        // The surge of a release before this one is none of its own.
        bool const raises = !held || !held_by(batch_release) || !surge || share_of(*surge) < share_of(share);
        // Paused for a version that has been put back again: it stays so while its pods are there.
        bool const lacks = paused() && (sets_.current == nullptr || sets_.current->wanted < share_of(share));
        if (!raises) std::ranges::move(balance(share_of(share), share_of(*surge)), std::back_inserter(writes));
        if (auto noted = note_size()) writes.push_back(std::move(*noted));
        JsonPatch patch(doc());
        patch.test({"metadata", "generation"});
        if (!held_by(batch_release))
            patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
        if (!original) {
            // Where somebody has taken the annotation away nobody knows what there was.
            Original const noted = never_available(doc()) ? Original() : settings_of(doc());
            patch.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation}, noted.to_text());
        }
        if (!held) {
            patch.set({"spec", "minReadySeconds"}, kNeverAvailable);
            patch.set({"spec", "progressDeadlineSeconds"}, kNoDeadline);
        }
        if (raises) {
            Value const update{json::Object{{"maxSurge", share.to_value()}, {"maxUnavailable", 0}}};
            patch.set({"spec", "strategy"}, json::Object{{"type", "RollingUpdate"}, {"rollingUpdate", update}});
        }
        // From nothing the native controller would give the new version every pod; paused it scales the old one first.
        bool const empty = facts_.replicas == 0 || (!sets_.all.empty() && sets_.wanted() == 0);
        if (empty) {
            patch.set({"spec", "paused"}, true);
        } else if (raises || lacks) {
            patch.remove({"spec", "paused"});
        }
        if (auto next = write(std::move(patch), held ? "next step" : "take the workload over"))
            writes.push_back(std::move(*next));
        if (empty && writes.empty()) writes = at_zero();
        return writes;
    }

    // From nothing the native controller gives every pod to the latest set, and on the way down and up again to the
    // larger one.
    std::vector<Write> keep_stable(std::string_view released, meta::IntOrPercent const& share) const override {
        ReplicaSet const* const stable = sets_.by_hash(facts_.stable_revision);
        ReplicaSet const* const other = sets_.by_hash(released);
        if (stable == nullptr || other == nullptr || stable == other || stable->wanted >= facts_.replicas) return {};
        // Paused, the native controller makes both sets together as large as the surge lets them be: where that is
        // still an earlier step's, this step's share beside all old pods would be taken from these, again and again.
        auto const surge = meta::IntOrPercent::from(doc().at({"spec", "strategy", "rollingUpdate", "maxSurge"}));
        std::int64_t const most = surge ? std::min(share_of(share), share_of(*surge)) : share_of(share);
        std::vector<Write> writes{give_all(*stable, "fewer than the workload is to have")};
        if (other->wanted > most) writes.push_back(resize_set(*other, most, "more than the step's share"));
        return writes;
    }

private:
    // Every pod that the workload is to have, and noted so, as the native controller does.
    Write give_all(ReplicaSet const& set, std::string why) const {
        Value const update = doc().at({"spec", "strategy", "rollingUpdate"}).thaw();
        std::int64_t const surge = recreate() ? 0 : budget_of(update, facts_.replicas).surge;
        JsonPatch patch(set.doc);
        patch.test({"spec", "replicas"});
        patch.set({"spec", "replicas"}, facts_.replicas);
        patch.set({"metadata", "annotations", meta::kDesiredReplicasAnnotation}, std::to_string(facts_.replicas));
        patch.set({"metadata", "annotations", meta::kMaxReplicasAnnotation}, std::to_string(facts_.replicas + surge));
        return write_set(set, std::move(patch), std::move(why));
    }

    // The native controller takes an old number on the only set with pods for a scaling that never ends, and rolls
    // nothing.
    std::optional<Write> note_size() const {
        ReplicaSet const* only = nullptr;
        for (ReplicaSet const& set : sets_.all) {
            if (set.wanted > 0 && std::exchange(only, &set) != nullptr) return std::nullopt;
        }
        if (only == nullptr || only->wanted != facts_.replicas) return std::nullopt;
        std::string const noted = meta::annotation(only->doc, meta::kDesiredReplicasAnnotation);
        if (noted.empty() || noted == std::to_string(facts_.replicas)) return std::nullopt;
        return give_all(*only, "the size of the workload");
    }

    // When the workload is scaled, the native controller gives each version a part of what all may have, by what their
    // sets noted when they were scaled last, and the rest to the largest. What the old version lacks then is what the
    // new one has beyond the step's share: it would never get it back, and the step never end. The old one grows first:
    // with as many in all as before, or more, the native controller moves none.
    std::vector<Write> balance(std::int64_t share, std::int64_t surge) const {
        std::vector<Write> writes;
        ReplicaSet const* const stable = sets_.by_hash(facts_.stable_revision);
        // One without pods lacks nothing: the version that was put back had all of its own.
        if (stable == nullptr || sets_.current == nullptr || stable == sets_.current || stable->wanted == 0)
            return writes;
        // Until a change of theirs is seen nobody knows who serves.
        if (!stable->observed || !sets_.current->observed) return writes;
        std::int64_t const old = sets_.wanted() - sets_.current->wanted;
        std::int64_t const beyond = std::max<std::int64_t>(0, sets_.current->wanted - share);
        // Left free where the native controller took from the new version what was beyond the workload's size.
        std::int64_t const room = std::max<std::int64_t>(0, facts_.replicas + surge - sets_.wanted());
        std::int64_t const taken = std::min(beyond, takeable(room));
        std::int64_t const grown = std::min(facts_.replicas - old, taken + room);
        if (grown <= 0) return writes;
        constexpr char const* kFewer = "fewer than the workload is to have";
        bool const all = stable->wanted + grown == facts_.replicas;
        writes.push_back(all ? give_all(*stable, kFewer) : resize_set(*stable, stable->wanted + grown, kFewer));
        if (grown <= room) return writes;
        writes.push_back(
            resize_set(*sets_.current, sets_.current->wanted - (grown - room), "more than the step's share"));
        return writes;
    }

    // Pods of the new version that may go at once: those that do not serve, and of the others as many as the workload
    // does not need to have them all serving; without any room one of these, or no pod would ever move.
    std::int64_t takeable(std::int64_t room) const {
        std::int64_t serving = 0;
        for (ReplicaSet const& set : sets_.all) serving += std::min(set.ready, set.wanted);
        std::int64_t const idle = sets_.current->wanted - std::min(sets_.current->ready, sets_.current->wanted);
        bool const stuck = room == 0 && serving == sets_.wanted() && serving <= facts_.replicas;
        return idle + std::max<std::int64_t>(stuck ? 1 : 0, serving - facts_.replicas);
    }

    // Sets that have pods, of neither the stable version nor the newest.
    std::vector<ReplicaSet const*> between(ReplicaSet const& stable) const {
        std::vector<ReplicaSet const*> result;
        for (ReplicaSet const& set : sets_.all) {
            if (&set != &stable && &set != sets_.current && set.wanted > 0) result.push_back(&set);
        }
        return result;
    }

    // Of versions in between, which were being rolled out natively when the release came, no pod serves: they would
    // count as old ones to its end, and take their part when the workload is made smaller. The stable version, which
    // serves, gets their places; with pods of that one alone the native controller does no other, paused.
    std::vector<Write> make_way() const {
        ReplicaSet const* const stable = sets_.by_hash(facts_.stable_revision);
        if (stable == nullptr || stable == sets_.current || stable->wanted == 0 || stable->ready < stable->wanted)
            return {};
        std::vector<Write> writes;
        for (ReplicaSet const* const set : between(*stable)) {
            if (set->ready > 0 || !set->observed) return {};
            JsonPatch patch(set->doc);
            patch.test({"spec", "replicas"});
            patch.test({"status"});
            patch.set({"spec", "replicas"}, 0);
            writes.push_back(write_set(*set, std::move(patch), "a version in between does not serve"));
        }
        if (!writes.empty() && stable->wanted < facts_.replicas) writes.push_back(give_all(*stable, "in their places"));
        return writes;
    }

    // A newer template came before the workload had its own settings back: then both versions of the release that is
    // over have their pods. Those of the one that it did not end with go, once the others serve.
    // Still never available, the native controller would take the stable version's for broken once it goes on, and take
    // them all away: they are first made available again.
    std::vector<Write> end_earlier(Original const& own) const {
        std::vector<Write> writes;
        ReplicaSet const* const stable = sets_.by_hash(facts_.stable_revision);
        if (stable == nullptr || stable == sets_.current) return writes;
        if (stable->doc.at({"spec", "minReadySeconds"}).as_int() != own.min_ready_seconds) {
            JsonPatch counts(stable->doc);
            counts.set({"spec", "minReadySeconds"}, own.min_ready_seconds);
            return {write_set(*stable, std::move(counts), "its pods are available")};
        }
        if (facts_.replicas == 0 || std::min(stable->ready, stable->wanted) < facts_.replicas) return writes;
        for (ReplicaSet const* const set : between(*stable))
            writes.push_back(resize_set(*set, 0, "a version of the release before"));
        if (writes.empty()) return writes;
        JsonPatch serves(stable->doc);
        serves.test({"spec", "replicas"});
        serves.test({"status", "readyReplicas"});
        writes.insert(writes.begin(), write_set(*stable, std::move(serves), "what serves"));
        return writes;
    }

    // Whether the native controller knows of the pods that there are, and which are available: it goes by copies.
    bool seen_natively() const {
        std::int64_t all = 0;
        std::int64_t available = 0;
        for (ReplicaSet const& set : sets_.all) {
            if (!set.observed) return false;
            all += set.actual;
            available += set.available;
        }
        Doc const status = doc()["status"];
        return status["replicas"].as_int() == all && status["availableReplicas"].as_int() == available;
    }

    // Old pods are as many as the workload is to have, and the new ones beside them as many as their set says.
    void settle_side_by_side() {
        auto pods = count_pods(inputs_.pods);
        std::int64_t old = 0;
        facts_.settled = true;
        for (ReplicaSet const& set : sets_.all) {
            if (!is_settled(set, pods[meta::uid(set.doc)])) facts_.settled = false;
            if (&set != sets_.current) old += set.wanted;
        }
        // There are no old ones with another rollout-id alone; nor where the version that was put back had all its pods
        // available still: then the native controller took the others away, paused or not.
        bool const alone = old == 0 && sets_.current != nullptr;
        if ((alone ? sets_.current->wanted : old) != facts_.replicas) facts_.settled = false;
    }
};

}   // namespace

std::unique_ptr<Workload> make_blue_green(DeploymentInputs inputs, Time now) {
    return std::make_unique<BlueGreen>(std::move(inputs), now);
}

}   // namespace aviary::workload
