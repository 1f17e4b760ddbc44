#include "kube/client/discovery.h"

#include "core/base/strings.h"

namespace aviary::client {

Task<Result<std::optional<ServedKind>>> find_kind(Context ctx, Client client, meta::GroupVersionKind kind) {
    Request request;
    request.path =
        (kind.group.empty() ? "/api/" : "/apis/" + percent_encode(kind.group) + "/") + percent_encode(kind.version);
    auto const answer = co_await client.raw(ctx, std::move(request));
    if (!answer && answer.error().is(ErrorCode::kNotFound)) co_return std::nullopt;
    if (!answer) co_return std::unexpected(answer.error());
    for (auto const& [index, resource] : answer->body["resources"].elements()) {
        std::string_view const name = resource["name"].as_string();
        if (resource["kind"].as_string() != kind.kind || name.contains('/')) continue;
        co_return ServedKind{{kind.group, kind.version, std::string(name)}, resource["namespaced"].as_bool()};
    }
    co_return std::nullopt;
}

}   // namespace aviary::client
