// The scale sub-resource: autoscaling/v1 Scale from and into any object with replicas. Pure.
#pragma once

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/apiserver/registry.h"

namespace aviary::apiserver {

json::Value scale_of(ResourceInfo const& info, json::Doc const& object);
// Takes spec.replicas of the Scale, and its resourceVersion and uid as preconditions when it has them.
Status set_scale(ResourceInfo const& info, json::Value& object, json::Value const& scale);

}   // namespace aviary::apiserver
