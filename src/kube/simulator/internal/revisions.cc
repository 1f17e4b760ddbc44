#include "kube/simulator/internal/revisions.h"

#include <algorithm>
#include <tuple>

#include "kube/meta/object.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

using json::Doc;
using json::Value;

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
    std::ranges::sort(revisions, {}, [](Doc const& revision) {
        return std::tuple(revision_number(revision), revision.at({"metadata", "creationTimestamp"}).string(),
                          meta::name(revision));
    });
    return revisions;
}

Value revision_object(Doc const& owner, std::string kind, std::string name, std::string_view hash_label,
                      std::string hash, std::int64_t number) {
    Value object{json::Object{{"apiVersion", "apps/v1"}, {"kind", "ControllerRevision"}}};
    object.set({"metadata", "name"}, std::move(name));
    object.set({"metadata", "namespace"}, meta::ns(owner));
    Value labels = owner.at({"spec", "template", "metadata", "labels"}).thaw();
    labels[hash_label] = std::move(hash);
    object.set({"metadata", "labels"}, std::move(labels));
    if (Doc const annotations = owner.at({"metadata", "annotations"}); annotations.size() > 0)
        object.set({"metadata", "annotations"}, annotations.thaw());
    object.set({"metadata", "ownerReferences"}, json::Array{controller_reference(owner, "apps/v1", std::move(kind))});
    object["data"] = revision_data(owner.at({"spec", "template"}));
    object["revision"] = number;
    return object;
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
