#include "member/workload/internal/native_set_base.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/rollouts/keys.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/internal/catching_up.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/pods.h"
#include "member/workload/kinds.h"

namespace aviary::workload {

using control::Write;
using json::Doc;

std::int64_t NativeSetBase::share_of(meta::IntOrPercent const& step) const {
    return workload::share_of(step, facts_.replicas);
}

std::optional<Write> NativeSetBase::let_go() const {
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    return write_if_changed(std::move(patch), resource(), "give up control");
}

std::vector<Write> NativeSetBase::clean() const {
    return concerned() ? std::vector<Write>() : clean_revisions(inputs_.revisions, marks_);
}

Labelling NativeSetBase::label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const {
    return label_units(units(), rollout_id, increments, now_);
}

Labelling NativeSetBase::spare(std::string_view rollout_id) const {
    return facts_.in_batches ? spare_units(units(), rollout_id, now_) : Labelling();
}

std::string NativeSetBase::noted(std::string_view mark) const { return meta::annotation(doc(), mark); }

bool NativeSetBase::observed() const {
    return doc().at({"status", "observedGeneration"}).as_int() >= facts_.generation;
}

bool NativeSetBase::is_unit(Doc const& pod) const {
    return is_active(pod) && !facts_.unit_revision.empty() && meta::label(pod, label_key()) == facts_.unit_revision;
}

std::vector<Doc> NativeSetBase::units() const {
    std::vector<Doc> result;
    for (Doc const& pod : inputs_.pods) {
        if (is_unit(pod)) result.push_back(pod);
    }
    sort(result);
    return result;
}

void NativeSetBase::observe_common(std::int64_t replicas) {
    own_hash_ = meta::template_hash(doc().at({"spec", "template"}));
    facts_.replicas = replicas;
    facts_.generation = meta::generation(doc());
    facts_.held_by = holder_of(noted(apis::kInProgressingAnnotation));
    facts_.controller_uid = field_of(noted(apis::kControlInfoAnnotation), "uid");
    facts_.rollout_id = rollout_id_of(doc());
    Doc const current = revision_with(doc().at({"spec", "template"}), inputs_.revisions);
    if (current.exists()) facts_.unit_revision = label_of(current);
    facts_.max_unavailable =
        std::max<std::int64_t>(1, meta::scaled(doc().at({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}),
                                               facts_.replicas, false, "1"));
}

void NativeSetBase::compare_revisions(bool noted) {
    facts_.update_revision = facts_.unit_revision.empty() ? own_hash_ : facts_.unit_revision;
    bool const same = !facts_.unit_revision.empty() && facts_.stable_revision == facts_.unit_revision;
    // Not noted, as with another rollout-id alone, or by upstream's controllers: by its rule.
    facts_.rolled_back = !facts_.held_by.empty() && same && (noted || facts_.outdated > 0);
    facts_.unnamed = !facts_.held_by.empty() && facts_.unit_revision.empty() && !facts_.stable_revision.empty() &&
                     template_with(facts_.stable_revision).is_null();
}

json::Value NativeSetBase::template_with(std::string_view label) const {
    auto const found = std::ranges::find_if(
        inputs_.revisions, [&](Doc const& revision) { return !label.empty() && label_of(revision) == label; });
    return found == inputs_.revisions.end() ? json::Value() : template_of(*found);
}

std::optional<control::Write> NativeSetBase::catch_up(std::string_view rollout, std::string_view before) const {
    json::Value pods = template_with(before);
    auto const [group, version] = meta::parse_api_version(doc()["apiVersion"].as_string());
    SetKind const* const known = find_set_kind(group, doc()["kind"].as_string());
    if (pods.is_null()) return std::nullopt;
    return caught_up(*this, json::Object{{"template", std::move(pods)}}, freeze_inputs(inputs_, rollout, before),
                     (known == nullptr ? labelled_kind() : *known).freeze);
}

Result<json::Value> NativeSetBase::stable_template() const {
    json::Value stable = template_with(facts_.stable_revision);
    if (!stable.is_null()) return stable;
    return fail(ErrorCode::kNotFound,
                fmt::format("{} has no ControllerRevision of the version before: it cannot go back by itself",
                            key().to_string()));
}

}   // namespace aviary::workload
