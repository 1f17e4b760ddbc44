// meta.k8s.io/v1 Tables: what `kubectl get` shows. Pure; thread-safe.
#pragma once

#include <span>
#include <string_view>

#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/apiserver/registry.h"

namespace aviary::builtin {

// The query parameter includeObject.
enum class IncludeObject { kNone, kMetadata, kObject };
// "None", "Metadata" and "Object"; anything else, also nothing, means kMetadata.
IncludeObject include_object_from(std::string_view text);

struct TableOptions {
    std::string_view api_version = "meta.k8s.io/v1";   // or meta.k8s.io/v1beta1
    IncludeObject include = IncludeObject::kMetadata;
    bool headers = true;   // watch events after the first send rows alone
};

// A Table of `objects`; `list_metadata` (resourceVersion, continue, remainingItemCount) becomes its metadata when
// present.
json::Value make_table(apiserver::ResourceInfo const& info, std::span<json::Doc const> objects,
                       json::Doc const& list_metadata, TableOptions const& options, Time now);

// meta.k8s.io PartialObjectMetadata of an object.
json::Value partial_object_metadata(json::Doc const& object, std::string_view api_version = "meta.k8s.io/v1");

// The columns of a CustomResourceDefinition version: its additionalPrinterColumns after Name, or Name and Age.
std::vector<apiserver::Column> custom_columns(json::Doc const& additional_printer_columns);

}   // namespace aviary::builtin
