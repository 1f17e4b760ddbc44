#include "hub/propagation/decide.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "hub/propagation/adopt.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

std::string label(Doc const& object, std::string_view key) { return std::string(meta::label(object, key)); }

constexpr std::size_t kPutRightAtMost = 5;   // drift of one object, within

// What a member is to have as its pod template.
struct Wanted {
    std::optional<Value> pod_template;   // instead of the hub's own
    std::string hash;
    bool missing = false;   // the hub does not keep it
};

struct Deciding {
    Observed const& seen;
    Time now;
    Decision out;

    Decision answer(State state, std::string reason = {}, std::string message = {}) {
        out.state = state;
        out.reason = std::move(reason);
        out.message = std::move(message);
        return std::move(out);
    }

    bool ours() const { return seen.live.exists() && label(seen.live, kHubLabel) == seen.hub_id; }
    bool guarded() const { return seen.hub_rollout.exists() && meta::annotation(seen.source, kUnguarded) != "allow"; }
    std::string stable() const { return stable_template(seen.live); }
    Generation generation() const { return {seen.epoch, seen.content_version}; }
    // The hub has frozen it, and no release has taken it over.
    bool attempted() const {
        return frozen(seen.live) && !releasing(seen.live) && !rollout_progressing(seen.member_rollout);
    }
    bool without_pods() const { return propagation::without_pods(seen.live); }

    Write write(Write::Verb verb, Value body, std::string why) const {
        Write result;
        result.verb = verb;
        result.resource = seen.resource;
        result.key = seen.key;
        result.body = std::move(body);
        result.field_manager = kManager;
        result.why = std::move(why);
        return result;
    }

    // ---- away ----

    Decision remove() {
        if (!ours()) return answer(State::kRemoved);
        // A state from before it came here takes nothing away.
        if (generation_of(seen.live) > generation()) return answer_behind();
        if (meta::is_deleting(seen.live)) return answer(State::kRemoving);
        bool const rollout = seen.live["kind"].as_string() == "Rollout";
        if (rollout && release_here() && seen.on_delete != "Release") return answer_release_in_progress();
        // It goes on without the hub, so not under its freeze; but a template that nothing held stays there with it.
        bool const only_frozen = attempted() && stable() == label(seen.live, kTemplateLabel);
        if (seen.preserve_on_deletion && only_frozen) return lift_freeze(State::kRemoving, {}, {});
        if (seen.preserve_on_deletion) {
            Value labels{json::Object()};
            for (std::string_view key : kOwnLabels) {
                if (!label(seen.live, key).empty()) labels[key] = nullptr;
            }
            Value patch{json::Object()};
            patch.set({"metadata", "labels"}, labels);
            out.plan.writes.push_back(write(Write::Verb::kMergePatch, std::move(patch), "preserveResourcesOnDeletion"));
            return answer(State::kRemoving);
        }
        Write deletion = write(Write::Verb::kDelete, {}, "no longer placed here");
        deletion.delete_options.uid = meta::uid(seen.live);
        // The very Rollout that was seen at rest: a release that has begun since refuses.
        if (rollout && seen.on_delete != "Release")
            deletion.delete_options.resource_version = meta::resource_version(seen.live);
        deletion.delete_options.propagation_policy = "Background";
        deletion.ignore_not_found = true;
        out.plan.writes.push_back(std::move(deletion));
        return answer(State::kRemoving);
    }

    // Of a Rollout: a new version is held back here, by a release or by the hub's freeze.
    bool release_here() const {
        return rollout_progressing(seen.live) || releasing(seen.selected) || frozen(seen.selected);
    }

    // Upstream, taking the Rollout away, or disabling it, lets the new version through.
    Decision answer_release_in_progress() {
        if (seen.on_delete == "Rollback") {
            return answer(State::kRefused, "RollingBack",
                          "the Rollout is releasing here: it goes once the stable version is back");
        }
        return answer(
            State::kRefused, "ReleaseInProgress",
            fmt::format(
                "the Rollout is releasing here, and without it the new version would go through: finish or abort "
                "the release, or annotate the Rollout with {}=Release",
                kOnDelete));
    }

    // ---- rendering and applying ----

