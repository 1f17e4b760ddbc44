#include "kube/apiserver/internal/request_info.h"

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/internal/shape.h"
#include "kube/meta/selector.h"

namespace aviary::apiserver {

namespace {

std::string verb_of(client::Request const& request, bool named) {
    if (request.method == "GET" || request.method == "HEAD") {
        if (is_true(request.query_value("watch"))) return "watch";
        return named ? "get" : "list";
    }
    if (request.method == "POST") return "create";
    if (request.method == "PUT") return "update";
    if (request.method == "PATCH") return "patch";
    if (request.method == "DELETE") return named ? "delete" : "deletecollection";
    return to_lower(request.method);
}

}   // namespace

RequestInfo parse_request(client::Request const& request) {
    RequestInfo info;
    info.path = request.path;
    info.verb = to_lower(request.method);
    std::vector<std::string> parts;
    std::string_view const path = request.path;
    if (!path.starts_with('/')) return info;
    for (std::string_view part : split(path.substr(1), '/')) {
        parts.push_back(part.contains('%') ? percent_decode(part, false).value_or(std::string(part))
                                           : std::string(part));
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
    if (parts[at] == "namespaces" && parts.size() > at + 1) {
        info.ns = parts[at + 1];
        if (parts.size() > at + 2 && parts[at + 2] != "status" && parts[at + 2] != "finalize") at += 2;
    }
    info.is_resource = true;
    info.malformed = std::ranges::any_of(parts, &std::string::empty) || parts.size() > at + 3;
    info.resource = parts[at];
    if (parts.size() > at + 1) info.name = parts[at + 1];
    if (parts.size() > at + 2) info.subresource = parts[at + 2];
    info.verb = verb_of(request, !info.name.empty());
    if (info.name.empty() && info.verb != "create") {
        // One name asked by field is a request for that name, to authorisation too.
        auto const fields = meta::FieldSelector::parse(request.query_value("fieldSelector"));
        if (fields) info.selected_name = fields->required("metadata.name");
    }
    return info;
}

}   // namespace aviary::apiserver
