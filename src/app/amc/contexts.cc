#include "app/amc/contexts.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "apis/cluster/managed_cluster.h"
#include "apis/rollouts/rollout.h"
#include "core/async/scope.h"
#include "core/base/strings.h"
#include "hub/proxy/answers.h"
#include "hub/proxy/attached.h"
#include "kube/client/discovery.h"
#include "kube/client/http_transport.h"
#include "kube/client/kubeconfig.h"
#include "kube/client/retrying.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using client::Request;
using client::Response;
using json::Doc;
using json::Value;

constexpr Duration kAskAgain = std::chrono::seconds(10);   // a cluster that did not answer
constexpr std::size_t kNamed = 10;                         // clusters in one message

Contexts::Cluster connect(async::AsioExecutor& executor, std::string const& kubeconfig, std::string const& name,
                          std::string& url) {
    Contexts::Cluster cluster;
    cluster.name = name;
    auto const access = client::load_kubeconfig(kubeconfig, name);
    auto const transport = access ? client::http_transport(executor, *access) : std::unexpected(Error(access.error()));
    if (transport) {
        url = access->url;
        cluster.ns = access->ns;
        cluster.client.emplace(client::retrying(*transport), "kubectl-amc");
    } else {
        cluster.away = Error(ErrorCode::kUnavailable, transport.error().message());
    }
    return cluster;
}

// A file that is not there, or cannot be read, is another fault than a name that is not in it.
Status readable(std::string const& kubeconfig, std::string const& name, std::vector<std::string> const& all,
                std::string_view flag) {
    auto const read = client::load_kubeconfig(kubeconfig, name);
    if (!read && (all.empty() || !read.error().is(ErrorCode::kNotFound)))
        return std::unexpected(read.error().context(flag));
    return {};
}

// The same groups of several answers are one.
void merge(Value& items, Doc const& answer) {
    for (auto const& [index, item] : answer["items"].elements()) {
        bool const known = std::ranges::any_of(items.array(), [&](Value const& each) {
            return each.at({"metadata", "name"}).as_string() == meta::name(item);
        });
        if (!known) items.push_back(item.thaw());
    }
}

}   // namespace

std::string some_of(std::vector<std::string> names) {
    bool const more = names.size() > kNamed;
    if (more) names.resize(kNamed);
    return join(names, ", ") + (more ? ", …" : "");
}

Result<std::vector<Contexts::Cluster>> Contexts::matching(async::AsioExecutor& executor, std::string const& kubeconfig,
                                                          std::string const& patterns) {
    std::vector<std::string> const all = client::context_names(kubeconfig);
    std::vector<Cluster> clusters;
    std::map<std::string, std::string> by_url;   // the first context of each server
    for (std::string_view each : split(patterns, ',')) {
        std::string const pattern(trim(each));
        bool any = false;
        for (std::string const& name : all) {
            bool const literal = name == pattern;
            if (!literal && ::fnmatch(pattern.c_str(), name.c_str(), 0) != 0) continue;
            any = true;
            if (std::ranges::find(clusters, name, &Cluster::name) != clusters.end()) continue;
            std::string url;
            Cluster cluster = connect(executor, kubeconfig, name, url);
            cluster.by_pattern = !literal;
            if (auto const same = by_url.find(url); same != by_url.end()) {
                fmt::print(stderr, "note: contexts {} and {} are one cluster: it is asked by {}\n", same->second, name,
                           same->second);
                continue;
            }
            if (!url.empty()) by_url.emplace(url, name);
            clusters.push_back(std::move(cluster));
        }
        if (any) continue;
        TRY(readable(kubeconfig, pattern, all, "--contexts"));
        return fail(ErrorCode::kNotFound,
                    fmt::format("--contexts: the kubeconfig has no context like \"{}\"{}", pattern,
                                all.empty() ? "" : fmt::format("; it has {}", some_of(all))));
    }
    return clusters;
}

Result<Contexts::Cluster> Contexts::named(async::AsioExecutor& executor, std::string const& kubeconfig,
                                          std::string const& name) {
    std::vector<std::string> const all = client::context_names(kubeconfig);
    std::string url;
    if (std::ranges::find(all, name) != all.end()) return connect(executor, kubeconfig, name, url);
    TRY(readable(kubeconfig, name, all, "--direct"));
    if (name.find_first_of("*?[,") != std::string::npos) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("--direct speaks to one member, by the name of its context, and \"{}\" is none; "
                                "several are reached by --contexts",
                                name));
    }
    return fail(ErrorCode::kNotFound,
                fmt::format("--direct: the kubeconfig has no context \"{}\"; it has {}", name, some_of(all)));
}

Result<std::string> Contexts::common_namespace(std::vector<Cluster> const& clusters) {
    Cluster const* first = nullptr;
    for (Cluster const& each : clusters) {
        if (!each.client || each.ns.empty()) continue;
        if (first != nullptr && first->ns != each.ns) {
            return fail(ErrorCode::kInvalid,
                        fmt::format("the contexts have several namespaces (\"{}\" in {}, \"{}\" in {}): name one by -n",
                                    first->ns, first->name, each.ns, each.name));
        }
        first = &each;
    }
    return first == nullptr ? std::string() : first->ns;
}