    RenderInput input(std::optional<Value> pod_template = {}) const {
        RenderInput result;
        result.source = seen.source;
        result.assignment = seen.assignment;
        result.hub_id = seen.hub_id;
        result.live = seen.live;
        result.releasing = releasing(seen.live) || frozen(seen.live) ||
                           (seen.hub_rollout.exists() && rollout_progressing(seen.member_rollout));
        result.replicas_belong_to_member = seen.replicas_belong_to_member;
        result.pod_template = std::move(pod_template);
        return result;
    }

    Value rendered(std::optional<Value> pod_template, std::string const& stable, ReplacedNote const& note) const {
        Value result = render(input(std::move(pod_template)));
        if (!stable.empty()) result.set({"metadata", "labels", kStableLabel}, stable);
        if (!note.replaced.empty()) result.set({"metadata", "labels", kReplacedLabel}, note.replaced);
        if (!note.at.empty()) result.set({"metadata", "labels", kReplacedAtLabel}, note.at);
        return result;
    }
    Value rendered(std::optional<Value> pod_template) const {
        return rendered(std::move(pod_template), stable(), replaced_note(seen.live));
    }

    // What was observed is the precondition of everything that could let a template through.
    void apply(Value object, std::string why) {
        if ((guarded() || taking_over()) && seen.live.exists())
            object.set({"metadata", "resourceVersion"}, meta::resource_version(seen.live));
        Write applying = write(Write::Verb::kApply, std::move(object), std::move(why));
        applying.force = seen.live.exists() || seen.overwrite;
        out.plan.writes.push_back(std::move(applying));
    }

    // Says this and nothing else as the manager of the freeze.
    void apply_freeze(std::string const& live_hash, bool freeze) {
        Doc const& from = seen.source.exists() ? seen.source : seen.live;
        Value object{json::Object{{"apiVersion", from["apiVersion"].string()}, {"kind", from["kind"].string()}}};
        object.set({"metadata", "name"}, seen.key.name);
        if (!seen.key.ns.empty()) object.set({"metadata", "namespace"}, seen.key.ns);
        object.set({"metadata", "resourceVersion"}, meta::resource_version(seen.live));
        auto const freezing = propagation::freezing(seen.live);
        Doc const own = value_at(seen.source, freezing->field);
        if (freeze) {
            // The label tells a freeze before the new template from one behind it: then the two labels differ.
            object.set({"metadata", "labels", kStableLabel}, live_hash);
            set_at(object, freezing->field, freezing->says);
        } else if (own.exists() && !(own.thaw() == freezing->says)) {
            set_at(object, freezing->field, own.thaw());
        }
        Write writing = write(Write::Verb::kApply, std::move(object), freeze ? "freeze" : "lift the freeze");
        writing.field_manager = kFreezeManager;
        writing.force = true;
        out.plan.writes.push_back(std::move(writing));
    }

    // An emergency edit in a member is left alone.
    std::optional<Decision> held() {
        for (Doc const& object : {seen.live, seen.source}) {
            auto const until = apis::held_until(object, now);
            if (!until) continue;
            out.plan.requeue_at(*until, "fleet.aviary.dev/hold");
            return answer(State::kHeld, "Held", "held " + apis::hold_words(object));
        }
        return std::nullopt;
    }

    // Once a release has given its fields back they are the hub's alone; so are those that the hub has taken over.
    void end_claims() {
        if (input().releasing) return;
        auto const from = origin();
        if (auto end = from ? end_of_origin(seen.live, *from) : std::nullopt) {
            out.plan.writes.push_back(write(Write::Verb::kMergePatch, std::move(*end), "taken over"));
            return;
        }
        if (!template_in(seen.live).exists()) return;
        std::optional<Value> managed = without_claims_of_releases(seen.live, kManager);
        if (!managed) return;
        Value patch{json::Object()};
        patch.set({"metadata", "resourceVersion"}, meta::resource_version(seen.live));
        patch.set({"metadata", "managedFields"}, std::move(*managed));
        out.plan.writes.push_back(write(Write::Verb::kMergePatch, std::move(patch), "the release's claims have ended"));
    }

