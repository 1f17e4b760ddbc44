// ControllerRevisions: how workloads that have no ReplicaSets remember the templates they have had.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

// What a revision keeps of a template: a strategic merge patch that puts it back.
json::Value revision_data(json::Doc const& pod_template);
// The template that this data puts back.
json::Doc template_of(json::Value data);
bool has_data(json::Doc const& revision, json::Value const& data);

std::int64_t revision_number(json::Doc const& revision);
// Oldest first: by number, then by creation, then by name.
std::vector<json::Doc> by_number(std::vector<json::Doc> revisions);

// A revision of the owner's template, with the template's labels and the owner's annotations. The hash is put under
// `hash_label`.
json::Value revision_object(json::Doc const& owner, meta::GroupVersionKind const& kind, std::string name,
                            std::string_view hash_label, std::string hash, std::int64_t number);
// Any object of the owner's namespace by resource and name, whoever controls it.
using Find = std::function<json::Doc(meta::GroupVersionResource const&, std::string const&)>;

// What a set is going to, and what it was before that.
struct ActiveRevisions {
    std::string current;
    std::string update;
    json::Doc current_template;
    std::int64_t collisions = 0;
    std::vector<control::Write> writes;   // that make or renumber the one of the template
};

// `revisions` are those that the owner controls; its status names the current one. Nothing for an owner that is being
// deleted and has no revision of its template.
std::optional<ActiveRevisions> active_revisions(json::Doc const& owner, meta::GroupVersionKind const& kind,
                                                std::vector<json::Doc> const& revisions, Find const& find);
// Deletes the oldest that are not live, beyond spec.revisionHistoryLimit.
void truncate_revisions(control::Plan& plan, json::Doc const& owner, std::vector<json::Doc> const& revisions,
                        std::function<bool(json::Doc const&)> const& live);
// Makes an earlier revision the newest one.
control::Write renumbering(json::Doc const& revision, std::int64_t number);

}   // namespace aviary::simulator
