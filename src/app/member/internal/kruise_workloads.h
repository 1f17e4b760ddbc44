// For tests: workloads as Kruise Rollouts' manager 0.6 leads them through a release. Each function writes what one of
// its webhooks or controllers writes at that moment, over the native controllers of a simulated cluster. A kind is one
// struct, here or in kruise_sets.h, and a line in hand_over_test.cc.
#pragma once

#include <fmt/format.h>

#include <array>
#include <memory>

#include "app/member/internal/test_native_sets.h"
#include "kube/meta/pods.h"

namespace aviary::member {

inline meta::GroupVersionResource const kAutoscalers{"autoscaling", "v2", "horizontalpodautoscalers"};
inline constexpr int kReplicas = 10;

// What Kruise's hash of a template stands for here: nothing but its own controllers can compute it.
inline std::string kruise_hash(std::string const& image) { return "x4k9f7b" + image; }

inline std::string control_info_of(Doc const& batch_release) {
    return fmt::format(
        R"({{"apiVersion":"rollouts.kruise.io/v1beta1","kind":"BatchRelease","name":"web","uid":"{}","controller":true,"blockOwnerDeletion":true}})",
        meta::uid(batch_release));
}

inline Value pod_template_of(std::string const& image) {
    Value value{json::Object()};
    value.set({"spec", "template", "spec", "containers"},
              json::Array{json::Object{{"name", "main"}, {"image", image}}});
    return value;
}

class LedWorkload {
public:
    LedWorkload(World& world, std::string kind, std::string group = "apps", std::string version = "v1")
        : world(world),
          kind(std::move(kind)),
          resource{std::move(group), std::move(version), to_lower(this->kind) + "s"} {}
    virtual ~LedWorkload() = default;

    // Of the Rollout: {"canary":{…}} without steps.
    virtual Value strategy() const { return *json::parse_value(kPartitionStyle); }
    virtual std::string style() const { return "Partition"; }
    virtual bool side_by_side() const { return style() != "Partition"; }
    virtual std::string revision_key() const { return "controller-revision-hash"; }
    virtual std::int64_t least_ready() const { return kReplicas - 1; }   // by its own strategy
    virtual bool fully_routed() const { return false; }   // requests also at the last step: both versions are whole
    // How many pods of ten have the new version at each step.
    virtual std::array<int, 3> shares() const { return {2, 5, kReplicas}; }

    virtual Task<Status> create() { return create_from(deployment("v1", kReplicas)); }
    // The webhook: the template changes, and the workload is held and marked in the same write.
    virtual Task<Status> freeze(std::string image) = 0;
    // While a release is on: another template.
    virtual Task<Status> put(std::string image) { return merge(pod_template_of(image)); }
    virtual Task<Status> take(Doc batch_release) = 0;             // BatchRelease: Initialize
    virtual Task<Status> move(int pods, std::string share) = 0;   // UpgradeBatch
    // What moves when the new pods are ready.
    virtual Task<Status> finish(int /*pods*/) { return nothing(); }
    virtual Task<Status> label(int step) { return label_pods(step, "v2"); }
    virtual Task<Status> finalize() = 0;
    virtual Task<bool> resumed() { co_return true; }       // what that waits for
    virtual Task<Status> release() { return nothing(); }   // what goes beside the BatchRelease

    // As a Rollout's status names them.
    virtual Task<std::string> stable_revision() = 0;
    virtual Task<std::string> canary_revision(std::string image) = 0;
    virtual Task<std::string> pod_hash(std::string image) = 0;   // empty: no pod is labelled with one yet
    virtual Task<std::string> left() {
        co_return (co_await get(resource, "web")).exists() ? std::string() : "the workload is gone";
    }

