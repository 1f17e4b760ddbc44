#include "hub/propagation/decide.h"

#include <fmt/format.h>

#include "core/base/strings.h"
#include "hub/propagation/names.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

std::string label(Doc const& object, std::string_view key) { return std::string(meta::label(object, key)); }

// "1.123": the hub's resource version when it last wrote.
std::int64_t generation_of(Doc const& live) {
    std::string const text = label(live, kGenerationLabel);
    std::size_t const dot = text.find('.');
    return dot == std::string::npos ? 0 : parse_int(std::string_view(text).substr(dot + 1)).value_or(0);
}

Doc progressing_condition(Doc const& rollout) {
    for (auto const& [key, condition] : rollout.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == "Progressing") return condition;
    }
    return {};
}

// "<until>;<who>;<why>": an emergency edit in a member is left alone until then.
bool held(Doc const& live, Time now, std::string& why) {
    std::string const text(meta::annotation(live, kHold));
    if (text.empty()) return false;
    std::size_t const end = text.find(';');
    auto const until = parse_rfc3339(std::string_view(text).substr(0, end));
    if (!until || *until <= now) return false;
    why = text;
    return true;
}

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

    Decision remove() {
        if (!ours()) return answer(State::kRemoved);
        if (meta::is_deleting(seen.live)) return answer(State::kRemoving);
        bool const rollout = seen.live["kind"].as_string() == "Rollout";
        if (rollout && rollout_progressing(seen.live) && seen.on_delete != "Release") {
            // Upstream, taking the Rollout away lets the new version through.
            return answer(
                State::kRefused, "ReleaseInProgress",
                fmt::format(
                    "the Rollout is releasing here, and without it the new version would go through: annotate it with "
                    "{}=Rollback, Release or Hold",
                    kOnDelete));
        }
        if (seen.preserve_on_deletion) {
            Value labels{json::Object()};
            for (std::string_view key : {kHubLabel, kRenderLabel, kGenerationLabel, kTemplateLabel, kStableLabel}) {
                if (!label(seen.live, key).empty()) labels[key] = nullptr;
            }
            Value patch{json::Object()};
            patch.set({"metadata", "labels"}, labels);
            out.plan.writes.push_back(write(Write::Verb::kMergePatch, std::move(patch), "preserveResourcesOnDeletion"));
            return answer(State::kRemoving);
        }
        Write deletion = write(Write::Verb::kDelete, {}, "no longer placed here");
        deletion.delete_options.uid = meta::uid(seen.live);
        deletion.delete_options.propagation_policy = "Background";
        deletion.ignore_not_found = true;
        out.plan.writes.push_back(std::move(deletion));
        return answer(State::kRemoving);
    }

    RenderInput input() const {
        RenderInput result;
        result.source = seen.source;
        result.assignment = seen.assignment;
        result.hub_id = seen.hub_id;
        result.live = seen.live;
        result.releasing = releasing(seen.live) || frozen_by_us();
        result.replicas_belong_to_member = seen.replicas_belong_to_member;
        return result;
    }

    bool frozen_by_us() const {
        if (!seen.live.at({"spec", "paused"}).as_bool()) return false;
        for (std::string const& owner : owners(seen.live, {"spec", "paused"})) {
            if (owner == kFreezeManager) return true;
        }
        return false;
    }

    // The template wanted here: the hub's, unless this cluster is pinned to another while the hub still has the
    // rejected one.
    std::optional<Value> pinned() const {
        if (seen.assignment.revision.empty()) return std::nullopt;
        Value source = seen.source.at({"spec", "template"}).thaw();
        if (Value* metadata = source.find("metadata")) metadata->erase("creationTimestamp");
        if (template_hash(source) != seen.assignment.rejected) return std::nullopt;
        return seen.revision(seen.assignment.revision);
    }

    std::optional<Value> template_by(std::string_view hash) const {
        return hash.empty() ? std::optional<Value>() : seen.revision(hash);
    }

    // Why a changed template must not go to this member now; empty when it may.
    std::string guard(std::string& message) const {
        std::string const rollout = std::string(meta::name(seen.hub_rollout));
        if (!seen.rollout_placed) {
            message = fmt::format("Rollout {} selects this workload and is not placed in this cluster", rollout);
            return "RolloutNotPlaced";
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
        if (status["phase"].as_string().empty() ||
            status["observedGeneration"].as_int() < meta::generation(seen.member_rollout)) {
            message = "no rollout controller in this cluster has observed the Rollout";
            return "ControllerAbsent";
        }
        if (label(seen.member_rollout, kRenderLabel) != seen.hub_rollout_render) {
            message = fmt::format("Rollout {} in this cluster is not the hub's current one", rollout);
            return "RolloutMissing";
        }
        if (seen.member_rollout.at({"spec", "disabled"}).as_bool() || status["phase"].as_string() == "Disabled") {
            message = fmt::format("Rollout {} is disabled in this cluster", rollout);
            return "RolloutDisabled";
        }
        if (status["phase"].as_string() == "Initial") {
            message = fmt::format("Rollout {} has not found its workload in this cluster yet", rollout);
            return "RolloutMissing";
        }
        if (rollout_closing(seen.member_rollout)) {
            message = "the release before is still being closed in this cluster";
            return "ReleaseClosing";
        }
        return {};
    }

    void freeze() {
        Value patch{json::Object()};
        patch.set({"metadata", "resourceVersion"}, meta::resource_version(seen.live));
        patch.set({"spec", "paused"}, true);
        Write freezing = write(Write::Verb::kMergePatch, std::move(patch), "freeze before a new template");
        freezing.field_manager = kFreezeManager;
        out.plan.writes.push_back(std::move(freezing));
    }

    void apply(Value rendered, std::string why) {
        Write applying = write(Write::Verb::kApply, std::move(rendered), std::move(why));
        applying.force = seen.live.exists() || seen.overwrite;
        out.plan.writes.push_back(std::move(applying));
    }

    // Applies when the member does not carry this render, or somebody changed a field of it.
    Decision settle(Value rendered, State state, std::string reason, std::string message) {
        std::string const hash = seal(rendered, meta::resource_version(seen.source));
        bool const current = label(seen.live, kRenderLabel) == hash;
        if (current && owns_all(seen.live, kManager, rendered))
            return answer(state, std::move(reason), std::move(message));
        std::string why;
        if (current && held(seen.live, now, why)) return answer(State::kHeld, "Held", why);
        apply(std::move(rendered), current ? "drift" : "changed on the hub");
        return answer(state == State::kApplied ? State::kApplying : state, std::move(reason), std::move(message));
    }

    Decision create() {
        RenderInput rendering = input();
        rendering.pod_template = pinned();
        // A cluster that joins in the middle of a release starts with what the others come from.
        if (!rendering.pod_template && !seen.stable_elsewhere.empty())
            rendering.pod_template = template_by(seen.stable_elsewhere);
        Value rendered = render(rendering);
        seal(rendered, meta::resource_version(seen.source));
        apply(std::move(rendered), "new here");
        return answer(State::kApplying);
    }

    bool without_pods() const {
        return seen.live.at({"spec", "replicas"}).as_int(1) == 0 && seen.live.at({"status", "replicas"}).as_int() == 0;
    }

    // The old template stays, everything else follows the hub.
    Decision keep_old(std::string const& live_hash, std::string reason, std::string message) {
        RenderInput rendering = input();
        rendering.pod_template = template_by(live_hash);
        if (!rendering.pod_template) rendering.pod_template = seen.live.at({"spec", "template"}).thaw();
        Value rendered = render(rendering);
        rendered.set({"metadata", "labels", kTemplateLabel}, live_hash);
        return settle(std::move(rendered), State::kGuarded, std::move(reason), std::move(message));
    }

    // The template went out and no webhook took it over: back to the old one, then un-freeze.
    Decision take_back(std::string const& stable) {
        RenderInput rendering = input();
        rendering.pod_template = template_by(stable);
        if (rendering.pod_template) {
            Value rendered = render(rendering);
            seal(rendered, meta::resource_version(seen.source));
            apply(std::move(rendered), "nothing holds the new template back");
        }
        thaw_freeze();
        return answer(State::kGuarded, "WebhookNotInForce",
                      "no admission in this cluster froze the workload when its template changed");
    }

    void thaw_freeze() {
        Value patch{json::Object()};
        patch.set({"spec", "paused"}, nullptr);
        Write thawing = write(Write::Verb::kMergePatch, std::move(patch), "un-freeze");
        thawing.field_manager = kFreezeManager;
        out.plan.writes.push_back(std::move(thawing));
    }

    Decision workload() {
        RenderInput rendering = input();
        rendering.pod_template = pinned();
        Value rendered = render(rendering);
        std::string const wanted = rendered.at({"metadata", "labels", kTemplateLabel}).string();
        std::string const live_hash = label(seen.live, kTemplateLabel);
        bool const guarded = seen.hub_rollout.exists() && meta::annotation(seen.source, kUnguarded) != "allow";
        std::string const stable = label(seen.live, kStableLabel);

        if (guarded && wanted != live_hash && !live_hash.empty() && !without_pods()) {
            std::string message;
            std::string reason = guard(message);
            bool const in_release = releasing(seen.live);
            if (!reason.empty() &&
                !(in_release && reason != "RolloutNotPlaced" && reason != "ReleaseClosing" && wanted == stable)) {
                return keep_old(live_hash, std::move(reason), std::move(message));
            }
            if (!in_release && !seen.live.at({"spec", "paused"}).as_bool()) freeze();
            rendering.releasing = true;
            rendered = render(rendering);
            // Where this release comes from: a new version in the middle still comes from the same.
            rendered.set({"metadata", "labels", kStableLabel}, in_release && !stable.empty() ? stable : live_hash);
            seal(rendered, meta::resource_version(seen.source));
            apply(std::move(rendered), "a new template");
            return answer(State::kApplying);
        }
        if (guarded && frozen_by_us() && !releasing(seen.live) && wanted == live_hash &&
            !rollout_progressing(seen.member_rollout)) {
            if (!stable.empty() && stable != live_hash) return take_back(stable);
            thaw_freeze();
            return answer(State::kApplying);
        }
        if (!stable.empty()) rendered.set({"metadata", "labels", kStableLabel}, stable);
        return settle(std::move(rendered), State::kApplied, {}, {});
    }

    Decision run() {
        if (!seen.resource_served) {
            return answer(State::kNotServed, "NotServed",
                          fmt::format("this cluster does not serve {}", seen.resource.resource));
        }
        if (!seen.source.exists() || !seen.placed) return remove();
        if (seen.live.exists() && meta::is_deleting(seen.live))
            return answer(State::kApplying, "Terminating", "the object here is being deleted");
        std::string const hub = label(seen.live, kHubLabel);
        if (seen.live.exists() && !hub.empty() && hub != seen.hub_id) {
            return answer(State::kConflict, "OtherHub", fmt::format("belongs to hub {}", hub));
        }
        if (ours() && generation_of(seen.live) > parse_int(meta::resource_version(seen.source)).value_or(0) &&
            label(seen.live, kRenderLabel) != current_hash()) {
            return answer(State::kBehindMembers, "BehindMembers",
                          "the object here was written by a newer state of this hub: it was restored from an old "
                          "backup, or a second hub writes here");
        }
        if (!seen.live.exists()) return create();
        bool const has_template = seen.source.at({"spec", "template"}).exists();
        if (has_template) return workload();
        return settle(render(input()), State::kApplied, {}, {});
    }

    std::string current_hash() const {
        RenderInput rendering = input();
        rendering.pod_template = pinned();
        Value rendered = render(rendering);
        std::string const stable = label(seen.live, kStableLabel);
        if (!stable.empty()) rendered.set({"metadata", "labels", kStableLabel}, stable);
        return seal(rendered, meta::resource_version(seen.source));
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

bool releasing(Doc const& workload) { return !meta::annotation(workload, kInProgressing).empty(); }

bool rollout_progressing(Doc const& rollout) {
    std::string_view const phase = rollout.at({"status", "phase"}).as_string();
    return phase == "Progressing" || phase == "Disabling" || phase == "Terminating";
}

bool rollout_closing(Doc const& rollout) {
    std::string_view const phase = rollout.at({"status", "phase"}).as_string();
    if (phase == "Terminating" || phase == "Disabling" || meta::is_deleting(rollout)) return true;
    if (phase != "Progressing") return false;
    std::string_view const reason = progressing_condition(rollout)["reason"].as_string();
    return reason == "Finalising" || reason == "Cancelling" || reason == "Completed";
}

Decision decide(Observed const& seen, Time now) { return Deciding{seen, now, {}}.run(); }

}   // namespace aviary::propagation
