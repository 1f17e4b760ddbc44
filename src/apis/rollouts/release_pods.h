// How many pods of the new version a Rollout says there are, whatever its style.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/json/doc.h"

namespace aviary::apis {

// The fields of that part of its status (release_status_name()) which count them.
struct ReleasePodFields {
    std::string_view updated;
    std::string_view ready;   // of these
};
ReleasePodFields release_pod_fields(std::string_view status_name);

// "updated" and "ready", each with its count.
std::array<std::pair<std::string_view, std::int64_t>, 2> release_pods(json::Doc const& rollout);

}   // namespace aviary::apis
