#include "hub/placement/cluster_sets.h"

#include <algorithm>

#include "apis/cluster/managed_cluster_set.h"
#include "kube/meta/object.h"
#include "kube/meta/selector.h"

namespace aviary::placement {

namespace {

using json::Doc;

bool in_set(Doc const& cluster, Doc const& set) {
    Doc const selector = set.at({"spec", "clusterSelector"});
    if (selector["selectorType"].as_string() != apis::kByLabelSelector) {
        std::string const named = meta::label(cluster, apis::kClusterSetLabel);
        return meta::name(set) == (named.empty() ? apis::kDefaultSet : std::string_view(named));
    }
    if (!selector["labelSelector"].exists()) return false;
    auto const labels = meta::LabelSelector::from_object(selector["labelSelector"]);
    return labels && labels->matches(cluster);
}

}   // namespace

std::vector<std::string> sets_of(Doc const& cluster, ClusterSets const& sets) {
    std::vector<std::string> names;
    for (Doc const& set : sets.sets) {
        if (!meta::is_deleting(set) && in_set(cluster, set)) names.emplace_back(meta::name(set));
    }
    std::ranges::sort(names);
    return names;
}

bool is_bound(std::string_view set, std::string_view ns, ClusterSets const& sets) {
    return std::ranges::any_of(sets.bindings, [&](Doc const& binding) {
        return meta::ns(binding) == ns && !meta::is_deleting(binding) &&
               binding.at({"spec", "clusterSet"}).as_string() == set;
    });
}

Task<Status> ensure_default_sets(Context ctx, client::Client client) {
    for (json::Value& set : apis::default_cluster_sets()) {
        std::string const name = set.at({"metadata", "name"}).string();
        CO_TRY_ASSIGN(Doc const known, co_await client.find(ctx, apis::kManagedClusterSets, {"", name}));
        if (known.exists()) continue;
        auto const made = co_await client.create(ctx, apis::kManagedClusterSets, std::move(set));
        if (!made && !made.error().is(ErrorCode::kAlreadyExists))
            co_return std::unexpected(made.error().context("managedclusterset " + name));
    }
    co_return Status{};
}

}   // namespace aviary::placement
