// For tests: the objects of one release in memory. It carries plans out as an API server would, and settles pods at
// once.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "apis/rollouts/batch_release.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/rollout/decide.h"
#include "member/workload/deployment.h"
#include "member/workload/freeze.h"
#include "member/workload/roller.h"

namespace aviary::rollout {

class FakeCluster {
public:
    using Value = json::Value;
    using Doc = json::Doc;

    // `strategy`: "canary", or "canary" with what else it has: R"({"enableExtraWorkloadForCanary":true})".
    explicit FakeCluster(std::string const& steps, std::int64_t replicas = 10,
                         std::string const& style = R"({"canary":{}})") {
        Value workload = *json::parse_value(R"({"metadata":{"name":"web","namespace":"demo","labels":{}},"spec":{
            "selector":{"matchLabels":{"app":"web"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
            "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"v1"}]}}}})");
        workload.set({"spec", "replicas"}, replicas);
        create("deployments", "web", std::move(workload));
        settle();
        Value rollout = *json::parse_value(
            R"({"metadata":{"name":"web","namespace":"demo"},"spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
            "strategy":{}}})");
        Value strategy = *json::parse_value(style);
        for (auto& [kind, each] : strategy.make_object()) each["steps"] = *json::parse_value(steps);
        rollout.set({"spec", "strategy"}, std::move(strategy));
        create("rollouts", "web", std::move(rollout));
    }

    // Through the freeze, as a user's write.
    void edit(std::string const& merge_patch) {
        Value& object = objects["deployments"]["web"];
        Value next = object;
        json::apply_merge_patch(next, *json::parse_value(merge_patch));
        workload::FreezeInputs inputs;
        inputs.old = Doc::freeze(object);
        inputs.rollout = objects["rollouts"].contains("web") ? "web" : "";
        inputs.came_from = get("rollouts").at({"status"})[status_part()]["stableRevision"].string();
        inputs.replica_sets = this->inputs().replica_sets;
        if (!inputs.rollout.empty()) workload::freeze_deployment(next, inputs);
        store("deployments", "web", std::move(next));
    }
    void release(std::string const& image) {
        edit(R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":")" + image + R"("}]}}}})");
    }
    void edit_rollout(std::string const& merge_patch, bool status = false) {
        Value next = objects["rollouts"]["web"];
        json::apply_merge_patch(next, *json::parse_value(merge_patch));
        store("rollouts", "web", std::move(next), status);
    }
    std::string status_part() const { return std::string(apis::release_status_name(get("rollouts"))); }
    void approve() {
        edit_rollout(fmt::format(R"({{"status":{{"{}":{{"currentStepState":"StepReady"}}}}}})", status_part()), true);
    }
    void remove(std::string const& resource, std::string const& name, bool orphan = false) {
        Value& object = objects[resource][name];
        if (orphan) {
            for (Value* set : sets_of(Doc::freeze(object))) set->set({"metadata", "ownerReferences"}, json::Array());
        }
        if (object.at({"metadata", "finalizers"}).size() == 0) {
            objects[resource].erase(name);
        } else if (object.at({"metadata", "deletionTimestamp"}).is_null()) {
            object.set({"metadata", "deletionTimestamp"}, format_rfc3339(now));
        }
    }

