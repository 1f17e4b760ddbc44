#include "member/workload/internal/deployment_base.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apis/rollouts/keys.h"
#include "core/base/sort.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/internal/catching_up.h"
#include "member/workload/internal/original.h"
#include "member/workload/internal/pods.h"
#include "member/workload/internal/taking_back.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

// What a release puts on a Deployment, beside in-progressing.
constexpr std::string_view kMarks[] = {apis::kControlInfoAnnotation, apis::kDeploymentStrategyAnnotation,
                                       apis::kDeploymentExtraStatusAnnotation,
                                       apis::kOriginalDeploymentStrategyAnnotation};

// Those that know the user's own settings: they stay as long as the workload does not have these back.
bool knows_settings(std::string_view mark) {
    return mark == apis::kDeploymentStrategyAnnotation || mark == apis::kOriginalDeploymentStrategyAnnotation;
}

}   // namespace

DeploymentBase::DeploymentBase(DeploymentInputs inputs, Time now)
    : inputs_(std::move(inputs)),
      sets_(inputs_.deployment, inputs_.replica_sets),
      own_hash_(template_hash(doc().at({"spec", "template"}))),
      now_(now) {
    observe_template();
    count();
}

bool DeploymentBase::is_current(std::string_view revision) const {
    if (revision.empty()) return false;
    // Kruise's controller notes a hash of its own, and labels pods with it.
    return revision == facts_.update_revision || revision == own_hash_ ||
           (sets_.current != nullptr && revision == sets_.current->hash()) ||
           std::ranges::any_of(units(),
                               [&](Doc const& pod) { return meta::label(pod, meta::kRevisionHashLabel) == revision; });
}

bool DeploymentBase::is_known(std::string_view revision) const {
    if (revision.empty()) return false;   // which unlabelled pods have
    auto const names = [revision](DeploymentInputs const& inputs) {
        return std::ranges::any_of(inputs.replica_sets,
                                   [revision](Doc const& set) {
                                       return meta::label(set, meta::kTemplateHashLabel) == revision ||
                                              template_hash(set.at({"spec", "template"})) == revision;
                                   }) ||
               std::ranges::any_of(inputs.pods, [revision](Doc const& pod) {
                   return meta::label(pod, meta::kRevisionHashLabel) == revision;
               });
    };
    return is_current(revision) || names(inputs_) || std::ranges::any_of(inputs_.canaries, names);
}

std::int64_t DeploymentBase::share_of(meta::IntOrPercent const& step) const {
    return deployment_share_of(step, facts_.replicas);
}

std::optional<Write> DeploymentBase::let_go() const {
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    return write(std::move(patch), "give up control");
}

std::optional<Write> DeploymentBase::restore(Restore const& how) const {
    if (facts_.held_by.empty() && !facts_.leftovers && !how.unmarked) return std::nullopt;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    for (std::string_view mark : kMarks) {
        bool const kept = how.keep_frozen && knows_settings(mark);
        if (!kept) patch.remove({"metadata", "annotations", mark});
    }
    patch.remove({"metadata", "labels", apis::kAdvancedDeploymentLabel});
    if (how.keep_frozen) {
        std::optional<Strategy> strategy = strategy_of(doc());
        if (strategy && strategy->style == apis::batch::kCanaryStyle) {
            // It waits in this style as any Deployment does: what it has of two versions is scaled with it.
            restore_settings(patch);
            patch.remove({"metadata", "annotations", apis::kDeploymentStrategyAnnotation});
        } else if (strategy) {
            // Not its own strategy: of a Deployment that rolls the native controller scales every version, paused or
            // not.
            strategy->paused = true;
            patch.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, strategy->to_text());
        }
        patch.set({"spec", "paused"}, true);
        // In canary style its own pods may still be of the version before.
        ReplicaSet const* const stable = sets_.by_hash(how.stable_revision);
        if (stable != nullptr && stable->wanted > 0)
            patch.set({"metadata", "labels", apis::kStableRevisionLabel}, how.stable_revision);
    } else {
        restore_settings(patch);
        patch.remove({"metadata", "annotations", apis::kInProgressingAnnotation});
        patch.remove({"metadata", "labels", apis::kStableRevisionLabel});
        patch.remove({"spec", "paused"});
    }
    return write(std::move(patch), how.keep_frozen ? "close the release before the next" : "restore the workload");
}

Result<Write> DeploymentBase::take_back(std::string_view hold) const {
    JsonPatch patch = taking_back(doc(), TRY(stable_template()), hold);
    // As the freeze does with any other template.
    patch.set({"spec", "paused"}, true);
    return as_write(std::move(patch), kDeployments, kTakeBack);
}

std::optional<Write> DeploymentBase::catch_up(std::string_view rollout, std::string_view before) const {
    auto const found = std::ranges::find_if(sets_.all, [&](ReplicaSet const& set) {
        bool const named = set.hash() == before || own_hash(set) == before;
        return &set != sets_.current && named && set.wanted > 0;
    });
    if (before.empty() || found == sets_.all.end()) return std::nullopt;
    FreezeInputs inputs;
    inputs.rollout = rollout;
    inputs.came_from = found->hash();
    inputs.replica_sets = inputs_.replica_sets;
    return caught_up(*this, json::Object{{"template", template_of(*found)}}, std::move(inputs), freeze_deployment);
}

