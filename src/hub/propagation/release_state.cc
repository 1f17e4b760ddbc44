#include "hub/propagation/release_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apis/fleet/brought.h"
#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "hub/placement/bindings.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "hub/propagation/render.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using json::Doc;

std::string label(Doc const& object, std::string_view key) { return std::string(meta::label(object, key)); }

Doc progressing_condition(Doc const& rollout) {
    for (auto const& [key, condition] : rollout.at({"status", "conditions"}).elements()) {
        if (condition["type"].as_string() == "Progressing") return condition;
    }
    return {};
}

}   // namespace

std::pair<meta::GroupVersionKind, meta::ObjectKey> workload_of(Doc const& rollout) {
    Doc const reference = rollout.at({"spec", "workloadRef"});
    auto [group, version] = meta::parse_api_version(reference["apiVersion"].as_string());
    return {{std::move(group), std::move(version), reference["kind"].string()},
            {meta::ns(rollout), reference["name"].string()}};
}

bool releasing(Doc const& workload) { return !meta::annotation(workload, kInProgressing).empty(); }

bool frozen(Doc const& workload) {
    auto const freeze = freezing(workload);
    if (!freeze || !(value_at(workload, freeze->field).thaw() == freeze->says)) return false;
    auto const managers = owners(workload, freeze->field);
    return std::ranges::find(managers, kFreezeManager) != managers.end();
}

bool scaled_to_nothing(Doc const& workload) { return workload.at({"spec", "replicas"}).as_int(1) == 0; }

bool without_pods(Doc const& workload) {
    return scaled_to_nothing(workload) && workload.at({"status", "replicas"}).as_int() == 0;
}

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

std::vector<std::string> templates_named(Doc const& workload) {
    return {label(workload, kTemplateLabel), label(workload, kStableLabel), apis::replaced(workload).hash};
}

bool observed(Doc const& workload, Doc const& rollout) {
    if (!rollout_progressing(rollout) || rollout_closing(rollout)) return false;
    // The release itself may have raised the generation since, and a controller need not say that it has seen that.
    std::int64_t const came = parse_int(label(workload, kReplacedAtLabel)).value_or(meta::generation(workload));
    return std::ranges::any_of(std::array{"canaryStatus", "blueGreenStatus"}, [&](char const* style) {
        return rollout.at({"status", style, "observedWorkloadGeneration"}).as_int() >= came;
    });
}

ReplacedNote replaced_note(Doc const& workload, Doc const& rollout) {
    std::string const from = apis::comes_from(workload);
    if (!releasing(workload) || from.empty()) return {};
    std::string const at = std::to_string(meta::generation(workload) + 1);
    // A template that the member has not looked at yet was not completed; the one before it may have been.
    if (apis::replaced(workload).from == from && !observed(workload, rollout))
        return {label(workload, kReplacedLabel), at};
    return {fmt::format("{}.{}", label(workload, kTemplateLabel), from), at};
}

ReplacedNote replaced_note(Doc const& workload) {
    bool const same = releasing(workload) && apis::replaced(workload).from == apis::comes_from(workload);
    return same ? ReplacedNote{label(workload, kReplacedLabel), label(workload, kReplacedAtLabel)} : ReplacedNote();
}

std::string stable_elsewhere(std::vector<Doc> const& others, std::string_view wanted, std::string recorded) {
    std::string old;
    bool settled = false;
    for (Doc const& other : others) {
        std::string const has = label(other, kTemplateLabel);
        std::string const stable = stable_template(other);
        if ((releasing(other) || frozen(other)) && !stable.empty() && stable != wanted) return stable;
        settled = settled || has == wanted;
        if (old.empty() && has != wanted) old = has;
    }
    if (settled) return {};
    return !old.empty() || recorded == wanted ? old : recorded;
}

std::string version_before(Doc const& workload, std::string_view hub_template) {
    std::string has = label(workload, kTemplateLabel);
    bool const held = releasing(workload) || frozen(workload);
    return !held && has != hub_template ? has : stable_template(workload);
}

bool is_word_on_delete(std::string_view on_delete) { return on_delete == "Release" || is_done_first(on_delete); }

bool is_done_first(std::string_view on_delete) { return on_delete == "Rollback" || on_delete == "Hold"; }

bool leaving(Doc const& hub_rollout) {
    return meta::is_deleting(hub_rollout) && meta::has_finalizer(hub_rollout, placement::kOnDeleteFinalizer);
}

bool holds_back(Doc const& rollout, Doc const& workload) {
    return frozen(workload) || (rollout.exists() && (rollout_progressing(rollout) || releasing(workload)));
}

std::string stable_revision(std::vector<Doc> const& workloads, std::string_view wanted, std::string before) {
    std::string left, other;
    for (Doc const& workload : workloads) {
        std::string has = label(workload, kTemplateLabel);
        if (releasing(workload) || frozen(workload)) {
            if (std::string from = stable_template(workload); left.empty() && from != wanted) left = std::move(from);
            continue;
        }
        if (has == wanted) return has;
        if (other.empty()) other = std::move(has);
    }
    if (!left.empty()) return left;
    return before.empty() ? other : before;
}

}   // namespace aviary::propagation
