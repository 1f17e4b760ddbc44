#include "kube/simulator/internal/deployment.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
constexpr std::string_view kRevisionHistory = "deployment.kubernetes.io/revision-history";
constexpr std::string_view kDesiredReplicas = "deployment.kubernetes.io/desired-replicas";
constexpr std::string_view kMaxReplicas = "deployment.kubernetes.io/max-replicas";
constexpr std::string_view kHash = "pod-template-hash";

// A ReplicaSet as this sync sees it: what it changes is seen by the rest of the same sync.
struct ReplicaSet {
    Doc doc;
    std::int64_t replicas = 0;
    std::int64_t actual = 0;   // status.replicas
    std::int64_t ready = 0;
    std::int64_t available = 0;

    std::string name() const { return meta::name(doc); }
};

bool older(ReplicaSet const* left, ReplicaSet const* right) {
    auto const key = [](ReplicaSet const* set) {
        return std::pair(set->doc.at({"metadata", "creationTimestamp"}).string(), set->name());
    };
    return key(left) < key(right);
}

// Template equality but for the hash label, which the controller itself adds.
bool same_template(Doc const& left, Doc const& right) {
    Value a = left.thaw();
    Value b = right.thaw();
    for (Value* each : {&a, &b}) {
        if (Value* metadata = each->find("metadata")) {
            if (Value* labels = metadata->find("labels")) labels->erase(kHash);
            metadata->erase("creationTimestamp");
        }
    }
    return a == b;
}

std::string template_hash(Doc const& pod_template, std::int64_t collisions) {
    static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    std::string text = json::write_canonical(pod_template.thaw());
    if (collisions > 0) text += fmt::format("/{}", collisions);
    std::string hash;
    for (char digit : std::to_string(fnv1a_32(text))) hash += kAlphabet[static_cast<unsigned char>(digit) % 27];
    return hash;
}

struct Sync {
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

    Sync(Doc const& deployment, std::vector<Doc> const& replica_sets, std::vector<Doc> const& pods, Time now)
        : deployment(deployment), pods(pods), now(now) {
        status = deployment["status"].thaw();
        if (!status.is_object()) status = json::Object();
        sets.reserve(replica_sets.size() + 1);   // pointers into it stay good when one is created
        for (Doc const& doc : replica_sets) {
            sets.push_back({doc, doc.at({"spec", "replicas"}).as_int(1), doc.at({"status", "replicas"}).as_int(),
                            doc.at({"status", "readyReplicas"}).as_int(),
                            doc.at({"status", "availableReplicas"}).as_int()});
        }
        for (ReplicaSet& set : sets) old.push_back(&set);
        std::ranges::sort(old, older);
        for (ReplicaSet* set : old) {
            if (same_template(set->doc.at({"spec", "template"}), deployment.at({"spec", "template"}))) {
                fresh = set;
                break;
            }
        }
        std::erase(old, fresh);
    }

    std::vector<ReplicaSet*> all() const {
        std::vector<ReplicaSet*> result = old;
        if (fresh != nullptr) result.push_back(fresh);
        return result;
    }

    static std::int64_t sum(std::vector<ReplicaSet*> const& sets, std::int64_t ReplicaSet::* field) {
        std::int64_t total = 0;
        for (ReplicaSet const* set : sets) total += set->*field;
        return total;
    }

    // maxSurge rounds up, maxUnavailable down; both zero means one unavailable (ResolveFenceposts).
    std::pair<std::int64_t, std::int64_t> surge_and_unavailable() const {
        if (!rolling) return {0, 0};
        Doc const update = deployment.at({"spec", "strategy", "rollingUpdate"});
        std::int64_t const surge = meta::scaled(update["maxSurge"], replicas, true, "25%");
        std::int64_t unavailable = meta::scaled(update["maxUnavailable"], replicas, false, "25%");
        if (surge == 0 && unavailable == 0) unavailable = 1;
        return {surge, std::min(unavailable, replicas)};
    }
    std::int64_t max_unavailable() const { return replicas == 0 ? 0 : surge_and_unavailable().second; }

