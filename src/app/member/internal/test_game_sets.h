// For tests: a kind of workload that Aviary does not know, and a stand-in for its controller.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/async/scope.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/client/informer.h"
#include "kube/control/controller.h"
#include "kube/meta/object.h"

namespace aviary::member {

inline meta::GroupVersionResource const kGameSets{"example.org", "v1", "gamesets"};

inline json::Value game_set_definition() {
    return *json::parse_value(R"({
        "apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gamesets.example.org"},
        "spec":{"group":"example.org","scope":"Namespaced",
          "names":{"plural":"gamesets","singular":"gameset","kind":"GameSet","listKind":"GameSetList"},
          "versions":[{"name":"v1","served":true,"storage":true,
            "subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas"}},
            "schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})");
}

// Stands in for the controller of GameSets: each has its pods made by a StatefulSet, and keeps no revisions of its own.
class GameSetController {
public:
    explicit GameSetController(client::Client client)
        : client_(std::move(client)), game_sets_(client_, kGameSets), sets_(client_, kSets) {
        controller_.emplace(control::ControllerOptions{.name = "gameset-controller"},
                            std::make_unique<control::FunctionReconciler>(
                                [this](control::Key const& key, Time) { return decide(key); },
                                [this](control::Key const&) -> client::Client const& { return client_; }));
        for (client::Informer* each : {&game_sets_, &sets_}) {
            controller_->watch(
                *each, [](json::Doc const& object) { return std::vector<control::Key>{{"", meta::key_of(object)}}; });
        }
    }

    Task<void> run(Context ctx) {
        async::Scope scope(ctx);
        scope.spawn(game_sets_.run(scope.context()));
        scope.spawn(sets_.run(scope.context()));
        scope.spawn(controller_->run(scope.context()));
        co_await scope.join();
    }

private:
    static inline meta::GroupVersionResource const kSets{"apps", "v1", "statefulsets"};
    static constexpr char kMadeFrom[] = "example.org/spec";

    control::Plan decide(control::Key const& key) const {
        control::Plan plan;
        json::Doc const game_set = game_sets_.get(key.object);
        if (!game_set.exists()) return plan;
        json::Doc const set = sets_.get(key.object);
        std::string const spec = json::write_canonical(game_set["spec"].thaw());
        if (!set.exists()) {
            json::Value made{json::Object{{"apiVersion", "apps/v1"}, {"kind", "StatefulSet"}}};
            made.set({"metadata", "name"}, key.object.name);
            made.set({"metadata", "namespace"}, key.object.ns);
            made.set({"metadata", "annotations", kMadeFrom}, spec);
            made.set({"metadata", "ownerReferences"}, json::Array{json::Object{{"apiVersion", "example.org/v1"},
                                                                               {"kind", "GameSet"},
                                                                               {"name", key.object.name},
                                                                               {"uid", meta::uid(game_set)},
                                                                               {"controller", true}}});
            made["spec"] = game_set["spec"].thaw();
            plan.writes.push_back(
                {.verb = control::Write::Verb::kCreate, .resource = kSets, .key = key.object, .body = std::move(made)});
        } else if (meta::annotation(set, kMadeFrom) != spec) {
            json::Value patch{json::Object()};
            patch.set({"metadata", "annotations", kMadeFrom}, spec);
            patch["spec"] = game_set["spec"].thaw();
            plan.writes.push_back({.resource = kSets, .key = key.object, .body = std::move(patch)});
        } else if (set.at({"status", "observedGeneration"}).as_int() == meta::generation(set)) {
            json::Value patch{json::Object()};
            patch["status"] = set["status"].thaw();
            patch.set({"status", "observedGeneration"}, meta::generation(game_set));
            if (!(json::Doc::freeze(patch["status"]) == game_set["status"]))
                plan.writes.push_back(
                    {.resource = kGameSets, .key = key.object, .subresource = "status", .body = std::move(patch)});
        }
        return plan;
    }

    client::Client client_;
    client::Informer game_sets_, sets_;
    std::optional<control::Controller> controller_;
};

}   // namespace aviary::member
