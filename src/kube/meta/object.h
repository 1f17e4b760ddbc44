// What every Kubernetes object has: reads over Docs, and the few edits that controllers make on Values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::meta {

// Empty, or 0, when absent.
std::string name(json::Doc const& object);
std::string ns(json::Doc const& object);
std::string uid(json::Doc const& object);
std::string resource_version(json::Doc const& object);
std::int64_t generation(json::Doc const& object);
std::string label(json::Doc const& object, std::string_view key);
std::string annotation(json::Doc const& object, std::string_view key);
bool is_deleting(json::Doc const& object);
bool has_finalizer(json::Doc const& object, std::string_view finalizer);
ObjectKey key_of(json::Doc const& object);
GroupVersionKind kind_of(json::Doc const& object);
// The resource of a kind whose plural is its name with an s: of all that are written or released here.
GroupVersionResource resource_of(GroupVersionKind const& kind);
GroupVersionResource resource_of(json::Value const& object);
std::optional<Time> created(json::Doc const& object);
// Whether a write changed nothing but the status and the server's own bookkeeping (resource version, managed fields).
// An object that came or went did change.
bool differs_in_status_alone(json::Doc const& before, json::Doc const& after);

struct OwnerReference {
    std::string api_version, kind, name, uid;
    bool controller = false;
    bool block_owner_deletion = false;
};
std::vector<OwnerReference> owners(json::Doc const& object);
// The one with controller: true.
std::optional<OwnerReference> controller_of(json::Doc const& object);
// … its uid; empty: there is none.
std::string controller_uid(json::Doc const& object);
bool is_controlled_by(json::Doc const& object, json::Doc const& owner);
json::Value to_value(OwnerReference const& owner);
// A controller's reference to `owner`.
json::Value controller_reference(json::Doc const& owner);

// The entry of status.conditions; absent when there is none.
json::Doc condition(json::Doc const& object, std::string_view type);
bool condition_is_true(json::Doc const& object, std::string_view type);
// Sets an entry in a list of metav1.Condition; lastTransitionTime follows changes of status alone. True when it
// changed.
bool set_condition(json::Value& conditions, std::string_view type, std::string_view status, std::string_view reason,
                   std::string_view message, Time now, std::int64_t observed_generation = 0);

}   // namespace aviary::meta
