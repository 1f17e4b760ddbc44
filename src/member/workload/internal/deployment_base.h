// What the styles of releasing a Deployment have in common: its marks, the end of a release by them, labels of pods,
// and counts of the Deployment's own pods. A style adds how a share is brought about, and what of that is there.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "member/workload/deployment.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/replica_sets.h"
#include "member/workload/internal/strategy.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

class DeploymentBase : public Workload {
public:
    DeploymentBase(DeploymentInputs inputs, Time now);

    json::Doc const& object() const override { return inputs_.deployment; }
    meta::GroupVersionResource const& resource() const override { return kDeployments; }
    std::string_view type_label() const override { return "deployment"; }
    Facts const& facts() const override { return facts_; }

    bool is_current(std::string_view revision) const override;
    bool is_known(std::string_view revision) const override;
    std::int64_t share_of(meta::IntOrPercent const& step) const override;
    std::optional<control::Write> let_go() const override;
    std::optional<control::Write> restore(Restore const& how) const override;
    Result<control::Write> take_back(std::string_view hold) const override;
    std::optional<control::Write> catch_up(std::string_view rollout, std::string_view before) const override;
    Result<std::vector<control::Write>> leave(Leaving how) const override;
    std::vector<control::Write> tidy() const override;
    std::vector<control::Write> clean() const override;
    Labelling label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const override;
    std::vector<control::Wait> obstacles() const override;

protected:
    // The active pods of a ReplicaSet, by name.
    static std::vector<json::Doc> pods_of(ReplicaSet const* set, std::vector<json::Doc> const& pods);
    // Units of the template being released.
    virtual std::vector<json::Doc> units() const { return pods_of(sets_.current, inputs_.pods); }

    json::Doc const& doc() const { return inputs_.deployment; }
    bool paused() const { return doc().at({"spec", "paused"}).as_bool(); }
    bool recreate() const { return doc().at({"spec", "strategy", "type"}).as_string() == "Recreate"; }
    // The user's own strategy, also while the Deployment is held with Recreate in its place.
    Strategy own_settings() const;
    // A ReplicaSet's template as its Deployment has it, and our hash of that.
    static json::Value template_of(ReplicaSet const& set);
    static std::string own_hash(ReplicaSet const& set) { return template_hash(json::Doc::freeze(template_of(set))); }
    bool held_by(json::Doc const& batch_release) const;
    // Notes pods that were told to go; how many each ReplicaSet has, by uid. Those count.
    std::map<std::string, std::int64_t, std::less<>> count_pods(std::vector<json::Doc> const& pods);
    static bool is_settled(ReplicaSet const& set, std::int64_t pods);
    // Of a workload scaled to nothing in a release: so that it comes back in the stable version.
    std::vector<control::Write> at_zero() const;
    std::optional<control::Write> write(JsonPatch patch, std::string why) const;
    static control::Write write_set(ReplicaSet const& set, JsonPatch patch, std::string why);
    // As long as it has the size that was seen.
    static control::Write resize_set(ReplicaSet const& set, std::int64_t replicas, std::string why);

    DeploymentInputs inputs_;
    ReplicaSets sets_;
    std::string own_hash_;
    Time now_;
    Facts facts_;

private:
    void observe_template();
    void count();
    void restore_settings(JsonPatch& patch) const;
    json::Value rolling_update() const;
    std::optional<control::Write> fill_surge() const;
    Result<json::Value> stable_template() const;
};

std::unique_ptr<Workload> make_partition(DeploymentInputs inputs, Time now);
std::unique_ptr<Workload> make_blue_green(DeploymentInputs inputs, Time now);
std::unique_ptr<Workload> make_canary(DeploymentInputs inputs, json::Value patch, Time now);

}   // namespace aviary::workload
