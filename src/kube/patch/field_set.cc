#include "kube/patch/field_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::patch {

namespace {

using json::Value;
using Kind = TypeNode::Kind;

// What the server itself keeps is nobody's (fieldmanager's stripSet).
bool kept_by_server(std::string_view key, int depth) {
    if (depth == 0) return key == "apiVersion" || key == "kind";
    static constexpr std::string_view kMetadata[] = {"name",
                                                     "namespace",
                                                     "uid",
                                                     "resourceVersion",
                                                     "generation",
                                                     "creationTimestamp",
                                                     "selfLink",
                                                     "managedFields",
                                                     "deletionTimestamp",
                                                     "deletionGracePeriodSeconds",
                                                     "generateName"};
    return std::ranges::find(kMetadata, key) != std::end(kMetadata);
}

bool granular_object(TypeNode const& type, Value const& value) {
    return value.is_object() && type.kind != Kind::kAtomicMap && type.kind != Kind::kScalar;
}
bool granular_list(TypeNode const& type, Value const& value) {
    return value.is_array() && (type.kind == Kind::kMapList || type.kind == Kind::kSetList);
}

TypeNode const& element_type(TypeNode const& list) { return list.element != nullptr ? *list.element : untyped(); }

void collect(Value const& value, TypeNode const& type, FieldSet& set, int depth, bool in_metadata) {
    if (granular_object(type, value) && value.size() > 0) {
        for (auto const& [key, child] : value.object()) {
            if ((depth == 0 || (depth == 1 && in_metadata)) && kept_by_server(key, depth)) continue;
            collect(child, type.field(key), set.children["f:" + key], depth + 1, depth == 0 && key == "metadata");
        }
    } else if (granular_list(type, value) && value.size() > 0) {
        for (Value const& element : value.array()) {
            FieldSet& item = set.children[element_key(element, type)];
            item.owned = true;
            if (type.kind == Kind::kMapList) collect(element, element_type(type), item, depth + 1, false);
        }
    } else {
        set.owned = true;
    }
}

void compare(Value const* before, Value const* after, TypeNode const& type, FieldSet& touched, FieldSet& removed,
             int depth, bool in_metadata) {
    if (before != nullptr && after != nullptr && *before == *after) return;
    if (after == nullptr) {
        collect(*before, type, removed, depth, in_metadata);
        return;
    }
    if (before == nullptr) {
        collect(*after, type, touched, depth, in_metadata);
        return;
    }
    if (granular_object(type, *before) && granular_object(type, *after)) {
        auto const each = [&](std::string const& key) {
            if ((depth == 0 || (depth == 1 && in_metadata)) && kept_by_server(key, depth)) return;
            compare(before->find(key), after->find(key), type.field(key), touched.children["f:" + key],
                    removed.children["f:" + key], depth + 1, depth == 0 && key == "metadata");
        };
        for (auto const& [key, child] : after->object()) each(key);
        for (auto const& [key, child] : before->object()) {
            if (!after->contains(key)) each(key);
        }
        return;
    }
    if (granular_list(type, *before) && granular_list(type, *after)) {
        auto const each = [&](std::string const& key, Value const* old_element, Value const* new_element) {
            FieldSet& now = touched.children[key];
            if (old_element == nullptr) now.owned = true;
            if (new_element == nullptr) removed.children[key].owned = true;
            if (type.kind == Kind::kMapList)
                compare(old_element, new_element, element_type(type), now, removed.children[key], depth + 1, false);
        };
        ElementIndex const old_places(*before, type);
        ElementIndex const new_places(*after, type);
        for (Value const& element : after->array()) {
            std::string const key = element_key(element, type);
            auto const place = old_places.find(key);
            each(key, place ? &(*before)[*place] : nullptr, &element);
        }
        for (Value const& element : before->array()) {
            std::string const key = element_key(element, type);
            if (!new_places.find(key)) each(key, &element, nullptr);
        }
        return;
    }
    touched.owned = true;
}

void add_paths(FieldSet const& set, std::string const& path, std::vector<std::string>& paths) {
    if (set.owned) paths.push_back(path);
    for (auto const& [key, child] : set.children) {
        std::string_view const rest = std::string_view(key).substr(2);
        if (key.starts_with("f:")) {
            add_paths(child, path + "." + std::string(rest), paths);
        } else if (key.starts_with("k:")) {
            std::string text;
            if (auto const keys = json::parse_value(rest)) {
                for (auto const& [name, value] : keys->object())
                    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, json::write(value));
            }
            add_paths(child, fmt::format("{}[{}]", path, text), paths);
        } else {
            add_paths(child, fmt::format("{}[={}]", path, rest), paths);
        }
    }
}

}   // namespace

