#include "kube/schema/internal/node.h"

namespace aviary::schema::internal {

namespace {

using json::FieldPath;
using json::Value;

// apiVersion, kind and metadata, which every object has whatever its schema says.
bool is_header(Node const& node, bool root, std::string_view name) {
    return (root || node.embedded) && (name == "apiVersion" || name == "kind" || name == "metadata");
}

bool is_unknown(Node const& node, bool root, std::string_view name) {
    return node.property(name) == nullptr && !node.open() && !is_header(node, root, name);
}

// What the member's own members are looked up in; null when they are nobody's business.
Node const* below(Node const& node, bool root, std::string_view name) {
    Node const* property = node.property(name);
    if (property != nullptr && is_header(node, root, name) && property->properties.empty()) return nullptr;
    return property;
}

void remove_unknown(Node const& node, Value& value, bool root) {
    if (value.is_array() && node.items != nullptr) {
        for (Value& each : value.make_array()) remove_unknown(*node.items, each, false);
    }
    if (!value.is_object()) return;
    json::Object kept;
    for (auto& [name, child] : value.make_object()) {
        if (is_unknown(node, root, name)) continue;
        if (Node const* property = below(node, root, name)) remove_unknown(*property, child, false);
        kept.append(std::move(name), std::move(child));
    }
    value = Value(std::move(kept));
}

}   // namespace

void find_unknown(Node const& node, Value const& value, FieldPath const& path, std::vector<std::string>& found) {
    if (value.is_array() && node.items != nullptr) {
        for (std::size_t index = 0; index < value.size(); ++index)
            find_unknown(*node.items, value[index], path.element(index), found);
    }
    bool const root = path.parent == nullptr;
    for (auto const& [name, child] : value.object()) {
        FieldPath const place = path.member(name);
        if (is_unknown(node, root, name)) {
            found.push_back(place.text());
        } else if (Node const* property = below(node, root, name)) {
            find_unknown(*property, child, place, found);
        }
    }
}

void prune(Node const& node, Value& value, std::vector<std::string>& found) {
    find_unknown(node, value, FieldPath(), found);
    if (!found.empty()) remove_unknown(node, value, true);
}

void apply_defaults(Node const& node, Value& value) {
    if (value.is_array() && node.items != nullptr) {
        for (Value& each : value.make_array()) apply_defaults(*node.items, each);
    }
    if (!value.is_object()) return;
    for (auto const& [name, property] : node.properties) {
        Value* child = value.find(name);
        if (child != nullptr && child->is_null() && !property->nullable && !property->has_default) {
            value.erase(name);
            continue;
        }
        if (property->has_default && (child == nullptr || (child->is_null() && !property->nullable)))
            child = &(value[name] = property->default_value);
        if (child != nullptr) apply_defaults(*property, *child);
    }
    if (node.additional == nullptr) return;
    for (auto& [name, child] : value.make_object()) {
        if (!node.properties.contains(name)) apply_defaults(*node.additional, child);
    }
}

}   // namespace aviary::schema::internal
