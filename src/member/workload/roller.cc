#include "member/workload/roller.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ranges>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/deployment.h"
#include "member/workload/internal/replica_sets.h"
#include "member/workload/internal/strategy.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

constexpr std::string_view kRevision = meta::kRevisionAnnotation;
constexpr std::string_view kDesired = meta::kDesiredReplicasAnnotation;
constexpr std::string_view kMaximum = meta::kMaxReplicasAnnotation;
constexpr char kServes[] = "what serves";

// Annotations that a ReplicaSet does not take over from its Deployment.
bool stays_behind(std::string_view key) {
    return key == kRevision || key == kDesired || key == kMaximum || key == meta::kRevisionHistoryAnnotation ||
           key == "kubectl.kubernetes.io/last-applied-configuration" || key == "deprecated.deployment.rollback.to" ||
           key.starts_with("rollouts.kruise.io/") || key == apis::kControlInfoAnnotation;
}

class Roll {
public:
    Roll(DeploymentInputs const& inputs, Strategy strategy)
        : deployment_(inputs.deployment),
          strategy_(std::move(strategy)),
          sets_(deployment_, inputs.replica_sets),
          replicas_(deployment_.at({"spec", "replicas"}).as_int(1)),
          limit_(deployment_share_of(strategy_.partition, replicas_)),
          budget_(budget_of(strategy_.rolling_update, replicas_)),
          may_be_old_(inputs.may_be_old) {}

    Plan run() {
        // The old version put back: its release is about to end, and until then nothing else may take its place.
        std::string const from = meta::label(deployment_, apis::kStableRevisionLabel);
        if (sets_.current != nullptr && sets_.current->hash() == from) return {};
        for (ReplicaSet const& set : sets_.all) sizes_[set.name()] = set.wanted;
        stable_ = sets_.stable(from);
        if (replicas_ == 0) {
            to_zero();
        } else if (!strategy_.paused && sets_.current == nullptr && limit_ > 0) {
            // After zero nothing serves: beside an empty stable set the new one would be alone.
            if (stable_ != nullptr && total() == 0) sizes_[stable_->name()] = replicas_ - limit_;
            create();
        } else {
            grow();
            shrink();
            // What shrinks makes room for more: nobody waits for a second look.
            waits_for_room_ = grow();
        }
        write_sizes();
        return std::move(plan_);
    }

private:
    // How many pods the ReplicaSet is to have in the end.
    std::int64_t target(ReplicaSet const& set) const {
        if (&set == sets_.current) {
            if (strategy_.paused) return stable_ == nullptr ? replicas_ : std::min(set.wanted, replicas_);
            return stable_ == nullptr ? replicas_ : limit_;
        }
        if (&set != stable_) return strategy_.paused ? kept_of(set) : 0;
        return std::max<std::int64_t>(0, replicas_ - kept_current() - kept_between());
    }

    // Pods of the current template in the end.
    std::int64_t kept_current() const {
        if (sets_.current == nullptr) return 0;
        return strategy_.paused ? std::min(sets_.current->wanted, replicas_) : limit_;
    }

    // Pods of versions in between that stay: while a new template waits for its first step, nothing is replaced.
    std::int64_t kept_between() const {
        if (!strategy_.paused) return 0;
        std::int64_t total = 0;
        for (ReplicaSet const& set : sets_.all) {
            if (is_between(set)) total += kept_of(set);
        }
        return total;
    }
    bool is_between(ReplicaSet const& set) const { return &set != sets_.current && &set != stable_; }
    // Of one of them: the newest stay first.
    std::int64_t kept_of(ReplicaSet const& between) const {
        std::int64_t room = room_between();
        for (ReplicaSet const& set : std::views::reverse(sets_.all)) {
            if (&set == &between) break;
            if (is_between(set)) room -= set.wanted;
        }
        return std::clamp<std::int64_t>(room, 0, between.wanted);
    }
    // They leave a pod of the stable version, which has some: one that is alone is scaled by the native controller.
    std::int64_t room_between() const {
        std::int64_t const stable = stable_ != nullptr && stable_->wanted > 0 ? 1 : 0;
        return std::max<std::int64_t>(0, replicas_ - kept_current() - stable);
    }

