// What a StatefulSet makes: revisions, pods and their claims.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "core/base/strings.h"
#include "kube/meta/pods.h"
#include "kube/simulator/internal/leader_worker_set.h"
#include "kube/simulator/internal/revisions.h"
#include "kube/simulator/internal/stateful_set_sync.h"

namespace aviary::simulator {

using control::Write;
using json::Doc;
using json::Value;

namespace {

constexpr std::string_view kPodNameLabel = "statefulset.kubernetes.io/pod-name";
constexpr std::string_view kPodIndexLabel = "apps.kubernetes.io/pod-index";
constexpr Duration kRetry = std::chrono::seconds(1);

bool has_stale_owner(Doc const& claim, std::string_view kind, std::string_view name, std::string_view uid) {
    return std::ranges::any_of(meta::owners(claim), [&](meta::OwnerReference const& owner) {
        return owner.kind == kind && owner.name == name && owner.uid != uid;
    });
}

}   // namespace

void StatefulSetSync::settle_revisions() {
    std::optional<ActiveRevisions> found = active_revisions(set, view.kind, view.revisions, view.find);
    if (!found) return;
    std::ranges::move(found->writes, std::back_inserter(plan.writes));
    status["collisionCount"] = found->collisions;
    current_revision = std::move(found->current);
    update_revision = std::move(found->update);
    current_template = std::move(found->current_template);
}

void StatefulSetSync::truncate_history() {
    std::set<std::string> live{current_revision, update_revision};
    for (Doc const& pod : view.pods) live.insert(meta::label(pod, meta::kRevisionHashLabel));
    truncate_revisions(plan, set, view.revisions,
                       [&](Doc const& revision) { return live.contains(meta::name(revision)); });
}

std::string StatefulSetSync::pod_name_of(std::int64_t ordinal) const {
    return fmt::format("{}-{}", meta::name(set), ordinal);
}

std::string StatefulSetSync::claim_name(Doc const& claim_template, std::int64_t ordinal) const {
    return fmt::format("{}-{}", meta::name(claim_template), pod_name_of(ordinal));
}

bool StatefulSetSync::keeps_current(std::int64_t ordinal) const {
    Doc const rolling = strategy["rollingUpdate"];
    std::int64_t const kept = rolling.exists() ? rolling["partition"].as_int()
                              : strategy["type"].as_string() == "RollingUpdate"
                                  ? set.at({"status", "currentReplicas"}).as_int()
                                  : 0;
    return !terms.ordinals.empty() && ordinal < terms.ordinals.front() + kept;
}

Value StatefulSetSync::new_pod(std::int64_t ordinal) const {
    bool const current = keeps_current(ordinal);
    Value pod = pod_from_template(current ? current_template : set.at({"spec", "template"}), set, view.kind);
    std::string const name = pod_name_of(ordinal);
    pod.set({"metadata", "name"}, name);
    pod.set({"metadata", "labels", kPodNameLabel}, name);
    pod.set({"metadata", "labels", kPodIndexLabel}, std::to_string(ordinal));
    pod.set({"metadata", "labels", meta::kRevisionHashLabel}, current ? current_revision : update_revision);
    pod.set({"spec", "hostname"}, name);
    adorn(pod);
    if (std::string const service = set.at({"spec", "serviceName"}).string(); !service.empty())
        pod.set({"spec", "subdomain"}, service);
    json::Array volumes;
    std::set<std::string> claimed;
    for (auto const& [key, claim] : set.at({"spec", "volumeClaimTemplates"}).elements()) {
        claimed.insert(meta::name(claim));
        volumes.push_back(
            json::Object{{"name", meta::name(claim)},
                         {"persistentVolumeClaim", json::Object{{"claimName", claim_name(claim, ordinal)}}}});
    }
    if (claimed.empty()) return pod;
    for (Value const& volume : std::as_const(pod).at({"spec", "volumes"}).array()) {
        if (!claimed.contains(volume["name"].string())) volumes.push_back(volume);
    }
    pod.set({"spec", "volumes"}, std::move(volumes));
    return pod;
}

bool StatefulSetSync::make_claims(std::int64_t ordinal) {
    for (auto const& [key, claim_template] : set.at({"spec", "volumeClaimTemplates"}).elements()) {
        std::string const name = claim_name(claim_template, ordinal);
        Doc const there = view.find(kClaims, name);
        if (there.exists() && !meta::is_deleting(there)) continue;
        if (there.exists()) {
            plan.requeue_at(now + kRetry, "a claim that is going");
            return false;
        }
        Value claim = claim_template.thaw();
        claim.erase("status");
        claim.set({"metadata", "name"}, name);
        claim.set({"metadata", "namespace"}, meta::ns(set));
        for (auto const& [label, value] : set.at({"spec", "selector", "matchLabels"}).members())
            claim.set({"metadata", "labels", label}, value.string());
        plan.writes.push_back(creation(kClaims, std::move(claim), "a pod's claim"));
        event("SuccessfulCreate", fmt::format("Create Claim {} Pod {} in StatefulSet {} success", name,
                                              pod_name_of(ordinal), meta::name(set)));
    }
    return true;
}

bool StatefulSetSync::create(Replica const& replica) {
    std::string const name = pod_name_of(replica.ordinal);
    bool const scaled_away =
        set.at({"spec", "persistentVolumeClaimRetentionPolicy", "whenScaled"}).as_string() == "Delete";
    for (auto const& [key, claim_template] : set.at({"spec", "volumeClaimTemplates"}).elements()) {
        Doc const claim = view.find(kClaims, claim_name(claim_template, replica.ordinal));
        if (scaled_away && claim.exists() && has_stale_owner(claim, "Pod", name, "")) {
            plan.requeue_at(now + kRetry, "a claim that an earlier pod still owns");
            return false;
        }
    }
    if (!make_claims(replica.ordinal)) return false;
    if (view.find(kPods, name).exists()) {
        plan.requeue_at(now + kRetry, "a pod of that name that is another's");
        return false;
    }
    Value pod = new_pod(replica.ordinal);
    complete_group_pod(pod);
    plan.writes.push_back(creation(kPods, std::move(pod), "a pod of this ordinal is missing"));
    event("SuccessfulCreate", fmt::format("Create Pod {} in StatefulSet {} successful", name, meta::name(set)));
    return true;
}

void StatefulSetSync::settle_claim_owners(Replica const& replica) {
    Doc const policy = set.at({"spec", "persistentVolumeClaimRetentionPolicy"});
    bool const with_pod = policy["whenScaled"].as_string() == "Delete" && !replica.wanted;
    bool const with_set = policy["whenDeleted"].as_string() == "Delete" && !with_pod;
    std::string const name = pod_name_of(replica.ordinal);
    for (auto const& [key, claim_template] : set.at({"spec", "volumeClaimTemplates"}).elements()) {
        Doc const claim = view.find(kClaims, claim_name(claim_template, replica.ordinal));
        if (!claim.exists() || has_stale_owner(claim, view.kind.kind, meta::name(set), meta::uid(set)) ||
            has_stale_owner(claim, "Pod", name, meta::uid(replica.doc))) {
            continue;
        }
        json::Array owners;
        bool others_control = false;
        for (meta::OwnerReference const& owner : meta::owners(claim)) {
            if (owner.uid == meta::uid(set) || owner.uid == meta::uid(replica.doc)) continue;
            others_control = others_control || owner.controller;
            owners.push_back(meta::to_value(owner));
        }
        if (!others_control && with_set) owners.push_back(controller_reference(set, view.kind));
        if (!others_control && with_pod) owners.push_back(controller_reference(replica.doc, kPod));
        Value const wanted = std::move(owners);
        Value const before = claim.at({"metadata", "ownerReferences"}).thaw();
        if (before == wanted || (before.is_null() && wanted.size() == 0)) continue;
        Write write;
        write.resource = kClaims;
        write.key = meta::key_of(claim);
        write.body.set({"metadata", "resourceVersion"}, meta::resource_version(claim));
        write.body.set({"metadata", "ownerReferences"}, wanted);
        write.why = "persistentVolumeClaimRetentionPolicy";
        plan.writes.push_back(std::move(write));
    }
}

void StatefulSetSync::keep_identity(Replica const& replica) {
    std::string const name = meta::name(replica.doc);
    if (meta::label(replica.doc, kPodNameLabel) == name) return;
    Write write;
    write.resource = kPods;
    write.key = meta::key_of(replica.doc);
    write.body.set({"metadata", "labels", kPodNameLabel}, name);
    write.body.set({"metadata", "labels", kPodIndexLabel}, std::to_string(replica.ordinal));
    write.why = "its labels say who it is";
    plan.writes.push_back(std::move(write));
    event("SuccessfulUpdate", fmt::format("Update Pod {} in StatefulSet {} successful", name, meta::name(set)));
}

}   // namespace aviary::simulator
