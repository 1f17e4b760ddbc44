#include "member/workload/internal/revisions.h"

#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "member/workload/native_set.h"

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
