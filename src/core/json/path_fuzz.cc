#include "core/json/parse.h"
#include "core/json/path.h"

// Any text is a path or an error, and any path ends on any document.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    using namespace aviary;
    static json::Doc const document =
        *json::parse(R"({"a":[{"b":"x","c":[1,2.5,null,true]},{"b":"y"},[[0]]],"b":{"a":{"b":{"c":"d"}}},"n":-3})");
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    if (auto const path = json::Path::parse_template(text)) (void)path->print(document);
    if (auto const path = json::Path::parse(text)) (void)path->find(document);
    return 0;
}
