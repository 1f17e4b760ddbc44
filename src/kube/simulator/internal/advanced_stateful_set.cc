#include "kube/simulator/internal/advanced_stateful_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/base/strings.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/pods.h"
#include "kube/meta/selector.h"
#include "kube/simulator/internal/in_place.h"
#include "kube/simulator/internal/stateful_set_sync.h"

namespace aviary::simulator {

using control::Plan;
using json::Doc;

namespace {

Doc rolling_of(Doc const& set) { return set.at({"spec", "updateStrategy", "rollingUpdate"}); }

std::vector<std::int64_t> reserved_of(Doc const& set) {
    std::vector<std::int64_t> reserved;
    for (auto const& [key, each] : set.at({"spec", "reserveOrdinals"}).elements()) {
        auto const parsed = each.is_string() ? parse_int(each.as_string()) : std::optional(each.as_int());
        if (parsed) reserved.push_back(*parsed);
    }
    return reserved;
}

struct Sync final : StatefulSetSync {
    Sync(StatefulSetView const& view, Time now)
        : StatefulSetSync(
              view, now,
              {kAdvancedStatefulSets, std::chrono::seconds(rolling_of(view.set)["minReadySeconds"].as_int()),
               ordinals_from(0, view.set.at({"spec", "replicas"}).as_int(1), reserved_of(view.set))}) {}

    bool is_updated(Doc const& pod) const { return meta::label(pod, meta::kRevisionHashLabel) == update_revision; }

    bool available(Doc const& pod) const override {
        std::string const state = lifecycle_state(pod);
        return (state.empty() || state == kNormal) && StatefulSetSync::available(pod);
    }

    void adorn(json::Value& pod) const override { set_lifecycle_state(pod, kNormal, now); }

    void refresh(Doc const& pod) override {
        refresh_in_place(plan, pod, now);
        std::string const state = lifecycle_state(pod);
        if (state != kPreparingNormal && (state != kUpdating || !is_updated_in_place(pod))) return;
        plan.writes.push_back(lifecycle_write(pod, kNormal, now));
        moved = true;
    }

    // Pods that are made before this one, in this sync too, count as what they are made of.
    bool keeps_current(std::int64_t ordinal) const override {
        if (!rolling.exists()) return StatefulSetSync::keeps_current(ordinal);
        if (strategy["type"].as_string("RollingUpdate") != "RollingUpdate") return false;
        auto const position = std::ranges::find(terms.ordinals, ordinal) - terms.ordinals.begin();
        if (!unordered) return position < partition;
        std::int64_t old = 0;
        for (Replica const& replica : replicas) {
            if (replica.doc.exists() && !is_updated(replica.doc)) ++old;
        }
        for (Replica const& replica : replicas) {
            if (replica.doc.exists()) continue;
            if (replica.ordinal == ordinal) return old < partition;
            old += old < partition ? 1 : 0;
        }
        return old < partition;
    }

    // In which order pods are updated: the partition leaves out the last ones.
    std::vector<Replica> update_order() const {
        std::vector<Replica> order;
        std::vector<Replica> waiting;
        for (auto each = replicas.rbegin(); each != replicas.rend(); ++each) {
            bool const begun = !each->doc.exists() || meta::is_deleting(each->doc) || is_updated(each->doc);
            (begun || !unordered ? order : waiting).push_back(*each);
        }
        std::ranges::move(waiting, std::back_inserter(order));
        order.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(count - partition, 0, count)));
        return order;
    }

    // True when it is no new pod that is needed; nothing when nothing can be done.
    std::optional<bool> update_in_its_place(Doc const& pod) {
        std::string const policy = rolling["podUpdatePolicy"].string();
        if (policy != "InPlaceIfPossible" && policy != "InPlaceOnly") return false;
        auto const before = std::ranges::find(view.revisions, meta::label(pod, meta::kRevisionHashLabel),
                                              [](Doc const& each) { return meta::name(each); });
        auto change = before == view.revisions.end()
                          ? std::nullopt
                          : in_place_change(template_of((*before)["data"].thaw()), set.at({"spec", "template"}));
        if (!change) return policy == "InPlaceOnly" ? std::nullopt : std::optional(false);
        update_in_place(plan, pod,
                        {std::move(*change),
                         update_revision,
                         {{std::string(meta::kRevisionHashLabel), update_revision}},
                         rolling.at({"inPlaceUpdateStrategy", "gracePeriodSeconds"}).as_int()},
                        now);
        event("SuccessfulUpdatePodInPlace",
              fmt::format("successfully update pod {} in-place(revision {})", meta::name(pod), update_revision));
        return true;
    }

    // Old pods that serve nobody go whatever the budget is, until one that serves has to wait.
    void update_pods() override {
        if (moved || rolling["paused"].as_bool()) return;
        std::int64_t const most = std::max<std::int64_t>(1, meta::scaled(rolling["maxUnavailable"], count, false, "1"));
        std::set<std::int64_t> missing;
        for (Replica const& replica : replicas) {
            if (unavailable(replica) || !is_updated_in_place(replica.doc)) missing.insert(replica.ordinal);
        }
        for (Replica const& replica : update_order()) {
            if (replica.doc.exists() && is_updated(replica.doc)) continue;
            if (std::cmp_greater_equal(missing.size(), most) && !missing.contains(replica.ordinal)) return;
            if (!replica.doc.exists() || meta::is_deleting(replica.doc)) continue;
            auto const in_place = update_in_its_place(replica.doc);
            if (!in_place) return;
            if (!*in_place) remove(replica, "an update");
            missing.insert(replica.ordinal);
            if (meta::label(replica.doc, meta::kRevisionHashLabel) == current_revision)
                status["currentReplicas"] = std::as_const(status)["currentReplicas"].as_int() - 1;
        }
    }

    void count_status() override {
        StatefulSetSync::count_status();
        std::int64_t ready = 0;
        std::int64_t serving = 0;
        for (auto const* list : {&replicas, &condemned}) {
            for (Replica const& replica : *list) {
                if (!replica.doc.exists() || !is_updated(replica.doc) || !runs_ready(replica.doc)) continue;
                ++ready;
                serving += available(replica.doc) ? 1 : 0;
            }
        }
        if (ready > 0) status["updatedReadyReplicas"] = ready;
        if (serving > 0) status["updatedAvailableReplicas"] = serving;
        if (auto const selector = meta::LabelSelector::from_object(set.at({"spec", "selector"})))
            status["labelSelector"] = selector->to_string();
    }

    bool is_complete() const override {
        return strategy["type"].as_string("RollingUpdate") == "RollingUpdate" &&
               status["updatedReplicas"].as_int() == status["replicas"].as_int() &&
               status["readyReplicas"].as_int() == status["replicas"].as_int();
    }

    Doc const rolling = rolling_of(set);
    bool const unordered = rolling["unorderedUpdate"].exists();
    std::int64_t const partition = rolling["partition"].as_int();
    bool moved = false;   // a pod's place in its life: updates wait until that is seen
};

}   // namespace

Plan decide_advanced_stateful_set(StatefulSetView const& view, Time now) { return Sync(view, now).run(); }

}   // namespace aviary::simulator
