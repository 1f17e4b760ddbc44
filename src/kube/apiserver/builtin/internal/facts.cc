#include "kube/apiserver/builtin/internal/facts.h"

#include "core/base/check.h"
#include "core/json/parse.h"

namespace aviary::builtin::internal {

json::Doc const& facts() {
    static json::Doc const parsed = [] {
        auto result = json::parse(kFactsText);
        AVIARY_CHECK(result.has_value());
        return *result;
    }();
    return parsed;
}

std::string_view reference_of(json::Doc const& schema) {
    json::Doc target = schema["$ref"];
    if (!target.exists()) target = schema["allOf"][0]["$ref"];
    std::string_view text = target.as_string();
    return text.starts_with(kSchemaPrefix) ? text.substr(kSchemaPrefix.size()) : std::string_view();
}

}   // namespace aviary::builtin::internal
