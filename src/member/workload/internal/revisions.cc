#include "member/workload/internal/revisions.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/workload/counting.h"

namespace aviary::workload {

using control::Write;
using json::Doc;
using json::Value;

Value template_of(Doc const& revision) {
    Value kept = revision.at({"data", "spec", "template"}).thaw();
    if (kept.is_object()) kept.erase("$patch");
    return kept;
}

Doc revision_with(Doc const& pod_template, std::vector<Doc> const& revisions) {
    Doc newest;
    for (Doc const& revision : revisions) {
        if (newest.exists() && revision["revision"].as_int() <= newest["revision"].as_int()) continue;
        if (meta::same_template(Doc::freeze(template_of(revision)), pod_template)) newest = revision;
    }
    return newest;
}

std::string prevailing_revision(std::vector<Doc> const& pods, std::vector<Doc> const& revisions,
                                std::string_view label_key) {
    std::map<std::string, std::int64_t> counts;
    for (Doc const& pod : pods) {
        if (meta::is_active(pod)) ++counts[meta::label(pod, label_key)];
    }
    std::tuple<std::int64_t, std::int64_t, std::string> best;
    for (Doc const& revision : revisions) {
        std::string const hash = meta::label(revision, label_key);
        auto const found = counts.find(hash);
        if (hash.empty() || found == counts.end()) continue;
        best = std::max(best, std::tuple(found->second, revision["revision"].as_int(), hash));
    }
    return std::get<2>(best);
}

std::string replaced_revision(NativeSetInputs inputs, bool without_pods) {
    Doc const own = revision_with(inputs.set.at({"spec", "template"}), inputs.revisions);
    std::erase_if(inputs.revisions,
                  [&](Doc const& each) { return own.exists() && meta::name(each) == meta::name(own); });
    std::string found = prevailing_revision(inputs.pods, inputs.revisions);
    if (!found.empty() || !without_pods || !own.exists() || inputs.revisions.empty()) return found;
    return meta::label(
        std::ranges::max(inputs.revisions, {}, [](Doc const& each) { return each["revision"].as_int(); }),
        kRevisionHashLabel);
}

bool prevails(Doc const& daemon_set) {
    Doc const status = daemon_set["status"];
    return most_updated(status, "currentNumberScheduled", "updatedNumberScheduled") &&
           status["observedGeneration"].as_int() >= meta::generation(daemon_set);
}

std::vector<Write> clean_revisions(std::vector<Doc> const& revisions, std::span<std::string_view const> annotations) {
    std::vector<Write> writes;
    for (Doc const& revision : revisions) {
        Value removed{json::Object()};
        for (std::string_view mark : annotations) {
            if (!meta::annotation(revision, mark).empty()) removed[mark] = nullptr;
        }
        if (removed.size() == 0) continue;
        Write write;
        write.resource = kControllerRevisions;
        write.key = meta::key_of(revision);
        write.body.set({"metadata", "annotations"}, std::move(removed));
        write.why = "nothing of the release is left";
        writes.push_back(std::move(write));
    }
    return writes;
}

}   // namespace aviary::workload
