#include "app/hub/internal/fleet_identity.h"

#include <fmt/format.h>

#include "core/base/strings.h"

namespace aviary::hub {

Identity read_identity(json::Doc const& config_map, std::string const& otherwise) {
    json::Doc const data = config_map["data"];
    Identity identity{data["id"].string(), parse_int(data["epoch"].as_string()).value_or(1)};
    if (identity.id.empty()) identity.id = otherwise;
    return identity;
}

json::Value write_identity(std::string const& ns, Identity const& identity) {
    json::Value object{json::Object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}}};
    object.set({"metadata", "name"}, kIdentityName);
    object.set({"metadata", "namespace"}, ns);
    object["data"] = json::Object{{"id", identity.id}, {"epoch", fmt::format("{}", identity.epoch)}};
    return object;
}

}   // namespace aviary::hub
