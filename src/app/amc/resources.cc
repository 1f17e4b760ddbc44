#include "app/amc/resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::amc {

using json::Doc;

namespace {

constexpr char kClusterAnnotation[] = "fleet.aviary.dev/cluster";

}   // namespace

Status split_name(std::string& resource, std::string& name) {
    std::size_t const slash = resource.find('/');
    if (!name.empty() && (slash != std::string::npos || name.contains('/')))
        return fail(ErrorCode::kUnsupported,
                    fmt::format("{} {}: several objects at once are not supported; ask for one at a time, by KIND/NAME "
                                "or KIND NAME",
                                resource, name));
    if (slash == std::string::npos) return {};
    name = resource.substr(slash + 1);
    if (slash == 0 || name.empty() || name.contains('/'))
        return fail(ErrorCode::kInvalid, fmt::format("{}: KIND/NAME is wanted", resource));
    resource.resize(slash);
    return {};
}

bool means_rollouts(std::string_view kind) {
    std::string const wanted = to_lower(kind);
    std::string const group = "." + apis::kRollouts.group;
    std::string_view const name =
        std::string_view(wanted).substr(0, wanted.size() - (wanted.ends_with(group) ? group.size() : 0));
    return name == "rollout" || name == "rollouts";
}

Result<std::string> rollout_name(std::string const& text) {
    std::size_t const slash = text.find('/');
    bool const named = slash != std::string::npos;
    std::string name = named ? text.substr(slash + 1) : text;
    if (!name.empty() && !name.contains('/') && (!named || means_rollouts(text.substr(0, slash)))) return name;
    return fail(ErrorCode::kInvalid,
                fmt::format("{}: a Rollout is wanted: NAME or rollouts/NAME", text.empty() ? "\"\"" : text));
}

// Each resource in the first version of its group that has it: the preferred one comes first, and some are in another
// alone.
void add_served(std::vector<Served>& served, Doc const& group) {
    std::set<std::string> known;
    for (auto const& [index, version] : group["versions"].elements()) {
        for (auto const& [position, resource] : version["resources"].elements()) {
            if (!known.insert(resource["resource"].string()).second) continue;
            Served each;
            each.resource = {meta::name(group), version["version"].string(), resource["resource"].string()};
            each.kind = resource.at({"responseKind", "kind"}).string();
            each.namespaced = resource["scope"].as_string() == "Namespaced";
            each.names = {each.resource.resource, resource["singularResource"].string(), to_lower(each.kind)};
            for (auto const& [short_index, short_name] : resource["shortNames"].elements())
                each.names.push_back(short_name.string());
            served.push_back(std::move(each));
        }
    }
}

Task<Result<std::vector<Served>>> served_resources(Session session) {
    std::vector<Served> served;
    for (char const* path : {"/api", "/apis"}) {
        CO_TRY_ASSIGN(Doc const found, co_await session.discovery(path));
        for (auto const& [index, group] : found["items"].elements()) add_served(served, group);
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

Task<Result<Served>> find_asked(Session session, std::string resource, std::string name) {
    CO_TRY_ASSIGN(Served found, co_await find_resource(session, std::move(resource)));
    if (found.namespaced && !name.empty() && session.flags().all_namespaces)
        co_return fail(ErrorCode::kInvalid, "a resource cannot be retrieved by name across all namespaces");
    co_return std::move(found);
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

std::string away(Doc const& cluster, Time now) {
    auto const since = parse_rfc3339(cluster["since"].as_string());
    return since ? format_age(now - *since) : "?";
}

int report(Session const& session, Doc const& answer, Time now, bool any_rows) {
    std::size_t lost = 0;
    std::size_t refused = 0;
    std::size_t total = 0;
    std::set<std::string> errors;
    for (auto const& [index, cluster] : answer["clusters"].elements()) {
        ++total;
        bool const gone = cluster["reason"].as_string() == "NotFound";   // one that has no such object is no failure
        if (!cluster["reachable"].as_bool()) {
            ++lost;
            std::string const how = cluster["since"].exists() ? " for " + away(cluster, now)
                                                              : ": " + cli::one_line(cluster["error"].as_string());
            fmt::print(stderr, "cluster({}): unreachable{}\n", cluster["name"].as_string(), how);
        } else if (cluster["error"].exists() && !gone) {
            ++refused;
            errors.insert(cluster["error"].string());
        }
    }
    if (refused == total && errors.size() == 1) {
        session.complain(*errors.begin());
    } else if (refused > 0) {
        for (auto const& [index, cluster] : answer["clusters"].elements()) {
            if (cluster["reachable"].as_bool() && errors.contains(cluster["error"].string()))
                fmt::print(stderr, "cluster({}): {}\n", cluster["name"].as_string(), cluster["error"].as_string());
        }
    }
    if (refused > 0) return any_rows ? kPartial : kFailed;
    if (lost == 0 || session.flags().allow_unreachable) return kDone;
    return lost == total && !any_rows ? kUnreachable : kPartial;
}

std::vector<Doc> items_of(Doc const& answer) {
    std::vector<Doc> items;
    for (auto const& [index, cluster] : answer["clusters"].elements()) {
        for (auto const& [position, object] : cluster["items"].elements()) {
            json::Value item = object.thaw();
            item.set({"metadata", "annotations", kClusterAnnotation}, cluster["name"].string());
            items.push_back(Doc::freeze(item));
        }
    }
    return items;
}

std::string cluster_of(Doc const& item) { return meta::annotation(item, kClusterAnnotation); }

}   // namespace aviary::amc
