// What a CloneSet makes: pods and their claims.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/strings.h"
#include "kube/meta/pods.h"
#include "kube/simulator/internal/clone_set_sync.h"
#include "kube/simulator/internal/in_place.h"

namespace aviary::simulator {

using json::Doc;
using json::Value;

namespace {

constexpr std::string_view kInstance = "apps.kruise.io/cloneset-instance-id";

}   // namespace

void CloneSetSync::event(std::string type, std::string reason, std::string message) {
    plan.events.push_back({reference_to(set, view.kind), std::move(type), std::move(reason), std::move(message)});
}

// An instance whose pod has gone leaves its claims behind: the next pod takes it up.
std::vector<std::string> CloneSetSync::free_ids(std::int64_t count) const {
    std::set<std::string> used;
    for (Doc const& pod : pods) used.insert(meta::label(pod, kInstance));
    std::set<std::string> ids;
    for (Doc const& claim : view.claims) {
        std::string const id = meta::label(claim, kInstance);
        if (std::cmp_less(ids.size(), count) && !id.empty() && !meta::is_deleting(claim) && !used.contains(id))
            ids.insert(id);
    }
    for (PodNames names(set, view.pods); std::cmp_less(ids.size(), count);) {
        std::string const id = short_hash(names.next());
        if (!used.contains(id)) ids.insert(id);
    }
    return {ids.begin(), ids.end()};
}

std::vector<Value> CloneSetSync::claims_of(Value const& pod) const {
    std::vector<Value> result;
    std::string const id = pod.at({"metadata", "labels", kInstance}).string();
    for (auto const& [key, claim_template] : set.at({"spec", "volumeClaimTemplates"}).elements()) {
        Value claim = claim_template.thaw();
        claim["apiVersion"] = "v1";
        claim["kind"] = "PersistentVolumeClaim";
        claim.erase("status");
        claim.set({"metadata", "name"}, fmt::format("{}-{}-{}", meta::name(claim_template), meta::name(set), id));
        claim.set({"metadata", "namespace"}, meta::ns(set));
        for (auto const& [label, value] : set.at({"spec", "selector", "matchLabels"}).members())
            claim.set({"metadata", "labels", label}, value.string());
        claim.set({"metadata", "labels", kInstance}, id);
        claim.set({"metadata", "ownerReferences"}, json::Array{controller_reference(set, view.kind)});
        result.push_back(std::move(claim));
    }
    return result;
}

void CloneSetSync::put_volumes(Value& pod) const {
    std::vector<Value> const claims = claims_of(pod);
    if (claims.empty()) return;
    json::Array volumes;
    std::set<std::string> claimed;
    Doc const templates = set.at({"spec", "volumeClaimTemplates"});
    for (std::size_t index = 0; index < claims.size(); ++index) {
        std::string const name = meta::name(templates[index]);
        claimed.insert(name);
        Value const source = json::Object{{"claimName", claims[index].at({"metadata", "name"})}};
        volumes.push_back(json::Object{{"name", name}, {"persistentVolumeClaim", source}});
    }
    for (Value const& volume : std::as_const(pod).at({"spec", "volumes"}).array()) {
        if (!claimed.contains(volume["name"].string())) volumes.push_back(volume);
    }
    pod.set({"spec", "volumes"}, std::move(volumes));
}

Value CloneSetSync::new_pod(Doc const& pod_template, std::string const& revision_name, std::string const& id) const {
    Value pod = pod_from_template(pod_template, set, view.kind);
    pod.set({"metadata", "name"}, meta::name(set) + "-" + id);
    for (auto const& [label, value] : revision_labels(revision_name)) pod.set({"metadata", "labels", label}, value);
    pod.set({"metadata", "labels", kInstance}, id);
    set_lifecycle_state(pod, kPreparingNormal, now);
    add_readiness_gate(pod);
    put_volumes(pod);
    return pod;
}

void CloneSetSync::create(std::int64_t total, std::int64_t of_old) {
    for (std::string const& id : free_ids(total)) {
        bool const old = of_old-- > 0;
        Value pod = old ? new_pod(revision.current_template, revision.current, id)
                        : new_pod(set.at({"spec", "template"}), revision.update, id);
        for (Value& claim : claims_of(pod)) {
            control::Write write = creation(kClaims, std::move(claim), "a pod's claim");
            write.ignore_already_exists = true;
            plan.writes.push_back(std::move(write));
        }
        event("Normal", "SuccessfulCreate",
              fmt::format("succeed to create pod {}", std::as_const(pod).at({"metadata", "name"}).as_string()));
        control::Write write = creation(kPods, std::move(pod), "too few pods");
        write.ignore_already_exists = true;
        plan.writes.push_back(std::move(write));
    }
}

// Its claims go with it.
void CloneSetSync::remove(Doc const& pod, std::string why) {
    plan.writes.push_back(control::deletion(kPods, pod, std::move(why)));
    event("Normal", "SuccessfulDelete", fmt::format("succeed to delete pod {}", meta::name(pod)));
    for (Doc const& claim : view.claims) {
        if (!meta::is_deleting(claim) && meta::label(claim, kInstance) == meta::label(pod, kInstance))
            plan.writes.push_back(control::deletion(kClaims, claim, "its pod goes"));
    }
}

// Names of scaleStrategy.podsToDelete whose pods are gone.
void CloneSetSync::forget_removed() {
    json::Array kept;
    Doc const named = set.at({"spec", "scaleStrategy", "podsToDelete"});
    for (auto const& [key, name] : named.elements()) {
        if (std::ranges::any_of(pods, [&](Doc const& pod) { return meta::name(pod) == name.as_string(); }))
            kept.push_back(name.string());
    }
    if (kept.size() == named.size()) return;
    control::Write write;
    write.resource = kCloneSets;
    write.key = meta::key_of(set);
    write.body.set({"metadata", "resourceVersion"}, meta::resource_version(set));
    write.body.set({"spec", "scaleStrategy", "podsToDelete"}, std::move(kept));
    write.why = "pods to delete that are gone";
    plan.writes.push_back(std::move(write));
}

void CloneSetSync::truncate_history() {
    std::set<std::string> live{short_hash(revision.current), short_hash(revision.update)};
    for (Doc const& pod : pods) live.insert(short_hash(meta::label(pod, meta::kRevisionHashLabel)));
    truncate_revisions(plan, set, view.revisions,
                       [&](Doc const& each) { return live.contains(short_hash(meta::name(each))); });
}

}   // namespace aviary::simulator
