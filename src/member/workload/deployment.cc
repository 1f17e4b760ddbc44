#include "member/workload/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/internal/pods.h"
#include "member/workload/internal/replica_sets.h"
#include "member/workload/internal/strategy.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

// What a release puts on a Deployment, beside in-progressing.
constexpr std::string_view kMarks[] = {apis::kControlInfoAnnotation, apis::kDeploymentStrategyAnnotation,
                                       apis::kDeploymentExtraStatusAnnotation,
                                       apis::kOriginalDeploymentStrategyAnnotation};

// The member named `field` of a JSON text in an annotation.
std::string field_of(std::string const& text, std::string_view field) {
    if (text.empty()) return {};
    auto const parsed = json::parse(text);
    return parsed ? (*parsed)[field].string() : std::string();
}

class Deployment final : public Workload {
public:
    Deployment(DeploymentInputs inputs, Time now)
        : inputs_(std::move(inputs)),
          sets_(inputs_.deployment, inputs_.replica_sets),
          own_hash_(template_hash(doc().at({"spec", "template"}))),
          now_(now) {
        observe_template();
        count();
    }

    Doc const& object() const override { return inputs_.deployment; }
    meta::GroupVersionResource const& resource() const override { return kDeployments; }
    std::string_view type_label() const override { return "deployment"; }
    Facts const& facts() const override { return facts_; }

    bool is_current(std::string_view revision) const override {
        if (revision.empty()) return false;
        // Kruise's controller notes a hash of its own, and labels pods with it.
        return revision == facts_.update_revision || revision == own_hash_ ||
               std::ranges::any_of(current_pods(), [&](Doc const& pod) {
                   return meta::label(pod, "controller-revision-hash") == revision;
               });
    }

    std::int64_t share_of(meta::IntOrPercent const& step) const override {
        return deployment_share_of(step, facts_.replicas);
    }

