// The Services of a release: the stable one, held at the pods of the old version, and the canary one beside it, which
// has those of the new. Pure: each function answers the object as it is to be now; equal to the one that was given
// where nothing is to change.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/json/doc.h"
#include "core/json/value.h"
#include "kube/meta/gvk.h"

namespace aviary::traffic {

inline meta::GroupVersionResource const kServices{"", "v1", "services"};

// The label by which pods of one version are told from others.
struct Revision {
    std::string key;   // pod-template-hash
    std::string value;
};

// "web-canary"
std::string canary_name(std::string_view service);

// The Service with pods of that revision alone. An Error for one without a selector: there is nothing to narrow.
Result<json::Doc> pinned(json::Doc const& service, Revision const& revision, Time now);
// As it was before. One that Kruise Rollouts has pinned does not say so: then `revision` is what goes, if it is that.
json::Doc released(json::Doc const& service, Revision const& revision);
// Absent when it is not pinned, or by somebody who did not say.
std::optional<Time> pinned_since(json::Doc const& service);

struct CanaryService {
    json::Value owner;   // the Rollout's reference
    Revision revision;
    std::map<std::string, std::string> pod_labels;   // that the new version's pods have instead of the selector's
};
// Made from the stable one; `live` is absent while there is none. An Error when one of that name is somebody else's.
Result<json::Doc> canary_of(json::Doc const& stable, json::Doc const& live, CanaryService const& wanted);
// Whether the Service is one that this owner made.
bool made_by(json::Doc const& canary, json::Value const& owner);

}   // namespace aviary::traffic
