#include "app/hub/internal/identity_owner.h"

#include <utility>

#include "app/hub/internal/joined.h"
#include "app/hub/internal/token_renewal.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

constexpr char kHubUid[] = "fleet.aviary.dev/hub-uid";
meta::GroupVersionResource const kAccounts{"", "v1", "serviceaccounts"};
meta::GroupVersionResource const kBindings{"rbac.authorization.k8s.io", "v1", "clusterrolebindings"};

}   // namespace

void mark_owner(json::Value& object, std::string hub) {
    object.set({"metadata", "annotations", kHubUid}, std::move(hub));
}

Task<Result<std::string>> other_owner(Context ctx, client::Client member, std::string ns, std::string own) {
    auto const account = co_await member.find(ctx, kAccounts, {std::move(ns), kMemberAccount});
    if (!account) co_return std::unexpected(account.error().context("reading the hub's account"));
    // With an agent there is no such account, and the binding is the same.
    auto const binding = co_await member.find(ctx, kBindings, {"", kRole});
    if (!binding) co_return std::unexpected(binding.error().context("reading the hub's binding"));
    for (auto const* each : {&*binding, &*account}) {
        std::string owner = meta::annotation(*each, kHubUid);
        if (!owner.empty() && owner != own) co_return owner;
    }
    co_return std::string();
}

}   // namespace aviary::hub
