// For tests: workloads as Kruise Rollouts' manager 0.6 leads them through a release. Each function writes what one of
// its webhooks or controllers writes at that moment, over the native controllers of a simulated cluster. A kind is one
// struct, and a line in hand_over_test.cc.
#pragma once

#include <fmt/format.h>

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
    LedWorkload(World& world, std::string kind)
        : world(world), kind(std::move(kind)), resource{"apps", "v1", to_lower(this->kind) + "s"} {}
    virtual ~LedWorkload() = default;

    // Of the Rollout: {"canary":{…}} without steps.
    virtual Value strategy() const { return *json::parse_value(kPartitionStyle); }
    virtual std::string style() const { return "Partition"; }
    virtual std::string revision_key() const { return "controller-revision-hash"; }
    virtual std::int64_t least_ready() const { return kReplicas - 1; }   // by its own strategy
    virtual bool fully_routed() const { return false; }   // requests also at the last step: both versions are whole

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
    virtual Task<Status> release() { return nothing(); }   // what goes beside the BatchRelease

    // As a Rollout's status names them.
    virtual Task<std::string> stable_revision() = 0;
    virtual Task<std::string> canary_revision(std::string image) = 0;
    virtual Task<std::string> pod_hash(std::string image) = 0;   // empty: no pod is labelled with one yet
    virtual Task<std::string> left() {
        co_return (co_await get(resource, "web")).exists() ? std::string() : "the workload is gone";
    }

    Context ctx() const { return world.scope.context(); }
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

    World& world;
    std::string kind;
    meta::GroupVersionResource resource;

protected:
    static Task<Status> nothing() { co_return Status{}; }
    static void mark_in_progress(Value& patch) {
        patch.set({"metadata", "annotations", apis::kInProgressingAnnotation}, R"({"rolloutName":"web"})");
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
    static void drop(Value& patch, std::initializer_list<std::string_view> annotations) {
        for (std::string_view mark : annotations) patch.set({"metadata", "annotations", mark}, nullptr);
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

    Value strategy() const override {
        return *json::parse_value(R"({"canary":{"enableExtraWorkloadForCanary":true}})");
    }
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
        Value const autoscaler = *json::parse_value(
            R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web","namespace":"default"},
            "spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"maxReplicas":20}})");
        CO_TRY(co_await world.client->create(ctx(), kAutoscalers, autoscaler));
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
        Doc const scaled = (co_await get(kAutoscalers, "web")).at({"spec", "scaleTargetRef", "name"});
        std::string found = scaled.as_string() == "web" ? "" : "the autoscaler scales " + scaled.string() + "; ";
        Doc const spec = (co_await live())["spec"];
        if (spec["minReadySeconds"].as_int() != 0) found += "minReadySeconds; ";
        if (spec["progressDeadlineSeconds"].as_int() != 600) found += "progressDeadlineSeconds; ";
        co_return found;
    }

private:
    Task<Status> autoscale(std::string name) {
        Value patch{json::Object()};
        patch.set({"spec", "scaleTargetRef", "name"}, name);
        co_return co_await merge_into(kAutoscalers, "web", std::move(patch));
    }
};

class LedStatefulSet final : public LedWorkload {
public:
    explicit LedStatefulSet(World& world) : LedWorkload(world, "StatefulSet") {}

    Task<Status> freeze(std::string image) override {
        Value patch = pod_template_of(image);
        mark_in_progress(patch);
        patch.set(kPartition, 32767);
        co_return co_await merge(std::move(patch));
    }
    Task<Status> take(Doc batch_release) override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        patch.set(kPartition, 32767);
        co_return co_await merge(std::move(patch));
    }
    Task<Status> move(int pods, std::string) override {
        Value patch{json::Object()};
        patch.set(kPartition, kReplicas - pods);
        co_return co_await merge(std::move(patch));
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, nullptr);
        patch.set(kPartition, nullptr);
        co_return co_await merge(std::move(patch));
    }
    Task<std::string> stable_revision() override {
        co_return (co_await live()).at({"status", "currentRevision"}).string();
    }
    Task<std::string> canary_revision(std::string) override {
        co_return (co_await live()).at({"status", "updateRevision"}).string();
    }
    Task<std::string> pod_hash(std::string image) override { return canary_revision(image); }
    Task<std::string> left() override {
        Doc const update = (co_await live()).at({"spec", "updateStrategy"});
        bool const own =
            update["type"].as_string() == "RollingUpdate" && update.at({"rollingUpdate", "partition"}).as_int() == 0;
        co_return own ? "" : "updateStrategy " + json::write(update);
    }

