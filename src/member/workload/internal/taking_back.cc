#include "member/workload/internal/taking_back.h"

#include <string>

#include "apis/fleet/brought.h"
#include "apis/fleet/hold.h"

namespace aviary::workload {

JsonPatch taking_back(json::Doc const& workload, std::string_view hold) {
    JsonPatch patch(workload);
    // Another version may have come meanwhile.
    patch.test({"metadata", "uid"});
    patch.test({"metadata", "generation"});
    if (hold.empty()) return patch;
    patch.set({"metadata", "annotations", apis::kHold}, std::string(hold));
    // Else the hub would take the version that is put back for the one that it has brought.
    std::string const stable = apis::stable_template(workload);
    JsonPatch::Path const label{"metadata", "labels", apis::kTemplateLabel};
    if (stable.empty()) {
        patch.remove(label);
    } else {
        patch.set(label, stable);
    }
    return patch;
}

JsonPatch taking_back(json::Doc const& workload, json::Value stable_template, std::string_view hold) {
    JsonPatch patch = taking_back(workload, hold);
    patch.set({"spec", "template"}, std::move(stable_template));
    return patch;
}

}   // namespace aviary::workload