    // Applies when the member does not carry this render, or somebody has changed a field of it.
    Decision settle(Value object, State state, std::string reason, std::string message) {
        std::string const hash = seal(object, generation());
        // A hub that was recovered says so on everything: the one before, should it come back, is behind then.
        bool const same = ours() && label(seen.live, kRenderLabel) == hash;
        bool const current = same && generation_of(seen.live).epoch >= seen.epoch;
        std::optional<Lost> const lost = current ? first_lost(seen.live, kManager, object) : std::nullopt;
        if (current && !lost) {
            end_claims();
            return answer(state, std::move(reason), std::move(message));
        }
        if (auto hold = held()) return std::move(*hold);
        if (!current) {
            apply(std::move(object), same ? "the hub was recovered" : "changed on the hub");
            return answer(state == State::kApplied ? State::kApplying : state, std::move(reason), std::move(message));
        }
        std::string const what = fmt::format("{} was changed by {}", lost->field.empty() ? "the object" : lost->field,
                                             lost->owners.empty() ? "somebody" : join(lost->owners, ", "));
        auto const lately =
            std::ranges::count_if(seen.put_right, [this](Time when) { return when + kPutRightWithin > now; });
        if (lately >= static_cast<std::ptrdiff_t>(kPutRightAtMost)) {
            Time const again = seen.put_right.back() + kPutRightWithin;
            out.plan.requeue_at(again, "drift is put right five times a minute at most");
            return answer(State::kConflict, "Drift",
                          fmt::format("{} again and again: tried again within a minute", what));
        }
        apply(std::move(object), "drift");
        out.put_right = true;
        if (state != State::kApplied) return answer(state, std::move(reason), std::move(message));
        return answer(State::kApplying, "Drift", what);
    }

    // ---- workloads ----

    // The hub's template, unless this cluster is pinned to another while the hub still has the rejected one, or begins
    // without pods while others release.
    Wanted choose(bool begins) const {
        Wanted wanted;
        std::string const hub = template_hash(pod_template(seen.source));
        wanted.hash = hub;
        bool const rejected = seen.assignment.rejected == hub;
        if (rejected && seen.assignment.revision.empty()) {
            wanted.hash = there(hub);
        } else if (taken_back()) {
            wanted.hash = stable();
        } else if (rejected) {
            wanted.hash = seen.assignment.revision;
        } else if (begins && guarded() && !seen.stable_elsewhere.empty() && !finished(hub)) {
            wanted.hash = seen.stable_elsewhere;
        }
        if (wanted.hash == hub) return wanted;
        wanted.pod_template = seen.revision(wanted.hash);
        wanted.missing = !wanted.pod_template;
        return wanted;
    }

    // It has come to the hub's version by a release of its own, step by step: scaled to nothing since, it begins
    // nothing.
    bool finished(std::string const& hub) const {
        return ours() && label(seen.live, kTemplateLabel) == hub && !releasing(seen.live) && !frozen(seen.live);
    }

    // What stays where the hub's template is rejected for nothing else: what the cluster has, behind a freeze of the
    // hub what it had before.
    std::string there(std::string const& hub) const {
        std::string has = attempted() && !stable().empty() ? stable() : label(seen.live, kTemplateLabel);
        if (has.empty() || !ours()) has = seen.stable_elsewhere;
        return has.empty() ? hub : has;
    }

    // Its Rollout is disabled, or taken away here, in the middle of a release, and is to go back first. It holds back
    // afterwards as before, so that nothing has to be pinned.
    bool taken_back() const {
        bool const ends = seen.rollout_taken_away || seen.hub_rollout.at({"spec", "disabled"}).as_bool();
        return ends && guarded() && releasing(seen.live) && !stable().empty() &&
               meta::annotation(seen.hub_rollout, kOnDelete) == "Rollback";
    }

    Decision create() {
        if (!template_in(seen.source).exists()) {
            Value object = render(input());
            seal(object, generation());
            apply(std::move(object), "new here");
            return answer(State::kApplying);
        }
        Wanted wanted = choose(true);
        if (wanted.missing) return answer_missing(wanted.hash);
        Value object = rendered(std::move(wanted.pod_template), {}, {});
        seal(object, generation());
        apply(std::move(object), "new here");
        return answer(State::kApplying);
    }

    Decision answer_missing(std::string const& hash) {
        return answer(State::kGuarded, "RevisionMissing",
                      fmt::format("the hub does not keep the template {} that this cluster should have", hash));
    }

