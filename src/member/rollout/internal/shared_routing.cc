// The TrafficRouting that several releases share. Each holds it from its beginning to its end, by a finalizer: as long
// as one does, its strategy is in force.
#include <fmt/format.h>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/traffic_routing.h"
#include "kube/meta/object.h"
#include "member/rollout/internal/conditions.h"
#include "member/rollout/internal/machine.h"
#include "member/workload/json_patch.h"

namespace aviary::rollout {

using json::Doc;
using json::Value;

namespace {

constexpr std::string_view kReason = "TrafficRouting";

std::string_view phase_of(Doc const& routing) { return routing.at({"status", "phase"}).as_string(); }

std::string name_of(Doc const& routing) { return fmt::format("TrafficRouting {}", meta::key_of(routing).to_string()); }

control::Write hold(Doc const& routing, std::string const& finalizer) {
    Value finalizers = routing.at({"metadata", "finalizers"}).thaw();
    finalizers.push_back(finalizer);
    workload::JsonPatch patch(routing);
    patch.test({"metadata", "resourceVersion"});   // also where there is no list yet that could be tested
    patch.set({"metadata", "finalizers"}, std::move(finalizers));
    return workload::as_write(std::move(patch), apis::kTrafficRoutings, "hold the TrafficRouting");
}

}   // namespace

std::string Machine::holder() const { return fmt::format("{}{}", apis::kHolderFinalizers, meta::name(seen_.rollout)); }

bool Machine::may_take(Doc const& routing) const {
    return routing.exists() && !meta::is_deleting(routing) && phase_of(routing) != apis::phase::kFinalizing &&
           !meta::has_finalizer(routing, holder());
}

// Before the first step: then it is there, and nobody is taking it back.
bool Machine::take_shared_routing() {
    std::string const name = apis::shared_routing_name(seen_.rollout);
    if (name.empty()) return true;
    Doc const& routing = seen_.shared_routing;
    std::string trouble;
    if (!routing.exists()) {
        trouble = fmt::format("TrafficRouting {}/{} does not exist: create it", meta::ns(seen_.rollout), name);
    } else if (meta::is_deleting(routing)) {
        trouble = fmt::format("{} is being deleted: create it again", name_of(routing));
    }
    if (has_trouble({.writes = {}, .trouble = std::move(trouble)})) return false;
    if (meta::has_finalizer(routing, holder())) return true;
    if (may_take(routing)) after_status_.push_back(hold(routing, holder()));
    wait(std::string(kReason), fmt::format("{} is being taken for this release", name_of(routing)), "it is held");
    return false;
}

// Somebody may have made it anew, or the Rollout may name another one by now.
void Machine::keep_shared_routing() {
    bool const rolling = status_.phase == apis::phase::kProgressing &&
                         reason_of(status_, apis::condition::kProgressing) == apis::reason::kInRolling;
    if (rolling && may_take(seen_.shared_routing)) after_status_.push_back(hold(seen_.shared_routing, holder()));
}

std::optional<control::Write> Machine::shared_routing_left() const {
    if (!seen_.shared_routing.exists() || !meta::has_finalizer(seen_.shared_routing, holder())) return std::nullopt;
    return workload::without_finalizer(seen_.shared_routing, apis::kTrafficRoutings, holder());
}

// Where this release is the last one, requests are led as before when this is true, for as long as the TrafficRouting's
// gracePeriodSeconds.
bool Machine::leave_shared_routing() {
    Doc const& routing = seen_.shared_routing;
    if (!routing.exists()) return true;
    if (auto left = shared_routing_left()) {
        after_status_.push_back(std::move(*left));
        wait(std::string(kReason), fmt::format("{} is being left", name_of(routing)), "it is not held any more");
        return false;
    }
    std::string_view const phase = phase_of(routing);
    bool const routed =
        phase == apis::phase::kProgressing || phase == apis::phase::kFinalizing || phase == apis::phase::kTerminating;
    if (!routed || !apis::holders_of(routing).empty()) return true;
    std::string_view const message = routing.at({"status", "message"}).as_string();
    wait(std::string(kReason), fmt::format("{} is being put back: {}", name_of(routing), message), "it is Healthy");
    return false;
}

}   // namespace aviary::rollout
