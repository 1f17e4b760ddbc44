#include "core/lua/internal/call.h"

#include <time.h>

#include <cstdlib>

namespace aviary::lua {

namespace {

constexpr int kHookEvery = 100;                      // instructions
constexpr std::size_t kBytesPerInstruction = 16;     // what copying costs
constexpr std::size_t kMostOfMemoryInOneBlock = 4;   // a quarter: no single instruction is slow

Duration read(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + Duration(now.tv_nsec);
}

}   // namespace

Call& Call::of(lua_State* state) {
    void* call = nullptr;
    lua_getallocf(state, &call);
    return *static_cast<Call*>(call);
}

void* Call::allocate(void* call, void* block, std::size_t old_size, std::size_t new_size) {
    Call& self = *static_cast<Call*>(call);
    if (new_size == 0) {
        std::free(block);
        self.used_ -= old_size;
        return nullptr;
    }
    if (new_size > old_size) {
        std::size_t const most = self.limits.memory;
        if (new_size > most / kMostOfMemoryInOneBlock || self.used_ - old_size + new_size > most) {
            if (self.running_ != nullptr) self.refused_line = line_of(self.running_);
            return nullptr;
        }
        self.spent_ += (new_size - old_size) / kBytesPerInstruction;
    }
    void* const moved = std::realloc(block, new_size);
    if (moved != nullptr) self.used_ += new_size - old_size;
    return moved;
}

void Call::start(lua_State* state) {
    running_ = state;
    spent_ = 0;
    started_ = read(CLOCK_MONOTONIC);
    processor_started_ = read(CLOCK_THREAD_CPUTIME_ID);
    lua_sethook(state, on_hook, LUA_MASKCOUNT | LUA_MASKLINE, kHookEvery);
}

void Call::on_hook(lua_State* state, lua_Debug* at) {
    Call& self = of(state);
    if (at->event == LUA_HOOKLINE) {
        self.line = at->currentline;
        return;
    }
    self.spent_ += kHookEvery;
    self.check(state);
}

void Call::check(lua_State* state) {
    if (stop == Stop::kNone && spent_ > limits.instructions) stop = Stop::kInstructions;
    // The clock of the machine is cheap to read, the processor's is what counts.
    if (stop == Stop::kNone && read(CLOCK_MONOTONIC) - started_ > limits.time &&
        read(CLOCK_THREAD_CPUTIME_ID) - processor_started_ > limits.time) {
        stop = Stop::kTime;
    }
    if (stop == Stop::kNone) return;
    // From now on every instruction fails, so that no pcall of the script outlives it.
    lua_sethook(state, on_hook, LUA_MASKCOUNT, 1);
    luaL_error(state, "stopped");
}

void Call::charge(lua_State* state, std::uint64_t instructions) {
    spent_ += instructions;
    check(state);
}

int Call::line_of(lua_State* state) {
    lua_Debug at{};
    for (int level = 0; lua_getstack(state, level, &at) == 1; ++level) {
        lua_getinfo(state, "l", &at);
        if (at.currentline > 0) return at.currentline;
    }
    return of(state).line;   // a tail call has left no trace of its caller
}

}   // namespace aviary::lua