    std::int64_t total() const {
        std::int64_t sum = 0;
        for (auto const& [name, size] : sizes_) sum += size;
        return sum;
    }

    // As far as there is room; whether there was any.
    bool grow() {
        bool grown = false;
        for (ReplicaSet const* set : {sets_.current, stable_}) {
            // One that is still shrinking reports pods that are about to go: they would be counted on.
            if (set == nullptr || set->actual > set->wanted) continue;
            std::int64_t& size = sizes_[set->name()];
            std::int64_t const room = replicas_ + budget_.surge - total();
            std::int64_t const more = std::max<std::int64_t>(0, std::min(room, target(*set) - size));
            size += more;
            grown = grown || more > 0;
        }
        return grown;
    }

    // Sets that have too many pods: versions in between first, the oldest of them first; then the stable one; then the
    // new one.
    std::vector<ReplicaSet const*> surplus_sets() const {
        std::vector<ReplicaSet const*> result;
        for (ReplicaSet const& set : sets_.all) {
            if (is_between(set)) result.push_back(&set);
        }
        if (stable_ != nullptr) result.push_back(stable_);
        if (sets_.current != nullptr) result.push_back(sets_.current);
        std::erase_if(result, [&](ReplicaSet const* set) { return sizes_.at(set->name()) <= target(*set); });
        return result;
    }

    // Takes pods away as far as enough stay available: first those that serve nobody.
    void shrink() {
        std::vector<ReplicaSet const*> const surplus = surplus_sets();
        if (surplus.empty()) return;
        std::int64_t const minimum = replicas_ - budget_.unavailable;
        std::int64_t starting = 0;   // pods that are wanted and not available yet
        std::int64_t available = 0;
        for (ReplicaSet const& set : sets_.all) {
            std::int64_t const serving = std::min(set.available, set.wanted);
            available += serving;
            if (std::ranges::find(surplus, &set) == surplus.end())
                starting += sizes_[set.name()] - std::min(serving, sizes_[set.name()]);
        }
        std::int64_t removable = total() - minimum - starting;
        for (ReplicaSet const* set : surplus) {
            std::int64_t& size = sizes_[set->name()];
            std::int64_t const idle = size - std::min(set->available, size);
            std::int64_t const count = std::min({removable, idle, size - target(*set)});
            if (count <= 0) continue;
            size -= count;
            removable -= count;
        }
        std::int64_t spare = available - minimum;
        for (ReplicaSet const* set : surplus) {
            std::int64_t& size = sizes_[set->name()];
            std::int64_t const count = std::min(spare, size - target(*set));
            if (count <= 0) continue;
            size -= count;
            spare -= count;
        }
    }

    // With no pods wanted every ReplicaSet newer than the stable one goes too: when some are wanted again the native
    // controller gives them all to the new one, and without one to the newest. They go with their pods and before the
    // stable one has none, so that there is no moment in which that could be. A release at 100 % keeps them.
    void to_zero() {
        for (auto& [name, size] : sizes_) size = 0;
        bool const whole = strategy_.partition.percent && strategy_.partition.value >= 100 && !strategy_.paused;
        if (whole || stable_ == nullptr) return;
        for (Write& write : sets_.forget_newer(*stable_, true)) {
            sizes_.erase(write.key.name);
            plan_.writes.push_back(std::move(write));
        }
    }

