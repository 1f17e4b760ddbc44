// Canary style: the Deployment keeps its pods, paused, and a second Deployment beside it has the new version's. At the
// end the Deployment takes over the second one's ReplicaSet and goes on to the new version by its own strategy, from
// the pods that are there: none is loaded twice. Where their templates differ it makes pods of its own, as upstream
// always does; then the second one goes.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/internal/deployment_base.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

constexpr char const* kPatched[] = {"annotations", "labels"};

class Canary final : public DeploymentBase {
public:
    Canary(DeploymentInputs inputs, Value patch, Time now)
        : DeploymentBase(std::move(inputs), now), patch_(std::move(patch)) {
        if (!facts_.controller_uid.empty()) canary_ = newest(facts_.controller_uid);
        take_over_ = how_far();
        if (facts_.controller_uid.empty()) return;
        if (take_over_ == TakeOver::kNone) {
            count_canary();
        } else if (take_over_ == TakeOver::kOnItsWay) {
            canary_sets_.emplace(doc(), std::vector{promoted()});
            facts_.unit_revision = facts_.update_revision = canary_sets_->current->hash();
            facts_.settled = false;
        }
    }

    std::int64_t share_of(meta::IntOrPercent const& step) const override {
        return workload::share_of(step, facts_.replicas);
    }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override {
        std::vector<Write> writes;
        JsonPatch patch(doc());
        patch.test({"metadata", "generation"});
        if (!held_by(batch_release))
            patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
        patch.set({"spec", "paused"}, true);
        if (auto held = write(std::move(patch), "take the workload over")) writes.push_back(std::move(*held));
        DeploymentInputs const* const canary = newest(meta::uid(batch_release));
        if (canary == nullptr) {
            writes.push_back(create(batch_release, share_of(share)));
        } else if (auto raised = resize(canary->deployment, share_of(share))) {
            writes.push_back(std::move(*raised));
        }
        for (Write& each : at_zero()) writes.push_back(std::move(each));
        DeploymentInputs others;
        for (DeploymentInputs const& each : inputs_.canaries) {
            if (&each != canary) others.canaries.push_back(each);
        }
        for (Write& each : tidy_deployment(others)) writes.push_back(std::move(each));
        return writes;
    }

    std::optional<Write> restore(Restore const& how) const override {
        if (how.keep_frozen) {
            Restore mine = how;
            mine.stable_revision = prevailing(how.stable_revision);
            return DeploymentBase::restore(mine);
        }
        if (ReplicaSet const* const set = promotable()) return promote(*set);
        if (comes()) return std::nullopt;   // the native controller takes what nobody controls
        for (Write& sized : note_sizes()) return std::move(sized);
        return DeploymentBase::restore(how);
    }

    Result<std::vector<Write>> leave(Leaving how) const override {
        std::vector<Write> last = TRY(DeploymentBase::leave(how));
        std::vector<Write> writes = last.empty() ? std::vector<Write>() : note_sizes();
        std::ranges::move(last, std::back_inserter(writes));
        return writes;
    }

    std::vector<control::Wait> obstacles() const override {
        std::vector<control::Wait> waits = DeploymentBase::obstacles();
        if (comes()) {
            waits.push_back({"NotTakenOver", "no Deployment has ReplicaSet " + meta::name(promoted()) + " yet",
                             std::nullopt, "the native controller takes it over", "cluster owner"});
        }
        return waits;
    }

protected:
    std::vector<Doc> units() const override {
        if (facts_.controller_uid.empty() || take_over_ == TakeOver::kDone) return DeploymentBase::units();
        if (!canary_sets_) return {};
        return pods_of(canary_sets_->current, canary_ != nullptr ? canary_->pods : inputs_.promoted.pods);
    }

private:
    enum class TakeOver {
        kNone,       // nothing is taken over, or the second Deployment has it still
        kOnItsWay,   // the second Deployment has given it up, or is about to, and the Deployment does not have it yet
        kDone,
    };

    // The template as the second Deployment has it.
    Value patched_template() const {
        Value result = doc().at({"spec", "template"}).thaw();
        for (char const* kind : kPatched) {
            if (!patch_[kind].is_object()) continue;
            for (auto const& [key, value] : patch_[kind].object()) result.set({"metadata", kind, key}, value);
        }
        return result;
    }

    // Without what the patch sets: a Deployment that is there may have other values.
    Doc unpatched(Doc const& pod_template) const {
        Value result = pod_template.thaw();
        for (char const* kind : kPatched) {
            if (!patch_[kind].is_object() || !result["metadata"][kind].is_object()) continue;
            for (auto const& [key, value] : patch_[kind].object()) result["metadata"][kind].erase(key);
            if (result["metadata"][kind].size() == 0) result["metadata"].erase(kind);
        }
        return Doc::freeze(std::move(result));
    }