    void event(std::string type, std::string reason, std::string message) {
        plan.events.push_back({reference_to(deployment, "apps/v1", "Deployment"), std::move(type), std::move(reason),
                               std::move(message)});
    }

    Value* condition(std::string_view type) {
        for (Value& each : status["conditions"].make_array()) {
            if (each["type"].as_string() == type) return &each;
        }
        return nullptr;
    }

    void remove_condition(std::string_view type) {
        std::erase_if(status["conditions"].make_array(),
                      [type](Value const& each) { return each["type"].as_string() == type; });
    }

    // SetDeploymentCondition: same status and reason is no change; the transition time follows the status alone.
    void set_condition(std::string_view type, std::string_view value, std::string_view reason, std::string message) {
        std::string const stamp = format_rfc3339(now);
        std::string transition = stamp;
        if (Value* current = condition(type)) {
            Value const& seen = *current;
            if (seen["status"].as_string() == value && seen["reason"].as_string() == reason) return;
            if (seen["status"].as_string() == value) transition = seen["lastTransitionTime"].string();
            remove_condition(type);
        }
        status["conditions"].push_back(json::Object{{"type", type},
                                                    {"status", value},
                                                    {"lastUpdateTime", stamp},
                                                    {"lastTransitionTime", transition},
                                                    {"reason", reason},
                                                    {"message", message}});
    }

    void scale(ReplicaSet& set, std::int64_t to) {
        auto const [surge, unavailable] = surge_and_unavailable();
        std::string const desired = std::to_string(replicas);
        std::string const maximum = std::to_string(replicas + surge);
        bool const size_changes = set.replicas != to;
        bool const notes_change = meta::annotation(set.doc, kDesiredReplicas) != desired ||
                                  meta::annotation(set.doc, kMaxReplicas) != maximum;
        if (!size_changes && !notes_change) return;
        Write write;
        write.verb = Write::Verb::kMergePatch;
        write.resource = kReplicaSets;
        write.key = {ns, set.name()};
        write.body.set({"metadata", "annotations", kDesiredReplicas}, desired);
        write.body.set({"metadata", "annotations", kMaxReplicas}, maximum);
        write.body.set({"metadata", "resourceVersion"}, meta::resource_version(set.doc));
        if (size_changes) write.body.set({"spec", "replicas"}, to);
        write.why = "scale";
        plan.writes.push_back(std::move(write));
        if (size_changes) {
            event("Normal", "ScalingReplicaSet",
                  fmt::format("Scaled {} replica set {} from {} to {}", to > set.replicas ? "up" : "down", set.name(),
                              set.replicas, to));
        }
        set.replicas = to;
    }

    // How large the new ReplicaSet may be now (NewRSNewReplicas).
    std::int64_t new_size(std::int64_t current) const {
        if (!rolling) return replicas;
        std::int64_t const limit = replicas + surge_and_unavailable().first;
        std::int64_t const pods = sum(all(), &ReplicaSet::replicas);
        if (pods >= limit) return current;
        return current + std::min(limit - pods, replicas - current);
    }

    // Annotations a ReplicaSet takes over from its Deployment.
    std::map<std::string, std::string> inherited_annotations() const {
        std::map<std::string, std::string> result;
        for (auto const& [key, value] : deployment.at({"metadata", "annotations"}).members()) {
            if (key == kRevision || key == kRevisionHistory || key == kDesiredReplicas || key == kMaxReplicas ||
                key == "kubectl.kubernetes.io/last-applied-configuration" ||
                key == "deprecated.deployment.rollback.to") {
                continue;
            }
            result.emplace(key, value.string());
        }
        return result;
    }

    std::int64_t next_revision() const {
        std::int64_t latest = 0;
        for (ReplicaSet const* set : old)
            latest = std::max(latest, parse_int(meta::annotation(set->doc, kRevision)).value_or(0));
        return latest + 1;
    }

