#include "kube/simulator/internal/advanced_daemon_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/meta/pods.h"
#include "kube/meta/selector.h"
#include "kube/simulator/internal/daemon_set_sync.h"
#include "kube/simulator/internal/in_place.h"

namespace aviary::simulator {

using control::Plan;
using json::Doc;

namespace {

constexpr std::string_view kProgressive = "daemonset.kruise.io/progressive-create-pod";

struct Sync final : DaemonSetSync {
    Sync(DaemonSetView const& view, FailedPods& failed, Time now)
        : DaemonSetSync(view, failed, now, kAdvancedDaemonSets) {}

    bool in_place() const { return rolling && rolling_update["rollingUpdateType"].as_string() == "InPlaceIfPossible"; }
    std::int64_t partition() const { return rolling ? rolling_update["partition"].as_int() : 0; }

    void adorn(json::Value& pod) const override {
        if (in_place()) add_readiness_gate(pod);
    }

    // With an annotation, pods of the new template appear on new nodes only as the partition goes down.
    std::vector<std::string> to_create(std::vector<std::string> missing) const override {
        if (partition() == 0 || meta::annotation(set, kProgressive) != "true") return missing;
        std::int64_t const wanted = desired();
        std::int64_t const fresh = std::ranges::count_if(pods_of, [this](auto const& each) {
            Pair const pair = pair_on(each.second);
            return nodes.contains(each.first) && !pair.crowded && pair.updated.exists();
        });
        std::int64_t const most = wanted - fresh - std::clamp<std::int64_t>(partition(), 0, wanted);
        missing.resize(std::min(missing.size(), static_cast<std::size_t>(std::max<std::int64_t>(most, 0))));
        return missing;
    }

    // Those that have begun first, then by name from the last on; the partition leaves out the rest.
    PodsByNode to_update() const override {
        PodsByNode all = DaemonSetSync::to_update();
        std::erase_if(all, [this](auto const& each) { return !nodes.contains(each.first); });
        auto const selector = meta::LabelSelector::from_object(rolling_update["selector"]);
        std::vector<std::string> order;
        std::vector<std::string> empty;
        std::vector<std::string> waiting;
        for (auto each = all.rbegin(); each != all.rend(); ++each) {
            Pair const pair = pair_on(each->second);
            if (pair.crowded || pair.updated.exists()) {
                order.push_back(each->first);
            } else if (!pair.old.exists()) {
                empty.push_back(each->first);
            } else if (!rolling_update["selector"].exists() || (selector && selector->matches(nodes.at(each->first)))) {
                waiting.push_back(each->first);
            }
        }
        std::ranges::move(empty, std::back_inserter(order));
        std::ranges::move(waiting, std::back_inserter(order));
        std::int64_t const most = static_cast<std::int64_t>(all.size()) - partition();
        order.resize(std::min(order.size(), static_cast<std::size_t>(std::max<std::int64_t>(most, 0))));
        std::erase_if(all, [&](auto const& each) { return std::ranges::find(order, each.first) == order.end(); });
        return all;
    }

    void replace(Doc const& pod, std::string why) override {
        auto const gates = pod.at({"spec", "readinessGates"});
        std::string const before = meta::label(pod, meta::kRevisionHashLabel);
        auto const revision = std::ranges::find(
            old_revisions, before, [](Doc const& each) { return meta::label(each, meta::kRevisionHashLabel); });
        if (!in_place() || gates.size() == 0 || revision == old_revisions.end()) return remove(pod, std::move(why));
        auto change = in_place_change(template_of((*revision)["data"].thaw()), pod_template);
        if (!change) return remove(pod, std::move(why));
        update_in_place(plan, pod, {std::move(*change), hash, {{std::string(meta::kRevisionHashLabel), hash}}}, now);
        event("Normal", "SuccessfulUpdatePodInPlace",
              fmt::format("successfully update pod {} in-place", meta::name(pod)));
    }

    void update_pods() override {
        for (Doc const& pod : view.pods) refresh_in_place(plan, pod, now);
        if (!rolling_update["paused"].as_bool()) DaemonSetSync::update_pods();
    }

    void report(bool managed) override {
        count_status();
        // Seen is what a sync went through to its end.
        if (managed) status.erase("observedGeneration");
        if (!status.contains("updatedNumberScheduled")) status["updatedNumberScheduled"] = 0;
        status["daemonSetHash"] = hash;
        write_status(plan, resource, set, status, {"numberAvailable", "numberUnavailable"});
    }

    Doc const rolling_update = strategy["rollingUpdate"];
};

}   // namespace

Plan decide_advanced_daemon_set(DaemonSetView const& view, FailedPods& failed, Time now) {
    return Sync(view, failed, now).run();
}

}   // namespace aviary::simulator
