// The rules that apiextensions v1 makes for the schemas of definitions.
#include <fmt/format.h>

#include <algorithm>

#include "core/json/write.h"
#include "kube/schema/schema.h"

namespace aviary::schema {

namespace {

using json::Doc;

constexpr std::size_t kMaxCauses = 100;
constexpr std::string_view kCombinations[] = {"allOf", "anyOf", "oneOf"};

constexpr std::string_view kTypes[] = {"array", "boolean", "integer", "number", "object", "string"};
// What makes the structure, and so may stand once alone.
constexpr std::string_view kStructure[] = {"type",
                                           "description",
                                           "title",
                                           "default",
                                           "nullable",
                                           "additionalProperties",
                                           "x-kubernetes-preserve-unknown-fields",
                                           "x-kubernetes-embedded-resource",
                                           "x-kubernetes-int-or-string",
                                           "x-kubernetes-list-type",
                                           "x-kubernetes-list-map-keys",
                                           "x-kubernetes-map-type"};

// Where a schema stands in the schema around it.
enum class Level { kRoot, kField, kItem };

class Check {
public:
    void structure(Doc const& schema, std::string const& path, Level level) {
        if (causes.size() >= kMaxCauses) return;
        type(schema, path, level);
        forbidden(schema, path);
        embedded(schema, path, level);
        list(schema, path);
        combinations(schema, path, schema, path);
        default_value(schema, path);
        for (auto const& [name, property] : schema["properties"].members())
            structure(property, fmt::format("{}.properties[{}]", path, name), Level::kField);
        if (schema["items"].is_object()) structure(schema["items"], path + ".items", Level::kItem);
        if (schema["additionalProperties"].is_object())
            structure(schema["additionalProperties"], path + ".additionalProperties", Level::kField);
    }

    std::vector<FieldCause> causes;

private:
    void required(std::string path, std::string_view why) {
        causes.push_back({"FieldValueRequired", std::move(path), fmt::format("Required value: {}", why)});
    }
    void forbid(std::string path, std::string_view why) {
        causes.push_back({"FieldValueForbidden", std::move(path), fmt::format("Forbidden: {}", why)});
    }
    void invalid(std::string path, std::string_view value, std::string_view why) {
        causes.push_back({"FieldValueInvalid", std::move(path), fmt::format("Invalid value: \"{}\": {}", value, why)});
    }

    void type(Doc const& schema, std::string const& path, Level level) {
        std::string_view const type = schema["type"].as_string();
        bool const open = schema["x-kubernetes-preserve-unknown-fields"].as_bool();
        if (schema["x-kubernetes-int-or-string"].as_bool()) {
            if (!type.empty()) invalid(path + ".type", type, "must be empty if x-kubernetes-int-or-string is true");
            if (open)
                invalid(path + ".x-kubernetes-preserve-unknown-fields", "true",
                        "must be false if x-kubernetes-int-or-string is true");
        } else if (level == Level::kRoot) {
            if (type.empty()) required(path + ".type", "must not be empty at the root");
            if (!type.empty() && type != "object") invalid(path + ".type", type, "must be object at the root");
        } else if (type.empty() && !open) {
            required(path + ".type", level == Level::kItem ? "must not be empty for specified array items"
                                                           : "must not be empty for specified object fields");
        }
        if (!type.empty() && !(std::ranges::find(kTypes, type) != std::end(kTypes))) {
            causes.push_back({"FieldValueNotSupported", path + ".type",
                              fmt::format("Unsupported value: \"{}\": supported values: \"array\", \"boolean\", "
                                          "\"integer\", \"number\", \"object\", \"string\"",
                                          type)});
        }
        if (type == "array" && !schema["items"].exists()) required(path + ".items", "must be specified");
        if (schema["items"].is_array()) forbid(path + ".items", "items must be a schema object and not an array");
    }

