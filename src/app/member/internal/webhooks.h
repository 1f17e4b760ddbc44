// Which writes the member's admission functions are asked about in a real cluster.
#pragma once

#include <vector>

#include "kube/webhook/configuration.h"

namespace aviary::member {

std::vector<webhook::Rule> webhook_rules();

}   // namespace aviary::member