    // Why a changed template must not go to this member now; empty when it may.
    std::string guard(std::string& message) const {
        std::string const rollout = meta::name(seen.hub_rollout);
        if (!freezing(seen.source) || !freezing(seen.live)) {
            std::string_view const kind = seen.source["kind"].as_string();
            std::string const what = kind == "StatefulSet" ? "a StatefulSet that is updated as its pods are deleted"
                                                           : fmt::format("a {}", kind);
            message = fmt::format("a changed template of {} cannot be held back: annotate it with {}=allow", what,
                                  kUnguarded);
            return "KindNotSupported";
        }
        if (!seen.rollout_placed) {
            message = fmt::format("Rollout {} selects this workload and is not placed in this cluster", rollout);
            return "RolloutNotPlaced";
        }
        if (!seen.rollouts_served && !seen.rollouts_versions.empty()) {
            message =
                fmt::format("this cluster serves rollouts.kruise.io in {} and not in {}: update its rollout controller",
                            seen.rollouts_versions, apis::kRollouts.version);
            return "ControllerTooOld";
        }
        if (!seen.rollouts_served) {
            message = "this cluster does not serve rollouts.kruise.io: install the member controller";
            return "ControllerAbsent";
        }
        if (!seen.member_rollout.exists()) {
            message = fmt::format("Rollout {} has not arrived in this cluster yet", rollout);
            return "RolloutMissing";
        }
        Doc const status = seen.member_rollout["status"];
        std::string_view const phase = status["phase"].as_string();
        if (phase.empty() || status["observedGeneration"].as_int() < meta::generation(seen.member_rollout)) {
            message = "no rollout controller in this cluster has observed the Rollout";
            return "ControllerAbsent";
        }
        if (label(seen.member_rollout, kRenderLabel) != seen.hub_rollout_render) {
            message = fmt::format("Rollout {} in this cluster is not the hub's current one", rollout);
            return "RolloutMissing";
        }
        // A workload that is not in progress any more while its Rollout is has just been let go.
        bool const let_go = rollout_progressing(seen.member_rollout) && !releasing(seen.live);
        if (let_go || rollout_closing(seen.member_rollout)) {
            message = "the release before is still being closed in this cluster";
            return "ReleaseClosing";
        }
        if (meta::is_deleting(seen.hub_rollout)) {
            message = fmt::format("Rollout {} is being deleted on the hub: no release begins under it", rollout);
            return "RolloutLeaving";
        }
        if (seen.member_rollout.at({"spec", "disabled"}).as_bool() || phase == "Disabled") {
            message = fmt::format("Rollout {} is disabled in this cluster", rollout);
            return "RolloutDisabled";
        }
        if (phase == "Initial") {
            message = fmt::format("Rollout {} has not found its workload in this cluster yet", rollout);
            return "RolloutMissing";
        }
        if (seen.not_before && now < *seen.not_before) {
            message = fmt::format("{}; tried again at {}", kNotInForce, format_rfc3339(*seen.not_before));
            return "WebhookNotInForce";
        }
        return {};
    }

    static constexpr std::string_view kNotInForce =
        "no admission in this cluster froze the workload when its template changed";

    // The old template stays, everything else follows the hub.
    Decision keep_old(std::string const& live_hash, std::string reason, std::string message) {
        if (reason == "WebhookNotInForce") out.plan.requeue_at(*seen.not_before, "the webhook may be back");
        std::optional<Value> kept = ours() ? seen.revision(live_hash) : std::nullopt;
        if (!kept) return answer(State::kGuarded, std::move(reason), std::move(message));
        Value object = rendered(std::move(kept));
        object.set({"metadata", "labels", kTemplateLabel}, live_hash);
        return settle(std::move(object), State::kGuarded, std::move(reason), std::move(message));
    }

    // The template went out and no admission took it over: back to the old one. The freeze is lifted when that is seen.
    Decision take_back() {
        std::optional<Value> kept = seen.revision(stable());
        if (!kept) {
            return answer(State::kGuarded, "WebhookNotInForce",
                          fmt::format("{}, and the hub does not keep the template {} to go back to: it stays frozen",
                                      kNotInForce, stable()));
        }
        Value object = rendered(std::move(kept));
        seal(object, generation());
        apply(std::move(object), "nothing holds the new template back");
        out.taken_back = true;
        return answer(State::kGuarded, "WebhookNotInForce", std::string(kNotInForce));
    }

