#include "member/rollout/internal/status_write.h"

#include "kube/meta/object.h"
#include "member/workload/json_patch.h"

namespace aviary::rollout {

namespace {

using json::Value;
using workload::JsonPatch;

void differences(JsonPatch& patch, JsonPatch::Path const& path, Value const& before, Value const& after) {
    for (auto const& [key, value] : after.object()) {
        JsonPatch::Path inner = path;
        inner.push_back(key);
        Value const* const old = before.find(key);
        // Defaults that nobody has written yet are none: upstream's definitions ask for some.
        if (old != nullptr && *old == value && patch.at(inner).exists()) continue;
        if (old != nullptr && old->is_object() && value.is_object()) {
            differences(patch, inner, *old, value);
        } else {
            patch.set(inner, value);
        }
    }
    for (auto const& [key, value] : before.object()) {
        if (after.contains(key)) continue;
        JsonPatch::Path inner = path;
        inner.push_back(key);
        patch.remove(inner);
    }
}

}   // namespace

control::Write status_write(json::Doc const& object, meta::GroupVersionResource const& resource, Value const& before,
                            Value const& after, std::vector<std::vector<std::string_view>> const& tested) {
    JsonPatch patch(object);
    for (auto const& path : tested) patch.test(path);
    differences(patch, {"status"}, before, after);
    control::Write write;
    write.verb = control::Write::Verb::kJsonPatch;
    write.resource = resource;
    write.key = meta::key_of(object);
    write.subresource = "status";
    write.body = patch.take();
    write.why = "status";
    return write;
}

}   // namespace aviary::rollout