    void forbidden(Doc const& schema, std::string const& path) {
        if (schema["$ref"].exists()) forbid(path + ".$ref", "$ref is not supported");
        for (char const* field : {"definitions", "dependencies", "patternProperties", "id", "additionalItems"}) {
            if (schema[field].exists())
                forbid(fmt::format("{}.{}", path, field), fmt::format("{} is not supported", field));
        }
        if (schema["uniqueItems"].as_bool()) {
            forbid(path + ".uniqueItems",
                   "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
        }
        Doc const additional = schema["additionalProperties"];
        if (additional.is_bool() && !additional.as_bool())
            forbid(path + ".additionalProperties", "additionalProperties cannot be set to false");
        if (additional.exists() && schema["properties"].size() > 0)
            forbid(path + ".additionalProperties", "additionalProperties and properties are mutual exclusive");
    }

    void embedded(Doc const& schema, std::string const& path, Level level) {
        bool const resource = schema["x-kubernetes-embedded-resource"].as_bool();
        if (resource) {
            if (schema["type"].as_string() != "object")
                invalid(path + ".type", schema["type"].as_string(),
                        "must be object if x-kubernetes-embedded-resource is true");
            if (!schema["x-kubernetes-preserve-unknown-fields"].as_bool() && schema["properties"].size() == 0) {
                required(path + ".properties",
                         "must not be empty if x-kubernetes-embedded-resource is true without "
                         "x-kubernetes-preserve-unknown-fields");
            }
        }
        if (!resource && level != Level::kRoot) return;
        for (auto const& [name, property] : schema.at({"properties", "metadata", "properties"}).members()) {
            if (name != "name" && name != "generateName")
                forbid(path + ".properties[metadata]",
                       "must not specify anything other than name and generateName, but metadata is implicitly "
                       "specified");
        }
    }

    void list(Doc const& schema, std::string const& path) {
        Doc const list_type = schema["x-kubernetes-list-type"];
        Doc const keys = schema["x-kubernetes-list-map-keys"];
        std::string_view const kind = list_type.as_string();
        if (list_type.exists() && kind != "atomic" && kind != "set" && kind != "map") {
            causes.push_back({"FieldValueNotSupported", path + ".x-kubernetes-list-type",
                              fmt::format("Unsupported value: {}: supported values: \"atomic\", \"map\", \"set\"",
                                          json::write(list_type))});
        }
        if (list_type.exists() && schema["type"].as_string() != "array")
            invalid(path + ".type", schema["type"].as_string(), "must be array if x-kubernetes-list-type is specified");
        if (kind != "map") {
            if (keys.size() > 0)
                invalid(path + ".x-kubernetes-list-type", kind,
                        "must be map if x-kubernetes-list-map-keys is non-empty");
            return;
        }
        if (keys.size() == 0) {
            required(path + ".x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map");
        }
        for (auto const& [index, key] : keys.elements()) map_key(schema["items"], path, key.as_string());
    }

    void map_key(Doc const& items, std::string const& path, std::string_view key) {
        Doc const property = items["properties"][key];
        if (!property.exists()) {
            invalid(path + ".x-kubernetes-list-map-keys", key,
                    "entries in x-kubernetes-list-map-keys must all be names of item properties");
            return;
        }
        for (auto const& [index, name] : items["required"].elements()) {
            if (name.as_string() == key) return;
        }
        if (property["default"].exists()) return;
        required(fmt::format("{}.items.properties[{}].default", path, key),
                 "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property");
    }

    // What stands in allOf, anyOf, oneOf and not may only judge values, and only fields that the schema itself, which
    // is `own` at `own_path`, has.
    void combinations(Doc const& schema, std::string const& path, Doc const& own, std::string const& own_path) {
        for (std::string_view each : kCombinations) {
            std::size_t index = 0;
            for (auto const& [key, nested] : schema[each].elements())
                judgement(nested, fmt::format("{}.{}[{}]", path, each, index++), own, own_path);
        }
        if (schema["not"].exists()) judgement(schema["not"], path + ".not", own, own_path);
    }

    void judgement(Doc const& schema, std::string const& path, Doc const& own, std::string const& own_path) {
        if (causes.size() >= kMaxCauses) return;
        bool const may_have_type = own["x-kubernetes-int-or-string"].as_bool();
        for (std::string_view field : kStructure) {
            if (!schema[field].exists() || (may_have_type && field == "type")) continue;
            forbid(fmt::format("{}.{}", path, field), "must be empty to be structural");
        }
        for (auto const& [name, property] : schema["properties"].members()) {
            std::string const place = fmt::format("{}.properties[{}]", path, name);
            std::string const own_place = fmt::format("{}.properties[{}]", own_path, name);
            Doc below = own["properties"][name];
            if (!below.exists()) below = own["additionalProperties"];
            if (!below.exists() && !own["x-kubernetes-preserve-unknown-fields"].as_bool())
                required(own_place, fmt::format("because it is defined in {}", place));
            judgement(property, place, below, own_place);
        }
        if (schema["items"].is_object()) judgement(schema["items"], path + ".items", own["items"], own_path + ".items");
        combinations(schema, path, own, own_path);
    }

    void default_value(Doc const& schema, std::string const& path) {
        Doc const value = schema["default"];
        if (!value.exists()) return;
        auto const compiled = Schema::compile(schema);
        if (!compiled) return;   // said where the schema as a whole is compiled
        json::Value thawed = value.thaw();
        (*compiled)->apply_defaults(thawed);
        auto const problems = (*compiled)->validate(thawed, path + ".default");
        causes.insert(causes.end(), problems.begin(), problems.end());
    }
};

void find_unsupported(Doc const& schema, std::string const& path, std::vector<std::string>& found) {
    auto const member = [&](std::string_view name) {
        return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
    };
    if (schema["x-kubernetes-validations"].size() > 0)
        found.push_back(fmt::format("x-kubernetes-validations at {}", path.empty() ? "the root" : path));
    for (auto const& [name, property] : schema["properties"].members()) find_unsupported(property, member(name), found);
    if (schema["items"].is_object()) find_unsupported(schema["items"], path + "[]", found);
    if (schema["additionalProperties"].is_object()) find_unsupported(schema["additionalProperties"], path, found);
}

}   // namespace

std::vector<FieldCause> check_structural(Doc const& schema, std::string const& path) {
    Check check;
    check.structure(schema, path, Level::kRoot);
    return std::move(check.causes);
}

std::vector<std::string> unsupported_features(Doc const& schema) {
    std::vector<std::string> found;
    find_unsupported(schema, "", found);
    return found;
}

}   // namespace aviary::schema
