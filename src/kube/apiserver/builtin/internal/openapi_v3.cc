#include "kube/apiserver/builtin/internal/openapi_v3.h"

#include <fmt/format.h>

#include "kube/apiserver/builtin/builtin.h"
#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/apiserver/builtin/internal/openapi_paths.h"

namespace aviary::builtin::internal {

namespace {

json::Value schema_reference(std::string_view name) {
    return json::Object{{"schema", json::Object{{"$ref", fmt::format("{}{}", kSchemaPrefix, name)}}}};
}

json::Array parameters(std::vector<Parameter> const& list) {
    json::Array out;
    for (Parameter const& parameter : list) {
        json::Object made{{"name", parameter.name},
                          {"in", parameter.in},
                          {"schema", json::Object{{"type", parameter.type}, {"uniqueItems", true}}}};
        if (parameter.in == "path") made["required"] = true;
        out.push_back(std::move(made));
    }
    return out;
}

json::Value answer(std::string_view schema) {
    json::Object content;
    for (std::string_view type : {"application/json", "application/yaml"}) content[type] = schema_reference(schema);
    return json::Object{{"description", "OK"}, {"content", std::move(content)}};
}

json::Value operation_document(Operation const& operation) {
    json::Object out{{"tags", json::Array{operation.tag}}, {"operationId", operation.id}};
    if (!operation.query.empty()) out["parameters"] = parameters(operation.query);
    if (!operation.body.empty()) {
        json::Object content;
        if (operation.method == "patch") {
            for (std::string_view type : kPatchTypes) {
                if (understands(operation, type)) content[type] = schema_reference(operation.body);
            }
        } else {
            content["*/*"] = schema_reference(operation.body);
        }
        out["requestBody"] = json::Object{{"content", std::move(content)}};
        if (operation.method != "delete") out["requestBody"]["required"] = true;
    }
    json::Object responses;
    responses["200"] = answer(operation.answer);
    if (operation.method == "post" || operation.method == "put" || operation.method == "patch")
        responses["201"] = answer(operation.answer);
    responses["401"] = json::Object{{"description", "Unauthorized"}};
    out["responses"] = std::move(responses);
    out["x-kubernetes-action"] = operation.action;
    out["x-kubernetes-group-version-kind"] =
        json::Object{{"group", operation.group}, {"version", operation.version}, {"kind", operation.kind}};
    return out;
}

}   // namespace

json::Value v3_document(Resources const& resources) {
    json::Object paths;
    for (PathItem const& item : paths_for(resources)) {
        json::Object made;
        for (Operation const& operation : item.operations) made[operation.method] = operation_document(operation);
        made["parameters"] = parameters(item.parameters);
        paths.append(item.path, std::move(made));
    }
    json::Object schemas;
    for (auto& [name, schema] : schemas_for(resources)) schemas.append(name, std::move(schema));
    return json::Object{{"openapi", "3.0.0"},
                        {"info", json::Object{{"title", "Kubernetes"}, {"version", builtin_version()}}},
                        {"paths", std::move(paths)},
                        {"components", json::Object{{"schemas", std::move(schemas)}}}};
}

}   // namespace aviary::builtin::internal
