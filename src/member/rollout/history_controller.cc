#include <map>

#include "apis/rollouts/rollout_history.h"
#include "kube/meta/object.h"
#include "member/rollout/controllers.h"
#include "member/rollout/decide.h"

namespace aviary::rollout {

namespace {

using control::Key;
using json::Doc;

class HistoryReconciler final : public control::Reconciler {
public:
    HistoryReconciler(client::Client client, Sources& sources) : client_(std::move(client)), sources_(sources) {
        // Who approved is in the Rollout for as long as its controller has not gone on with it.
        sources.rollouts.on_change([approvals = approvals_](client::Change const& change) {
            meta::ObjectKey const key = meta::key_of(change.before.exists() ? change.before : change.after);
            if (!change.after.exists()) {
                approvals->erase(key);
            } else if (auto approval = approval_between(change.before, change.after)) {
                (*approvals)[key] = *std::move(approval);
            }
        });
    }

    control::Plan decide(Key const& key, Time) override {
        HistorySeen seen;
        seen.rollout = sources_.rollouts.get(key.object);
        if (!seen.rollout.exists()) return {};
        if (auto const approval = approvals_->find(key.object); approval != approvals_->end())
            seen.approval = approval->second;
        seen.workload = workload(seen.rollout);
        seen.pods = sources_.workloads.pods().list(key.object.ns);
        seen.histories = sources_.histories.by_index("rollout", key.object.to_string());
        if (auto const routing = apis::traffic_routing_of(seen.rollout))
            seen.traffic = sources_.traffic.see(*routing, key.object.ns).value_or(traffic::Seen());
        return decide_history(seen);
    }
    client::Client const& client_for(Key const&) override { return client_; }

private:
    Doc workload(Doc const& rollout) const {
        Doc const reference = rollout.at({"spec", "workloadRef"});
        std::string const ns = meta::ns(rollout);
        bool const deployment =
            meta::kind_of(reference).group == "apps" && reference["kind"].as_string() == "Deployment";
        if (deployment) return sources_.workloads.deployments().get({ns, reference["name"].string()});
        return sources_.workloads.set(reference, ns).set;
    }

    client::Client client_;
    Sources& sources_;
    std::shared_ptr<std::map<meta::ObjectKey, Approval>> approvals_ =
        std::make_shared<std::map<meta::ObjectKey, Approval>>();
};

}   // namespace

std::unique_ptr<control::Controller> make_history_controller(client::Client client, Sources& sources) {
    auto controller =
        std::make_unique<control::Controller>(control::ControllerOptions{.name = "rollouthistory-controller"},
                                              std::make_unique<HistoryReconciler>(std::move(client), sources));
    controller->watch(sources.rollouts,
                      [](Doc const& rollout) { return std::vector<Key>{{"", meta::key_of(rollout)}}; });
    controller->watch(sources.histories, [](Doc const& history) {
        return std::vector<Key>{{"", {meta::ns(history), history.at({"spec", "rollout", "name"}).string()}}};
    });
    return controller;
}

}   // namespace aviary::rollout
