// What holds for objects of every kind: metadata, and what counts as a change. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/apiserver/registry.h"
#include "kube/apiserver/store/store.h"

namespace aviary::apiserver {

// The refusal of an object in Kubernetes' words: Deployment.apps "web" is invalid: …
Error invalid(ResourceInfo const& info, std::string const& name, std::vector<FieldCause> causes);

// Names, labels and annotations of custom kinds; `old` is absent on creation.
std::vector<FieldCause> check_metadata(json::Value const& object, json::Doc const& old);
// None may be added to an object that is being deleted.
std::vector<FieldCause> check_finalizers(json::Value const& object, json::Doc const& old);

// Equal but for metadata and status: what the generation counts.
bool same_spec(json::Value const& left, json::Value const& right);
// Equal but for resourceVersion and the times in managedFields: nothing to write.
bool same_object(json::Value const& left, json::Value const& right);

// By group and resource: custom kinds may be called as built-in ones are.
bool is_namespace(store::Key const& key);
bool is_definition(store::Key const& key);

store::Revision revision_number(json::Doc const& object);

}   // namespace aviary::apiserver
