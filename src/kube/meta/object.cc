#include "kube/meta/object.h"

#include "core/base/strings.h"

#include <algorithm>

namespace aviary::meta {

namespace {

json::Doc metadata(json::Doc const& object, std::string_view field) { return object.at({"metadata", field}); }

json::Doc controller(json::Doc const& object) {
    for (auto const& [key, owner] : metadata(object, "ownerReferences").elements()) {
        if (owner["controller"].as_bool()) return owner;
    }
    return {};
}

OwnerReference read_owner(json::Doc const& owner) {
    return {owner["apiVersion"].string(), owner["kind"].string(),        owner["name"].string(),
            owner["uid"].string(),        owner["controller"].as_bool(), owner["blockOwnerDeletion"].as_bool()};
}

bool same_but(json::Doc const& before, json::Doc const& after, std::initializer_list<std::string_view> but) {
    auto const counts = [&](std::string_view member) { return std::ranges::find(but, member) == but.end(); };
    for (auto const& [member, value] : before.members()) {
        if (counts(member) && !(value == after[member])) return false;
    }
    for (auto const& [member, value] : after.members()) {
        if (counts(member) && !before.contains(member)) return false;
    }
    return true;
}

}   // namespace

std::string name(json::Doc const& object) { return metadata(object, "name").string(); }
std::string ns(json::Doc const& object) { return metadata(object, "namespace").string(); }
std::string uid(json::Doc const& object) { return metadata(object, "uid").string(); }
std::string resource_version(json::Doc const& object) { return metadata(object, "resourceVersion").string(); }
std::int64_t generation(json::Doc const& object) { return metadata(object, "generation").as_int(); }
std::string label(json::Doc const& object, std::string_view key) {
    return object.at({"metadata", "labels", key}).string();
}
std::string annotation(json::Doc const& object, std::string_view key) {
    return object.at({"metadata", "annotations", key}).string();
}
bool is_deleting(json::Doc const& object) { return metadata(object, "deletionTimestamp").is_string(); }

bool has_finalizer(json::Doc const& object, std::string_view finalizer) {
    for (auto const& [key, each] : metadata(object, "finalizers").elements()) {
        if (each.as_string() == finalizer) return true;
    }
    return false;
}

ObjectKey key_of(json::Doc const& object) { return {ns(object), name(object)}; }

GroupVersionKind kind_of(json::Doc const& object) {
    auto [group, version] = parse_api_version(object["apiVersion"].as_string());
    return {std::move(group), std::move(version), object["kind"].string()};
}

GroupVersionResource resource_of(GroupVersionKind const& kind) {
    return {kind.group, kind.version, to_lower(kind.kind) + "s"};
}

GroupVersionResource resource_of(json::Value const& object) {
    auto [group, version] = parse_api_version(object["apiVersion"].as_string());
    return resource_of(GroupVersionKind{std::move(group), std::move(version), object["kind"].string()});
}

std::optional<Time> created(json::Doc const& object) {
    return parse_rfc3339(metadata(object, "creationTimestamp").as_string());
}

bool differs_in_status_alone(json::Doc const& before, json::Doc const& after) {
    return before.exists() && after.exists() && same_but(before, after, {"status", "metadata"}) &&
           same_but(before["metadata"], after["metadata"], {"resourceVersion", "managedFields"});
}

std::vector<OwnerReference> owners(json::Doc const& object) {
    std::vector<OwnerReference> result;
    for (auto const& [key, owner] : metadata(object, "ownerReferences").elements()) result.push_back(read_owner(owner));
    return result;
}

std::optional<OwnerReference> controller_of(json::Doc const& object) {
    json::Doc const owner = controller(object);
    return owner.exists() ? std::optional(read_owner(owner)) : std::nullopt;
}

std::string controller_uid(json::Doc const& object) { return controller(object)["uid"].string(); }

bool is_controlled_by(json::Doc const& object, json::Doc const& owner) {
    json::Doc const found = controller(object);
    return found.exists() && found["uid"].as_string() == metadata(owner, "uid").as_string();
}

json::Value to_value(OwnerReference const& owner) {
    json::Value value{json::Object{
        {"apiVersion", owner.api_version}, {"kind", owner.kind}, {"name", owner.name}, {"uid", owner.uid}}};
    if (owner.controller) value["controller"] = true;
    if (owner.block_owner_deletion) value["blockOwnerDeletion"] = true;
    return value;
}

json::Value controller_reference(json::Doc const& owner) {
    return to_value({owner["apiVersion"].string(), owner["kind"].string(), name(owner), uid(owner), true, true});
}

json::Doc condition(json::Doc const& object, std::string_view type) {
    return object.at({"status", "conditions"}).find("type", type);
}

bool condition_is_true(json::Doc const& object, std::string_view type) {
    return condition(object, type)["status"].as_string() == "True";
}

bool set_condition(json::Value& conditions, std::string_view type, std::string_view status, std::string_view reason,
                   std::string_view message, Time now, std::int64_t observed_generation) {
    json::Value* found = nullptr;
    for (json::Value& each : conditions.make_array()) {
        if (each["type"].as_string() == type) found = &each;
    }
    if (found == nullptr) {
        conditions.push_back(json::Object{{"type", type}});
        found = &conditions.make_array().back();
    }
    json::Value before = *found;
    if ((*found)["status"].as_string() != status) (*found)["lastTransitionTime"] = format_rfc3339(now);
    (*found)["status"] = status;
    (*found)["reason"] = reason;
    (*found)["message"] = message;
    if (observed_generation > 0) (*found)["observedGeneration"] = observed_generation;
    return !(before == *found);
}

}   // namespace aviary::meta
