// Who controls what, as kube-controller-manager's ControllerRefManager settles it: by the owner's selector.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/control/plan.h"

namespace aviary::simulator {

struct Claim {
    std::vector<json::Doc> owned;
    std::vector<control::Write> writes;   // take on what nobody controls and let go what is selected no more
};

// `candidates` are objects of the owner's namespace that it controls, or that nobody does. `also` is what must hold
// beside the selector. Pure.
Claim claim(json::Doc const& owner, meta::GroupVersionKind const& owner_kind,
            meta::GroupVersionResource const& resource, std::vector<json::Doc> const& candidates,
            std::function<bool(json::Doc const&)> const& also = {});
// Whether the owner would take the object on.
bool selects(json::Doc const& owner, json::Doc const& object);

}   // namespace aviary::simulator
