// Rollout rollouts.kruise.io/v1beta1: how a workload goes from one version to the next, step by step.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"
#include "kube/meta/int_or_percent.h"

namespace aviary::apis {

inline meta::GroupVersionResource const kRollouts{"rollouts.kruise.io", "v1beta1", "rollouts"};

struct WorkloadRef {
    std::string api_version;
    std::string kind;
    std::string name;
    bool operator==(WorkloadRef const&) const = default;
};

// In seconds; as the CRD's int32.
inline constexpr std::int64_t kLongestPause = 2'147'483'647;

struct Pause {
    std::optional<std::int64_t> duration;   // seconds; absent: an approval
};

// Which requests go to the new version: all of one entry must hold, and one entry is enough.
struct PathMatch {
    std::string type;   // Exact | PathPrefix | RegularExpression
    std::string value;
};
struct HeaderMatch {
    std::string name;
    std::string value;
    std::string type;   // Exact | RegularExpression
};
struct QueryParamMatch : HeaderMatch {};
struct HttpRouteMatch {
    std::optional<PathMatch> path;
    std::vector<HeaderMatch> headers;
    std::vector<QueryParamMatch> query_params;
};

struct HttpHeader {
    std::string name;
    std::string value;
};
struct HeaderModifier {
    std::vector<HttpHeader> set;
    std::vector<HttpHeader> add;
    std::vector<std::string> remove;
};

struct CanaryStep {
    std::optional<meta::IntOrPercent> replicas;
    std::optional<std::string> traffic;   // "20%"
    std::vector<HttpRouteMatch> matches;
    std::optional<HeaderModifier> request_header_modifier;
    Pause pause;

