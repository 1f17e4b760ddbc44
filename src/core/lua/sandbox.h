// Runs one script of Lua 5.1 that turns a JSON document into another, shut off from everything else and held to
// limits. LuaJIT stays inside this module, with its compiler switched off: compiled loops cannot be stopped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/json/doc.h"

namespace aviary::lua {

struct Script {
    std::string name;   // in messages: "lua.traffic.routing.ingress.nginx:12: …"
    std::string text;   // source, never bytecode
    bool operator==(Script const&) const = default;
};

// What one run may take.
struct Limits {
    // Also pattern matching, sorting and allocating are paid for in instructions, so a limit means the same everywhere.
    std::uint64_t instructions = 20'000'000;
    // Of the thread's processor: a busy machine does not make a script fail. It ends what few instructions make slow.
    Duration time = std::chrono::seconds(1);
    std::size_t memory = 32 << 20;        // bytes, garbage included
    std::size_t depth = 64;               // of the input and of the result
    std::size_t result_bytes = 4 << 20;   // texts and keys, and 16 for each value
};

// What a table without members is in the result. One that came with the input, and is as empty as it was, stays what it
// was there: a list or an object.
enum class EmptyTable { kNull, kArray };

// Runs the script with `input` as its global `obj`. The result is the last value that it returns, which must be a
// table: keys 1, 2, 3 … are a list, texts an object, sorted; whole numbers have no fraction.
//
// The script has `math`, `string`, `table`, `json.encode` and `json.decode`, and of the base library what neither reads
// files nor leaves the sandbox; `print` does nothing. Each run begins with a fresh state, so nothing stays behind.
//
// Errors name script and line. Invalid: the script does not compile, fails, or returns what is no JSON; Timeout: it was
// stopped, too many instructions or too much time; TooLarge: it wanted more memory. Thread-safe; blocks for as long as
// the script runs.
Result<json::Doc> run(Script const& script, json::Doc const& input, EmptyTable empty = EmptyTable::kNull,
                      Limits const& limits = {});

}   // namespace aviary::lua
