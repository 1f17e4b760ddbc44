#include "app/amc/resources.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::amc {

using json::Doc;

void split_name(std::string& resource, std::string& name) {
    std::size_t const slash = resource.find('/');
    if (slash == std::string::npos) return;
    name = resource.substr(slash + 1);
    resource.resize(slash);
}

Task<Result<std::vector<Served>>> served_resources(Session session) {
    std::vector<Served> served;
    for (char const* path : {"/api", "/apis"}) {
        CO_TRY_ASSIGN(Doc const found, co_await session.discovery(path));
        for (auto const& [index, item] : found["items"].elements()) {
            Doc const version = item["versions"][0];
            for (auto const& [position, resource] : version["resources"].elements()) {
                Served each;
                each.resource = {meta::name(item), version["version"].string(), resource["resource"].string()};
                each.kind = resource.at({"responseKind", "kind"}).string();
                each.namespaced = resource["scope"].as_string() == "Namespaced";
                each.names = {each.resource.resource, resource["singularResource"].string(), to_lower(each.kind)};
                for (auto const& [short_index, short_name] : resource["shortNames"].elements())
                    each.names.push_back(short_name.string());
                served.push_back(std::move(each));
            }
        }
    }
    co_return served;
}

Task<Result<Served>> find_resource(Session session, std::string text) {
    if (text == "all" || text.contains(','))
        co_return fail(ErrorCode::kUnsupported,
                       fmt::format("\"{}\": several kinds at once are not supported; ask for one at a time", text));
    std::string const wanted = to_lower(text);
    std::size_t const dot = wanted.find('.');
    std::string const name = wanted.substr(0, dot);
    std::string const group = dot == std::string::npos ? "" : wanted.substr(dot + 1);
    CO_TRY_ASSIGN(std::vector<Served> const served, co_await served_resources(std::move(session)));
    for (Served const& each : served) {
        if (!group.empty() && each.resource.group != group) continue;
        if (std::ranges::find(each.names, name) != each.names.end()) co_return each;
    }
    co_return fail(ErrorCode::kNotFound, fmt::format("the server doesn't have a resource type \"{}\"", text));
}

Task<Result<Doc>> fetch(Session session, Served served, std::string name, bool table) {
    Question question{.resource = served.resource,
                      .ns = served.namespaced ? session.ns() : "",
                      .name = std::move(name),
                      .label_selector = session.flags().selector,
                      .field_selector = session.flags().field_selector,
                      .table = table};
    CO_TRY_ASSIGN(question.clusters, co_await session.members(false));
    Result<Doc> answer = co_await session.ask(std::move(question));
    co_return std::move(answer);
}

}   // namespace aviary::amc
