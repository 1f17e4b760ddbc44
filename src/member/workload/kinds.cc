#include "member/workload/kinds.h"

#include <algorithm>

#include "member/workload/advanced_daemon_set.h"
#include "member/workload/clone_set.h"
#include "member/workload/daemon_set.h"
#include "member/workload/leader_worker_set.h"
#include "member/workload/stateful_set.h"

namespace aviary::workload {

namespace {

using Observed = std::unique_ptr<Workload>;

Observed a_stateful_set(NativeSetInputs inputs, std::string_view, Time now) {
    return observe_stateful_set(std::move(inputs), now);
}

Observed a_daemon_set(NativeSetInputs inputs, std::string_view, Time now) {
    return observe_daemon_set(std::move(inputs), now);
}

Observed an_advanced_daemon_set(NativeSetInputs inputs, std::string_view, Time now) {
    return observe_advanced_daemon_set(std::move(inputs), now);
}

Observed a_leader_worker_set(NativeSetInputs inputs, std::string_view, Time now) {
    return observe_leader_worker_set(std::move(inputs), now);
}

std::vector<SetKind> all_kinds() {
    return {{.group = "apps",
             .kind = "StatefulSet",
             .resource = "statefulsets",
             .versions = {"v1"},
             .native = true,
             .held_by = "spec.updateStrategy.rollingUpdate.partition",
             .frees = "0",
             .observe = a_stateful_set,
             .freeze = freeze_stateful_set},
            {.group = "apps",
             .kind = "DaemonSet",
             .resource = "daemonsets",
             .versions = {"v1"},
             .native = true,
             .deletes_pods = true,
             .held_by = "spec.updateStrategy.type",
             .frees = "RollingUpdate",
             .observe = a_daemon_set,
             .freeze = freeze_daemon_set,
             .notes_stable = daemon_set_notes_stable},
            {.group = std::string(kKruiseGroup),
             .kind = "CloneSet",
             .resource = "clonesets",
             .versions = {"v1alpha1", "v1beta1"},
             .held_by = "spec.updateStrategy.partition",
             .frees = "0",
             .observe = observe_clone_set,
             .freeze = freeze_clone_set,
             .revision_label = meta::kTemplateHashLabel},
            {.group = std::string(kKruiseGroup),
             .kind = "StatefulSet",
             .resource = "statefulsets",
             .versions = {"v1beta1", "v1alpha1"},
             .held_by = "spec.updateStrategy.rollingUpdate.partition",
             .frees = "0",
             .observe = a_stateful_set,
             .freeze = freeze_stateful_set},
            {.group = std::string(kKruiseGroup),
             .kind = "DaemonSet",
             .resource = "daemonsets",
             .versions = {"v1alpha1", "v1beta1"},
             .held_by = "spec.updateStrategy.rollingUpdate.partition",
             .frees = "0",
             .observe = an_advanced_daemon_set,
             .freeze = freeze_advanced_daemon_set},
            {.group = kLeaderWorkerSets.group,
             .kind = std::string(kLeaderWorkerSet),
             .resource = kLeaderWorkerSets.resource,
             .versions = {kLeaderWorkerSets.version},
             .groups = true,
             .held_by = "spec.rolloutStrategy.rollingUpdateConfiguration.partition",
             .frees = "0",
             .observe = a_leader_worker_set,
             .freeze = freeze_leader_worker_set,
             .notes_stable = leader_worker_set_notes_stable,
             .revision_label = kGroupRevisionLabel}};
}

}   // namespace

std::span<SetKind const> set_kinds() {
    static std::vector<SetKind> const kKinds = all_kinds();
    return kKinds;
}

SetKind const* find_set_kind(std::string_view group, std::string_view kind) {
    for (SetKind const& each : set_kinds()) {
        if (each.group == group && each.kind == kind) return &each;
    }
    return nullptr;
}

SetKind const* find_set_resource(std::string_view group, std::string_view resource) {
    for (SetKind const& each : set_kinds()) {
        if (each.group == group && each.resource == resource) return &each;
    }
    return nullptr;
}

SetKind const& labelled_kind() {
    static SetKind const kKind{.labelled = true,
                               .held_by = "spec.updateStrategy.rollingUpdate.partition",
                               .frees = "0",
                               .observe = a_stateful_set,
                               .freeze = freeze_stateful_set};
    return kKind;
}

}   // namespace aviary::workload