    Doc get(std::string const& resource) const { return named(resource, "web"); }
    Doc named(std::string const& resource, std::string const& name) const {
        auto const found = objects.find(resource);
        if (found == objects.end() || !found->second.contains(name)) return {};
        return Doc::freeze(found->second.at(name));
    }
    void create(std::string const& resource, std::string const& name, Value object) {
        object.set({"metadata", "name"}, name);
        object.set({"metadata", "namespace"}, "demo");
        object.set({"metadata", "uid"}, fmt::format("uid-{}", ++uid_count_));
        object.set({"metadata", "generation"}, 1);
        object.set({"metadata", "creationTimestamp"}, format_rfc3339(now + std::chrono::seconds(uid_count_)));
        if (resource == "replicasets") {
            object["kind"] = "ReplicaSet";
            object["apiVersion"] = "apps/v1";
        } else if (resource == "deployments") {
            object["kind"] = "Deployment";
            object["apiVersion"] = "apps/v1";
        }
        objects[resource][name] = std::move(object);
    }
    std::vector<Doc> list(std::string const& resource) const {
        std::vector<Doc> result;
        if (auto const found = objects.find(resource); found != objects.end()) {
            for (auto const& [name, object] : found->second) result.push_back(Doc::freeze(object));
        }
        return result;
    }
    workload::DeploymentInputs inputs() const {
        workload::DeploymentInputs result = owned(get("deployments"));
        for (Doc const& each : list("deployments")) {
            if (meta::label(each, apis::kCanaryDeploymentLabel) == "web") result.canaries.push_back(owned(each));
        }
        if (std::string const set = workload::promoted_set(result.deployment); !set.empty()) {
            result.promoted.replica_set = named("replicasets", set);
            for (Doc const& pod : list("pods")) {
                if (meta::is_controlled_by(pod, result.promoted.replica_set)) result.promoted.pods.push_back(pod);
            }
        }
        result.autoscalers_unread = autoscalers_unread;
        if (autoscalers_unread.empty()) result.autoscalers = list("horizontalpodautoscalers");
        return result;
    }

    control::Plan decide_rollout_now(std::optional<Time> counts_after = {}) const {
        Doc const rollout = get("rollouts");
        auto const workload = observe(workload::style_of_rollout(rollout));
        RolloutSeen seen{.rollout = rollout, .batch_release = get("batchreleases"), .workload = workload.get()};
        seen.traffic = seen_traffic(apis::traffic_routing_of(rollout));
        seen.shared_routing = named("trafficroutings", apis::shared_routing_name(rollout));
        seen.counts_after = counts_after;
        seen.group = group;
        seen.refused = rollout_refused;
        return decide_rollout(seen, now);
    }
    // As what is named is stored; a kind that there is no map of is not served.
    traffic::Seen seen_traffic(std::optional<apis::TrafficRoutingRef> const& routing) const {
        traffic::Seen seen;
        if (!routing) return seen;
        seen.unreadable = services_unread;
        if (!services_unread.empty()) return seen;
        seen.stable = named("services", routing->service);
        seen.canary = named("services", routing->service + "-canary");
        seen.targets = traffic::targets_of(*routing, "demo");
        seen.scripts = named("configmaps", std::string(traffic::kScriptsConfigMap));
        std::vector<traffic::Target> pools;
        for (traffic::Target& each : seen.targets) {
            if (each.resource.resource.empty()) each.resource.resource = to_lower(each.kind) + "s";
            each.served = objects.contains(each.resource.resource);
            each.live = named(each.resource.resource, each.key.name);
            for (traffic::Target& pool : traffic::canary_pools_of(each.live, routing->service)) {
                pool.served = objects.contains("inferencepools");
                pool.live = named("inferencepools", pool.key.name);
                pools.push_back(std::move(pool));
            }
        }
        std::ranges::move(pools, std::back_inserter(seen.targets));
        return seen;
    }
    control::Plan decide_batch_release_now() const {
        Doc const batch_release = get("batchreleases");
        auto const workload = observe(workload::style_of_batch_release(batch_release));
        BatchReleaseSeen seen{
            .batch_release = batch_release, .rollout = get("rollouts"), .workload = workload.get(), .strays = {}};
        if (workload == nullptr) seen.strays = workload::tidy_deployment(inputs());
        seen.refused = batch_release_refused;
        return decide_batch_release(seen, now);
    }
    control::Plan decide_roll_now() const { return workload::decide_roll(inputs(), get("batchreleases")); }

    // Carries out at most `limit` writes; a failed precondition ends the plan.
    bool apply(control::Plan const& plan, std::size_t limit = 1000) {
        for (control::Write const& write : plan.writes) {
            if (limit-- == 0) return true;
            if (!perform(write)) return false;
        }
        return true;
    }

