// What the controllers of the simulator share: which keys a change marks dirty, and what an owner has of an informer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/json/doc.h"
#include "kube/client/informer.h"
#include "kube/control/controller.h"
#include "kube/meta/gvk.h"
#include "kube/simulator/internal/claim.h"

namespace aviary::simulator {

using DecideKey = std::function<control::Plan(control::Key const&, Time)>;
// A controller that writes under its own name.
std::unique_ptr<control::Controller> make_controller(client::Client const& client, std::string const& name,
                                                     DecideKey decide);

std::vector<control::Key> own_key(json::Doc const& object);
// The key of the object's controller, when that is of this kind, in any version.
std::vector<control::Key> owner_key(json::Doc const& object, meta::GroupVersionKind const& kind);
// The same; of one that nobody controls, the keys of who would take it on.
std::vector<control::Key> takers(json::Doc const& object, meta::GroupVersionKind const& kind,
                                 client::Informer const& owners);

// Lets what this informer has be found by its controller. Before it runs.
void index_by_controller(client::Informer& informer);
std::vector<json::Doc> controlled_by(json::Doc const& owner, client::Informer const& informer);
// What `owner` controls in `informer` and what it may take on; `also` is what must hold beside its selector.
Claim claimed(json::Doc const& owner, meta::GroupVersionKind const& kind, meta::GroupVersionResource const& resource,
              client::Informer const& informer, std::function<bool(json::Doc const&)> const& also = {});

// The plan with these writes before its own.
control::Plan after(std::vector<control::Write> writes, control::Plan plan);

}   // namespace aviary::simulator
