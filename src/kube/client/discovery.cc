#include "kube/client/discovery.h"

#include "core/base/strings.h"

namespace aviary::client {

namespace {

std::string path_of(std::string_view group, std::string_view version) {
    return (group.empty() ? "/api/" : "/apis/" + percent_encode(group) + "/") + percent_encode(version);
}

Task<Result<json::Doc>> read(Context ctx, Client client, std::string path) {
    Request request;
    request.path = std::move(path);
    CO_TRY_ASSIGN(Response const answer, co_await client.raw(ctx, std::move(request)));
    co_return answer.body;
}

}   // namespace

Task<Result<std::optional<ServedKind>>> find_kind(Context ctx, Client client, meta::GroupVersionKind kind) {
    auto const answer = co_await read(ctx, client, path_of(kind.group, kind.version));
    if (!answer && answer.error().is(ErrorCode::kNotFound)) co_return std::nullopt;
    if (!answer) co_return std::unexpected(answer.error());
    for (auto const& [index, resource] : (*answer)["resources"].elements()) {
        std::string_view const name = resource["name"].as_string();
        if (resource["kind"].as_string() != kind.kind || name.contains('/')) continue;
        co_return ServedKind{{kind.group, kind.version, std::string(name)}, resource["namespaced"].as_bool()};
    }
    co_return std::nullopt;
}

Task<Result<std::vector<meta::GroupVersionResource>>> namespaced_resources(Context ctx, Client client) {
    std::vector<std::pair<std::string, std::string>> versions{{"", "v1"}};
    CO_TRY_ASSIGN(json::Doc const groups, co_await read(ctx, client, "/apis"));
    // Every version: some kinds of a group are in another than the one that it prefers.
    for (auto const& [index, group] : groups["groups"].elements()) {
        for (auto const& [number, each] : group["versions"].elements())
            versions.emplace_back(group["name"].string(), each["version"].string());
    }
    std::vector<meta::GroupVersionResource> result;
    for (auto const& [group, version] : versions) {
        CO_TRY_ASSIGN(json::Doc const answer, co_await read(ctx, client, path_of(group, version)));
        for (auto const& [index, resource] : answer["resources"].elements()) {
            bool listed = false;
            for (auto const& [number, verb] : resource["verbs"].elements())
                listed = listed || verb.as_string() == "list";
            std::string name = resource["name"].string();
            if (!listed || !resource["namespaced"].as_bool() || name.contains('/')) continue;
            result.push_back({group, version, std::move(name)});
        }
    }
    co_return result;
}

}   // namespace aviary::client