private:
    static constexpr std::initializer_list<std::string_view> kPartition = {"spec", "updateStrategy", "rollingUpdate",
                                                                           "partition"};
};

class LedDaemonSet final : public LedWorkload {
public:
    explicit LedDaemonSet(World& world) : LedWorkload(world, "DaemonSet") { world.nodes = kReplicas; }

    Task<Status> create() override {
        Value object = deployment("v1", kReplicas);
        object["spec"].erase("replicas");
        co_return co_await create_from(std::move(object));
    }
    Task<Status> freeze(std::string image) override {
        Value patch = pod_template_of(image);
        mark_in_progress(patch);
        patch.set({"metadata", "annotations", apis::kDaemonSetStrategyAnnotation}, "RollingUpdate");
        patch.set({"spec", "updateStrategy"}, json::Object{{"type", "OnDelete"}, {"rollingUpdate", nullptr}});
        CO_TRY(co_await merge(std::move(patch)));
        CO_TRY(co_await async::sleep_for(ctx(), 1s));
        co_return co_await note_revisions();
    }
    Task<Status> put(std::string image) override {
        CO_TRY(co_await merge(pod_template_of(image)));
        CO_TRY(co_await async::sleep_for(ctx(), 1s));
        co_return co_await note_revisions();
    }
    Task<Status> take(Doc batch_release) override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        co_return co_await merge(std::move(patch));
    }
    Task<Status> move(int wanted, std::string) override {
        Value patch{json::Object()};
        std::string const revision = co_await canary_revision("v2");
        patch.set({"metadata", "annotations", apis::kDaemonSetControlAnnotation},
                  fmt::format(R"({{"partition":"{}","batch-revision":"{}"}})", kReplicas - wanted, revision));
        CO_TRY(co_await merge(std::move(patch)));
        // One at a time, as maxUnavailable says.
        for (int count = std::ssize(co_await pods("v2")); count < wanted; ++count) {
            std::vector<Doc> const old = co_await pods("v1");
            if (old.empty()) break;
            CO_TRY(co_await world.client->remove(ctx(), kPods, meta::key_of(old.back())));
            if (count + 1 < wanted) CO_TRY(co_await async::sleep_for(ctx(), 3s));
        }
        co_return Status{};
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        for (std::string_view mark : {apis::kControlInfoAnnotation, apis::kDaemonSetControlAnnotation,
                                      apis::kDaemonSetStrategyAnnotation, apis::kDaemonSetRevisionAnnotation})
            patch.set({"metadata", "annotations", mark}, nullptr);
        patch.set({"spec", "updateStrategy", "type"}, "RollingUpdate");
        co_return co_await merge(std::move(patch));
    }
    Task<std::string> stable_revision() override { return hash_of(1); }
    Task<std::string> canary_revision(std::string) override { return hash_of(0); }
    Task<std::string> pod_hash(std::string) override { return hash_of(0); }
    Task<std::string> left() override {
        Doc const type = (co_await live()).at({"spec", "updateStrategy", "type"});
        co_return type.as_string() == "RollingUpdate" ? "" : "updateStrategy " + type.string();
    }

private:
    Task<Status> note_revisions() {
        Value patch{json::Object()};
        std::string const canary = co_await hash_of(0);
        std::string const stable = co_await hash_of(1);
        patch.set({"metadata", "annotations", apis::kDaemonSetRevisionAnnotation},
                  fmt::format(R"({{"canary-revision":"{}","stable-revision":"{}"}})", canary, stable));
        co_return co_await merge(std::move(patch));
    }
    // Of the ControllerRevision with the highest number, or of the one before.
    Task<std::string> hash_of(std::size_t age) {
        auto const list = co_await world.client->list(ctx(), kControllerRevisions, {.ns = "default"});
        std::map<std::int64_t, std::string, std::greater<>> hashes;
        if (list) {
            for (auto const& [index, each] : (*list)["items"].elements())
                hashes[each["revision"].as_int()] = meta::label(each, "controller-revision-hash");
        }
        co_return age < hashes.size() ? std::next(hashes.begin(), static_cast<std::ptrdiff_t>(age))->second : "";
    }
};

}   // namespace aviary::member
