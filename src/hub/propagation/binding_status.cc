#include "hub/propagation/binding_status.h"

#include <fmt/format.h>

#include "apis/fleet/fleet_binding.h"
#include "core/base/strings.h"
#include "hub/propagation/aggregate.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using json::Doc;
using json::Value;

constexpr std::size_t kMaxAbnormal = 100;

std::string since(Doc const& binding, BindingRow const& row, Time now) {
    for (auto const& [index, old] : binding.at({"status", "abnormal"}).elements()) {
        if (old["cluster"].as_string() == row.cluster && old["state"].as_string() == row.state &&
            old["reason"].as_string() == row.reason)
            return old["since"].string();
    }
    return format_rfc3339(row.since.value_or(now));
}

}   // namespace

Value binding_status(Doc const& binding, std::vector<BindingRow> const& rows, std::string stable_revision,
                     Content const& content, Time now) {
    apis::FleetBindingStatus next;
    next.observed_generation = meta::generation(binding);
    next.stable_revision = std::move(stable_revision);
    next.content_key = content.key;
    next.content_version = content.version;
    bool applied = !rows.empty();
    BindingRow const* guarded = nullptr;
    for (BindingRow const& row : rows) {
        ++next.counts[row.state];
        if (row.state == "Applied") continue;
        applied = false;
        if (row.state == "Guarded" && guarded == nullptr) guarded = &row;
        if (next.abnormal.size() < kMaxAbnormal)
            next.abnormal.push_back(
                {row.cluster, row.state, row.reason, shortened(row.message, kMaxMessage), since(binding, row, now)});
    }
    Value status = apis::write_fleet_binding_status(next);
    status.erase("rejected");
    for (char const* field : {"abnormal", "counts"}) {
        if (!status.contains(field)) status[field] = field[0] == 'a' ? Value(json::Array()) : Value(json::Object());
    }
    Value conditions = binding.at({"status", "conditions"}).thaw();
    meta::set_condition(conditions, "Applied", applied ? "True" : "False",
                        applied        ? "AllApplied"
                        : rows.empty() ? "NotPlaced"
                                       : "SomeDiffer",
                        applied        ? "every cluster carries the object"
                        : rows.empty() ? "placed in no cluster: see status.rejected"
                                       : "see status.abnormal",
                        now);
    meta::set_condition(conditions, "Guarded", guarded != nullptr ? "False" : "True",
                        guarded != nullptr ? guarded->reason : "NothingHeld",
                        guarded != nullptr
                            ? fmt::format("{}: {}", guarded->cluster, shortened(guarded->message, kMaxMessage))
                            : "no cluster holds a template back",
                        now);
    status["conditions"] = std::move(conditions);
    return status;
}

}   // namespace aviary::propagation