    std::optional<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override {
        std::string const uid = meta::uid(batch_release);
        std::optional<Strategy> strategy = strategy_of(doc());
        bool const held = facts_.controller_uid == uid && strategy && strategy->style == apis::batch::kPartitionStyle &&
                          paused() && recreate();
        if (held && !strategy->paused) {
            bool const raises = share_of(share) >= share_of(strategy->partition);
            if (strategy->partition == share || !raises) return std::nullopt;
            strategy->partition = share;
        } else {
            strategy = taken(std::move(strategy), share);
        }
        JsonPatch patch(doc());
        patch.test({"metadata", "generation"});
        patch.set({"metadata", "labels", apis::kAdvancedDeploymentLabel}, "true");
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
        patch.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, strategy->to_text());
        patch.set({"metadata", "annotations", apis::kDeploymentExtraStatusAnnotation}, extra_status(share));
        patch.set({"spec", "paused"}, true);
        if (!recreate() || doc().at({"spec", "strategy", "rollingUpdate"}).exists())
            patch.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
        return write(std::move(patch), held ? "next step" : "take the workload over");
    }

    std::optional<Write> let_go() const override {
        JsonPatch patch(doc());
        patch.test({"metadata", "generation"});
        patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
        return write(std::move(patch), "give up control");
    }

    std::optional<Write> restore(Restore const& how) const override {
        if (facts_.held_by.empty() && !facts_.leftovers) return std::nullopt;
        JsonPatch patch(doc());
        patch.test({"metadata", "generation"});
        for (std::string_view mark : kMarks) {
            bool const kept = how.keep_frozen && mark == apis::kDeploymentStrategyAnnotation;
            if (!kept) patch.remove({"metadata", "annotations", mark});
        }
        patch.remove({"metadata", "labels", apis::kAdvancedDeploymentLabel});
        if (how.keep_frozen) {
            // Not its own strategy: of a Deployment that rolls the native controller scales every version, paused or
            // not.
            if (std::optional<Strategy> strategy = strategy_of(doc())) {
                strategy->paused = true;
                patch.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, strategy->to_text());
            }
            patch.set({"spec", "paused"}, true);
            if (!how.stable_revision.empty())
                patch.set({"metadata", "labels", apis::kStableRevisionLabel}, how.stable_revision);
        } else {
            restore_strategy(patch);
            patch.remove({"metadata", "annotations", apis::kInProgressingAnnotation});
            patch.remove({"metadata", "labels", apis::kStableRevisionLabel});
            patch.remove({"spec", "paused"});
        }
        return write(std::move(patch), how.keep_frozen ? "close the release before the next" : "restore the workload");
    }

    Result<std::vector<Write>> leave(Leaving how) const override {
        std::vector<Write> writes;
        if (facts_.held_by.empty() && !facts_.leftovers) return writes;
        // Put back by its owner it only waits to be let go.
        bool const holds = how == Leaving::kHold && !facts_.rolled_back;
        JsonPatch patch(doc());
        patch.test({"metadata", "generation"});
        for (std::string_view mark : kMarks) patch.remove({"metadata", "annotations", mark});
        patch.remove({"metadata", "annotations", apis::kInProgressingAnnotation});
        for (std::string_view mark : {apis::kAdvancedDeploymentLabel, apis::kStableRevisionLabel})
            patch.remove({"metadata", "labels", mark});
        restore_strategy(patch);
        if (holds) {
            if (std::optional<Write> room = fill_surge()) writes.push_back(std::move(*room));
            patch.set({"spec", "paused"}, true);
        } else {
            if (how == Leaving::kRollback && !facts_.rolled_back)
                patch.set({"spec", "template"}, TRY(stable_template()));
            patch.remove({"spec", "paused"});
        }
        if (std::optional<Write> last = write(std::move(patch), "give the workload back"))
            writes.push_back(std::move(*last));
        return writes;
    }

    std::vector<Write> clean() const override {
        std::vector<Write> writes;
        if (facts_.leftovers || !facts_.held_by.empty()) return writes;   // the native controller would copy them again
        for (ReplicaSet const& set : sets_.all) {
            Value annotations{json::Object()};
            for (std::string_view mark : kMarks) {
                if (!meta::annotation(set.doc, mark).empty()) annotations[mark] = nullptr;
            }
            if (!meta::annotation(set.doc, apis::kInProgressingAnnotation).empty())
                annotations[apis::kInProgressingAnnotation] = nullptr;
            if (annotations.size() == 0) continue;
            Write write;
            write.resource = kReplicaSets;
            write.key = {meta::ns(doc()), set.name()};
            write.body.set({"metadata", "annotations"}, std::move(annotations));
            write.why = "nothing of the release is left";
            writes.push_back(std::move(write));
        }
        return writes;
    }

    Labelling label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const override {
        std::vector<std::int64_t> missing = increments;
        std::vector<Doc> unlabelled;
        Labelling result;
        for (Doc const& pod : current_pods()) {
            if (meta::label(pod, apis::kRolloutIdLabel) != rollout_id) {
                std::optional<Time> const until = starting_until(pod, now_);
                if (!until) {
                    unlabelled.push_back(pod);
                } else if (!result.more_at || *until < *result.more_at) {
                    result.more_at = until;
                }
                continue;
            }
            ++result.labelled;
            std::int64_t const batch = parse_int(meta::label(pod, apis::kRolloutBatchIdLabel)).value_or(0);
            if (batch >= 1 && batch <= std::ssize(missing)) --missing[static_cast<std::size_t>(batch - 1)];
        }
        for (std::size_t batch = missing.size(); batch > 0; --batch) {
            for (; missing[batch - 1] > 0 && !unlabelled.empty(); --missing[batch - 1]) {
                Write write;
                write.resource = kPods;
                write.key = meta::key_of(unlabelled.back());
                write.body.set({"metadata", "labels", apis::kRolloutIdLabel}, rollout_id);
                write.body.set({"metadata", "labels", apis::kRolloutBatchIdLabel}, std::to_string(batch));
                write.why = "label the pod with its batch";
                write.alongside = true;
                result.writes.push_back(std::move(write));
                unlabelled.pop_back();
                ++result.labelled;
            }
        }
        return result;
    }

    std::vector<control::Wait> obstacles() const override { return obstacles_of(current_pods()); }