    Context ctx() const { return world.scope.context(); }
    Value reference() const {
        return json::Object{{"apiVersion", resource.api_version()}, {"kind", kind}, {"name", "web"}};
    }
    Task<Doc> live() { return get(resource, "web"); }
    Task<Doc> get(meta::GroupVersionResource of, std::string name) {
        auto const found = co_await world.client->find(ctx(), of, {"default", name});
        co_return found ? *found : Doc();
    }
    Task<Status> merge(Value patch) { return merge_into(resource, "web", std::move(patch)); }
    Task<Status> merge_into(meta::GroupVersionResource of, std::string name, Value patch) {
        CO_TRY(co_await world.client->patch(ctx(), of, {"default", name}, client::PatchType::kMerge, std::move(patch)));
        co_return Status{};
    }
    Task<Status> create_from(Value object) {
        std::vector<Value> definitions = simulator::workload_definitions();
        std::erase_if(definitions, [this](Value const& each) {
            return each.at({"metadata", "name"}).string() != resource.group_resource();
        });
        CO_TRY(co_await control::install_definitions(ctx(), *world.client, std::move(definitions)));
        object["apiVersion"] = resource.api_version();
        object["kind"] = kind;
        CO_TRY(co_await world.client->create(ctx(), resource, std::move(object)));
        co_return co_await async::sleep_for(ctx(), 20s);
    }
    // Pods with this image, newest last.
    Task<std::vector<Doc>> pods(std::string image) {
        std::vector<Doc> result;
        auto const list = co_await world.client->list(ctx(), kPods, {.ns = "default"});
        if (!list) co_return result;
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            if (!meta::is_deleting(pod) && pod.at({"spec", "containers"})[0]["image"].as_string() == image)
                result.push_back(pod);
        }
        co_return result;
    }

    // A rollback in batches: these stay as they are, …
    Task<Status> spare(std::string image, std::string id) {
        std::vector<Doc> const all = co_await pods(image);
        for (Doc const& pod : all) {
            Value patch{json::Object()};
            patch.set({"metadata", "labels", apis::kNoNeedUpdateLabel}, id);
            CO_TRY(co_await merge_into(kPods, meta::name(pod), std::move(patch)));
        }
        co_return Status{};
    }
    // … and so many are of its batches so far, those that it has moved before the others.
    Task<Status> label_back(int step, std::string id, int so_far) {
        std::vector<Doc> all = co_await pods("v1");
        std::ranges::sort(all, {}, [](Doc const& pod) {
            return std::pair(!meta::label(pod, apis::kNoNeedUpdateLabel).empty(), meta::name(pod));
        });
        auto const has = [&id](Doc const& pod) { return meta::label(pod, apis::kRolloutIdLabel) == id; };
        auto missing = so_far - std::ranges::count_if(all, has);
        for (Doc const& pod : all) {
            if (has(pod) || missing-- <= 0) continue;
            Value patch{json::Object()};
            patch.set({"metadata", "labels", apis::kRolloutIdLabel}, id);
            patch.set({"metadata", "labels", apis::kRolloutBatchIdLabel}, std::to_string(step));
            CO_TRY(co_await merge_into(kPods, meta::name(pod), std::move(patch)));
        }
        co_return Status{};
    }

    World& world;
    std::string kind;
    meta::GroupVersionResource resource;
    bool routed = false;   // its Rollout has trafficRoutings
    int spared = 0;        // in a rollback in batches

protected:
    static Task<Status> nothing() { co_return Status{}; }
    static void mark_in_progress(Value& patch) {
        patch.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
    }
    static void drop(Value& patch, std::initializer_list<std::string_view> annotations) {
        for (std::string_view mark : annotations) patch.set({"metadata", "annotations", mark}, nullptr);
    }
    // What scales it: in blue-green style it is switched off meanwhile.
    Task<Status> make_autoscaler() {
        Value autoscaler = *json::parse_value(
            R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web","namespace":"default"},
            "spec":{"maxReplicas":20}})");
        autoscaler.set({"spec", "scaleTargetRef"}, reference());
        CO_TRY(co_await world.client->create(ctx(), kAutoscalers, std::move(autoscaler)));
        co_return Status{};
    }
    Task<Status> autoscale(std::string name) {
        Value patch{json::Object()};
        patch.set({"spec", "scaleTargetRef", "name"}, name);
        co_return co_await merge_into(kAutoscalers, "web", std::move(patch));
    }
    Task<std::string> not_scaled() {
        Doc const scaled = (co_await get(kAutoscalers, "web")).at({"spec", "scaleTargetRef", "name"});
        co_return scaled.as_string() == "web" ? "" : "the autoscaler scales " + scaled.string() + "; ";
    }
    // Every pod of the new version that has no batch yet gets this one.
    Task<Status> label_pods(int step, std::string image, bool with_hash = false) {
        std::string const id = co_await canary_revision(image);
        std::vector<Doc> const all = co_await pods(image);
        for (Doc const& pod : all) {
            if (!meta::label(pod, apis::kRolloutIdLabel).empty()) continue;
            Value patch{json::Object()};
            patch.set({"metadata", "labels", apis::kRolloutIdLabel}, id);
            patch.set({"metadata", "labels", apis::kRolloutBatchIdLabel}, std::to_string(step));
            if (with_hash) patch.set({"metadata", "labels", "controller-revision-hash"}, id);
            CO_TRY(co_await merge_into(kPods, meta::name(pod), std::move(patch)));
        }
        co_return Status{};
    }
};

