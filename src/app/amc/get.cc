// get, describe and clusters: what members have, with the cluster beside it.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apis/cluster/managed_cluster.h"
#include "apis/fleet/controller.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/describe_rollout.h"
#include "app/amc/patience.h"
#include "app/amc/resources.h"
#include "app/amc/session.h"
#include "app/command_line/output.h"
#include "core/base/strings.h"
#include "core/cli/progress.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "hub/propagation/release_state.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using json::Doc;
using json::Value;

std::string cell_text(Doc const& cell) {
    if (cell.is_string()) return cli::one_line(cell.as_string());
    return cell.is_null() ? "<none>" : json::write(cell);
}

bool adopted(Doc const& object) { return !meta::label(object, "fleet.aviary.dev/hub").empty(); }

// What there is to say where no cluster has an object.
int report_nothing(Session const& session, Doc const& answer, Served const& served, std::string const& name) {
    int const code = report(session, answer, session.context().now(), false);
    std::string const ns = served.namespaced ? session.ns() : "";
    if (code == kFailed) return code;
    if (name.empty()) {
        // Those that -m names do not serve the kind.
        std::vector<Trouble> const found = troubles(session, answer, session.context().now());
        bool const none =
            !found.empty() && found.size() == answer["clusters"].size() &&
            std::ranges::all_of(found, [](Trouble const& each) { return each.what == Trouble::What::kNone; });
        if (none) session.complain(found.front().text);
        if (none) return kFailed;
        fmt::print(stderr, "No resources found{}.\n", ns.empty() ? "" : fmt::format(" in {} namespace", ns));
        return code;
    }
    session.complain(fmt::format("{} \"{}\" not found in {}any cluster", served.resource.group_resource(), name,
                                 ns.empty() ? "" : fmt::format("namespace {} of ", ns)));
    return std::max<int>(kFailed, code);
}

// One object of one cluster: as a row, or whole.
struct Entry {
    std::string key;   // cluster, namespace and name
    std::vector<cli::Cell> cells;
    Doc item;
};

std::string key_of(Doc const& cluster, Doc const& object) {
    return fmt::format("{}\n{}\n{}", cluster["name"].as_string(), meta::ns(object), meta::name(object));
}

constexpr std::string_view kUnknown = "Unknown(";   // the status of what is in a cluster that is away, for how long

// The members' own columns by name, as one may be of another version, with CLUSTER behind the first and ADOPTION at the
// end.
struct Columns {
    std::vector<std::string> headers;
    std::vector<std::string> keys;   // of members' columns
    bool with_namespace = false;

    Columns(Doc const& answer, bool wide, bool namespaces) : with_namespace(namespaces) {
        for (auto const& [index, cluster] : answer["clusters"].elements()) {
            std::vector<std::string> const theirs = keys_of(cluster);
            for (std::size_t place = 0; place < theirs.size(); ++place) {
                Doc const definition = cluster.at({"table", "columnDefinitions"})[place];
                bool const known = std::ranges::find(keys, theirs[place]) != keys.end();
                if (!known && (definition["priority"].as_int() == 0 || wide)) keys.push_back(theirs[place]);
            }
        }
        if (with_namespace) headers.emplace_back("NAMESPACE");
        for (std::string const& key : keys) {
            headers.push_back(key.substr(0, key.find('\n')));
            if (&key == &keys.front()) headers.emplace_back("CLUSTER");
        }
        headers.emplace_back("ADOPTION");
    }

    // The header of each column of a cluster; of one that it has already, as many lines more.
    static std::vector<std::string> keys_of(Doc const& cluster) {
        std::vector<std::string> found;
        for (auto const& [index, definition] : cluster.at({"table", "columnDefinitions"}).elements()) {
            std::string key = definition["name"].string();
            for (char& letter : key)
                letter = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
            while (std::ranges::find(found, key) != found.end()) key += '\n';
            found.push_back(std::move(key));
        }
        return found;
    }

