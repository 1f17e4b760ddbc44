#include "core/base/check.h"
#include "core/json/parse.h"
#include "kube/schema/schema.h"

// {"schema": …, "object": …}: pruning and defaulting come to rest, whatever the schema.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    using namespace aviary;
    auto const input = json::parse(std::string_view(reinterpret_cast<char const*>(data), size));
    if (!input) return 0;
    json::Doc const schema = (*input)["schema"];
    bool const structural = schema::check_structural(schema, "s").empty();
    (void)schema::unsupported_features(schema);
    auto const compiled = schema::Schema::compile(schema);
    if (!compiled) return 0;
    json::Value object = (*input)["object"].thaw();
    auto const unknown = (*compiled)->unknown_fields(object);
    AVIARY_CHECK((*compiled)->prune(object) == unknown);
    AVIARY_CHECK((*compiled)->unknown_fields(object).empty());
    (*compiled)->apply_defaults(object);
    (void)(*compiled)->validate(object);
    if (!structural) return 0;
    json::Value const once = object;
    (*compiled)->apply_defaults(object);
    AVIARY_CHECK(object == once);
    return 0;
}
