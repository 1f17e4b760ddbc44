// What runs for one member cluster: the controllers of releases, and the admission functions that hold new versions
// back. The same for a simulated member in this process and for a real cluster. Lives on one loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/async/task.h"
#include "kube/client/client.h"
#include "kube/control/admission.h"
#include "kube/control/plan.h"
#include "kube/meta/gvk.h"

namespace aviary::member {

class Member {
public:
    // `user` is whom `client` authenticates as: its writes may take a release's marks away, and steps on.
    Member(client::Client client, std::string user);
    ~Member();

    // To be installed in the cluster's API server, or behind its webhooks; not to be called once the Member is gone.
    std::vector<std::shared_ptr<control::Admission>> const& admissions() const;

    // The cluster must serve apis::member_crds(). Runs until the context stops.
    Task<void> run(Context ctx);
    // True once everything has been listed.
    bool ready() const;
    // What the Rollout waits for, as last decided.
    std::vector<control::Wait> waits(meta::ObjectKey const& rollout) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::member