private:
    Doc const& doc() const { return inputs_.deployment; }
    bool paused() const { return doc().at({"spec", "paused"}).as_bool(); }
    bool recreate() const { return doc().at({"spec", "strategy", "type"}).as_string() == "Recreate"; }

    void observe_template() {
        facts_.replicas = doc().at({"spec", "replicas"}).as_int(1);
        facts_.generation = meta::generation(doc());
        facts_.stable_revision = meta::label(doc(), apis::kStableRevisionLabel);
        facts_.held_by = field_of(meta::annotation(doc(), apis::kInProgressingAnnotation), "rolloutName");
        facts_.controller_uid = field_of(meta::annotation(doc(), apis::kControlInfoAnnotation), "uid");
        facts_.leftovers = !meta::label(doc(), apis::kAdvancedDeploymentLabel).empty() ||
                           std::ranges::any_of(kMarks, [&](std::string_view mark) {
                               // A workload that waits frozen for its next release keeps the strategy that it is to get
                               // back.
                               bool const kept = !facts_.held_by.empty() && mark == apis::kDeploymentStrategyAnnotation;
                               return !kept && !meta::annotation(doc(), mark).empty();
                           });
        if (sets_.current != nullptr) facts_.unit_revision = sets_.current->hash();
        facts_.update_revision = facts_.unit_revision.empty() ? own_hash_ : facts_.unit_revision;
        facts_.rolled_back = !facts_.held_by.empty() && !facts_.stable_revision.empty() &&
                             facts_.stable_revision == facts_.unit_revision;
        facts_.rollout_id = meta::label(doc(), apis::kRolloutIdLabel);
        std::optional<Strategy> const strategy = strategy_of(doc());
        Value const update =
            strategy && recreate() ? strategy->rolling_update : doc().at({"spec", "strategy", "rollingUpdate"}).thaw();
        facts_.max_unavailable = budget_of(update, facts_.replicas).unavailable;
    }

    void count() {
        std::map<std::string, std::int64_t, std::less<>> pods;   // by ReplicaSet; those that are still going count
        for (Doc const& pod : inputs_.pods) {
            auto const owner = meta::controller_of(pod);
            if (!owner) continue;
            std::optional<Time> const until = counted_until(pod, now_);
            if (until && (!facts_.settles_at || *until < *facts_.settles_at)) facts_.settles_at = until;
            if (is_active(pod) || until) ++pods[owner->uid];
        }
        facts_.settled = sets_.wanted() == facts_.replicas;
        for (ReplicaSet const& set : sets_.all) {
            std::int64_t const there = pods[meta::uid(set.doc)];
            if (!set.observed || set.actual != set.wanted || there != set.wanted) facts_.settled = false;
            if (&set != sets_.current) facts_.outdated += std::max(there, set.actual);
        }
        if (sets_.current == nullptr) return;
        facts_.updated = sets_.current->actual;
        facts_.updated_ready = std::min(sets_.current->ready, sets_.current->wanted);
        facts_.updated_available = std::min(sets_.current->available, sets_.current->wanted);
    }

    std::vector<Doc> current_pods() const {
        std::vector<Doc> result;
        if (sets_.current == nullptr) return result;
        std::string const uid = meta::uid(sets_.current->doc);
        for (Doc const& pod : inputs_.pods) {
            auto const owner = meta::controller_of(pod);
            if (owner && owner->uid == uid && is_active(pod)) result.push_back(pod);
        }
        std::ranges::sort(result, {}, [](Doc const& pod) { return meta::name(pod); });
        return result;
    }

    // The strategy annotation of a Deployment that comes under control; an earlier one knows what the user's strategy
    // was.
    Strategy taken(std::optional<Strategy> earlier, meta::IntOrPercent const& share) const {
        Strategy result;
        result.partition = share;
        if (earlier && recreate()) {
            // A holder that went away in mid-release: pods that its share was approved for stay.
            if (!earlier->paused && share_of(earlier->partition) > share_of(share))
                result.partition = earlier->partition;
            result.rolling_update = std::move(earlier->rolling_update);
            result.original_type = std::move(earlier->original_type);
        } else {
            result.rolling_update = doc().at({"spec", "strategy", "rollingUpdate"}).thaw();
            if (recreate()) result.original_type = "Recreate";
        }
        return result;
    }

    void restore_strategy(JsonPatch& patch) const {
        std::optional<Strategy> const strategy = strategy_of(doc());
        if (!recreate() || !strategy) return;
        if (auto own = own_strategy(*strategy)) patch.set({"spec", "strategy"}, std::move(*own));
    }

    // The native controller fills what a paused Deployment that rolls has of maxSurge, with pods of the larger version:
    // with the stable one's there is nothing left to fill. It does so only between two versions that have pods.
    std::optional<Write> fill_surge() const {
        std::optional<Strategy> const strategy = strategy_of(doc());
        if (strategy && recreate() && !own_strategy(*strategy)) return std::nullopt;
        auto const active = [](ReplicaSet const& set) { return set.wanted > 0; };
        ReplicaSet const* const stable = sets_.stable(facts_.stable_revision);
        if (stable == nullptr || !active(*stable) || std::ranges::count_if(sets_.all, active) < 2) return std::nullopt;
        Value const update =
            strategy && recreate() ? strategy->rolling_update : doc().at({"spec", "strategy", "rollingUpdate"}).thaw();
        std::int64_t const missing = facts_.replicas + budget_of(update, facts_.replicas).surge - sets_.wanted();
        if (missing <= 0) return std::nullopt;
        JsonPatch patch(stable->doc);
        patch.test({"spec", "replicas"});
        patch.set({"spec", "replicas"}, stable->wanted + missing);
        Write result;
        result.verb = Write::Verb::kJsonPatch;
        result.resource = kReplicaSets;
        result.key = meta::key_of(stable->doc);
        result.body = patch.take();
        result.why = "pods within maxSurge, of the stable version";
        return result;
    }

    Result<Value> stable_template() const {
        ReplicaSet const* const stable = sets_.stable(facts_.stable_revision);
        bool const another =
            !facts_.stable_revision.empty() && stable != nullptr && stable->hash() != facts_.stable_revision;
        if (stable == nullptr || another) {
            return fail(ErrorCode::kNotFound,
                        fmt::format("{} has no ReplicaSet of the version before: it cannot go back by itself",
                                    key().to_string()));
        }
        Value result = stable->doc.at({"spec", "template"}).thaw();
        if (Value* labels = result["metadata"].find("labels")) labels->erase(meta::kTemplateHashLabel);
        return result;
    }

    std::string control_info(Doc const& batch_release) const {
        return json::write(Value(json::Object{{"apiVersion", "rollouts.kruise.io/v1beta1"},
                                              {"kind", "BatchRelease"},
                                              {"name", meta::name(batch_release)},
                                              {"uid", meta::uid(batch_release)},
                                              {"controller", true},
                                              {"blockOwnerDeletion", true}}));
    }

    std::string extra_status(meta::IntOrPercent const& share) const {
        return json::write(Value(json::Object{{"updatedReadyReplicas", facts_.updated_ready},
                                              {"expectedUpdatedReplicas", share_of(share)}}));
    }

    std::optional<Write> write(JsonPatch patch, std::string why) const {
        if (!patch.changes()) return std::nullopt;
        Write result;
        result.verb = Write::Verb::kJsonPatch;
        result.resource = kDeployments;
        result.key = key();
        result.body = patch.take();
        result.why = std::move(why);
        return result;
    }

    DeploymentInputs inputs_;
    ReplicaSets sets_;
    std::string own_hash_;
    Time now_;
    Facts facts_;
};

}   // namespace

meta::ObjectKey Workload::key() const { return meta::key_of(object()); }

std::unique_ptr<Workload> observe_deployment(DeploymentInputs inputs, Time now) {
    return std::make_unique<Deployment>(std::move(inputs), now);
}

}   // namespace aviary::workload
