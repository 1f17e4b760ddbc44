// Which fleet a hub is the hub of. By itself that is the uid of its kube-system; one that was recovered from its
// members goes on as the hub before it, and says so in a ConfigMap of its namespace.
#pragma once

#include <string>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::hub {

inline meta::GroupVersionResource const kConfigMaps{"", "v1", "configmaps"};
inline constexpr char kIdentityName[] = "aviary-fleet";

struct Identity {
    std::string id;
    std::int64_t epoch = 1;
    bool operator==(Identity const&) const = default;
};

// What the ConfigMap says; what it does not say, or when it is absent: `otherwise`, in the first epoch.
Identity read_identity(json::Doc const& config_map, std::string const& otherwise);
json::Value write_identity(std::string const& ns, Identity const& identity);

}   // namespace aviary::hub
