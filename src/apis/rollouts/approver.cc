#include "apis/rollouts/approver.h"

#include <fmt/format.h>

#include "apis/rollouts/rollout.h"

namespace aviary::apis {

json::Doc step_writer(json::Doc const& rollout) {
    std::string const part = fmt::format("f:{}", release_status_name(rollout));
    for (auto const& [index, entry] : rollout.at({"metadata", "managedFields"}).elements()) {
        bool const has = entry.at({"fieldsV1", "f:status", part, "f:currentStepState"}).exists() &&
                         (entry["subresource"].as_string() == "status" || entry["subresource"].as_string().empty());
        if (has) return entry;
    }
    return {};
}

}   // namespace aviary::apis
