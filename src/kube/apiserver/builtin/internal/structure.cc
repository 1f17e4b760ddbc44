#include "kube/apiserver/builtin/internal/structure.h"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/patch/type_tree.h"
#include "kube/schema/schema.h"

namespace aviary::builtin::internal {

namespace {

json::Doc resolve(std::string_view reference) {
    return reference.starts_with(kSchemaPrefix) ? type_schema(reference.substr(kSchemaPrefix.size())) : json::Doc();
}

// By reference rather than by the schema itself, so that types compiled before are shared.
json::Doc reference_to(std::string_view type) {
    return json::Doc::freeze(json::Object{{"$ref", fmt::format("{}{}", kSchemaPrefix, type)}});
}

}   // namespace

json::Doc type_schema(std::string_view type) {
    static std::map<std::string_view, json::Doc> const index = [] {
        std::map<std::string_view, json::Doc> made;
        for (auto [name, schema] : facts()["types"].members()) made.emplace(name, schema);
        return made;
    }();
    auto found = index.find(type);
    return found == index.end() ? json::Doc() : found->second;
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
