// What stored objects say, as the laws and the users of a simulation read it: apart from the code under test.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"

namespace aviary::sim {

// The image of a workload's pods, also of what a ControllerRevision keeps of one; empty: it has none.
std::string image_of(json::Doc const& workload);
std::string image_of_pod(json::Doc const& pod);

// Of a Rollout:
std::string_view phase_of(json::Doc const& rollout);
bool blue_green(json::Doc const& rollout);
json::Doc release_of(json::Doc const& rollout);   // the part of the status that is its style's
std::string_view state_of(json::Doc const& rollout);
std::int64_t step_of(json::Doc const& rollout);
std::string revision_of(json::Doc const& rollout);
json::Doc steps_of(json::Doc const& rollout);
// "partition", "canary" or "blue-green".
std::string_view style_of(json::Doc const& rollout);
// In the middle of a release, which is not being ended.
bool rolling(json::Doc const& rollout);
// … in a style that has both versions side by side.
bool side_by_side(json::Doc const& rollout);
// A release of it is being ended: until that is done a new template would find nothing that holds it.
bool closing(json::Doc const& rollout);
// … as it is being deleted or disabled.
bool leaving(json::Doc const& rollout);

// Of "40%"; 0 where nothing is said.
std::int64_t percent_of(json::Doc const& text);
// As many of `size` pods, rounded up.
inline std::int64_t pods_of_share(std::int64_t size, std::int64_t percent) { return (size * percent + 99) / 100; }

// The image of the one that is named so of a list of ReplicaSets or ControllerRevisions; empty: it is not there.
std::string version_of_revision(json::Doc const& revisions, std::string_view name);

// Of "web-57f9ccb744", a ControllerRevision, which a release that is quicker than it names by the hash alone.
std::string own_hash(std::string const& revision);
// … of the version that a pod's labels, or a Service's selector, name.
std::vector<std::string> hashes_in(json::Doc const& labels);

}   // namespace aviary::sim
