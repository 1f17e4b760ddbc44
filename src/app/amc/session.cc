#include "app/amc/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "apis/cluster/managed_cluster.h"
#include "apis/rollouts/rollout.h"
#include "app/command_line/output.h"
#include "core/base/strings.h"
#include "core/json/path.h"
#include "core/json/write.h"
#include "core/yaml/yaml.h"
#include "hub/proxy/attached.h"
#include "hub/proxy/paths.h"
#include "kube/client/discovery.h"
#include "kube/client/http_transport.h"
#include "kube/client/retrying.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

constexpr Duration kRequestTimeout = std::chrono::seconds(30);   // of the hub
constexpr std::string_view kJsonPath = "jsonpath=";              // -o
constexpr Duration kClusterTimeout = std::chrono::seconds(5);    // of each cluster, as the hub has it

// As kubectl: "30s", "2m", plain seconds, 0 for none.
Result<Duration> limit(std::string_view flag, std::string const& text) {
    auto time = parse_duration(text);
    if (!time) {
        if (auto const seconds = parse_int(text)) time = std::chrono::seconds(*seconds);
    }
    if (time && *time >= Duration(0)) return *time;
    return fail(ErrorCode::kInvalid, fmt::format("{} {}: a time such as 30s or 2m; 0 for none", flag, text));
}

// Whether one value comes before another as --sort-by has it: what is not there first, then numbers by size, then all
// else as text.
bool before(json::Doc const& left, json::Doc const& right) {
    auto const kind = [](json::Doc const& value) { return !value.exists() ? 0 : value.is_number() ? 1 : 2; };
    if (kind(left) != kind(right)) return kind(left) < kind(right);
    if (left.is_number()) return left.as_double() < right.as_double();
    auto const text = [](json::Doc const& value) { return value.is_string() ? value.string() : json::write(value); };
    return left.exists() && text(left) < text(right);
}

}   // namespace

Status Session::take(async::Executor& executor, Flags flags, std::string const& ns) {
    if (flags.as.empty() && !flags.as_groups.empty())
        return fail(ErrorCode::kInvalid,
                    fmt::format("requesting groups {} without impersonating a user: name one by --as",
                                join(flags.as_groups, ", ")));
    timeout_ = TRY(limit("--timeout", flags.timeout));
    watch_timeout_ = TRY(limit("--timeout", flags.watch_timeout));
    request_timeout_ =
        flags.request_timeout.empty() ? kRequestTimeout : TRY(limit("--request-timeout", flags.request_timeout));
    executor_ = &executor;
    ns_ = !flags.ns.empty() ? flags.ns : !ns.empty() ? ns : "default";
    if (flags.all_namespaces) ns_.clear();
    flags_ = std::move(flags);
    return {};
}

Result<Session> Session::over(async::Executor& executor, Flags flags, std::vector<Contexts::Cluster> clusters) {
    std::string const ns = flags.ns.empty() && !flags.all_namespaces ? TRY(Contexts::common_namespace(clusters)) : "";
    for (Contexts::Cluster& each : clusters) {
        if (each.client && !flags.as.empty()) each.client = each.client->impersonating(flags.as, flags.as_groups);
    }
    Session session;
    TRY(session.take(executor, std::move(flags), ns));
    Duration const limit = session.flags_.request_timeout.empty() ? kClusterTimeout : session.request_timeout_;
    session.contexts_ = std::make_shared<Contexts>(std::move(clusters), limit);
    return session;
}

namespace {

// As `aviary up` writes it, https://HOST/clusters/NAME; others have that word further down, in the path of a hub.
bool is_member(std::string_view url) {
    std::size_t const host = url.find("://");
    std::size_t const path = host == std::string_view::npos ? host : url.find('/', host + 3);
    if (path == std::string_view::npos || !url.substr(path).starts_with("/clusters/")) return false;
    std::string_view name = url.substr(path + std::string_view("/clusters/").size());
    if (name.ends_with('/')) name.remove_suffix(1);
    return !name.empty() && !name.contains('/');
}

}   // namespace

