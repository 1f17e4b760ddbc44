// The playground: hub, simulated members and their controllers in one process on one embedded API server. Hub and
// members talk only through kube::Client. Also the API server alone, when no cluster is named.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/async/asio_executor.h"
#include "core/async/task.h"
#include "core/storage/engine.h"

namespace aviary::playground {

struct Options {
    std::string data_dir;
    std::uint16_t port = 7443;
    std::vector<std::string> clusters;   // members; empty: an API server and nothing else
    std::vector<std::string> bare;       // members without a rollout controller
    Duration pod_start = std::chrono::seconds(2);
    std::string audit_log;              // a file, "-" for standard output; empty: none
    bool require_set_binding = false;   // namespaces place only in clusters of sets that are bound there
    storage::Durability durability = storage::Durability::kCommit;
};

// "a,b" names members, "3" makes member-001 … member-003. An Error says what is wrong with the list.
Result<std::vector<std::string>> parse_clusters(std::string_view text);

class Playground {
public:
    // Opens the store, brings every cluster up and writes the kubeconfig. Errors say what to do: a port in use, a
    // folder that another process holds, a corrupt store.
    static Task<Result<std::unique_ptr<Playground>>> start(Context ctx, async::AsioExecutor& executor, Options options);
    ~Playground();

    // Serves until the context stops.
    Task<void> run(Context ctx);
    // Completes when every controller has caught up and the API answers.
    Task<Status> wait_ready(Context ctx);
    std::string kubeconfig() const;
    std::uint16_t port() const;
    // Clusters that an earlier start had here and this one does not: they do not answer.
    std::vector<std::string> const& left_out() const;

private:
    struct Impl;
    explicit Playground(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::playground
