#include "hub/decision/carry_out.h"

#include <fmt/format.h>

#include <compare>
#include <optional>

#include "apis/fleet/hold.h"
#include "apis/rollouts/rollout.h"
#include "core/json/patch.h"
#include "hub/decision/evidence.h"
#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"
#include "kube/meta/groups.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/object.h"

namespace aviary::decision {

namespace {

using json::Doc;
using json::Value;

constexpr Duration kCatchesUp = std::chrono::milliseconds(500);   // a copy, once the member is back

struct Deciding {
    Seen const& seen;
    Time now;
    Outcome out;

    Outcome settle(std::string_view outcome, std::string message) {
        out.outcome = outcome;
        out.message = std::move(message);
        return std::move(out);
    }

    Doc release() const { return apis::release_status(seen.rollout); }
    std::int64_t step() const { return release()["currentStepIndex"].as_int(); }
    std::string_view state() const { return release()["currentStepState"].as_string(); }
    std::int64_t steps() const { return static_cast<std::int64_t>(apis::release_steps(seen.rollout).size()); }

    bool same_release() const { return apis::release_revision(seen.rollout) == seen.target.revision; }

    // The very pause the approver saw.
    bool at_target() const {
        return approvable(seen.rollout) && step() == seen.target.step && same_release() &&
               release()["lastUpdateTime"].as_string() == seen.target.paused_since;
    }

    // The time of the hub's copy against that of what the approver looked at, in whole seconds. Absent: one has none.
    std::optional<std::strong_ordering> time_of_copy() const {
        auto const last = parse_rfc3339(release()["lastUpdateTime"].as_string());
        auto const looked = parse_rfc3339(seen.target.paused_since);
        return last && looked ? std::optional(*last <=> *looked) : std::nullopt;
    }
    // The copy is of a second before. A step says nothing of that: a jump leads back. What was sent was sent to what
    // the copy showed then, whatever clocks say since.
    bool older() const { return !seen.sent && time_of_copy() == std::strong_ordering::less; }
    // … or of the same second, of which a pause comes last in its step.
    bool behind() const {
        auto const time = time_of_copy();
        bool const before_pause = step() == seen.target.step && state() != "StepPaused";
        return time == std::strong_ordering::less || (time == std::strong_ordering::equal && before_pause);
    }

    control::Write approval() const {
        control::Write write;
        write.verb = control::Write::Verb::kJsonPatch;
        write.resource = propagation::kRollouts;
        write.key = meta::key_of(seen.rollout);
        write.subresource = "status";
        write.body = approval_patch(seen.rollout, seen.target);
        write.why = "approve";
        return write;
    }

    Outcome applied(std::int64_t from, std::string_view note) {
        out.to = from < steps() ? from + 1 : from;
        std::string const text =
            from < steps() ? "moving to " + step_text(seen.rollout, from + 1, seen.workload) : "completing";
        return settle(apis::outcome::kApplied, text + std::string(note));
    }

    // Whoever approved there directly has said so.
    std::string faster() const {
        LeftStep left;
        left.target = seen.target;
        add_word(left, seen.rollout);
        if (!left.word) return seen.inherited ? "" : " (somebody else was faster)";
        std::string const who = left.word->by.empty() ? "somebody" : left.word->by;
        std::string const why = left.word->reason.empty() ? "" : ": " + left.word->reason;
        return fmt::format(" (somebody else was faster: the member says by {} at {}{})", who, left.word->at, why);
    }

    Outcome approve(bool expired) {
        if (!seen.target.step || seen.target.rollout_uid.empty() || seen.target.revision.empty())
            return settle(apis::outcome::kRefused, "an approval names the Rollout's uid, its step and its revision");
        std::int64_t const from = *seen.target.step;
        out.from = from;
        if (!seen.rollout.exists()) return settle(apis::outcome::kStale, "there is no such Rollout in this cluster");
        if (meta::uid(seen.rollout) != seen.target.rollout_uid)
            return settle(apis::outcome::kStale, "the Rollout there is another one by now");
        if (at_target()) {
            out.plan.writes.push_back(approval());
            return std::move(out);
        }
        std::string_view const phase = seen.rollout.at({"status", "phase"}).as_string();
        bool const moved_on =
            same_release() && (step() > from || phase == "Healthy" || (step() == from && state() == "Completed"));
        if (seen.left || (moved_on && !older())) return applied(from, seen.sent ? std::string() : faster());
        // Stored, and not yet taken up: a controller that writes status from an older copy may still undo it, and then
        // it is sent again.
        if (same_release() && step() == from && state() == "StepReady" && phase == "Progressing") {
            if (expired) return applied(from, " when the rollout controller is back");
            out.message = "approved; the rollout controller there has not taken it up yet";
            return std::move(out);
        }
        if (seen.target.paused_since.empty() && release()["lastUpdateTime"].exists())
            return settle(apis::outcome::kRefused, "an approval names since when the step was paused");
        if (behind()) {
            out.message = "what is known of this cluster is older than what was approved";
            return std::move(out);
        }
        return settle(apis::outcome::kStale, why_stale(from));
    }

