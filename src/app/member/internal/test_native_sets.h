// Releases of sets, end to end.
#pragma once

#include "app/member/internal/test_world.h"
#include "app/member/uninstall.h"
#include "core/base/strings.h"
#include "kube/control/definitions.h"
#include "kube/simulator/definitions.h"

namespace aviary::member {

inline meta::GroupVersionResource const kControllerRevisions{"apps", "v1", "controllerrevisions"};

// A member with a set of this kind, named web, and a Rollout of it.
struct NativeSetWorld : World {
    NativeSetWorld(Context ctx, std::string kind)
        : World(std::move(ctx)), kind(std::move(kind)), resource{"apps", "v1", to_lower(this->kind) + "s"} {}
    // One of Kruise's.
    NativeSetWorld(Context ctx, std::string kind, std::string version)
        : World(std::move(ctx)),
          kind(std::move(kind)),
          resource{"apps.kruise.io", std::move(version), to_lower(this->kind) + "s"},
          patch_type(client::PatchType::kMerge) {}

    std::string kind;
    meta::GroupVersionResource resource;
    client::PatchType patch_type = client::PatchType::kStrategicMerge;

    // What the cluster has of Kruise's kinds.
    Task<Status> serve_kruise() {
        return control::install_definitions(scope.context(), *client, simulator::workload_definitions());
    }

    // Pods of v1, ready, and a Healthy Rollout; `more` is what the spec has beside.
    Task<Status> create(Value object, std::string more, std::string steps, Duration ready_within,
                        std::string style = kPartitionStyle) {
        object["apiVersion"] = resource.api_version();
        object["kind"] = kind;
        Value const extra = *json::parse_value(more);
        for (auto const& [key, value] : extra.object()) object.set({"spec", key}, value);
        CO_TRY(co_await client->create(scope.context(), resource, object));
        CO_TRY(co_await async::sleep_for(scope.context(), ready_within));
        Value release = rollout(steps, style);
        release.set({"spec", "workloadRef", "apiVersion"}, resource.api_version());
        release.set({"spec", "workloadRef", "kind"}, kind);
        CO_TRY(co_await client->create(scope.context(), apis::kRollouts, release));
        co_return co_await until("Healthy/0//", true);
    }
    Task<Status> change(Value patch) {
        CO_TRY(co_await client->patch(scope.context(), resource, kWeb, patch_type, std::move(patch)));
        co_return Status{};
    }
    Task<Status> run(std::string image) {
        co_return co_await change(*json::parse_value(
            R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":")" + image + R"("}]}}}})"));
    }
    Task<Status> set(std::initializer_list<std::string_view> path, Value value) {
        Value patch{json::Object()};
        patch.set(path, std::move(value));
        return change(std::move(patch));
    }
    Task<Status> paused_at(int step) {
        CO_TRY(co_await until(fmt::format("Progressing/{}/StepPaused/InRolling", step)));
        co_return co_await async::sleep_for(scope.context(), 5s);
    }
    Task<Doc> live() {
        auto const seen = co_await client->get(scope.context(), resource, kWeb);
        co_return seen ? *seen : Doc();
    }
    // The member goes, and leaves its releases so: what that says.
    Task<Result<std::string>> leave(UninstallOptions options) {
        co_await stop_member();
        guarded = false;
        std::string said;
        CO_TRY(co_await uninstall(scope.context(), *client, options,
                                  [&said](std::string const& line) { said += line + "\n"; }));
        co_return said;
    }
    // What a release has left on the set and its revisions.
    Task<std::string> marks() {
        std::string found = marks_on(co_await live());
        auto const revisions = co_await client->list(scope.context(), kControllerRevisions, {.ns = "default"});
        for (auto const& [index, revision] : (*revisions)["items"].elements()) found += marks_on(revision);
        Doc const batch_release = co_await get(apis::kBatchReleases);
        co_return batch_release.exists() ? found + "BatchRelease" : found;
    }
};

// What one story is played of.
struct SetStory {
    char const* kind;
    meta::GroupVersionResource resource;
    char const* more = "{}";   // what the spec has beside
};
using Batches = std::map<std::string, int>;

// A cluster with a node for each of ten pods, for any of them.
struct SetStoryWorld : NativeSetWorld {
    SetStoryWorld(Context ctx, SetStory const& story) : NativeSetWorld(std::move(ctx), story.kind), more(story.more) {
        resource = story.resource;
        patch_type = client::PatchType::kMerge;
        nodes = 10;
    }

    // How many pods each batch has, of the releases whose id is meant.
    Task<Batches> batches_of(std::function<bool(std::string const& id)> meant) {
        Batches result;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            if (meant(meta::label(pod, apis::kRolloutIdLabel))) ++result[meta::label(pod, apis::kRolloutBatchIdLabel)];
        }
        co_return result;
    }

    // Ten pods of v1, ready, and a Healthy Rollout.
    Task<Status> begin_of_ten(std::string style = kPartitionStyle, std::string steps = kArticle) {
        CO_TRY(co_await start());
        CO_TRY(co_await serve_kruise());
        Value object = deployment("v1", 10);
        if (groups()) {
            Value pods = object.at({"spec", "template"});
            object["spec"] = json::Object{{"replicas", 10}};
            object.set({"spec", "leaderWorkerTemplate"}, json::Object{{"size", 1}, {"workerTemplate", pods}});
            object.set({"spec", "rolloutStrategy"}, json::Object{{"type", "RollingUpdate"}});
        }
        if (kind == "DaemonSet") object["spec"].erase("replicas");
        CO_TRY(co_await create(std::move(object), more, std::move(steps), 30s, std::move(style)));
        co_return co_await async::sleep_for(scope.context(), 5s);
    }
    bool groups() const { return kind == "LeaderWorkerSet"; }
    Task<Status> put(std::string image) {
        if (!groups()) co_return co_await run(std::move(image));
        co_return co_await set({"spec", "leaderWorkerTemplate", "workerTemplate", "spec", "containers"},
                               json::Array{json::Object{{"name", "main"}, {"image", std::move(image)}}});
    }
    std::string more;
};

inline std::vector<SetStory> every_kind() {
    return {{"Deployment", {"apps", "v1", "deployments"}},
            {"StatefulSet", {"apps", "v1", "statefulsets"}},
            {"DaemonSet", {"apps", "v1", "daemonsets"}},
            {"CloneSet", {"apps.kruise.io", "v1alpha1", "clonesets"}},
            {"StatefulSet", {"apps.kruise.io", "v1beta1", "statefulsets"}},
            {"DaemonSet", {"apps.kruise.io", "v1alpha1", "daemonsets"}},
            {"LeaderWorkerSet", {"leaderworkerset.x-k8s.io", "v1", "leaderworkersets"}}};
}

}   // namespace aviary::member