Result<Session> Session::open(async::AsioExecutor& executor, Flags flags) {
    if (flags.direct) return over(executor, flags, {TRY(Contexts::named(executor, flags.kubeconfig, flags.context))});
    if (!flags.contexts.empty())
        return over(executor, flags, TRY(Contexts::matching(executor, flags.kubeconfig, flags.contexts)));
    client::ServerAccess access = TRY(client::load_kubeconfig(flags.kubeconfig, flags.context));
    if (is_member(access.url)) {
        if (!flags.context.empty()) {
            return fail(
                ErrorCode::kInvalid,
                fmt::format(
                    "context {0} is a member; kubectl amc speaks to the hub: choose its context, and members by -m; "
                    "without a hub a single cluster is reached by --contexts {0}",
                    flags.context));
        }
        // The current context is a member's: the hub is the context `fleet` of the same file.
        std::string const ns = access.ns;
        auto const hub = client::load_kubeconfig(flags.kubeconfig, "fleet");
        if (!hub) {
            return fail(ErrorCode::kNotFound,
                        fmt::format("context {0} is a member, and its hub's is not there: {1}; without a hub a single "
                                    "cluster is reached by --contexts {0}",
                                    access.context, hub.error().message()));
        }
        access = *hub;
        if (access.ns.empty()) access.ns = ns;
    }
    auto const transport = TRY(client::http_transport(executor, access));
    client::Client hub(client::retrying(transport), "kubectl-amc");
    return through(executor, std::move(flags), std::move(hub), access.ns);
}

Result<Session> Session::through(async::Executor& executor, Flags flags, client::Client hub, std::string const& ns) {
    Session session;
    session.hub_ = flags.as.empty() ? std::move(hub) : hub.impersonating(flags.as, flags.as_groups);
    TRY(session.take(executor, std::move(flags), ns));
    return session;
}

Context Session::context() const {
    return request_timeout_ == Duration(0) ? unlimited() : unlimited().with_timeout(request_timeout_);
}

Context Session::unlimited() const {
    Context const ctx(*executor_);
    return end_ ? ctx.with_deadline(*end_) : ctx;
}

Session Session::within(Duration limit) const {
    Session other = *this;
    MonotonicTime const end = executor_->clock().monotonic() + limit;
    other.end_ = end_ ? std::min(*end_, end) : end;
    return other;
}

Duration Session::timeout() const { return timeout_ == Duration(0) ? std::chrono::hours(24 * 365) : timeout_; }

std::optional<Duration> Session::watch_timeout() const {
    return watch_timeout_ == Duration(0) ? std::nullopt : std::optional(watch_timeout_);
}

Status Session::one_namespace() const {
    if (!flags_.all_namespaces) return {};
    return fail(ErrorCode::kInvalid, "this is about one object: name its namespace by -n, not -A");
}

Task<Result<json::Doc>> Session::read(std::string path, client::NameValues query, std::string accept) const {
    client::Request request;
    request.path = std::move(path);
    request.query = std::move(query);
    request.accept = std::move(accept);
    CO_TRY_ASSIGN(client::Response response, co_await hub_->raw(context(), std::move(request)));
    co_return response.body;
}

Task<Result<json::Doc>> Session::discovery(std::string path) const {
    if (contexts_) {
        CO_TRY_ASSIGN(std::vector<std::string> chosen, co_await members(false));
        co_return co_await contexts_->discovery(unlimited(), std::move(path), std::move(chosen));
    }
    co_return co_await read(std::move(path), {}, client::kAggregatedDiscovery);
}

Task<Result<json::Doc>> Session::discovery_of(std::string cluster, std::string path) const {
    client::Request request;
    request.path = fmt::format("{}clusters/{}/proxy{}", proxy::kRoot, cluster, path);
    request.accept = client::kAggregatedDiscovery;
    CO_TRY_ASSIGN(client::Response response,
                  co_await hub_->raw(context().with_timeout(kClusterTimeout), std::move(request)));
    co_return response.body;
}

Task<Result<json::Doc>> Session::ask(Question question) const {
    if (contexts_) co_return co_await contexts_->ask(unlimited(), std::move(question));
    client::NameValues query{{"group", question.resource.group},
                             {"version", question.resource.version},
                             {"resource", question.resource.resource},
                             {"output", question.table ? "table" : "json"}};
    auto const add = [&query](char const* name, std::string const& value) {
        if (!value.empty()) query.emplace_back(name, value);
    };
    add("namespace", question.ns);
    add("name", question.name);
    add("labelSelector", question.label_selector);
    add("fieldSelector", question.field_selector);
    add("clusters", join(question.clusters, ","));
    co_return co_await read(std::string(proxy::kRoot) + "resources", std::move(query));
}

Task<Result<json::Doc>> Session::release(std::string rollout, std::vector<std::string> clusters) const {
    if (contexts_) {
        CO_TRY_ASSIGN(std::vector<proxy::ClusterView> views,
                      co_await contexts_->look(unlimited(), {ns_, std::move(rollout)}, std::move(clusters)));
        proxy::Release const release = proxy::release_among(views);
        co_return json::Doc::freeze(proxy::explain(release, views));
    }
    client::NameValues query;
    if (!clusters.empty()) query.emplace_back("clusters", join(clusters, ","));
    Result<json::Doc> answer = co_await read(
        fmt::format("{}namespaces/{}/rollouts/{}", proxy::kRoot, percent_encode(ns_), percent_encode(rollout)),
        std::move(query));
    co_return not_found_in(std::move(answer), ns_);
}

