// For tests: a release in one simulated cluster, told line by line: what somebody does, and what is to be seen then.
#pragma once

#include <functional>

#include "app/member/internal/test_world.h"
#include "app/process/conversion.h"
#include "core/base/strings.h"
#include "kube/control/definitions.h"
#include "kube/simulator/definitions.h"
#include "kube/webhook/handler.h"

namespace aviary::member {

struct Setup {
    std::string steps;
    std::string strategy = kPartitionStyle;
    std::int64_t replicas = 5;
    std::string kind = "Deployment";
    std::string more = "{}";      // what the workload's spec has beside
    std::string routing = "";     // what trafficRoutings[0] has beside its Service: R"("ingress":{"name":"web"})"
    std::string service = "{}";   // what the Service's spec has beside
    bool older = false;           // the Rollout is of v1alpha1, in the style that the strategy says
    int nodes = 2;
    std::string api = "apps/v1";   // of the workload
    std::string id = "";           // the workload's rollout-id, from the beginning
};

struct Line {
    std::string does;   // "release v2", "break v2", "approve", "jump 3", "scale 8", "wait 30", "delete", "rollout {…}"
    std::string seen;   // "Progressing/1/StepPaused v1=4 v2=1 [canary-weight=20]"
};

struct Story : World {
    Story(Context ctx, Setup with)
        : World(std::move(ctx)),
          setup(std::move(with)),
          resource{setup.api.substr(0, setup.api.find('/')), setup.api.substr(setup.api.find('/') + 1),
                   to_lower(setup.kind) + "s"} {
        nodes = setup.nodes;
    }

