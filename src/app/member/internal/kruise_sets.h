// For tests: the sets that Kruise Rollouts' manager 0.6 releases, as it leads them: those of apps/v1, and Kruise's own.
#pragma once

#include <algorithm>

#include "app/member/internal/kruise_workloads.h"

namespace aviary::member {

inline constexpr std::initializer_list<std::string_view> kRollingPartition = {"spec", "updateStrategy", "rollingUpdate",
                                                                              "partition"};

// Held and moved by a partition, the number of pods that keep their version.
class LedByPartition : public LedWorkload {
public:
    using LedWorkload::LedWorkload;

    Task<Status> freeze(std::string image) override {
        Value patch = pod_template_of(image);
        mark_in_progress(patch);
        patch.set(kRollingPartition, 32767);
        co_return co_await merge(std::move(patch));
    }
    Task<Status> put(std::string image) override { return freeze(std::move(image)); }
    Task<Status> move(int pods, std::string) override {
        Value patch{json::Object()};
        patch.set(kRollingPartition, kReplicas - pods + spared);   // ordinals that have it anyhow are below
        co_return co_await merge(std::move(patch));
    }
    Task<std::string> pod_hash(std::string image) override { return canary_revision(std::move(image)); }
};

class LedStatefulSet : public LedByPartition {
public:
    explicit LedStatefulSet(World& world, std::string group = "apps", std::string version = "v1")
        : LedByPartition(world, "StatefulSet", std::move(group), std::move(version)) {}

    Task<Status> take(Doc batch_release) override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        patch.set(kRollingPartition, 32767);
        patch.set({"spec", "updateStrategy", "rollingUpdate", "paused"}, false);   // those of apps/v1 have none
        co_return co_await merge(std::move(patch));
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, nullptr);
        patch.set(kRollingPartition, nullptr);
        co_return co_await merge(std::move(patch));
    }
    Task<std::string> stable_revision() override {
        co_return (co_await live()).at({"status", "currentRevision"}).string();
    }
    Task<std::string> canary_revision(std::string) override {
        co_return (co_await live()).at({"status", "updateRevision"}).string();
    }
    Task<std::string> left() override {
        Doc const update = (co_await live()).at({"spec", "updateStrategy"});
        bool const own =
            update["type"].as_string() == "RollingUpdate" && update.at({"rollingUpdate", "partition"}).as_int() == 0;
        co_return own ? "" : "updateStrategy " + json::write(update);
    }
};

// Kruise's own, which replaces as many pods at a time as it is told.
class LedAdvancedStatefulSet final : public LedStatefulSet {
public:
    explicit LedAdvancedStatefulSet(World& world) : LedStatefulSet(world, "apps.kruise.io", "v1beta1") {}

    std::int64_t least_ready() const override { return kReplicas - 2; }

    Task<Status> create() override {
        Value object = deployment("v1", kReplicas);
        object.set({"spec", "serviceName"}, "web");
        object.set({"spec", "podManagementPolicy"}, "Parallel");
        object.set({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}, 2);
        co_return co_await create_from(std::move(object));
    }
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
    // Of the ControllerRevision with the highest number, or of the one before, if there is one.
    Task<std::string> hash_of(std::size_t age) {
        auto const list = co_await world.client->list(ctx(), kControllerRevisions, {.ns = "default"});
        std::map<std::int64_t, std::string, std::greater<>> hashes;
        if (list) {
            for (auto const& [index, each] : (*list)["items"].elements())
                hashes[each["revision"].as_int()] = meta::label(each, "controller-revision-hash");
        }
        if (hashes.empty()) co_return "";
        age = std::min(age, hashes.size() - 1);
        co_return std::next(hashes.begin(), static_cast<std::ptrdiff_t>(age))->second;
    }
};

// Kruise's own: its partition is a number of pods, and its status does not tell the version before.
class LedAdvancedDaemonSet final : public LedByPartition {
public:
    explicit LedAdvancedDaemonSet(World& world) : LedByPartition(world, "DaemonSet", "apps.kruise.io", "v1alpha1") {
        world.nodes = kReplicas;
    }

    std::string revision_key() const override { return std::string(meta::kTemplateHashLabel); }
    std::int64_t least_ready() const override { return kReplicas - 2; }
    // Most pods have the new version before the last approval.
    std::array<int, 3> shares() const override { return {2, 7, kReplicas}; }

    Task<Status> create() override {
        Value object = deployment("v1", kReplicas);
        object["spec"].erase("replicas");
        object.set({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}, 2);
        co_return co_await create_from(std::move(object));
    }
    Task<Status> take(Doc batch_release) override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        patch.set({"spec", "updateStrategy", "rollingUpdate"},
                  json::Object{{"paused", false}, {"partition", kReplicas}});
        co_return co_await merge(std::move(patch));
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        drop(patch, {apis::kControlInfoAnnotation});
        patch.set({"spec", "updateStrategy", "rollingUpdate"}, json::Object{{"paused", false}, {"partition", nullptr}});
        co_return co_await merge(std::move(patch));
    }
    Task<std::string> stable_revision() override { co_return ""; }
    Task<std::string> canary_revision(std::string) override {
        co_return (co_await live()).at({"status", "daemonSetHash"}).string();
    }
    Task<std::string> left() override {
        Doc const update = (co_await live()).at({"spec", "updateStrategy", "rollingUpdate"});
        bool const own = update["partition"].as_int() == 0 && !update["paused"].as_bool();
        co_return own ? "" : "rollingUpdate " + json::write(update);
    }
};

class LedCloneSet : public LedWorkload {
public:
    explicit LedCloneSet(World& world) : LedWorkload(world, "CloneSet", "apps.kruise.io", "v1alpha1") {}