std::vector<std::string> Contexts::names() const {
    std::vector<std::string> names;
    for (Cluster const& each : clusters_) names.push_back(each.name);
    return names;
}

client::Client const* Contexts::client(std::string const& name) const {
    auto const found = std::ranges::find(clusters_, name, &Cluster::name);
    return found == clusters_.end() || !found->client ? nullptr : &*found->client;
}

Error const* Contexts::away(std::string const& name) const {
    auto const found = std::ranges::find(clusters_, name, &Cluster::name);
    return found == clusters_.end() || !found->away ? nullptr : &*found->away;
}

Error Contexts::nobody_answers(std::vector<Cluster*> const& asked) {
    std::string text = "no cluster answers";
    char const* between = ": ";
    for (Cluster const* each : asked) {
        if (each->away)
            text += fmt::format("{}{}: {}", std::exchange(between, "; "), each->name, each->away->message());
    }
    return Error(ErrorCode::kUnavailable, text);
}

// ---- whether they answer ----

Task<void> Contexts::probe(Context ctx, Cluster& cluster) {
    Request request;
    request.path = "/apis/fleet.aviary.dev";
    cluster.away.reset();
    auto const answer = co_await send(ctx, cluster, std::move(request));
    cluster.probed = true;
    cluster.hub = answer.has_value();
}

// Each once, and those that are away now and then. A hub is no member: its Rollouts say what members do, and an
// approval there would change nothing but what it says.
Task<Result<std::vector<Contexts::Cluster*>>> Contexts::chosen(Context ctx, std::vector<std::string> names) {
    async::Scope scope(ctx);
    std::vector<Cluster*> asked;
    for (Cluster& each : clusters_) {
        bool const meant = names.empty() || std::ranges::find(names, each.name) != names.end();
        if (!meant) continue;
        asked.push_back(&each);
        bool const due = !each.probed || (each.away && ctx.monotonic() >= each.asked + kAskAgain);
        if (each.client && due) scope.spawn(probe(scope.context(), each));
    }
    co_await scope.join();
    std::vector<Cluster*> members;
    for (Cluster* each : asked) {
        if (!each->hub) {
            members.push_back(each);
        } else if (!each->by_pattern) {
            co_return fail(ErrorCode::kInvalid,
                           fmt::format("context {} is a hub, which is asked without --contexts and --direct; these "
                                       "are for the contexts of members",
                                       each->name));
        } else if (!std::exchange(each->told, true)) {
            fmt::print(stderr, "note: context {} is a hub: it is left out\n", each->name);
        }
    }
    if (members.empty()) co_return fail(ErrorCode::kInvalid, "no context of a member is left");
    co_return std::move(members);
}

Task<Result<Response>> Contexts::send(Context ctx, Cluster& cluster, Request request) {
    if (cluster.away) co_return std::unexpected(*cluster.away);
    auto answer = co_await cluster.client->raw(limited(ctx), std::move(request));
    bool const cut_off = ctx.deadline() && ctx.monotonic() >= *ctx.deadline();   // by who asks, not by its own limit
    if (answer || cut_off || !client::no_answer(answer.error())) co_return std::move(answer);
    bool const late = answer.error().is(ErrorCode::kTimeout);
    cluster.away =
        late ? Error(ErrorCode::kUnavailable, fmt::format("no answer within {}", format_age(limit_))) : answer.error();
    cluster.asked = ctx.monotonic();
    co_return std::unexpected(*cluster.away);
}

Task<Result<std::vector<std::string>>> Contexts::members(Context ctx, std::vector<std::string> names) {
    CO_TRY_ASSIGN(std::vector<Cluster*> const asked, co_await chosen(ctx, std::move(names)));
    std::vector<std::string> members;
    for (Cluster const* each : asked) members.push_back(each->name);
    co_return std::move(members);
}

// ---- what they have ----

Task<void> Contexts::discover(Context ctx, Cluster& cluster, Request request, Doc& found) {
    auto const answer = co_await send(ctx, cluster, std::move(request));
    if (answer) found = answer->body;
}

Task<Result<Doc>> Contexts::discovery(Context ctx, std::string path, std::vector<std::string> clusters) {
    CO_TRY_ASSIGN(std::vector<Cluster*> const asked, co_await chosen(ctx, std::move(clusters)));
    std::vector<Doc> answers(asked.size());
    async::Scope scope(ctx);
    for (std::size_t index = 0; index < asked.size(); ++index) {
        Request request;
        request.path = path;
        request.accept = client::kAggregatedDiscovery;
        scope.spawn(discover(scope.context(), *asked[index], std::move(request), answers[index]));
    }
    co_await scope.join();
    Value items{json::Array()};
    bool any = false;
    for (Doc const& answer : answers) {
        any = any || answer.exists();
        merge(items, answer);
    }
    if (!any) co_return std::unexpected(nobody_answers(asked));
    co_return Doc::freeze(Value(json::Object{{"items", std::move(items)}}));
}

