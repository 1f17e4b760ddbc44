#include "kube/apiserver/builtin/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kube/apiserver/builtin/internal/subresources.h"

namespace aviary::builtin {

namespace {

using apiserver::ResourceInfo;

struct Version {
    std::string name;
    std::vector<ResourceInfo const*> resources;
};

struct Group {
    std::string name;
    std::vector<Version> versions;   // the preferred one first
};

// "v2" before "v1" before "v1beta2" before "v1alpha1" before anything else, as Kubernetes prefers versions.
struct VersionRank {
    int stability = -1;
    int major = 0;
    int minor = 0;
    auto operator<=>(VersionRank const&) const = default;
};

VersionRank rank_of(std::string_view version) {
    auto number = [&]() {
        int value = 0;
        std::size_t digits = 0;
        while (!version.empty() && version[0] >= '0' && version[0] <= '9' && digits++ < 9) {
            value = value * 10 + (version[0] - '0');
            version.remove_prefix(1);
        }
        return value;
    };
    VersionRank rank;
    if (!version.starts_with("v")) return rank;
    version.remove_prefix(1);
    rank.major = number();
    if (rank.major == 0) return {};
    if (version.empty()) return VersionRank{2, rank.major, 0};
    bool beta = version.starts_with("beta");
    if (!beta && !version.starts_with("alpha")) return {};
    version.remove_prefix(beta ? 4 : 5);
    return VersionRank{beta ? 1 : 0, rank.major, number()};
}

std::vector<Group> groups_of(ResourceList resources) {
    std::vector<Group> groups;
    for (auto const& info : resources) {
        auto group = std::ranges::find(groups, info->resource.group, &Group::name);
        if (group == groups.end()) group = groups.insert(groups.end(), Group{info->resource.group, {}});
        auto version = std::ranges::find(group->versions, info->resource.version, &Version::name);
        if (version == group->versions.end()) {
            version = group->versions.insert(group->versions.end(), Version{info->resource.version, {}});
        }
        version->resources.push_back(info.get());
    }
    for (Group& group : groups) {
        std::ranges::sort(group.versions, std::ranges::greater(),
                          [](Version const& v) { return std::pair(rank_of(v.name), v.name); });
        for (Version& version : group.versions) {
            std::ranges::sort(version.resources, {}, [](ResourceInfo const* info) { return info->resource.resource; });
        }
    }
    return groups;
}

template <class Texts>
json::Array texts(Texts const& list) {
    json::Array out;
    for (auto const& text : list) out.push_back(std::string(text));
    return out;
}

std::string group_version(std::string_view group, std::string_view version) {
    return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

json::Object group_document(Group const& group) {
    json::Array versions;
    for (Version const& version : group.versions) {
        versions.push_back(
            json::Object{{"groupVersion", group_version(group.name, version.name)}, {"version", version.name}});
    }
    json::Value preferred = versions.front();
    return json::Object{
        {"name", group.name}, {"versions", std::move(versions)}, {"preferredVersion", std::move(preferred)}};
}

void append_resource(json::Array& out, ResourceInfo const& info) {
    json::Object main{{"name", info.resource.resource},
                      {"singularName", info.singular},
                      {"namespaced", info.namespaced},
                      {"kind", info.kind},
                      {"verbs", texts(info.verbs)}};
    if (!info.short_names.empty()) main["shortNames"] = texts(info.short_names);
    if (!info.categories.empty()) main["categories"] = texts(info.categories);
    out.push_back(std::move(main));
    for (internal::Subresource const& sub : internal::subresources_of(info)) {
        json::Object entry{{"name", fmt::format("{}/{}", info.resource.resource, sub.name)},
                           {"singularName", ""},
                           {"namespaced", info.namespaced}};
        if (!sub.version.empty()) {
            entry["group"] = sub.group;
            entry["version"] = sub.version;
        }
        entry["kind"] = sub.kind;
        entry["verbs"] = texts(sub.verbs);
        out.push_back(std::move(entry));
    }
}

// In aggregated discovery an empty group and version of a kind mean those of the resource around it.
json::Object response_kind(std::string_view group, std::string_view version, std::string_view kind) {
    return json::Object{{"group", group}, {"version", version}, {"kind", kind}};
}

json::Object aggregated_resource(ResourceInfo const& info) {
    json::Object out{{"resource", info.resource.resource},
                     {"responseKind", response_kind(info.resource.group, info.resource.version, info.kind)},
                     {"scope", info.namespaced ? "Namespaced" : "Cluster"},
                     {"singularResource", info.singular},
                     {"verbs", texts(info.verbs)}};
    if (!info.short_names.empty()) out["shortNames"] = texts(info.short_names);
    if (!info.categories.empty()) out["categories"] = texts(info.categories);
    json::Array subresources;
    for (internal::Subresource const& sub : internal::subresources_of(info)) {
        bool own = !sub.version.empty();
        subresources.push_back(json::Object{
            {"subresource", sub.name},
            {"responseKind",
             response_kind(own ? sub.group : info.resource.group, own ? sub.version : info.resource.version, sub.kind)},
            {"verbs", texts(sub.verbs)}});
    }
    if (!subresources.empty()) out["subresources"] = std::move(subresources);
    return out;
}

}   // namespace

json::Value api_versions(std::string_view server_address) {
    return json::Object{{"kind", "APIVersions"},
                        {"versions", json::Array{"v1"}},
                        {"serverAddressByClientCIDRs",
                         json::Array{json::Object{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}}}}};
}

json::Value api_group_list(ResourceList resources) {
    json::Array out;
    for (Group const& group : groups_of(resources)) {
        if (!group.name.empty()) out.push_back(group_document(group));
    }
    return json::Object{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(out)}};
}

