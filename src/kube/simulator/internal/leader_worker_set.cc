#include "kube/simulator/internal/leader_worker_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/base/strings.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/leader_worker_set_objects.h"
#include "kube/simulator/internal/resources.h"
#include "kube/simulator/internal/revisions.h"

namespace aviary::simulator {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

namespace {

bool is_leader(Doc const& pod) { return meta::label(pod, meta::kWorkerIndexLabel) == "0"; }

bool runs_ready(Doc const& pod) { return pod.at({"status", "phase"}).as_string() == "Running" && is_ready(pod); }

// As 0.8 has it: that its pods are there is enough.
bool all_there(Doc const& workers) {
    return workers.at({"spec", "replicas"}).as_int(1) == workers.at({"status", "replicas"}).as_int() &&
           workers.at({"status", "currentRevision"}).as_string() ==
               workers.at({"status", "updateRevision"}).as_string();
}

struct Group {
    Doc leader;
    Doc workers;
    bool ready = false;
    bool updated = false;
};

struct Shape {
    std::int64_t partition = 0;
    std::int64_t replicas = 0;
};

void turn(json::Array& conditions, std::string_view type, Time now, std::string_view status, std::string_view reason,
          std::string_view message) {
    Value list = std::move(conditions);
    meta::set_condition(list, type, status, reason, message, now);
    conditions = list.make_array();
}

class Sync {
public:
    Sync(LeaderWorkerSetView const& view, Time now) : view_(view), now_(now) {}

    Plan run() {
        if (!set_.exists() || meta::is_deleting(set_)) return {};
        if (view_.leaders.exists() && meta::is_deleting(view_.leaders)) {
            plan_.requeue_at(now_ + std::chrono::seconds(5), "the earlier StatefulSet is going");
            return std::move(plan_);
        }
        settle_revision();
        Shape shape = this->shape();
        shape.partition = std::max(shape.partition, rolling_["partition"].as_int());
        write_leaders(shape);
        if (shared_domain(set_) && !view_.service.exists())
            plan_.writes.push_back(creation(kServices, headless_service(set_, set_, meta::name(set_), {}), "its name"));
        count();
        return std::move(plan_);
    }

private:
    LeaderWorkerSetView const& view_;
    Time now_;
    Plan plan_;
    Doc const& set_ = view_.set;
    Doc const rolling_ = set_.at({"spec", "rolloutStrategy", "rollingUpdateConfiguration"});
    std::int64_t const replicas_ = set_.at({"spec", "replicas"}).as_int(1);
    bool const alone_ = group_size(set_) == 1;
    std::string revision_;
    bool updated_ = false;   // by this sync

    void event(std::string reason, std::string message) {
        plan_.events.push_back({reference_to(set_, kLeaderWorkerSet), "Normal", std::move(reason), std::move(message)});
    }

    // The StatefulSet says which one it has; another template is the next.
    void settle_revision() {
        Value const data = group_revision_data(set_);
        std::string const had = meta::label(view_.leaders, meta::kGroupRevisionLabel);
        Doc const held = group_revision(view_.revisions, had);
        if (held.exists() && has_data(held, data)) {
            revision_ = had;
            return;
        }
        updated_ = held.exists();
        std::vector<Doc> const known = by_number(view_.revisions);
        if (!known.empty() && has_data(known.back(), data)) {
            revision_ = meta::label(known.back(), meta::kGroupRevisionLabel);
            return;
        }
        std::int64_t const number = known.empty() ? 1 : revision_number(known.back()) + 1;
        revision_ = had.empty() || held.exists() ? meta::template_hash(Doc::freeze(data)) : had;
        plan_.writes.push_back(
            creation(kControllerRevisions, group_revision_object(set_, data, revision_, number), "new template"));
        event("CreatingRevision", fmt::format("Creating revision with key {} for {} LWS", revision_,
                                              updated_ ? "updated" : "a newly created"));
    }