    void create() {
        Doc const pod_template = deployment_.at({"spec", "template"});
        std::string const deployment_name = meta::name(deployment_);
        int salt = 0;
        std::string hash = template_hash(pod_template);
        auto const taken = [&] {
            return std::ranges::any_of(
                sets_.all, [&](ReplicaSet const& set) { return set.name() == deployment_name + "-" + hash; });
        };
        while (taken()) hash = template_hash(pod_template, ++salt);

        // At least one, also without room for it: beside an empty ReplicaSet the old one would be alone.
        std::int64_t const size = std::clamp<std::int64_t>(replicas_ + budget_.surge - total(), 1, limit_);
        Value labelled = pod_template.thaw();
        labelled.set({"metadata", "labels", meta::kTemplateHashLabel}, hash);
        Value annotations{json::Object()};
        for (auto const& [key, value] : deployment_.at({"metadata", "annotations"}).members()) {
            if (!stays_behind(key)) annotations[key] = value.as_string();
        }
        std::int64_t latest = 0;
        for (ReplicaSet const& set : sets_.all) latest = std::max(latest, revision_of(set.doc));
        annotations[kRevision] = std::to_string(latest + 1);
        annotations[kDesired] = std::to_string(replicas_);
        annotations[kMaximum] = std::to_string(replicas_ + budget_.surge);

        Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}}};
        object.set({"metadata", "labels"}, labelled.at({"metadata", "labels"}));
        object.set({"metadata", "annotations"}, std::move(annotations));
        object.set({"metadata", "ownerReferences"}, json::Array{owner()});
        object.set({"spec", "replicas"}, size);
        if (std::int64_t const seconds = deployment_.at({"spec", "minReadySeconds"}).as_int(); seconds > 0)
            object.set({"spec", "minReadySeconds"}, seconds);
        Value selector = deployment_.at({"spec", "selector"}).thaw();
        selector.set({"matchLabels", meta::kTemplateHashLabel}, hash);
        object.set({"spec", "selector"}, std::move(selector));
        object.set({"spec", "template"}, std::move(labelled));

        Write write;
        write.verb = Write::Verb::kCreate;
        write.resource = kReplicaSets;
        write.key = {meta::ns(deployment_), deployment_name + "-" + hash};
        write.body = std::move(object);
        write.why = "the new version's ReplicaSet";
        plan_.writes.push_back(std::move(write));
    }

    Value owner() const {
        return json::Object{{"apiVersion", "apps/v1"},       {"kind", "Deployment"}, {"name", meta::name(deployment_)},
                            {"uid", meta::uid(deployment_)}, {"controller", true},   {"blockOwnerDeletion", true}};
    }

    // `tested`: only as long as so many of the set's pods are available as we have seen. Absent: there is nothing to
    // write, and nothing to test.
    std::optional<Write> scale(ReplicaSet const& set, std::int64_t size, bool tested) const {
        JsonPatch patch = as_seen(set, tested);
        patch.set({"spec", "replicas"}, size);
        // Also of a set that stays as it is: the native controller takes an old number for a scaling that never ends.
        if (size > 0 || size != set.wanted) {
            patch.set({"metadata", "annotations", kDesired}, std::to_string(replicas_));
            patch.set({"metadata", "annotations", kMaximum}, std::to_string(replicas_ + budget_.surge));
        }
        if (!patch.changes() && !tested) return std::nullopt;
        return write_of(kReplicaSets, patch,
                        patch.changes() ? fmt::format("scale from {} to {}", set.wanted, size) : kServes);
    }

    Write test_of(ReplicaSet const& set) const {
        JsonPatch patch = as_seen(set, true);
        return write_of(kReplicaSets, patch, kServes);
    }

    // Whether more may be wanted than the copy of the Deployment says: it may be older than those of the sets, as where
    // fewer are wanted in it than when these were scaled last.
    bool more_may_be_wanted() const {
        return may_be_old_ || std::ranges::any_of(sets_.all, [this](ReplicaSet const& set) {
                   auto const noted = parse_int(meta::annotation(set.doc, kDesired));
                   return set.wanted > 0 && noted && *noted > replicas_;
               });
    }
    Write test_of_replicas() const {
        JsonPatch patch(deployment_);
        patch.test({"spec", "replicas"});
        return write_of(kDeployments, patch, "how many pods are wanted");
    }

    static JsonPatch as_seen(ReplicaSet const& set, bool tested) {
        JsonPatch patch(set.doc);
        patch.test({"spec", "replicas"});
        if (tested) patch.test({"status", "availableReplicas"});
        return patch;
    }

    static Write write_of(meta::GroupVersionResource const& resource, JsonPatch& patch, std::string why) {
        Write write;
        write.verb = Write::Verb::kJsonPatch;
        write.resource = resource;
        write.key = meta::key_of(patch.object());
        write.body = patch.take();
        write.why = std::move(why);
        return write;
    }

    // What an old copy shows may have changed: nothing goes that would not have gone for what is there. So before pods
    // go, what serves in the other sets is tested. Pods of a step start together: where some wait for room, all do.
    void write_sizes() {
        std::vector<ReplicaSet const*> same, growing, shrinking;
        for (ReplicaSet const& set : sets_.all) {
            auto const size = sizes_.find(set.name());
            if (size == sizes_.end()) continue;
            (size->second > set.wanted ? growing : size->second < set.wanted ? shrinking : same).push_back(&set);
        }
        std::vector<Write> others = std::move(plan_.writes);
        plan_.writes.clear();
        auto const add = [&](std::vector<ReplicaSet const*> const& sets, bool tested) {
            for (ReplicaSet const* set : sets) {
                bool const serves = tested && !shrinking.empty() && set->wanted > 0;
                if (auto write = scale(*set, sizes_.at(set->name()), serves)) plan_.writes.push_back(std::move(*write));
            }
        };
        bool const takes_pods = !shrinking.empty() || (replicas_ == 0 && !others.empty());
        if (takes_pods && more_may_be_wanted()) plan_.writes.push_back(test_of_replicas());
        add(same, true);
        if (!waits_for_room_) {
            add(growing, true);
        } else {
            for (ReplicaSet const* set : growing) {
                if (set->wanted > 0) plan_.writes.push_back(test_of(*set));
            }
        }
        std::ranges::move(others, std::back_inserter(plan_.writes));
        add(shrinking, true);
        if (waits_for_room_) add(growing, false);
    }

    Doc const& deployment_;
    Strategy strategy_;
    ReplicaSets sets_;
    ReplicaSet* stable_ = nullptr;
    std::int64_t replicas_;
    std::int64_t limit_;
    Budget budget_;
    bool may_be_old_;
    std::map<std::string, std::int64_t> sizes_;   // as they are to be written
    bool waits_for_room_ = false;                 // some grow only where others shrink
    Plan plan_;
};

