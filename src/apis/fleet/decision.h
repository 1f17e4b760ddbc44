// Decision fleet.aviary.dev/v1alpha1: one person's word on a release, bound to what that person saw. Its spec is
// immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::apis {

inline meta::GroupVersionResource const kDecisions{"fleet.aviary.dev", "v1alpha1", "decisions"};

namespace action {
inline constexpr std::string_view kApprove = "Approve";
inline constexpr std::string_view kReject = "Reject";
inline constexpr std::string_view kPause = "Pause";
inline constexpr std::string_view kResume = "Resume";
inline constexpr std::string_view kAbort = "Abort";
inline constexpr std::string_view kUndo = "Undo";
inline constexpr std::string_view kJump = "Jump";
inline constexpr std::string_view kRetry = "Retry";
}   // namespace action

namespace outcome {
inline constexpr std::string_view kPending = "Pending";
inline constexpr std::string_view kApplied = "Applied";
inline constexpr std::string_view kPartial = "Partial";
inline constexpr std::string_view kFailed = "Failed";
inline constexpr std::string_view kExpired = "Expired";
// Of one cluster, beside Applied and Expired.
inline constexpr std::string_view kStale = "Stale";
inline constexpr std::string_view kRefused = "Refused";
inline constexpr std::string_view kWaiting = "Waiting";
inline constexpr std::string_view kUnreachable = "Unreachable";
}   // namespace outcome

// The selection of a Decision that records what was approved in a member itself, and what its status.origin says.
inline constexpr std::string_view kInMember = "InMember";
inline constexpr std::string_view kOriginHub = "Hub";
inline constexpr std::string_view kOriginMember = "Member";

// Of one cluster: it is over there.
inline bool finished(std::string_view outcome) {
    return outcome == outcome::kApplied || outcome == outcome::kStale || outcome == outcome::kRefused ||
           outcome == outcome::kExpired;
}
// Of a whole Decision: it is over.
inline bool settled(std::string_view outcome) { return !outcome.empty() && outcome != outcome::kPending; }

struct RolloutReference {
    std::string api_version;
    std::string kind;
    std::string name;
    bool operator==(RolloutReference const&) const = default;
};

struct ReleaseReference {
    std::string digest;   // "sha256:…" of the rendered template and the strategy
    bool operator==(ReleaseReference const&) const = default;
};

// What the approver saw of one cluster; carried out only while it is still so.
struct DecisionTarget {
    std::string cluster;
    std::string rollout_uid;
    std::optional<std::int64_t> step;
    std::string revision;
    std::string paused_since;   // RFC 3339
    bool operator==(DecisionTarget const&) const = default;
};

struct Requester {
    std::string username;
    std::vector<std::string> groups;
    bool operator==(Requester const&) const = default;
};

struct DecisionSpec {
    RolloutReference rollout_ref;
    std::optional<ReleaseReference> release;
    std::string action;
    std::string selection;                 // AllPaused | Named | Selector: what was typed; InMember
    std::optional<std::int64_t> to_step;   // of a jump: where to go
    std::vector<DecisionTarget> targets;
    std::string reason;
    std::string expires_at;               // RFC 3339
    std::optional<Requester> requester;   // stamped by the server; nobody, where the hub records what it saw
    std::string nonce;
    bool operator==(DecisionSpec const&) const = default;
};

struct DecisionClusterStatus {
    std::string cluster;
    std::string outcome;
    std::optional<std::int64_t> from;
    std::optional<std::int64_t> to;
    std::string message;
    std::string at;   // RFC 3339
    bool operator==(DecisionClusterStatus const&) const = default;
};

struct DecisionStatus {
    std::string outcome;
    std::string origin;   // Hub | Member
    std::vector<DecisionClusterStatus> clusters;
    bool operator==(DecisionStatus const&) const = default;
};

struct Decision {
    DecisionSpec spec;
    DecisionStatus status;
};

Result<Decision> read_decision(json::Doc const& object);
json::Value write_decision_spec(DecisionSpec const& spec);
json::Value write_decision_status(DecisionStatus const& status);

}   // namespace aviary::apis
