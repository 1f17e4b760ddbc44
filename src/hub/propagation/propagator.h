// Propagator: brings every bound object into its members and their status back: observe → decide (decide.h) → act, one
// key per object and cluster. Keeps pod templates as ControllerRevisions on the hub. Lives on the hub's loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apis/fleet/fleet_binding.h"
#include "apis/rollouts/rollout.h"
#include "hub/clusters/members.h"
#include "hub/placement/bindings.h"
#include "hub/placement/sources.h"
#include "hub/propagation/decide.h"
#include "kube/control/admission.h"

namespace aviary::propagation {

// How one object stands in one cluster.
struct Standing {
    State state = State::kApplying;
    std::string reason;
    std::string message;
    Time since{};
};

// Whether the hub places objects and brings them to members, or is attached to what others have brought there: then it
// writes nothing but what people decide, and no copy of its own objects is read.
enum class Mode { kFull, kAttached };

class Propagator {
public:
    Propagator(client::Client hub, std::string hub_id, clusters::Members& members, placement::Sources& sources,
               placement::Bindings& bindings, Mode mode = Mode::kFull, std::int64_t epoch = 1);
    ~Propagator();
    Task<void> run(Context ctx);

    bool attached() const;
    // Every copy of the hub's own objects that deciding must not do without is there.
    bool ready() const;
    // Absent while the cluster has not been looked at.
    std::optional<Standing> standing(meta::ObjectKey const& binding, std::string const& cluster) const;
    // The hub's Rollout that selects a workload; absent when there is none.
    json::Doc rollout_of(json::Doc const& workload) const;
    // The template that the hub keeps under this hash.
    std::optional<json::Value> revision(std::string const& ns, std::string_view hash) const;
    clusters::Members& members() const;
    placement::Sources& sources() const;
    placement::Bindings& bindings() const;
    std::string const& hub_id() const;
    std::int64_t epoch() const;

    // Refuses to delete or disable a Rollout on the hub, or to take its policy away, while a member is releasing. Asks
    // the placer where a changed policy would put it; both must outlive it.
    std::shared_ptr<control::Admission> guard_admission(placement::Placer const& placer);

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

// Creates the ControllerRevision that keeps a template of this workload on the hub, under its hash.
control::Write keep_revision(json::Doc const& workload, std::string const& hash, json::Value pod_template,
                             std::int64_t number);

meta::GroupVersionKind kind_of(apis::BoundResource const& resource);
// Kinds by group, version and kind of the documents that the hub itself reads.
inline meta::GroupVersionKind const kRolloutKind{"rollouts.kruise.io", "v1beta1", "Rollout"};
using apis::kRollouts;
inline meta::GroupVersionResource const kControllerRevisions{"apps", "v1", "controllerrevisions"};

}   // namespace aviary::propagation
