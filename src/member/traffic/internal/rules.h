// The rules of one route, and what a step makes of them.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "member/traffic/route.h"

namespace aviary::traffic {

// Which backends of a route are the stable one, and which the canary. Where both are one Service the canary's requests
// are told by headers that are changed on the way: by `modifier`, in a rule or a backend.
class Backends {
public:
    Backends(json::Doc const& route, std::string_view stable, std::string_view canary, json::Value modifier);

    bool is_stable(json::Value const& backend) const;
    bool is_canary(json::Value const& backend) const;
    // The canary beside a stable one, without a weight of its own.
    json::Value canary_beside(json::Value const& stable) const;
    bool any_stable(json::Value const& rule) const;
    bool any_canary(json::Value const& rule) const;
    // One of a Service, which was made for a release: no pool is.
    bool is_canary_service(json::Value const& backend) const;
    bool any_canary_service(json::Value const& rule) const;
    // A rule that is for the canary alone.
    bool for_canary(json::Value const& rule) const { return any_canary(rule) && !any_stable(rule); }

private:
    enum class Kind { kService, kPool, kOther };
    Kind kind_of(json::Value const& backend) const;
    std::string canary_name_for(Kind kind) const;
    // Whether its filters change headers as the modifier says.
    bool changes_headers(json::Value const& owner) const;
    bool is_marked(json::Value const& rule) const;   // a whole rule for the canary of one Service

    std::string ns_, stable_, canary_;
    json::Value modifier_;
};

// The stable backends' weights split: their own share alone, whatever else the rule leads to.
json::Array split_weights(json::Array rules, Backends const& backends, std::int64_t weight,
                          json::Doc const& header_modifier);

// Rules for the canary in front of those they are made of: of two that match alike the first one counts.
Result<json::Array> add_matches(json::Array const& rules, Backends const& backends, Route const& route, bool grpc);

}   // namespace aviary::traffic
