// ControllerRevisions: the versions of a set, as its own controller keeps them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"
#include "kube/meta/pods.h"
#include "member/workload/native_set.h"

namespace aviary::workload {

using meta::kRevisionHashLabel;

// The template that a revision puts back.
json::Value template_of(json::Doc const& revision);
// The newest one with this template; absent: there is none.
json::Doc revision_with(json::Doc const& pod_template, std::vector<json::Doc> const& revisions);
// The version, as pods and revisions are labelled with it under this key, that most of these pods have, as far as they
// are active, the newest of equals. Empty: there is none.
std::string prevailing_revision(std::vector<json::Doc> const& pods, std::vector<json::Doc> const& revisions,
                                std::string_view label_key = kRevisionHashLabel);
// The one that the template's replaces: that of most of the other pods. Where all have the template's, the newest
// beside it, if one without pods may be meant; else empty.
std::string replaced_revision(NativeSetInputs inputs, bool without_pods);
// Whether most pods of a DaemonSet run its template, by its own account: copies of pods may lag behind.
bool prevails(json::Doc const& daemon_set);
// Takes these annotations away: the native controller copies a set's to the revisions that it makes.
std::vector<control::Write> clean_revisions(std::vector<json::Doc> const& revisions,
                                            std::span<std::string_view const> annotations);

}   // namespace aviary::workload