    std::string revision_key() const override { return std::string(meta::kTemplateHashLabel); }
    std::int64_t least_ready() const override { return kReplicas - 2; }

    Task<Status> create() override {
        Value object = deployment("v1", kReplicas);
        object.set({"spec", "updateStrategy"}, json::Object{{"maxUnavailable", 2}, {"maxSurge", "10%"}});
        co_return co_await create_from(std::move(object));
    }
    Task<Status> freeze(std::string image) override {
        Value patch = pod_template_of(image);
        mark_in_progress(patch);
        patch.set(kPartition, "100%");
        co_return co_await merge(std::move(patch));
    }
    // With trafficRoutings the webhook lets go what is not of one version.
    Task<Status> put(std::string image) override {
        Doc const status = (co_await live())["status"];
        bool const mixed = status["replicas"].as_int() != status["updatedReplicas"].as_int();
        if (routed && mixed) co_return co_await merge(pod_template_of(image));
        co_return co_await freeze(image);
    }
    Task<Status> take(Doc batch_release) override {
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        patch.set({"spec", "updateStrategy", "paused"}, false);
        patch.set(kPartition, "100%");
        co_return co_await merge(std::move(patch));
    }
    Task<Status> move(int pods, std::string) override {
        Value patch{json::Object()};
        patch.set(kPartition, fmt::format("{}%", (kReplicas - pods) * 100 / kReplicas));
        co_return co_await merge(std::move(patch));
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        drop(patch, {apis::kControlInfoAnnotation});
        patch.set({"spec", "updateStrategy"}, json::Object{{"partition", nullptr}, {"paused", false}});
        co_return co_await merge(std::move(patch));
    }
    Task<std::string> stable_revision() override { return revision("currentRevision"); }
    Task<std::string> canary_revision(std::string) override { return revision("updateRevision"); }
    Task<std::string> pod_hash(std::string image) override { return canary_revision(std::move(image)); }
    Task<std::string> left() override {
        Doc const spec = (co_await live())["spec"];
        Doc const update = spec["updateStrategy"];
        bool const own = update["partition"].as_int() == 0 && !update["partition"].is_string() &&
                         !update["paused"].as_bool() && update["maxUnavailable"].as_int() == 2 &&
                         update["maxSurge"].as_string() == "10%";
        co_return own ? "" : "updateStrategy " + json::write(update) + "; ";
    }

protected:
    static constexpr std::initializer_list<std::string_view> kPartition = {"spec", "updateStrategy", "partition"};

private:
    // As its pods are labelled with it.
    Task<std::string> revision(std::string field) {
        std::string const name = (co_await live()).at({"status", field}).string();
        co_return name.substr(name.rfind('-') + 1);
    }
};

// Whose Rollout was written in v1alpha1 without a rolling-style: it says Canary, and is released in partition style.
class LedOlderCloneSet final : public LedCloneSet {
public:
    using LedCloneSet::LedCloneSet;

    Value strategy() const override { return *json::parse_value(kCanaryStyle); }
    std::string style() const override { return "Canary"; }
    bool side_by_side() const override { return false; }
};

// As Deployments are, but the workload is not paused. Kruise's CloneSets make no pod above half of them by steps.
class LedCloneSetBlueGreen final : public LedCloneSet {
public:
    using LedCloneSet::LedCloneSet;

    Value strategy() const override { return *json::parse_value(R"({"blueGreen":{}})"); }
    std::string style() const override { return "BlueGreen"; }
    bool fully_routed() const override { return true; }
    std::array<int, 3> shares() const override { return {2, 4, kReplicas / 2}; }

    Task<Status> create() override {
        CO_TRY(co_await LedCloneSet::create());
        co_return co_await make_autoscaler();
    }
    Task<Status> take(Doc batch_release) override {
        CO_TRY(co_await autoscale("web-DisableByRollout"));
        Value patch{json::Object()};
        patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info_of(batch_release));
        patch.set({"metadata", "annotations", apis::kOriginalDeploymentStrategyAnnotation},
                  R"({"maxUnavailable":2,"maxSurge":"10%","minReadySeconds":0})");
        patch.set({"spec", "minReadySeconds"}, 2147483646);
        patch.set({"spec", "updateStrategy"}, json::Object{{"paused", false}, {"maxSurge", 1}, {"maxUnavailable", 0}});
        co_return co_await merge(std::move(patch));
    }
    Task<Status> move(int, std::string share) override {
        Value patch{json::Object()};
        patch.set({"spec", "updateStrategy"},
                  json::Object{{"partition", nullptr}, {"maxSurge", share}, {"maxUnavailable", 0}});
        co_return co_await merge(std::move(patch));
    }
    Task<Status> finalize() override {
        Value patch{json::Object()};
        drop(patch, {apis::kControlInfoAnnotation, apis::kOriginalDeploymentStrategyAnnotation});
        patch.set({"spec", "minReadySeconds"}, 0);
        patch.set({"spec", "updateStrategy"},
                  json::Object{{"paused", false}, {"maxSurge", "10%"}, {"maxUnavailable", 2}});
        co_return co_await merge(std::move(patch));
    }
    Task<bool> resumed() override {
        Doc const status = (co_await live())["status"];
        co_return status["readyReplicas"].as_int() == status["updatedReadyReplicas"].as_int();
    }
    Task<Status> release() override { return autoscale("web"); }
    Task<std::string> left() override {
        std::string found = co_await LedCloneSet::left();
        found += co_await not_scaled();
        if ((co_await live()).at({"spec", "minReadySeconds"}).as_int() != 0) found += "minReadySeconds; ";
        co_return found;
    }
};

}   // namespace aviary::member