    // Ready pods of v1, and a Healthy Rollout.
    Task<Status> begin() {
        CO_TRY(co_await start());
        Context const ctx = scope.context();
        server->add_service("fleet", {std::string(apis::kConverterNamespace), std::string(apis::kConverter)},
                            webhook::make_handler({}, process::converter()));
        if (resource.group != "apps")
            CO_TRY(co_await control::install_definitions(ctx, *client, simulator::workload_definitions()));
        Value workload = deployment("v1", setup.replicas);
        workload["apiVersion"] = setup.api;
        workload["kind"] = setup.kind;
        if (!setup.id.empty()) workload.set({"metadata", "labels", apis::kRolloutIdLabel}, setup.id);
        Value const more = *json::parse_value(setup.more);
        for (auto const& [key, each] : more.object()) workload.set({"spec", key}, each);
        if (setup.kind == "DaemonSet") workload["spec"].erase("replicas");
        CO_TRY(co_await client->create(ctx, resource, workload));
        if (!setup.routing.empty()) CO_TRY(co_await bring_service());
        CO_TRY(co_await async::sleep_for(ctx, 30s));
        Value const made = rollout_object();
        meta::GroupVersionResource const older{"rollouts.kruise.io", "v1alpha1", "rollouts"};
        CO_TRY(co_await client->create(ctx, setup.older ? older : apis::kRollouts, made));
        co_return co_await until("Healthy/0//", true);
    }
    Task<Status> bring_service() {
        Value service =
            *json::parse_value(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default",
            "labels":{"team":"a"},"annotations":{"note":"b"}},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})");
        Value const more = *json::parse_value(setup.service);
        for (auto const& [key, each] : more.object()) service.set({"spec", key}, each);
        CO_TRY(co_await client->create(scope.context(), kServices, service));
        co_return co_await bring(
            kIngresses, "Ingress",
            R"({"rules":[{"http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]})");
    }
    Task<Status> bring(meta::GroupVersionResource of, std::string kind, std::string spec) {
        Value object{json::Object{{"apiVersion", of.api_version()}, {"kind", kind}}};
        object.set({"metadata"}, json::Object{{"name", "web"}, {"namespace", "default"}});
        object["spec"] = *json::parse_value(spec);
        for (int count = 0; count < 100; ++count) {
            if (co_await client->create(scope.context(), of, object)) co_return Status{};
            CO_TRY(co_await async::sleep_for(scope.context(), 100ms));
        }
        co_return fail(ErrorCode::kTimeout, kind + " is not served");
    }
    // A kind with any spec, as somebody else's definitions have it.
    Task<Status> define(meta::GroupVersionResource of, std::string kind) {
        Value crd = *json::parse_value(
            R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"scope":"Namespaced"}})");
        crd.set({"metadata", "name"}, of.resource + "." + of.group);
        crd.set({"spec", "group"}, of.group);
        crd.set(
            {"spec", "names"},
            json::Object{
                {"kind", kind}, {"listKind", kind + "List"}, {"plural", of.resource}, {"singular", to_lower(kind)}});
        Value version = *json::parse_value(
            R"({"served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object",
            "properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}})");
        version["name"] = of.version;
        crd.set({"spec", "versions"}, json::Array{version});
        CO_TRY(co_await client->create(scope.context(), kCrds, crd));
        co_return Status{};
    }

    // From now on the member is asked about Rollouts, too.
    void guard_rollouts() { server->add_admission("fleet", member->admissions().front()); }

    Task<Status> play(std::vector<Line> lines) {
        for (Line const& line : lines) {
            if (Status const done = co_await perform(line.does); !done)
                co_return fail(ErrorCode::kInternal, line.does + ": " + done.error().message());
            std::string seen;
            bool stays = false;
            for (int count = 0; count < 400 && !stays; ++count) {
                CO_TRY(co_await async::sleep_for(scope.context(), 500ms));
                seen = co_await look();
                if (seen != line.seen) continue;
                CO_TRY(co_await async::sleep_for(scope.context(), 5s));
                seen = co_await look();
                stays = seen == line.seen;
            }
            if (stays) continue;
            Doc const object = co_await get(apis::kRollouts);
            co_return fail(ErrorCode::kTimeout, "after \"" + line.does + "\": " + line.seen + " was expected, it is " +
                                                    seen + "\n" + json::write(object["status"]));
        }
        co_return Status{};
    }

    Task<Status> perform(std::string does) {
        std::string const verb = does.substr(0, does.find(' '));
        std::string const rest = verb.size() == does.size() ? "" : does.substr(verb.size() + 1);
        if (verb == "release") co_return co_await put(rest, broken ? R"("metadata":{"annotations":null},)" : "");
        if (verb == "break") {
            broken = true;
            co_return co_await put(
                rest, R"("metadata":{"annotations":{"simulator.aviary.dev/behaviour":"image-pull-error"}},)");
        }
        if (verb == "approve") co_return co_await approve();
        if (verb == "jump") co_return co_await status(R"({"nextStepIndex":)" + rest + "}");
        if (verb == "scale") co_return co_await change(R"({"spec":{"replicas":)" + rest + "}}");
        if (verb == "wait") co_return co_await async::sleep_for(scope.context(), std::chrono::seconds(std::stoi(rest)));
        if (verb == "workload") co_return co_await change(rest);
        if (verb == "rollout") {
            CO_TRY(co_await client->patch(scope.context(), apis::kRollouts, kWeb, client::PatchType::kMerge,
                                          *json::parse_value(rest)));
            co_return Status{};
        }
        if (verb == "delete") {
            CO_TRY(co_await client->remove(scope.context(), apis::kRollouts, kWeb));
            co_return Status{};
        }
        co_return does.empty() ? Status{} : fail(ErrorCode::kInternal, "nobody knows how");
    }

    // The release, the pods of each version, and how requests are led.
    Task<std::string> look() {
        std::string text = co_await state();
        text = text.substr(0, text.rfind('/'));
        Images const counts = co_await images();
        for (auto const& [image, count] : counts) text += fmt::format(" {}={}", image, count);
        Doc const stable = co_await named(kServices, "web");
        bool const pinned = stable.at({"spec", "selector"}).size() > 1;
        Doc const canary = co_await named(kServices, "web-canary");
        if (pinned || canary.exists())
            text += fmt::format(" {}{}", pinned ? "pinned" : "open", canary.exists() ? "+" : "");
        Doc const beside = co_await named(kIngresses, "web-canary");
        std::string said;
        for (auto const& [key, each] : beside.at({"metadata", "annotations"}).members()) {
            std::string_view const name = key.substr(key.find('/') + 1);
            if (name.starts_with("canary-"))
                said += fmt::format("{}{}={}", said.empty() ? "" : " ", name, each.as_string());
        }
        if (beside.exists()) text += " [" + said + "]";
        co_return text;
    }
    // Weights of the first rule of a route: "80/20"; "100" is one that has no other.
    Task<std::string> weights(meta::GroupVersionResource of, std::string rules, std::string backends) {
        std::string text;
        Doc const route = co_await named(of, "web");
        for (auto const& [index, each] : route.at({"spec", rules})[0][backends].elements())
            text += (text.empty() ? "" : "/") + std::to_string(each["weight"].as_int(100));
        co_return text;
    }
    // How many pods of this image each batch has, by the pods' labels: "1:3 2:2".
    Task<std::string> batches(std::string image) {
        return batches_of(
            [image](Doc const& pod) { return pod.at({"spec", "containers"})[0]["image"].as_string() == image; });
    }
    // Of the release with this id.
    Task<std::string> batches_of_release(std::string id) {
        return batches_of([id](Doc const& pod) { return meta::label(pod, apis::kRolloutIdLabel) == id; });
    }
    Task<std::string> batches_of(std::function<bool(Doc const& pod)> meant) {
        std::map<std::string, int> counts;
        auto const list = co_await client->list(scope.context(), kPods, {.ns = "default"});
        for (auto const& [index, pod] : (*list)["items"].elements()) {
            if (meant(pod)) ++counts[meta::label(pod, apis::kRolloutBatchIdLabel)];
        }
        std::string text;
        for (auto const& [batch, count] : counts) text += fmt::format("{}{}:{}", text.empty() ? "" : " ", batch, count);
        co_return text;
    }
    // What a release has left on the workload, but for the id, which is the user's.
    Task<std::string> marks() {
        Value object = (co_await live()).thaw();
        if (!setup.id.empty()) object["metadata"]["labels"].erase(apis::kRolloutIdLabel);
        Doc const batch_release = co_await get(apis::kBatchReleases);
        co_return marks_on(Doc::freeze(object)) + (batch_release.exists() ? "BatchRelease" : "");
    }
    // "False/Completed", "True/": a condition of the Rollout.
    Task<std::string> condition(std::string type) {
        Doc const object = co_await get(apis::kRollouts);
        Doc const found = meta::condition(object, type);
        co_return found["status"].string() + "/" + found["reason"].string();
    }
    Task<Doc> live() { co_return co_await named(resource, "web"); }
    Task<Doc> named(meta::GroupVersionResource of, std::string name) {
        auto const found = co_await client->find(scope.context(), of, {"default", name});
        co_return found ? *found : Doc();
    }
    // The Rollout's sub-status.
    Task<Doc> release_status() {
        Doc const object = co_await get(apis::kRollouts);
        co_return apis::release_status(object);
    }

    Setup setup;
    meta::GroupVersionResource resource;
    bool broken = false;
    inline static meta::GroupVersionResource const kServices{"", "v1", "services"};
    inline static meta::GroupVersionResource const kIngresses{"networking.k8s.io", "v1", "ingresses"};