    // Where a cluster has each of the columns; SIZE_MAX: nowhere.
    std::vector<std::size_t> places(Doc const& cluster) const {
        std::vector<std::string> const theirs = keys_of(cluster);
        std::vector<std::size_t> places;
        for (std::string const& key : keys) {
            auto const found = std::ranges::find(theirs, key);
            places.push_back(found == theirs.end() ? SIZE_MAX : static_cast<std::size_t>(found - theirs.begin()));
        }
        return places;
    }

    std::vector<Entry> entries(Doc const& answer, Time now) const {
        std::vector<Entry> result;
        for (auto const& [index, cluster] : answer["clusters"].elements()) {
            bool const reachable = cluster["reachable"].as_bool();
            std::vector<std::size_t> const at = places(cluster);
            for (auto const& [row_index, row] : cluster.at({"table", "rows"}).elements()) {
                Doc const object = row["object"];
                Entry entry{key_of(cluster, object), {}, object};
                if (with_namespace) entry.cells.emplace_back(meta::ns(object));
                for (std::size_t column = 0; column < keys.size(); ++column) {
                    std::string text = cell_text(at[column] == SIZE_MAX ? Doc() : row["cells"][at[column]]);
                    if (!reachable && keys[column] == "STATUS")
                        text = fmt::format("{}{})", kUnknown, away(cluster, now));
                    entry.cells.emplace_back(std::move(text));
                    if (column == 0) entry.cells.emplace_back(cluster["name"].string());
                }
                entry.cells.emplace_back(adopted(object) ? "Y" : "N");
                result.push_back(std::move(entry));
            }
        }
        return result;
    }
};

std::string item_key(Doc const& item) {
    return fmt::format("{}\n{}\n{}", cluster_of(item), meta::ns(item), meta::name(item));
}

// Rows hold metadata alone, so the order comes from the whole objects.
Task<Status> order(Session session, Served served, std::string name, std::vector<Entry>& entries) {
    if (session.flags().sort_by.empty()) co_return Status{};
    CO_TRY_ASSIGN(Doc const answer, co_await fetch(session, std::move(served), std::move(name), false));
    std::vector<Doc> items = items_of(answer);
    CO_TRY(session.sort(items));
    std::map<std::string, std::size_t> place;
    for (Doc const& item : items) place.emplace(item_key(item), place.size());
    std::vector<std::pair<std::size_t, std::size_t>> ranked;   // place by the order, place before
    for (std::size_t index = 0; index < entries.size(); ++index) {
        auto const found = place.find(entries[index].key);
        ranked.emplace_back(found == place.end() ? place.size() : found->second, index);
    }
    std::ranges::sort(ranked);
    std::vector<Entry> sorted;
    for (auto const& [rank, index] : ranked) sorted.push_back(std::move(entries[index]));
    entries = std::move(sorted);
    co_return Status{};
}

// What -w has shown so far.
struct Shown {
    bool looked = false;
    bool over = false;                             // each cluster has answered, and there is nothing to watch
    std::map<std::string, std::string> objects;    // by key
    std::map<std::string, std::string> troubles;   // by cluster
};

// Says what has become another trouble since: how long a cluster has been away by now is none.
void tell_troubles(std::vector<Trouble> const& troubles, Shown& shown) {
    std::map<std::string, std::string> told;
    for (Trouble const& each : troubles) {
        std::string const text = each.what == Trouble::What::kAway ? "unreachable" : each.text;
        auto const before = shown.troubles.find(each.cluster);
        bool const same = before != shown.troubles.end() && before->second == text;
        if (!same && shown.looked) fmt::print(stderr, "cluster({}): {}\n", each.cluster, cli::one_line(each.text));
        told.emplace(each.cluster, text);
    }
    shown.troubles = std::move(told);
}

// One that is asked for in all clusters need not be in each.
void tell_where_not(Doc const& answer) {
    std::vector<std::string> without;
    for (auto const& [index, cluster] : answer["clusters"].elements())
        if (cluster["reason"].as_string() == "NotFound") without.push_back(cluster["name"].string());
    if (without.empty()) return;
    fmt::print(stderr, "not in {} of {} clusters: {}\n", without.size(), answer["clusters"].size(), some_of(without));
}

