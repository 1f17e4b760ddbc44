#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"

#include "core/base/check.h"

// Text → document → text → the same document.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    using namespace aviary;
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    (void)json::parse_pointer(text);
    auto const value = json::parse_value(text);
    auto const doc = json::parse(text);
    AVIARY_CHECK(value.has_value() == doc.has_value());
    if (!value) return 0;
    std::string const once = json::write(*value);
    AVIARY_CHECK(once == json::write(*doc));
    auto const again = json::parse_value(once);
    AVIARY_CHECK(again.has_value());
    std::string const twice = json::write(*again);   // "-0.0" is "-0", then 0
    auto const settled = json::parse_value(twice);
    AVIARY_CHECK(settled.has_value());
    AVIARY_CHECK(json::write(*settled) == twice);
    (void)json::write_pretty(*value);
    (void)json::write_canonical(*value);
    AVIARY_CHECK(json::write(json::Doc::freeze(*value)) == once);
    return 0;
}
