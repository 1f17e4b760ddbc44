// What the hub knows of each kind of workload, for the release guard. Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::propagation {

using FieldPath = std::vector<std::string_view>;

// Where the object says what its pods are like: versions of a workload differ in that. Null in one that is none.
FieldPath const& template_path(json::Doc const& workload);
json::Doc template_in(json::Doc const& object);
json::Value const& template_in(json::Value const& object);
void set_template(json::Value& object, json::Value pod_template);

// How pods of a new template are kept from coming: this field says this.
struct Freezing {
    FieldPath field;
    json::Value says;
};
// Absent when nothing keeps them from coming: of another kind, or of a StatefulSet that is updated as its pods are
// deleted.
std::optional<Freezing> freezing(json::Doc const& workload);

// The fields that a rollout controller in a member steers by: left out of what is applied between in-progressing and
// Healthy, each once somebody else owns it.
std::vector<FieldPath> release_fields(std::string_view kind);

json::Doc value_at(json::Doc object, FieldPath const& path);
void set_at(json::Value& object, FieldPath const& path, json::Value value);
// Maps that it leaves empty go too.
void erase_at(json::Value& object, FieldPath const& path);

}   // namespace aviary::propagation