    bool routes() const { return traffic.has_value() || !matches.empty(); }
};

// One of spec.strategy.*.trafficRoutings: how requests reach the workload.
struct IngressRef {
    std::string class_type;
    std::string name;
};
struct GatewayRef {
    std::string http_route_name;
    std::string grpc_route_name;   // not upstream's
};
struct CustomNetworkRef {
    std::string api_version;
    std::string kind;
    std::string name;
};
inline constexpr std::int64_t kDefaultGracePeriod = 3;
inline constexpr std::int64_t kLongestGracePeriod = 3600;
struct TrafficRoutingRef {
    std::string service;
    std::optional<std::int64_t> grace_period_seconds;
    std::optional<IngressRef> ingress;
    std::optional<GatewayRef> gateway;
    std::vector<CustomNetworkRef> custom_network_refs;
};

struct PatchPodTemplateMetadata {
    std::map<std::string, std::string> annotations;
    std::map<std::string, std::string> labels;
};

// spec.strategy.canary: partition style, or canary style with an extra workload.
struct CanaryStrategy {
    std::vector<CanaryStep> steps;
    std::vector<TrafficRoutingRef> traffic_routings;
    std::optional<meta::IntOrPercent> failure_threshold;
    std::optional<PatchPodTemplateMetadata> patch_pod_template_metadata;
    bool enable_extra_workload_for_canary = false;
    std::string traffic_routing_ref;
    bool disable_generate_canary_service = false;
};

// spec.strategy.blueGreen.
struct BlueGreenStrategy {
    std::vector<CanaryStep> steps;
    std::vector<TrafficRoutingRef> traffic_routings;
    std::optional<meta::IntOrPercent> failure_threshold;
    std::string traffic_routing_ref;
    bool disable_generate_canary_service = false;
};

struct RolloutStrategy {
    bool paused = false;
    std::optional<CanaryStrategy> canary;
    std::optional<BlueGreenStrategy> blue_green;
};

struct RolloutSpec {
    WorkloadRef workload_ref;
    bool disabled = false;
    RolloutStrategy strategy;
};

// Also of BatchReleases: not metav1.Condition, it has lastUpdateTime and no observedGeneration.
struct RolloutCondition {
    std::string type;
    std::string status;
    std::string reason;
    std::string message;
    std::string last_update_time;   // RFC 3339
    std::string last_transition_time;
    bool operator==(RolloutCondition const&) const = default;
};

struct CanaryStatus {
    std::int64_t observed_workload_generation = 0;
    std::string observed_rollout_id;
    std::string rollout_hash;
    std::string stable_revision;
    std::string canary_revision;
    std::string pod_template_hash;
    std::int64_t canary_replicas = 0;
    std::int64_t canary_ready_replicas = 0;
    std::int64_t current_step_index = 0;   // 1-based
    std::int64_t next_step_index = 0;      // -1: none
    std::string current_step_state;
    std::string finalising_step;
    std::string message;
    std::string last_update_time;   // RFC 3339; where pauses start
    bool operator==(CanaryStatus const&) const = default;
};

// The same, under the names that upstream has for it in status.blueGreenStatus.
struct BlueGreenStatus : CanaryStatus {
    bool operator==(BlueGreenStatus const&) const = default;
};

struct RolloutStatus {
    std::int64_t observed_generation = 0;
    std::string phase;
    std::string message;
    std::vector<RolloutCondition> conditions;
    std::int64_t current_step_index = 0;
    std::string current_step_state;
    std::optional<CanaryStatus> canary_status;   // one of both, by the strategy
    std::optional<BlueGreenStatus> blue_green_status;
    bool operator==(RolloutStatus const&) const = default;
};

struct Rollout {
    RolloutSpec spec;
    RolloutStatus status;
};

Result<Rollout> read_rollout(json::Doc const& object);
json::Value write_rollout_status(RolloutStatus const& status);

// Where a Rollout says how its release stands, whatever the style: "canaryStatus" or "blueGreenStatus"; that part of
// its status; and the revision being released.
std::string_view release_status_name(json::Doc const& rollout);
json::Doc release_status(json::Doc const& rollout);
std::string_view release_revision_name(json::Doc const& rollout);
std::string release_revision(json::Doc const& rollout);
json::Doc release_steps(json::Doc const& rollout);   // of its strategy
// Whether its releases have a second workload: of Deployments alone. Others are released in partition style, whatever
// their Rollout says; v1alpha1 says so of each whose rolling-style is not "partition".
bool has_extra_workload(json::Doc const& rollout);
// The label that tells the versions of pods apart: a LeaderWorkerSet's, a Deployment's, or that of ControllerRevisions.
// And whether that is the one that the status of a Rollout names, which some controllers shorten to its end.
std::string revision_of_pod(json::Doc const& pod);
bool is_of_revision(json::Doc const& pod, std::string_view revision);
// The one of its strategy; absent: it has none, or none that can be read.
std::optional<TrafficRoutingRef> traffic_routing_of(json::Doc const& rollout);
// The TrafficRouting that its releases hold, by the annotation, else by trafficRoutingRef of its strategy; empty: none.
std::string shared_routing_name(json::Doc const& rollout);
// "20%"; absent when it is no whole percentage.
std::optional<std::int64_t> parse_traffic(std::string_view text);
// Whether its blue-green release waits for one of its two versions, because a third one came: nothing is to be
// approved.
inline constexpr std::string_view kNewVersionRefused =
    "new version releasing detected in the progress of blue-green release, please rollback first";
bool new_version_refused(json::Doc const& rollout);
// What keeps its BatchRelease from going on: what scales the workload cannot be read there, the workload cannot be
// released so, or the API server refuses a write. And what ends that. Of the Rollout's own writes it has a condition.
inline constexpr std::string_view kAutoscalersUnread = "AutoscalersUnread";
inline constexpr std::string_view kUnsupported = "Unsupported";
inline constexpr std::string_view kUntilSupported = "the workload or the Rollout is changed";
inline constexpr std::string_view kWriteRefused = "WriteRefused";
inline constexpr std::string_view kUntilNotRefused = "what refuses it lets it pass";
// In words; empty: this one does not.
std::string hindrance(json::Doc const& rollout, std::string_view kind);

// The name of what a HorizontalPodAutoscaler scales, also while a blue-green release has switched it off.
std::string scaled_name(json::Doc const& autoscaler);
bool switched_off(json::Doc const& autoscaler);

// What its message begins with while what a step asks of traffic cannot be brought about; and whether that is so.
inline constexpr std::string_view kNotRouted = "traffic is not routed: ";
bool not_routed(json::Doc const& rollout);

// What its message says while the pods of a step are to stay ready for a while; and until when that is, empty when it
// is not so.
inline constexpr std::string_view kHoldingHealthy = ", and its pods have to stay ready until ";
std::string holding_healthy_until(json::Doc const& rollout);

// What its message says while a step waits for others of its group; and whether that is so.
inline constexpr std::string_view kWaitsForGroup = ", and waits for others of its group: ";
bool waits_for_group(json::Doc const& rollout);

// A release that another rollout-id alone has begun: all pods have its version already, and it comes from nowhere.
// False also where that cannot be told.
bool begun_by_id_alone(json::Doc const& rollout, json::Doc const& workload);
inline constexpr std::string_view kBegunByIdAlone =
    "another rollout-id alone began this release: all pods have its version already, and it is approved to its end";

// Its last release made no progress for as long as it may, and was taken back for that.
bool taken_back_by_deadline(json::Doc const& rollout);

RolloutCondition const* find_condition(std::vector<RolloutCondition> const& conditions, std::string_view type);

}   // namespace aviary::apis
