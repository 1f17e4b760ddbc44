#include "kube/schema/schema.h"

#include <fmt/format.h>

#include "kube/schema/internal/node.h"

namespace aviary::schema {

namespace {

using internal::Node;

std::string member(std::string const& path, std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
}

std::optional<std::int64_t> whole(json::Doc const& value) {
    return value.is_int() ? std::optional(value.as_int()) : std::nullopt;
}

std::optional<double> number(json::Doc const& value) {
    return value.is_number() ? std::optional(value.as_double()) : std::nullopt;
}

}   // namespace

Schema::Schema(std::shared_ptr<internal::Arena const> arena, Node const* root)
    : arena_(std::move(arena)), root_(root) {}
Schema::~Schema() = default;

Schema::Compiler::Compiler(Resolver resolve, bool structure_only)
    : arena_(std::make_shared<internal::Arena>()), resolve_(std::move(resolve)), structure_only_(structure_only) {}
Schema::Compiler::~Compiler() = default;

Result<std::shared_ptr<Schema const>> Schema::compile(json::Doc const& schema) { return Compiler().compile(schema); }

Result<std::shared_ptr<Schema const>> Schema::Compiler::compile(json::Doc const& schema) {
    problem_.clear();
    Node const* root = node_for(schema, "");
    if (!problem_.empty()) return fail(ErrorCode::kInvalid, problem_);
    return std::shared_ptr<Schema const>(new Schema(arena_, root));
}

Node const* Schema::Compiler::node_for(json::Doc const& schema, std::string const& path) {
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
    node.type = schema["type"].string();
    node.nullable = schema["nullable"].as_bool();
    node.int_or_string =
        schema["x-kubernetes-int-or-string"].as_bool() || schema["format"].as_string() == "int-or-string";
    if (node.int_or_string) node.type.clear();
    node.preserve_unknown = schema["x-kubernetes-preserve-unknown-fields"].as_bool();
    node.embedded = schema["x-kubernetes-embedded-resource"].as_bool();
    for (auto const& [name, property] : schema["properties"].members())
        node.properties.emplace(name, node_for(property, member(path, name)));
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
    fill_rules(node, schema, path);
}

void Schema::Compiler::fill_rules(Node& node, json::Doc const& schema, std::string const& path) {
    for (auto const& [index, name] : schema["required"].elements()) node.required.push_back(name.string());
    for (auto const& [index, value] : schema["enum"].elements()) node.enumeration.push_back(value.thaw());
    node.minimum = number(schema["minimum"]);
    node.maximum = number(schema["maximum"]);
    node.multiple_of = number(schema["multipleOf"]);
    node.exclusive_minimum = schema["exclusiveMinimum"].as_bool();
    node.exclusive_maximum = schema["exclusiveMaximum"].as_bool();
    node.min_length = whole(schema["minLength"]);
    node.max_length = whole(schema["maxLength"]);
    node.min_items = whole(schema["minItems"]);
    node.max_items = whole(schema["maxItems"]);
    node.min_properties = whole(schema["minProperties"]);
    node.max_properties = whole(schema["maxProperties"]);
    node.format = schema["format"].string();
    if (json::Doc const pattern = schema["pattern"]; pattern.is_string()) {
        node.pattern = std::make_unique<re2::RE2>(
            re2::StringPiece(pattern.as_string().data(), pattern.as_string().size()), re2::RE2::Quiet);
        if (!node.pattern->ok() && problem_.empty())
            problem_ = fmt::format("{}: {}", member(path, "pattern"), node.pattern->error());
    }
    for (auto const& [index, each] : schema["allOf"].elements()) node.all_of.push_back(node_for(each, path));
    for (auto const& [index, each] : schema["anyOf"].elements()) node.any_of.push_back(node_for(each, path));
    for (auto const& [index, each] : schema["oneOf"].elements()) node.one_of.push_back(node_for(each, path));
    if (json::Doc const never = schema["not"]; never.is_object()) node.never = node_for(never, path);
    if (json::Doc const value = schema["default"]; value.exists()) {
        node.default_value = value.thaw();
        node.has_default = true;
    }
    node.list_type = schema["x-kubernetes-list-type"].string();
    for (auto const& [index, key] : schema["x-kubernetes-list-map-keys"].elements())
        node.list_keys.push_back(key.string());
}

std::vector<FieldCause> Schema::validate(json::Value const& object, std::string_view at) const {
    std::vector<FieldCause> causes;
    internal::validate(*root_, object, json::FieldPath{.name = at}, causes);
    return causes;
}

std::vector<std::string> Schema::prune(json::Value& object) const {
    std::vector<std::string> found;
    internal::prune(*root_, object, found);
    return found;
}

std::vector<std::string> Schema::unknown_fields(json::Value const& object) const {
    std::vector<std::string> found;
    internal::find_unknown(*root_, object, json::FieldPath(), found);
    return found;
}

void Schema::apply_defaults(json::Value& object) const { internal::apply_defaults(*root_, object); }

}   // namespace aviary::schema
