// What a CustomResourceDefinition is to be like whose objects a webhook of ours converts. Pure.
#pragma once

#include <optional>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::webhook {

bool is_definition(json::Value const& object);
// Whether nobody else converts its objects: nothing does by now, or `wanted` names the same webhook. One without an
// authority is nobody's yet.
bool is_ours(json::Doc const& live, json::Value const& wanted);
// What to merge into it: spec.conversion of `wanted`, and those of its versions that are missing. Nothing of what
// others convert.
std::optional<json::Value> completed(json::Doc const& live, json::Value const& wanted);

}   // namespace aviary::webhook
