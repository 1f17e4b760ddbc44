// The marks that a release puts on a workload of any kind.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::workload {

std::string_view annotation_of(json::Value const& object, std::string_view key);
// The member named `field` of a JSON text in an annotation; empty: there is none.
std::string field_of(std::string const& text, std::string_view field);
// Who holds what is so marked: the Rollout's name, or the mark itself where somebody has written another thing there.
std::string holder_of(std::string const& in_progressing);
// The user's own id of the workload's release: the label, or else the annotation that began it. Empty: none that pods
// can be labelled with.
std::string rollout_id_of(json::Doc const& workload);
// JSON of the owner reference that upstream notes on what a BatchRelease controls.
std::string control_info(json::Doc const& batch_release);

// The partition that a set had before a release, a number or a percentage, which it gets back at the end: in the
// in-progressing annotation, beside the name of the Rollout. 0: none, and nothing is noted.
json::Value own_partition(std::string const& in_progressing);
std::string in_progressing(std::string const& rollout, json::Value own_partition = {});

// Without it an API server would not ask about the next write.
void keep_label(json::Value& object, json::Doc const& old);
// A replace that knows nothing of the release takes its marks along; they stay.
void keep_marks(json::Value& object, json::Doc const& old, std::span<std::string_view const> annotations,
                std::span<std::string_view const> labels);
void drop_marks(json::Value& object, std::span<std::string_view const> annotations,
                std::span<std::string_view const> labels);

}   // namespace aviary::workload