    // Everything decides, is carried out and settles, until nothing changes.
    void run() {
        for (int round = 0; round < 500; ++round) {
            bool quiet = true;
            for (auto const& plan : {decide_rollout_now(), decide_batch_release_now(), decide_roll_now()}) {
                if (plan.writes.empty()) continue;
                quiet = false;
                apply(plan);
                settle();
            }
            settle();
            if (quiet) return;
        }
        problem = "does not come to rest";
    }

    // As the native controller does with every other version, paused or not, once a template's own pods are available.
    void end_saturated() {
        std::string const image = image_of(get("deployments"));
        for (auto& [name, set] : objects["replicasets"]) {
            if (image_of(Doc::freeze(set)) != image) set.set({"spec", "replicas"}, 0);
        }
        settle();
    }

    // "Progressing/1/StepPaused v1=9 v2=1"
    std::string show() const {
        Doc const status = get("rollouts")["status"];
        std::map<std::string, int> images;
        for (Doc const& pod : list("pods")) ++images[pod.at({"spec", "image"}).string()];
        std::string text = fmt::format("{}/{}/{}", status["phase"].as_string(),
                                       status.at({status_part(), "currentStepIndex"}).as_int(),
                                       status.at({status_part(), "currentStepState"}).as_string());
        for (auto const& [image, count] : images) text += fmt::format(" {}={}", image, count);
        return problem.empty() ? text : text + " " + problem;
    }
    std::string message() const { return get("rollouts").at({"status", "message"}).string(); }
    // The keys of a release that are on the Deployment and its ReplicaSets.
    std::string marks() const {
        std::string result;
        std::vector<Doc> all = list("replicasets");
        all.push_back(get("deployments"));
        for (Doc const& object : all) {
            for (char const* map : {"labels", "annotations"}) {
                for (auto const& [key, value] : object.at({"metadata", map}).members()) {
                    if (key.find("rollouts.kruise.io") != std::string_view::npos && key != apis::kWorkloadTypeLabel)
                        result += std::string(key) + " ";
                }
            }
        }
        return result;
    }

    // The controllers of Kubernetes, at once: pods are as their ReplicaSets say, and a Deployment that is not paused is
    // rolled.
    void settle() {
        collect();
        adopt();
        for (Doc const& deployment : list("deployments")) {
            if (meta::is_deleting(deployment)) continue;
            std::int64_t const replicas = deployment.at({"spec", "replicas"}).as_int();
            std::string const image = image_of(deployment);
            bool const paused = deployment.at({"spec", "paused"}).as_bool();
            if (deployment.at({"spec", "minReadySeconds"}).as_int() >= 2'147'483'646) {
                side_by_side(deployment, paused);
            } else if (!paused) {
                native_set(deployment, image);
                for (Value* set : sets_of(deployment))
                    set->set({"spec", "replicas"}, image_of(Doc::freeze(*set)) == image ? replicas : 0);
            } else {
                scale_lone_set(deployment, replicas);
            }
        }
        for (auto& [name, set] : objects["replicasets"]) pods_of(name, set);
        for (Doc const& deployment : list("deployments")) {
            for (char const* count : {"replicas", "availableReplicas"}) {
                std::int64_t all = 0;
                for (Value const* set : sets_of(deployment)) all += set->at({"status", count}).as_int();
                objects["deployments"][meta::name(deployment)].set({"status", count}, all);
            }
        }
    }

