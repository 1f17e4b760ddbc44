// Traffic in the steps of a release and at its end: what is asked of traffic::Traffic when, and the grace periods.
// While a change is being written the status has no date; it gets one when the change is seen. So a wait begins anew
// rather than too early, and a write that fails again and again changes no status.
#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "kube/control/events.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/rollout/internal/conditions.h"
#include "member/rollout/internal/machine.h"

namespace aviary::rollout {

using apis::CanaryStatus;
using control::Write;
using traffic::Outcome;

namespace {

constexpr std::string_view kReason = "TrafficRouting";
constexpr std::string_view kTroubled = "TrafficNotRouted";   // as the hub's explain has it
constexpr std::string_view kUnshared = "StableVersionNotReady";
constexpr std::string_view kUnsharedText =
    "no pod of the stable version was ready: its Service leads to all pods that are, until it is";

}   // namespace

apis::TrafficRoutingRef const* Machine::routing() const {
    auto const& strategy = rollout_.spec.strategy;
    if (!strategy.canary && !strategy.blue_green) return nullptr;
    auto const& list = blue_green() ? strategy.blue_green->traffic_routings : strategy.canary->traffic_routings;
    return list.empty() ? nullptr : &list.front();
}

bool Machine::generates_canary_service() const {
    auto const& strategy = rollout_.spec.strategy;
    return !(blue_green() ? strategy.blue_green->disable_generate_canary_service
                          : strategy.canary->disable_generate_canary_service);
}

traffic::Traffic Machine::traffic() const {
    auto const& strategy = rollout_.spec.strategy;
    traffic::Setup setup;
    setup.routing = *routing();
    setup.owner = meta::key_of(seen_.rollout);
    setup.reference = json::Object{{"apiVersion", apis::kRollouts.api_version()},
                                   {"kind", "Rollout"},
                                   {"name", meta::name(seen_.rollout)},
                                   {"uid", meta::uid(seen_.rollout)},
                                   {"controller", true},
                                   {"blockOwnerDeletion", true}};
    setup.generates = generates_canary_service();
    setup.revision_key = workload::revision_label(seen_.rollout.at({"spec", "workloadRef"}));
    if (CanaryStatus const* const current = noted()) {
        setup.stable_revision = current->stable_revision;
        setup.canary_revision = current->pod_template_hash;
    }
    if (seen_.workload != nullptr) {
        if (!facts().unit_revision.empty()) setup.canary_revision = facts().unit_revision;
        if (meta::label(facts().stable_pod, setup.revision_key) == setup.stable_revision)
            setup.stable_pod = facts().stable_pod;
    }
    if (apis::has_extra_workload(seen_.rollout) && strategy.canary->patch_pod_template_metadata)
        setup.pod_labels = strategy.canary->patch_pod_template_metadata->labels;
    return {std::move(setup), seen_.traffic, now_};
}

bool Machine::lacks_stable_pods() const {
    // After a jump back as many go as were to go before.
    return lacks_stable_pods(std::max(facts().asked, share_of_step(noted()->current_step_index)));
}

bool Machine::lacks_stable_pods(std::int64_t asked) const {
    // Side by side, what has no pods at all gets those of the stable version first again; with another rollout-id alone
    // it came from nowhere. What it came from is asked of the status: the workload's label goes with the marks.
    if (blue_green() || apis::has_extra_workload(seen_.rollout))
        return facts().replicas > 0 && (noted()->stable_revision.empty() ? facts().outdated == 0 : facts().stable == 0);
    return asked >= facts().replicas || seen_.workload->stable_left(asked) == 0;
}

// A stable version that has come just before may not have a ready pod yet, or never get one: the Service is not
// narrowed to it, and those that serve go on. Where it is narrowed already nothing is taken back for it.
bool Machine::may_narrow() const { return (counts_stable() && facts().stable_ready > 0) || narrowed(); }

// Whether it is pods of the version that the Service is narrowed to that are counted: of a newer release, which comes
// from another one, the status does not know yet.
bool Machine::counts_stable() const { return facts().stable_revision == noted()->stable_revision; }

// Also where no Service is narrowed by this Rollout.
bool Machine::narrowed() const {
    if (!generates_canary_service()) return true;
    json::Doc const held = seen_.traffic.stable.at({"spec", "selector"})[traffic().revision_key()];
    return held.as_string() == noted()->stable_revision;
}

// The last stable pod may also go in the middle of a step, when the workload is made smaller. Once all are back, and
// ready, the Service leads to them again: the new version has the step's share by then, or it would have none.
void Machine::follow_stable_pods() {
    bool const rolling = status_.phase == apis::phase::kProgressing && seen_.workload != nullptr &&
                         reason_of(status_, apis::condition::kProgressing) == apis::reason::kInRolling;
    if (!rolling || noted() == nullptr || routing() == nullptr) return;
    bool const prepares = noted()->current_step_state == apis::step::kBeforeUpgrade;   // which waits for it to be known
    if (prepares || !current_step().routes()) return;
    bool const opens = lacks_stable_pods();
    bool const serve = stable_pods_serve();
    bool const routes = noted()->current_step_state == apis::step::kTrafficRouting;   // which narrows it by itself
    if (!opens && (!serve || routes)) return;
    bool const upgrades = noted()->current_step_state == apis::step::kUpgrade;
    if (!opens && upgrades && goes_on_unshared()) return;   // its share comes with its pods
    traffic::Traffic const traffic = this->traffic();
    Outcome outcome = opens ? traffic.release_stable() : traffic.hold_stable();
    // Not of one that is being taken back, or has come behind it.
    bool const rests = noted()->current_step_state == apis::step::kPaused ||
                       noted()->current_step_state == apis::step::kCompleted;   // waits for its group
    bool const shares =
        !opens && rests && noted()->finalising_step.empty() && seen_.workload->is_current(noted()->canary_revision);
    if (shares && !outcome.in_force() && !has_share(traffic)) return;
    for (Write& each : outcome.writes) plan_.writes.push_back(std::move(each));
    bool const over = shares || reason_of(status_, kTrafficRouted) == kUnshared;
    if (!opens && over && outcome.in_force()) drop_condition(status_, kTrafficRouted);
}

bool Machine::stable_pods_serve() const {
    return facts().settled && counts_stable() && facts().stable > 0 && facts().stable_ready == facts().stable;
}

// The last stable pod may go nevertheless, and come back: then the share that was in force is so again.
void Machine::follow_stable_pods_at_rest() {
    if (noted() == nullptr || routing() == nullptr || !current_step().routes()) return;
    traffic::Traffic const traffic = this->traffic();
    std::int64_t const index = noted()->current_step_index;
    // Beyond that the step itself may leave none, and has opened the Service for it.
    bool const prepared = noted()->current_step_state != apis::step::kBeforeUpgrade;
    Outcome outcome;
    if (lacks_stable_pods(facts().asked)) {
        outcome = traffic.release_stable();
    } else if (stable_pods_serve() && !(prepared && lacks_stable_pods()) &&
               (step_route(traffic, index).in_force() || step_route(traffic, index - 1).in_force())) {
        outcome = traffic.hold_stable();
    }
    for (Write& each : outcome.writes) plan_.writes.push_back(std::move(each));
}

// Of a step that has gone on without: nothing of it is taken back, or dated anew, for what is written here.
bool Machine::has_share(traffic::Traffic const& traffic) {
    Outcome missing = traffic.canary_service();
    if (missing.in_force()) {
        missing = step_route(traffic, noted()->current_step_index);
        if (missing.in_force()) return true;
        if (auto const until = traffic.canary_from(); until && missing.trouble.empty()) {
            plan_.requeue_at(*until, "gracePeriodSeconds");
            return false;
        }
    }
    if (!missing.trouble.empty()) note_unrouted(kTroubled, missing.trouble);
    for (Write& each : missing.writes) plan_.writes.push_back(std::move(each));
    return false;
}

// The step before was to be shared, and was not to its end: pods of the new version serve, and the Service is not
// narrowed before they have their share.
bool Machine::goes_on_unshared() const {
    std::int64_t const index = noted()->current_step_index;
    if (index == 1 || !step_at(index - 1).routes() || narrowed()) return false;
    return !step_route(traffic(), index - 1).in_force();
}

// Since when it has been so: what is looked at first may be in force, and have ended the condition in this pass.
void Machine::mark_unrouted(std::string_view reason, std::string_view text) {
    change_condition(status_, kTrafficRouted, "False", reason, text, now_);
    auto const* const before = apis::find_condition(before_.conditions, kTrafficRouted);
    if (before != nullptr) keep_times(status_, *before);
}

// What does not keep the step: it may be what mends it.
void Machine::note_unrouted(std::string_view reason, std::string_view text) {
    mark_unrouted(reason, text);
    auto const* const before = apis::find_condition(before_.conditions, kTrafficRouted);
    if (before == nullptr || before->message != text) {
        plan_.events.push_back(
            control::event_about(seen_.rollout, control::kWarning, std::string(reason), std::string(text)));
    }
}

bool Machine::has_trouble(Outcome const& outcome) {
    if (outcome.trouble.empty()) {
        drop_condition(status_, kTrafficRouted);
        auto const* const progress = apis::find_condition(status_.conditions, apis::condition::kProgressing);
        if (status_.message.starts_with(apis::kNotRouted)) status_.message = progress ? progress->message : "";
        return false;
    }
    status_.message = fmt::format("{}{}", apis::kNotRouted, outcome.trouble);
    mark_unrouted(kTroubled, outcome.trouble);
    if (before_.message != status_.message) {
        plan_.events.push_back(
            control::event_about(seen_.rollout, control::kWarning, std::string(kTroubled), status_.message));
    }
    wait(std::string(kTroubled), outcome.trouble, "it is put right", "release owner");
    auto const* const condition = apis::find_condition(status_.conditions, kTrafficRouted);
    plan_.waits.back().since = parse_rfc3339(condition->last_transition_time);
    return true;
}

void Machine::write_traffic(Outcome outcome, std::string_view doing) {
    for (Write& each : outcome.writes) after_status_.push_back(std::move(each));
    wait(std::string(kReason), std::string(doing), "it is written");
}

bool Machine::grace_over(Time until, std::string_view doing) {
    if (until <= now_) return true;
    wait(std::string(kReason), fmt::format("{}: gracePeriodSeconds for it to be known everywhere", doing),
         format_rfc3339(until));
    plan_.requeue_at(until, "gracePeriodSeconds");
    return false;
}

// Before pods of the new version appear, all that the step is routed by is there, and requests keep to the old one.
// Where that has no pods, or is to have none, the Service has all: else it would lead nowhere.
bool Machine::prepare_services() {
    if (routing() == nullptr || !current_step().routes()) return true;
    traffic::Traffic const traffic = this->traffic();
    if (lacks_stable_pods()) {
        std::string_view const step = apis::finalising::kRestoreStableService;
        return undo(step, traffic.release_stable(), "the stable Service leads to all pods");
    }
    if (has_trouble(traffic.ready())) return false;
    if (goes_on_unshared() || !may_narrow()) {
        note_unrouted(kUnshared, kUnsharedText);
        return true;
    }
    Outcome held = traffic.hold_stable();
    if (has_trouble(held)) return false;
    std::string_view const doing = "the stable Service leads to the stable version";
    if (!held.writes.empty()) {
        write_traffic(std::move(held), doing);
        return false;
    }
    std::optional<Time> const from = traffic.holds_from();
    return !from || grace_over(*from, doing);
}

json::Doc Machine::step_asked(std::int64_t index) const {
    return apis::release_steps(seen_.rollout)[std::clamp<std::int64_t>(index, 1, step_count()) - 1];
}

Outcome Machine::step_route(traffic::Traffic const& traffic, std::int64_t index) const {
    apis::CanaryStep const& step = step_at(index);
    json::Doc const asked = step_asked(index);
    return traffic.route(step.traffic ? apis::parse_traffic(*step.traffic) : std::nullopt, asked["matches"],
                         asked["requestHeaderModifier"]);
}

bool Machine::route_traffic() {
    if (routing() == nullptr || !current_step().routes() || lacks_stable_pods()) return true;
    CanaryStatus& current = release();
    traffic::Traffic const traffic = this->traffic();
    if (has_trouble(traffic.ready())) return false;
    if (!may_narrow()) {
        note_unrouted(kUnshared, kUnsharedText);
        return true;
    }
    status_.message = fmt::format("Rollout is in step({}/{}), and route traffic to new version",
                                  current.current_step_index, step_count());
    Outcome service = traffic.canary_service();
    if (has_trouble(service)) return false;
    if (!service.writes.empty()) {
        current.last_update_time.clear();
        write_traffic(std::move(service), "the canary Service leads to the new version");
        return false;
    }
    Outcome routes = step_route(traffic, current.current_step_index);
    if (has_trouble(routes)) return false;
    if (!routes.writes.empty()) {
        if (grace_over(seen_since() + traffic.grace(), "new pods and Services"))
            write_traffic(std::move(routes), "the step's share of the requests goes to the new version");
        return false;
    }
    // It is since before the step's pods came, but where it was left open for them.
    Outcome held = traffic.hold_stable();
    if (has_trouble(held)) return false;
    if (held.writes.empty()) return true;
    write_traffic(std::move(held), "the stable Service leads to the stable version");
    return false;
}

// One step back of what was routed: written, then known everywhere.
bool Machine::undo(std::string_view step, Outcome outcome, std::string_view doing) {
    if (has_trouble(outcome)) return false;
    if (!outcome.writes.empty()) {
        release().finalising_step = step;
        release().last_update_time.clear();
        write_traffic(std::move(outcome), doing);
        return false;
    }
    bool const here = noted() != nullptr && noted()->finalising_step == step;
    if (!here) return true;
    Time const since = seen_since();
    return step == apis::finalising::kRemoveCanaryService || grace_over(since + traffic().grace(), doing);
}

// When the change that was written last was seen to be there.
Time Machine::seen_since() {
    std::string& date = release().last_update_time;
    if (date.empty()) date = format_rfc3339(now_);
    return parse_rfc3339(date).value_or(now_);
}

bool Machine::finish_traffic(std::string_view step) {
    using namespace apis::finalising;
    if (routing() == nullptr) return true;
    traffic::Traffic const traffic = this->traffic();
    if (step == kRestoreStableService)
        return undo(step, traffic.release_stable(), "the stable Service leads to all pods");
    if (step == kRouteTrafficToStable) return undo(step, traffic.restore_routes(), "requests go to the stable Service");
    if (step == kRemoveCanaryService) return undo(step, traffic.remove_canary(), "the canary Service is removed");
    // To the new version, once: later steps take that back.
    constexpr std::string_view kLater[] = {kRestoreStableService, kResumeWorkload,         kRouteTrafficToStable,
                                           kRemoveCanaryService,  kReleaseWorkloadControl, kEnd};
    bool const later = std::ranges::count(kLater, release().finalising_step) > 0;
    if (later || !traffic.routed()) return true;
    Outcome all = traffic.services();
    // Where one Service has both versions, requests are told apart by that header.
    all.add(traffic.route(100, {}, step_asked(noted()->current_step_index)["requestHeaderModifier"]));
    return undo(step, std::move(all), "all requests go to the new version");
}

bool Machine::clear_traffic() {
    using namespace apis::finalising;
    if (routing() == nullptr) return true;
    for (std::string_view const step : {kRestoreStableService, kRouteTrafficToStable, kRemoveCanaryService}) {
        if (!finish_traffic(step)) return false;
    }
    release().finalising_step.clear();
    return true;
}

// Of a workload that is gone: at once, as there are no pods that could be missed. What cannot be read is waited for:
// afterwards nobody would look.
bool Machine::abandon_traffic() {
    if (routing() == nullptr || status_.phase != apis::phase::kProgressing) return true;
    traffic::Traffic const traffic = this->traffic();
    Outcome rest;
    for (Outcome each : {traffic.restore_routes(), traffic.release_stable(), traffic.remove_canary()}) {
        if (rest.trouble.empty()) rest.trouble = each.trouble;
        for (Write& write : each.writes) this->write(std::move(write));
    }
    return !has_trouble(rest);
}

}   // namespace aviary::rollout
