#include "core/lua/internal/library.h"

#include <algorithm>

#include "core/lua/internal/documents.h"
#include "core/lua/internal/pattern.h"

namespace aviary::lua {

namespace {

// Of the base library. What is missing reads files, loads bytecode, changes environments, or shows and moves memory.
constexpr std::string_view kBase[] = {"_G",     "_VERSION", "assert", "error",        "getmetatable", "ipairs",
                                      "next",   "pairs",    "pcall",  "rawequal",     "rawget",       "rawset",
                                      "select", "tonumber", "type",   "setmetatable", "tostring",     "unpack",
                                      "xpcall", "math",     "string", "table"};

// What compiling a byte costs.
constexpr std::uint64_t kInstructionsPerByte = 8;

int print_nothing(lua_State*) { return 0; }

int load_text(lua_State* state) {
    std::size_t size = 0;
    char const* const text = luaL_checklstring(state, 1, &size);
    char const* const name = luaL_optstring(state, 2, text);
    Call::of(state).charge(state, size * kInstructionsPerByte);
    if (luaL_loadbufferx(state, text, size, name, "t") == 0) return 1;
    lua_pushnil(state);
    lua_insert(state, -2);
    return 2;
}

// A function of LuaJIT's that goes through a whole table: its first argument is paid for.
template <int kLeastArguments>
int charged(lua_State* state) {
    luaL_checktype(state, 1, LUA_TTABLE);
    if (lua_gettop(state) >= kLeastArguments) Call::of(state).charge(state, lua_objlen(state, 1));
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_insert(state, 1);
    lua_call(state, lua_gettop(state) - 1, LUA_MULTRET);
    return lua_gettop(state);
}

int table_maxn(lua_State* state) {
    luaL_checktype(state, 1, LUA_TTABLE);
    double largest = 0;
    std::uint64_t keys = 0;
    lua_settop(state, 1);
    for (lua_pushnil(state); lua_next(state, 1) != 0; lua_pop(state, 1)) {
        ++keys;
        if (lua_type(state, -2) == LUA_TNUMBER)
            largest = std::max(largest, static_cast<double>(lua_tonumber(state, -2)));
    }
    Call::of(state).charge(state, keys);
    lua_pushnumber(state, largest);
    return 1;
}

// Whether element `left` of the table at 1 comes before `right`, by the function at 2 if there is one.
bool comes_before(lua_State* state, int left, int right) {
    Call::of(state).charge(state, 1);
    bool const by_function = !lua_isnil(state, 2);
    if (by_function) lua_pushvalue(state, 2);
    lua_rawgeti(state, 1, left);
    lua_rawgeti(state, 1, right);
    bool before = false;
    if (by_function) {
        lua_call(state, 2, 1);
        before = lua_toboolean(state, -1) != 0;
        lua_pop(state, 1);
    } else {
        before = lua_lessthan(state, -2, -1) != 0;
        lua_pop(state, 2);
    }
    return before;
}

void swap_elements(lua_State* state, int left, int right) {
    lua_rawgeti(state, 1, left);
    lua_rawgeti(state, 1, right);
    lua_rawseti(state, 1, left);
    lua_rawseti(state, 1, right);
}

// Puts the element at `root` where it belongs in the heap of 1 to `size`.
void sift(lua_State* state, int root, int size) {
    for (int child = 2 * root; child <= size; child = 2 * root) {
        if (child < size && comes_before(state, child, child + 1)) ++child;
        if (!comes_before(state, root, child)) return;
        swap_elements(state, root, child);
        root = child;
    }
}

// A heap sort: no order of elements and no comparison, however wrong, makes it slow.
int table_sort(lua_State* state) {
    luaL_checktype(state, 1, LUA_TTABLE);
    if (!lua_isnoneornil(state, 2)) luaL_checktype(state, 2, LUA_TFUNCTION);
    lua_settop(state, 2);
    luaL_checkstack(state, 4, "sort");
    int const size = static_cast<int>(lua_objlen(state, 1));
    for (int root = size / 2; root >= 1; --root) sift(state, root, size);
    for (int last = size; last > 1; --last) {
        swap_elements(state, 1, last);
        sift(state, 1, last - 1);
    }
    return 0;
}

void replace(lua_State* state, char const* name, lua_CFunction by) {
    lua_getfield(state, -1, name);
    lua_pushcclosure(state, by, 1);
    lua_setfield(state, -2, name);
}

void remove(lua_State* state, char const* name) {
    lua_pushnil(state);
    lua_setfield(state, -2, name);
}

void open(lua_State* state, lua_CFunction library, char const* name) {
    lua_pushcfunction(state, library);
    lua_pushstring(state, name);
    lua_call(state, 1, 0);
}

void keep_allowed(lua_State* state) {
    for (lua_pushnil(state); lua_next(state, LUA_GLOBALSINDEX) != 0; lua_pop(state, 1)) {
        if (std::ranges::find(kBase, std::string_view(lua_tostring(state, -2))) != std::end(kBase)) continue;
        lua_pushvalue(state, -2);
        lua_pushnil(state);
        lua_rawset(state, LUA_GLOBALSINDEX);   // a member may be cleared on the way
    }
}

}   // namespace

void open_libraries(lua_State* state) {
    open(state, luaopen_base, "");
    open(state, luaopen_math, LUA_MATHLIBNAME);
    open(state, luaopen_string, LUA_STRLIBNAME);
    open(state, luaopen_table, LUA_TABLIBNAME);
    keep_allowed(state);
    lua_register(state, "print", print_nothing);
    lua_register(state, "loadstring", load_text);

    lua_getglobal(state, LUA_STRLIBNAME);
    remove(state, "dump");
    add_patterns(state);
    lua_pop(state, 1);

    lua_getglobal(state, LUA_TABLIBNAME);
    remove(state, "foreach");   // they call functions of C without an instruction between
    remove(state, "foreachi");
    replace(state, "concat", charged<1>);
    replace(state, "insert", charged<3>);
    replace(state, "remove", charged<2>);
    replace(state, "maxn", table_maxn);
    replace(state, "sort", table_sort);
    lua_pop(state, 1);

    lua_createtable(state, 0, 2);
    lua_pushcfunction(state, json_encode);
    lua_setfield(state, -2, "encode");
    lua_pushcfunction(state, json_decode);
    lua_setfield(state, -2, "decode");
    lua_setglobal(state, "json");
}

}   // namespace aviary::lua
