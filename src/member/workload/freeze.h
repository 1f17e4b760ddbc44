// The freeze: an admission function on Deployments. A new template of a Deployment that a Rollout points at is stored
// paused and marked in-progressing, in the same write; while a release is on, nobody can un-pause it or take the marks
// away. It refuses nothing, and writes that change neither a template nor a workload in progress do not wait for it.
#pragma once

#include <string>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/client/informer.h"
#include "kube/control/admission.h"

namespace aviary::workload {

struct FreezeInputs {
    json::Doc old;
    std::string rollout;                   // the name of the Rollout that points at the workload
    std::string came_from;                 // the revision its last release came from; empty: none
    std::vector<json::Doc> replica_sets;   // those the Deployment controls
    bool from_controller = false;          // the writer is the release's own controller: it may take marks away
};
void freeze_deployment(json::Value& object, FreezeInputs const& inputs);

// Whether the write asks for another version: another template, or another rollout-id.
bool revision_changes(json::Doc const& before, json::Doc const& after);

// Whether the Rollout holds new versions of its workload back.
bool in_force(json::Doc const& rollout);

class Freeze final : public control::Admission {
public:
    // `controller_user` is whom the member's controllers authenticate as. The ReplicaSets have the index "controller"
    // by uid.
    Freeze(client::Informer& rollouts, client::Informer& replica_sets, std::string controller_user);

    std::string_view name() const override { return "rollout-freeze"; }
    bool matches(control::AdmissionRequest const& request) const override;
    Task<Status> mutate(Context ctx, control::AdmissionRequest& request) override;

private:
    // The first Rollout of the namespace that points at the workload and is in force.
    json::Doc rollout_for(control::AdmissionRequest const& request) const;

    client::Informer& rollouts_;
    client::Informer& replica_sets_;
    std::string controller_user_;
};

}   // namespace aviary::workload
