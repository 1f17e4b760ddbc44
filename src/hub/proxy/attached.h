// A release that its clusters alone know, because something else than a hub has delivered it there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/client/transport.h"

#include "hub/proxy/explain.h"

namespace aviary::proxy {

// Pure. What is released, from what each cluster has; it is in those whose Rollout is there, or cannot be known. Says
// so in the views, what each comes from, and where it was taken back, or is on the way.
Release release_among(std::vector<ClusterView>& views);

// Pure. Whether the workload has what its last release came from, as its Rollout says: for good, or on the way there.
// `pods`: what is known of the workload's, their metadata at least.
bool went_back(json::Doc const& rollout, json::Doc const& workload, std::vector<json::Doc> const& pods);

// An undo of a release that was finished is a release like any other. This annotation of the workload tells:
// "<template_mark()>;<the version that was taken back>".
inline constexpr std::string_view kUndone = "fleet.aviary.dev/undone";
std::string template_mark(json::Doc const& workload);
// The version that was taken back for what the workload has now; empty: none was, or the workload has another one
// since.
std::string undone_version(json::Doc const& workload);

// Where the revisions of a workload are: ReplicaSets or ControllerRevisions.
meta::GroupVersionResource revisions_of(json::Doc const& workload);
bool owned_by(json::Doc const& revision, json::Doc const& workload);
std::int64_t revision_number(json::Doc const& revision);   // the newest has the highest
// Whether one of them is what pods and statuses call by this hash or name.
bool is_revision(json::Doc const& revision, json::Doc const& workload, std::string_view hash);

// Reads the workload that the view's Rollout points at, and its pods, from its cluster; and its revisions where no pod
// is left of a version that was taken back.
using Get = std::function<Task<Result<client::Response>>(client::Request)>;
Task<void> read_workload(Get get, ClusterView& view);

}   // namespace aviary::proxy
