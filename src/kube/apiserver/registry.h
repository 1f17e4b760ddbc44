// What an API server serves: one ResourceInfo per resource and version, for built-in kinds (from data, see builtin/)
// and for CustomResourceDefinitions alike. Immutable once registered; shared between logical clusters.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::schema {
class Schema;
}
namespace aviary::patch {
struct TypeNode;
}

namespace aviary::apiserver {

// One column of `kubectl get`: meta.k8s.io/v1 TableColumnDefinition.
struct Column {
    std::string name;   // "READY"'s definition name is "Ready"
    std::string type = "string";
    std::string format;
    std::string description;
    int priority = 0;        // above 0: only with -o wide
    std::string json_path;   // CRDs and simple built-in columns
};

// Renders the cells of one object, one per column; ages are relative to `now`.
using RowFunction = std::function<json::Array(json::Doc const& object, Time now)>;

struct ScalePaths {
    std::string spec_replicas = ".spec.replicas";
    std::string status_replicas = ".status.replicas";
    std::string label_selector;   // path of a selector, text or object; empty: none
};

struct ResourceInfo {
    meta::GroupVersionResource resource;
    std::string kind;
    std::string list_kind;
    std::string singular;
    std::vector<std::string> short_names;
    std::vector<std::string> categories;
    std::vector<std::string> verbs;   // create delete deletecollection get list patch update watch
    bool namespaced = true;
    bool storage = true;             // the version that objects are stored in
    bool custom = false;             // from a CustomResourceDefinition
    bool has_status = false;         // a status sub-resource: main writes keep status, status writes keep the rest
    bool counts_generation = true;   // metadata.generation follows changes outside metadata and status
    // Deployments alone: annotation changes raise the generation too (apps/v1 deployment strategy).
    bool annotations_raise_generation = false;
    std::unique_ptr<ScalePaths> scale;                  // a scale sub-resource
    std::shared_ptr<schema::Schema const> schema;       // validation, pruning, defaulting; null: anything goes
    std::shared_ptr<patch::TypeNode const> type_tree;   // for strategic merge and apply
    // spec.conversion of a definition whose webhook converts; absent: the versions' fields are the same.
    json::Doc conversion;
    json::Doc openapi;   // the v3 schema as served, with x-kubernetes-group-version-kind
    std::vector<Column> columns;
    RowFunction row;   // null: by json_path of each column
    // Facts of a kind that no schema says; each may be null.
    std::function<void(json::Value& object)> default_object;
    std::function<std::vector<FieldCause>(json::Value const& object, json::Doc const& old)> validate;
    std::function<void(json::Value& object, json::Doc const& old)>
        prepare;   // before validation; old is absent on create
};

}   // namespace aviary::apiserver
