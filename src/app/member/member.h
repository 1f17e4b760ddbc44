// What runs for one member cluster: the controllers of releases, and the admission functions that hold new versions
// back. The same for a simulated member in this process and for a real cluster. Lives on one loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/async/task.h"
#include "core/observe/gauges.h"
#include "kube/client/client.h"
#include "kube/control/admission.h"
#include "kube/control/plan.h"
#include "kube/meta/gvk.h"
#include "member/rollout/features.h"

namespace aviary::member {

// What holds new versions back: admission functions, and the copies they read. Asked on every replica, whichever leads.
class Guards {
public:
    // `user` is whom the member's controllers authenticate as: their writes may take a release's marks away, and steps
    // on.
    Guards(client::Client client, std::string user, rollout::Features features = {});
    ~Guards();

    // To be put behind the cluster's webhooks; not to be called once the Guards are gone.
    std::vector<std::shared_ptr<control::Admission>> const& admissions() const;
    Task<void> run(Context ctx);
    bool ready() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

class Member {
public:
    // `user` is whom `client` authenticates as, `ns` the namespace that the controller has for its own.
    Member(client::Client client, std::string user, std::string const& ns, rollout::Features features = {});
    ~Member();

    // As those of Guards, over the copies that the controllers read: for a simulated member's API server.
    std::vector<std::shared_ptr<control::Admission>> const& admissions() const;

    // The cluster must serve apis::member_crds(). Runs until the context stops.
    Task<void> run(Context ctx);
    // True once everything has been listed.
    bool ready() const;
    // What the Rollout waits for, as last decided.
    std::vector<control::Wait> waits(meta::ObjectKey const& rollout) const;
    // Where the releases here are and what they wait for, as metrics. A Rollout that is gone has no series.
    std::vector<observe::Gauges> gauges(Time now) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Says in the cluster which rollout controller it has by now (apis/fleet/controller.h); writes nothing when that is
// said there. The namespace must be there.
Task<Status> announce(Context ctx, client::Client client, std::string ns);

}   // namespace aviary::member
