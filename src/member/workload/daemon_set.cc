#include "member/workload/daemon_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/counting.h"
#include "member/workload/deployment.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/pods.h"
#include "member/workload/internal/revisions.h"
#include "member/workload/json_patch.h"

namespace aviary::workload {

namespace {

using control::Write;
using json::Doc;
using json::Value;

constexpr std::string_view kRollingUpdate = "RollingUpdate";
constexpr std::string_view kDeletionCost = "controller.kubernetes.io/pod-deletion-cost";
// A pod that is there so long after its grace period has a node that does not answer.
constexpr Duration kOverdue = std::chrono::seconds(30);

JsonPatch::Path type_path() { return {"spec", "updateStrategy", "type"}; }

std::optional<Time> overdue_from(Doc const& pod) {
    auto const gone = parse_rfc3339(pod.at({"metadata", "deletionTimestamp"}).as_string());
    return gone ? std::optional(*gone + kOverdue) : std::nullopt;
}

// The version, as pods are labelled with it, that most active pods have, the newest of equals. Empty: there is none.
std::string prevailing_revision(DaemonSetInputs const& inputs) {
    std::map<std::string, std::int64_t> counts;
    for (Doc const& pod : inputs.pods) {
        if (is_active(pod)) ++counts[meta::label(pod, kRevisionHashLabel)];
    }
    std::tuple<std::int64_t, std::int64_t, std::string> best;
    for (Doc const& revision : inputs.revisions) {
        std::string const hash = meta::label(revision, kRevisionHashLabel);
        auto const found = counts.find(hash);
        if (hash.empty() || found == counts.end()) continue;
        best = std::max(best, std::tuple(found->second, revision["revision"].as_int(), hash));
    }
    return std::get<2>(best);
}

class DaemonSet final : public Workload {
public:
    DaemonSet(DaemonSetInputs inputs, Time now) : inputs_(std::move(inputs)), now_(now) {
        observe();
        count();
    }

    Doc const& object() const override { return inputs_.set; }
    meta::GroupVersionResource const& resource() const override { return kDaemonSets; }
    std::string_view type_label() const override { return "daemonset"; }
    Facts const& facts() const override { return facts_; }
    bool is_current(std::string_view revision) const override {
        return !revision.empty() && (revision == facts_.update_revision || revision == own_hash_);
    }
    std::int64_t share_of(meta::IntOrPercent const& step) const override {
        return workload::share_of(step, facts_.replicas);
    }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override;
    std::optional<Write> let_go() const override;
    std::optional<Write> restore(Restore const& how) const override;
    Result<std::vector<Write>> leave(Leaving how) const override;
    std::vector<Write> tidy() const override { return {}; }
    std::vector<Write> clean() const override {
        if (facts_.leftovers || !facts_.held_by.empty()) return {};
        return clean_revisions(inputs_.revisions, kDaemonSetMarks);
    }
    Labelling label(std::string_view rollout_id, std::vector<std::int64_t> const& increments) const override {
        return label_units(units(), rollout_id, increments, now_);
    }
    std::vector<control::Wait> obstacles() const override;

private:
    Doc const& doc() const { return inputs_.set; }
    std::string noted(std::string_view mark) const { return meta::annotation(doc(), mark); }
    std::string type() const { return doc().at({"spec", "updateStrategy", "type"}).string(); }
    bool observed() const { return doc().at({"status", "observedGeneration"}).as_int() >= facts_.generation; }
    bool is_unit(Doc const& pod) const {
        return is_active(pod) && !facts_.unit_revision.empty() &&
               meta::label(pod, kRevisionHashLabel) == facts_.unit_revision;
    }
    bool is_available(Doc const& pod) const {
        auto const from = available_from(pod, min_ready_);
        return from && *from <= now_;
    }
    std::string own_type() const;
    std::string stable_revision() const;
    std::vector<Doc> units() const;
    std::vector<Doc> outdated() const;
    std::int64_t missing(std::int64_t share) const;
    std::vector<Write> replace(std::int64_t count) const;
    std::optional<Write> changed(JsonPatch patch, std::string why) const;   // absent: it changes nothing
    Write write(JsonPatch patch, std::string why) const;
    void observe();
    void count();