    Group group_at(std::int64_t index) const {
        Group group;
        for (Doc const& pod : view_.pods) {
            if (is_leader(pod) && group_index(pod) == index) group.leader = pod;
        }
        for (Doc const& workers : view_.workers) {
            if (group_index(workers) == index) group.workers = workers;
        }
        if (!group.leader.exists() || (!alone_ && !group.workers.exists())) return group;
        auto const has = [this](Doc const& each) { return meta::label(each, meta::kGroupRevisionLabel) == revision_; };
        group.updated = has(group.leader) && (alone_ || has(group.workers));
        group.ready = runs_ready(group.leader) && (alone_ || all_there(group.workers));
        return group;
    }

    std::vector<Group> groups(std::int64_t count) const {
        std::vector<Group> result;
        for (std::int64_t index = 0; index < count; ++index) result.push_back(group_at(index));
        return result;
    }

    // How many leaders there are to be, and from which ordinal on they are of the new revision.
    Shape shape() {
        if (!view_.leaders.exists()) return {0, replicas_};
        std::int64_t const made = view_.leaders.at({"spec", "replicas"}).as_int(1);
        std::int64_t const partition =
            view_.leaders.at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int();
        std::int64_t const surge = std::min(replicas_, meta::scaled(rolling_["maxSurge"], replicas_, true, "0"));
        if (updated_) return {std::min(replicas_, made), wanted(replicas_, surge)};
        if (partition == 0 && made == replicas_) return {0, replicas_};
        std::vector<Group> const seen = groups(std::max(made, replicas_));
        std::int64_t const unready = std::ranges::count_if(
            seen.begin(), seen.begin() + replicas_, [](Group const& each) { return !each.ready || !each.updated; });
        std::string const noted = meta::annotation(view_.leaders, kReplicasAnnotation);
        if (parse_int(noted).value_or(replicas_) != replicas_)
            return {std::min(partition, replicas_ + surge), wanted(unready, surge)};
        std::int64_t const unavailable = meta::scaled(rolling_["maxUnavailable"], replicas_, false, "1");
        std::int64_t const step = unavailable + surge - (replicas_ + surge - made);
        std::vector<Group> const there(seen.begin(), seen.begin() + made);
        return {std::min(partition, next_partition(there, step)), wanted(unready, surge)};
    }

    // Groups above spec.replicas go as the last of the others come.
    std::int64_t wanted(std::int64_t unready, std::int64_t surge) const {
        return unready <= surge ? replicas_ + std::max<std::int64_t>(0, unready - 1) : replicas_ + surge;
    }

    // The last groups that are done stay done; so many more go at once, fewer where others are not ready.
    static std::int64_t next_partition(std::vector<Group> const& groups, std::int64_t step) {
        std::int64_t const count = std::ssize(groups);
        auto const done = [](Group const& each) { return each.ready && each.updated; };
        std::int64_t const tail = std::ranges::find_if_not(groups.rbegin(), groups.rend(), done) - groups.rbegin();
        std::int64_t const lowest = std::max<std::int64_t>(0, count - tail - step);
        std::int64_t partition =
            lowest + std::ranges::count(groups.begin(), groups.begin() + std::min(lowest, count), false, &Group::ready);
        for (std::int64_t index = std::min(partition, count - 1); index >= lowest; --index) {
            Group const& group = groups[static_cast<std::size_t>(index)];
            if (group.ready && !group.updated) break;
            partition = index;
        }
        return partition;
    }

    void write_leaders(Shape const& shape) {
        Value const wanted = leaders_object(set_, revision_, shape.partition, shape.replicas);
        Doc const had = view_.leaders;
        if (had.exists() && covers(had, wanted)) return;
        Write write;
        write.verb = Write::Verb::kApply;
        write.resource = kStatefulSets;
        write.key = meta::key_of(set_);
        write.body = wanted;
        write.field_manager = "lws";
        write.force = true;
        write.why = "the leaders";
        plan_.writes.push_back(std::move(write));
        std::int64_t const before = had.at({"spec", "updateStrategy", "rollingUpdate", "partition"}).as_int();
        if (!had.exists()) {
            event("GroupsProgressing", "Created leader statefulset " + meta::name(set_));
        } else if (!updated_ && before != shape.partition) {
            event("GroupsUpdating", fmt::format("Updating replicas {} to {}", before, shape.partition));
        }
    }