// Whether no cluster may have one yet: each has answered, and has none of that name, or gives none at all.
bool in_vain(std::vector<Trouble> const& found, std::size_t clusters, std::string const& name) {
    if (std::ranges::find(found, Trouble::What::kAway, &Trouble::what) != found.end()) return false;
    return !name.empty() || found.size() == clusters;
}

// Says what there is to say beside what was found; the exit code, which counts of -w where it is over.
int conclude_look(Session const& session, Doc const& answer, Served const& served, std::string const& name, bool any,
                  Shown* shown) {
    Time const now = session.context().now();
    if (shown != nullptr) {
        std::vector<Trouble> const found = troubles(session, answer, now);
        tell_troubles(found, *shown);
        if (std::exchange(shown->looked, true)) return kDone;
        shown->over = !any && in_vain(found, answer["clusters"].size(), name);
    }
    bool const whole_list = session.as_table() || !name.empty();   // else an empty list was printed
    bool const may_come = shown != nullptr && !shown->over && !name.empty();
    if (!any && whole_list && !may_come) return report_nothing(session, answer, served, name);
    if (!name.empty() && session.flags().members.empty()) tell_where_not(answer);
    return report(session, answer, now, any);
}

Task<Result<int>> show_table(Session session, Served served, std::string name, Shown* shown) {
    CO_TRY_ASSIGN(Doc const answer, co_await fetch(session, served, name, true));
    Time const now = session.context().now();
    Columns const columns(answer, session.flags().output == "wide", served.namespaced && session.ns().empty());
    std::vector<Entry> entries = columns.entries(answer, now);
    CO_TRY(co_await order(session, served, name, entries));
    bool const again = shown != nullptr && !shown->objects.empty();
    cli::TableStyle style = session.style();
    if (again) style.headers = false;
    cli::Table table(columns.headers, style);
    std::size_t const ages =
        static_cast<std::size_t>(std::ranges::find(columns.headers, "AGE") - columns.headers.begin());
    for (Entry& entry : entries) {
        std::string text;   // the age alone is no change
        for (std::size_t index = 0; index < entry.cells.size(); ++index) {
            std::string const& cell = entry.cells[index].text;
            text += index == ages ? "" : (cell.starts_with(kUnknown) ? std::string(kUnknown) : cell) + "\t";
        }
        if (shown != nullptr && std::exchange(shown->objects[entry.key], text) == text) continue;
        table.add(std::move(entry.cells));
    }
    if (!table.empty()) session.print(table);
    co_return conclude_look(session, answer, served, name, !entries.empty(), shown);
}

Task<Result<int>> show_objects(Session session, Served served, std::string name, Shown* shown) {
    CO_TRY_ASSIGN(Doc const answer, co_await fetch(session, served, name, false));
    std::vector<Doc> items = items_of(answer);
    CO_TRY(session.sort(items));
    Value list{json::Array()};
    for (Doc const& item : items) {
        std::string const version = meta::resource_version(item);
        if (shown == nullptr || std::exchange(shown->objects[item_key(item)], version) != version)
            list.push_back(item.thaw());
    }
    if (list.size() > 0 || shown == nullptr)
        CO_TRY(session.print_objects(std::move(list), served.resource, served.kind));
    co_return conclude_look(session, answer, served, name, !items.empty(), shown);
}

constexpr Duration kLookAgain = std::chrono::milliseconds(500);   // -w

