#include "hub/proxy/attached.h"

#include <algorithm>
#include <set>

#include "hub/decision/decider.h"
#include "hub/propagation/release_state.h"
#include "kube/meta/object.h"

namespace aviary::proxy {

namespace {

using json::Doc;

// By the pods that are left of it: the workload itself says its template no more.
std::string stable_version(ClusterView const& view) {
    std::string_view const hash = view.rollout.at({"status", "canaryStatus", "stableRevision"}).as_string();
    if (hash.empty()) return {};
    auto const found = std::ranges::find_if(view.pods, [hash](Doc const& pod) {
        return meta::label(pod, "pod-template-hash") == hash || meta::label(pod, "controller-revision-hash") == hash;
    });
    return found == view.pods.end() ? std::string() : version_of(*found);
}

}   // namespace

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
        versions.insert(version_of(view->workload.at({"spec", "template"})));
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
