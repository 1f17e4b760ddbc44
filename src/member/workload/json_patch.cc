#include "member/workload/json_patch.h"

#include <utility>

#include "core/json/patch.h"
#include "kube/meta/object.h"

namespace aviary::workload {

namespace {

std::string pointer(JsonPatch::Path const& path, std::size_t length) {
    std::string result;
    for (std::size_t index = 0; index < length; ++index) result += "/" + json::escape_pointer(path[index]);
    return result;
}

}   // namespace

json::Doc JsonPatch::at(Path const& path) const {
    json::Doc found = object_;
    for (std::string_view key : path) found = found[key];
    return found;
}

json::Object& JsonPatch::add(std::string_view operation, Path const& path) {
    operations_.push_back(json::Object{{"op", operation}, {"path", pointer(path, path.size())}});
    return operations_.back().make_object();
}

void JsonPatch::test(Path const& path) {
    json::Doc const seen = at(path);
    if (seen.exists()) add("test", path)["value"] = seen.thaw();
}

void JsonPatch::set(Path const& path, json::Value value) {
    json::Doc const seen = at(path);
    if (seen.exists() && seen == json::Doc::freeze(value)) return;
    json::Doc parent = object_;
    for (std::size_t length = 1; length < path.size(); ++length) {
        parent = parent[path[length - 1]];
        if (parent.is_object()) continue;
        std::string const place = pointer(path, length);
        if (!created_.insert(place).second) continue;
        operations_.push_back(json::Object{{"op", "add"}, {"path", place}, {"value", json::Object()}});
    }
    add("add", path)["value"] = std::move(value);
    changes_ = true;
}

void JsonPatch::remove(Path const& path) {
    if (!at(path).exists()) return;
    add("remove", path);
    changes_ = true;
}

json::Value JsonPatch::take() { return json::Value(std::move(operations_)); }

control::Write as_write(JsonPatch patch, meta::GroupVersionResource const& resource, std::string why) {
    control::Write write;
    write.verb = control::Write::Verb::kJsonPatch;
    write.resource = resource;
    write.key = meta::key_of(patch.object());
    write.body = patch.take();
    write.why = std::move(why);
    return write;
}

std::optional<control::Write> write_if_changed(JsonPatch patch, meta::GroupVersionResource const& resource,
                                               std::string why) {
    if (!patch.changes()) return std::nullopt;
    return as_write(std::move(patch), resource, std::move(why));
}

control::Write without_finalizer(json::Doc const& object, meta::GroupVersionResource const& resource,
                                 std::string_view finalizer) {
    json::Value rest{json::Array()};
    for (auto const& [index, each] : object.at({"metadata", "finalizers"}).elements()) {
        if (each.as_string() != finalizer) rest.push_back(each.as_string());
    }
    JsonPatch patch(object);
    patch.test({"metadata", "finalizers"});
    patch.set({"metadata", "finalizers"}, std::move(rest));
    return as_write(std::move(patch), resource, "nothing is left to undo");
}

}   // namespace aviary::workload