// The events about each object, as kubectl's describe ends in them; or why they are not known.
std::string events_of(Session const& session, Result<Doc> const& answer, std::string_view cluster_name,
                      Doc const& object, Time now) {
    auto const not_known = [](std::string_view why) {
        return fmt::format("Events:  not known: {}\n", cli::one_line(why));
    };
    if (!answer) return not_known(answer.error().message());
    Doc const& events = *answer;
    cli::TableStyle style;
    style.gutter = 2;
    style.min_width = 0;
    cli::Table table({"  TYPE", "REASON", "AGE", "FROM", "MESSAGE"}, style);
    for (auto const& [index, cluster] : events["clusters"].elements()) {
        if (cluster["name"].as_string() != cluster_name) continue;
        for (auto const& [position, event] : cluster["items"].elements()) {
            if (event.at({"involvedObject", "uid"}).as_string() != meta::uid(object)) continue;
            std::string_view stamp = event["lastTimestamp"].as_string();
            if (stamp.empty()) stamp = event.at({"metadata", "creationTimestamp"}).as_string();
            auto const time = parse_rfc3339(stamp);
            std::string from = event.at({"source", "component"}).string();
            if (from.empty()) from = event["reportingComponent"].string();
            table.add({"  " + event["type"].string(), event["reason"].string(), time ? format_age(now - *time) : "",
                       from, cli::one_line(event["message"].as_string())});
        }
    }
    if (!table.empty()) return "Events:\n" + table.render(cli::Terminal::of(1));
    std::vector<Trouble> const found = troubles(session, events, now);
    auto const trouble = std::ranges::find(found, cluster_name, &Trouble::cluster);
    return trouble == found.end() ? "Events:  <none>\n" : not_known(trouble->text);
}

// The workload that a Rollout points at and its pods, in one cluster; absent what is not known of them.
struct Below {
    Doc workload, pods;
    std::string unknown;   // why the workload is not known; empty: it is, or is not there
};
Task<Below> below_rollout(Session session, std::string cluster, Doc rollout) {
    Below below;
    auto const [kind, key] = propagation::workload_of(rollout);
    auto const workload =
        co_await session.ask({meta::resource_of(kind), meta::ns(rollout), key.name, {}, {}, false, {cluster}});
    if (!workload) {
        below.unknown = workload.error().message();
        co_return below;
    }
    Doc const row = (*workload)["clusters"][0];
    below.workload = row["items"][0].detach();
    if (!below.workload.exists()) {
        bool const absent = row["reason"].as_string() == "NotFound";
        std::string const error = row["error"].string();
        below.unknown = absent ? "" : error.empty() ? "the cluster does not answer" : error;
        co_return below;
    }
    auto const selector = meta::pod_selector_of(below.workload);
    if (!selector || selector->empty()) co_return below;
    auto const pods =
        co_await session.ask({{"", "v1", "pods"}, meta::ns(rollout), {}, *selector, {}, true, {std::move(cluster)}});
    if (pods) below.pods = (*pods)["clusters"][0]["table"].detach();
    co_return below;
}

// What describe says, from what answer; no text where there is nothing.
struct Described {
    std::string text;
    Doc answer;
};
Task<Result<Described>> describe_objects(Session session, Served served, std::string name) {
    CO_TRY_ASSIGN(Doc const answer, co_await fetch(session, served, name, false));
    Flags flags = session.flags();
    flags.selector.clear();
    flags.field_selector = name.empty()
                               ? "involvedObject.kind=" + served.kind
                               : fmt::format("involvedObject.kind={},involvedObject.name={}", served.kind, name);
    Served const kind{{"", "v1", "events"}, "Event", served.namespaced, {}};
    auto const events = co_await fetch(session.with(std::move(flags)), kind, "", false);
    Time const now = session.context().now();
    Described described{.text = {}, .answer = answer};
    for (auto const& [index, cluster] : answer["clusters"].elements()) {
        for (auto const& [position, object] : cluster["items"].elements()) {
            std::string text;
            if (served.resource.group_resource() == apis::kRollouts.group_resource()) {
                Below const below = co_await below_rollout(session, cluster["name"].string(), object);
                text = fmt::format("{:<18}{}\n{}", "Cluster:", cluster["name"].as_string(),
                                   describe_rollout(object, below.workload, below.pods, below.unknown));
            } else {
                Value shown = object.thaw();
                shown["metadata"].erase("managedFields");
                text = fmt::format("Cluster:  {}\n{}", cluster["name"].as_string(), yaml::write(shown));
            }
            described.text += (described.text.empty() ? "" : "\n") + text;
            described.text += events_of(session, events, cluster["name"].as_string(), object, now);
        }
    }
    co_return described;
}

