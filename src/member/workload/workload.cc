#include "member/workload/workload.h"

#include <fmt/format.h>

#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/workload/clone_set.h"
#include "member/workload/internal/revisions.h"
#include "member/workload/leader_worker_set.h"

namespace aviary::workload {

meta::ObjectKey Workload::key() const { return meta::key_of(object()); }

std::string workload_id(meta::ObjectKey const& key, std::string_view api_version, std::string_view kind) {
    return fmt::format("{}/{}.{}/{}", key.ns, kind, meta::parse_api_version(api_version).first, key.name);
}

std::string deployment_id(meta::ObjectKey const& key) { return workload_id(key, "apps/v1", "Deployment"); }

std::string_view revision_label(json::Doc const& workload_ref) {
    if (is_leader_worker_set(workload_ref)) return kGroupRevisionLabel;
    std::string const group = meta::parse_api_version(workload_ref["apiVersion"].as_string()).first;
    std::string_view const kind = workload_ref["kind"].as_string();
    bool const hashed = (group == "apps" && kind == "Deployment") || (group == kKruiseGroup && kind == "CloneSet");
    return hashed ? meta::kTemplateHashLabel : kRevisionHashLabel;
}

}   // namespace aviary::workload
