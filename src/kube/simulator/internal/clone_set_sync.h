// One sync of one CloneSet: what it sees and the plan that comes of it. See clone_set.h.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/clone_set.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

struct CloneSetSync {
    // How many of each revision there are.
    struct Count {
        std::int64_t all = 0;
        std::int64_t leaving = 0;       // told to go, and not gone
        std::int64_t unavailable = 0;   // of those that stay
    };
    // What is to be done. Counts of old pods may be higher than those of all: these are the limit.
    struct Diffs {
        std::int64_t missing = 0;
        std::int64_t missing_old = 0;
        std::int64_t creatable = 0;   // of the missing, by scaleStrategy.maxUnavailable
        std::int64_t surplus = 0;     // beside those that leave
        std::int64_t surplus_old = 0;
        std::int64_t removable = 0;   // how many that are ready may go
        std::int64_t updates = 0;
        std::int64_t max_unavailable = 0;   // while they are updated
    };

    CloneSetSync(CloneSetView const& view, Time now);
    control::Plan run();

    CloneSetView const& view;
    Time now;
    control::Plan plan;
    ActiveRevisions revision;
    std::vector<json::Doc> pods;   // that are active

    json::Doc const& set = view.set;
    json::Doc const strategy = set.at({"spec", "updateStrategy"});
    std::string const strategy_type = strategy["type"].string();
    bool const paused = strategy["paused"].as_bool();
    std::int64_t const replicas = set.at({"spec", "replicas"}).as_int(1);
    std::int64_t const partition = partition_of(strategy["partition"], replicas);
    std::chrono::seconds const min_ready{set.at({"spec", "minReadySeconds"}).as_int()};

    // clone_set.cc: what is done with the pods.
    static std::int64_t partition_of(json::Doc const& field, std::int64_t replicas);
    bool updated(json::Doc const& pod) const;
    bool leaving(json::Doc const& pod) const;
    bool available(json::Doc const& pod, std::chrono::seconds ready_for) const;
    Diffs diffs() const;
    std::int64_t surge(Count const& old, Count const& fresh, std::int64_t most, std::int64_t max_unavailable,
                       std::int64_t& of_old) const;
    // True when pods were made or removed: the update waits until that is seen.
    bool scale();
    bool remove_ready(std::vector<json::Doc> const& chosen, std::int64_t limit);
    std::vector<json::Doc> surplus(Diffs const& wanted) const;
    void update();
    // True when a pod's place in its life has moved on: all else waits until that is seen.
    bool refresh();
    // False when nothing more can be updated.
    bool update_pod(json::Doc const& pod);
    void report();

    // clone_set_pods.cc: pods as they are made, and what is kept of them.
    void create(std::int64_t total, std::int64_t of_old);
    json::Value new_pod(json::Doc const& pod_template, std::string const& revision_name, std::string const& id) const;
    std::vector<json::Value> claims_of(json::Value const& pod) const;
    void put_volumes(json::Value& pod) const;
    std::vector<std::string> free_ids(std::int64_t count) const;
    void remove(json::Doc const& pod, std::string why);
    void forget_removed();
    void truncate_history();
    void event(std::string type, std::string reason, std::string message);
};

// The label's values on pods of a revision: the whole name, and what sets it apart.
std::string short_hash(std::string_view revision);
std::map<std::string, std::string> revision_labels(std::string const& revision);

}   // namespace aviary::simulator