    // Why an approval of this step is none of what the cluster shows.
    std::string why_stale(std::int64_t from) const {
        if (propagation::rollout_closing(seen.rollout)) return "the release there ends, or goes back, by now";
        if (meta::condition(seen.rollout, "Progressing")["reason"].as_string() == "Initializing")
            return "another release begins there by now";
        if (apis::new_version_refused(seen.rollout)) return std::string(apis::kNewVersionRefused);
        if (!same_release()) return "another version is released there by now";
        if (seen.rollout.at({"spec", "strategy", "paused"}).as_bool())
            return "somebody paused the release: resume first";
        if (step() == from && state() == "StepPaused")
            return fmt::format("step {} is paused anew since {}: it was approved before", from,
                               release()["lastUpdateTime"].as_string());
        return fmt::format("approved was step {}, the cluster is at step {} in {}", from, step(), state());
    }

    // Where a jump is to go.
    std::int64_t wanted() const { return seen.spec.to_step.value_or(0); }
    // It was there: at that step, or beyond it on the way from there.
    bool jumped(std::int64_t from) const {
        if (step() == wanted()) return true;
        return wanted() > from ? step() > wanted() : step() > wanted() && step() < from;
    }

    // On to more pods only from what was looked at: the cluster may have gone on, or back, and come to this step again.
    bool as_seen() const { return release()["lastUpdateTime"].as_string() == seen.target.paused_since; }
    Outcome wait_for_copy() {
        out.message = "what is known of this cluster is older than what was looked at";
        return std::move(out);
    }
    Outcome not_as_seen() {
        if (seen.target.paused_since.empty())
            return settle(apis::outcome::kRefused, "a jump to a later step names since when the step was as it is");
        if (older()) return wait_for_copy();
        return settle(apis::outcome::kStale, fmt::format("step {} is in {} since {}: it was looked at before", step(),
                                                         state(), release()["lastUpdateTime"].as_string()));
    }

    Outcome jump(bool expired) {
        if (!seen.target.step || seen.target.rollout_uid.empty() || seen.target.revision.empty() || wanted() < 1)
            return settle(apis::outcome::kRefused,
                          "a jump names the Rollout's uid, its step, its revision, and the step to go to");
        std::int64_t const from = *seen.target.step;
        if (wanted() == from + 1) return approve(expired);   // the next step is no jump
        out.from = from;
        if (!seen.rollout.exists()) return settle(apis::outcome::kStale, "there is no such Rollout in this cluster");
        if (meta::uid(seen.rollout) != seen.target.rollout_uid)
            return settle(apis::outcome::kStale, "the Rollout there is another one by now");
        if (older() && !(same_release() && step() == from)) return wait_for_copy();
        if (!same_release()) return settle(apis::outcome::kStale, "another version is released there by now");
        if (wanted() > steps())
            return settle(apis::outcome::kRefused, fmt::format("the Rollout there has {} steps", steps()));
        if (wanted() == from) return settle(apis::outcome::kRefused, fmt::format("it is at step {} already", from));
        std::string_view const phase = seen.rollout.at({"status", "phase"}).as_string();
        bool const releasing = phase == "Progressing" && !propagation::rollout_closing(seen.rollout);
        bool const complete = meta::condition_is_true(seen.rollout, "Succeeded") && !releasing;
        std::string const text = move_text(seen.rollout, from, wanted(), seen.workload);
        if ((releasing || complete) && jumped(from)) {
            out.to = wanted();
            return settle(apis::outcome::kApplied, text);
        }
        if (!releasing) return settle(apis::outcome::kStale, "no release is in progress there");
        if (step() != from)
            return settle(apis::outcome::kStale, fmt::format("to be left was step {}, the cluster is at step {} in {}",
                                                             from, step(), state()));
        if (!seen.later.empty())
            return settle(apis::outcome::kStale, fmt::format("decision {} came after it", seen.later));
        if (release()["nextStepIndex"].as_int() == wanted()) {
            if (!expired) {
                out.message = "on its way; the rollout controller there has not taken it up yet";
                return std::move(out);
            }
            out.to = wanted();
            return settle(apis::outcome::kApplied, text + " when the rollout controller is back");
        }
        if (seen.rollout.at({"spec", "strategy", "paused"}).as_bool())
            return settle(apis::outcome::kRefused, "somebody paused the release: resume first");
        if (apis::new_version_refused(seen.rollout))
            return settle(apis::outcome::kRefused, std::string(apis::kNewVersionRefused));
        if (wanted() > from && !as_seen()) return not_as_seen();
        control::Write write = approval();
        write.body = jump_patch(seen.rollout, seen.target, wanted());
        write.why = "jump";
        out.plan.writes.push_back(std::move(write));
        return std::move(out);
    }

