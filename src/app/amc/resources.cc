#include "app/amc/resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "apis/cluster/managed_cluster.h"
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

namespace {

constexpr std::size_t kMembersLookedAt = 3;   // of those that may serve what their hub does not

std::optional<Served> named(std::vector<Served> const& served, std::string_view text) {
    std::string const wanted = to_lower(text);
    std::size_t const dot = wanted.find('.');
    std::string const name = wanted.substr(0, dot);
    std::string const group = dot == std::string::npos ? "" : wanted.substr(dot + 1);
    for (Served const& each : served) {
        if (!group.empty() && each.resource.group != group) continue;
        if (std::ranges::find(each.names, name) != each.names.end()) return each;
    }
    return std::nullopt;
}

Error no_such_kind(std::string_view text, std::string const& nor = {}) {
    return Error(ErrorCode::kNotFound, fmt::format("the server doesn't have a resource type \"{}\"{}", text, nor));
}

// In a member, where the hub has none: those that answer may serve more kinds than it does.
Task<Result<Served>> find_in_members(Session session, std::string text) {
    CO_TRY_ASSIGN(std::vector<std::string> const chosen, co_await session.members(false));
    auto const list = co_await session.clusters();
    if (!list) co_return std::unexpected(no_such_kind(text, "; members were not asked: " + list.error().message()));
    std::vector<std::string> asked;
    for (auto const& [index, cluster] : (*list)["items"].elements()) {
        bool const there = meta::condition(cluster, apis::kClusterAvailable)["status"].as_string() == "True";
        bool const meant = chosen.empty() || std::ranges::count(chosen, meta::name(cluster)) > 0;
        if (there && meant && asked.size() < kMembersLookedAt) asked.push_back(meta::name(cluster));
    }
    std::string nor;
    for (std::string const& cluster : asked) {
        std::vector<Served> served;
        Result<Doc> found;
        for (char const* path : {"/api", "/apis"}) {
            if (found) found = co_await session.discovery_of(cluster, path);
            if (!found) break;
            for (auto const& [index, group] : (*found)["items"].elements()) add_served(served, group);
        }
        if (auto kind = named(served, text)) co_return std::move(*kind);
        nor += found ? fmt::format(", nor has {}", cluster)
                     : fmt::format("; {} was not asked: {}", cluster, found.error().message());
    }
    if (asked.empty()) nor = ", and no member answers that may have it";
    co_return std::unexpected(no_such_kind(text, nor));
}

}   // namespace

Task<Result<Served>> find_resource(Session session, std::string text) {
    if (text == "all" || text.contains(','))
        co_return fail(ErrorCode::kUnsupported,
                       fmt::format("\"{}\": several kinds at once are not supported; ask for one at a time", text));
    CO_TRY_ASSIGN(std::vector<Served> const served, co_await served_resources(std::move(session)));
    if (auto found = named(served, text)) co_return std::move(*found);
    co_return std::unexpected(no_such_kind(text));
}

Task<Result<Served>> find_asked(Session session, std::string resource, std::string name) {
    Flags const& flags = session.flags();
    if (!name.empty() && !(flags.selector.empty() && flags.field_selector.empty()))
        co_return fail(ErrorCode::kInvalid,
                       "-l and --field-selector choose among several objects: leave them out with a name");
    auto at_hub = co_await find_resource(session, resource);
    bool const look_further = !at_hub && at_hub.error().is(ErrorCode::kNotFound) && !session.without_hub();
    if (look_further) at_hub = co_await find_in_members(session, std::move(resource));
    if (!at_hub) co_return std::unexpected(at_hub.error());
    Served found = std::move(*at_hub);
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

std::vector<Trouble> troubles(Session const& session, Doc const& answer, Time now) {
    std::vector<Trouble> found;
    for (auto const& [index, cluster] : answer["clusters"].elements()) {
        std::string name = cluster["name"].string();
        std::string error = cluster["error"].string();
        bool const none = cluster["reason"].as_string() == "NotFound";   // that alone is no failure
        if (!cluster["reachable"].as_bool()) {
            std::string const how = cluster["since"].exists() ? " for " + away(cluster, now) : ": " + error;
            found.push_back({Trouble::What::kAway, std::move(name), "unreachable" + how});
        } else if (cluster["error"].exists() && (!none || !session.flags().members.empty())) {
            found.push_back({none ? Trouble::What::kNone : Trouble::What::kRefused, std::move(name), std::move(error)});
        }
    }
    return found;
}

int report(Session const& session, Doc const& answer, Time now, bool any_rows, bool each) {
    std::vector<Trouble> found = troubles(session, answer, now);
    if (!each) std::erase_if(found, [](Trouble const& one) { return one.what == Trouble::What::kNone; });
    auto const count = [&](Trouble::What what) { return std::ranges::count(found, what, &Trouble::what); };
    auto const total = static_cast<std::ptrdiff_t>(answer["clusters"].size());
    auto const refused = count(Trouble::What::kRefused);
    bool const same = std::ranges::all_of(found, [&](Trouble const& one) { return one.text == found.front().text; });
    bool const all_say_so = refused == total && refused > 0 && same;
    if (all_say_so) session.complain(found.front().text);
    for (Trouble const& one : found) {
        bool const told = all_say_so || (one.what == Trouble::What::kNone && !any_rows);
        if (!told) fmt::print(stderr, "cluster({}): {}\n", one.cluster, cli::one_line(one.text));
    }
    if (refused > 0) return any_rows ? kPartial : kFailed;
    auto const away = session.flags().allow_unreachable ? 0 : count(Trouble::What::kAway);
    if (away == total && away > 0 && !any_rows) return kUnreachable;
    return away > 0 || (any_rows && count(Trouble::What::kNone) > 0) ? kPartial : kDone;
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