json::Value api_group(ResourceList resources, std::string_view name) {
    for (Group const& group : groups_of(resources)) {
        if (group.name != name || name.empty()) continue;
        json::Object out{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
        for (auto& [key, value] : group_document(group)) out[key] = value;
        return out;
    }
    return {};
}

json::Value api_resource_list(ResourceList resources, std::string_view group, std::string_view version) {
    std::vector<ResourceInfo const*> served;
    for (auto const& info : resources) {
        if (info->resource.group == group && info->resource.version == version) served.push_back(info.get());
    }
    if (served.empty()) return {};
    std::ranges::sort(served, {}, [](ResourceInfo const* info) { return info->resource.resource; });
    json::Array out;
    for (ResourceInfo const* info : served) append_resource(out, *info);
    return json::Object{{"kind", "APIResourceList"},
                        {"apiVersion", "v1"},
                        {"groupVersion", group_version(group, version)},
                        {"resources", std::move(out)}};
}

DiscoveryForm discovery_form(std::string_view accept) {
    // The client lists its wishes in order; the first that we serve wins.
    while (!accept.empty()) {
        std::size_t comma = accept.find(',');
        std::string_view wish = accept.substr(0, comma);
        accept = comma == std::string_view::npos ? std::string_view() : accept.substr(comma + 1);
        bool aggregated = wish.find("as=APIGroupDiscoveryList") != std::string_view::npos &&
                          wish.find("g=apidiscovery.k8s.io") != std::string_view::npos;
        if (!aggregated) {
            if (wish.find("application/json") != std::string_view::npos) return DiscoveryForm::kPlain;
            continue;
        }
        if (wish.find("v=v2beta1") != std::string_view::npos) return DiscoveryForm::kAggregatedV2Beta1;
        if (wish.find("v=v2") != std::string_view::npos) return DiscoveryForm::kAggregatedV2;
    }
    return DiscoveryForm::kPlain;
}

std::string_view content_type(DiscoveryForm form) {
    switch (form) {
        case DiscoveryForm::kPlain: return "application/json";
        case DiscoveryForm::kAggregatedV2:
            return "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        case DiscoveryForm::kAggregatedV2Beta1: break;
    }
    return "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
}

json::Value aggregated_discovery(ResourceList resources, bool core, DiscoveryForm form) {
    json::Array items;
    for (Group const& group : groups_of(resources)) {
        if (group.name.empty() != core) continue;
        json::Array versions;
        for (Version const& version : group.versions) {
            json::Array entries;
            for (ResourceInfo const* info : version.resources) entries.push_back(aggregated_resource(*info));
            versions.push_back(
                json::Object{{"version", version.name}, {"resources", std::move(entries)}, {"freshness", "Current"}});
        }
        json::Object metadata;
        if (!core) metadata["name"] = group.name;
        items.push_back(json::Object{{"metadata", std::move(metadata)}, {"versions", std::move(versions)}});
    }
    bool beta = form == DiscoveryForm::kAggregatedV2Beta1;
    return json::Object{{"kind", "APIGroupDiscoveryList"},
                        {"apiVersion", beta ? "apidiscovery.k8s.io/v2beta1" : "apidiscovery.k8s.io/v2"},
                        {"metadata", json::Object{}},
                        {"items", std::move(items)}};
}

}   // namespace aviary::builtin