// What the three styles of Deployments have in common. Revisions are hashes of Kruise's own.
class LedDeployment : public LedWorkload {
public:
    explicit LedDeployment(World& world) : LedWorkload(world, "Deployment") {}

    std::string revision_key() const override { return "pod-template-hash"; }
    std::int64_t least_ready() const override { return kReplicas - 2; }   // maxUnavailable 25 %

    Task<Status> freeze(std::string image) override {
        Value patch = pod_template_of(image);
        mark_in_progress(patch);
        patch.set({"metadata", "labels", apis::kStableRevisionLabel}, co_await set_hash("v1"));
        patch.set({"spec", "paused"}, true);
        co_return co_await merge(std::move(patch));
    }
    Task<Status> label(int step) override { return label_pods(step, "v2", true); }
    Task<std::string> stable_revision() override { return set_hash("v1"); }
    Task<std::string> canary_revision(std::string image) override { co_return kruise_hash(image); }
    Task<std::string> pod_hash(std::string image) override { return set_hash(image); }

protected:
    // The ReplicaSet of this image; absent when there is none.
    Task<Doc> set_of(std::string image) {
        auto const list = co_await world.client->list(ctx(), kReplicaSets, {.ns = "default"});
        if (!list) co_return Doc();
        for (auto const& [index, set] : (*list)["items"].elements()) {
            if (set.at({"spec", "template", "spec", "containers"})[0]["image"].as_string() == image) co_return set;
        }
        co_return Doc();
    }
    Task<std::string> set_hash(std::string image) {
        co_return meta::label(co_await set_of(image), meta::kTemplateHashLabel);
    }
};

// "Advanced Deployment": its own controller makes and scales ReplicaSets, named with its own hash.
class LedPartition final : public LedDeployment {
public:
    using LedDeployment::LedDeployment;

    Task<Status> take(Doc batch_release) override {
        Value patch{json::Object()};
        patch.set({"metadata", "labels", apis::kAdvancedDeploymentLabel}, "true");
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        patch.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, strategy_text("0", false));
        patch.set({"spec", "paused"}, true);
        patch.set({"spec", "strategy"}, json::Object{{"type", "Recreate"}, {"rollingUpdate", nullptr}});
        co_return co_await merge(std::move(patch));
    }
    Task<Status> move(int pods, std::string share) override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation},
                  strategy_text("\"" + share + "\"", false));
        CO_TRY(co_await merge(std::move(patch)));
        Doc const fresh = co_await set_of("v2");
        if (!fresh.exists()) CO_TRY(co_await make_set("v2"));
        // Old pods go as far as maxUnavailable lets them, the others once new ones are ready.
        int const serving = static_cast<int>(std::ssize(co_await this->pods("v2")));
        CO_TRY(co_await scale("v2", pods));
        CO_TRY(co_await scale("v1", std::max<int>(kReplicas - pods, kReplicas - 2 - serving)));
        Value extra{json::Object()};
        extra.set({"metadata", "annotations", apis::kDeploymentExtraStatusAnnotation},
                  fmt::format(R"({{"updatedReadyReplicas":{},"expectedUpdatedReplicas":{}}})", 0, pods));
        co_return co_await merge(std::move(extra));
    }
    Task<Status> finish(int pods) override { return scale("v1", kReplicas - pods); }
    Task<Status> put(std::string image) override {
        Value patch = pod_template_of(image);
        bool const taken = !meta::annotation(co_await live(), apis::kDeploymentStrategyAnnotation).empty();
        std::string const half = strategy_text("\"50%\"", true);
        if (taken) patch.set({"metadata", "annotations", apis::kDeploymentStrategyAnnotation}, half);
        co_return co_await merge(std::move(patch));
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        drop(patch, {apis::kControlInfoAnnotation, apis::kDeploymentStrategyAnnotation,
                     apis::kDeploymentExtraStatusAnnotation});
        for (std::string_view mark : {apis::kAdvancedDeploymentLabel, apis::kStableRevisionLabel})
            patch.set({"metadata", "labels", mark}, nullptr);
        patch.set({"spec", "paused"}, false);
        patch.set({"spec", "strategy"}, json::Object{{"type", "RollingUpdate"}, {"rollingUpdate", rolling_update()}});
        co_return co_await merge(std::move(patch));
    }

