// Division of replicas between clusters by weight: Webster / Sainte-Laguë with Karmada's tie rules (its "assigning
// replicas").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace aviary::placement {

struct Share {
    std::string cluster;
    std::int64_t value = 0;   // a weight going in, replicas coming out
    bool operator==(Share const&) const = default;
};

// Gives `replicas` seats, one after the other, to the cluster with the largest weight / (2 × seats + 1). Ties: fewer
// seats first, then by name: ascending when the object's uid is empty or its FNV-1a-32 is even, descending when it is
// odd. Weights of 0 or less get nothing. The result has every cluster of `weights`, sorted by name. Pure.
std::vector<Share> divide(std::int64_t replicas, std::vector<Share> weights, std::string_view uid);

}   // namespace aviary::placement
