#include "kube/meta/groups.h"

#include <fmt/format.h>

#include "kube/meta/object.h"
#include "kube/meta/selector.h"

namespace aviary::meta {

namespace {

using json::Doc;
using json::Value;

bool says_nothing(Value const& value) {
    return value.is_null() || ((value.is_object() || value.is_array()) && value.size() == 0);
}

// Without what says nothing, at any depth, and without what makes it a patch.
Value plain(Value value) {
    if (value.is_array()) {
        for (Value& each : value.make_array()) each = plain(std::move(each));
    } else if (value.is_object()) {
        for (auto& [key, each] : value.make_object()) each = plain(std::move(each));
        value.make_object().erase_if(
            [](std::string_view key, Value const& each) { return key == "$patch" || says_nothing(each); });
    }
    return value;
}

}   // namespace

bool is_leader_worker_set(Doc const& object) {
    return parse_api_version(object["apiVersion"].as_string()).first == kLeaderWorkerSets.group &&
           object["kind"].as_string() == kLeaderWorkerSet;
}

Value groups_of(Doc const& spec) {
    Value result{json::Object()};
    for (std::string_view field : {kGroupTemplate, kGroupNetwork}) result[field] = plain(spec[field].thaw());
    if (says_nothing(result[kGroupNetwork])) result[kGroupNetwork] = json::Object{{"subdomainPolicy", "Shared"}};
    return result;
}

bool same_groups(Doc const& left, Doc const& right) { return groups_of(left["spec"]) == groups_of(right["spec"]); }

Doc pod_template_of(Doc const& workload) {
    Doc const spec = workload["spec"];
    return spec["template"].exists() ? spec["template"] : spec[kGroupTemplate]["workerTemplate"];
}

Result<std::string> pod_selector_of(Doc const& workload) {
    if (is_leader_worker_set(workload)) return fmt::format("{}={}", kGroupSetLabel, name(workload));
    LabelSelector const selector = TRY(LabelSelector::from_object(workload.at({"spec", "selector"})));
    return selector.empty() ? std::string() : selector.to_string();
}

}   // namespace aviary::meta
