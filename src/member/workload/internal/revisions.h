// ControllerRevisions: the versions of a StatefulSet or a DaemonSet, as its native controller keeps them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"
#include "kube/meta/pods.h"

namespace aviary::workload {

using meta::kRevisionHashLabel;

// The template that a revision puts back.
json::Value template_of(json::Doc const& revision);
// The newest one with this template; absent: there is none.
json::Doc revision_with(json::Doc const& pod_template, std::vector<json::Doc> const& revisions);
// Takes these annotations away: the native controller copies a set's to the revisions that it makes.
std::vector<control::Write> clean_revisions(std::vector<json::Doc> const& revisions,
                                            std::span<std::string_view const> annotations);

}   // namespace aviary::workload
