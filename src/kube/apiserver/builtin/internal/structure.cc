#include "kube/apiserver/builtin/internal/structure.h"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/patch/type_tree.h"
#include "kube/schema/schema.h"

namespace aviary::builtin::internal {

namespace {

using Index = std::map<std::string_view, json::Doc>;

Index index_of(std::string_view section) {
    Index made;
    for (auto [name, value] : facts()[section].members()) made.emplace(name, value);
    return made;
}

json::Doc look_up(Index const& index, std::string_view name) {
    auto found = index.find(name);
    return found == index.end() ? json::Doc() : found->second;
}

json::Doc resolve(std::string_view reference) {
    return reference.starts_with(kSchemaPrefix) ? type_schema(reference.substr(kSchemaPrefix.size())) : json::Doc();
}

// By reference rather than by the schema itself, so that types compiled before are shared.
json::Doc reference_to(std::string_view type) {
    return json::Doc::freeze(json::Object{{"$ref", fmt::format("{}{}", kSchemaPrefix, type)}});
}

}   // namespace

json::Doc type_schema(std::string_view type) {
    static Index const index = index_of("types");
    return look_up(index, type);
}

json::Doc field_numbers(std::string_view type) {
    static Index const index = index_of("numbers");
    return look_up(index, type);
}

std::string type_of_kind(std::string_view api_version, std::string_view kind) {
    // Options go with every group.
    if (kind == "DeleteOptions") return fmt::format("{}{}", kMetaTypes, kind);
    static std::map<std::string, std::string, std::less<>> const types = [] {
        std::map<std::string, std::string, std::less<>> made;
        for (auto [name, schema] : facts()["types"].members()) {
            for (auto [_, entry] : schema["x-kubernetes-group-version-kind"].elements()) {
                std::string version = meta::api_version(entry["group"].as_string(), entry["version"].as_string());
                made.emplace(fmt::format("{} {}", version, entry["kind"].as_string()), name);
            }
        }
        return made;
    }();
    auto found = types.find(fmt::format("{} {}", api_version, kind));
    return found == types.end() ? std::string() : found->second;
}

std::shared_ptr<schema::Schema const> structural_schema(std::string_view type) {
    static std::mutex mutex;
    std::lock_guard lock(mutex);
    static schema::Schema::Compiler compiler(resolve, true);
    auto compiled = compiler.compile(reference_to(type));
    return compiled ? *compiled : nullptr;
}

std::shared_ptr<patch::TypeNode const> type_tree(std::string_view type) {
    static std::mutex mutex;
    std::lock_guard lock(mutex);
    static patch::TypeCompiler compiler(resolve);
    return compiler.compile(reference_to(type));
}

}   // namespace aviary::builtin::internal
