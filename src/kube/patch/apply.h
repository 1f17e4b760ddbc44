// Server-side apply and the upkeep of metadata.managedFields (structured-merge-diff). Pure.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/json/value.h"
#include "kube/patch/type_tree.h"

namespace aviary::patch {

struct Manager {
    std::string name;          // field manager
    std::string api_version;   // in which the fields are written
    std::string subresource;
    Time now;
};

// Merges `applied` into `live` (null: there is no object yet) as this manager's whole will: fields that it applied
// before and no longer says are removed unless somebody else owns them. Conflict names managers and fields; `force`
// takes the fields. The result carries the new managedFields.
Result<json::Value> apply(json::Value const& live, json::Value applied, Manager const& manager, bool force,
                          TypeNode const& type);

// Notes in after.metadata.managedFields what an ordinary write from `before` (null: a creation) to `after` has changed.
// Entries that the writer has rewritten there itself count; a list of one empty entry forgets all of them.
void track_update(json::Value const& before, json::Value& after, Manager const& manager, TypeNode const& type);

}   // namespace aviary::patch
