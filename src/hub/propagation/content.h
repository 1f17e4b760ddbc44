// Content: what the hub's object and its binding say, status apart, and since which version of the hub's store. By it
// is told which of two states of a hub is newer: status that is written meanwhile makes none newer. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "core/json/doc.h"

namespace aviary::propagation {

struct Content {
    std::string key;            // another one whenever something else is said
    std::int64_t version = 0;   // a resource version of the hub's store
    bool operator==(Content const&) const = default;
};

// `source` is absent once the object is gone. `last` is what was answered before, null where a process has just begun:
// then the binding's status tells, as it was written by the process before.
Content content_of(json::Doc const& source, json::Doc const& binding, Content const* last);

}   // namespace aviary::propagation