// -w: redrawn in place, with what is wrong with clusters above. Who watches stays when the hub goes away.
Task<int> watch_described(Session session, Served served, std::string name) {
    cli::Terminal const terminal = cli::Terminal::of(1);
    if (!terminal.is_terminal) {
        session.complain(
            "describe -w redraws in place, on a terminal: leave -w out, or see what changes line by line by get -w, or "
            "rollout status -w");
        co_return kFailed;
    }
    cli::Progress progress(terminal, command_line::print);
    Context const ctx(session.context().executor());
    std::optional<Time> until;
    if (session.watch_timeout()) until = ctx.now() + *session.watch_timeout();
    Patience patience;
    std::vector<cli::Progress::Line> lines;
    std::optional<Doc> seen;   // the last answer
    while (true) {
        Session const bounded = until ? session.within(*until - ctx.now()) : session;
        auto const described = co_await describe_objects(bounded, served, name);
        bool const over = until && ctx.now() >= *until;
        // What the end may have cut off is no word of the clusters: what was seen before it stays.
        bool const cut_off = over && (described || client::no_answer(described.error()));
        if (cut_off && seen) co_return lines.empty() ? report_nothing(session, *seen, served, name) : kDone;
        if (described) {
            std::vector<Trouble> const found = troubles(session, described->answer, ctx.now());
            bool const nothing = over || in_vain(found, described->answer["clusters"].size(), name);
            if (described->text.empty() && nothing) co_return report_nothing(session, described->answer, served, name);
            lines.clear();
            for (Trouble const& each : found)
                lines.push_back({"", fmt::format("cluster({}): {}", each.cluster, each.text), cli::Colour::kRed});
            for (std::string_view each : split(trim(described->text), '\n'))
                lines.push_back({"", std::string(each), cli::Colour::kNone});
            seen = described->answer;
            patience.answered();
        } else if (over || !patience.lasts(described.error(), ctx.monotonic())) {
            session.complain(described.error());
            co_return session.failure(described.error());
        } else if (patience.tells()) {
            lines.insert(lines.begin(), outage_line(session, described.error()));
        }
        progress.show(ctx.now(), lines);
        if (!command_line::flush() || over) co_return kDone;
        (void)co_await async::sleep_for(ctx, until ? std::min(kLookAgain, *until - ctx.now()) : kLookAgain);
    }
}

}   // namespace

Task<int> get_resource(Session session, std::string resource, std::string name) {
    if (Status const one = split_name(resource, name); !one) {
        session.complain(one.error());
        co_return kFailed;
    }
    auto const served = co_await find_asked(session, resource, name);
    if (!served) {
        session.complain(served.error());
        co_return session.failure(served.error());
    }
    Shown shown;
    Shown* const watched = session.flags().watch ? &shown : nullptr;
    Context const ctx(session.context().executor());
    Patience patience;
    while (true) {
        Result<int> code = kFailed;
        if (session.as_table()) {
            code = co_await show_table(session, *served, name, watched);
        } else {
            code = co_await show_objects(session, *served, name, watched);
        }
        // Who watches stays when the hub goes away for a while.
        if (!code && !(watched != nullptr && patience.lasts(code.error(), ctx.monotonic()))) {
            session.complain(code.error());
            co_return session.failure(code.error());
        }
        if (watched == nullptr || shown.over) co_return *code;
        if (code) {
            patience.answered();
        } else if (patience.tells()) {
            session.complain(code.error());
        }
        if (!command_line::flush()) co_return kDone;
        (void)co_await async::sleep_for(ctx, kLookAgain);
    }
}

Task<int> describe(Session session, std::string resource, std::string name) {
    if (Status const one = split_name(resource, name); !one) {
        session.complain(one.error());
        co_return session.failure(one.error());
    }
    auto const served = co_await find_asked(session, resource, name);
    if (!served) {
        session.complain(served.error());
        co_return session.failure(served.error());
    }
    if (session.flags().watch) {
        int const code = co_await watch_described(std::move(session), *served, std::move(name));
        co_return code;
    }
    auto const described = co_await describe_objects(session, *served, name);
    if (!described) {
        session.complain(described.error());
        co_return session.failure(described.error());
    }
    if (described->text.empty()) co_return report_nothing(session, described->answer, *served, name);
    session.print(described->text);
    if (!name.empty() && session.flags().members.empty()) tell_where_not(described->answer);
    co_return report(session, described->answer, session.context().now(), true);
}

