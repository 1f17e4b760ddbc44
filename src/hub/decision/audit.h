// What the audit log says of Decisions: one line when one was asked for, and one when all its clusters are settled. A
// Decision that records what was seen in a member has the second alone: nobody asked. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/json/doc.h"

namespace aviary::decision {

inline constexpr std::size_t kLongestAuditLine = 64 << 10;

struct AuditEntry {
    std::string uid;     // of the Decision
    std::string stage;   // Requested | Settled
    std::string line;    // a JSON object; no line break
};

// Who keeps the log. Told of each Decision at least once; again by a hub that comes next, which cannot know what the
// one before it said. Quick, and called on the hub's loop.
using AuditSink = std::function<void(AuditEntry const&)>;

// What a change of a Decision is worth; `before` is absent for one that was not known.
std::vector<AuditEntry> audit_entries(json::Doc const& before, json::Doc const& after, Time now);

}   // namespace aviary::decision
