#include "app/amc/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "apis/cluster/managed_cluster.h"
#include "core/base/strings.h"
#include "kube/client/http_transport.h"
#include "kube/meta/object.h"

namespace aviary::amc {

Result<Session> Session::open(async::AsioExecutor& executor, Flags flags) {
    Session session;
    if (!parse_duration(flags.timeout))
        return fail(ErrorCode::kInvalid, fmt::format("--timeout {}: a duration such as 30s or 2m", flags.timeout));
    if (!parse_duration(flags.request_timeout))
        return fail(ErrorCode::kInvalid,
                    fmt::format("--request-timeout {}: a duration such as 30s or 2m", flags.request_timeout));
    client::ServerAccess access = TRY(client::load_kubeconfig(flags.kubeconfig, flags.context));
    // A context of a member: the hub is the context `fleet` of the same file.
    if (flags.context.empty() && access.url.contains("/clusters/")) {
        std::string const ns = access.ns;
        access = TRY(client::load_kubeconfig(flags.kubeconfig, "fleet"));
        if (access.ns.empty()) access.ns = ns;
    }
    auto const transport = TRY(client::http_transport(executor, access));
    client::Client hub(transport, "kubectl-amc");
    if (!flags.as.empty()) hub = hub.impersonating(flags.as, flags.as_groups);
    session.hub_ = hub;
    session.executor_ = &executor;
    session.ns_ = !flags.ns.empty() ? flags.ns : !access.ns.empty() ? access.ns : "default";
    if (flags.all_namespaces) session.ns_.clear();
    session.flags_ = std::move(flags);
    return session;
}

Context Session::context() const { return Context(*executor_).with_timeout(*parse_duration(flags_.request_timeout)); }

Duration Session::timeout() const { return *parse_duration(flags_.timeout); }

Task<Result<json::Doc>> Session::read(std::string path, client::NameValues query, std::string accept) const {
    client::Request request;
    request.path = std::move(path);
    request.query = std::move(query);
    request.accept = std::move(accept);
    CO_TRY_ASSIGN(client::Response response, co_await hub_->raw(context(), std::move(request)));
    co_return response.body;
}

Task<Result<std::vector<std::string>>> Session::members(bool required) const {
    std::vector<std::string> chosen;
    bool const named = !flags_.members.empty();
    int const ways = (named ? 1 : 0) + (flags_.all_members ? 1 : 0) + (flags_.cluster_selector.empty() ? 0 : 1);
    if (ways > 1) co_return fail(ErrorCode::kInvalid, "-m, -M and --cluster-selector exclude each other");
    if (ways == 0 && required)
        co_return fail(ErrorCode::kInvalid,
                       "say where: -m CLUSTER[,CLUSTER], --cluster-selector LABELS, or -M for all");
    if (named) {
        for (std::string_view name : split(flags_.members, ',')) chosen.emplace_back(trim(name));
        client::ListOptions options;
        CO_TRY_ASSIGN(json::Doc const list, co_await hub_->list(context(), apis::kManagedClusters, options));
        for (std::string const& name : chosen) {
            bool known = false;
            for (auto const& [key, cluster] : list["items"].elements()) known = known || meta::name(cluster) == name;
            if (!known)
                co_return fail(ErrorCode::kNotFound,
                               fmt::format("managedclusters \"{}\" not found: see `kubectl amc clusters`", name));
        }
    } else if (!flags_.cluster_selector.empty()) {
        client::ListOptions options;
        options.label_selector = flags_.cluster_selector;
        CO_TRY_ASSIGN(json::Doc const list, co_await hub_->list(context(), apis::kManagedClusters, options));
        for (auto const& [key, cluster] : list["items"].elements()) chosen.push_back(meta::name(cluster));
        if (chosen.empty())
            co_return fail(ErrorCode::kNotFound, fmt::format("no cluster has the labels {}", flags_.cluster_selector));
    }
    co_return std::move(chosen);
}

std::string Session::object_name(std::string const& text) {
    std::size_t const slash = text.find('/');
    return slash == std::string::npos ? text : text.substr(slash + 1);
}

void Session::print(std::string const& text) const { std::fwrite(text.data(), 1, text.size(), stdout); }

void Session::complain(std::string const& text) const {
    std::fflush(stdout);
    fmt::print(stderr, "error: {}\n", text);
}

void Session::print(cli::Table const& table) const { print(table.render(cli::Terminal::of(1))); }

cli::TableStyle Session::style() const {
    cli::TableStyle style;
    style.headers = !flags_.no_headers;
    return style;
}

}   // namespace aviary::amc