// How far it may be rolled by `holder`; absent: it is not held, or by somebody else.
std::optional<Strategy> held_by(Doc const& deployment, Doc const& holder) {
    if (!deployment.exists() || meta::is_deleting(deployment) || !holder.exists()) return std::nullopt;
    bool const ours = deployment.at({"spec", "paused"}).as_bool() &&
                      deployment.at({"spec", "strategy", "type"}).as_string() == "Recreate";
    std::optional<Strategy> strategy = strategy_of(deployment);
    if (!ours || !strategy || strategy->style == "Canary") return std::nullopt;
    auto const control = json::parse(meta::annotation(deployment, apis::kControlInfoAnnotation));
    if (!control || (*control)["uid"].as_string() != meta::uid(holder)) return std::nullopt;
    return strategy;
}

}   // namespace

bool rolls(Doc const& deployment, Doc const& holder) { return held_by(deployment, holder).has_value(); }

control::Plan decide_roll(DeploymentInputs const& inputs, Doc const& holder, Doc const& next) {
    std::optional<Strategy> strategy = held_by(inputs.deployment, holder);
    if (!strategy) return {};
    std::optional<Strategy> after = strategy->paused ? std::nullopt : held_by(next, holder);
    return Roll(inputs, after && !after->paused ? std::move(*after) : std::move(*strategy)).run();
}

}   // namespace aviary::workload