    std::map<std::string, std::map<std::string, Value>> objects;
    Time now = Time(std::chrono::seconds(1'790'000'000));
    std::string salt;                      // before the native controller's hashes of templates: they are none of ours
    bool adopts = true;                    // the Deployment takes ReplicaSets that nobody controls
    bool pods_start = true;                // new pods become ready …
    std::string broken;                    // pods of this image are not
    std::int64_t most_ready = 1'000'000;   // … so many of them
    std::string problem;
    std::vector<Companion> group;                         // of the Rollout
    std::string rollout_refused, batch_release_refused;   // what is said against a write of theirs
    std::string autoscalers_unread;                       // why they cannot be read; empty: they can
    std::string services_unread;                          // likewise

private:
    static std::string image_of(Doc const& object) {
        return object.at({"spec", "template", "spec", "containers"})[0]["image"].string();
    }

    workload::DeploymentInputs owned(Doc const& deployment) const {
        workload::DeploymentInputs result;
        result.deployment = deployment;
        if (!deployment.exists()) return result;
        for (Doc const& set : list("replicasets")) {
            if (!meta::is_controlled_by(set, deployment)) continue;
            for (Doc const& pod : list("pods")) {
                if (meta::is_controlled_by(pod, set)) result.pods.push_back(pod);
            }
            result.replica_sets.push_back(set);
        }
        return result;
    }
    std::unique_ptr<workload::Workload> observe(workload::Style style) const {
        if (!get("deployments").exists()) return nullptr;
        return workload::observe_deployment(inputs(), std::move(style), now);
    }

    std::vector<Value*> sets_of(Doc const& deployment) {
        std::vector<Value*> result;
        for (auto& [name, set] : objects["replicasets"]) {
            if (meta::is_controlled_by(Doc::freeze(set), deployment)) result.push_back(&set);
        }
        return result;
    }

    // A ReplicaSet that nobody controls is the Deployment's.
    void adopt() {
        Doc const deployment = get("deployments");
        if (!deployment.exists() || !adopts) return;
        for (auto& [name, set] : objects["replicasets"]) {
            if (!meta::controller_of(Doc::freeze(set)))
                set.set({"metadata", "ownerReferences"}, json::Array{meta::controller_reference(deployment)});
        }
    }

    // What a Deployment or a ReplicaSet leaves behind goes.
    void collect() {
        for (auto const& [owners, resource] : {std::pair("deployments", "replicasets"), {"replicasets", "pods"}}) {
            std::set<std::string> alive;
            for (Doc const& each : list(owners)) alive.insert(meta::uid(each));
            std::erase_if(objects[resource], [&](auto const& entry) {
                auto const owner = meta::controller_of(Doc::freeze(entry.second));
                return owner && !alive.contains(owner->uid);
            });
        }
    }

    void native_set(Doc const& deployment, std::string const& image) {
        for (Value const* set : sets_of(deployment)) {
            if (image_of(Doc::freeze(*set)) == image) return;
        }
        Value set{json::Object()};
        set.set({"metadata", "labels", "pod-template-hash"},
                salt + meta::template_hash(deployment.at({"spec", "template"})));
        set.set({"metadata", "ownerReferences"}, json::Array{meta::controller_reference(deployment)});
        set.set({"spec", "template"}, deployment.at({"spec", "template"}).thaw());
        set.set({"spec", "replicas"}, 0);
        create("replicasets", meta::name(deployment) + "-native-" + image, std::move(set));
    }

    // No pod of the template counts as available: its set grows to maxSurge, and the old one keeps spec.replicas.
    void side_by_side(Doc const& deployment, bool paused) {
        std::int64_t const replicas = deployment.at({"spec", "replicas"}).as_int();
        std::int64_t const surge =
            meta::scaled(deployment.at({"spec", "strategy", "rollingUpdate", "maxSurge"}), replicas, true, "25%");
        std::string const image = image_of(deployment);
        auto const size = [](Value const* set) { return set->at({"spec", "replicas"}).as_int(); };
        if (!paused) native_set(deployment, image);
        auto sets = sets_of(deployment);
        if (std::ranges::count_if(sets, [&](Value const* set) { return size(set) > 0; }) <= 1)
            scale_lone_set(deployment, replicas);
        bool const alone = std::ranges::all_of(
            sets, [&](Value const* set) { return (image_of(Doc::freeze(*set)) == image ? replicas : 0) == size(set); });
        if (alone) return;
        Value* old = nullptr;
        for (Value* set : sets) {
            bool const current = image_of(Doc::freeze(*set)) == image;
            bool const moves = !paused || size(set) > 0;
            if (current && moves && sets.size() > 1) set->set({"spec", "replicas"}, std::min(replicas, surge));
            if (!current && (old == nullptr || size(set) > size(old))) old = set;
        }
        for (Value* set : sets) {
            if (image_of(Doc::freeze(*set)) == image || (paused && size(set) == 0)) continue;
            if (set == old || !paused) set->set({"spec", "replicas"}, set == old ? replicas : 0);
        }
    }

    void scale_lone_set(Doc const& deployment, std::int64_t replicas) {
        std::vector<Value*> active = sets_of(deployment);
        std::erase_if(active, [](Value const* set) { return set->at({"spec", "replicas"}).as_int() == 0; });
        if (active.empty()) {   // of the new template, else the newest
            auto const rank = [&](Value const* set) {
                return std::pair(image_of(Doc::freeze(*set)) == image_of(deployment),
                                 set->at({"metadata", "creationTimestamp"}).string());
            };
            auto const sets = sets_of(deployment);
            if (!sets.empty()) active = {*std::ranges::max_element(sets, {}, rank)};
        }
        if (active.size() == 1) active.front()->set({"spec", "replicas"}, replicas);
    }

    void pods_of(std::string const& name, Value& set) {
        std::int64_t const wanted = set.at({"spec", "replicas"}).as_int();
        std::string const image = image_of(Doc::freeze(set));
        auto& pods = objects["pods"];
        std::vector<std::string> own;
        for (auto const& [pod_name, pod] : pods) {
            if (pod_name.starts_with(name + "-pod")) own.push_back(pod_name);
        }
        for (; std::ssize(own) > wanted; own.pop_back()) pods.erase(own.back());
        for (std::int64_t index = std::ssize(own); index < wanted; ++index) {
            Value pod{json::Object()};
            pod.set({"metadata", "ownerReferences"}, json::Array{meta::controller_reference(Doc::freeze(set))});
            pod.set({"spec", "image"}, image);
            pod.set({"status", "startTime"}, format_rfc3339(now));
            create("pods", fmt::format("{}-pod{:03}", name, ++pod_count_), std::move(pod));
        }
        bool const stuck = image == broken || (!pods_start && image != "v1");
        bool const old = image == "v1";
        std::int64_t const ready = stuck ? 0 : std::min(wanted, old ? wanted : most_ready);
        set["status"] = json::Object{{"replicas", wanted},
                                     {"readyReplicas", ready},
                                     {"availableReplicas", ready},
                                     {"observedGeneration", 1'000'000}};
    }

    void store(std::string const& resource, std::string const& name, Value next, bool status = false) {
        Value& object = objects[resource][name];
        bool const spec = !(object["spec"] == next["spec"]) ||
                          (resource == "deployments" &&
                           !(object.at({"metadata", "annotations"}) == next.at({"metadata", "annotations"})));
        if (spec && !status) next.set({"metadata", "generation"}, object.at({"metadata", "generation"}).as_int() + 1);
        object = std::move(next);
        bool const gone = object.at({"metadata", "deletionTimestamp"}).is_string() &&
                          object.at({"metadata", "finalizers"}).size() == 0;
        if (gone) objects[resource].erase(name);
    }

    bool perform(control::Write const& write) {
        std::string const& resource = write.resource.resource;
        bool const exists = objects[resource].contains(write.key.name);
        if (write.verb == control::Write::Verb::kCreate) {
            if (exists) return false;
            create(resource, write.key.name, write.body);
            return true;
        }
        if (!exists) return write.ignore_not_found;
        if (write.verb == control::Write::Verb::kDelete) {
            remove(resource, write.key.name, write.delete_options.propagation_policy == "Orphan");
            return true;
        }
        Value next = objects[resource][write.key.name];
        if (write.verb == control::Write::Verb::kJsonPatch) {
            Status const done = json::apply_json_patch(next, write.body);
            if (!done) return false;
        } else if (write.verb == control::Write::Verb::kUpdate) {
            next = write.body;
        } else {
            json::apply_merge_patch(next, write.body);
        }
        store(resource, write.key.name, std::move(next), write.subresource == "status");
        return true;
    }

    int uid_count_ = 0, pod_count_ = 0;
};

}   // namespace aviary::rollout