    DaemonSetInputs inputs_;
    Time now_;
    Duration min_ready_{};
    std::string own_hash_;
    Facts facts_;
};

void DaemonSet::observe() {
    own_hash_ = meta::template_hash(doc().at({"spec", "template"}));
    min_ready_ = std::chrono::seconds(doc().at({"spec", "minReadySeconds"}).as_int());
    facts_.replicas = doc().at({"status", "desiredNumberScheduled"}).as_int();
    facts_.generation = meta::generation(doc());
    facts_.held_by = field_of(noted(apis::kInProgressingAnnotation), "rolloutName");
    facts_.controller_uid = field_of(noted(apis::kControlInfoAnnotation), "uid");
    facts_.rollout_id = meta::label(doc(), apis::kRolloutIdLabel);
    bool const marked =
        std::ranges::any_of(kDaemonSetMarks, [this](std::string_view mark) { return !noted(mark).empty(); });
    facts_.leftovers = !facts_.controller_uid.empty() || (marked && facts_.held_by.empty());
    Doc const current = revision_with(doc().at({"spec", "template"}), inputs_.revisions);
    facts_.unit_revision = meta::label(current, kRevisionHashLabel);
    facts_.update_revision = facts_.unit_revision.empty() ? own_hash_ : facts_.unit_revision;
    facts_.stable_revision = stable_revision();
    facts_.rolled_back =
        !facts_.held_by.empty() && !facts_.unit_revision.empty() && facts_.stable_revision == facts_.unit_revision;
    // Pods that come beside the old ones are no part of a release: with maxSurge alone it takes one at a time.
    facts_.max_unavailable =
        std::max<std::int64_t>(1, meta::scaled(doc().at({"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}),
                                               facts_.replicas, false, "1"));
}

// What the release began from; where nobody has noted it yet, what most pods have.
std::string DaemonSet::stable_revision() const {
    std::string noted_one = field_of(noted(apis::kDaemonSetRevisionAnnotation), "stable-revision");
    if (!noted_one.empty() || facts_.held_by.empty()) return noted_one;
    return prevailing_revision(inputs_);
}

void DaemonSet::count() {
    Present const present =
        count_pods(facts_, inputs_.pods, [this](Doc const& pod) { return is_unit(pod); }, min_ready_, now_);
    std::int64_t on_nodes = 0;   // one that drains for long keeps its node, and is not waited for
    for (Doc const& pod : inputs_.pods) {
        on_nodes += is_active(pod) || meta::is_deleting(pod) ? 1 : 0;
        auto const overdue = overdue_from(pod);
        if (overdue && *overdue > now_) facts_.settles_at = std::min(*overdue, facts_.settles_at.value_or(*overdue));
    }
    facts_.settled = observed() && !facts_.unit_revision.empty() && on_nodes >= facts_.replicas && !present.going;
}

std::vector<Doc> DaemonSet::units() const {
    std::vector<Doc> result;
    for (Doc const& pod : inputs_.pods) {
        if (is_unit(pod)) result.push_back(pod);
    }
    // The newest are labelled first, with the latest batch.
    std::ranges::sort(result, {}, [](Doc const& pod) {
        return std::pair(pod.at({"metadata", "creationTimestamp"}).string(), meta::name(pod));
    });
    return result;
}

// Those of other versions that were not told to go, in the order in which they do.
std::vector<Doc> DaemonSet::outdated() const {
    std::vector<Doc> result;
    for (Doc const& pod : inputs_.pods) {
        if (is_active(pod) && !is_unit(pod)) result.push_back(pod);
    }
    auto const rank = [](Doc const& pod) {
        bool const pending =
            !pod.at({"spec", "nodeName"}).exists() || pod.at({"status", "phase"}).as_string() == "Pending";
        return std::tuple(!pending, is_ready(pod), parse_int(meta::annotation(pod, kDeletionCost)).value_or(0));
    };
    std::ranges::sort(result, [&rank](Doc const& left, Doc const& right) {
        auto const first = rank(left);
        auto const second = rank(right);
        if (first != second) return first < second;
        auto const age = [](Doc const& pod) {
            return std::pair(pod.at({"metadata", "creationTimestamp"}).string(), meta::name(pod));
        };
        return age(left) > age(right);
    });
    return result;
}

// How many pods are to go yet so that the share is of the new version. What is on its way comes in that version.
std::int64_t DaemonSet::missing(std::int64_t share) const {
    std::int64_t active = 0;
    std::int64_t going = 0;
    std::int64_t overdue = 0;
    for (Doc const& pod : inputs_.pods) {
        if (is_active(pod)) {
            ++active;
        } else if (auto const since = overdue_from(pod)) {
            ++(*since > now_ ? going : overdue);
        }
    }
    // Of a node that was taken away both an active pod and one that goes may be left, and neither comes back.
    std::int64_t const coming = std::max({facts_.replicas - active - overdue, going, std::int64_t{0}});
    return share - facts_.updated - coming;
}

// Pods that serve nobody are replaced freely, others within maxUnavailable.
std::vector<Write> DaemonSet::replace(std::int64_t count) const {
    std::int64_t const available =
        std::ranges::count_if(inputs_.pods, [this](Doc const& pod) { return is_active(pod) && is_available(pod); });
    std::int64_t budget = facts_.max_unavailable - std::max<std::int64_t>(0, facts_.replicas - available);
    std::vector<Write> writes;
    for (Doc const& pod : outdated()) {
        if (std::ssize(writes) >= count) break;
        if (is_available(pod) && budget-- <= 0) continue;
        Write removal = control::deletion(kPods, pod, "its node gets a pod of the new version");
        removal.alongside = true;
        writes.push_back(std::move(removal));
    }
    return writes;
}

std::vector<Write> DaemonSet::hold(Doc const& batch_release, meta::IntOrPercent const& share) const {
    bool const held = facts_.controller_uid == meta::uid(batch_release);
    std::int64_t const wanted = share_of(share);
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.set({"metadata", "annotations", apis::kControlInfoAnnotation}, control_info(batch_release));
    if (noted(apis::kDaemonSetStrategyAnnotation).empty())
        patch.set({"metadata", "annotations", apis::kDaemonSetStrategyAnnotation},
                  facts_.held_by.empty() ? type() : std::string(kRollingUpdate));
    if (!facts_.unit_revision.empty()) {
        patch.set({"metadata", "annotations", apis::kDaemonSetRevisionAnnotation},
                  daemon_set_revisions(facts_.unit_revision, facts_.stable_revision));
        patch.set({"metadata", "annotations", apis::kDaemonSetControlAnnotation},
                  json::write(Value(json::Object{{"partition", std::to_string(facts_.replicas - wanted)},
                                                 {"batch-revision", facts_.unit_revision}})));
    }
    patch.set(type_path(), kOnDelete);
    std::vector<Write> removals;
    // Before its controller has seen the template, pods would come back as they are.
    if (observed() && !facts_.unit_revision.empty() && type() == kOnDelete) removals = replace(missing(wanted));
    std::vector<Write> writes;
    // Also where it changes nothing: no pod goes for a template that is another by now.
    if (patch.changes() || !removals.empty())
        writes.push_back(write(std::move(patch), held ? "next step" : "take the workload over"));
    for (Write& each : removals) writes.push_back(std::move(each));
    return writes;
}

std::optional<Write> DaemonSet::let_go() const {
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
    return changed(std::move(patch), "give up control");
}

// The type that is its own. Upstream loses it when a third version comes, and gives RollingUpdate then.
std::string DaemonSet::own_type() const {
    std::string own = noted(apis::kDaemonSetStrategyAnnotation);
    if (own == kOnDelete || own == kRollingUpdate) return own;
    bool const held = !facts_.held_by.empty() || !facts_.controller_uid.empty();
    return held ? std::string(kRollingUpdate) : type();
}

std::optional<Write> DaemonSet::restore(Restore const& how) const {
    if (facts_.held_by.empty() && !facts_.leftovers) return std::nullopt;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    if (how.keep_frozen) {
        patch.remove({"metadata", "annotations", apis::kControlInfoAnnotation});
        patch.remove({"metadata", "annotations", apis::kDaemonSetControlAnnotation});
        patch.set({"metadata", "annotations", apis::kDaemonSetStrategyAnnotation}, own_type());
        patch.set(type_path(), kOnDelete);
        std::string const& stable = how.stable_revision.empty() ? facts_.stable_revision : how.stable_revision;
        patch.set({"metadata", "annotations", apis::kDaemonSetRevisionAnnotation},
                  daemon_set_revisions(facts_.unit_revision, stable));
    } else {
        patch.set(type_path(), own_type());
        for (std::string_view mark : kDaemonSetMarks) patch.remove({"metadata", "annotations", mark});
    }
    return changed(std::move(patch), how.keep_frozen ? "close the release before the next" : "restore the workload");
}

Result<std::vector<Write>> DaemonSet::leave(Leaving how) const {
    std::vector<Write> writes;
    if (facts_.held_by.empty() && !facts_.leftovers) return writes;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    // Held as it stands it stays OnDelete.
    patch.set(type_path(), how == Leaving::kHold && !facts_.rolled_back ? std::string(kOnDelete) : own_type());
    for (std::string_view mark : kDaemonSetMarks) patch.remove({"metadata", "annotations", mark});
    if (how == Leaving::kRollback && !facts_.rolled_back) {
        auto const stable = std::ranges::find_if(inputs_.revisions, [this](Doc const& revision) {
            return !facts_.stable_revision.empty() &&
                   meta::label(revision, kRevisionHashLabel) == facts_.stable_revision;
        });
        if (stable == inputs_.revisions.end()) {
            return fail(ErrorCode::kNotFound,
                        fmt::format("{} has no ControllerRevision of the version before: it cannot go back by itself",
                                    key().to_string()));
        }
        patch.set({"spec", "template"}, template_of(*stable));
    }
    if (auto last = changed(std::move(patch), "give the workload back")) writes.push_back(std::move(*last));
    return writes;
}

std::vector<control::Wait> DaemonSet::obstacles() const {
    std::vector<control::Wait> waits = obstacles_of(units());
    std::int64_t overdue = 0;
    std::string first;
    for (Doc const& pod : inputs_.pods) {
        auto const since = overdue_from(pod);
        if (since && *since <= now_ && overdue++ == 0) first = meta::name(pod);
    }
    if (overdue > 0) {
        std::string const others = overdue > 1 ? fmt::format(" (and {} more)", overdue - 1) : "";
        waits.push_back({"NotReady", fmt::format("pod {}{}: told to go, and still there", first, others), std::nullopt,
                         "its node answers, or is removed", "cluster owner"});
    }
    return waits;
}

std::optional<Write> DaemonSet::changed(JsonPatch patch, std::string why) const {
    return patch.changes() ? std::optional(write(std::move(patch), std::move(why))) : std::nullopt;
}

Write DaemonSet::write(JsonPatch patch, std::string why) const {
    Write result;
    result.verb = Write::Verb::kJsonPatch;
    result.resource = kDaemonSets;
    result.key = key();
    result.body = patch.take();
    result.why = std::move(why);
    return result;
}

}   // namespace

std::string daemon_set_revisions(std::string_view canary, std::string_view stable) {
    return json::write(Value(json::Object{{"canary-revision", canary}, {"stable-revision", stable}}));
}

std::unique_ptr<Workload> observe_daemon_set(DaemonSetInputs inputs, Time now) {
    return std::make_unique<DaemonSet>(std::move(inputs), now);
}

}   // namespace aviary::workload
