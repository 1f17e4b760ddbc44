#include "member/workload/daemon_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/base/sort.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/workload/deployment.h"
#include "member/workload/internal/marks.h"
#include "member/workload/internal/native_set_base.h"
#include "member/workload/internal/pods.h"
#include "member/workload/internal/taking_back.h"

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

class DaemonSet final : public NativeSetBase {
public:
    DaemonSet(NativeSetInputs inputs, Time now) : NativeSetBase(std::move(inputs), now, kDaemonSetMarks) {
        observe();
        count();
    }

    meta::GroupVersionResource const& resource() const override { return kDaemonSets; }
    std::string_view type_label() const override { return "daemonset"; }

    std::vector<Write> hold(Doc const& batch_release, meta::IntOrPercent const& share) const override;
    std::optional<Write> restore(Restore const& how) const override;
    Result<Write> take_back(std::string_view hold) const override;
    Result<std::vector<Write>> leave(Leaving how) const override;
    std::vector<control::Wait> obstacles() const override;

private:
    std::string label_of(Doc const& revision) const override { return meta::label(revision, meta::kRevisionHashLabel); }
    // The newest ones come last.
    void sort(std::vector<Doc>& units) const override { sort_by(units, age_of); }
    std::string type() const { return doc().at({"spec", "updateStrategy", "type"}).string(); }
    bool is_available(Doc const& pod) const {
        auto const from = available_from(pod, min_ready_);
        return from && *from <= now_;
    }
    std::string own_type() const;
    std::string noted_stable() const { return field_of(noted(apis::kDaemonSetRevisionAnnotation), "stable-revision"); }
    std::string stable_revision() const;
    std::vector<Doc> outdated() const;
    std::int64_t missing(std::int64_t share) const;
    std::vector<Write> replace(std::int64_t count) const;
    void observe();
    void count();

    Duration min_ready_{};
};

void DaemonSet::observe() {
    // Pods that come beside the old ones are no part of a release: with maxSurge alone it takes one at a time.
    observe_common(doc().at({"status", "desiredNumberScheduled"}).as_int());
    min_ready_ = std::chrono::seconds(doc().at({"spec", "minReadySeconds"}).as_int());
    bool const marked =
        std::ranges::any_of(kDaemonSetMarks, [this](std::string_view mark) { return !noted(mark).empty(); });
    facts_.leftovers = !facts_.controller_uid.empty() || (marked && facts_.held_by.empty());
    facts_.stable_revision = stable_revision();
}

// What the release began from; where nobody has noted it yet, what most pods have.
std::string DaemonSet::stable_revision() const {
    std::string noted_one = noted_stable();
    if (!noted_one.empty() || facts_.held_by.empty()) return noted_one;
    return prevailing_revision(inputs_.pods, inputs_.revisions);
}

void DaemonSet::count() {
    Present const present =
        count_pods(facts_, inputs_.pods, [this](Doc const& pod) { return is_unit(pod); }, min_ready_, now_);
    compare_revisions(!noted_stable().empty());
    std::int64_t on_nodes = 0;   // one that drains for long keeps its node, and is not waited for
    for (Doc const& pod : inputs_.pods) {
        on_nodes += is_active(pod) || meta::is_deleting(pod) ? 1 : 0;
        auto const overdue = overdue_from(pod);
        if (overdue && *overdue > now_) facts_.settles_at = std::min(*overdue, facts_.settles_at.value_or(*overdue));
    }
    auto const kept = parse_int(field_of(noted(apis::kDaemonSetControlAnnotation), "partition"));
    facts_.asked = kept ? std::max<std::int64_t>(0, facts_.replicas - *kept) : 0;
    facts_.settled = observed() && !facts_.unit_revision.empty() && on_nodes >= facts_.replicas && !present.going;
}

// Those of other versions that were not told to go, in the order in which they do.
std::vector<Doc> DaemonSet::outdated() const {
    std::vector<Doc> result;
    for (Doc const& pod : inputs_.pods) {
        if (is_active(pod) && !is_unit(pod)) result.push_back(pod);
    }
    auto const rank = [this](Doc const& pod) {
        bool const pending =
            !pod.at({"spec", "nodeName"}).exists() || pod.at({"status", "phase"}).as_string() == "Pending";
        bool const stable = meta::label(pod, meta::kRevisionHashLabel) == facts_.stable_revision;
        return std::tuple(!pending, is_ready(pod), stable, parse_int(meta::annotation(pod, kDeletionCost)).value_or(0));
    };
    std::ranges::sort(result, [&rank](Doc const& left, Doc const& right) {
        auto const first = rank(left);
        auto const second = rank(right);
        if (first != second) return first < second;
        return age_of(left) > age_of(right);
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
        bool const another = facts_.stable_revision != facts_.unit_revision;
        patch.set({"metadata", "annotations", apis::kDaemonSetRevisionAnnotation},
                  daemon_set_revisions(facts_.unit_revision, another ? facts_.stable_revision : noted_stable()));
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
        writes.push_back(as_write(std::move(patch), kDaemonSets, held ? "next step" : "take the workload over"));
    for (Write& each : removals) writes.push_back(std::move(each));
    return writes;
}

// The type that is its own. Upstream loses it when a third version comes, and gives RollingUpdate then.
std::string DaemonSet::own_type() const {
    std::string own = noted(apis::kDaemonSetStrategyAnnotation);
    if (own == kOnDelete || own == kRollingUpdate) return own;
    bool const held = !facts_.held_by.empty() || !facts_.controller_uid.empty();
    return held ? std::string(kRollingUpdate) : type();
}

std::optional<Write> DaemonSet::restore(Restore const& how) const {
    if (!concerned()) return std::nullopt;
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
    return write_if_changed(std::move(patch), kDaemonSets,
                            how.keep_frozen ? "close the release before the next" : "restore the workload");
}

Result<Write> DaemonSet::take_back(std::string_view hold) const {
    return as_write(taking_back(doc(), TRY(stable_template()), hold), kDaemonSets, kTakeBack);
}

Result<std::vector<Write>> DaemonSet::leave(Leaving how) const {
    std::vector<Write> writes;
    if (!concerned()) return writes;
    JsonPatch patch(doc());
    patch.test({"metadata", "generation"});
    // Held as it stands it stays OnDelete.
    patch.set(type_path(), how == Leaving::kHold && !facts_.rolled_back ? std::string(kOnDelete) : own_type());
    for (std::string_view mark : kDaemonSetMarks) patch.remove({"metadata", "annotations", mark});
    if (how == Leaving::kRollback && !facts_.rolled_back) {
        patch.set({"spec", "template"}, TRY(stable_template()));
    }
    if (auto last = write_if_changed(std::move(patch), kDaemonSets, "give the workload back"))
        writes.push_back(std::move(*last));
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

}   // namespace

std::string daemon_set_revisions(std::string_view canary, std::string_view stable) {
    return json::write(Value(json::Object{{"canary-revision", canary}, {"stable-revision", stable}}));
}

std::unique_ptr<Workload> observe_daemon_set(NativeSetInputs inputs, Time now) {
    return std::make_unique<DaemonSet>(std::move(inputs), now);
}

}   // namespace aviary::workload