    // The newest one that this BatchRelease has made for the template that the Deployment has.
    DeploymentInputs const* newest(std::string const& holder) const {
        DeploymentInputs const* found = nullptr;
        Doc const wanted = unpatched(doc().at({"spec", "template"}));
        auto const age = [](Doc const& each) {
            return std::pair(each.at({"metadata", "creationTimestamp"}).string(), meta::name(each));
        };
        for (DeploymentInputs const& each : inputs_.canaries) {
            auto const owner = meta::controller_of(each.deployment);
            if (meta::is_deleting(each.deployment) || !owner || owner->uid != holder) continue;
            if (!same_template(unpatched(each.deployment.at({"spec", "template"})), wanted)) continue;
            if (found == nullptr || age(each.deployment) > age(found->deployment)) found = &each;
        }
        return found;
    }

    Doc const& promoted() const { return inputs_.promoted.replica_set; }

    // Of what is to be taken over, as long as the Deployment is to have that version.
    TakeOver how_far() const {
        bool const there = canary_ == nullptr && promoted().exists() && !meta::is_deleting(promoted()) &&
                           same_template(promoted().at({"spec", "template"}), doc().at({"spec", "template"}));
        if (!there) return TakeOver::kNone;
        return meta::is_controlled_by(promoted(), doc()) ? TakeOver::kDone : TakeOver::kOnItsWay;
    }

    // Nobody's, or still its second Deployment's, which is going or gone. Another Deployment may have been faster.
    bool comes() const {
        if (take_over_ != TakeOver::kOnItsWay) return false;
        auto const controller = meta::controller_of(promoted());
        return !controller ||
               (meta::name(promoted()).starts_with(controller->name + "-") &&
                std::ranges::none_of(inputs_.canaries, [&](DeploymentInputs const& each) {
                    return meta::uid(each.deployment) == controller->uid && !meta::is_deleting(each.deployment);
                }));
    }

    // Where the Deployment has two versions, each is to say its size: the one that was taken over was made for fewer.
    // The native controller would take the difference for a change of that size, bring all versions to maxSurge in
    // proportion, and take old ones away by counts from before that; one that recreates would never get on.
    std::vector<Write> note_sizes() const {
        std::vector<Write> writes;
        auto const active = [](ReplicaSet const& set) { return set.wanted > 0; };
        if (std::ranges::count_if(sets_.all, active) < 2) return writes;
        std::string const size = std::to_string(facts_.replicas);
        for (ReplicaSet const& set : sets_.all) {
            std::string const noted = meta::annotation(set.doc, meta::kDesiredReplicasAnnotation);
            if (!active(set) || noted.empty() || noted == size) continue;
            JsonPatch patch(set.doc);
            patch.test({"metadata", "ownerReferences"});
            patch.set({"metadata", "annotations", meta::kDesiredReplicasAnnotation}, size);
            writes.push_back(as_write(std::move(patch), kReplicaSets, "the size of the Deployment"));
        }
        return writes;
    }

    // The version that was released, by what its pods are labelled with, once it has more of the Deployment's own pods
    // than the stable one; else empty.
    std::string prevailing(std::string const& released) const {
        ReplicaSet const* const stable = sets_.by_hash(facts_.stable_revision);
        for (ReplicaSet const& set : sets_.all) {
            bool const named = !released.empty() && (set.hash() == released || own_hash(set) == released);
            if (named && set.wanted > (stable == nullptr ? 0 : stable->wanted)) return set.hash();
        }
        return {};
    }

    // The second Deployment's ReplicaSet where its pods are as the Deployment's own would be. Absent too while the
    // Deployment has pods of this template itself: of two sets with one template the native controller keeps the
    // older.
    ReplicaSet const* promotable() const {
        if (canary_ == nullptr || !canary_sets_ || !paused() || facts_.replicas == 0) return nullptr;
        if (!same_template(canary_->deployment.at({"spec", "template"}), doc().at({"spec", "template"})))
            return nullptr;
        ReplicaSet const* const set = canary_sets_->current;
        // An empty one goes; under another name for this template it is what the release is known by.
        bool const stays = sets_.current != nullptr && (sets_.current->wanted > 0 || sets_.current->actual > 0 ||
                                                        (set != nullptr && sets_.current->hash() != set->hash()));
        if (stays) return nullptr;
        return set != nullptr && set->wanted > 0 ? set : nullptr;
    }

