#include "core/base/check.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"

// {"document": …, "patch": …}: both kinds of patch; a patch that fails changes nothing.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    using namespace aviary;
    auto const input = json::parse_value(std::string_view(reinterpret_cast<char const*>(data), size));
    if (!input) return 0;
    json::Value const* document = input->find("document");
    json::Value const* patch = input->find("patch");
    if (document == nullptr || patch == nullptr) return 0;
    json::Value patched = *document;
    if (!json::apply_json_patch(patched, *patch)) AVIARY_CHECK(json::write(patched) == json::write(*document));
    json::Value merged = *document;
    json::apply_merge_patch(merged, *patch);
    // What a merge has made can be made again by the difference.
    json::Value rebuilt = *document;
    json::apply_merge_patch(rebuilt, json::create_merge_patch(*document, merged));
    (void)json::write(rebuilt);
    return 0;
}
