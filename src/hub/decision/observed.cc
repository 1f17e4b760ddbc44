#include "hub/decision/observed.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/approver.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/json/write.h"
#include "hub/decision/internal/limits.h"
#include "hub/propagation/names.h"
#include "hub/propagation/release_state.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"

namespace aviary::decision {

namespace {

using json::Doc;
using json::Value;

constexpr std::size_t kLongestName = 200;   // of a Rollout in the record's name
// On a record, from its creation to its status: the time that the member says.
constexpr std::string_view kApprovedAt = "fleet.aviary.dev/approved-at";

Doc release(Doc const& rollout) { return apis::release_status(rollout); }
std::int64_t step_of(Doc const& rollout) { return release(rollout)["currentStepIndex"].as_int(); }
std::string_view state_of(Doc const& rollout) { return release(rollout)["currentStepState"].as_string(); }
std::string_view phase_of(Doc const& rollout) { return rollout.at({"status", "phase"}).as_string(); }

bool same(Doc const& before, Doc const& after, char const* field) {
    return release(before)[field].as_string() == release(after)[field].as_string();
}

// A pause without a duration; that of the last step with all pods passes by itself.
bool awaits_approval(Doc const& rollout, std::int64_t step) {
    Doc const steps = apis::release_steps(rollout);
    if (step < 1 || step > static_cast<std::int64_t>(steps.size())) return false;
    Doc const plan = steps[step - 1];
    if (plan.at({"pause", "duration"}).exists()) return false;
    auto const share = meta::IntOrPercent::from(plan["replicas"]);
    bool const everything =
        !rollout.at({"spec", "strategy", "blueGreen"}).is_object() &&   // the last step of that style waits, too
        step == static_cast<std::int64_t>(steps.size()) && share && share->percent && share->value == 100;
    return !everything;
}

// Where the Rollout would go next when nobody wants it elsewhere.
bool goes_on_in_order(Doc const& rollout, std::int64_t step) {
    Doc const next = release(rollout)["nextStepIndex"];
    return !next.exists() || next.as_int() <= 0 || next.as_int() == step + 1;
}

// Beyond the pause, in the same release and by its end or on its way there.
bool went_on(Doc const& after, std::int64_t from) {
    bool const further = step_of(after) > from || state_of(after) == "Completed";
    if (phase_of(after) == "Healthy") return further && meta::condition_is_true(after, "Succeeded");
    if (phase_of(after) != "Progressing") return false;
    if (meta::condition(after, "Progressing")["reason"].as_string() == "Cancelling") return false;
    return further || (step_of(after) == from && state_of(after) == "StepReady");
}

std::string shown(Doc const& rollout) {
    if (phase_of(rollout) == "Healthy") return "the release complete";
    return fmt::format("step {} in {}", step_of(rollout), shortened(state_of(rollout), kLongestWord));
}

bool in_measure(apis::DecisionTarget const& target) {
    for (std::string const* word : {&target.rollout_uid, &target.revision, &target.paused_since}) {
        if (word->size() > kLongestWord) return false;
    }
    return !target.rollout_uid.empty() && !target.revision.empty();
}

// The release began before the pause, where that can be told, or ended after it: the same version may come twice.
bool of_that_release(Doc const& rollout, Time paused) {
    auto const turned = parse_rfc3339(meta::condition(rollout, "Progressing")["lastTransitionTime"].as_string());
    if (!turned) return false;
    return phase_of(rollout) == "Healthy" ? *turned >= paused : *turned <= paused;
}

}   // namespace

std::optional<LeftStep> left_step(std::string const& cluster, Doc const& before, Doc const& after) {
    if (!before.exists() || !after.exists() || meta::uid(before) != meta::uid(after)) return std::nullopt;
    if (phase_of(before) != "Progressing" || state_of(before) != "StepPaused" || meta::is_deleting(after) ||
        propagation::rollout_closing(before))
        return std::nullopt;
    std::int64_t const from = step_of(before);
    bool const same_release =
        apis::release_revision(before) == apis::release_revision(after) && same(before, after, "observedRolloutID");
    bool const same_plan =
        same(before, after, "rolloutHash") && awaits_approval(before, from) && awaits_approval(after, from);
    if (!same_release || !same_plan || !goes_on_in_order(before, from) || !went_on(after, from)) return std::nullopt;
    LeftStep left;
    left.target = {cluster, meta::uid(before), from, apis::release_revision(before),
                   release(before)["lastUpdateTime"].string()};
    if (!in_measure(left.target)) return std::nullopt;
    left.now = shown(after);
    // Behind StepReady the controller has written over whoever set it.
    if (state_of(after) != "StepReady" || step_of(after) != from) return left;
    Doc const wrote = apis::step_writer(after);
    if (wrote["manager"].as_string() == propagation::kManager) return std::nullopt;
    if (wrote["manager"].as_string() == apis::step_writer(before)["manager"].as_string()) return left;
    left.manager = shortened(wrote["manager"].as_string(), kLongestWord);
    left.at = shortened(wrote["time"].as_string(), kLongestWord);
    return left;
}

std::optional<LeftStep> left_since(apis::DecisionTarget const& pause, std::string_view plan, Doc const& rollout) {
    auto const paused = parse_rfc3339(pause.paused_since);
    auto const last = parse_rfc3339(release(rollout)["lastUpdateTime"].as_string());
    if (!paused || !last || !pause.step || !in_measure(pause) || meta::is_deleting(rollout)) return std::nullopt;
    bool const same_release = meta::uid(rollout) == pause.rollout_uid &&
                              apis::release_revision(rollout) == pause.revision && of_that_release(rollout, *paused);
    bool const same_plan = release(rollout)["rolloutHash"].as_string() == plan && awaits_approval(rollout, *pause.step);
    if (!same_release || !same_plan || *last < *paused || !went_on(rollout, *pause.step)) return std::nullopt;
    LeftStep left;
    left.target = pause;
    left.now = shown(rollout);
    left.seen = false;
    if (state_of(rollout) != "StepReady" || step_of(rollout) != *pause.step) return left;
    // In this state a step of another pause looks the same but for the time, which an approval does not touch.
    bool const approved = release(rollout)["lastUpdateTime"].as_string() == pause.paused_since &&
                          apis::step_writer(rollout)["manager"].as_string() != propagation::kManager;
    return approved ? std::optional(left) : std::nullopt;
}

bool asks_for(apis::Decision const& decision, std::string const& rollout, apis::DecisionTarget const& target) {
    apis::DecisionSpec const& spec = decision.spec;
    bool const goes_on = spec.action == apis::action::kApprove || spec.action == apis::action::kJump;
    bool const asked =
        goes_on && !is_record(spec) && spec.rollout_ref.name == rollout && std::ranges::count(spec.targets, target) > 0;
    if (!asked) return false;
    for (apis::DecisionClusterStatus const& row : decision.status.clusters) {
        if (row.cluster != target.cluster) continue;
        return row.outcome != apis::outcome::kStale && row.outcome != apis::outcome::kRefused &&
               row.outcome != apis::outcome::kExpired;
    }
    return true;
}

bool was_there_again(apis::Decision const& decision, std::string const& rollout, apis::DecisionTarget const& target) {
    auto const before = parse_rfc3339(target.paused_since);
    if (!before || decision.spec.rollout_ref.name != rollout) return false;
    return std::ranges::any_of(decision.spec.targets, [&](apis::DecisionTarget const& each) {
        auto const paused = parse_rfc3339(each.paused_since);
        return each.cluster == target.cluster && each.rollout_uid == target.rollout_uid && each.step == target.step &&
               each.revision == target.revision && paused && *paused > *before;
    });
}

bool is_record(apis::DecisionSpec const& spec) { return spec.selection == apis::kInMember; }

std::string record_name(std::string const& rollout, apis::DecisionTarget const& target) {
    apis::DecisionSpec spec;
    spec.rollout_ref.name = rollout;
    spec.targets.push_back(target);
    std::string name = rollout.substr(0, kLongestName);
    // Behind these nothing may follow but the end of a label.
    while (name.ends_with('.') || name.ends_with('-')) name.pop_back();
    return fmt::format("{}-{:016x}", name, fnv1a_64(json::write_canonical(apis::write_decision_spec(spec))));
}

namespace {

// What was seen comes first: behind it stands what somebody else has put into words.
std::string reason_of(LeftStep const& left) {
    std::string text = "approved in the member itself";
    if (!left.manager.empty()) {
        text += ": written there by " + left.manager;
        if (!left.at.empty()) text += " at " + left.at;
    } else if (!left.word) {
        text += fmt::format(": seen when it showed {}, too late to say what wrote it", left.now);
    }
    if (!left.word) return text;
    text +=
        fmt::format("; the member says by {} at {}", left.word->by.empty() ? "somebody" : left.word->by, left.word->at);
    if (!left.word->reason.empty()) text += ": " + left.word->reason;
    return text;
}

}   // namespace

Value record_of(meta::ObjectKey const& rollout, LeftStep const& left) {
    apis::DecisionSpec spec;
    spec.rollout_ref = {"rollouts.kruise.io/v1beta1", "Rollout", rollout.name};
    spec.action = apis::action::kApprove;
    spec.selection = apis::kInMember;
    spec.targets.push_back(left.target);
    spec.reason = reason_of(left);
    Value object{json::Object{{"apiVersion", "fleet.aviary.dev/v1alpha1"}, {"kind", "Decision"}}};
    object.set({"metadata", "name"}, record_name(rollout.name, left.target));
    object.set({"metadata", "namespace"}, rollout.ns);
    if (left.word) object.set({"metadata", "annotations", kApprovedAt}, left.word->at);
    object["spec"] = apis::write_decision_spec(spec);
    return object;
}

apis::DecisionStatus record_status(Doc const& record, Time now) {
    apis::DecisionStatus status;
    auto const decision = apis::read_decision(record);
    if (!decision) return status;
    status.outcome = apis::outcome::kApplied;
    status.origin = apis::kOriginMember;
    auto const said = parse_rfc3339(meta::annotation(record, kApprovedAt));
    for (apis::DecisionTarget const& target : decision->spec.targets) {
        apis::DecisionClusterStatus row;
        row.cluster = target.cluster;
        row.outcome = apis::outcome::kApplied;
        row.from = target.step;
        row.message = decision->spec.reason;
        row.at = format_rfc3339(said ? std::min(*said, now) : now);
        status.clusters.push_back(std::move(row));
    }
    return status;
}

}   // namespace aviary::decision