    // Where this cluster is to go. Where it releases the rejected version, to what that comes from: less may have been
    // known when it was pinned, and a version completed since.
    std::string back() const {
        std::string before = propagation::version_before(seen.workload, seen.hub_template);
        bool const releases = propagation::releasing(seen.workload) &&
                              meta::label(seen.workload, propagation::kTemplateLabel) == seen.hub_template;
        return seen.pinned.empty() || (releases && !before.empty()) ? before : seen.pinned;
    }

    Outcome go_back() {
        bool const abort = seen.spec.action == apis::action::kAbort;
        if (!seen.bound) return settle(apis::outcome::kRefused, "the workload is not placed in this cluster");
        if (!seen.workload.exists()) return settle(apis::outcome::kRefused, "the workload is not in this cluster");
        std::string const revision = back();
        if (revision.empty()) return settle(apis::outcome::kRefused, "there is no earlier version to go back to");
        std::string const has = meta::label(seen.workload, propagation::kTemplateLabel);
        bool const released = propagation::releasing(seen.workload) || propagation::frozen(seen.workload);
        // Where the version has not come yet it is kept from coming.
        if (abort && seen.pinned.empty() && !released && has == seen.hub_template)
            return settle(apis::outcome::kRefused, "no release is in progress here");
        bool const alone = apis::begun_by_id_alone(seen.rollout, seen.workload);
        if (abort && seen.pinned.empty() && has == seen.hub_template && alone)
            return settle(apis::outcome::kRefused, std::string(apis::kBegunByIdAlone));
        bool const there = has == revision;
        if (seen.pinned != revision && revision != seen.hub_template) {
            if (!seen.kept(revision))
                return settle(apis::outcome::kRefused,
                              fmt::format("the hub does not keep the earlier version ({}): release it anew", revision));
            if (seen.pinned.empty() && seen.begun)
                return settle(apis::outcome::kStale, "the hub has another version by now");
            out.pin = revision;
            out.rejected = seen.hub_template;
            return std::move(out);
        }
        if (there && released && propagation::stable_template(seen.workload) != revision) {
            return settle(apis::outcome::kApplied,
                          "the other version was complete here: going back is a release of its own, whose steps are to "
                          "be approved");
        }
        if (there)
            return settle(apis::outcome::kApplied,
                          released ? "going back to the stable version" : "on the stable version");
        return std::move(out);   // pinned; propagation carries it there
    }

    // A Rollout that is taken out of a cluster stays until its release there is over, and no binding says anything of
    // it any more: one that is paused would stay for ever.
    Outcome resume_leaving() {
        if (!seen.reachable) return std::move(out);
        if (!seen.rollout.at({"spec", "strategy", "paused"}).as_bool())
            return settle(apis::outcome::kApplied, "resumed");
        control::Write write;
        write.verb = control::Write::Verb::kMergePatch;
        write.resource = propagation::kRollouts;
        write.key = meta::key_of(seen.rollout);
        write.body.set({"metadata", "resourceVersion"}, seen.rollout.at({"metadata", "resourceVersion"}).string());
        write.body.set({"spec", "strategy", "paused"}, false);
        write.why = "resume";
        out.plan.writes.push_back(std::move(write));
        return std::move(out);
    }

