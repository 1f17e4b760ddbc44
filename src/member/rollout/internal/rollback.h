// A rollback in batches: where a Rollout asks for it, the stable version comes back by the Rollout's steps, each of
// which shares out the units that do not have it when that begins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/json/doc.h"
#include "kube/meta/int_or_percent.h"

namespace aviary::rollout {

// Whether the annotation of a Rollout or a BatchRelease asks for it.
bool asks_for_batches(json::Doc const& object);

// What the step asks for, of all units, when so many are spared: had the stable version when the rollback began. Of a
// release none are named, and it is the step itself.
meta::IntOrPercent rollback_share(meta::IntOrPercent const& step, std::int64_t replicas,
                                  std::optional<std::int64_t> spared);

// Upstream's id of a rollback to this revision, as pods can be labelled with it.
std::string rollback_id(std::string_view revision);

}   // namespace aviary::rollout