Result<std::vector<Write>> DeploymentBase::leave(Leaving how) const {
    std::vector<Write> writes;
    if (facts_.held_by.empty() && !facts_.leftovers) return writes;
    // Put back by its owner it only waits to be let go.
    bool const holds = how == Leaving::kHold && !facts_.rolled_back;
    if (holds && original_of(doc()) && facts_.updated > 0 && facts_.outdated > 0)
        return std::unexpected(both_versions(key()));
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    for (std::string_view mark : kMarks) patch.remove({"metadata", "annotations", mark});
    patch.remove({"metadata", "annotations", apis::kInProgressingAnnotation});
    for (std::string_view mark : {apis::kAdvancedDeploymentLabel, apis::kStableRevisionLabel})
        patch.remove({"metadata", "labels", mark});
    restore_settings(patch);
    if (holds) {
        if (std::optional<Write> room = fill_surge()) writes.push_back(std::move(*room));
        patch.set({"spec", "paused"}, true);
    } else {
        if (how == Leaving::kRollback && !facts_.rolled_back) patch.set({"spec", "template"}, TRY(stable_template()));
        patch.remove({"spec", "paused"});
    }
    if (std::optional<Write> last = write(std::move(patch), "give the workload back"))
        writes.push_back(std::move(*last));
    return writes;
}

std::vector<Write> DeploymentBase::tidy() const { return tidy_deployment(inputs_); }

std::vector<Write> DeploymentBase::clean() const {
    std::vector<Write> writes;
    if (facts_.leftovers || !facts_.held_by.empty()) return writes;   // the native controller would copy them again
    writes = tidy();
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "labels", apis::kStableRevisionLabel});   // upstream leaves it in canary style
    if (auto rest = write(std::move(patch), "nothing of the release is left")) writes.push_back(std::move(*rest));
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

Labelling DeploymentBase::label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const {
    return label_units(units(), rollout_id, increments, now_);
}

std::vector<control::Wait> DeploymentBase::obstacles() const { return obstacles_of(units()); }

void DeploymentBase::observe_template() {
    facts_.replicas = doc().at({"spec", "replicas"}).as_int(1);
    facts_.generation = meta::generation(doc());
    facts_.stable_revision = meta::label(doc(), apis::kStableRevisionLabel);
    facts_.held_by = holder_of(meta::annotation(doc(), apis::kInProgressingAnnotation));
    facts_.controller_uid = field_of(meta::annotation(doc(), apis::kControlInfoAnnotation), "uid");
    facts_.leftovers = !meta::label(doc(), apis::kAdvancedDeploymentLabel).empty() ||
                       std::ranges::any_of(kMarks, [&](std::string_view mark) {
                           // A workload that waits frozen for its next release keeps the strategy that it is to get
                           // back.
                           bool const kept = !facts_.held_by.empty() && knows_settings(mark);
                           return !kept && !meta::annotation(doc(), mark).empty();
                       });
    if (sets_.current != nullptr) facts_.unit_revision = sets_.current->hash();
    facts_.update_revision = facts_.unit_revision.empty() ? own_hash_ : facts_.unit_revision;
    facts_.rolled_back =
        !facts_.held_by.empty() && !facts_.stable_revision.empty() && facts_.stable_revision == facts_.unit_revision;
    facts_.rollout_id = rollout_id_of(doc());
    facts_.max_unavailable = budget_of(rolling_update(), facts_.replicas).unavailable;
}

std::map<std::string, std::int64_t, std::less<>> DeploymentBase::count_pods(std::vector<Doc> const& pods) {
    std::map<std::string, std::int64_t, std::less<>> counts;
    for (Doc const& pod : pods) {
        std::string const owner = meta::controller_uid(pod);
        if (owner.empty()) continue;
        std::optional<Time> const until = counted_until(pod, now_);
        if (until && (!facts_.settles_at || *until < *facts_.settles_at)) facts_.settles_at = until;
        if (is_active(pod) || until) ++counts[owner];
    }
    return counts;
}

bool DeploymentBase::is_settled(ReplicaSet const& set, std::int64_t pods) {
    return set.observed && set.actual == set.wanted && pods == set.wanted;
}

