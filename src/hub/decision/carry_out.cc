#include "hub/decision/carry_out.h"

#include <fmt/format.h>

#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"

namespace aviary::decision {

namespace {

using json::Doc;
using json::Value;

struct Deciding {
    Seen const& seen;
    Time now;
    Outcome out;

    Outcome settle(std::string_view outcome, std::string message) {
        out.outcome = outcome;
        out.message = std::move(message);
        return std::move(out);
    }

    Doc canary() const { return seen.rollout.at({"status", "canaryStatus"}); }
    std::int64_t step() const { return canary()["currentStepIndex"].as_int(); }
    std::string_view state() const { return canary()["currentStepState"].as_string(); }
    std::int64_t steps() const {
        return static_cast<std::int64_t>(seen.rollout.at({"spec", "strategy", "canary", "steps"}).size());
    }

    // The very pause the approver saw.
    bool at_target() const {
        bool const progressing = seen.rollout.at({"status", "phase"}).as_string() == "Progressing" &&
                                 !propagation::rollout_closing(seen.rollout) &&
                                 !seen.rollout.at({"spec", "strategy", "paused"}).as_bool();
        return progressing && state() == "StepPaused" && step() == seen.target.step.value_or(step()) &&
               (seen.target.revision.empty() || canary()["canaryRevision"].as_string() == seen.target.revision) &&
               (seen.target.paused_since.empty() || canary()["lastUpdateTime"].as_string() == seen.target.paused_since);
    }

    Outcome approve() {
        std::int64_t const from = seen.target.step.value_or(step());
        out.from = from;
        if (seen.rollout.exists() && meta::uid(seen.rollout) != seen.target.rollout_uid) {
            return settle(apis::outcome::kStale, "the Rollout there is another one by now");
        }
        if (!seen.rollout.exists()) return settle(apis::outcome::kStale, "there is no such Rollout in this cluster");
        if (at_target()) {
            Value patch{json::Array()};
            auto const test = [&](std::string path, Value value) {
                patch.push_back(json::Object{{"op", "test"}, {"path", std::move(path)}, {"value", std::move(value)}});
            };
            test("/status/phase", "Progressing");
            test("/status/canaryStatus/currentStepIndex", from);
            test("/status/canaryStatus/currentStepState", "StepPaused");
            test("/status/canaryStatus/canaryRevision", canary()["canaryRevision"].string());
            if (canary()["lastUpdateTime"].exists())
                test("/status/canaryStatus/lastUpdateTime", canary()["lastUpdateTime"].string());
            patch.push_back(json::Object{
                {"op", "replace"}, {"path", "/status/canaryStatus/currentStepState"}, {"value", "StepReady"}});
            control::Write write;
            write.verb = control::Write::Verb::kJsonPatch;
            write.resource = propagation::kRollouts;
            write.key = meta::key_of(seen.rollout);
            write.subresource = "status";
            write.body = std::move(patch);
            write.why = "approve";
            out.plan.writes.push_back(std::move(write));
            return std::move(out);
        }
        bool const same_release =
            seen.target.revision.empty() || canary()["canaryRevision"].as_string() == seen.target.revision;
        bool const moved_on =
            same_release && (step() > from || (step() == from && (state() == "StepReady" || state() == "Completed")) ||
                             seen.rollout.at({"status", "phase"}).as_string() == "Healthy");
        if (moved_on) {
            out.to = from < steps() ? from + 1 : from;
            std::string text = from < steps()
                                   ? fmt::format("moving to {}", step_text(seen.rollout, from + 1, seen.replicas))
                                   : "completing";
            if (!seen.sent) text += " (somebody else was faster)";
            return settle(apis::outcome::kApplied, std::move(text));
        }
        return settle(apis::outcome::kStale,
                      fmt::format("approved was step {}, the cluster is at step {} in {}", from, step(), state()));
    }

    Outcome go_back() {
        bool const abort = seen.spec.action == apis::action::kAbort;
        if (!seen.workload.exists()) return settle(apis::outcome::kRefused, "the workload is not in this cluster");
        if (seen.stable.empty()) return settle(apis::outcome::kRefused, "there is no earlier version to go back to");
        if (abort && !seen.pinned && !propagation::releasing(seen.workload))
            return settle(apis::outcome::kRefused, "no release is in progress here");
        if (!seen.pinned) {
            out.wants_pin = true;
            return std::move(out);
        }
        if (meta::label(seen.workload, propagation::kTemplateLabel) == seen.stable)
            return settle(apis::outcome::kApplied, "going back to the stable version");
        return std::move(out);   // pinned; propagation carries it there
    }

    Outcome pause_or_resume() {
        if (seen.reachable && !seen.rollout.exists())
            return settle(apis::outcome::kRefused, "there is no such Rollout in this cluster");
        bool const wanted = seen.spec.action == apis::action::kPause;
        if (seen.paused != wanted) {
            out.wants_pause = true;
            return std::move(out);
        }
        if (seen.rollout.at({"spec", "strategy", "paused"}).as_bool() == wanted)
            return settle(apis::outcome::kApplied, wanted ? "paused" : "resumed");
        return std::move(out);
    }

    Outcome run() {
        auto const expires = parse_rfc3339(seen.spec.expires_at);
        if (expires && *expires <= now) return settle(apis::outcome::kExpired, "not carried out in time");
        if (expires) out.plan.requeue_at(*expires, "spec.expiresAt");
        if (seen.spec.action == apis::action::kApprove) {
            if (!seen.reachable) return waiting(expires);
            return approve();
        }
        if (seen.spec.action == apis::action::kUndo || seen.spec.action == apis::action::kAbort) {
            if (seen.superseded) return settle(apis::outcome::kStale, "the hub releases another version by now");
            if (!seen.reachable && seen.pinned) return waiting(expires);
            return go_back();
        }
        if (seen.spec.action == apis::action::kPause || seen.spec.action == apis::action::kResume) {
            if (!seen.reachable && seen.paused == (seen.spec.action == apis::action::kPause)) return waiting(expires);
            return pause_or_resume();
        }
        return settle(apis::outcome::kRefused, fmt::format("{} is not supported yet", seen.spec.action));
    }

    Outcome waiting(std::optional<Time> expires) {
        out.outcome = apis::outcome::kWaiting;
        out.message =
            fmt::format("unreachable; applies on return{}", expires ? " until " + format_rfc3339(*expires) : "");
        return std::move(out);
    }
};

}   // namespace

std::string step_text(Doc const& rollout, std::int64_t step, std::int64_t replicas) {
    Doc const wanted = rollout.at({"spec", "strategy", "canary", "steps"})[step - 1]["replicas"];
    auto const share = meta::IntOrPercent::from(wanted);
    if (!share) return fmt::format("step {}", step);
    std::int64_t pods = std::min(share->scaled(replicas, true), replicas);
    // A percentage short of all never takes the last pod (Kruise Rollouts, batch arithmetic).
    if (share->percent && share->value < 100 && replicas > 1) pods = std::min(pods, replicas - 1);
    return fmt::format("{} ({} of {} pods)", share->to_string(), pods, replicas);
}

Outcome carry_out(Seen const& seen, Time now) { return Deciding{seen, now, {}}.run(); }

}   // namespace aviary::decision
