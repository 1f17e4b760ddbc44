#include "kube/control/authorizer.h"

#include <fmt/format.h>

#include "kube/meta/gvk.h"

namespace aviary::control {

Error forbidden(UserInfo const& user, Attributes const& attributes) {
    if (!attributes.path.empty()) {
        return Error(ErrorCode::kForbidden, fmt::format("forbidden: User \"{}\" cannot {} path \"{}\"", user.name,
                                                        attributes.verb, attributes.path));
    }
    std::string const resource =
        attributes.subresource.empty() ? attributes.resource : attributes.resource + "/" + attributes.subresource;
    std::string const subject = meta::GroupVersionResource{attributes.group, "", attributes.resource}.group_resource();
    std::string const scope =
        attributes.ns.empty() ? "at the cluster scope" : fmt::format("in the namespace \"{}\"", attributes.ns);
    std::string const named = attributes.name.empty() ? std::string() : fmt::format(" \"{}\"", attributes.name);
    return Error(ErrorCode::kForbidden,
                 fmt::format("{}{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}", subject,
                             named, user.name, attributes.verb, resource, attributes.group, scope))
        .with_object(attributes.group, attributes.resource, attributes.name);
}

}   // namespace aviary::control
