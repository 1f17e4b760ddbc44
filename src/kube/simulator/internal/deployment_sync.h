// One sync of one Deployment: what it sees, what it changes on the way, and the plan that comes of it. See
// deployment.h.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/control/plan.h"
#include "kube/meta/object.h"

namespace aviary::simulator {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

// A ReplicaSet as this sync sees it: what it changes is seen by the rest of the same sync.
struct ReplicaSet {
    Doc doc;
    std::int64_t replicas = 0;
    std::int64_t actual = 0;   // status.replicas
    std::int64_t ready = 0;
    std::int64_t available = 0;

    std::string name() const { return meta::name(doc); }
};

struct Sync {
    Sync(Doc const& deployment, std::vector<Doc> const& replica_sets, std::vector<Doc> const& pods, Time now);
    Plan run();

    Doc const& deployment;
    std::vector<Doc> const& pods;
    Time now;
    Plan plan;
    std::vector<ReplicaSet> sets;
    ReplicaSet* fresh = nullptr;                      // the one with the Deployment's template
    std::vector<ReplicaSet*> old;                     // the others, oldest first
    Value status;                                     // grows into the new status
    std::map<std::string, std::string> annotations;   // to set on the Deployment

    std::string const ns = meta::ns(deployment);
    std::string const name = meta::name(deployment);
    std::int64_t const replicas = deployment.at({"spec", "replicas"}).as_int(1);
    bool const paused = deployment.at({"spec", "paused"}).as_bool();
    bool const rolling = deployment.at({"spec", "strategy", "type"}).as_string("RollingUpdate") == "RollingUpdate";
    std::int64_t const deadline = deployment.at({"spec", "progressDeadlineSeconds"}).as_int(600);
    bool const has_deadline = deployment.at({"spec", "progressDeadlineSeconds"}).exists() && deadline != 2147483647;

    // deployment.cc: sizes.
    std::vector<ReplicaSet*> all() const;
    static std::int64_t sum(std::vector<ReplicaSet*> const& sets, std::int64_t ReplicaSet::* field);
    // maxSurge rounds up, maxUnavailable down; both zero means one unavailable (ResolveFenceposts).
    std::pair<std::int64_t, std::int64_t> surge_and_unavailable() const;
    std::int64_t max_unavailable() const { return replicas == 0 ? 0 : surge_and_unavailable().second; }
    void event(std::string type, std::string reason, std::string message);
    // To a set that has this size already it notes how large the whole is only with `notes_too` (scaleReplicaSet).
    void scale(ReplicaSet& set, std::int64_t to, bool notes_too = false);
    // How large the new ReplicaSet may be now (NewRSNewReplicas).
    std::int64_t new_size(std::int64_t current) const;
    bool scaling_event() const;
    // Scaling without rolling: for paused Deployments and changes of spec.replicas (sync and scale).
    void scale_only();
    void scale_in_proportion(std::vector<ReplicaSet*> active);
    std::int64_t fraction(ReplicaSet const& set, std::int64_t allowed) const;   // getReplicaSetFraction
    bool roll_new();
    bool roll_old();
    // Pods that were told to go run until they are gone.
    bool old_pods_run() const;
    void recreate();
    void clean_up_history();

    // deployment_sets.cc: the ReplicaSet of the template.
    // Annotations a ReplicaSet takes over from its Deployment.
    std::map<std::string, std::string> inherited_annotations() const;
    std::int64_t next_revision() const;
    // Brings revision and annotations of an existing new ReplicaSet up to date; true when that was all this sync may
    // do.
    void refresh_new();
    void note_revision(std::int64_t revision);
    void create_new();
    // A name that another template has taken: count on, as the hash is salted by the count.
    bool collides() const;
    void ensure_new();

    // deployment_status.cc: what is reported.
    Value* condition(std::string_view type);
    void remove_condition(std::string_view type);
    // SetDeploymentCondition: same status and reason is no change; the transition time follows the status alone.
    void set_condition(std::string_view type, std::string_view value, std::string_view reason, std::string message);
    bool complete(Value const& counts) const;
    void count();
    // Progressing, as syncRolloutStatus reports it.
    void report_progress();
    bool timed_out();
    void report_pause();
    void write_status();
};

}   // namespace aviary::simulator
