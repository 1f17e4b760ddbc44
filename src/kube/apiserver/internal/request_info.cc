#include "kube/apiserver/internal/request_info.h"

#include "core/base/strings.h"

namespace aviary::apiserver {

namespace {

std::string verb_of(client::Request const& request, bool named) {
    if (request.method == "GET" || request.method == "HEAD") {
        std::string_view const watch = request.query_value("watch");
        if (watch == "true" || watch == "1") return "watch";
        return named ? "get" : "list";
    }
    if (request.method == "POST") return "create";
    if (request.method == "PUT") return "update";
    if (request.method == "PATCH") return "patch";
    if (request.method == "DELETE") return named ? "delete" : "deletecollection";
    return to_lower(request.method);
}

}  // namespace

RequestInfo parse_request(client::Request const& request) {
    RequestInfo info;
    info.path = request.path;
    info.verb = to_lower(request.method);
    std::vector<std::string> parts;
    for (std::string_view part : split(std::string_view(request.path).substr(1), '/')) {
        parts.push_back(percent_decode(part, false).value_or(std::string(part)));
    }
    while (!parts.empty() && parts.back().empty()) parts.pop_back();
    std::size_t at = 0;
    if (parts.size() >= 3 && parts[0] == "api") {
        info.version = parts[1];
        at = 2;
    } else if (parts.size() >= 4 && parts[0] == "apis") {
        info.group = parts[1];
        info.version = parts[2];
        at = 3;
    } else {
        return info;
    }
    // /namespaces/x and its sub-resources are the namespace itself; /namespaces/x/<resource> is inside it.
    if (parts[at] == "namespaces" && parts.size() > at + 2 && parts[at + 2] != "status" && parts[at + 2] != "finalize") {
        info.ns = parts[at + 1];
        at += 2;
    }
    info.is_resource = true;
    info.resource = parts[at];
    if (parts.size() > at + 1) info.name = parts[at + 1];
    if (parts.size() > at + 2) info.subresource = parts[at + 2];
    info.verb = verb_of(request, !info.name.empty());
    return info;
}

}  // namespace aviary::apiserver
