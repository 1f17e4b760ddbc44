#include "member/workload/workload.h"

#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/workload/internal/revisions.h"

namespace aviary::workload {

meta::ObjectKey Workload::key() const { return meta::key_of(object()); }

std::string_view revision_label(json::Doc const& workload_ref) {
    bool const deployment = meta::parse_api_version(workload_ref["apiVersion"].as_string()).first == "apps" &&
                            workload_ref["kind"].as_string() == "Deployment";
    return deployment ? meta::kTemplateHashLabel : kRevisionHashLabel;
}

}   // namespace aviary::workload