    Outcome pause_or_resume() {
        bool const wanted = seen.spec.action == apis::action::kPause;
        if (!seen.later.empty())
            return settle(apis::outcome::kStale, fmt::format("decision {} came after it", seen.later));
        if (!seen.bound && seen.brought && !wanted) return resume_leaving();
        if (!seen.bound) return settle(apis::outcome::kRefused, "the Rollout is not placed in this cluster");
        if (seen.reachable && !seen.rollout.exists())
            return settle(apis::outcome::kRefused, "there is no such Rollout in this cluster");
        if (!wanted && seen.paused_by_all)
            return settle(apis::outcome::kRefused,
                          "spec.strategy.paused of the Rollout on the hub pauses it everywhere");
        // What somebody has paused in the cluster itself the hub leaves alone.
        bool const paused_there = seen.rollout.at({"spec", "strategy", "paused"}).as_bool();
        if (!wanted && seen.reachable && paused_there && apis::held_until(seen.rollout, now))
            return settle(apis::outcome::kRefused,
                          fmt::format("paused in the cluster itself, held {}: resume it there (`--direct`){}",
                                      apis::hold_words(seen.rollout), seen.paused ? ", then here" : ""));
        if (seen.paused != wanted) {
            if (seen.begun) return settle(apis::outcome::kStale, "another decision came after it");
            out.pause = wanted;
            return std::move(out);
        }
        if (seen.reachable && seen.rollout.at({"spec", "strategy", "paused"}).as_bool() == wanted)
            return settle(apis::outcome::kApplied, wanted ? "paused" : "resumed");
        return std::move(out);
    }

    Outcome act(bool expired) {
        std::string const& action = seen.spec.action;
        if (action == apis::action::kApprove) return seen.reachable ? approve(expired) : std::move(out);
        if (action == apis::action::kJump) return seen.reachable ? jump(expired) : std::move(out);
        if (action == apis::action::kUndo || action == apis::action::kAbort) {
            if (seen.superseded) return settle(apis::outcome::kStale, "the hub releases another version by now");
            bool const unknown = !seen.reachable && !seen.workload.exists();
            return unknown ? std::move(out) : go_back();
        }
        if (action == apis::action::kPause || action == apis::action::kResume) return pause_or_resume();
        return settle(apis::outcome::kRefused, fmt::format("{} is not supported", action));
    }

    // It may have taken effect, and what is known of the member is older than that. Of a leader before, this one knows
    // only what is on record, and a leader may be gone between the two: that counts once its time is over.
    bool in_doubt(bool expired) const {
        bool const to_member = seen.spec.action == apis::action::kApprove || seen.spec.action == apis::action::kJump;
        bool const perhaps = seen.sent || seen.doubted || (expired && seen.inherited && to_member);
        return perhaps && !(seen.reachable && seen.current);
    }
    Outcome doubtful(std::optional<Time> expires = {}) {
        out = {};
        if (expires) out.plan.requeue_at(*expires, "spec.expiresAt");
        if (seen.reachable) out.plan.requeue_at(now + kCatchesUp, "what is known of the cluster is not current");
        return settle(apis::outcome::kUnreachable,
                      fmt::format("{}sent, and unreachable since: on return it is seen whether it applies",
                                  seen.sent ? "" : "perhaps "));
    }

