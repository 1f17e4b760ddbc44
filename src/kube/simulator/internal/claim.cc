#include "kube/simulator/internal/claim.h"

#include "kube/meta/object.h"
#include "kube/meta/selector.h"
#include "kube/simulator/internal/resources.h"

namespace aviary::simulator {

namespace {

using json::Doc;
using json::Value;

control::Write owners_write(meta::GroupVersionResource const& resource, Doc const& object, Value owners,
                            std::string why) {
    control::Write write;
    write.resource = resource;
    write.key = meta::key_of(object);
    write.body.set({"metadata", "resourceVersion"}, meta::resource_version(object));
    write.body.set({"metadata", "ownerReferences"}, std::move(owners));
    write.ignore_not_found = true;
    write.why = std::move(why);
    return write;
}

}   // namespace

bool selects(Doc const& owner, Doc const& object) {
    auto const selector = meta::LabelSelector::from_object(owner.at({"spec", "selector"}));
    return selector && !selector->empty() && selector->matches(object);
}

Claim claim(Doc const& owner, meta::GroupVersionKind const& owner_kind, meta::GroupVersionResource const& resource,
            std::vector<Doc> const& candidates, std::function<bool(Doc const&)> const& also) {
    Claim result;
    for (Doc const& object : candidates) {
        bool const ours = meta::is_controlled_by(object, owner);
        if (!ours && !meta::controller_uid(object).empty()) continue;
        bool const selected = selects(owner, object) && (!also || also(object));
        if (ours && (selected || meta::is_deleting(owner))) {
            result.owned.push_back(object);
            continue;
        }
        if (meta::is_deleting(owner) || (!ours && (!selected || meta::is_deleting(object)))) continue;
        Value owners{json::Array()};
        for (auto const& [key, each] : object.at({"metadata", "ownerReferences"}).elements()) {
            if (each["uid"].as_string() != meta::uid(owner)) owners.push_back(each.thaw());
        }
        if (ours) {
            result.writes.push_back(owners_write(resource, object, std::move(owners), "its labels are others now"));
        } else {
            owners.push_back(controller_reference(owner, owner_kind));
            result.writes.push_back(owners_write(resource, object, std::move(owners), "nobody controls it"));
            result.owned.push_back(object);
        }
    }
    return result;
}

}   // namespace aviary::simulator
