// Strategic merge patch: as a merge patch, but lists that have a merge key merge element by element.
#pragma once

#include "core/base/result.h"
#include "core/json/value.h"
#include "kube/patch/type_tree.h"

namespace aviary::patch {

// Understands $patch: delete|replace|merge, $retainKeys, $setElementOrder/… and $deleteFromPrimitiveList/….
Status apply_strategic_merge(json::Value& document, json::Value const& patch, TypeNode const& type);

}   // namespace aviary::patch
