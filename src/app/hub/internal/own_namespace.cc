#include "app/hub/internal/own_namespace.h"

#include <fmt/format.h>

#include <utility>

#include "app/hub/internal/joined.h"
#include "app/process/process.h"
#include "kube/client/discovery.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

constexpr char kMadeBy[] = "fleet.aviary.dev/made-by";
constexpr char kJoin[] = "join";
meta::GroupVersionResource const kNamespaces{"", "v1", "namespaces"};

bool in_every_namespace(std::string_view resource, std::string_view name) {
    return resource == "events" || (resource == "serviceaccounts" && name == "default") ||
           (resource == "configmaps" && name == "kube-root-ca.crt");
}

Task<Result<std::string>> first_in(Context ctx, client::Client member, std::string ns) {
    CO_TRY_ASSIGN(auto const resources, co_await client::namespaced_resources(ctx, member));
    for (auto const& resource : resources) {
        auto const list = co_await member.list(ctx, resource, {.ns = ns});
        if (!list) co_return std::unexpected(list.error().context("listing " + resource.group_resource()));
        for (auto const& [index, object] : (*list)["items"].elements()) {
            std::string const name = meta::name(object);
            if (!in_every_namespace(resource.resource, name))
                co_return fmt::format("{} {}", resource.group_resource(), name);
        }
    }
    co_return std::string();
}

}   // namespace

Task<Status> make_namespace(Context ctx, client::Client member, std::string name) {
    return process::ensure_namespace(std::move(ctx), std::move(member), std::move(name), {{kMadeBy, kJoin}});
}

Task<Result<std::string>> forget_namespace(Context ctx, client::Client member, std::string name) {
    CO_TRY_ASSIGN(json::Doc const there, co_await member.find(ctx, kNamespaces, {"", name}));
    if (meta::annotation(there, kMadeBy) != kJoin) co_return std::string();
    CO_TRY_ASSIGN(std::string kept, co_await first_in(ctx, member, name));
    if (kept.empty()) CO_TRY(co_await forget(ctx, member, kNamespaces, {"", name}));
    co_return kept;
}

}   // namespace aviary::hub
