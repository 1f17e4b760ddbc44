// Partition style: held as `paused` with type Recreate and rolled by our own controller (roller.h), as upstream's
// "Advanced Deployment" is.
#include "apis/rollouts/keys.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/internal/deployment_base.h"
#include "member/workload/internal/strategy.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

class Partition final : public DeploymentBase {
public:
    Partition(DeploymentInputs inputs, Time now) : DeploymentBase(std::move(inputs), now) {
        std::optional<Strategy> const strategy = strategy_of(doc());
        if (strategy && strategy->style == apis::batch::kPartitionStyle && !strategy->paused && recreate())
            facts_.asked = share_of(strategy->partition);
    }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override {
        std::string const uid = meta::uid(batch_release);
        std::optional<Strategy> strategy = strategy_of(doc());
        bool const held = facts_.controller_uid == uid && strategy && strategy->style == apis::batch::kPartitionStyle &&
                          paused() && recreate();
        if (held && !strategy->paused) {
            bool const raises = share_of(share) >= share_of(strategy->partition);
            // Begun by another controller, or an earlier version of this one, it does not say to what it was granted.
            bool const says = !strategy->granted_to.empty();
            if (says && (strategy->partition == share || !raises)) return {};
            if (raises) strategy->partition = share;
        } else {
            strategy = taken(strategy, share);
        }
        strategy->granted_to = own_hash_;
        JsonPatch patch(doc());
        patch.test({"metadata", "generation"});
        patch.set({"metadata", "labels", apis::kAdvancedDeploymentLabel}, "true");
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
        patch.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, strategy->to_text());
        patch.set({"metadata", "annotations", apis::kDeploymentExtraStatusAnnotation}, extra_status(share));
        patch.set({"spec", "paused"}, true);
        if (!recreate() || doc().at({"spec", "strategy", "rollingUpdate"}).exists())
            patch.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}});
        std::vector<Write> writes;
        if (auto held_write = write(std::move(patch), held ? "next step" : "take the workload over"))
            writes.push_back(std::move(*held_write));
        return writes;
    }

private:
    // The strategy annotation of a Deployment that comes under control; an earlier one knows what the user's strategy
    // was.
    Strategy taken(std::optional<Strategy> const& earlier, meta::IntOrPercent const& share) const {
        Strategy result = own_settings();
        result.partition = share;
        // A holder that went away in mid-release: pods that its share was approved for stay.
        if (earlier && recreate() && !earlier->paused && share_of(earlier->partition) > share_of(share))
            result.partition = earlier->partition;
        return result;
    }

    std::string extra_status(meta::IntOrPercent const& share) const {
        return json::write(Value(json::Object{{"updatedReadyReplicas", facts_.updated_ready},
                                              {"expectedUpdatedReplicas", share_of(share)}}));
    }
};

}   // namespace

std::unique_ptr<Workload> make_partition(DeploymentInputs inputs, Time now) {
    return std::make_unique<Partition>(std::move(inputs), now);
}

}   // namespace aviary::workload