    Decision lift_freeze(State state, std::string reason, std::string message) {
        apply_freeze({}, false);
        return answer(state, std::move(reason), std::move(message));
    }

    Decision send(Wanted wanted, std::string const& stable) {
        Value object = rendered(std::move(wanted.pod_template), stable, replaced_note(seen.live, seen.member_rollout));
        seal(object, generation());
        apply(std::move(object), "a new template");
        return answer(State::kApplying);
    }

    // Which template the member has: its label says; an object that the hub is to take over has none.
    std::string live_hash(Wanted const& wanted) const {
        std::string const known = label(seen.live, kTemplateLabel);
        if (ours() && !known.empty()) return known;
        Value const there = pod_template(seen.live);
        bool const same = says(there, wanted.pod_template ? *wanted.pod_template : pod_template(seen.source));
        return same ? wanted.hash : template_hash(there);
    }

    // The rejected version releases here, and comes from another one than this cluster is pinned to: it was pinned
    // before that was known.
    bool pinned_elsewhere(std::string const& has) const {
        std::string const& pinned = seen.assignment.revision;
        return !pinned.empty() && has == seen.assignment.rejected && has == template_hash(pod_template(seen.source)) &&
               !stable().empty() && stable() != pinned;
    }

    Decision workload() {
        Wanted wanted = choose(without_pods());
        std::string const has = live_hash(wanted);
        if (releasing(seen.live) && wanted.hash != stable() && pinned_elsewhere(has)) {
            return keep_old(has, "PinOutdated",
                            fmt::format("this cluster was to go back to {}, and its release comes from {} by now: the "
                                        "decision looks again; where none is open, undo it again",
                                        wanted.hash, stable()));
        }
        if (!guarded()) {
            // A new template that is not wanted any more is replaced under the freeze.
            bool const unwanted = stable() != has && wanted.hash != has;
            if (attempted() && !unwanted) return lift_freeze(State::kApplying, {}, {});
            if (wanted.missing) return answer_missing(wanted.hash);
            bool const changes = seen.hub_rollout.exists() && wanted.hash != has;
            Value object =
                changes ? rendered(std::move(wanted.pod_template), has, {}) : rendered(std::move(wanted.pod_template));
            return settle(std::move(object), State::kApplied, {}, {});
        }
        // A new template is there, nothing holds it but the hub's own freeze.
        if (attempted() && !stable().empty() && stable() != has) {
            // Nothing is to be held where nothing is to run: no admission takes that over.
            if (!scaled_to_nothing(seen.live)) return take_back();
            if (!without_pods()) return answer(State::kApplying);
        }
        if (wanted.hash == has && !wanted.missing) {
            if (attempted()) return lift_freeze(State::kApplying, {}, {});
            return settle(rendered(std::move(wanted.pod_template)), State::kApplied, {}, {});
        }
        std::string message;
        std::string reason = wanted.missing ? "RevisionMissing" : without_pods() ? std::string() : guard(message);
        if (wanted.missing) message = answer_missing(wanted.hash).message;
        bool const in_release = releasing(seen.live);
        bool const goes_back = in_release && wanted.hash == stable() && !wanted.missing;
        // Back goes through whatever holds, also a Rollout that is to leave: it stays as long as it releases.
        bool const holds = reason != "RolloutNotPlaced" || rollout_progressing(seen.member_rollout);
        bool const refused = !reason.empty() && !(goes_back && holds && reason != "ReleaseClosing");
        if (refused) {
            if (attempted()) return lift_freeze(State::kGuarded, std::move(reason), std::move(message));
            return keep_old(has, std::move(reason), std::move(message));
        }
        if (auto hold = held(); hold && !goes_back) {
            if (!attempted()) return std::move(*hold);
            return lift_freeze(State::kHeld, std::move(hold->reason), std::move(hold->message));
        }
        out = {};
        // Where this release comes from: a new version in the middle still comes from the same.
        if (in_release) return send(std::move(wanted), stable().empty() ? has : stable());
        // Back under the freeze: once that is lifted, what is there counts as finished.
        if (without_pods() && attempted() && wanted.hash == stable()) return send(std::move(wanted), stable());
        if (without_pods()) return attempted() ? lift_freeze(State::kApplying, {}, {}) : send(std::move(wanted), has);
        // Nothing begins that could not be taken back.
        if (frozen(seen.live) && !seen.revision(has)) {
            return answer(State::kApplying, "RevisionMissing",
                          fmt::format("the hub does not keep the template {} yet, which this release comes from", has));
        }
        if (frozen(seen.live)) return send(std::move(wanted), has);
        apply_freeze(has, true);
        return answer(State::kApplying);
    }