Task<void> Contexts::fetch(Context ctx, Cluster& cluster, Request request, bool table, Value& row) {
    row["name"] = cluster.name;
    row["reachable"] = true;
    auto const got = co_await send(ctx, cluster, std::move(request));
    proxy::put_answer(row, got ? Result<Doc>(got->body) : Result<Doc>(std::unexpected(got.error())), table);
}

Task<Result<Doc>> Contexts::ask(Context ctx, Question question) {
    CO_TRY_ASSIGN(std::vector<Cluster*> const asked, co_await chosen(ctx, question.clusters));
    std::vector<Value> rows(asked.size(), Value(json::Object()));
    async::Scope scope(ctx);
    for (std::size_t index = 0; index < asked.size(); ++index) {
        Request request;
        request.path = client::resource_path(question.resource, question.ns, question.name);
        if (question.table) request.accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
        if (!question.label_selector.empty()) request.query.emplace_back("labelSelector", question.label_selector);
        if (!question.field_selector.empty()) request.query.emplace_back("fieldSelector", question.field_selector);
        scope.spawn(fetch(scope.context(), *asked[index], std::move(request), question.table, rows[index]));
    }
    co_await scope.join();
    Value body{json::Object{{"clusters", json::Array()}}};
    for (Value& row : rows) body["clusters"].push_back(std::move(row));
    co_return Doc::freeze(body);
}

Task<void> Contexts::view(Context ctx, Cluster& cluster, meta::ObjectKey rollout, proxy::ClusterView& view) {
    view.cluster = cluster.name;
    Request request;
    request.path = client::resource_path(apis::kRollouts, rollout.ns, rollout.name);
    auto const found = co_await send(ctx, cluster, std::move(request));
    if (found) {
        view.rollout = found->body;
        co_await proxy::read_workload(
            [&](Request asked) -> Task<Result<Response>> { return send(ctx, cluster, std::move(asked)); }, view);
        co_return;
    }
    view.reachable = !client::no_answer(found.error());
    bool const without = found.error().is(ErrorCode::kNotFound);
    if (!without) view.unread = found.error().message();
}

Task<Result<std::vector<proxy::ClusterView>>> Contexts::look(Context ctx, meta::ObjectKey rollout,
                                                             std::vector<std::string> clusters) {
    CO_TRY_ASSIGN(std::vector<Cluster*> const asked, co_await chosen(ctx, std::move(clusters)));
    std::vector<proxy::ClusterView> views(asked.size());
    async::Scope scope(ctx);
    for (std::size_t index = 0; index < asked.size(); ++index)
        scope.spawn(view(scope.context(), *asked[index], rollout, views[index]));
    co_await scope.join();
    bool const any = std::ranges::any_of(views, [](auto const& each) { return each.rollout.exists(); });
    auto const unread =
        static_cast<std::size_t>(std::ranges::count_if(views, [](auto const& each) { return !each.unread.empty(); }));
    auto const away = static_cast<std::size_t>(std::ranges::count(views, false, &proxy::ClusterView::reachable));
    if (any || (unread > away)) co_return std::move(views);
    if (away == views.size()) co_return std::unexpected(nobody_answers(asked));
    std::vector<std::string> names;
    for (proxy::ClusterView const& each : views) {
        if (each.reachable) names.push_back(each.cluster);
    }
    co_return std::unexpected(
        Error(ErrorCode::kNotFound,
              fmt::format("rollouts.rollouts.kruise.io \"{}\" not found in namespace {} of {}{}", rollout.name,
                          rollout.ns, some_of(names), away > 0 ? fmt::format("; {} do not answer", away) : ""))
            .with_object("rollouts.kruise.io", "rollouts", rollout.name));
}

Task<void> Contexts::versions(Context ctx, Cluster& cluster, Value& object) {
    Request request;
    request.path = "/version";
    auto const answer = co_await send(ctx, cluster, std::move(request));
    Value condition{
        json::Object{{"type", std::string(apis::kClusterAvailable)}, {"status", answer ? "True" : "False"}}};
    if (!answer) condition["message"] = answer.error().message();
    object.set({"metadata", "name"}, cluster.name);
    object.set({"status", "conditions"}, json::Array{std::move(condition)});
    if (answer) object.set({"status", "version", "kubernetes"}, answer->body["gitVersion"].string());
}

Task<Result<Doc>> Contexts::list(Context ctx) {
    CO_TRY_ASSIGN(std::vector<Cluster*> const asked, co_await chosen(ctx, {}));
    std::vector<Value> objects(asked.size(), Value(json::Object()));
    async::Scope scope(ctx);
    for (std::size_t index = 0; index < asked.size(); ++index)
        scope.spawn(versions(scope.context(), *asked[index], objects[index]));
    co_await scope.join();
    Value body{json::Object{{"items", json::Array()}}};
    for (Value& object : objects) body["items"].push_back(std::move(object));
    co_return Doc::freeze(body);
}

}   // namespace aviary::amc