    // Whether nothing of what a sync decides would change.
    static bool covers(Doc const& had, Value const& wanted) {
        Value const live = had.thaw();
        auto const same = [&](std::initializer_list<std::string_view> path) {
            return live.at(path) == wanted.at(path);
        };
        return same({"spec", "replicas"}) && same({"spec", "updateStrategy"}) &&
               same({"metadata", "labels", meta::kGroupRevisionLabel}) &&
               same({"metadata", "annotations", kReplicasAnnotation});
    }

    struct Counts {
        std::int64_t ready = 0, updated = 0;
        std::int64_t ready_own = 0;   // without those of the surge, and of these, above the partition:
        std::int64_t held = 0, held_updated = 0, held_done = 0;
    };

    Counts counts() const {
        Counts result;
        std::int64_t const partition = rolling_["partition"].as_int();
        for (Doc const& pod : view_.pods) {
            if (!is_leader(pod)) continue;
            std::int64_t const index = group_index(pod);
            Group const group = group_at(index);
            if (!alone_ && !group.workers.exists()) continue;
            result.ready += group.ready ? 1 : 0;
            result.updated += group.updated ? 1 : 0;
            if (index >= replicas_) continue;
            result.ready_own += group.ready ? 1 : 0;
            if (index < partition) continue;
            ++result.held;
            result.held_updated += group.updated ? 1 : 0;
            result.held_done += group.updated && group.ready ? 1 : 0;
        }
        return result;
    }

    void count() {
        Counts const seen = counts();
        Value status{json::Object()};
        status["replicas"] = view_.leaders.at({"status", "replicas"}).as_int();
        status["readyReplicas"] = seen.ready;
        status["updatedReplicas"] = seen.updated;
        status["hpaPodSelector"] =
            fmt::format("{}={},{}=0", meta::kGroupSetLabel, meta::name(set_), meta::kWorkerIndexLabel);
        status["conditions"] = conditions(seen);
        write_status(plan_, meta::kLeaderWorkerSets, set_, status);
        bool const over = rolling_["partition"].as_int() == 0 && seen.held_done == replicas_;
        if (!over) return;
        for (Doc const& each : view_.revisions) {
            if (meta::label(each, meta::kGroupRevisionLabel) != revision_)
                plan_.writes.push_back(control::deletion(kControllerRevisions, each, "all groups are past it"));
        }
    }

    json::Array conditions(Counts const& seen) const {
        json::Array list;
        for (auto const& [key, each] : set_.at({"status", "conditions"}).elements()) list.push_back(each.thaw());
        auto const fall = [&](std::string_view type) {
            for (auto const& [key, each] : set_.at({"status", "conditions"}).elements()) {
                if (each["type"].as_string() == type && each["status"].as_string() == "True")
                    turn(list, type, now_, "False", each["reason"].as_string(), each["message"].as_string());
            }
        };
        bool const updating = seen.held_updated < seen.held;
        if (!updating && seen.ready_own == replicas_ && seen.held_done == seen.held) {
            turn(list, "Available", now_, "True", "AllGroupsReady", "All replicas are ready");
            fall("Progressing");
            fall("UpdateInProgress");
            return list;
        }
        if (updating) turn(list, "UpdateInProgress", now_, "True", "GroupsUpdating", "Rolling Upgrade is in progress");
        turn(list, "Progressing", now_, "True", "GroupsProgressing", "Replicas are progressing");
        fall("Available");
        return list;
    }
};

}   // namespace

Plan decide_leader_worker_set(LeaderWorkerSetView const& view, Time now) { return Sync(view, now).run(); }

}   // namespace aviary::simulator