private:
    Value rollout_object() const {
        Value object = rollout(setup.steps, setup.strategy);
        object.set({"spec", "workloadRef", "apiVersion"}, setup.api);
        object.set({"spec", "workloadRef", "kind"}, setup.kind);
        for (auto& [style, each] : object["spec"]["strategy"].make_object()) {
            if (setup.routing.empty()) continue;
            each["trafficRoutings"] =
                *json::parse_value(R"([{"service":"web","gracePeriodSeconds":1,)" + setup.routing + "}]");
        }
        if (!setup.older) return object;
        Value& canary = object["spec"]["strategy"]["canary"];
        bool const extra = std::as_const(canary)["enableExtraWorkloadForCanary"].as_bool();
        canary.erase("enableExtraWorkloadForCanary");
        object["apiVersion"] = "rollouts.kruise.io/v1alpha1";
        object.set({"spec", "objectRef", "workloadRef"}, std::as_const(object).at({"spec", "workloadRef"}));
        object["spec"].erase("workloadRef");
        object.set({"metadata", "annotations", apis::kRollingStyleAnnotation}, extra ? "canary" : "partition");
        return object;
    }
    Task<Status> put(std::string image, std::string metadata) {
        co_return co_await change(R"({"spec":{"template":{)" + metadata +
                                  R"("spec":{"containers":[{"name":"main","image":")" + image + R"("}]}}}})");
    }
    Task<Status> change(std::string patch) {
        CO_TRY(co_await client->patch(
            scope.context(), resource, kWeb,
            resource.group == "apps" ? client::PatchType::kStrategicMerge : client::PatchType::kMerge,
            *json::parse_value(patch)));
        co_return Status{};
    }
    Task<Status> status(std::string text) {
        Doc const object = co_await get(apis::kRollouts);
        Value patch{json::Object()};
        patch.set({"status", apis::release_status_name(object)}, *json::parse_value(text));
        CO_TRY(co_await client->patch(scope.context(), apis::kRollouts, kWeb, client::PatchType::kMerge, patch,
                                      {.subresource = "status"}));
        co_return Status{};
    }
};

}   // namespace aviary::member