    // The next of the writes by which it is taken over; each is safe to break off after.
    Write promote(ReplicaSet const& set) const {
        if (sets_.current != nullptr)
            return control::deletion(kReplicaSets, sets_.current->doc, "the set that is taken over stands for it");
        // Of a paused Deployment that rolls the native controller scales two versions in proportion; of one that
        // recreates it leaves them as they are.
        Strategy strategy = own_settings();
        strategy.style = apis::batch::kCanaryStyle;
        strategy.promotes = set.name();
        JsonPatch patch(doc());
        patch.test({"metadata", "generation"});
        patch.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, strategy.to_text());
        if (!recreate()) patch.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
        if (auto noted = write(std::move(patch), "take over " + set.name())) return std::move(*noted);
        Write release = control::deletion(kDeployments, canary_->deployment, "leave its ReplicaSet to the Deployment");
        release.delete_options.propagation_policy = "Orphan";
        return release;
    }

    // What is being released is in the second Deployment.
    void count_canary() {
        facts_.unit_revision.clear();
        facts_.update_revision = own_hash_;
        facts_.updated = facts_.updated_ready = facts_.updated_available = 0;
        facts_.settled = true;
        auto own_pods = count_pods(inputs_.pods);
        for (ReplicaSet const& set : sets_.all) {
            if (!is_settled(set, own_pods[meta::uid(set.doc)])) facts_.settled = false;
        }
        if (canary_ == nullptr) {
            facts_.settled = false;
            return;
        }
        canary_sets_.emplace(canary_->deployment, canary_->replica_sets);
        auto pods = count_pods(canary_->pods);
        for (ReplicaSet const& set : canary_sets_->all) {
            if (!is_settled(set, pods[meta::uid(set.doc)])) facts_.settled = false;
        }
        if (canary_sets_->wanted() != canary_->deployment.at({"spec", "replicas"}).as_int(1)) facts_.settled = false;
        ReplicaSet const* const current = canary_sets_->current;
        if (current == nullptr) return;
        facts_.unit_revision = facts_.update_revision = current->hash();
        facts_.updated = current->actual;
        // Upstream's "ready" of this style is available: minReadySeconds counts.
        facts_.updated_available = std::min(current->available, current->wanted);
        facts_.updated_ready = facts_.updated_available;
    }

    Write create(Doc const& batch_release, std::int64_t replicas) const {
        Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}};
        object.set({"metadata", "labels", apis::kCanaryDeploymentLabel}, meta::name(doc()));
        object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
        object.set({"metadata", "ownerReferences"},
                   json::Array{json::Object{{"apiVersion", apis::kBatchReleases.api_version()},
                                            {"kind", "BatchRelease"},
                                            {"name", meta::name(batch_release)},
                                            {"uid", meta::uid(batch_release)},
                                            {"controller", true},
                                            {"blockOwnerDeletion", true}}});
        Value spec = doc()["spec"].thaw();
        spec["replicas"] = replicas;
        spec.erase("paused");
        spec["template"] = patched_template();
        object["spec"] = std::move(spec);
        Write write;
        write.verb = Write::Verb::kCreate;
        write.resource = kDeployments;
        write.key = {meta::ns(doc()), canary_name(batch_release)};
        write.body = std::move(object);
        write.why = "the new version's Deployment";
        return write;
    }

    // Made twice it has the same name: of two only one is made.
    std::string canary_name(Doc const& batch_release) const {
        Value const seed{json::Object{{"holder", meta::uid(batch_release)}, {"template", patched_template()}}};
        return meta::name(doc()) + "-" + template_hash(Doc::freeze(seed));
    }

    // Never down, but to nothing with a workload that is scaled to nothing.
    std::optional<Write> resize(Doc const& canary, std::int64_t replicas) const {
        std::int64_t const there = canary.at({"spec", "replicas"}).as_int(1);
        if (there == replicas || (there > replicas && facts_.replicas > 0)) return std::nullopt;
        JsonPatch patch(canary);
        patch.test({"spec", "replicas"});
        patch.set({"spec", "replicas"}, replicas);
        Write write;
        write.verb = Write::Verb::kJsonPatch;
        write.resource = kDeployments;
        write.key = meta::key_of(canary);
        write.body = patch.take();
        write.why = fmt::format("scale from {} to {}", there, replicas);
        return write;
    }

    Value patch_;
    DeploymentInputs const* canary_ = nullptr;
    std::optional<ReplicaSets> canary_sets_;   // the second Deployment's, or what is on its way from it
    TakeOver take_over_ = TakeOver::kNone;
};

}   // namespace

std::unique_ptr<Workload> make_canary(DeploymentInputs inputs, Value patch, Time now) {
    return std::make_unique<Canary>(std::move(inputs), std::move(patch), now);
}

}   // namespace aviary::workload