void DeploymentBase::count() {
    auto pods = count_pods(inputs_.pods);
    facts_.settled = sets_.wanted() == facts_.replicas;
    for (ReplicaSet const& set : sets_.all) {
        std::int64_t const there = pods[meta::uid(set.doc)];
        // Old pods that have gone are gone, whether or not the status says so yet.
        bool const settled = &set == sets_.current ? is_settled(set, there) : there == set.wanted;
        if (!settled) facts_.settled = false;
        if (&set == sets_.current) continue;
        facts_.outdated += std::max(there, set.actual);
        if (set.hash() != facts_.stable_revision) continue;
        facts_.stable += set.actual;
        facts_.stable_ready += std::min(set.ready, set.wanted);
        for (Doc const& pod : inputs_.pods) {
            if (!is_active(pod) || !meta::is_controlled_by(pod, set.doc)) continue;
            if (!facts_.stable_pod.exists() || is_ready(pod)) facts_.stable_pod = pod;
        }
    }
    if (sets_.current == nullptr) return;
    facts_.updated = sets_.current->actual;
    facts_.updated_ready = std::min(sets_.current->ready, sets_.current->wanted);
    facts_.updated_available = std::min(sets_.current->available, sets_.current->wanted);
}

std::vector<Doc> DeploymentBase::pods_of(ReplicaSet const* set, std::vector<Doc> const& pods) {
    std::vector<Doc> result;
    if (set == nullptr) return result;
    for (Doc const& pod : pods) {
        if (is_active(pod) && meta::is_controlled_by(pod, set->doc)) result.push_back(pod);
    }
    sort_by(result, meta::name);
    return result;
}

bool DeploymentBase::held_by(Doc const& batch_release) const {
    return facts_.controller_uid == meta::uid(batch_release);
}

// The user's own, also while a release has put something else in its place.
Value DeploymentBase::rolling_update() const {
    if (auto const original = original_of(doc())) return original->rolling_update();
    return own_settings().rolling_update;
}

Strategy DeploymentBase::own_settings() const {
    Strategy own;
    std::optional<Strategy> noted = strategy_of(doc());
    if (noted && recreate()) {
        own.rolling_update = std::move(noted->rolling_update);
        own.original_type = std::move(noted->original_type);
    } else {
        own.rolling_update = doc().at({"spec", "strategy", "rollingUpdate"}).thaw();
        if (recreate()) own.original_type = "Recreate";
    }
    return own;
}

void DeploymentBase::restore_settings(JsonPatch& patch) const {
    if (auto const original = original_of(doc())) {
        original->restore(patch);
        return;
    }
    std::optional<Strategy> const strategy = strategy_of(doc());
    if (!recreate() || !strategy) return;
    if (auto own = own_strategy(*strategy)) patch.set({"spec", "strategy"}, std::move(*own));
}

// The native controller fills what a paused Deployment that rolls has of maxSurge, with pods of the larger version:
// with the stable one's there is nothing left to fill. It does so only between two versions that have pods.
std::optional<Write> DeploymentBase::fill_surge() const {
    std::optional<Strategy> const strategy = strategy_of(doc());
    if (strategy && recreate() && !own_strategy(*strategy)) return std::nullopt;
    auto const active = [](ReplicaSet const& set) { return set.wanted > 0; };
    ReplicaSet const* const stable = sets_.stable(facts_.stable_revision);
    if (stable == nullptr || !active(*stable) || std::ranges::count_if(sets_.all, active) < 2) return std::nullopt;
    std::int64_t const missing = facts_.replicas + budget_of(rolling_update(), facts_.replicas).surge - sets_.wanted();
    if (missing <= 0) return std::nullopt;
    return resize_set(*stable, stable->wanted + missing, "pods within maxSurge, of the stable version");
}

Write DeploymentBase::resize_set(ReplicaSet const& set, std::int64_t replicas, std::string why) {
    JsonPatch patch(set.doc);
    patch.test({"spec", "replicas"});
    patch.set({"spec", "replicas"}, replicas);
    return write_set(set, std::move(patch), std::move(why));
}

Write DeploymentBase::write_set(ReplicaSet const& set, JsonPatch patch, std::string why) {
    Write result;
    result.verb = Write::Verb::kJsonPatch;
    result.resource = kReplicaSets;
    result.key = meta::key_of(set.doc);
    result.body = patch.take();
    result.why = std::move(why);
    return result;
}

Result<Value> DeploymentBase::stable_template() const {
    ReplicaSet const* const stable = sets_.stable(facts_.stable_revision);
    bool const another =
        !facts_.stable_revision.empty() && stable != nullptr && stable->hash() != facts_.stable_revision;
    if (stable == nullptr || another) {
        return fail(
            ErrorCode::kNotFound,
            fmt::format("{} has no ReplicaSet of the version before: it cannot go back by itself", key().to_string()));
    }
    return template_of(*stable);
}

Value DeploymentBase::template_of(ReplicaSet const& set) {
    Value result = set.doc.at({"spec", "template"}).thaw();
    if (Value* labels = result["metadata"].find("labels")) labels->erase(meta::kTemplateHashLabel);
    return result;
}

std::vector<Write> DeploymentBase::at_zero() const {
    ReplicaSet const* const stable = sets_.by_hash(facts_.stable_revision);
    if (facts_.replicas > 0 || stable == nullptr || facts_.rolled_back) return {};
    return sets_.forget_newer(*stable, false);
}

std::optional<Write> DeploymentBase::write(JsonPatch patch, std::string why) const {
    return write_if_changed(std::move(patch), kDeployments, std::move(why));
}

}   // namespace aviary::workload
