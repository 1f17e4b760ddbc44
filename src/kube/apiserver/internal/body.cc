#include "kube/apiserver/internal/body.h"

#include <fmt/format.h>

#include "core/json/parse.h"
#include "core/yaml/yaml.h"
#include "kube/apiserver/builtin/protobuf.h"

namespace aviary::apiserver {

Result<json::Doc> parse_body(std::string const& body, std::string_view type, Options const& options) {
    if (builtin::is_protobuf(type)) {
        json::Value const value = TRY(builtin::decode_protobuf(body));
        return json::Doc::freeze(value);
    }
    bool const yaml = type.contains("yaml");
    if (!yaml && !type.empty() && !type.contains("json")) {
        return fail(ErrorCode::kUnsupportedMediaType,
                    fmt::format("the body of the request was in an unknown format ({}) - accepted media types include: "
                                "application/json, application/yaml",
                                type));
    }
    json::ParseLimits const limits{.max_bytes = options.max_body_bytes, .max_depth = options.max_depth};
    if (!yaml) return json::parse(body, limits);
    // JSON is YAML too, and faster to read.
    std::size_t const start = body.find_first_not_of(" \t\r\n");
    if (start != std::string::npos && body[start] == '{') {
        if (auto parsed = json::parse(body, limits)) return parsed;
    }
    json::Value const value =
        TRY(yaml::parse(body, {.max_bytes = options.max_body_bytes, .max_depth = options.max_depth}));
    return json::Doc::freeze(value);
}

}   // namespace aviary::apiserver
