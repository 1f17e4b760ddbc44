#include "kube/apiserver/builtin/internal/openapi_v2.h"

#include <fmt/format.h>

#include "kube/apiserver/builtin/builtin.h"
#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/apiserver/builtin/internal/openapi_paths.h"

namespace aviary::builtin::internal {

namespace {

constexpr std::string_view kDefinitions = "#/definitions/";

std::string definition_reference(std::string_view name) { return fmt::format("{}{}", kDefinitions, name); }

// Keywords that version 2 lacks, or that old clients cannot read.
bool is_unknown_to_v2(std::string_view keyword) {
    return keyword == "nullable" || keyword == "oneOf" || keyword == "anyOf" || keyword == "not" ||
           keyword == "allOf" || keyword == "default" || keyword == "x-kubernetes-validations";
}

bool is_promise(std::string_view keyword) {
    return keyword == "properties" || keyword == "type" || keyword == "items" || keyword == "additionalProperties" ||
           keyword == "required";
}

json::Value to_v2(json::Value const& schema);

json::Value properties_to_v2(json::Value const& properties) {
    json::Object out;
    for (auto const& [name, property] : properties.object()) out.append(name, to_v2(property));
    return out;
}

json::Value to_v2(json::Value const& schema) {
    if (!schema.is_object()) return schema;
    // What may be a number or a text is a text for clients of version 2, in built-in kinds.
    bool int_or_text =
        schema["format"].as_string() == "int-or-string" && !schema.contains("x-kubernetes-int-or-string");
    bool either =
        schema.contains("oneOf") && !schema.contains("type") && !schema.contains("x-kubernetes-int-or-string");
    // Old clients cannot read what may be anything or null, so they are told nothing of it.
    bool open = (schema["x-kubernetes-preserve-unknown-fields"].as_bool() || schema["nullable"].as_bool()) &&
                !schema.contains("x-kubernetes-group-version-kind");
    json::Object out;
    for (auto const& [keyword, value] : schema.object()) {
        if (is_unknown_to_v2(keyword) || (open && is_promise(keyword))) continue;
        if (keyword == "$ref") {
            out[keyword] = definition_reference(value.as_string().substr(kSchemaPrefix.size()));
        } else if (keyword == "properties") {
            out[keyword] = properties_to_v2(value);
        } else if (keyword == "items" || keyword == "additionalProperties") {
            if (value.is_object()) out[keyword] = to_v2(value);
        } else {
            out[keyword] = value;
        }
    }
    std::string_view target = schema["allOf"][0]["$ref"].as_string();
    if (target.starts_with(kSchemaPrefix)) out["$ref"] = definition_reference(target.substr(kSchemaPrefix.size()));
    if (int_or_text || either) {
        out["type"] = "string";
        if (int_or_text) out["format"] = "int-or-string";
    }
    return out;
}

json::Array parameters_to_v2(std::vector<Parameter> const& list) {
    json::Array out;
    for (Parameter const& parameter : list) {
        json::Object made{
            {"uniqueItems", true}, {"type", parameter.type}, {"name", parameter.name}, {"in", parameter.in}};
        if (parameter.in == "path") made["required"] = true;
        out.push_back(std::move(made));
    }
    return out;
}

json::Value operation_to_v2(Operation const& operation) {
    json::Array consumes;
    if (operation.method == "patch") {
        for (std::string_view type : kPatchTypes) {
            if (understands(operation, type)) consumes.push_back(type);
        }
    } else {
        consumes.push_back("*/*");
    }
    json::Array parameters = parameters_to_v2(operation.query);
    if (!operation.body.empty()) {
        json::Object schema{{"$ref", definition_reference(operation.body)}};
        parameters.push_back(json::Object{{"name", "body"},
                                          {"in", "body"},
                                          {"required", operation.method != "delete"},
                                          {"schema", std::move(schema)}});
    }
    json::Object ok{{"description", "OK"}, {"schema", json::Object{{"$ref", definition_reference(operation.answer)}}}};
    json::Object responses{{"200", std::move(ok)}, {"401", json::Object{{"description", "Unauthorized"}}}};
    return json::Object{
        {"consumes", std::move(consumes)},
        {"produces", json::Array{"application/json", "application/yaml"}},
        {"schemes", json::Array{"https"}},
        {"tags", json::Array{operation.tag}},
        {"operationId", operation.id},
        {"parameters", std::move(parameters)},
        {"responses", std::move(responses)},
        {"x-kubernetes-action", operation.action},
        {"x-kubernetes-group-version-kind",
         json::Object{{"group", operation.group}, {"version", operation.version}, {"kind", operation.kind}}}};
}

}   // namespace

json::Value swagger_document(Resources const& resources) {
    json::Object paths;
    for (PathItem const& item : paths_for(resources)) {
        json::Object made;
        for (Operation const& operation : item.operations) made[operation.method] = operation_to_v2(operation);
        made["parameters"] = parameters_to_v2(item.parameters);
        paths.append(item.path, std::move(made));
    }
    json::Object definitions;
    for (auto const& [name, schema] : schemas_for(resources)) definitions.append(name, to_v2(schema));
    return json::Object{{"swagger", "2.0"},
                        {"info", json::Object{{"title", "Kubernetes"}, {"version", builtin_version()}}},
                        {"paths", std::move(paths)},
                        {"definitions", std::move(definitions)}};
}

}   // namespace aviary::builtin::internal
