// Canary style: the Deployment keeps its pods, paused, and a second Deployment beside it has the new version's. At the
// end the Deployment goes on to the new version by its own strategy; then the second one goes.
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
        if (facts_.controller_uid.empty()) return;
        canary_ = newest(facts_.controller_uid);
        count_canary();
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

protected:
    std::vector<Doc> units() const override {
        if (facts_.controller_uid.empty()) return DeploymentBase::units();
        return canary_ == nullptr ? std::vector<Doc>() : pods_of(canary_sets_->current, canary_->pods);
    }

private:
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
    std::optional<ReplicaSets> canary_sets_;
};

}   // namespace

std::unique_ptr<Workload> make_canary(DeploymentInputs inputs, Value patch, Time now) {
    return std::make_unique<Canary>(std::move(inputs), std::move(patch), now);
}

}   // namespace aviary::workload
