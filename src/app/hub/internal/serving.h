// What a hub on a kube-apiserver is asked: admission by webhooks and reads across members by an aggregated API.
// Answered by the hub that leads; without one, what it guards is refused. Lives on the hub's loop.
#pragma once

#include <memory>
#include <vector>

#include "app/hub/hub.h"
#include "kube/apiserver/aggregated.h"
#include "kube/control/access_review.h"
#include "kube/webhook/configuration.h"

namespace aviary::hub {

class Serving {
public:
    Serving(std::shared_ptr<control::AccessReviewer> reviewer, std::string hub_user);
    ~Serving();

    // The hub of a term; null when that ends.
    void lead(std::shared_ptr<Hub> hub);
    // Whether there is one that has read the fleet: from then on until the term ends.
    bool leads() const;
    // Notices when that is, asked or not.
    Task<void> run(Context ctx) const;
    std::vector<std::shared_ptr<control::Admission>> admissions() const;
    std::shared_ptr<apiserver::Route> route() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

// Which writes the hub is asked about; not about what it records itself, as `hub_user`.
std::vector<webhook::Rule> webhook_rules(std::string const& hub_user, propagation::Mode mode = propagation::Mode::kFull,
                                         placement::Allowed allowed = placement::Allowed::kEverywhere);

}   // namespace aviary::hub
