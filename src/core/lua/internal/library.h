// What a script finds in its globals.
#pragma once

#include "core/lua/internal/call.h"

namespace aviary::lua {

// Opens LuaJIT's libraries, takes away what is not allowed, and puts our own in place of what runs for long unseen.
void open_libraries(lua_State* state);

}   // namespace aviary::lua
