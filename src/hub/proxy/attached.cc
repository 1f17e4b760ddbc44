#include "hub/proxy/attached.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apis/fleet/brought.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "hub/decision/decider.h"
#include "hub/propagation/release_state.h"
#include "hub/propagation/render.h"
#include "hub/proxy/internal/trouble.h"
#include "kube/client/client.h"
#include "kube/meta/groups.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"

namespace aviary::proxy {

namespace {

using json::Doc;

constexpr char kAnotherVersion[] = "another version";   // where nothing is left that says which
constexpr char kNoTemplate[] = "-";                     // no label of a workload says this

Doc pod_of(std::vector<Doc> const& pods, std::string_view hash) {
    auto const found = std::ranges::find_if(pods, [hash](Doc const& pod) { return apis::is_of_revision(pod, hash); });
    return found == pods.end() ? Doc() : *found;
}

// By the pods that are left of it: the workload itself says its template no more.
std::string stable_version(ClusterView const& view) {
    Doc const pod = pod_of(view.pods, apis::release_status(view.rollout)["stableRevision"].as_string());
    return pod.exists() ? version_of(pod) : std::string();
}

bool comes_back_in_batches(Doc const& rollout) {
    return meta::condition_is_true(rollout, apis::condition::kRolledBack);
}

// Of a version that was taken back: its name in the status. What comes back in batches has taken that place, and one
// that was taken back before it had pods may have none.
std::string_view rejected_revision(Doc const& rollout) {
    if (comes_back_in_batches(rollout)) return {};
    return apis::release_status(rollout)["podTemplateHash"].as_string();
}

// A pod of the version that was taken back; absent: none is left.
Doc rejected_pod(ClusterView const& view) {
    if (std::string_view const hash = rejected_revision(view.rollout); !hash.empty()) return pod_of(view.pods, hash);
    std::string_view const stable = apis::release_status(view.rollout)["stableRevision"].as_string();
    auto const found = std::ranges::find_if(
        view.pods, [stable](Doc const& pod) { return !failed(pod) && !apis::is_of_revision(pod, stable); });
    return stable.empty() || found == view.pods.end() ? Doc() : *found;
}

// The newest one that is not the stable one.
Doc newest_other(ClusterView const& view) {
    std::string_view const stable = apis::release_status(view.rollout)["stableRevision"].as_string();
    Doc found;
    for (Doc const& each : view.revisions) {
        if (stable.empty() || !owned_by(each, view.workload) || is_revision(each, view.workload, stable)) continue;
        if (!found.exists() || revision_number(each) > revision_number(found)) found = each;
    }
    return found;
}

std::string rejected_version(ClusterView const& view) {
    if (Doc const pod = rejected_pod(view); pod.exists()) return version_of(pod);
    std::string_view const hash = rejected_revision(view.rollout);
    auto const named = std::ranges::find_if(
        view.revisions, [&](Doc const& each) { return !hash.empty() && is_revision(each, view.workload, hash); });
    Doc const revision = named != view.revisions.end() ? *named : hash.empty() ? newest_other(view) : Doc();
    if (revision.exists())
        return version_of(meta::pod_template_of(revision["data"].exists() ? revision["data"] : revision));
    if (hash.empty()) return kAnotherVersion;
    return std::string(hash.substr(hash.rfind('-') + 1).substr(0, 6));   // as the hub names what it does not keep
}

// What a hub would know of a cluster that was taken back, or is on the way.
void find_way_back(ClusterView& view) {
    bool const begins = view.rollout.at({"status", "phase"}).as_string() == apis::phase::kHealthy &&
                        propagation::releasing(view.workload);
    std::string const undone = begins ? std::string() : undone_version(view.workload);
    if (undone.empty() && !went_back(view.rollout, view.workload, view.pods)) return;
    view.pinned = version_of(meta::pod_template_of(view.workload));
    view.rejected = undone.empty() ? rejected_version(view) : undone;
    view.stable = undone;   // the way back comes from it
    // What was taken back is what was released, and its pods are counted.
    view.hub_template = kNoTemplate;
    for (Doc const& pod : view.pods) {
        if (version_of(pod) == view.rejected) view.hub_image = pod.at({"spec", "containers"})[0]["image"].string();
    }
}

}   // namespace

bool went_back(Doc const& rollout, Doc const& workload, std::vector<Doc> const& pods) {
    if (!workload.exists()) return false;
    std::string_view const phase = rollout.at({"status", "phase"}).as_string();
    if (phase == apis::phase::kProgressing) {
        std::string_view const reason = meta::condition(rollout, apis::condition::kProgressing)["reason"].as_string();
        return reason == apis::reason::kCancelling || comes_back_in_batches(rollout);
    }
    bool const failed = meta::condition(rollout, apis::condition::kSucceeded)["status"].as_string() == "False";
    bool const ended = phase == apis::phase::kHealthy && (failed || comes_back_in_batches(rollout));
    if (!ended || propagation::releasing(workload)) return false;
    // A newer version may have come since without a release, as past a Rollout that was disabled.
    Doc const release = apis::release_status(rollout);
    std::string_view const stable = release["stableRevision"].as_string();
    std::vector<Doc> alive;
    std::ranges::remove_copy_if(pods, std::back_inserter(alive), meta::is_deleting);
    if (!alive.empty() && !stable.empty()) return pod_of(alive, stable).exists();
    return release["observedWorkloadGeneration"].as_int() >= meta::generation(workload);
}

std::string template_mark(Doc const& workload) {
    return apis::short_hash(json::write_canonical(meta::is_leader_worker_set(workload)
                                                      ? meta::groups_of(workload["spec"])
                                                      : propagation::pod_template(workload)));
}

std::string undone_version(Doc const& workload) {
    std::string const mark(meta::annotation(workload, kUndone));
    std::size_t const end = mark.find(';');
    bool const same = end != std::string::npos && mark.substr(0, end) == template_mark(workload);
    return same ? mark.substr(end + 1) : std::string();
}

meta::GroupVersionResource revisions_of(Doc const& workload) {
    bool const sets = workload["kind"].as_string() == "Deployment";
    return {"apps", "v1", sets ? "replicasets" : "controllerrevisions"};
}

bool owned_by(Doc const& revision, Doc const& workload) {
    auto const owned = meta::owners(revision);
    return std::ranges::any_of(owned, [&](auto const& owner) { return owner.uid == meta::uid(workload); });
}

std::int64_t revision_number(Doc const& revision) {
    if (revision["revision"].exists()) return revision["revision"].as_int();
    return parse_int(meta::annotation(revision, "deployment.kubernetes.io/revision")).value_or(0);
}

// As pods are labelled: by a ReplicaSet's hash, a StatefulSet's revision's name, a DaemonSet's one's hash.
bool is_revision(Doc const& revision, Doc const& workload, std::string_view hash) {
    return owned_by(revision, workload) &&
           (meta::label(revision, meta::kTemplateHashLabel) == hash || meta::name(revision) == hash ||
            meta::label(revision, meta::kRevisionHashLabel) == hash ||
            meta::name(revision) == fmt::format("{}-{}", meta::name(workload), hash) ||
            meta::label(revision, meta::kGroupRevisionLabel) == hash);
}

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
    auto const pods = co_await get(list);
    if (!pods) {
        view.pods_unread = pods.error().message();
        co_return;
    }
    for (auto const& [index, pod] : pods->body["items"].elements()) view.pods.push_back(pod);
    if (!went_back(view.rollout, view.workload, view.pods) || rejected_pod(view).exists()) co_return;
    list.path = client::resource_path(revisions_of(view.workload), ns);
    auto const revisions = co_await get(std::move(list));
    if (!revisions) co_return;   // then its hash names it
    for (auto const& [index, each] : revisions->body["items"].elements()) view.revisions.push_back(each);
}

Release release_among(std::vector<ClusterView>& views) {
    for (ClusterView& view : views) find_way_back(view);
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
        bool const back = !view->pinned.empty();
        if (back) release.to = view->rejected;
        versions.insert(back ? view->rejected : version_of(meta::pod_template_of(view->workload)));
        digests.insert(decision::release_digest(view->workload, view->rollout));
    }
    if (!concerned.empty()) {
        release.rollout = concerned.front()->rollout;
        release.workload = concerned.front()->workload;
    }
    for (ClusterView& view : views) {
        if (!release.rollout.exists()) release.rollout = view.rollout;
        view.placed = view.bound = view.rollout.exists() || !view.unread.empty();
        if (std::string stable = stable_version(view); !stable.empty()) view.stable = std::move(stable);
    }
    if (versions.size() > 1) release.to = "several versions";
    if (digests.size() == 1) release.digest = *digests.begin();
    return release;
}

}   // namespace aviary::proxy
