// Scripts, and documents for them: whatever they are, a run ends within its limits, and what it gives is a document.
//   p  a pattern and a text, with a line's end between: matching ends, and find and gsub agree
//   anything else is a script
#include "core/base/check.h"
#include "core/json/parse.h"
#include "core/json/write.h"
#include "core/lua/sandbox.h"

namespace {

using namespace aviary;

constexpr lua::Limits kLittle{.instructions = 200'000, .time = std::chrono::seconds(2), .memory = 4 << 20};
constexpr char kMatch[] = R"lua(
local from, to = string.find(obj.text, obj.pattern)
local _, count = string.gsub(obj.text, obj.pattern, '', 1)
local anchored = obj.pattern:sub(1, 1) == '^'
if (from == nil) ~= (count == 0) and not anchored then return { from = from or 0, count = count } end
return { ok = true }
)lua";

json::Doc input() {
    static json::Doc const kept = *json::parse(
        R"({"data":{"spec":{"http":[{"route":[{"destination":{"host":"web"}}]}],"e":{},"l":[]},"annotations":{"a":"b"}},
            "annotations":{"a":"b"},"weight":"20","canaryWeight":20,"stableService":"web"})");
    return kept;
}

void run(std::string text) {
    auto const found = lua::run({"fuzz", std::move(text)}, input(), lua::EmptyTable::kNull, kLittle);
    if (!found) {
        AVIARY_CHECK(found.error().message().starts_with("fuzz:"));
        AVIARY_CHECK(found.error().code() != ErrorCode::kInternal);
        return;
    }
    AVIARY_CHECK(json::parse(json::write(*found)).has_value());
}

void match(std::string_view text) {
    std::size_t const end = text.find('\n');
    if (end == std::string_view::npos) return;
    json::Value given;
    given["pattern"] = text.substr(0, end);
    given["text"] = text.substr(end + 1);
    auto const found = lua::run({"fuzz", kMatch}, json::Doc::freeze(given), lua::EmptyTable::kNull, kLittle);
    if (found) AVIARY_CHECK((*found)["ok"].as_bool());
}

}   // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    if (text.starts_with('p')) {
        match(text.substr(1));
    } else {
        run(std::string(text));
    }
    return 0;
}
