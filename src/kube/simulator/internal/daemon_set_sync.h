// One sync of one DaemonSet: what it sees and the plan that comes of it. See daemon_set.h.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json/value.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/daemon_set.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

struct DaemonSetSync {
    // Whether a pod would be put on a node, and whether one that is there may stay.
    struct Place {
        bool runs = false;
        bool stays = false;
    };
    // The pods of one node that are not going: at most one of each, else `crowded`.
    struct Pair {
        json::Doc updated;
        json::Doc old;
        bool crowded = false;
    };

    using PodsByNode = std::map<std::string, std::vector<json::Doc>>;

    DaemonSetSync(DaemonSetView const& view, FailedPods& failed, Time now,
                  meta::GroupVersionResource resource = kDaemonSets);
    virtual ~DaemonSetSync() = default;
    control::Plan run();

    DaemonSetView const& view;
    FailedPods& failed;
    Time now;
    meta::GroupVersionResource resource;
    control::Plan plan;
    PodsByNode pods_of;
    std::map<std::string, json::Doc> nodes;
    std::vector<json::Doc> tolerations;   // of the set's pods
    std::string hash;                     // of the template's revision
    std::vector<json::Doc> old_revisions;
    json::Value status{json::Object()};
    std::optional<PodNames> names;   // once there are new pods

    json::Doc const& set = view.set;
    json::Doc const pod_template = set.at({"spec", "template"});
    json::Doc const strategy = set.at({"spec", "updateStrategy"});
    bool const rolling = strategy["type"].as_string("RollingUpdate") == "RollingUpdate";
    std::chrono::seconds const min_ready{set.at({"spec", "minReadySeconds"}).as_int()};
    std::string const template_generation = meta::annotation(set, "deprecated.daemonset.template.generation");

    // daemon_set.cc: pods by node, in the order of the controller: what is missing, what is too much, then the update.
    Place place(json::Doc const& node) const;
    std::int64_t desired() const;
    bool available(json::Doc const& pod) const { return is_available(pod, min_ready, now); }
    bool updated(json::Doc const& pod) const;
    Pair pair_on(std::vector<json::Doc> const& pods) const;
    std::int64_t surge(std::int64_t total) const;
    // True when pods were made or removed: the update waits until that is seen.
    bool manage();
    // Of nodes that have none, which get one now.
    virtual std::vector<std::string> to_create(std::vector<std::string> missing) const { return missing; }
    void manage_node(json::Doc const& node, std::vector<std::string>& missing, std::vector<json::Doc>& surplus);
    void prune_surged(std::vector<json::Doc> running, std::vector<json::Doc>& surplus) const;
    bool settle_ended(json::Doc const& node, json::Doc const& pod, std::vector<json::Doc>& surplus);
    // What the update is about: nodes with pods, and those that should have one.
    virtual PodsByNode to_update() const;
    virtual void update_pods();
    void update_by_removal(std::int64_t max_unavailable);
    void update_by_surge(std::int64_t max_surge, std::int64_t desired);
    virtual void replace(json::Doc const& pod, std::string why) { remove(pod, std::move(why)); }
    virtual void report(bool managed);
    void count_status();

    // daemon_set_pods.cc: revisions, and pods as they are made.
    bool settle_revisions();
    void keep_one(std::vector<json::Doc> const& equal);
    void truncate_history();
    virtual void adorn(json::Value& /*pod*/) const {}
    void create(std::string const& node);
    void remove(json::Doc const& pod, std::string why);
    void event(std::string type, std::string reason, std::string message);
};

// The tolerations that every pod of a DaemonSet gets, beside its template's.
json::Value daemon_tolerations(json::Doc const& pod_spec);
// The node that a pod of a DaemonSet is on, or is meant for; empty when it says of none.
std::string node_of(json::Doc const& pod);

}   // namespace aviary::simulator
