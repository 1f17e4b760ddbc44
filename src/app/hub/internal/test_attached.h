// For tests: Rollout web with its Deployment, brought to members by something else than the hub.
#pragma once

#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {

inline constexpr char kDeployment[] =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"demo"},
    "spec":{"replicas":10,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
    "spec":{"containers":[{"name":"main","image":"v1"}]}}}})";
inline constexpr char kRollout[] =
    R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web","namespace":"demo"},
    "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"strategy":{"canary":{
    "steps":[{"replicas":"10%"},{"replicas":"50%"},{"replicas":"100%"}]}}}})";
inline constexpr char kV2[] = R"({"spec":{"template":{"spec":{"containers":[{"name":"main","image":"v2"}]}}}})";

// As kubectl would, in one cluster.
inline Task<Status> deliver(Fleet& fleet, std::string cluster) {
    Context const ctx = fleet.scope.context();
    client::Client const there = fleet.at(cluster);
    CO_TRY(co_await there.create(
        ctx, kNamespaces, *json::parse_value(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"demo"}})")));
    CO_TRY(co_await there.create(ctx, kDeployments, *json::parse_value(kDeployment)));
    CO_TRY(co_await there.create(ctx, apis::kRollouts, *json::parse_value(kRollout)));
    CO_TRY(co_await fleet.until(cluster, "v1", "10"));
    co_return co_await fleet.until(cluster, "phase", "Healthy");
}

// v2 of what others have brought, paused at step 1 in each cluster.
inline Task<Status> deliver_paused(Fleet& fleet, std::vector<std::string> clusters, propagation::Mode mode) {
    fleet.mode = mode;
    fleet.without_guard = mode == propagation::Mode::kAttached;
    CO_TRY(co_await fleet.start(clusters));
    for (std::string const& each : clusters) CO_TRY(co_await deliver(fleet, each));
    for (std::string const& each : clusters) {
        CO_TRY(co_await fleet.patch(each, kDeployments, kV2));
        CO_TRY(co_await fleet.until(each, "state", "Progressing/1/StepPaused"));
    }
    co_return Status{};
}

}   // namespace aviary::hub
