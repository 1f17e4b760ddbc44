#include "kube/apiserver/builtin/internal/subresources.h"

namespace aviary::builtin::internal {

std::vector<Subresource> subresources_of(apiserver::ResourceInfo const& info) {
    std::vector<Subresource> out;
    bool pods = !info.custom && info.resource.group.empty() && info.kind == "Pod";
    if (pods) {
        out.push_back({"binding", "", "", "Binding", {"create"}});
        out.push_back({"eviction", "policy", "v1", "Eviction", {"create"}});
    }
    if (info.scale) out.push_back({"scale", "autoscaling", "v1", "Scale", {"get", "patch", "update"}});
    if (info.has_status) out.push_back({"status", "", "", info.kind, {"get", "patch", "update"}});
    return out;
}

}   // namespace aviary::builtin::internal
