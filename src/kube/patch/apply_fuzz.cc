#include "core/base/check.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "kube/patch/apply.h"
#include "kube/patch/field_set.h"
#include "kube/patch/strategic_merge.h"

// {"live": …, "patch": …} through strategic merge and server-side apply with a typed schema.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    using namespace aviary;
    static patch::TypeCompiler compiler;
    static auto const type = compiler.compile(*json::parse(R"({"type":"object","properties":{
      "metadata":{"type":"object","properties":{"labels":{"type":"object","additionalProperties":{"type":"string"}}}},
      "spec":{"type":"object","properties":{
        "replicas":{"type":"integer"},
        "containers":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
          "x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge",
          "items":{"type":"object","properties":{"name":{"type":"string"},"args":{"type":"array","items":{"type":"string"}}}}},
        "set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}}}}}})"));
    auto const input = json::parse_value(std::string_view(reinterpret_cast<char const*>(data), size));
    if (!input) return 0;
    json::Value const* live = input->find("live");
    json::Value const* change = input->find("patch");
    if (live == nullptr || change == nullptr || !live->is_object() || !change->is_object()) return 0;
    json::Value merged = *live;
    (void)patch::apply_strategic_merge(merged, *change, *type);
    patch::Manager const manager{"fuzz", "apps/v1", "", Time(std::chrono::seconds(1'790'000'000))};
    if (auto const applied = patch::apply(*live, *change, manager, true, *type)) {
        // The same again changes nothing.
        auto const again = patch::apply(*applied, *change, manager, false, *type);
        AVIARY_CHECK(again.has_value());
        AVIARY_CHECK(json::write_canonical(*again) == json::write_canonical(*applied));
    }
    json::Value after = *change;
    patch::track_update(*live, after, manager, *type);
    (void)patch::FieldSet::from_json(json::Doc::freeze(*change)).paths();
    return 0;
}