    Outcome run() {
        auto const expires = parse_rfc3339(seen.spec.expires_at);
        bool const expired = expires && *expires <= now;
        Outcome done = act(expired);
        if (expired) {
            // What has taken effect has, whoever noticed.
            if (done.outcome == apis::outcome::kApplied) return done;
            if (in_doubt(expired)) return doubtful();
            out = {};
            return settle(apis::outcome::kExpired, "not carried out in time");
        }
        if (!done.outcome.empty()) return done;
        if (expires) done.plan.requeue_at(*expires, "spec.expiresAt");
        bool const on_the_hub = !done.pin.empty() || done.pause;
        if (seen.reachable || on_the_hub) return done;
        if (in_doubt(expired)) return doubtful(expires);
        done.outcome = apis::outcome::kWaiting;
        done.message =
            fmt::format("unreachable; applies on return{}", expires ? " until " + format_rfc3339(*expires) : "");
        return done;
    }
};

}   // namespace

std::int64_t replicas_of(Doc const& workload) {
    Doc const wanted = workload.at({"spec", "replicas"});
    return wanted.exists() ? wanted.as_int() : workload.at({"status", "desiredNumberScheduled"}).as_int();
}

std::int64_t pods_at(Doc const& rollout, std::int64_t step, std::int64_t replicas) {
    auto const share = meta::IntOrPercent::from(apis::release_steps(rollout)[step - 1]["replicas"]);
    if (!share) return replicas;
    std::int64_t const pods = std::min(share->scaled(replicas, true), replicas);
    // A percentage short of all never takes the last pod (Kruise Rollouts, batch arithmetic).
    return share->percent && share->value < 100 && replicas > 1 ? std::min(pods, replicas - 1) : pods;
}

std::string step_text(Doc const& rollout, std::int64_t step, Doc const& workload) {
    auto const share = meta::IntOrPercent::from(apis::release_steps(rollout)[step - 1]["replicas"]);
    if (!share) return fmt::format("step {}", step);
    if (!workload.exists()) return share->to_string();
    std::int64_t const replicas = replicas_of(workload);
    char const* const units = meta::is_leader_worker_set(workload) ? "groups" : "pods";
    return fmt::format("{} ({} of {} {})", share->to_string(), pods_at(rollout, step, replicas), replicas, units);
}

std::string move_text(Doc const& rollout, std::int64_t from, std::int64_t to, Doc const& workload) {
    if (to < from) return fmt::format("back to step {}; pods stay as they are", to);
    return "moving to " + step_text(rollout, to, workload);
}

bool approvable(Doc const& rollout) {
    // Its steps have not begun: the state is still that of the release before (Kruise Rollouts).
    if (meta::condition(rollout, "Progressing")["reason"].as_string() == "Initializing") return false;
    if (apis::new_version_refused(rollout)) return false;
    return rollout.at({"status", "phase"}).as_string() == "Progressing" && !propagation::rollout_closing(rollout) &&
           !rollout.at({"spec", "strategy", "paused"}).as_bool() &&
           apis::release_status(rollout)["currentStepState"].as_string() == "StepPaused";
}

apis::DecisionTarget pause_of(std::string cluster, Doc const& rollout) {
    Doc const release = apis::release_status(rollout);
    return {std::move(cluster), meta::uid(rollout), release["currentStepIndex"].as_int(),
            apis::release_revision(rollout), release["lastUpdateTime"].string()};
}

namespace {

// A JSON Patch on a Rollout's status that tests what everybody who decides about a step has seen.
class StatusPatch {
public:
    StatusPatch(Doc const& rollout, apis::DecisionTarget const& target)
        : part_(fmt::format("/status/{}/", apis::release_status_name(rollout))) {
        patch_.test("/metadata/uid", target.rollout_uid);
        patch_.test("/status/phase", "Progressing");
        test("currentStepIndex", *target.step);
        test(apis::release_revision_name(rollout), target.revision);
    }
    // For what JSON Patch cannot ask: that there is no date.
    void test_object(Doc const& rollout) {
        patch_.test("/metadata/resourceVersion", rollout.at({"metadata", "resourceVersion"}).string());
    }
    void test(std::string_view field, Value value) { patch_.test(part_ + std::string(field), std::move(value)); }
    Value set(std::string_view field, Value value) && {
        patch_.add(part_ + std::string(field), std::move(value));
        return patch_.take();
    }

private:
    std::string part_;
    json::PatchBuilder patch_;
};

}   // namespace

Value approval_patch(Doc const& rollout, apis::DecisionTarget const& target) {
    StatusPatch patch(rollout, target);
    patch.test("currentStepState", "StepPaused");
    Doc const paused_since = apis::release_status(rollout)["lastUpdateTime"];
    if (paused_since.exists()) {
        patch.test("lastUpdateTime", paused_since.string());
    } else {
        patch.test_object(rollout);
    }
    return std::move(patch).set("currentStepState", "StepReady");
}

Value jump_patch(Doc const& rollout, apis::DecisionTarget const& target, std::int64_t step) {
    StatusPatch patch(rollout, target);
    Doc const since = apis::release_status(rollout)["lastUpdateTime"];
    if (step > *target.step && since.exists()) patch.test("lastUpdateTime", since.string());
    return std::move(patch).set("nextStepIndex", step);
}

Outcome carry_out(Seen const& seen, Time now) { return Deciding{seen, now, {}}.run(); }

}   // namespace aviary::decision