    // ---- what something else has brought ----

    std::optional<Origin> origin() const { return parse_origin(meta::annotation(seen.source, kAdopt)); }
    bool taking_over() const { return origin() && label(seen.live, kHubLabel).empty(); }

    // Why it stays what it is; absent when it may become the hub's.
    std::optional<Decision> not_ours() {
        if (!taking_over()) {
            if (seen.overwrite) return std::nullopt;
            return answer(State::kConflict, "AlreadyExists",
                          "exists in this cluster and does not come from the hub: take it over with `aviary adopt`, "
                          "delete it there, or set spec.conflictResolution of the policy to Overwrite");
        }
        if (release_here() || releasing(seen.live) || frozen(seen.live) || rollout_progressing(seen.member_rollout)) {
            return answer(State::kConflict, "ReleaseInProgress",
                          "a release is under way here: it is taken over when that has ended");
        }
        Wanted wanted = choose(false);
        if (wanted.missing) return answer_missing(wanted.hash);
        auto const found = differences(rendered(std::move(wanted.pod_template), {}, {}), seen.live, 1);
        if (found.empty()) return std::nullopt;
        return answer(State::kConflict, "Differs",
                      fmt::format("{}: it is taken over once they are the same", to_string(found.front())));
    }

    // ---- all kinds ----

    Decision run() {
        if (!seen.resource_served) {
            return answer(State::kNotServed, "NotServed",
                          fmt::format("this cluster does not serve {}", seen.resource.resource));
        }
        if (!seen.source.exists() || !seen.placed) return remove();
        if (meta::is_deleting(seen.live))
            return answer(State::kApplying, "Terminating", "the object here is being deleted");
        if (!seen.live.exists()) return create();
        std::string const hub = label(seen.live, kHubLabel);
        if (!hub.empty() && hub != seen.hub_id)
            return answer(State::kConflict, "OtherHub",
                          fmt::format("belongs to hub {}: `aviary hub recover --from-members` where this one takes its "
                                      "place, else one of the two leaves this cluster by `aviary unjoin`",
                                      hub));
        if (hub.empty()) {
            if (auto refused = not_ours()) return std::move(*refused);
        }
        if (behind()) return answer_behind();
        if (template_in(seen.source).exists()) return workload();
        bool const disables =
            seen.source.at({"spec", "disabled"}).as_bool() && !seen.live.at({"spec", "disabled"}).as_bool();
        if (seen.source["kind"].as_string() == "Rollout" && disables && release_here() && seen.on_delete != "Release")
            return answer_release_in_progress();
        return settle(render(input()), State::kApplied, {}, {});
    }

    // The member carries something that this hub has not written yet.
    bool behind() const {
        Generation const there = generation_of(seen.live);
        Generation const own = generation();
        if (there.epoch != own.epoch) return there.epoch > own.epoch;
        if (there <= own && !seen.was_behind) return false;
        std::optional<Value> kept;
        if (template_in(seen.source).exists()) kept = choose(false).pod_template;
        Value object = rendered(std::move(kept));
        return label(seen.live, kRenderLabel) != seal(object, own);
    }

    Decision answer_behind() {
        return answer(State::kBehindMembers, "BehindMembers",
                      "the object here was written by a newer state of this hub: it was restored from an old backup, "
                      "or a second hub writes here; `aviary hub recover --from-members` brings it on");
    }
};

}   // namespace

std::string_view to_string(State state) {
    switch (state) {
        case State::kApplied: return "Applied";
        case State::kApplying: return "Applying";
        case State::kGuarded: return "Guarded";
        case State::kConflict: return "Conflict";
        case State::kNotServed: return "NotServed";
        case State::kBehindMembers: return "BehindMembers";
        case State::kHeld: return "Held";
        case State::kRemoving: return "Removing";
        case State::kRemoved: return "Removed";
        case State::kRefused: break;
    }
    return "Refused";
}

Decision decide(Observed const& seen, Time now) { return Deciding{seen, now, {}}.run(); }

}   // namespace aviary::propagation
