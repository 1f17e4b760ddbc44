// What a request's method, path and query ask for (apiserver's RequestInfo).
#pragma once

#include <string>

#include "kube/client/transport.h"

namespace aviary::apiserver {

struct RequestInfo {
    bool is_resource = false;
    bool malformed = false;   // of a resource: the path leaves a part empty, or goes on after the sub-resource
    std::string verb;         // get list watch create update patch delete deletecollection; lower-case method otherwise
    std::string group, version, ns, resource, name, subresource;
    std::string selected_name;   // of a list, watch or deletecollection by the field metadata.name
    std::string path;
};

RequestInfo parse_request(client::Request const& request);

}   // namespace aviary::apiserver
