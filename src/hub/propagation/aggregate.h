// Folds what members report of one object into the hub's object. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::propagation {

// Bytes of a text of a member that go into a status on the hub: a member may say anything.
inline constexpr std::size_t kMaxMessage = 1024;

struct Reported {
    std::string cluster;
    json::Doc live;         // the member's object; absent when it is not there
    bool current = false;   // carries the hub's newest render
    bool away = false;      // does not answer: `live` is what was last seen
    // A Rollout: its workload is pinned there, against the hub's newest version.
    bool taken_back = false;
    // … has not the hub's version there: of a release that failed before, the failure stands.
    bool lacks_newest = false;
};

// The fields of status to set on the hub's object, null where one goes; an empty object when there is nothing to say
// (kinds without a rule).
json::Value aggregate(json::Doc const& source, std::vector<Reported> const& reported, Time now);

// What a merge patch of the object's status has to say for it to become as wanted; empty when nothing.
json::Value status_changes(json::Doc const& object, json::Value const& wanted);

}   // namespace aviary::propagation