Task<Result<json::Doc>> Session::clusters(client::ListOptions options) const {
    if (contexts_) co_return co_await contexts_->list(unlimited());
    co_return co_await hub_->list(context(), apis::kManagedClusters, std::move(options));
}

Error Session::say_where() const {
    return Error(ErrorCode::kInvalid,
                 without_hub() ? "say where: -m CONTEXT[,CONTEXT], or -M for all that --contexts means"
                               : "say where: -m CLUSTER[,CLUSTER], --cluster-selector LABELS, or -M for all");
}

Result<std::vector<std::string>> Session::named_members() const {
    std::vector<std::string> names;
    for (std::string_view each : split(join(flags_.members, ","), ',')) {
        std::string const name(trim(each));
        if (name.empty() || std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    // A script's variable that is not set names no cluster, which is not all of them.
    bool const nothing = names.empty() && !flags_.members.empty();
    if (nothing || std::ranges::count(names, "") > 0) return std::unexpected(say_where());
    return names;
}

Task<Result<std::vector<std::string>>> Session::members(bool required) const {
    std::vector<std::string> chosen;
    bool const named = !flags_.members.empty();
    int const ways = (named ? 1 : 0) + (flags_.all_members ? 1 : 0) + (flags_.cluster_selector.empty() ? 0 : 1);
    if (ways > 1) co_return fail(ErrorCode::kInvalid, "-m, -M and --cluster-selector exclude each other");
    if (flags_.direct) co_return contexts_->names();
    if (ways == 0 && required) co_return std::unexpected(say_where());
    if (named) {
        CO_TRY_ASSIGN(chosen, named_members());
        CO_TRY_ASSIGN(std::vector<std::string> const all, co_await known({}));
        for (std::string const& name : chosen) {
            if (std::ranges::find(all, name) != all.end()) continue;
            co_return fail(ErrorCode::kNotFound,
                           without_hub()
                               ? fmt::format("-m {}: no such context among those that --contexts means", name)
                               : fmt::format("managedclusters \"{}\" not found: see `kubectl amc clusters`", name));
        }
    } else if (!flags_.cluster_selector.empty()) {
        CO_TRY_ASSIGN(chosen, co_await known(flags_.cluster_selector));
        if (chosen.empty())
            co_return fail(ErrorCode::kNotFound, fmt::format("no cluster has the labels {}", flags_.cluster_selector));
    }
    co_return std::move(chosen);
}

Task<Result<std::vector<std::string>>> Session::known(std::string selector) const {
    if (contexts_) co_return contexts_->names();
    client::ListOptions options;
    options.label_selector = std::move(selector);
    CO_TRY_ASSIGN(json::Doc const list, co_await hub_->list(context(), apis::kManagedClusters, options));
    std::vector<std::string> names;
    for (auto const& [key, cluster] : list["items"].elements()) names.push_back(meta::name(cluster));
    co_return std::move(names);
}

std::string Session::where() const {
    if (flags_.direct) return "--direct --context " + flags_.context;
    return without_hub() ? fmt::format("--contexts '{}'", flags_.contexts) : "";
}

int Session::failure(Error const& error) const {
    bool const nobody = without_hub() && error.is(ErrorCode::kUnavailable);
    return !nobody ? kFailed : flags_.allow_unreachable ? kDone : kUnreachable;
}

void Session::print(std::string const& text) const { command_line::print(text); }

void Session::note(std::string const& text) const {
    command_line::flush();
    fmt::print(stderr, "note: {}\n", text);
}

void Session::complain(std::string const& text) const {
    command_line::flush();
    fmt::print(stderr, "error: {}\n", text);
}

Result<json::Doc> not_found_in(Result<json::Doc> answer, std::string const& ns) {
    if (answer || !answer.error().is(ErrorCode::kNotFound)) return answer;
    std::string const& text = answer.error().message();
    if (!text.starts_with(apis::kRollouts.group_resource()) || !text.ends_with("not found")) return answer;
    return fail(ErrorCode::kNotFound, fmt::format("{} in namespace {}", text, ns));
}

std::string of_silent_hub(std::string const& text) {
    constexpr std::string_view kMeanwhile = "The clusters go on to their next pause; --contexts asks them without it";
    // The API server of the hub answers, and what it shows is served by the hub itself.
    if (text.starts_with("the server answered with status 503"))
        return fmt::format("{}: `aviary hub` does not answer there. {}", text, kMeanwhile);
    if (text.starts_with("no hub leads at the moment")) return fmt::format("{}. {}", text, kMeanwhile);
    bool const nobody = text.starts_with("connecting to ") || text.starts_with("TLS handshake with ");
    if (nobody) return fmt::format("the hub's API server does not answer: {}. {}", text, kMeanwhile);
    if (text == "deadline exceeded") return fmt::format("the hub has not answered in time. {}", kMeanwhile);
    // An API server without the fleet's paths and kinds.
    if (text == "the server could not find the requested resource") {
        return "this server is no hub: choose the hub's context by --context, or `kubectl config use-context`; without "
               "a hub a single cluster is reached by --contexts NAME";
    }
    return text;
}

std::string Session::text_of(Error const& error) const {
    return without_hub() ? error.message() : of_silent_hub(error.message());
}

void Session::complain(Error const& error) const { complain(text_of(error)); }

Status Session::sort(std::vector<json::Doc>& objects) const {
    if (flags_.sort_by.empty()) return {};
    auto const path = json::Path::parse(flags_.sort_by);
    if (!path) return std::unexpected(path.error().context("--sort-by"));
    std::vector<json::Doc> keys;
    std::vector<std::size_t> order;
    for (json::Doc const& object : objects) {
        auto found = path->find(object);
        order.push_back(keys.size());
        keys.push_back(found && !found->empty() ? found->front() : json::Doc());
    }
    // Who watches may see the first one that has it later.
    bool const nowhere = std::ranges::none_of(keys, &json::Doc::exists);
    if (nowhere && !objects.empty() && !flags_.watch)
        return fail(ErrorCode::kInvalid, fmt::format("--sort-by {}: no object has that field", flags_.sort_by));
    std::ranges::sort(order, [&](std::size_t left, std::size_t right) {
        if (before(keys[left], keys[right])) return true;
        return !before(keys[right], keys[left]) && left < right;
    });
    std::vector<json::Doc> sorted;
    for (std::size_t index : order) sorted.push_back(objects[index]);
    objects = std::move(sorted);
    return {};
}

bool Session::as_table() const { return flags_.output.empty() || flags_.output == "wide"; }

Status Session::document_form(bool or_name) const {
    std::string const& form = flags_.output;
    if (as_table() || form == "json" || form == "yaml" || (or_name && form == "name")) return {};
    if (!form.starts_with(kJsonPath))
        return fail(ErrorCode::kInvalid,
                    fmt::format("-o {}: one of json, yaml,{} jsonpath=TEMPLATE", form, or_name ? " name," : ""));
    auto const path = json::Path::parse_template(std::string_view(form).substr(kJsonPath.size()));
    return path ? Status{} : std::unexpected(path.error());
}

Result<bool> Session::print_document(json::Value const& document) const {
    TRY(document_form());
    std::string const& form = flags_.output;
    if (as_table()) return false;
    if (form == "json") {
        print(json::write_pretty(document) + "\n");
    } else if (form == "yaml") {
        print(yaml::write(document));
    } else {
        json::Path const path = TRY(json::Path::parse_template(std::string_view(form).substr(kJsonPath.size())));
        print(TRY(path.print(json::Doc::freeze(document))));
    }
    return true;
}

namespace {

// An API server leaves out of a list's items what all of them are.
json::Value typed(json::Value const& item, std::string const& api_version, std::string const& kind) {
    json::Object whole{{"apiVersion", api_version}, {"kind", kind}};
    for (auto const& [key, value] : item.object()) {
        if (key != "apiVersion") whole[key] = value;
    }
    return whole;
}

}   // namespace

Result<bool> Session::print_objects(json::Value items, meta::GroupVersionResource const& resource,
                                    std::string const& kind) const {
    std::string const& form = flags_.output;
    if (as_table()) return false;
    if (form == "name") {
        std::string const group = resource.group.empty() ? "" : "." + resource.group;
        for (json::Value const& item : items.array())
            print(fmt::format("{}{}/{}\n", to_lower(kind), group, item.at({"metadata", "name"}).as_string()));
        return true;
    }
    for (json::Value& item : items.make_array()) {
        if (!item.contains("kind")) item = typed(std::move(item), resource.api_version(), kind);
    }
    json::Value const list{json::Object{{"apiVersion", "v1"},
                                        {"kind", "List"},
                                        {"metadata", json::Object{{"resourceVersion", ""}}},
                                        {"items", std::move(items)}}};
    bool const known = form == "json" || form == "yaml" || form.starts_with(kJsonPath);
    if (!known)
        return fail(ErrorCode::kInvalid, fmt::format("-o {}: one of wide, json, yaml, name, jsonpath=TEMPLATE", form));
    return print_document(list);
}

void Session::print(cli::Table const& table) const { print(table.render(cli::Terminal::of(1))); }

cli::TableStyle Session::style() const {
    cli::TableStyle style;
    style.headers = !flags_.no_headers;
    return style;
}

}   // namespace aviary::amc
