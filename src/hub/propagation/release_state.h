// What the objects of a member, and those of all, say of a release there. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apis/fleet/brought.h"
#include "core/json/doc.h"
#include "kube/meta/gvk.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

// The kind that a Rollout points at, and the key.
std::pair<meta::GroupVersionKind, meta::ObjectKey> workload_of(json::Doc const& rollout);

// Whether this workload of a member is in the middle of a release there.
bool releasing(json::Doc const& workload);
// Whether the hub's own freeze holds it.
bool frozen(json::Doc const& workload);
// Whether a workload is to have no pods; and whether it has none left, either.
bool scaled_to_nothing(json::Doc const& workload);
bool without_pods(json::Doc const& workload);
bool rollout_progressing(json::Doc const& rollout);
// Finalising, Cancelling, Terminating or Disabling: an un-pause may be under way.
bool rollout_closing(json::Doc const& rollout);

using apis::stable_template;
// The templates, by their hashes, that the labels of a member's workload name; some may be empty.
std::vector<std::string> templates_named(json::Doc const& workload);
// What kReplacedLabel and kReplacedAtLabel say.
struct ReplacedNote {
    std::string replaced, at;
};
// Once another template replaces the one that this workload has. Empty: no release, or its controller notes no stable
// revision.
ReplacedNote replaced_note(json::Doc const& workload, json::Doc const& rollout);
// While nothing is replaced.
ReplacedNote replaced_note(json::Doc const& workload);

// The template, by its hash, that a cluster without pods begins with while others, whose workloads these are, do not
// have the `wanted` one yet: what they come from, or, where they do not tell, what was `recorded` as at rest before.
// Empty: the wanted one.
std::string stable_elsewhere(std::vector<json::Doc> const& others, std::string_view wanted, std::string recorded);

// Where a release that is taken back goes in a cluster with this workload: to what it comes from; where the hub's
// version has not come, it stays what it is; and else to the version before. Empty: not known.
std::string version_before(json::Doc const& workload, std::string_view hub_template);

// Whether on-delete may say so: Rollback, Hold, Release.
bool is_word_on_delete(std::string_view on_delete);
// Whether this word of on-delete has something done between the deletion and the end: Rollback, Hold.
bool is_done_first(std::string_view on_delete);
// Whether this Rollout of the hub waits, being deleted, for that: until then it is still there.
bool leaving(json::Doc const& hub_rollout);
// Whether a member's Rollout, or the freeze of the hub, holds a new version back from the workload.
bool holds_back(json::Doc const& rollout, json::Doc const& workload);

// Whether a member's Rollout, in a release that is not closing, has seen the template that its workload has.
bool observed(json::Doc const& workload, json::Doc const& rollout);

// What is recorded: the template, by its hash, that is at rest in some of these workloads of members: the hub's when it
// has come to rest anywhere, else what a release comes from, else what was recorded before.
std::string stable_revision(std::vector<json::Doc> const& workloads, std::string_view wanted, std::string before);

}   // namespace aviary::propagation
