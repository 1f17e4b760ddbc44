#include "member/workload/internal/replica_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/meta/object.h"

namespace aviary::workload {

namespace {

using json::Doc;

bool ignored_label(std::string_view key) { return key == kHashLabel; }

bool same_labels(Doc const& left, Doc const& right) {
    std::size_t count = 0;
    for (auto const& [key, value] : left.members()) {
        if (ignored_label(key)) continue;
        if (right[key].as_string("\n") != value.as_string()) return false;
        ++count;
    }
    std::size_t const other = right.size() - (right.contains(kHashLabel) ? 1 : 0);
    return count == other;
}

// Members of `left` are in `right`; a null is as good as none.
template <class Compare>
bool covered(Doc const& left, Doc const& right, Compare compare) {
    for (auto const& [key, value] : left.members()) {
        if (!compare(key, value, right[key])) return false;
    }
    return true;
}

bool same_metadata(Doc const& left, Doc const& right) {
    auto const compare = [](std::string_view key, Doc const& a, Doc const& b) {
        return key == "labels" || key == "creationTimestamp" || (a.is_null() && b.is_null()) || a == b;
    };
    return same_labels(left["labels"], right["labels"]) && covered(left, right, compare) &&
           covered(right, left, compare);
}

}   // namespace

bool same_template(Doc const& left, Doc const& right) {
    auto const compare = [](std::string_view key, Doc const& a, Doc const& b) {
        return key == "metadata" || (a.is_null() && b.is_null()) || a == b;
    };
    return same_metadata(left["metadata"], right["metadata"]) && covered(left, right, compare) &&
           covered(right, left, compare);
}

std::string template_hash(Doc const& pod_template, int salt) {
    static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    json::Value value = pod_template.thaw();
    if (json::Value* metadata = value.find("metadata")) {
        metadata->erase("creationTimestamp");
        if (json::Value* labels = metadata->find("labels")) labels->erase(kHashLabel);
    }
    std::string text = json::write_canonical(value);
    if (salt > 0) text += fmt::format("/{}", salt);
    std::string hash;
    for (char digit : std::to_string(fnv1a_32(text)))
        hash += kAlphabet[static_cast<unsigned char>(digit) % kAlphabet.size()];
    return hash;
}

std::string ReplicaSet::name() const { return meta::name(doc); }
std::string ReplicaSet::hash() const { return meta::label(doc, kHashLabel); }

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

ReplicaSet* ReplicaSets::stable(std::string_view revision) {
    ReplicaSet* largest = nullptr;
    for (ReplicaSet& set : all) {
        if (&set == current) continue;
        if (!revision.empty() && set.hash() == revision) return &set;
        if (set.wanted > (largest == nullptr ? 0 : largest->wanted)) largest = &set;
    }
    return largest;
}

std::int64_t ReplicaSets::wanted() const {
    std::int64_t total = 0;
    for (ReplicaSet const& set : all) total += set.wanted;
    return total;
}

std::int64_t revision_of(Doc const& replica_set) {
    return parse_int(meta::annotation(replica_set, "deployment.kubernetes.io/revision")).value_or(0);
}

std::string revision_running(Doc const& pod_template, std::vector<Doc> const& replica_sets) {
    for (Doc const& set : replica_sets) {
        if (!meta::is_deleting(set) && same_template(set.at({"spec", "template"}), pod_template))
            return meta::label(set, kHashLabel);
    }
    return {};
}

std::string stable_revision_for(Doc const& pod_template, std::vector<Doc> const& replica_sets, bool or_same) {
    auto const same = [&](Doc const& set) { return same_template(set.at({"spec", "template"}), pod_template); };
    std::vector<Doc> sorted;
    for (Doc const& set : replica_sets) {
        if (set.at({"spec", "replicas"}).as_int(1) > 0 && !meta::is_deleting(set)) sorted.push_back(set);
    }
    std::ranges::sort(sorted, {}, [&](Doc const& set) {
        return std::tuple(-set.at({"spec", "replicas"}).as_int(1), same(set), revision_of(set),
                          set.at({"metadata", "creationTimestamp"}).string(), meta::name(set));
    });
    for (Doc const& set : sorted) {
        if (or_same || !same(set)) return meta::label(set, kHashLabel);
    }
    return {};
}

}   // namespace aviary::workload
