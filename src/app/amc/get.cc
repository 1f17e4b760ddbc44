// get, describe and clusters: what members have, with the cluster beside it.
#include <fmt/format.h>

#include <algorithm>

#include "apis/cluster/managed_cluster.h"
#include "app/amc/session.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;
using json::Value;

struct Named {
    meta::GroupVersionResource resource;
    std::string kind;
    bool namespaced = true;
};

// "deploy", "deployments", "deployments.apps", "Deployment": by the hub's aggregated discovery.
Task<Result<Named>> find_resource(Session const& session, std::string text) {
    std::string const wanted = to_lower(text);
    std::size_t const dot = wanted.find('.');
    std::string const name = wanted.substr(0, dot);
    std::string const group = dot == std::string::npos ? "" : wanted.substr(dot + 1);
    for (char const* path : {"/api", "/apis"}) {
        CO_TRY_ASSIGN(
            Doc const found,
            co_await session.read(path, {}, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"));
        for (auto const& [index, item] : found["items"].elements()) {
            std::string const own_group = meta::name(item);
            if (!group.empty() && own_group != group) continue;
            Doc const version = item["versions"][0];
            for (auto const& [position, resource] : version["resources"].elements()) {
                bool matches = resource["resource"].as_string() == name ||
                               resource["singularResource"].as_string() == name ||
                               to_lower(resource.at({"responseKind", "kind"}).as_string()) == name;
                for (auto const& [short_index, short_name] : resource["shortNames"].elements())
                    matches = matches || short_name.as_string() == name;
                if (!matches) continue;
                co_return Named{{own_group, version["version"].string(), resource["resource"].string()},
                                resource.at({"responseKind", "kind"}).string(),
                                resource["scope"].as_string() == "Namespaced"};
            }
        }
    }
    co_return fail(ErrorCode::kNotFound, fmt::format("the server doesn't have a resource type \"{}\"", text));
}

std::string cell_text(Doc const& cell) {
    if (cell.is_string()) return cli::one_line(cell.as_string());
    return cell.is_null() ? "<none>" : json::write(cell);
}

bool adopted(Doc const& object) { return !meta::label(object, "fleet.aviary.dev/hub").empty(); }

Task<Result<Doc>> fetch(Session const& session, Named const& named, std::string const& name, bool table) {
    client::NameValues query{{"group", named.resource.group},
                             {"version", named.resource.version},
                             {"resource", named.resource.resource},
                             {"output", table ? "table" : "json"}};
    if (named.namespaced && !session.ns().empty()) query.emplace_back("namespace", session.ns());
    if (!name.empty()) query.emplace_back("name", name);
    if (!session.flags().selector.empty()) query.emplace_back("labelSelector", session.flags().selector);
    if (!session.flags().field_selector.empty()) query.emplace_back("fieldSelector", session.flags().field_selector);
    CO_TRY_ASSIGN(std::vector<std::string> const members, co_await session.members(false));
    if (!members.empty()) query.emplace_back("clusters", join(members, ","));
    Result<Doc> answer = co_await session.read("/fleet/v1/resources", std::move(query));
    co_return std::move(answer);
}

// How long a cluster has been away, for STATUS columns and errors.
std::string away(Doc const& cluster, Time now) {
    auto const since = parse_rfc3339(cluster["since"].as_string());
    return since ? format_age(now - *since) : "?";
}

int report_unreachable(Session const& session, Doc const& answer, Time now, bool any_rows) {
    std::size_t lost = 0;
    std::size_t total = 0;
    for (auto const& [index, cluster] : answer["clusters"].elements()) {
        ++total;
        if (cluster["reachable"].as_bool()) continue;
        ++lost;
        fmt::print(stderr, "cluster({}): unreachable for {}\n", cluster["name"].as_string(), away(cluster, now));
    }
    if (lost == 0 || session.flags().allow_unreachable) return kDone;
    return lost == total && !any_rows ? kUnreachable : kPartial;
}

void add_rows(cli::Table& table, Doc const& cluster, std::vector<std::size_t> const& columns, std::size_t status_column,
              Time now, bool with_namespace, std::size_t& rows) {
    bool const reachable = cluster["reachable"].as_bool();
    for (auto const& [index, row] : cluster.at({"table", "rows"}).elements()) {
        std::vector<cli::Cell> cells;
        Doc const object = row["object"];
        if (with_namespace) cells.emplace_back(meta::ns(object));
        bool first = true;
        for (std::size_t column : columns) {
            std::string text = cell_text(row["cells"][column]);
            if (!reachable && column == status_column) text = fmt::format("Unknown({})", away(cluster, now));
            cells.emplace_back(std::move(text));
            if (std::exchange(first, false)) cells.emplace_back(cluster["name"].string());
        }
        cells.emplace_back(adopted(object) ? "Y" : "N");
        table.add(std::move(cells));
        ++rows;
    }
}

}   // namespace

Task<int> get_resource(Session session, std::string resource, std::string name) {
    std::size_t const slash = resource.find('/');
    if (slash != std::string::npos) {
        name = resource.substr(slash + 1);
        resource.resize(slash);
    }
    auto const named = co_await find_resource(session, resource);
    if (!named) {
        session.complain(named.error().message());
        co_return kFailed;
    }
    std::string const& output = session.flags().output;
    bool const as_table = output.empty() || output == "wide";
    auto const answer = co_await fetch(session, *named, name, as_table);
    if (!answer) {
        session.complain(answer.error().message());
        co_return kFailed;
    }
    Time const now = session.context().now();
    if (!as_table) {
        Value items{json::Array()};
        for (auto const& [index, cluster] : (*answer)["clusters"].elements()) {
            for (auto const& [position, object] : cluster["items"].elements()) {
                Value item = object.thaw();
                item.set({"metadata", "annotations", "fleet.aviary.dev/cluster"}, cluster["name"].string());
                items.push_back(std::move(item));
            }
        }
        bool const any = items.size() > 0;
        if (output == "name") {
            for (Value const& item : items.array())
                session.print(fmt::format("{}/{}\n", named->resource.group_resource(),
                                          item.at({"metadata", "name"}).as_string()));
        } else {
            Value const list{json::Object{{"apiVersion", "v1"},
                                          {"kind", "List"},
                                          {"metadata", json::Object{{"resourceVersion", ""}}},
                                          {"items", items}}};
            if (output == "json") {
                session.print(json::write_pretty(list) + "\n");
            } else if (output == "yaml") {
                session.print(yaml::write(list));
            } else {
                session.complain(fmt::format("-o {}: one of wide, json, yaml, name", output));
                co_return kFailed;
            }
        }
        co_return report_unreachable(session, *answer, now, any);
    }

    Doc definitions;
    for (auto const& [index, cluster] : (*answer)["clusters"].elements()) {
        if (!definitions.exists() && cluster.at({"table", "columnDefinitions"}).size() > 0)
            definitions = cluster.at({"table", "columnDefinitions"});
    }
    std::vector<std::size_t> columns;
    std::vector<std::string> headers;
    std::size_t status_column = SIZE_MAX;
    bool const with_namespace = named->namespaced && session.ns().empty();
    if (with_namespace) headers.emplace_back("NAMESPACE");
    std::size_t position = 0;
    for (auto const& [index, definition] : definitions.elements()) {
        std::string header = definition["name"].string();
        for (char& letter : header)
            letter = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
        if (header == "STATUS") status_column = position;
        if (definition["priority"].as_int() == 0 || output == "wide") {
            columns.push_back(position);
            headers.push_back(std::move(header));
            if (columns.size() == 1) headers.emplace_back("CLUSTER");
        }
        ++position;
    }
    headers.emplace_back("ADOPTION");
    cli::Table table(std::move(headers), session.style());
    std::size_t rows = 0;
    for (auto const& [index, cluster] : (*answer)["clusters"].elements())
        add_rows(table, cluster, columns, status_column, now, with_namespace, rows);
    if (rows == 0) {
        if (!name.empty()) {
            session.complain(fmt::format("{} \"{}\" not found in any cluster", named->resource.group_resource(), name));
            co_return std::max<int>(kFailed, report_unreachable(session, *answer, now, false));
        }
        fmt::print(stderr, "No resources found{}.\n",
                   session.ns().empty() ? "" : fmt::format(" in {} namespace", session.ns()));
    } else {
        session.print(table);
    }
    co_return report_unreachable(session, *answer, now, rows > 0);
}

Task<int> describe(Session session, std::string resource, std::string name) {
    std::size_t const slash = resource.find('/');
    if (slash != std::string::npos) {
        name = resource.substr(slash + 1);
        resource.resize(slash);
    }
    auto const named = co_await find_resource(session, resource);
    if (!named) {
        session.complain(named.error().message());
        co_return kFailed;
    }
    auto const answer = co_await fetch(session, *named, name, false);
    if (!answer) {
        session.complain(answer.error().message());
        co_return kFailed;
    }
    bool any = false;
    for (auto const& [index, cluster] : (*answer)["clusters"].elements()) {
        for (auto const& [position, object] : cluster["items"].elements()) {
            Value shown = object.thaw();
            shown["metadata"].erase("managedFields");
            session.print(
                fmt::format("{}Cluster:  {}\n{}", any ? "\n" : "", cluster["name"].as_string(), yaml::write(shown)));
            any = true;
        }
    }
    if (!any)
        session.complain(fmt::format("{} \"{}\" not found in any cluster", named->resource.group_resource(), name));
    co_return any ? report_unreachable(session, *answer, session.context().now(), true) : kFailed;
}

Task<int> list_clusters(Session session) {
    client::ListOptions options;
    options.label_selector = session.flags().selector;
    auto const list = co_await session.hub().list(session.context(), apis::kManagedClusters, options);
    if (!list) {
        session.complain(list.error().message());
        co_return kFailed;
    }
    Time const now = session.context().now();
    cli::Table table({"NAME", "AVAILABLE", "VERSION", "SINCE", "AGE"}, session.style());
    for (auto const& [key, cluster] : (*list)["items"].elements()) {
        Doc const available = meta::condition(cluster, apis::kClusterAvailable);
        auto const since = parse_rfc3339(available["lastTransitionTime"].as_string());
        auto const created = meta::created(cluster);
        table.add({meta::name(cluster), available["status"].string(),
                   cluster.at({"status", "version", "kubernetes"}).string(), since ? format_age(now - *since) : "",
                   created ? format_age(now - *created) : ""});
    }
    session.print(table);
    co_return kDone;
}

}   // namespace aviary::amc