    // Brings revision and annotations of an existing new ReplicaSet up to date; true when that was all this sync may
    // do.
    void refresh_new() {
        std::int64_t revision = next_revision();
        std::string const had = meta::annotation(fresh->doc, kRevision);
        std::int64_t const current = parse_int(had).value_or(0);
        Value changes{json::Object()};
        if (current < revision) {
            changes[kRevision] = std::to_string(revision);
            if (!had.empty()) {
                std::string history = meta::annotation(fresh->doc, kRevisionHistory);
                changes[kRevisionHistory] = history.empty() ? had : history + "," + had;
            }
        } else {
            revision = current;
        }
        for (auto const& [key, value] : inherited_annotations()) {
            if (meta::annotation(fresh->doc, key) != value) changes[key] = value;
        }
        Doc const ready_seconds = deployment.at({"spec", "minReadySeconds"});
        bool const seconds_differ = ready_seconds.as_int() != fresh->doc.at({"spec", "minReadySeconds"}).as_int();
        if (changes.size() > 0 || seconds_differ) {
            Write write;
            write.resource = kReplicaSets;
            write.key = {ns, fresh->name()};
            if (changes.size() > 0) write.body.set({"metadata", "annotations"}, changes);
            if (seconds_differ) write.body.set({"spec", "minReadySeconds"}, ready_seconds.as_int());
            write.why = "revision";
            plan.writes.push_back(std::move(write));
        }
        note_revision(revision);
        if (has_deadline && condition("Progressing") == nullptr) {
            set_condition("Progressing", "True", "FoundNewReplicaSet",
                          fmt::format("Found new replica set \"{}\"", fresh->name()));
        }
    }

    void note_revision(std::int64_t revision) {
        std::string const text = std::to_string(revision);
        if (meta::annotation(deployment, kRevision) != text) annotations[std::string(kRevision)] = text;
    }

