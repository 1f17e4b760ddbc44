#include "kube/meta/gvk.h"

namespace aviary::meta {

std::pair<std::string, std::string> parse_api_version(std::string_view api_version) {
    std::size_t const slash = api_version.find('/');
    if (slash == std::string_view::npos) return {"", std::string(api_version)};
    return {std::string(api_version.substr(0, slash)), std::string(api_version.substr(slash + 1))};
}

std::string api_version(std::string_view group, std::string_view version) {
    return group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
}

std::string GroupVersionResource::group_resource() const { return group.empty() ? resource : resource + "." + group; }

}   // namespace aviary::meta
