// One run of one script: what it has spent of its limits, and what its C functions keep outside of Lua's memory. An
// error of Lua may jump over frames of C++, so functions that Lua calls hold nothing that needs a destructor: it stands
// here.
#pragma once

#include <luajit-2.1/lua.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "core/lua/sandbox.h"

namespace aviary::lua {

class Call {
public:
    enum class Stop { kNone, kInstructions, kTime };

    Call(Limits const& limits, EmptyTable empty) : limits(limits), empty(empty) {}
    Call(Call const&) = delete;
    Call& operator=(Call const&) = delete;

    // The run that a state belongs to.
    static Call& of(lua_State* state);
    // lua_Alloc over malloc: refuses what goes over the limit, and notes where.
    static void* allocate(void* call, void* block, std::size_t old_size, std::size_t new_size);
    // What Lua has of memory now; nothing when its state is closed.
    std::size_t used() const { return used_; }
    // Begins to count.
    void start(lua_State* state);
    // And ends: what is left to do is not the script's.
    void finish() { running_ = nullptr; }
    // Pays for work that Lua's instructions do not show. Raises an error of Lua when the limit is passed.
    void charge(lua_State* state, std::uint64_t instructions);
    // The line of the innermost function that is the script's.
    static int line_of(lua_State* state);

    Limits const limits;
    EmptyTable const empty;
    Stop stop = Stop::kNone;
    int line = 0;           // which ran last
    int refused_line = 0;   // which last wanted too much memory

    // A document on its way into Lua, in its order: a container is followed by its members.
    struct Part {
        json::Type type = json::Type::kNull;
        std::string_view key, text;
        double number = 0;   // 1 for true
        int size = 0;
    };
    std::vector<Part> parts;
    json::Doc doc;   // which the parts look into; or what was written

    std::optional<json::DocBuilder> builder;
    std::vector<std::string_view> keys;   // of the objects that are being written, outermost first
    std::vector<void const*> tables;      // likewise
    std::string path, problem, text;
    std::size_t written = 0;

private:
    static void on_hook(lua_State* state, lua_Debug* at);
    void check(lua_State* state);

    lua_State* running_ = nullptr;
    std::uint64_t spent_ = 0;
    std::size_t used_ = 0;
    Duration started_{}, processor_started_{};
};

}   // namespace aviary::lua
