#include "hub/propagation/internal/revisions.h"

#include <fmt/format.h>

#include <algorithm>

#include "apis/fleet/fleet_binding.h"
#include "hub/placement/bindings.h"
#include "hub/propagation/kinds.h"
#include "hub/propagation/names.h"
#include "hub/propagation/propagator.h"
#include "hub/propagation/render.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"

namespace aviary::propagation {

namespace {

using control::Plan;
using control::Write;
using json::Doc;
using json::Value;

constexpr std::size_t kRevisionsKept = 20;

Write forget(Doc const& revision) {
    Write write;
    write.verb = Write::Verb::kDelete;
    write.resource = kControllerRevisions;
    write.key = meta::key_of(revision);
    write.ignore_not_found = true;
    write.why = "revision history";
    return write;
}

// A pin ends with a hub template that is not the rejected one; the rejected version may be released again after that.
void end_pins(Plan& plan, Doc const& binding, apis::FleetBindingSpec spec, std::string const& hash) {
    bool ended = false;
    for (apis::BoundCluster& cluster : spec.clusters) {
        if ((cluster.revision.empty() && cluster.rejected.empty()) || cluster.rejected == hash) continue;
        cluster.revision.clear();
        cluster.rejected.clear();
        ended = true;
    }
    if (!ended) return;
    plan.writes.push_back(placement::clusters_write(binding, spec, "pins ended"));
}

}   // namespace

Write keep_revision(Doc const& workload, std::string const& hash, Value pod_template, std::int64_t number) {
    Write write;
    write.verb = Write::Verb::kCreate;
    write.resource = kControllerRevisions;
    write.key = {meta::ns(workload), meta::fitting_name(fmt::format("{}-{}", meta::name(workload), hash))};
    write.body = json::Object{{"apiVersion", "apps/v1"}, {"kind", "ControllerRevision"}};
    write.body.set({"metadata", "labels", kTemplateLabel}, hash);
    write.body.set({"metadata", "ownerReferences"}, json::Array{meta::controller_reference(workload)});
    write.body.set({"data", "template"}, std::move(pod_template));
    write.body["revision"] = number;
    write.ignore_already_exists = true;
    write.why = "remember the template";
    return write;
}

Plan decide_revisions(RevisionsSeen const& seen) {
    Plan plan;
    if (!template_in(seen.workload).exists()) return plan;
    Value pod_template = propagation::pod_template(seen.workload);
    std::string const hash = template_hash(pod_template);
    std::set<std::string, std::less<>> used = seen.used;
    used.insert(hash);
    if (auto const binding = apis::read_fleet_binding(seen.binding); binding && seen.binding.exists()) {
        end_pins(plan, seen.binding, binding->spec, hash);
        for (apis::BoundCluster const& cluster : binding->spec.clusters) used.insert(cluster.revision);
    }
    std::vector<Doc> kept = seen.kept;
    std::ranges::sort(kept, {}, [](Doc const& each) { return each["revision"].as_int(); });
    std::set<std::string, std::less<>> known;
    for (Doc const& each : kept) known.insert(meta::label(each, kTemplateLabel));
    std::int64_t last = kept.empty() ? 0 : kept.back()["revision"].as_int();
    // A template that the hub never had, as of a workload that it took over: kept before another takes its place.
    for (Doc const& live : seen.frozen) {
        std::string const from = meta::label(live, kStableLabel);
        std::string const has = meta::label(live, kTemplateLabel);
        if (from.empty() || (!has.empty() && has != from) || from == hash || !known.insert(from).second) continue;
        plan.writes.push_back(keep_revision(seen.workload, from, propagation::pod_template(live), ++last));
    }
    if (!known.contains(hash))
        plan.writes.push_back(keep_revision(seen.workload, hash, std::move(pod_template), last + 1));
    for (std::size_t index = 0; seen.all_known && index + kRevisionsKept < kept.size(); ++index) {
        if (!used.contains(meta::label(kept[index], kTemplateLabel))) plan.writes.push_back(forget(kept[index]));
    }
    return plan;
}

}   // namespace aviary::propagation
