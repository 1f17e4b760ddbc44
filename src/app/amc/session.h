// What every command of kubectl-amc needs: flags, the way to the fleet, and where to print.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/amc/contexts.h"
#include "core/async/asio_executor.h"
#include "core/cli/table.h"
#include "core/json/doc.h"
#include "kube/client/client.h"
#include "kube/meta/gvk.h"

namespace aviary::amc {

struct Flags {
    std::string kubeconfig, context, contexts, ns, output, selector, field_selector, as, cluster_selector, sort_by,
        reason, dry_run, timeout = "30s", watch_timeout = "0", request_timeout;   // empty: as is best for what is asked
    std::vector<std::string> as_groups, members;                                  // members: each "a" or "a,b"
    std::int64_t step = 0, to = 0;
    bool all_namespaces = false, all_members = false, no_headers = false, watch = false, wait = true,
         allow_unreachable = false, direct = false, fast = false;
};

enum Exit { kDone = 0, kFailed = 1, kPartial = 2, kAwaiting = 3, kRefused = 4, kTimeout = 5, kUnreachable = 6 };

class Session {
public:
    static Result<Session> open(async::AsioExecutor& executor, Flags flags);
    // Through this hub.
    static Result<Session> through(async::Executor& executor, Flags flags, client::Client hub, std::string const& ns);
    // Without a hub, over these clusters.
    static Result<Session> over(async::Executor& executor, Flags flags, std::vector<Contexts::Cluster> clusters);

    Flags const& flags() const { return flags_; }
    // The same, where all that is asked ends after so long.
    Session within(Duration limit) const;
    // The same connection for another question.
    Session with(Flags flags) const {
        Session other = *this;
        other.flags_ = std::move(flags);
        return other;
    }
    // With --contexts and --direct: the members themselves.
    bool without_hub() const { return contexts_ != nullptr; }
    // Not without one.
    client::Client const& hub() const { return *hub_; }
    // Only without one.
    Contexts& contexts() const { return *contexts_; }
    std::string const& ns() const { return ns_; }
    Context context() const;

    // ---- what there is, of the hub or of the clusters one by one ----

    // Aggregated discovery: /api or /apis.
    Task<Result<json::Doc>> discovery(std::string path) const;
    // The same of one member, through its hub.
    Task<Result<json::Doc>> discovery_of(std::string cluster, std::string path) const;
    // {hub, clusters: [{name, reachable, since, table | items, error, reason}]}; hub: its id, where there is one
    Task<Result<json::Doc>> ask(Question question) const;
    // A release as hub/proxy/explain.h has it; no clusters: all.
    Task<Result<json::Doc>> release(std::string rollout, std::vector<std::string> clusters) const;
    // A list of ManagedClusters.
    Task<Result<json::Doc>> clusters(client::ListOptions options = {}) const;
    // The members that -m, -M and --cluster-selector mean; empty: all. An Error says what is missing or unknown.
    Task<Result<std::vector<std::string>>> members(bool required) const;
    // Those that -m names, in whatever fleet; an Error for a name that is empty.
    Result<std::vector<std::string>> named_members() const;
    // The flags by which clusters are reached without a hub, as they are typed; empty with one.
    std::string where() const;
    // The exit code for what cannot be asked.
    int failure(Error const& error) const;

    void print(std::string const& text) const;
    // On stderr, behind what is printed: what is no error.
    void note(std::string const& text) const;
    void complain(std::string const& text) const;
    void complain(Error const& error) const;
    // What an error says, and what to do meanwhile where it is of a hub that does not answer.
    std::string text_of(Error const& error) const;
    // Whether -o names a table, or nothing.
    bool as_table() const;
    // Objects in the form that -o names; false: it is a table. An Error for a form that is not known.
    Result<bool> print_objects(json::Value items, meta::GroupVersionResource const& resource,
                               std::string const& kind) const;
    // The same for one document, which has no name.
    Result<bool> print_document(json::Value const& document) const;
    // Whether -o can be met by a document, or by a name: for verbs that change something before they print it.
    Status document_form(bool or_name = false) const;
    // In the order of --sort-by, where there is one.
    Status sort(std::vector<json::Doc>& objects) const;
    void print(cli::Table const& table) const;
    cli::TableStyle style() const;
    Duration timeout() const;
    std::optional<Duration> watch_timeout() const;
    // For verbs about one object: an Error when -A was given.
    Status one_namespace() const;

private:
    Status take(async::Executor& executor, Flags flags, std::string const& ns);
    // Each cluster has its own limit.
    Context unlimited() const;
    Error say_where() const;
    // The clusters there are, with these labels.
    Task<Result<std::vector<std::string>>> known(std::string selector) const;
    Task<Result<json::Doc>> read(std::string path, client::NameValues query, std::string accept = {}) const;

    Flags flags_;
    Duration timeout_{}, watch_timeout_{}, request_timeout_{};   // zero: none
    std::optional<MonotonicTime> end_;
    async::Executor* executor_ = nullptr;
    std::optional<client::Client> hub_;
    std::shared_ptr<Contexts> contexts_;
    std::string ns_;
};

// That a Rollout is not found, with the namespace where it was looked for: most often it is another one.
Result<json::Doc> not_found_in(Result<json::Doc> answer, std::string const& ns);
// What went wrong with a hub, with what to do where it does not answer, or is none.
std::string of_silent_hub(std::string const& text);

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
