#include "kube/schema/schema.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <optional>

#include "core/json/write.h"

namespace aviary::schema {

struct Schema::Node {
    std::string type;   // empty: anything
    bool nullable = false;
    bool int_or_string = false;
    bool preserve_unknown = false;
    bool embedded = false;   // x-kubernetes-embedded-resource
    std::map<std::string, Node const*, std::less<>> properties;
    Node const* additional = nullptr;   // additionalProperties
    bool additional_any = false;        // additionalProperties: true
    Node const* items = nullptr;
    std::vector<std::string> required;
    json::Array enumeration;
    std::optional<double> minimum, maximum;
    bool exclusive_minimum = false, exclusive_maximum = false;
    std::optional<std::int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
    std::unique_ptr<re2::RE2> pattern;
    json::Value default_value;
    bool has_default = false;
    std::string list_type;
    std::vector<std::string> list_keys;

    Node const* property(std::string_view name) const {
        auto const found = properties.find(name);
        return found != properties.end() ? found->second : additional;
    }
    bool open() const {
        return preserve_unknown || additional_any || (type.empty() && properties.empty() && additional == nullptr);
    }
};

struct Schema::Arena {
    std::deque<Node> nodes;
    std::map<std::string, Node const*, std::less<>> by_reference;
};

namespace {

using json::Type;
using json::Value;

std::string member(std::string const& path, std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
}
std::string element(std::string const& path, std::size_t index) { return fmt::format("{}[{}]", path, index); }

// How Kubernetes prints the offending value in its messages.
std::string shown(Value const& value) {
    if (value.is_object() || value.is_array()) return json::write(value);
    return value.is_string() ? fmt::format("\"{}\"", value.as_string()) : json::write(value);
}

FieldCause invalid(std::string const& path, Value const& value, std::string_view detail) {
    return {"FieldValueInvalid", path, fmt::format("Invalid value: {}: {}", shown(value), detail)};
}

bool type_matches(std::string_view type, Value const& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_bool();
    if (type == "integer")
        return value.is_int() || (value.is_number() && value.as_double() == std::floor(value.as_double()));
    if (type == "number") return value.is_number();
    return true;
}

}   // namespace

Schema::Schema(std::shared_ptr<Arena const> arena, Node const* root) : arena_(std::move(arena)), root_(root) {}
Schema::~Schema() = default;

Schema::Compiler::Compiler(Resolver resolve, bool structure_only)
    : arena_(std::make_shared<Arena>()), resolve_(std::move(resolve)), structure_only_(structure_only) {}
Schema::Compiler::~Compiler() = default;

Result<std::shared_ptr<Schema const>> Schema::compile(json::Doc const& schema) { return Compiler().compile(schema); }

Result<std::shared_ptr<Schema const>> Schema::Compiler::compile(json::Doc const& schema) {
    problem_.clear();
    Node const* root = node_for(schema, "");
    if (!problem_.empty()) return fail(ErrorCode::kInvalid, problem_);
    return std::shared_ptr<Schema const>(new Schema(arena_, root));
}

Schema::Node const* Schema::Compiler::node_for(json::Doc const& schema, std::string const& path) {
    std::string reference = schema["$ref"].string();
    if (reference.empty() && schema["allOf"].size() == 1) reference = schema["allOf"][0]["$ref"].string();
    if (!reference.empty() && resolve_) {
        auto const found = arena_->by_reference.find(reference);
        if (found != arena_->by_reference.end()) return found->second;
        Node& node = arena_->nodes.emplace_back();
        arena_->by_reference.emplace(reference, &node);
        json::Doc const target = resolve_(reference);
        if (target.exists()) fill(node, target, path);
        return &node;
    }
    Node& node = arena_->nodes.emplace_back();
    fill(node, schema, path);
    return &node;
}

void Schema::Compiler::fill(Node& node, json::Doc const& schema, std::string const& path) {
    auto const count = [&](char const* field) {
        json::Doc const value = schema[field];
        return value.is_int() ? std::optional(value.as_int()) : std::nullopt;
    };
    auto const number = [&](char const* field) {
        json::Doc const value = schema[field];
        return value.is_number() ? std::optional(value.as_double()) : std::nullopt;
    };
    node.type = schema["type"].string();
    node.nullable = schema["nullable"].as_bool();
    node.int_or_string =
        schema["x-kubernetes-int-or-string"].as_bool() || schema["format"].as_string() == "int-or-string";
    if (node.int_or_string) node.type.clear();
    node.preserve_unknown = schema["x-kubernetes-preserve-unknown-fields"].as_bool();
    node.embedded = schema["x-kubernetes-embedded-resource"].as_bool();
    for (auto const& [name, property] : schema["properties"].members()) {
        node.properties.emplace(name, node_for(property, member(path, name)));
    }
    json::Doc const additional = schema["additionalProperties"];
    if (additional.is_object()) node.additional = node_for(additional, path);
    node.additional_any = additional.as_bool();
    if (schema["items"].is_object()) node.items = node_for(schema["items"], path + "[]");
    if (structure_only_) {
        // Decoding takes null for nothing anywhere, and an object without fields for anything (RawExtension, FieldsV1).
        node.nullable = true;
        node.preserve_unknown |= node.type == "object" && node.properties.empty() && node.additional == nullptr;
        return;
    }
    for (auto const& [index, name] : schema["required"].elements()) node.required.push_back(name.string());
    for (auto const& [index, value] : schema["enum"].elements()) node.enumeration.push_back(value.thaw());
    node.minimum = number("minimum");
    node.maximum = number("maximum");
    node.exclusive_minimum = schema["exclusiveMinimum"].as_bool();
    node.exclusive_maximum = schema["exclusiveMaximum"].as_bool();
    node.min_length = count("minLength");
    node.max_length = count("maxLength");
    node.min_items = count("minItems");
    node.max_items = count("maxItems");
    node.min_properties = count("minProperties");
    node.max_properties = count("maxProperties");
    if (json::Doc const pattern = schema["pattern"]; pattern.is_string()) {
        node.pattern = std::make_unique<re2::RE2>(
            re2::StringPiece(pattern.as_string().data(), pattern.as_string().size()), re2::RE2::Quiet);
        if (!node.pattern->ok() && problem_.empty())
            problem_ = fmt::format("{}.pattern: {}", path, node.pattern->error());
    }
    if (json::Doc const value = schema["default"]; value.exists()) {
        node.default_value = value.thaw();
        node.has_default = true;
    }
    node.list_type = schema["x-kubernetes-list-type"].string();
    for (auto const& [index, key] : schema["x-kubernetes-list-map-keys"].elements())
        node.list_keys.push_back(key.string());
}

namespace {

// Values of the keys that name an element of a list-map.
std::string key_of(Value const& element, std::vector<std::string> const& keys) {
    std::string text;
    for (std::string const& key : keys) text += json::write(element[key]) + ",";
    return text;
}

}   // namespace

// Walks an object beside its schema.
struct Walk {
    template <class Node>
    static void validate(Node const& node, Value const& value, std::string const& path,
                         std::vector<FieldCause>& causes);
    template <class Node>
    static void check_scalar(Node const& node, Value const& value, std::string const& path,
                             std::vector<FieldCause>& causes);
    template <class Node>
    static void check_list(Node const& node, Value const& value, std::string const& path,
                           std::vector<FieldCause>& causes);
    template <class Node>
    static void check_object(Node const& node, Value const& value, std::string const& path,
                             std::vector<FieldCause>& causes);
    template <class Node>
    static void unknown(Node const& node, Value& value, std::string const& path, bool root, bool erase,
                        std::vector<std::string>& found);
    template <class Node>
    static void defaults(Node const& node, Value& value);
};

template <class Node>
void Walk::check_scalar(Node const& node, Value const& value, std::string const& path,
                        std::vector<FieldCause>& causes) {
    if (value.is_string()) {
        auto const length = static_cast<std::int64_t>(value.as_string().size());
        if (node.max_length && length > *node.max_length) {
            causes.push_back(
                {"FieldValueTooLong", path, fmt::format("Too long: may not be more than {} bytes", *node.max_length)});
        }
        if (node.min_length && length < *node.min_length)
            causes.push_back(invalid(
                path, value, fmt::format("{} in body should be at least {} chars long", path, *node.min_length)));
        if (node.pattern && !re2::RE2::PartialMatch(
                                re2::StringPiece(value.as_string().data(), value.as_string().size()), *node.pattern)) {
            causes.push_back(
                invalid(path, value, fmt::format("{} in body should match '{}'", path, node.pattern->pattern())));
        }
    }
    if (value.is_number()) {
        double const number = value.as_double();
        if (node.minimum && (number < *node.minimum || (node.exclusive_minimum && number == *node.minimum))) {
            causes.push_back(invalid(path, value,
                                     fmt::format("{} in body should be greater than {}{}", path,
                                                 node.exclusive_minimum ? "" : "or equal to ", *node.minimum)));
        }
        if (node.maximum && (number > *node.maximum || (node.exclusive_maximum && number == *node.maximum))) {
            causes.push_back(invalid(path, value,
                                     fmt::format("{} in body should be less than {}{}", path,
                                                 node.exclusive_maximum ? "" : "or equal to ", *node.maximum)));
        }
    }
    if (!node.enumeration.empty() && std::ranges::find(node.enumeration, value) == node.enumeration.end()) {
        std::string supported;
        for (Value const& each : node.enumeration) supported += (supported.empty() ? "" : ", ") + shown(each);
        causes.push_back({"FieldValueNotSupported", path,
                          fmt::format("Unsupported value: {}: supported values: {}", shown(value), supported)});
    }
}

template <class Node>
void Walk::check_list(Node const& node, Value const& value, std::string const& path, std::vector<FieldCause>& causes) {
    auto const size = static_cast<std::int64_t>(value.size());
    if (node.max_items && size > *node.max_items) {
        causes.push_back({"FieldValueTooMany", path,
                          fmt::format("Too many: {}: must have at most {} items", size, *node.max_items)});
    }
    if (node.min_items && size < *node.min_items)
        causes.push_back(
            invalid(path, value, fmt::format("{} in body should have at least {} items", path, *node.min_items)));
    std::vector<std::string> seen;
    for (std::size_t index = 0; index < value.size(); ++index) {
        Value const& each = value[index];
        if (node.items != nullptr) validate(*node.items, each, element(path, index), causes);
        if (node.list_type != "map" && node.list_type != "set") continue;
        std::string key = node.list_type == "map" ? key_of(each, node.list_keys) : json::write(each);
        if (std::ranges::find(seen, key) != seen.end()) {
            causes.push_back(
                {"FieldValueDuplicate", element(path, index), fmt::format("Duplicate value: {}", shown(each))});
        }
        seen.push_back(std::move(key));
    }
}

template <class Node>
void Walk::check_object(Node const& node, Value const& value, std::string const& path,
                        std::vector<FieldCause>& causes) {
    for (std::string const& name : node.required) {
        if (!value.contains(name)) causes.push_back({"FieldValueRequired", member(path, name), "Required value"});
    }
    auto const size = static_cast<std::int64_t>(value.size());
    if (node.max_properties && size > *node.max_properties)
        causes.push_back({"FieldValueTooMany", path,
                          fmt::format("Too many: {}: must have at most {} items", size, *node.max_properties)});
    if (node.min_properties && size < *node.min_properties)
        causes.push_back(invalid(
            path, value, fmt::format("{} in body should have at least {} properties", path, *node.min_properties)));
    for (auto const& [name, child] : value.object()) {
        if (auto const* property = node.property(name)) validate(*property, child, member(path, name), causes);
    }
}

template <class Node>
void Walk::validate(Node const& node, Value const& value, std::string const& path, std::vector<FieldCause>& causes) {
    if (value.is_null()) {
        if (!node.nullable && !node.type.empty())
            causes.push_back(
                invalid(path, value, fmt::format("{} in body must be of type {}: \"null\"", path, node.type)));
        return;
    }
    if (node.int_or_string && !value.is_int() && !value.is_string()) {
        causes.push_back(invalid(
            path, value,
            fmt::format("{} in body must be of type integer or string: \"{}\"", path, json::to_string(value.type()))));
        return;
    }
    if (!node.type.empty() && !type_matches(node.type, value)) {
        causes.push_back({"FieldValueTypeInvalid", path,
                          fmt::format("Invalid value: \"{}\": {} in body must be of type {}: \"{}\"",
                                      json::to_string(value.type()), path, node.type, json::to_string(value.type()))});
        return;
    }
    if (value.is_object()) {
        check_object(node, value, path, causes);
    } else if (value.is_array()) {
        check_list(node, value, path, causes);
    } else {
        check_scalar(node, value, path, causes);
    }
}

template <class Node>
void Walk::unknown(Node const& node, Value& value, std::string const& path, bool root, bool erase,
                   std::vector<std::string>& found) {
    if (value.is_array()) {
        if (node.items == nullptr) return;
        json::Array& elements = value.make_array();
        for (std::size_t index = 0; index < elements.size(); ++index)
            unknown(*node.items, elements[index], element(path, index), false, erase, found);
        return;
    }
    if (!value.is_object()) return;
    std::vector<std::string> gone;
    for (auto& [name, child] : value.make_object()) {
        bool const header = (root || node.embedded) && (name == "apiVersion" || name == "kind" || name == "metadata");
        auto const* property = node.property(name);
        if (property != nullptr && !(header && property->properties.empty())) {
            unknown(*property, child, member(path, name), false, erase, found);
        } else if (!header && property == nullptr && !node.open()) {
            found.push_back(member(path, name));
            gone.push_back(name);
        }
    }
    if (!erase) return;
    for (std::string const& name : gone) value.erase(name);
}

template <class Node>
void Walk::defaults(Node const& node, Value& value) {
    if (value.is_array()) {
        if (node.items == nullptr) return;
        for (Value& each : value.make_array()) defaults(*node.items, each);
        return;
    }
    if (!value.is_object()) return;
    for (auto const& [name, property] : node.properties) {
        Value* child = value.find(name);
        if ((child == nullptr || (child->is_null() && !property->nullable)) && property->has_default)
            value[name] = property->default_value;
        child = value.find(name);
        if (child != nullptr) defaults(*property, *child);
    }
    if (node.additional == nullptr) return;
    for (auto& [name, child] : value.make_object()) {
        if (!node.properties.contains(name)) defaults(*node.additional, child);
    }
}

std::vector<FieldCause> Schema::validate(Value const& object) const {
    std::vector<FieldCause> causes;
    Walk::validate(*root_, object, "", causes);
    return causes;
}

std::vector<std::string> Schema::prune(Value& object) const {
    std::vector<std::string> found;
    Walk::unknown(*root_, object, "", true, true, found);
    return found;
}

std::vector<std::string> Schema::unknown_fields(Value const& object) const {
    std::vector<std::string> found;
    Walk::unknown(*root_, const_cast<Value&>(object), "", true, false, found);
    return found;
}

void Schema::apply_defaults(Value& object) const { Walk::defaults(*root_, object); }

std::vector<FieldCause> check_structural(json::Doc const& schema, std::string const& path) {
    std::vector<FieldCause> causes;
    bool const typed = !schema["type"].as_string().empty() || schema["x-kubernetes-int-or-string"].as_bool() ||
                       schema["x-kubernetes-preserve-unknown-fields"].as_bool();
    if (!typed)
        causes.push_back(
            {"FieldValueRequired", path + ".type", "Required value: must not be empty for specified object fields"});
    if (schema["$ref"].exists())
        causes.push_back({"FieldValueForbidden", path + ".$ref", "Forbidden: $ref is not supported"});
    for (auto const& [name, property] : schema["properties"].members()) {
        auto below = check_structural(property, path + ".properties[" + std::string(name) + "]");
        causes.insert(causes.end(), below.begin(), below.end());
    }
    if (schema["items"].is_object()) {
        auto below = check_structural(schema["items"], path + ".items");
        causes.insert(causes.end(), below.begin(), below.end());
    } else if (schema["type"].as_string() == "array") {
        causes.push_back({"FieldValueRequired", path + ".items", "Required value: must be specified"});
    }
    if (schema["additionalProperties"].is_object()) {
        auto below = check_structural(schema["additionalProperties"], path + ".additionalProperties");
        causes.insert(causes.end(), below.begin(), below.end());
    }
    return causes;
}

namespace {

void find_unsupported(json::Doc const& schema, std::string const& path, std::vector<std::string>& found) {
    if (schema["x-kubernetes-validations"].size() > 0)
        found.push_back(fmt::format("x-kubernetes-validations at {}", path.empty() ? "the root" : path));
    for (auto const& [name, property] : schema["properties"].members())
        find_unsupported(property, member(path, name), found);
    if (schema["items"].is_object()) find_unsupported(schema["items"], path + "[]", found);
    if (schema["additionalProperties"].is_object()) find_unsupported(schema["additionalProperties"], path, found);
}

}   // namespace

std::vector<std::string> unsupported_features(json::Doc const& schema) {
    std::vector<std::string> found;
    find_unsupported(schema, "", found);
    return found;
}

}   // namespace aviary::schema
