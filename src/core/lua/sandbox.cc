#include "core/lua/sandbox.h"

#include <fmt/format.h>

#include <memory>

#include "core/base/check.h"
#include "core/lua/internal/call.h"
#include "core/lua/internal/documents.h"
#include "core/lua/internal/library.h"

namespace aviary::lua {

namespace {

struct Close {
    void operator()(lua_State* state) const {
        Call& call = Call::of(state);
        call.finish();
        lua_close(state);
        AVIARY_CHECK(call.used() == 0);
    }
};

// What LuaJIT calls the script; it cuts longer names.
constexpr char kChunk[] = "=script";
constexpr std::string_view kPlace = "script:";

struct Run {
    Call& call;
    Script const& script;
    enum class Stage { kPrepare, kCompile, kRun, kWrite } stage = Stage::kPrepare;
    int status = 0;   // of the script itself: raised again, memory that ran out is an error as any other
    bool written = false;
};

int note_line(lua_State* state) {
    Call::of(state).line = Call::line_of(state);
    return 1;
}

// All that may raise an error; at 1 stands the Run.
int run_protected(lua_State* state) {
    Run& run = *static_cast<Run*>(lua_touserdata(state, 1));
    open_libraries(state);
    push(state, run.call);
    lua_setglobal(state, "obj");
    run.stage = Run::Stage::kCompile;
    lua_settop(state, 0);
    lua_pushcfunction(state, note_line);
    if (luaL_loadbufferx(state, run.script.text.data(), run.script.text.size(), kChunk, "t") != 0)
        return lua_error(state);
    run.stage = Run::Stage::kRun;
    run.call.start(state);
    run.status = lua_pcall(state, 0, LUA_MULTRET, 1);
    if (run.status != 0) return lua_error(state);
    run.stage = Run::Stage::kWrite;
    if (lua_gettop(state) < 2 || !lua_istable(state, -1))
        return luaL_error(state, "the last value that it returns must be a table, not %s",
                          lua_gettop(state) < 2 ? "nothing" : luaL_typename(state, -1));
    run.written = encode(state, run.call);
    return 0;
}

std::string text_of(lua_State* state) {
    if (lua_type(state, -1) != LUA_TSTRING) return fmt::format("an error that is a {}", luaL_typename(state, -1));
    std::size_t size = 0;
    char const* const text = lua_tolstring(state, -1, &size);
    return std::string(text, size);
}

// "name:12: …"; a text that has a place of its own keeps it.
std::string placed(Script const& script, int line, std::string message) {
    if (message.starts_with(kPlace)) return script.name + message.substr(kPlace.size() - 1);
    if (line > 0) return fmt::format("{}:{}: {}", script.name, line, message);
    return fmt::format("{}: {}", script.name, message);
}

Error error_of(lua_State* state, int status, Run const& run) {
    Call const& call = run.call;
    auto const stopped = [&](ErrorCode code, int line, std::string what) {
        return Error(code, placed(run.script, line, "stopped: " + what));
    };
    if (call.stop == Call::Stop::kInstructions)
        return stopped(ErrorCode::kTimeout, call.line,
                       fmt::format("it took more than {} instructions", call.limits.instructions));
    if (call.stop == Call::Stop::kTime)
        return stopped(ErrorCode::kTimeout, call.line,
                       fmt::format("it took longer than {}", format_duration(call.limits.time)));
    if (status == LUA_ERRMEM || run.status == LUA_ERRMEM)
        return stopped(
            ErrorCode::kTooLarge, call.refused_line,
            fmt::format("it wanted more than {} MiB of memory, or a quarter of it at once", call.limits.memory >> 20));
    return Error(ErrorCode::kInvalid,
                 placed(run.script, run.stage == Run::Stage::kRun ? call.line : 0, text_of(state)));
}

}   // namespace

Result<json::Doc> run(Script const& script, json::Doc const& input, EmptyTable empty, Limits const& limits) {
    Call call(limits, empty);
    if (!take(call, input))
        return fail(ErrorCode::kInvalid,
                    fmt::format("{}: the input is nested deeper than {} levels", script.name, limits.depth));
    std::unique_ptr<lua_State, Close> const state(lua_newstate(Call::allocate, &call));
    if (state == nullptr) return fail(ErrorCode::kTooLarge, script.name + ": there is no memory for a script");
    luaJIT_setmode(state.get(), 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    Run run{call, script};
    int const status = lua_cpcall(state.get(), run_protected, &run);
    if (status != 0 || call.stop != Call::Stop::kNone) return std::unexpected(error_of(state.get(), status, run));
    if (!run.written)
        return fail(ErrorCode::kInvalid, fmt::format("{}: its result is no JSON: {}", script.name, call.problem));
    return call.doc;
}

}   // namespace aviary::lua
