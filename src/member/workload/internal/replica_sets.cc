#include "member/workload/internal/replica_sets.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/strings.h"
#include "kube/meta/object.h"
#include "member/workload/deployment.h"

namespace aviary::workload {

using json::Doc;

std::string ReplicaSet::name() const { return meta::name(doc); }
std::string ReplicaSet::hash() const { return meta::label(doc, meta::kTemplateHashLabel); }

ReplicaSets::ReplicaSets(Doc const& deployment, std::vector<Doc> const& docs) {
    all.reserve(docs.size() + 1);   // `current` stays good when one is added
    for (Doc const& doc : docs) {
        if (meta::is_deleting(doc)) continue;
        Doc const status = doc["status"];
        all.push_back({doc, doc.at({"spec", "replicas"}).as_int(1), status["replicas"].as_int(),
                       status["readyReplicas"].as_int(), status["availableReplicas"].as_int(),
                       status["observedGeneration"].as_int() >= meta::generation(doc)});
    }
    std::ranges::sort(all, {}, [](ReplicaSet const& set) {
        return std::pair(set.doc.at({"metadata", "creationTimestamp"}).string(), set.name());
    });
    Doc const pod_template = deployment.at({"spec", "template"});
    auto const found = std::ranges::find_if(
        all, [&](ReplicaSet const& set) { return same_template(set.doc.at({"spec", "template"}), pod_template); });
    if (found != all.end()) current = &*found;
}

ReplicaSet const* ReplicaSets::by_hash(std::string_view hash) const {
    auto const found =
        std::ranges::find_if(all, [&](ReplicaSet const& set) { return !hash.empty() && set.hash() == hash; });
    return found == all.end() ? nullptr : &*found;
}

ReplicaSet const* ReplicaSets::stable(std::string_view revision) const {
    ReplicaSet const* largest = nullptr;
    for (ReplicaSet const& set : all) {
        if (&set == current) continue;
        if (!revision.empty() && set.hash() == revision) return &set;
        if (set.wanted > (largest == nullptr ? 0 : largest->wanted)) largest = &set;
    }
    return largest;
}

ReplicaSet* ReplicaSets::stable(std::string_view revision) {
    return const_cast<ReplicaSet*>(std::as_const(*this).stable(revision));
}

std::int64_t ReplicaSets::wanted() const {
    std::int64_t total = 0;
    for (ReplicaSet const& set : all) total += set.wanted;
    return total;
}

std::vector<control::Write> ReplicaSets::forget_newer(ReplicaSet const& stable, bool with_pods) const {
    std::vector<control::Write> writes;
    for (ReplicaSet const& set : all) {
        bool const goes = &set == current || &set > &stable;   // they are sorted by age
        bool const has_pods = set.wanted > 0 || set.actual > 0;
        if (!goes || &set == &stable || (has_pods && !with_pods)) continue;
        writes.push_back(control::deletion(kReplicaSets, set.doc, "no pods are wanted"));
    }
    return writes;
}

std::int64_t revision_of(Doc const& replica_set) {
    return parse_int(meta::annotation(replica_set, meta::kRevisionAnnotation)).value_or(0);
}

std::string revision_running(Doc const& pod_template, std::vector<Doc> const& replica_sets) {
    for (Doc const& set : replica_sets) {
        if (!meta::is_deleting(set) && same_template(set.at({"spec", "template"}), pod_template))
            return meta::label(set, meta::kTemplateHashLabel);
    }
    return {};
}

std::string stable_revision_for(Doc const& pod_template, std::vector<Doc> const& replica_sets, bool or_same,
                                std::string const& replaced) {
    auto const same = [&](Doc const& set) { return same_template(set.at({"spec", "template"}), pod_template); };
    std::vector<Doc> sorted;
    for (Doc const& set : replica_sets) {
        if (set.at({"spec", "replicas"}).as_int(1) > 0 && !meta::is_deleting(set)) sorted.push_back(set);
    }
    std::ranges::sort(sorted, {}, [&](Doc const& set) {
        return std::tuple(-set.at({"spec", "replicas"}).as_int(1), same(set),
                          meta::label(set, meta::kTemplateHashLabel) != replaced, revision_of(set),
                          set.at({"metadata", "creationTimestamp"}).string(), meta::name(set));
    });
    for (Doc const& set : sorted) {
        if (or_same || !same(set)) return meta::label(set, meta::kTemplateHashLabel);
    }
    return or_same ? replaced : std::string();
}

}   // namespace aviary::workload
