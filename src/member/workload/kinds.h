// The kinds of sets that are released; Deployments, whose pods belong to ReplicaSets, are a case of their own.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/value.h"
#include "kube/meta/gvk.h"
#include "kube/meta/pods.h"
#include "member/workload/freeze.h"
#include "member/workload/native_set.h"
#include "member/workload/workload.h"

namespace aviary::workload {

struct SetKind {
    std::string group, kind;
    std::string resource;                // the plural; empty: the cluster says
    std::vector<std::string> versions;   // the first of them that the cluster serves is read
    bool native = false;                 // every cluster serves it
    bool deletes_pods = false;           // a release does
    bool groups = false;                 // its pods are found by their label: others control them
    bool labelled = false;        // one of it is released while it says by its label that it is like a StatefulSet
    std::string held_by, frees;   // a field that holds one that is left in the middle, and what frees it
    std::unique_ptr<Workload> (*observe)(NativeSetInputs inputs, std::string_view style, Time now) = nullptr;
    void (*freeze)(json::Value& object, FreezeInputs const& inputs) = nullptr;
    // Whether `freeze` notes what the write's release began from, and is to have the revisions. Null: never.
    bool (*notes_stable)(json::Value const& object, FreezeInputs const& inputs) = nullptr;
    std::string_view revision_label = meta::kRevisionHashLabel;   // of pods: tells two versions apart

    std::string id_of(meta::ObjectKey const& key) const { return workload_id(key, group + "/", kind); }
    meta::GroupVersionResource served_as(std::string const& version) const { return {group, version, resource}; }
};

std::span<SetKind const> set_kinds();
// Null: it is none of them.
SetKind const* find_set_kind(std::string_view group, std::string_view kind);
SetKind const* find_set_resource(std::string_view group, std::string_view resource);

// A kind that nobody here knows, whichever it is: its group, kind and versions are left to whoever knows them.
SetKind const& labelled_kind();

}   // namespace aviary::workload
