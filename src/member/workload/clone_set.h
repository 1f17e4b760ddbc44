// CloneSets of Kruise, in two styles. Partition: held by their partition, and rolled by Kruise's controller, as many at
// a time as their own strategy says. Blue-green: no pod of the new version counts as available, so that controller
// makes as many above spec.replicas as maxSurge says, and takes no old one away.
#pragma once

#include <memory>
#include <string_view>

#include "member/workload/native_set.h"
#include "member/workload/workload.h"

namespace aviary::workload {

inline constexpr std::string_view kKruiseGroup = "apps.kruise.io";

// `style` is one of apis::batch::k…Style, canary style being partition style here; empty: as the marks of a release
// say.
std::unique_ptr<Workload> observe_clone_set(NativeSetInputs inputs, std::string_view style, Time now);

// The revision of a CloneSet as its pods are labelled with it, by its name.
std::string_view short_revision(std::string_view name);

}   // namespace aviary::workload
