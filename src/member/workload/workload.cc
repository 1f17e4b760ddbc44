#include "member/workload/workload.h"

#include <fmt/format.h>

#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/workload/kinds.h"

namespace aviary::workload {

meta::ObjectKey Workload::key() const { return meta::key_of(object()); }

std::string workload_id(meta::ObjectKey const& key, std::string_view api_version, std::string_view kind) {
    return fmt::format("{}/{}.{}/{}", key.ns, kind, meta::parse_api_version(api_version).first, key.name);
}

std::string deployment_id(meta::ObjectKey const& key) { return workload_id(key, "apps/v1", "Deployment"); }

std::string_view revision_label(json::Doc const& workload_ref) {
    std::string const group = meta::parse_api_version(workload_ref["apiVersion"].as_string()).first;
    std::string_view const kind = workload_ref["kind"].as_string();
    if (group == "apps" && kind == "Deployment") return meta::kTemplateHashLabel;
    SetKind const* const set = find_set_kind(group, kind);
    return set == nullptr ? meta::kRevisionHashLabel : set->revision_label;
}

}   // namespace aviary::workload