std::string list_key(Value const& element, TypeNode const& list) {
    std::string text = "k:{";
    bool first = true;
    // Sorted by key, as upstream serialises them.
    std::vector<std::pair<std::string_view, Value const*>> keys;
    for (auto const& [name, fallback] : list.keys) {
        Value const* own = element.find(name);
        if (own == nullptr && !fallback.is_null()) own = &fallback;
        if (own != nullptr) keys.emplace_back(name, own);
    }
    std::ranges::sort(keys, {}, [](auto const& key) { return key.first; });
    for (auto const& [name, value] : keys) {
        if (!std::exchange(first, false)) text += ',';
        json::append_string(text, name);
        text += ':';
        json::append(text, *value);
    }
    return text + "}";
}

std::string element_key(Value const& element, TypeNode const& list) {
    return list.kind == Kind::kSetList ? "v:" + json::write(element) : list_key(element, list);
}

ElementIndex::ElementIndex(Value const& list, TypeNode const& type, By by) {
    bool const by_value = by == By::kValue || (by == By::kType && type.kind == Kind::kSetList);
    for (std::size_t place = 0; place < list.array().size(); ++place)
        places_.emplace(by_value ? "v:" + json::write(list[place]) : list_key(list[place], type), place);
}

std::optional<std::size_t> ElementIndex::find(std::string const& key) const {
    auto const found = places_.find(key);
    if (found == places_.end()) return std::nullopt;
    return found->second;
}

FieldSet const* FieldSet::find(std::string_view element) const {
    auto const found = children.find(element);
    return found == children.end() ? nullptr : &found->second;
}

void FieldSet::insert(FieldSet const& other) {
    owned = owned || other.owned;
    for (auto const& [key, child] : other.children) children[key].insert(child);
}

void FieldSet::remove(FieldSet const& other) {
    if (other.owned) owned = false;
    for (auto const& [key, child] : other.children) {
        auto const own = children.find(key);
        if (own == children.end()) continue;
        own->second.remove(child);
        if (own->second.empty()) children.erase(own);
    }
}

void FieldSet::compact() {
    for (auto each = children.begin(); each != children.end();) {
        each->second.compact();
        each = each->second.empty() ? children.erase(each) : std::next(each);
    }
}

std::vector<std::string> FieldSet::paths() const {
    std::vector<std::string> result;
    add_paths(*this, "", result);
    return result;
}

FieldSet FieldSet::from_json(json::Doc const& fields) {
    FieldSet set;
    for (auto const& [key, child] : fields.members()) {
        if (key == ".") {
            set.owned = true;
            continue;
        }
        if (key.size() < 2 || key[1] != ':' || !std::string_view("fkvi").contains(key[0])) continue;
        FieldSet& below = set.children[std::string(key)];
        if (child.size() == 0) {
            below.owned = true;
        } else {
            below = from_json(child);
        }
    }
    return set;
}

Value FieldSet::to_json() const {
    Value value{json::Object()};
    if (owned && !children.empty()) value["."] = json::Object();
    for (auto const& [key, child] : children) value[key] = child.to_json();
    return value;
}

FieldSet fields_of(Value const& object, TypeNode const& type) {
    FieldSet set;
    collect(object, type, set, 0, false);
    set.owned = false;
    set.compact();
    return set;
}

FieldSet changed_fields(Value const& before, Value const& after, TypeNode const& type, FieldSet& removed) {
    FieldSet touched;
    compare(&before, &after, type, touched, removed, 0, false);
    touched.owned = removed.owned = false;
    touched.compact();
    removed.compact();
    return touched;
}

}   // namespace aviary::patch