    void create_new() {
        std::int64_t const collisions = status["collisionCount"].as_int();
        Doc const pod_template = deployment.at({"spec", "template"});
        std::string const hash = template_hash(pod_template, collisions);
        std::string const set_name = name + "-" + hash;
        std::int64_t const revision = next_revision();
        auto const [surge, unavailable] = surge_and_unavailable();
        std::int64_t const size = new_size(0);

        Value labeled = pod_template.thaw();
        labeled.set({"metadata", "labels", kHash}, hash);
        Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}}};
        object.set({"metadata", "name"}, set_name);
        object.set({"metadata", "namespace"}, ns);
        object.set({"metadata", "labels"}, labeled.at({"metadata", "labels"}));
        for (auto const& [key, value] : inherited_annotations()) object.set({"metadata", "annotations", key}, value);
        object.set({"metadata", "annotations", kRevision}, std::to_string(revision));
        object.set({"metadata", "annotations", kDesiredReplicas}, std::to_string(replicas));
        object.set({"metadata", "annotations", kMaxReplicas}, std::to_string(replicas + surge));
        object.set({"metadata", "ownerReferences"},
                   json::Array{controller_reference(deployment, "apps/v1", "Deployment")});
        object.set({"spec", "replicas"}, size);
        if (std::int64_t const seconds = deployment.at({"spec", "minReadySeconds"}).as_int(); seconds > 0) {
            object.set({"spec", "minReadySeconds"}, seconds);
        }
        Value selector = deployment.at({"spec", "selector"}).thaw();
        selector.set({"matchLabels", kHash}, hash);
        object.set({"spec", "selector"}, selector);
        object.set({"spec", "template"}, labeled);

        Write write;
        write.verb = Write::Verb::kCreate;
        write.resource = kReplicaSets;
        write.key = {ns, set_name};
        write.body = object;
        write.why = "new template";
        plan.writes.push_back(std::move(write));
        if (size > 0)
            event("Normal", "ScalingReplicaSet", fmt::format("Scaled up replica set {} from 0 to {}", set_name, size));
        sets.push_back({Doc::freeze(object), size, 0, 0, 0});
        fresh = &sets.back();
        note_revision(revision);
        if (has_deadline) {
            set_condition("Progressing", "True", "NewReplicaSetCreated",
                          fmt::format("Created new replica set \"{}\"", set_name));
        }
    }

    // A name that another template has taken: count on, as the hash is salted by the count.
    bool collides() const {
        std::string const wanted =
            name + "-" + template_hash(deployment.at({"spec", "template"}), status["collisionCount"].as_int());
        return std::ranges::any_of(sets, [&](ReplicaSet const& set) { return set.name() == wanted; });
    }

    void ensure_new() {
        if (fresh != nullptr) return refresh_new();
        while (collides()) status["collisionCount"] = status["collisionCount"].as_int() + 1;
        create_new();
    }

    bool scaling_event() const {
        for (ReplicaSet const* set : all()) {
            std::string const desired = meta::annotation(set->doc, kDesiredReplicas);
            if (set->replicas > 0 && !desired.empty() && desired != std::to_string(replicas)) return true;
        }
        return false;
    }

    // Scaling without rolling: for paused Deployments and changes of spec.replicas (sync and scale).
    void scale_only() {
        std::vector<ReplicaSet*> active;
        for (ReplicaSet* set : all()) {
            if (set->replicas > 0) active.push_back(set);
        }
        if (active.size() <= 1) {
            ReplicaSet* only = !active.empty()    ? active.front()
                               : fresh != nullptr ? fresh
                               : old.empty()      ? nullptr
                                                  : old.back();
            if (only != nullptr && only->replicas != replicas) scale(*only, replicas);
            return;
        }
        bool const saturated = fresh != nullptr && fresh->replicas == replicas &&
                               meta::annotation(fresh->doc, kDesiredReplicas) == std::to_string(replicas) &&
                               fresh->available == replicas;
        if (saturated) {
            for (ReplicaSet* set : old) {
                if (set->replicas > 0) scale(*set, 0);
            }
            return;
        }
        if (rolling) scale_in_proportion(active);
    }

    void scale_in_proportion(std::vector<ReplicaSet*> active) {
        std::int64_t const total = sum(active, &ReplicaSet::replicas);
        std::int64_t const allowed = replicas > 0 ? replicas + surge_and_unavailable().first : 0;
        std::int64_t const to_add = allowed - total;
        // Larger first; of equal size the newer one first when growing, the older one when shrinking.
        std::ranges::sort(active, [&](ReplicaSet const* left, ReplicaSet const* right) {
            if (left->replicas != right->replicas) return left->replicas > right->replicas;
            return to_add > 0 ? older(right, left) : older(left, right);
        });
        std::vector<std::int64_t> sizes;
        std::int64_t added = 0;
        for (ReplicaSet const* set : active) {
            std::int64_t share = 0;
            if (to_add != 0 && replicas > 0) {
                std::int64_t const last_maximum =
                    parse_int(meta::annotation(set->doc, kMaxReplicas)).value_or(replicas);
                double const proposed = static_cast<double>(set->replicas) * static_cast<double>(allowed) /
                                        static_cast<double>(std::max<std::int64_t>(last_maximum, 1));
                share = static_cast<std::int64_t>(std::floor(proposed + 0.5)) - set->replicas;
                std::int64_t const left = to_add - added;
                share =
                    to_add > 0 ? std::clamp<std::int64_t>(share, 0, left) : std::clamp<std::int64_t>(share, left, 0);
            } else if (replicas == 0) {
                share = -set->replicas;
            }
            sizes.push_back(set->replicas + share);
            added += share;
        }
        if (to_add != 0 && !active.empty()) sizes.front() = std::max<std::int64_t>(0, sizes.front() + to_add - added);
        for (std::size_t index = 0; index < active.size(); ++index) scale(*active[index], sizes[index]);
    }

    bool roll_new() {
        if (fresh->replicas == replicas) return false;
        std::int64_t const size = fresh->replicas > replicas ? replicas : new_size(fresh->replicas);
        bool const changes = size != fresh->replicas;
        scale(*fresh, size);
        return changes;
    }

    bool roll_old() {
        if (sum(old, &ReplicaSet::replicas) == 0) return false;
        std::int64_t const minimum = replicas - max_unavailable();
        std::int64_t const new_unavailable = fresh->replicas - fresh->available;
        std::int64_t const may_remove = sum(all(), &ReplicaSet::replicas) - minimum - new_unavailable;
        if (may_remove <= 0) return false;
        bool changed = false;
        std::int64_t cleaned = 0;
        for (ReplicaSet* set : old) {   // unhealthy pods first: they serve nobody
            std::int64_t const count = std::min(may_remove - cleaned, set->replicas - set->available);
            if (set->replicas == 0 || count <= 0) continue;
            scale(*set, set->replicas - count);
            cleaned += count;
            changed = true;
        }
        std::int64_t left = sum(all(), &ReplicaSet::available) - minimum;
        for (ReplicaSet* set : old) {
            if (left <= 0) break;
            std::int64_t const count = std::min(set->replicas, left);
            if (count <= 0) continue;
            scale(*set, set->replicas - count);
            left -= count;
            changed = true;
        }
        return changed;
    }

    // Pods that were told to go run until they are gone.
    bool old_pods_run() const {
        if (sum(old, &ReplicaSet::actual) > 0) return true;
        return std::ranges::any_of(pods, [this](Doc const& pod) {
            auto const owner = meta::controller_of(pod);
            bool const current = owner && fresh != nullptr && owner->uid == meta::uid(fresh->doc);
            return !current && !is_finished(pod);
        });
    }

    void recreate() {
        bool scaled = false;
        for (ReplicaSet* set : old) {
            if (set->replicas == 0) continue;
            scale(*set, 0);
            scaled = true;
        }
        if (scaled || old_pods_run()) return;
        ensure_new();
        if (fresh->replicas != replicas) scale(*fresh, replicas);
    }

    void clean_up_history() {
        std::int64_t const keep = deployment.at({"spec", "revisionHistoryLimit"}).as_int(10);
        std::vector<ReplicaSet*> candidates;
        for (ReplicaSet* set : old) {
            if (!meta::is_deleting(set->doc)) candidates.push_back(set);
        }
        std::int64_t surplus = static_cast<std::int64_t>(candidates.size()) - keep;
        if (surplus <= 0) return;
        auto const revision = [](ReplicaSet const* set) {
            return std::pair(parse_int(meta::annotation(set->doc, kRevision)).value_or(0), set->name());
        };
        std::ranges::sort(candidates, {}, revision);
        for (ReplicaSet* set : candidates) {
            if (surplus-- <= 0) return;
            bool const in_use = set->actual != 0 || set->replicas != 0 ||
                                meta::generation(set->doc) > set->doc.at({"status", "observedGeneration"}).as_int();
            if (in_use) continue;
            Write write;
            write.verb = Write::Verb::kDelete;
            write.resource = kReplicaSets;
            write.key = {ns, set->name()};
            write.ignore_not_found = true;
            write.why = "revision history";
            plan.writes.push_back(std::move(write));
        }
    }

    bool complete(Value const& counts) const {
        return counts["updatedReplicas"].as_int() == replicas && counts["replicas"].as_int() == replicas &&
               counts["availableReplicas"].as_int() == replicas &&
               counts["observedGeneration"].as_int() >= meta::generation(deployment);
    }

    void count() {
        std::vector<ReplicaSet*> const everyone = all();
        auto const put = [&](char const* field, std::int64_t value) {
            if (value == 0 && std::string_view(field) != "observedGeneration") {
                status.erase(field);
            } else {
                status[field] = value;
            }
        };
        std::int64_t const available = sum(everyone, &ReplicaSet::available);
        put("observedGeneration", meta::generation(deployment));
        put("replicas", sum(everyone, &ReplicaSet::actual));
        put("updatedReplicas", fresh != nullptr ? fresh->actual : 0);
        put("readyReplicas", sum(everyone, &ReplicaSet::ready));
        put("availableReplicas", available);
        put("unavailableReplicas", std::max<std::int64_t>(0, sum(everyone, &ReplicaSet::replicas) - available));
        if (available >= replicas - max_unavailable()) {
            set_condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
        } else {
            set_condition("Available", "False", "MinimumReplicasUnavailable",
                          "Deployment does not have minimum availability.");
        }
    }

    // Progressing, as syncRolloutStatus reports it.
    void report_progress() {
        if (!has_deadline) return remove_condition("Progressing");
        Value const before = deployment["status"].thaw();
        Value const* current = condition("Progressing");
        std::string const reason = current != nullptr ? (*current)["reason"].string() : std::string();
        bool const was_complete =
            status["replicas"].as_int() == status["updatedReplicas"].as_int() && reason == "NewReplicaSetAvailable";
        if (was_complete) return;
        auto const subject =
            fresh != nullptr ? fmt::format("ReplicaSet \"{}\"", fresh->name()) : fmt::format("Deployment \"{}\"", name);
        auto const grew = [&](char const* field) { return status[field].as_int() > before[field].as_int(); };
        bool const old_shrank = status["replicas"].as_int() - status["updatedReplicas"].as_int() <
                                before["replicas"].as_int() - before["updatedReplicas"].as_int();
        if (complete(status)) {
            set_condition("Progressing", "True", "NewReplicaSetAvailable", subject + " has successfully progressed.");
        } else if (grew("updatedReplicas") || grew("readyReplicas") || grew("availableReplicas") || old_shrank) {
            std::string transition = format_rfc3339(now);
            if (current != nullptr && (*current)["status"].as_string() == "True")
                transition = (*current)["lastTransitionTime"].string();
            remove_condition("Progressing");
            set_condition("Progressing", "True", "ReplicaSetUpdated", subject + " is progressing.");
            (*condition("Progressing"))["lastTransitionTime"] = transition;
        } else if (timed_out()) {
            set_condition("Progressing", "False", "ProgressDeadlineExceeded", subject + " has timed out progressing.");
        }
    }

    bool timed_out() {
        Value const* current = condition("Progressing");
        if (current == nullptr) return false;
        std::string_view const reason = (*current)["reason"].as_string();
        if (reason == "ProgressDeadlineExceeded") return true;
        if (reason == "NewReplicaSetAvailable" || reason == "DeploymentPaused") return false;
        auto const since = parse_rfc3339((*current)["lastUpdateTime"].as_string());
        if (!since) return false;
        Time const until = *since + std::chrono::seconds(deadline);
        if (until <= now) return true;
        plan.requeue_at(until, "spec.progressDeadlineSeconds");
        return false;
    }

    void report_pause() {
        if (!has_deadline) return;
        Value const* current = condition("Progressing");
        std::string const reason = current != nullptr ? (*current)["reason"].string() : std::string();
        if (reason == "ProgressDeadlineExceeded") return;
        if (paused && reason != "DeploymentPaused") {
            set_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
        } else if (!paused && reason == "DeploymentPaused") {
            set_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
        }
    }

    void write_status() {
        Value changes{json::Object()};
        if (!annotations.empty()) {
            for (auto const& [key, value] : annotations) changes.set({"metadata", "annotations", key}, value);
        }
        Value const before = deployment["status"].thaw();
        for (auto const& [key, value] : status.object()) {
            if (!(before[key] == value)) changes.set({"status", key}, value);
        }
        for (auto const& [key, value] : before.object()) {
            if (!status.contains(key)) changes.set({"status", key}, nullptr);
        }
        if (changes.size() == 0) return;
        changes.set({"metadata", "resourceVersion"}, meta::resource_version(deployment));
        Write write;
        write.resource = kDeployments;
        write.key = {ns, name};
        write.subresource = "status";
        write.body = std::move(changes);
        write.why = "status";
        plan.writes.push_back(std::move(write));
    }

    Plan run() {
        if (!meta::is_deleting(deployment)) {
            report_pause();
            if (paused || scaling_event()) {
                if (fresh != nullptr) refresh_new();
                scale_only();
                if (paused) clean_up_history();
                count();
            } else if (!rolling) {
                recreate();
                count();
                if (complete(status)) clean_up_history();
                report_progress();
            } else {
                ensure_new();
                if (!roll_new()) roll_old();
                count();
                if (complete(status)) clean_up_history();
                report_progress();
            }
        } else {
            count();
        }
        write_status();
        return std::move(plan);
    }
};

}   // namespace

Plan decide_deployment(Doc const& deployment, std::vector<Doc> const& replica_sets, std::vector<Doc> const& pods,
                       Time now) {
    return Sync(deployment, replica_sets, pods, now).run();
}

bool recreates(Doc const& deployment) {
    return deployment.at({"spec", "strategy", "type"}).as_string() == "Recreate" &&
           !deployment.at({"spec", "paused"}).as_bool();
}

}   // namespace aviary::simulator
