#include "hub/decision/audit.h"

#include <algorithm>

#include "apis/fleet/decision.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "hub/decision/internal/limits.h"
#include "hub/decision/observed.h"
#include "kube/meta/object.h"

namespace aviary::decision {

namespace {

using json::Doc;
using json::Value;

constexpr std::size_t kLongestReason = 4096;
constexpr std::size_t kMostGroups = 50;
constexpr std::size_t kMostClusters = 1000;

constexpr std::string_view kRequested = "Requested";
constexpr std::string_view kSettled = "Settled";

bool is_settled(Doc const& object) { return apis::settled(object.at({"status", "outcome"}).as_string()); }

void put(Value& into, char const* name, std::string_view text) {
    if (!text.empty()) into[name] = shortened(text, kLongestWord);
}

Value target_value(apis::DecisionTarget const& target) {
    Value value{json::Object()};
    put(value, "cluster", target.cluster);
    put(value, "rolloutUID", target.rollout_uid);
    if (target.step) value["step"] = *target.step;
    put(value, "revision", target.revision);
    put(value, "pausedSince", target.paused_since);
    return value;
}

Value cluster_value(apis::DecisionClusterStatus const& row) {
    Value value{json::Object()};
    put(value, "cluster", row.cluster);
    put(value, "outcome", row.outcome);
    if (row.from) value["from"] = *row.from;
    if (row.to) value["to"] = *row.to;
    put(value, "message", row.message);
    put(value, "at", row.at);
    return value;
}

Value requester_value(apis::Requester const& requester) {
    Value value{json::Object()};
    put(value, "username", requester.username);
    for (std::string const& group : requester.groups) {
        if (value["groups"].size() < kMostGroups) value["groups"].push_back(shortened(group, kLongestWord));
    }
    return value;
}

// With so many clusters at most.
std::string line_of(Doc const& object, apis::Decision const& decision, std::string_view stage, Time now,
                    std::size_t clusters) {
    Value line{json::Object{{"time", format_rfc3339_micro(now)}, {"stage", stage}}};
    Value named{json::Object()};
    put(named, "namespace", meta::ns(object));
    put(named, "name", meta::name(object));
    put(named, "uid", meta::uid(object));
    put(named, "created", object.at({"metadata", "creationTimestamp"}).as_string());
    line["decision"] = std::move(named);
    put(line, "action", decision.spec.action);
    put(line, "rollout", decision.spec.rollout_ref.name);
    if (decision.spec.release) put(line, "release", decision.spec.release->digest);
    if (decision.spec.to_step) line["toStep"] = *decision.spec.to_step;
    put(line, "selection", decision.spec.selection);
    if (decision.spec.requester) line["requester"] = requester_value(*decision.spec.requester);
    if (!decision.spec.reason.empty()) line["reason"] = shortened(decision.spec.reason, kLongestReason);
    put(line, "expiresAt", decision.spec.expires_at);
    bool const settled = stage == kSettled;
    std::size_t const count = settled ? std::max(decision.spec.targets.size(), decision.status.clusters.size())
                                      : decision.spec.targets.size();
    line["targets"] = json::Array();
    for (apis::DecisionTarget const& target : decision.spec.targets) {
        if (line["targets"].size() < clusters) line["targets"].push_back(target_value(target));
    }
    if (settled) {
        put(line, "outcome", decision.status.outcome);
        put(line, "origin", decision.status.origin);
        line["clusters"] = json::Array();
        for (apis::DecisionClusterStatus const& row : decision.status.clusters) {
            if (line["clusters"].size() < clusters) line["clusters"].push_back(cluster_value(row));
        }
    }
    if (count > clusters) line["clustersLeftOut"] = static_cast<std::int64_t>(count - clusters);
    return json::write(line);
}

}   // namespace

std::vector<AuditEntry> audit_entries(Doc const& before, Doc const& after, Time now) {
    std::vector<AuditEntry> entries;
    auto const decision = apis::read_decision(after);
    if (!after.exists() || !decision) return entries;
    auto const add = [&](std::string_view stage) {
        std::size_t clusters = kMostClusters;
        std::string line = line_of(after, *decision, stage, now, clusters);
        while (line.size() > kLongestAuditLine && clusters > 0) {
            clusters /= 2;
            line = line_of(after, *decision, stage, now, clusters);
        }
        entries.push_back({meta::uid(after), std::string(stage), std::move(line)});
    };
    if (!before.exists() && !is_record(decision->spec)) add(kRequested);
    if (is_settled(after) && !is_settled(before)) add(kSettled);
    return entries;
}

}   // namespace aviary::decision
