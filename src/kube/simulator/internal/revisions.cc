#include "kube/simulator/internal/revisions.h"

#include <algorithm>
#include <tuple>

#include "core/base/sort.h"
#include "kube/meta/object.h"
#include "kube/meta/pods.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

using json::Doc;
using json::Value;

namespace {

constexpr std::string_view kHashLabel = "controller.kubernetes.io/hash";

}   // namespace

Value revision_data(Doc const& pod_template) {
    Value kept = pod_template.thaw();
    kept["$patch"] = "replace";
    Value data{json::Object()};
    data.set({"spec", "template"}, std::move(kept));
    return data;
}

Doc template_of(Value data) {
    Value& kept = data["spec"]["template"];
    kept.erase("$patch");
    return Doc::freeze(kept);
}

bool has_data(Doc const& revision, Value const& data) { return revision["data"].thaw() == data; }

std::int64_t revision_number(Doc const& revision) { return revision["revision"].as_int(); }

std::vector<Doc> by_number(std::vector<Doc> revisions) {
    sort_by(revisions, [](Doc const& revision) {
        return std::tuple(revision_number(revision), revision.at({"metadata", "creationTimestamp"}).string(),
                          meta::name(revision));
    });
    return revisions;
}

Value revision_object(Doc const& owner, meta::GroupVersionKind const& kind, std::string name,
                      std::string_view hash_label, std::string hash, std::int64_t number) {
    Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "ControllerRevision"}}};
    object.set({"metadata", "name"}, std::move(name));
    object.set({"metadata", "namespace"}, meta::ns(owner));
    Value labels = owner.at({"spec", "template", "metadata", "labels"}).thaw();
    labels[hash_label] = std::move(hash);
    object.set({"metadata", "labels"}, std::move(labels));
    if (Doc const annotations = owner.at({"metadata", "annotations"}); annotations.size() > 0)
        object.set({"metadata", "annotations"}, annotations.thaw());
    object.set({"metadata", "ownerReferences"}, json::Array{controller_reference(owner, kind)});
    object["data"] = revision_data(owner.at({"spec", "template"}));
    object["revision"] = number;
    return object;
}

std::optional<ActiveRevisions> active_revisions(Doc const& owner, meta::GroupVersionKind const& kind,
                                                std::vector<Doc> const& revisions, Find const& find) {
    ActiveRevisions result;
    Value const data = revision_data(owner.at({"spec", "template"}));
    std::vector<Doc> const known = by_number(revisions);
    std::int64_t const next = known.empty() ? 1 : revision_number(known.back()) + 1;
    result.collisions = owner.at({"status", "collisionCount"}).as_int();
    auto const equal = std::ranges::find_if(known.rbegin(), known.rend(),
                                            [&](Doc const& revision) { return has_data(revision, data); });
    if (equal != known.rend()) {
        result.update = meta::name(*equal);
        if (equal != known.rbegin()) result.writes.push_back(renumbering(*equal, next));
    } else if (!meta::is_deleting(owner)) {
        std::string hash;
        Doc taken;
        for (;; ++result.collisions) {
            hash = meta::template_hash(owner.at({"spec", "template"}), result.collisions);
            result.update = meta::name(owner) + "-" + hash;
            taken = find(kControllerRevisions, result.update);
            if (!taken.exists() || has_data(taken, data)) break;
        }
        if (!taken.exists()) {
            result.writes.push_back(creation(
                kControllerRevisions, revision_object(owner, kind, result.update, kHashLabel, std::move(hash), next),
                "new template"));
        }
    } else {
        return std::nullopt;
    }
    std::string const noted = owner.at({"status", "currentRevision"}).string();
    auto const current = std::ranges::find(known, noted, [](Doc const& revision) { return meta::name(revision); });
    result.current = current == known.end() ? result.update : noted;
    result.current_template = template_of(current == known.end() ? data : (*current)["data"].thaw());
    return result;
}

void truncate_revisions(control::Plan& plan, Doc const& owner, std::vector<Doc> const& revisions,
                        std::function<bool(Doc const&)> const& live) {
    std::vector<Doc> history = by_number(revisions);
    std::erase_if(history, live);
    std::int64_t surplus =
        static_cast<std::int64_t>(history.size()) - owner.at({"spec", "revisionHistoryLimit"}).as_int(10);
    for (Doc const& revision : history) {
        if (surplus-- <= 0) return;
        plan.writes.push_back(control::deletion(kControllerRevisions, revision, "revision history"));
    }
}

control::Write renumbering(Doc const& revision, std::int64_t number) {
    control::Write write;
    write.resource = kControllerRevisions;
    write.key = meta::key_of(revision);
    write.body["revision"] = number;
    write.why = "its template is the newest again";
    return write;
}

}   // namespace aviary::simulator
