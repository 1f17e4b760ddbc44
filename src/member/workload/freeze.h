// The freeze: an admission function on Deployments and sets. A new template of one that a Rollout points at is stored
// paused, of a set with a partition that holds every pod or group, of a native DaemonSet as OnDelete, and marked
// in-progressing, in the same write; while a release is on, nobody can lift that or take the marks away, and as long as
// a Rollout points there the label by which API servers ask stays. Writes that change neither a template nor a workload
// in progress do not wait for it; others, of a workload with the label, are refused while what it decides by has not
// been read yet; so are those of which it cannot be read where they come from.
#pragma once

#include <string>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "kube/control/admission.h"

namespace aviary::workload {

struct SetKind;

struct FreezeInputs {
    json::Doc old;
    std::string rollout;                   // the name of the Rollout that points at the workload
    std::string came_from;                 // the revision its last release came from; empty: none
    std::vector<json::Doc> replica_sets;   // those that a Deployment controls
    bool from_controller = false;          // the writer is the release's own controller: it may take marks away
    // Those that a DaemonSet or a LeaderWorkerSet controls; of a version that came past the webhook every set's.
    std::vector<json::Doc> revisions;
    std::string brought;   // the pods' revision of its last release, once that has come to its end
};
void freeze_deployment(json::Value& object, FreezeInputs const& inputs);
void freeze_stateful_set(json::Value& object, FreezeInputs const& inputs);
void freeze_daemon_set(json::Value& object, FreezeInputs const& inputs);
void freeze_clone_set(json::Value& object, FreezeInputs const& inputs);
void freeze_advanced_daemon_set(json::Value& object, FreezeInputs const& inputs);
void freeze_leader_worker_set(json::Value& object, FreezeInputs const& inputs);
// Whether that notes what a release began from: then it looks at the revisions.
bool daemon_set_notes_stable(json::Value const& object, FreezeInputs const& inputs);
bool leader_worker_set_notes_stable(json::Value const& object, FreezeInputs const& inputs);

// Whether the write has another template, of pods or of groups.
bool template_changes(json::Doc const& before, json::Doc const& after);
// Whether it asks for another version: another template, or another rollout-id.
bool revision_changes(json::Doc const& before, json::Doc const& after);

// Whether the Rollout holds new versions of its workload back.
bool in_force(json::Doc const& rollout);

class Freeze final : public control::Admission {
public:
    // `controller_user` is whom the member's controllers authenticate as. The ReplicaSets have the index "controller"
    // by uid. The client is asked where the copies may lag behind, and for revisions that are looked at. With
    // `labelled_kinds` also workloads of kinds that nobody here knows are held, as they say by their label.
    Freeze(client::Client client, client::Informer& rollouts, client::Informer& replica_sets,
           std::string controller_user, bool labelled_kinds = false);

    std::string_view name() const override { return "rollout-freeze"; }
    bool matches(control::AdmissionRequest const& request) const override;
    Task<Status> mutate(Context ctx, control::AdmissionRequest& request) override;

private:
    // Null: a Deployment, or of a kind that no release holds.
    SetKind const* set_of(control::AdmissionRequest const& request) const;
    // The first Rollout of the namespace that points at the workload and is in force; absent: there is none.
    Task<Result<json::Doc>> rollout_for(Context ctx, control::AdmissionRequest const& request) const;

    // ReplicaSets or ControllerRevisions that it controls, by the API server.
    Task<Result<std::vector<json::Doc>>> controlled_by(Context ctx, json::Doc workload,
                                                       meta::GroupVersionResource resource) const;

    client::Client client_;
    client::Informer& rollouts_;
    client::Informer& replica_sets_;
    std::string controller_user_;
    bool labelled_kinds_;
};

}   // namespace aviary::workload
