// JsonPatch: builds an RFC 6902 patch whose tests say what was observed, so that a write over somebody else's change
// fails.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"
#include "kube/meta/gvk.h"

namespace aviary::workload {

class JsonPatch {
public:
    using Path = std::vector<std::string_view>;

    // The object the patch is for; it tells which parents exist.
    explicit JsonPatch(json::Doc object) : object_(std::move(object)) {}

    // What was observed there; nothing when nothing was, as JSON Patch cannot say so.
    void test(Path const& path);
    // Creates missing parents. Nothing when the value is there already.
    void set(Path const& path, json::Value value);
    // Nothing when it is not there.
    void remove(Path const& path);

    // What was observed there.
    json::Doc at(Path const& path) const;
    bool changes() const { return changes_; }
    json::Doc const& object() const { return object_; }
    json::Value take();

private:
    json::Object& add(std::string_view operation, Path const& path);

    json::Doc object_;
    json::Array operations_;
    std::set<std::string> created_;
    bool changes_ = false;
};

// Carries the patch out on the object that it is for; absent where it changes nothing.
control::Write as_write(JsonPatch patch, meta::GroupVersionResource const& resource, std::string why);
std::optional<control::Write> write_if_changed(JsonPatch patch, meta::GroupVersionResource const& resource,
                                               std::string why);

// The object without that finalizer, as long as it has those that were observed.
control::Write without_finalizer(json::Doc const& object, meta::GroupVersionResource const& resource,
                                 std::string_view finalizer);

}   // namespace aviary::workload
