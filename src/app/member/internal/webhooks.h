// Which writes the member's admission functions are asked about in a real cluster.
#pragma once

#include <string>
#include <vector>

#include "kube/webhook/configuration.h"
#include "member/rollout/features.h"

namespace aviary::member {

// `controller_user` is whom the member's controllers authenticate as: what they write of a release waits for nobody.
std::vector<webhook::Rule> webhook_rules(std::string const& controller_user, rollout::Features features = {});

}   // namespace aviary::member
