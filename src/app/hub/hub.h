// The hub's controllers, put together over one API and a way to reach members. Lives on one loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/hub/internal/namespaces.h"
#include "app/process/process.h"
#include "core/async/task.h"
#include "hub/clusters/members.h"
#include "hub/decision/admission.h"
#include "hub/decision/decider.h"
#include "hub/placement/bindings.h"
#include "hub/placement/sources.h"
#include "hub/propagation/propagator.h"
#include "hub/recovery/recorder.h"
#include "kube/client/lease.h"
#include "kube/control/events.h"

namespace aviary::hub {

class Hub {
public:
    // `client` speaks to the hub's API; `connect` makes a member's transport; `audit` is told of Decisions.
    // `epoch` is raised when a hub is recovered from its members. `ns` is where `aviary member` is at home in members.
    Hub(client::Client client, std::string hub_id, clusters::Members::Connect connect, decision::AuditSink audit = {},
        propagation::Mode mode = propagation::Mode::kFull, std::int64_t epoch = 1,
        placement::Allowed allowed = placement::Allowed::kEverywhere, std::string ns = process::kNamespace);

    propagation::Propagator& propagator() { return propagator_; }
    clusters::Members& members() { return members_; }
    std::shared_ptr<control::Admission> guard_admission() { return propagator_.guard_admission(placer_); }
    // Every copy that deciding needs is there, and what was found out of members is on record. A question for the
    // beginning: later it is false now and then, as members come and go.
    bool ready() const;
    Task<void> run(Context ctx);

private:
    // An Event of its ManagedCluster when it stops answering, and when it does again.
    void tell_of(clusters::Member const& member, client::Client const& client);

    std::optional<Context> ctx_;   // while it runs
    control::EventRecorder events_;
    std::map<std::string, bool> answered_;   // by cluster, when last told of
    clusters::Members members_;
    placement::Sources sources_;
    placement::Bindings bindings_;
    placement::Placer placer_;
    propagation::Propagator propagator_;
    decision::Decider decider_;
    std::unique_ptr<recovery::Recorder> recorder_;   // not when attached: there are no bindings
    std::unique_ptr<Namespaces> namespaces_;         // attached alone
};

// Runs the hub while the lease is held, until the context stops. Each term, and each identity in it, has a Hub of its
// own, so nothing an earlier term knew is acted on, and all its writes, to the hub's API and to members, are fenced by
// the lease. `serving` is told the Hub of a term when it begins, and null when that ends; requests under way may keep
// it, and do nothing more by it than read.
struct LeasedHub {
    client::Client client;
    std::string hub_id;
    // The ConfigMap on the hub that says otherwise which fleet it is the hub of, and its epoch (fleet_identity.h). When
    // that changes, all is read anew. No name: there is none.
    meta::ObjectKey identity = {};
    clusters::Members::Connect connect;
    std::function<void(std::shared_ptr<Hub>)> serving = {};
    // Runs beside the Hub of a term, with the client of that term, until it ends.
    std::function<Task<void>(Context, client::Client)> beside = {};
    decision::AuditSink audit = {};
    propagation::Mode mode = propagation::Mode::kFull;
    placement::Allowed allowed = placement::Allowed::kEverywhere;
    std::string ns = process::kNamespace;
    Duration margin = client::kFenceMargin;
};
Task<void> run_with_lease(Context ctx, client::Lease& lease, LeasedHub parts);

// Registers a member that the hub accepts, when it is not there yet.
Task<Status> register_cluster(Context ctx, client::Client client, std::string name, std::string url);

}   // namespace aviary::hub
