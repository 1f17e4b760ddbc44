#include "kube/apiserver/internal/custom.h"

#include <fmt/format.h>

#include <set>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/table.h"
#include "kube/apiserver/internal/conversion.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"
#include "kube/patch/type_tree.h"
#include "kube/schema/schema.h"

namespace aviary::apiserver {

namespace {

using json::Doc;
using json::Value;

std::vector<std::string> strings(Doc const& list) {
    std::vector<std::string> result;
    for (auto const& [key, each] : list.elements()) result.push_back(each.string());
    return result;
}

// The schema as clients see it: with the header fields that every object has.
Value served_schema(Doc const& schema, std::string const& group, std::string const& version, std::string const& kind) {
    Value result = schema.exists()
                       ? schema.thaw()
                       : Value(json::Object{{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}});
    Value& properties = result["properties"];
    if (!properties.contains("apiVersion")) properties["apiVersion"] = json::Object{{"type", "string"}};
    if (!properties.contains("kind")) properties["kind"] = json::Object{{"type", "string"}};
    properties["metadata"] = json::Object{{"type", "object"}};
    result["x-kubernetes-group-version-kind"] =
        json::Array{json::Object{{"group", group}, {"version", version}, {"kind", kind}}};
    return result;
}

// Apply and strategic merge need the shape of metadata, which custom schemas leave open.
Value shaped(Value schema) {
    static constexpr char kOwners[] = "ownerReferences";
    Value metadata{json::Object{{"type", "object"}}};
    Value const strings{json::Object{{"type", "object"}, {"additionalProperties", json::Object{{"type", "string"}}}}};
    metadata.set({"properties", "labels"}, strings);
    metadata.set({"properties", "annotations"}, strings);
    metadata.set({"properties", "finalizers"}, json::Object{{"type", "array"},
                                                            {"x-kubernetes-list-type", "set"},
                                                            {"items", json::Object{{"type", "string"}}}});
    metadata.set({"properties", kOwners},
                 json::Object{{"type", "array"},
                              {"x-kubernetes-list-type", "map"},
                              {"x-kubernetes-list-map-keys", json::Array{"uid"}},
                              {"items", json::Object{{"type", "object"}, {"x-kubernetes-map-type", "atomic"}}}});
    schema.set({"properties", "metadata"}, metadata);
    return schema;
}

}   // namespace

Result<std::vector<std::shared_ptr<ResourceInfo const>>> custom_resources(Doc const& definition) {
    std::vector<std::shared_ptr<ResourceInfo const>> result;
    Doc const spec = definition["spec"];
    Doc const names = spec["names"];
    for (auto const& [index, version] : spec["versions"].elements()) {
        if (!version["served"].as_bool()) continue;
        auto info = std::make_shared<ResourceInfo>();
        info->resource = {spec["group"].string(), version["name"].string(), names["plural"].string()};
        info->kind = names["kind"].string();
        info->list_kind = names["listKind"].string();
        if (info->list_kind.empty()) info->list_kind = info->kind + "List";
        info->singular = names["singular"].string();
        if (info->singular.empty()) info->singular = to_lower(info->kind);
        info->short_names = strings(names["shortNames"]);
        info->categories = strings(names["categories"]);
        info->verbs = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
        info->namespaced = spec["scope"].as_string() == "Namespaced";
        info->storage = version["storage"].as_bool();
        info->custom = true;
        info->has_status = version.at({"subresources", "status"}).exists();
        if (Doc const scale = version.at({"subresources", "scale"}); scale.exists()) {
            info->scale = std::make_unique<ScalePaths>();
            info->scale->spec_replicas = scale["specReplicasPath"].string();
            info->scale->status_replicas = scale["statusReplicasPath"].string();
            info->scale->label_selector = scale["labelSelectorPath"].string();
        }
        Value const schema = served_schema(version.at({"schema", "openAPIV3Schema"}), info->resource.group,
                                           info->resource.version, info->kind);
        info->openapi = Doc::freeze(schema);
        info->schema = TRY(schema::Schema::compile(info->openapi));
        info->type_tree = patch::TypeCompiler().compile(Doc::freeze(shaped(schema)));
        if (spec.at({"conversion", "strategy"}).as_string() == "Webhook") info->conversion = spec["conversion"];
        info->columns = builtin::custom_columns(version["additionalPrinterColumns"]);
        result.push_back(std::move(info));
    }
    return result;
}

void default_definition(Value& definition) {
    Value& names = definition["spec"]["names"];
    if (names["singular"].as_string().empty()) names["singular"] = to_lower(names["kind"].as_string());
    if (names["listKind"].as_string().empty()) names["listKind"] = names["kind"].string() + "List";
    default_conversion(definition);
}

namespace {

void check_names(Value const& spec, std::vector<FieldCause>& causes) {
    auto const require = [&](std::string path, Value const& value) {
        if (value.as_string().empty()) causes.push_back({"FieldValueRequired", std::move(path), "Required value"});
    };
    require("spec.group", spec["group"]);
    require("spec.names.plural", spec.at({"names", "plural"}));
    require("spec.names.kind", spec.at({"names", "kind"}));
    std::string_view const scope = spec["scope"].as_string();
    if (scope != "Namespaced" && scope != "Cluster") {
        causes.push_back(
            {"FieldValueNotSupported", "spec.scope",
             fmt::format("Unsupported value: \"{}\": supported values: \"Cluster\", \"Namespaced\"", scope)});
    }
    if (auto const problem = meta::dns1123_subdomain_problem(spec["group"].as_string()); problem) {
        causes.push_back({"FieldValueInvalid", "spec.group",
                          fmt::format("Invalid value: \"{}\": {}", spec["group"].as_string(), *problem)});
    }
    for (auto const& [path, text] : {std::pair("spec.names.plural", spec.at({"names", "plural"}).string()),
                                     std::pair("spec.names.singular", spec.at({"names", "singular"}).string()),
                                     std::pair("spec.names.kind", to_lower(spec.at({"names", "kind"}).as_string()))}) {
        auto const problem = text.empty() ? std::nullopt : meta::dns1123_label_problem(text);
        if (problem)
            causes.push_back({"FieldValueInvalid", path, fmt::format("Invalid value: \"{}\": {}", text, *problem)});
    }
}

void check_unchanged(Value const& spec, Doc const& old, std::vector<FieldCause>& causes) {
    if (!meta::condition_is_true(old, "Established")) return;
    Doc const before = old["spec"];
    auto const check = [&](std::string path, Value const& value, Doc const& was) {
        if (value == was.thaw()) return;
        causes.push_back({"FieldValueInvalid", std::move(path),
                          fmt::format("Invalid value: \"{}\": field is immutable", value.as_string())});
    };
    check("spec.group", spec["group"], before["group"]);
    check("spec.scope", spec["scope"], before["scope"]);
    check("spec.names.plural", spec.at({"names", "plural"}), before.at({"names", "plural"}));
    check("spec.names.kind", spec.at({"names", "kind"}), before.at({"names", "kind"}));
}

void check_version_names(Value const& versions, std::vector<FieldCause>& causes) {
    std::set<std::string> seen;
    for (std::size_t index = 0; index < versions.size(); ++index) {
        std::string const name = versions[index]["name"].string();
        std::string const path = fmt::format("spec.versions[{}].name", index);
        if (auto const problem = meta::dns1123_label_problem(name)) {
            causes.push_back({"FieldValueInvalid", path, fmt::format("Invalid value: \"{}\": {}", name, *problem)});
        }
        if (!seen.insert(name).second) {
            causes.push_back({"FieldValueDuplicate", path, fmt::format("Duplicate value: \"{}\"", name)});
        }
    }
}

}   // namespace

std::vector<FieldCause> validate_definition(Value const& definition, Doc const& old) {
    std::vector<FieldCause> causes;
    Value const& spec = definition["spec"];
    check_names(spec, causes);
    if (!causes.empty()) return causes;
    check_unchanged(spec, old, causes);
    check_version_names(spec["versions"], causes);
    std::string const wanted = spec.at({"names", "plural"}).string() + "." + spec["group"].string();
    std::string const name = definition.at({"metadata", "name"}).string();
    if (name != wanted) {
        causes.push_back({"FieldValueInvalid", "metadata.name",
                          fmt::format("Invalid value: \"{}\": must be spec.names.plural+\".\"+spec.group", name)});
    }
    std::vector<FieldCause> const conversion = validate_conversion(spec["conversion"]);
    causes.insert(causes.end(), conversion.begin(), conversion.end());
    int stored = 0;
    for (std::size_t index = 0; index < spec["versions"].size(); ++index) {
        Value const& version = spec["versions"][index];
        stored += version["storage"].as_bool() ? 1 : 0;
        std::string const path = fmt::format("spec.versions[{}].schema.openAPIV3Schema", index);
        Value const& schema = version.at({"schema", "openAPIV3Schema"});
        if (!schema.is_object()) {
            causes.push_back({"FieldValueRequired", path, "Required value: schemas are required"});
            continue;
        }
        Doc const frozen = Doc::freeze(schema);
        auto problems = schema::check_structural(frozen, path);
        causes.insert(causes.end(), problems.begin(), problems.end());
        if (auto const compiled = schema::Schema::compile(frozen); !compiled) {
            causes.push_back({"FieldValueInvalid", path, "Invalid value: " + compiled.error().message()});
        }
    }
    if (stored != 1)
        causes.push_back({"FieldValueInvalid", "spec.versions",
                          "Invalid value: must have exactly one version marked as storage version"});
    return causes;
}

std::string name_conflict(Doc const& definition, Doc const& other) {
    if (definition["spec"]["group"].as_string() != other["spec"]["group"].as_string()) return {};
    Doc const own = definition.at({"spec", "names"});
    Doc const taken = other.at({"status", "acceptedNames"});
    for (char const* field : {"plural", "singular", "kind", "listKind"}) {
        for (char const* theirs : {"plural", "singular", "kind", "listKind"}) {
            bool const kinds = std::string_view(field).ends_with("ind");
            if (kinds != std::string_view(theirs).ends_with("ind") || !own[field].exists()) continue;
            if (own[field].as_string() == taken[theirs].as_string())
                return fmt::format("\"{}\" is already in use", own[field].as_string());
        }
    }
    return {};
}

std::vector<std::string> definition_warnings(Value const& definition) {
    std::vector<std::string> warnings;
    for (Value const& version : definition.at({"spec", "versions"}).array()) {
        for (std::string const& feature :
             schema::unsupported_features(Doc::freeze(version.at({"schema", "openAPIV3Schema"})))) {
            warnings.push_back(
                fmt::format("{}: {} is accepted but not enforced", version["name"].as_string(), feature));
        }
    }
    return warnings;
}

void establish(Value& definition, std::string const& conflict, Time now) {
    Value& status = definition["status"];
    if (!conflict.empty()) {
        meta::set_condition(status["conditions"], "NamesAccepted", "False", "NameConflict", conflict, now);
        // What is served has objects, and owners among them: it is never taken back.
        if (!meta::condition_is_true(Doc::freeze(definition), "Established")) {
            meta::set_condition(status["conditions"], "Established", "False", "NotAccepted",
                                "not all names are accepted", now);
            return;
        }
    } else {
        status["acceptedNames"] = definition.at({"spec", "names"});
        meta::set_condition(status["conditions"], "NamesAccepted", "True", "NoConflicts", "no conflicts found", now);
    }
    for (Value const& version : definition.at({"spec", "versions"}).array()) {
        if (!version["storage"].as_bool()) continue;
        bool known = false;
        for (Value const& each : status["storedVersions"].array()) known = known || each == version["name"];
        if (!known) status["storedVersions"].push_back(version["name"]);
    }
    meta::set_condition(status["conditions"], "Established", "True", "InitialNamesAccepted",
                        "the initial names have been accepted", now);
}

}   // namespace aviary::apiserver
