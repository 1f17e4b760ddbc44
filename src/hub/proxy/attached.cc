#include "hub/proxy/attached.h"

#include <algorithm>
#include <set>

#include "apis/rollouts/rollout.h"
#include "hub/decision/decider.h"
#include "hub/propagation/release_state.h"
#include "kube/client/client.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"

namespace aviary::proxy {

namespace {

using json::Doc;

// By the pods that are left of it: the workload itself says its template no more.
std::string stable_version(ClusterView const& view) {
    std::string_view const hash = apis::release_status(view.rollout)["stableRevision"].as_string();
    auto const found =
        std::ranges::find_if(view.pods, [hash](Doc const& pod) { return apis::is_of_revision(pod, hash); });
    return found == view.pods.end() ? std::string() : version_of(*found);
}

}   // namespace

Task<void> read_workload(Get get, ClusterView& view) {
    auto const [kind, key] = propagation::workload_of(view.rollout);
    std::string const ns = meta::ns(view.rollout);
    client::Request request;
    request.path = client::resource_path(meta::resource_of(kind), ns, key.name);
    auto const workload = co_await get(std::move(request));
    if (!workload) {
        view.pods_unread = workload.error().message();
        co_return;
    }
    view.workload = workload->body;
    auto const selector = meta::pod_selector_of(view.workload);
    if (!selector || selector->empty()) co_return;
    client::Request list;
    list.path = client::resource_path({"", "v1", "pods"}, ns);
    list.query.emplace_back("labelSelector", *selector);
    auto const pods = co_await get(std::move(list));
    if (!pods) {
        view.pods_unread = pods.error().message();
        co_return;
    }
    for (auto const& [index, pod] : pods->body["items"].elements()) view.pods.push_back(pod);
}

Release release_among(std::vector<ClusterView>& views) {
    std::vector<ClusterView const*> concerned;   // those in the release; where none is, all
    for (bool const releasing : {true, false}) {
        for (ClusterView const& view : views) {
            bool const there = view.rollout.exists() && view.workload.exists();
            if (there && (!releasing || propagation::rollout_progressing(view.rollout))) concerned.push_back(&view);
        }
        if (!concerned.empty()) break;
    }
    Release release;
    release.attached = true;
    std::set<std::string> versions, digests;
    for (ClusterView const* view : concerned) {
        versions.insert(version_of(meta::pod_template_of(view->workload)));
        digests.insert(decision::release_digest(view->workload, view->rollout));
    }
    if (!concerned.empty()) {
        release.rollout = concerned.front()->rollout;
        release.workload = concerned.front()->workload;
    }
    for (ClusterView& view : views) {
        if (!release.rollout.exists()) release.rollout = view.rollout;
        view.placed = view.bound = view.rollout.exists() || !view.unread.empty();
        view.stable = stable_version(view);
    }
    if (versions.size() > 1) release.to = "several versions";
    if (digests.size() == 1) release.digest = *digests.begin();
    return release;
}

}   // namespace aviary::proxy
