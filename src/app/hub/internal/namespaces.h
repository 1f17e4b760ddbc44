// Of a hub that is attached: on the hub's API the namespaces of the members' Rollouts, so that what people decide about
// these can be kept there. Lives on the hub's loop.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "hub/clusters/members.h"
#include "kube/control/controller.h"

namespace aviary::hub {

class Namespaces {
public:
    Namespaces(client::Client hub, clusters::Members& members);
    Task<void> run(Context ctx);

private:
    control::Plan decide(control::Key const& key, Time now);

    client::Client hub_;
    client::Informer there_;
    std::set<std::string> wanted_;   // that were not seen there since a Rollout named them
    std::set<std::string> made_;
    std::unique_ptr<control::Controller> controller_;
};

}   // namespace aviary::hub
