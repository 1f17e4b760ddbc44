#include "app/amc/complete.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apis/cluster/managed_cluster.h"
#include "apis/rollouts/rollout.h"
#include "app/amc/resources.h"
#include "app/amc/session.h"
#include "core/base/strings.h"
#include "kube/client/kubeconfig.h"
#include "kube/meta/object.h"

namespace aviary::amc {

namespace {

using cli::Candidate;
using json::Doc;

constexpr char kPatience[] = "2s";   // somebody waits with a finger on the key

std::vector<Candidate> some(std::initializer_list<char const*> texts) {
    std::vector<Candidate> candidates;
    for (char const* text : texts) candidates.push_back({text, ""});
    return candidates;
}

std::vector<Candidate> named(std::vector<std::string> const& texts) {
    std::vector<Candidate> candidates;
    for (std::string const& text : texts) candidates.push_back({text, ""});
    return candidates;
}

// The names of the objects in all clusters, each once.
std::vector<Candidate> once(Doc const& answer) {
    std::set<std::string> names;
    for (auto const& [index, cluster] : answer["clusters"].elements()) {
        for (auto const& [position, object] : cluster["items"].elements()) names.insert(meta::name(object));
    }
    return named({names.begin(), names.end()});
}

Task<std::vector<Candidate>> names_of(Session session, meta::GroupVersionResource resource, std::string ns) {
    std::vector<Candidate> candidates;
    if (session.without_hub()) {
        auto const answer = co_await session.ask({.resource = resource, .ns = std::move(ns)});
        co_return answer ? once(*answer) : candidates;
    }
    client::ListOptions options;
    options.ns = std::move(ns);
    auto const list = co_await session.hub().list(session.context(), resource, options);
    if (!list) co_return candidates;
    for (auto const& [key, object] : (*list)["items"].elements()) candidates.push_back({meta::name(object), ""});
    co_return candidates;
}

Task<std::vector<Candidate>> resources(Session session) {
    std::vector<Candidate> candidates;
    auto const served = co_await served_resources(session);
    if (!served) co_return candidates;
    for (Served const& each : *served) candidates.push_back({each.resource.resource, each.resource.group});
    co_return candidates;
}

// Names in all chosen clusters, each once.
Task<std::vector<Candidate>> object_names(Session session, std::string resource) {
    std::vector<Candidate> candidates;
    auto const named = co_await find_resource(session, resource);
    if (!named) co_return candidates;
    auto const answer = co_await fetch(session, *named, "", false);
    if (!answer) co_return candidates;
    co_return once(*answer);
}

// "beijing,sh" goes on behind the comma.
std::vector<Candidate> behind_comma(std::vector<Candidate> candidates, std::string_view typed) {
    std::size_t const comma = typed.rfind(',');
    if (comma == std::string_view::npos) return candidates;
    auto const chosen = split(typed.substr(0, comma), ',');
    std::erase_if(candidates,
                  [&](Candidate const& each) { return std::ranges::find(chosen, each.text) != chosen.end(); });
    for (Candidate& each : candidates) each.text = std::string(typed.substr(0, comma + 1)) + each.text;
    return candidates;
}

// "rollouts/" before each name where a kind was begun.
std::vector<Candidate> with_kind(std::vector<Candidate> candidates, std::string_view typed) {
    std::size_t const slash = typed.find('/');
    if (slash == std::string_view::npos) return candidates;
    for (Candidate& each : candidates) each.text = std::string(typed.substr(0, slash + 1)) + each.text;
    return candidates;
}

// The word before the one that is typed: the resource, for its names.
std::string word_behind(std::vector<std::string> const& words, std::string_view verb) {
    auto const found = std::ranges::find(words, verb);
    return found == words.end() || found + 1 == words.end() ? std::string() : *(found + 1);
}

}   // namespace

Task<std::vector<Candidate>> rollout_names(Session session) {
    std::vector<Candidate> names = co_await names_of(session, apis::kRollouts, session.ns());
    if (names.empty() && !session.without_hub())
        names = co_await object_names(session, apis::kRollouts.group_resource());
    co_return names;
}

command_line::Values values_from_hub(std::vector<std::string> words) {
    return [words = std::move(words)](std::string_view what, std::string_view typed) -> std::vector<Candidate> {
        if (what == "--output" || what == "-o") {
            auto const has = [&](char const* word) { return std::ranges::find(words, word) != words.end(); };
            // Behind the word that asks for completions.
            bool const release = words.size() > 1 && words[1] == "rollout";
            bool const document = release && (has("explain") || has("status") || has("get"));
            return document ? some({"json", "yaml", "jsonpath="}) : some({"wide", "json", "yaml", "name", "jsonpath="});
        }
        if (what == "--dry-run") return some({"client", "server"});
        if (what == "shell") return some({"bash", "zsh", "fish", "kubectl"});
        Flags flags;
        flags.kubeconfig = command_line::value_in(words, {"--kubeconfig"});
        flags.context = command_line::value_in(words, {"--context"});
        flags.contexts = command_line::value_in(words, {"--contexts"});
        flags.direct = std::ranges::find(words, "--direct") != words.end();
        flags.ns = command_line::value_in(words, {"--namespace", "-n"});
        if (std::string members = command_line::value_in(words, {"--members", "-m"});
            what != "--members" && !members.empty())
            flags.members = {std::move(members)};
        flags.request_timeout = kPatience;
        if (what == "--context") return named(client::context_names(flags.kubeconfig));
        if (what == "--contexts") return behind_comma(named(client::context_names(flags.kubeconfig)), typed);
        async::AsioExecutor executor;
        auto opened = Session::open(executor, flags);
        if (!opened) return {};
        Session const& session = *opened;
        if (session.without_hub() && (what == "--members" || what == "-m"))
            return behind_comma(named(session.contexts().names()), typed);
        if (what == "--members" || what == "-m")
            return behind_comma(executor.run(names_of(session, apis::kManagedClusters, "")), typed);
        if (what == "--namespace" || what == "-n") return executor.run(names_of(session, {"", "v1", "namespaces"}, ""));
        if (what == "rollout" && typed.contains('/') && !means_rollouts(typed.substr(0, typed.find('/')))) return {};
        if (what == "rollout") return with_kind(executor.run(rollout_names(session)), typed);
        if (what == "resource") {
            std::size_t const slash = typed.find('/');
            if (slash == std::string_view::npos) return executor.run(resources(session));
            return with_kind(executor.run(object_names(session, std::string(typed.substr(0, slash)))), typed);
        }
        if (what == "name") {
            std::string resource = word_behind(words, "get");
            if (resource.empty()) resource = word_behind(words, "describe");
            return executor.run(object_names(session, resource));
        }
        return {};
    };
}

}   // namespace aviary::amc
