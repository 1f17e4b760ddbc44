// JSON documents as Lua's values, and back.
#pragma once

#include "core/lua/internal/call.h"

namespace aviary::lua {

// Takes a document to call.parts, without Lua. False when it is nested too deep.
bool take(Call& call, json::Doc const& doc);
// Pushes what was taken. Nulls are nil: members that are not there.
void push(lua_State* state, Call& call);

// Writes the value on top of the stack to call.doc. False with call.problem when it is no JSON.
bool encode(lua_State* state, Call& call);

// json.encode and json.decode: the value, or nil and what is wrong.
int json_encode(lua_State* state);
int json_decode(lua_State* state);

}   // namespace aviary::lua
