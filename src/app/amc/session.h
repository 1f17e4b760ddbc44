// What every command of kubectl-amc needs: flags, the hub's client, and where to print.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/async/asio_executor.h"
#include "core/cli/table.h"
#include "core/json/doc.h"
#include "kube/client/client.h"

namespace aviary::amc {

struct Flags {
    std::string kubeconfig, context, ns, output, selector, field_selector, as, cluster_selector, sort_by, reason,
        dry_run, timeout = "30s", watch_timeout = "0", request_timeout = "30s";
    std::vector<std::string> as_groups, members;   // members: each "a" or "a,b"
    std::int64_t step = 0;
    bool all_namespaces = false, all_members = false, no_headers = false, watch = false, wait = true,
         allow_unreachable = false, direct = false;
};

enum Exit { kDone = 0, kFailed = 1, kPartial = 2, kAwaiting = 3, kRefused = 4, kTimeout = 5, kUnreachable = 6 };

class Session {
public:
    static Result<Session> open(async::AsioExecutor& executor, Flags flags);

    Flags const& flags() const { return flags_; }
    // The same connection for another question.
    Session with(Flags flags) const {
        Session other = *this;
        other.flags_ = std::move(flags);
        return other;
    }
    // With --direct it is the member.
    client::Client const& hub() const { return *hub_; }
    std::string const& ns() const { return ns_; }
    Context context() const;

    // GET of a hub path; JSON.
    Task<Result<json::Doc>> read(std::string path, client::NameValues query = {}, std::string accept = {}) const;
    // The members that -m, -M and --cluster-selector mean; empty: all. An Error says what is missing or unknown.
    Task<Result<std::vector<std::string>>> members(bool required) const;
    // "rollouts/x", "rollout/x" and "x" → "x".
    static std::string object_name(std::string const& text);

    void print(std::string const& text) const;
    void complain(std::string const& text) const;
    void complain(Error const& error) const;
    // Objects in the form that -o names; false: it is a table, or none is named. An Error for a form that is not known.
    Result<bool> print_objects(json::Value items, std::string const& kind) const;
    // In the order of --sort-by, where there is one.
    Status sort(std::vector<json::Doc>& objects) const;
    void print(cli::Table const& table) const;
    cli::TableStyle style() const;
    Duration timeout() const;
    std::optional<Duration> watch_timeout() const;
    // For verbs about one object: an Error when -A was given.
    Status one_namespace() const;

private:
    Flags flags_;
    Duration timeout_{}, watch_timeout_{}, request_timeout_{};   // zero: none
    async::AsioExecutor* executor_ = nullptr;
    std::optional<client::Client> hub_;
    std::string ns_;
};

// The commands; each answers the exit code.
Task<int> get_resource(Session session, std::string resource, std::string name);
Task<int> describe(Session session, std::string resource, std::string name);
Task<int> list_clusters(Session session);
Task<int> decide(Session session, std::string action, std::string rollout);
Task<int> explain(Session session, std::string rollout);
Task<int> status(Session session, std::string rollout);
Task<int> tree(Session session, std::string rollout);
Task<int> list_rollouts(Session session);
Task<int> history(Session session, std::string rollout);

}   // namespace aviary::amc