private:
    static Value rolling_update() { return json::Object{{"maxUnavailable", "25%"}, {"maxSurge", "25%"}}; }
    static std::string strategy_text(std::string const& partition, bool paused) {
        return fmt::format(R"({{"rollingStyle":"Partition","rollingUpdate":{},"paused":{},"partition":{}}})",
                           json::write(rolling_update()), paused, partition);
    }
    Task<Status> scale(std::string image, int pods) {
        Doc const set = co_await set_of(image);
        Value patch{json::Object()};
        patch.set({"spec", "replicas"}, pods);
        co_return co_await merge_into(kReplicaSets, meta::name(set), std::move(patch));
    }
    Task<Status> make_set(std::string image) {
        Doc const owner = co_await live();
        std::string const hash = kruise_hash(image);
        Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}}};
        object.set({"metadata", "name"}, "web-" + hash);
        object.set({"metadata", "namespace"}, "default");
        object.set({"metadata", "labels"}, json::Object{{"app", "web"}, {"pod-template-hash", hash}});
        object.set({"metadata", "annotations"}, json::Object{{"deployment.kubernetes.io/revision", "2"},
                                                             {"deployment.kubernetes.io/desired-replicas", "10"},
                                                             {"deployment.kubernetes.io/max-replicas", "13"}});
        object.set({"metadata", "ownerReferences"}, json::Array{json::Object{{"apiVersion", "apps/v1"},
                                                                             {"kind", "Deployment"},
                                                                             {"name", "web"},
                                                                             {"uid", meta::uid(owner)},
                                                                             {"controller", true},
                                                                             {"blockOwnerDeletion", true}}});
        object.set({"spec", "replicas"}, 1);
        object.set({"spec", "selector", "matchLabels"}, json::Object{{"app", "web"}, {"pod-template-hash", hash}});
        Value pod_template = owner.at({"spec", "template"}).thaw();
        pod_template.set({"metadata", "labels", "pod-template-hash"}, hash);
        object.set({"spec", "template"}, std::move(pod_template));
        CO_TRY(co_await world.client->create(ctx(), kReplicaSets, std::move(object)));
        co_return Status{};
    }
};

// A second Deployment beside it, whose name the API server makes up.
class LedCanary final : public LedDeployment {
public:
    using LedDeployment::LedDeployment;

    Value strategy() const override { return *json::parse_value(kCanaryStyle); }
    std::string style() const override { return "Canary"; }

