// FieldSet: which fields of an object somebody owns; FieldsV1 of metadata.managedFields (structured-merge-diff).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/patch/type_tree.h"

namespace aviary::patch {

// A tree of path elements in their FieldsV1 form: "f:spec", "k:{"name":"x"}", "v:"a"", "i:0". A plain value.
class FieldSet {
public:
    bool owned = false;   // this very path is in the set
    std::map<std::string, FieldSet, std::less<>> children;

    bool empty() const { return !owned && children.empty(); }
    FieldSet const* find(std::string_view element) const;
    void insert(FieldSet const& other);
    void remove(FieldSet const& other);
    // Drops branches without an owned path.
    void compact();
    // Every owned path, as error messages show them: .spec.containers[name="x"].image
    std::vector<std::string> paths() const;
    bool operator==(FieldSet const&) const = default;

    // Leaves out what is no path element: clients write managedFields too.
    static FieldSet from_json(json::Doc const& fields);
    json::Value to_json() const;
};

// Every field that a configuration says, but for those that the server keeps (name, uid, managedFields …).
FieldSet fields_of(json::Value const& object, TypeNode const& type);
// The fields whose values differ between the two, or are in one only: what a write from `before` to `after` touched.
// `removed` gets those that are in `before` only.
FieldSet changed_fields(json::Value const& before, json::Value const& after, TypeNode const& type, FieldSet& removed);

// Where in a list its elements are, by what stands for them; the first of equal ones.
class ElementIndex {
public:
    enum class By { kType, kKey, kValue };
    ElementIndex(json::Value const& list, TypeNode const& type, By by = By::kType);
    std::optional<std::size_t> find(std::string const& key) const;

private:
    std::map<std::string, std::size_t, std::less<>> places_;
};

// What stands for the element of a list: "k:{"name":"x"}", or of a set "v:"a"".
std::string element_key(json::Value const& element, TypeNode const& list);
// The element of a list-map that stands for `element`: "k:{"name":"x"}".
std::string list_key(json::Value const& element, TypeNode const& list);

}   // namespace aviary::patch