namespace {

std::string claim(Doc const& cluster, std::string_view name) {
    for (auto const& [index, each] : cluster.at({"status", "clusterClaims"}).elements())
        if (each["name"].as_string() == name) return each["value"].string();
    return {};
}

// "aviary 0.1.0", with an exclamation mark when the hub does not work with that one.
std::string controller_of(Doc const& cluster) {
    std::string const version = claim(cluster, apis::kControllerVersionClaim);
    std::string text = claim(cluster, apis::kControllerClaim);
    if (!version.empty()) text += " " + version;
    if (meta::condition(cluster, apis::kControllerSupported)["status"].as_string() == "False") text += " !";
    return text;
}

}   // namespace

Task<int> list_clusters(Session session) {
    Flags const& flags = session.flags();
    if (session.without_hub() && !(flags.selector.empty() && flags.field_selector.empty())) {
        session.complain(
            "-l and --field-selector are of a hub, which knows the clusters' labels: choose contexts by -m");
        co_return kFailed;
    }
    Result<std::vector<std::string>> chosen;
    if (!flags.members.empty()) chosen = co_await session.members(false);
    if (!chosen) {
        session.complain(chosen.error());
        co_return kFailed;
    }
    bool const both = !flags.selector.empty() && !flags.cluster_selector.empty();
    client::ListOptions options;
    options.label_selector = flags.selector + (both ? "," : "") + flags.cluster_selector;
    options.field_selector = flags.field_selector;
    auto const list = co_await session.clusters(options);
    if (!list) {
        session.complain(list.error());
        co_return kFailed;
    }
    std::vector<Doc> clusters;
    for (auto const& [key, cluster] : (*list)["items"].elements()) {
        if (chosen->empty() || std::ranges::count(*chosen, meta::name(cluster)) > 0) clusters.push_back(cluster);
    }
    Status const sorted = session.sort(clusters);
    Value items{json::Array()};
    for (Doc const& cluster : clusters) items.push_back(cluster.thaw());
    Result<bool> const printed = sorted
                                     ? session.print_objects(std::move(items), apis::kManagedClusters, "ManagedCluster")
                                     : std::unexpected(sorted.error());
    if (!printed) {
        session.complain(printed.error());
        co_return kFailed;
    }
    if (*printed) co_return kDone;
    Time const now = session.context().now();
    cli::Table table({"NAME", "AVAILABLE", "VERSION", "CONTROLLER", "SINCE", "AGE"}, session.style());
    for (Doc const& cluster : clusters) {
        Doc const available = meta::condition(cluster, apis::kClusterAvailable);
        auto const since = parse_rfc3339(available["lastTransitionTime"].as_string());
        auto const created = meta::created(cluster);
        table.add({meta::name(cluster), available["status"].string(),
                   cluster.at({"status", "version", "kubernetes"}).string(), controller_of(cluster),
                   since ? format_age(now - *since) : "", created ? format_age(now - *created) : ""});
    }
    if (table.empty()) {
        fmt::print(stderr, "No clusters found.\n");
    } else {
        session.print(table);
    }
    for (Doc const& cluster : clusters) {
        Doc const why = meta::condition(cluster, apis::kClusterAvailable)["message"];
        if (session.without_hub() && why.exists())
            fmt::print(stderr, "cluster({}): unreachable: {}\n", meta::name(cluster), cli::one_line(why.as_string()));
        Doc const supported = meta::condition(cluster, apis::kControllerSupported);
        if (supported["status"].as_string() == "False") {
            fmt::print(stderr, "cluster({}): {}\n", meta::name(cluster),
                       cli::one_line(supported["message"].as_string()));
        }
    }
    co_return kDone;
}

}   // namespace aviary::amc
