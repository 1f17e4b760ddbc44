// What a step asks of traffic; what every provider is given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/json/doc.h"

namespace aviary::traffic {

struct Route {
    std::string stable_service;
    std::string canary_service;   // the same as the stable one's where no canary Service is generated
    std::optional<std::int64_t>
        weight;          // percent to the new version, 0 to 100; absent: the step asks for matches alone
    json::Doc matches;   // as the step has them (array); absent: none
    json::Doc request_header_modifier;   // absent: none
    bool operator==(Route const&) const = default;
};

}   // namespace aviary::traffic
