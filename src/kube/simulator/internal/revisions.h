// ControllerRevisions: how StatefulSets and DaemonSets remember the templates they have had.
#pragma once

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
json::Value revision_object(json::Doc const& owner, std::string kind, std::string name, std::string_view hash_label,
                            std::string hash, std::int64_t number);
// Makes an earlier revision the newest one.
control::Write renumbering(json::Doc const& revision, std::int64_t number);

}   // namespace aviary::simulator
