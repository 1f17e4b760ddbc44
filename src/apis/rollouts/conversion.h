// Rollouts and BatchReleases between their versions v1alpha1 and v1beta1 (the one that is stored). Pure.
//
// Nothing is lost either way: what the other version has no field for goes along in an annotation
// (kConversionAnnotation), the object as it was before. On the way back only what has been changed since is taken from
// the converted object: an edit wins over the annotation, in whichever version it was made. Objects of Kruise Rollouts'
// own converter are read as it does, by their annotations rolling-style and trafficrouting.
#pragma once

#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::apis {

inline constexpr std::string_view kRolloutsOlder = "rollouts.kruise.io/v1alpha1";
inline constexpr std::string_view kRolloutsStored = "rollouts.kruise.io/v1beta1";

// The object in another version of its group ("rollouts.kruise.io/v1alpha1"). Of its metadata the annotations alone
// change. Whatever the object holds, it is converted; an Error says which kind or version there is no conversion for.
Result<json::Value> convert(json::Doc const& object, std::string_view api_version);

}   // namespace aviary::apis