    Task<Status> take(Doc batch_release) override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        CO_TRY(co_await merge(std::move(patch)));
        Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}};
        object.set({"metadata", "name"}, kSecond);
        object.set({"metadata", "generateName"}, "web-");
        object.set({"metadata", "namespace"}, "default");
        object.set({"metadata", "labels", apis::kCanaryDeploymentLabel}, "web");
        object.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        object.set({"metadata", "finalizers"}, json::Array{apis::kCanaryDeploymentFinalizer});
        object.set({"metadata", "ownerReferences"}, json::Array{*json::parse_value(control_info_of(batch_release))});
        object["spec"] = (co_await live())["spec"].thaw();
        object["spec"].erase("paused");
        object["spec"]["replicas"] = 0;
        CO_TRY(co_await world.client->create(ctx(), kDeployments, std::move(object)));
        co_return Status{};
    }
    Task<Status> move(int pods, std::string) override {
        Value patch{json::Object()};
        patch.set({"spec", "replicas"}, pods);
        co_return co_await merge_into(kDeployments, kSecond, std::move(patch));
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        drop(patch, {apis::kControlInfoAnnotation});
        patch.set({"spec", "paused"}, false);
        CO_TRY(co_await merge(std::move(patch)));
        Value last{json::Object()};
        last.set({"metadata", "finalizers"}, nullptr);
        co_return co_await merge_into(kDeployments, kSecond, std::move(last));
    }
    Task<std::string> left() override {
        Doc const second = co_await get(kDeployments, kSecond);
        co_return second.exists() ? "the second Deployment; " : "";
    }

private:
    static constexpr char const* kSecond = "web-x7k2p";
};

// Both versions whole, and no pod ever available; what scales the workload is switched off.
class LedBlueGreen final : public LedDeployment {
public:
    using LedDeployment::LedDeployment;

    Value strategy() const override { return *json::parse_value(R"({"blueGreen":{}})"); }
    std::string style() const override { return "BlueGreen"; }
    bool fully_routed() const override { return true; }

    Task<Status> create() override {
        CO_TRY(co_await make_autoscaler());
        co_return co_await LedDeployment::create();
    }
    Task<Status> take(Doc batch_release) override {
        CO_TRY(co_await autoscale("web-DisableByRollout"));
        Value never{json::Object()};
        never.set({"spec", "minReadySeconds"}, 2147483646);
        CO_TRY(co_await merge_into(kReplicaSets, meta::name(co_await set_of("v1")), never));
        Value patch = std::move(never);
        patch.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation},
                  R"({"maxUnavailable":"25%","maxSurge":"25%","minReadySeconds":0,"progressDeadlineSeconds":600})");
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        patch.set({"spec", "progressDeadlineSeconds"}, 2147483647);
        patch.set({"spec", "strategy", "rollingUpdate"}, json::Object{{"maxSurge", 1}, {"maxUnavailable", 0}});
        co_return co_await merge(std::move(patch));
    }
    Task<Status> move(int, std::string share) override {
        Value patch{json::Object()};
        patch.set({"spec", "paused"}, false);
        patch.set({"spec", "strategy", "rollingUpdate"}, json::Object{{"maxSurge", share}, {"maxUnavailable", 0}});
        co_return co_await merge(std::move(patch));
    }
    Task<Status> put(std::string image) override {
        Value patch = pod_template_of(image);
        patch.set({"spec", "paused"}, true);
        co_return co_await merge(std::move(patch));
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        drop(patch, {apis::kControlInfoAnnotation, apis::kOriginalDeploymentStrategyAnnotation});
        patch.set({"metadata", "labels", apis::kStableRevisionLabel}, nullptr);
        patch.set({"spec", "paused"}, false);
        patch.set({"spec", "minReadySeconds"}, 0);
        patch.set({"spec", "progressDeadlineSeconds"}, 600);
        patch.set({"spec", "strategy", "rollingUpdate"}, json::Object{{"maxSurge", "25%"}, {"maxUnavailable", "25%"}});
        co_return co_await merge(std::move(patch));
    }
    Task<Status> release() override { return autoscale("web"); }   // once its pods are ready
    Task<std::string> left() override {
        std::string found = co_await not_scaled();
        Doc const spec = (co_await live())["spec"];
        if (spec["minReadySeconds"].as_int() != 0) found += "minReadySeconds; ";
        if (spec["progressDeadlineSeconds"].as_int() != 600) found += "progressDeadlineSeconds; ";
        co_return found;
    }
};

}   // namespace aviary::member
