#include <cstring>

#include "core/lua/internal/pattern.h"

namespace aviary::lua {

namespace {

constexpr std::size_t kBytesPerInstruction = 16;

std::string_view text_argument(lua_State* state, int index) {
    std::size_t size = 0;
    char const* const text = luaL_checklstring(state, index, &size);
    return {text, size};
}

// Where a search begins: from 1, or from the end when negative.
std::size_t start_argument(lua_State* state, int index, std::size_t size) {
    lua_Integer start = luaL_optinteger(state, index, 1);
    if (start < 0) start += static_cast<lua_Integer>(size) + 1;
    if (start < 1) start = 1;
    return std::min(static_cast<std::size_t>(start) - 1, size);
}

int find_plain(lua_State* state, std::string_view text, std::string_view wanted, std::size_t start) {
    Call::of(state).charge(state, (text.size() - start + wanted.size()) / kBytesPerInstruction);
    // Linear in every case, which std::string_view::find is not.
    void const* const found = memmem(text.data() + start, text.size() - start, wanted.data(), wanted.size());
    if (found == nullptr) {
        lua_pushnil(state);
        return 1;
    }
    auto const at = static_cast<char const*>(found) - text.data();
    lua_pushinteger(state, at + 1);
    lua_pushinteger(state, at + static_cast<std::ptrdiff_t>(wanted.size()));
    return 2;
}

int search(lua_State* state, bool find) {
    std::string_view const text = text_argument(state, 1);
    std::string_view wanted = text_argument(state, 2);
    std::size_t const start = start_argument(state, 3, text.size());
    constexpr std::string_view kMagic = "^$*+?.([%-";
    if (find && (lua_toboolean(state, 4) != 0 || wanted.find_first_of(kMagic) == std::string_view::npos))
        return find_plain(state, text, wanted, start);
    bool const anchored = wanted.starts_with('^');
    if (anchored) wanted.remove_prefix(1);
    Pattern pattern(state, text, wanted);
    for (char const* from = text.data() + start;; ++from) {
        char const* const to = pattern.match_at(from);
        if (to != nullptr) {
            if (!find) return pattern.push_captures(from, to, true);
            lua_pushinteger(state, from - text.data() + 1);
            lua_pushinteger(state, to - text.data());
            return pattern.push_captures(from, to, false) + 2;
        }
        if (anchored || from == pattern.end()) break;
    }
    lua_pushnil(state);
    return 1;
}

int string_find(lua_State* state) { return search(state, true); }
int string_match(lua_State* state) { return search(state, false); }

// Upvalues: the text, the pattern, where to go on.
int next_match(lua_State* state) {
    std::size_t size = 0, pattern_size = 0;
    char const* const text = lua_tolstring(state, lua_upvalueindex(1), &size);
    char const* const wanted = lua_tolstring(state, lua_upvalueindex(2), &pattern_size);
    Pattern pattern(state, {text, size}, {wanted, pattern_size});
    auto const start = static_cast<std::size_t>(lua_tointeger(state, lua_upvalueindex(3)));
    if (start > size) return 0;
    for (char const* from = text + start;; ++from) {
        char const* const to = pattern.match_at(from);
        if (to != nullptr) {
            lua_pushinteger(state, to - text + (to == from ? 1 : 0));
            lua_replace(state, lua_upvalueindex(3));
            return pattern.push_captures(from, to, true);
        }
        if (from == pattern.end()) return 0;
    }
}

int string_gmatch(lua_State* state) {
    text_argument(state, 1);
    text_argument(state, 2);
    lua_settop(state, 2);
    lua_pushinteger(state, 0);
    lua_pushcclosure(state, next_match, 3);
    return 1;
}

// A replacement that is a text: %0 to %9 are captures.
void add_text(lua_State* state, luaL_Buffer& out, Pattern& pattern, char const* from, char const* to) {
    std::size_t size = 0;
    char const* const text = lua_tolstring(state, 3, &size);
    for (std::size_t each = 0; each < size; ++each) {
        char const letter = text[each];
        if (letter != '%' || ++each == size) {
            luaL_addchar(&out, letter);
        } else if (text[each] < '0' || text[each] > '9') {
            luaL_addchar(&out, text[each]);
        } else if (text[each] == '0') {
            luaL_addlstring(&out, from, static_cast<std::size_t>(to - from));
        } else {
            pattern.push_capture(text[each] - '1', from, to);
            lua_tostring(state, -1);   // a position
            luaL_addvalue(&out);
        }
    }
    Call::of(state).charge(state, size);
}

// A replacement that is a table or a function: nil and false leave the match as it is.
void add_looked_up(lua_State* state, luaL_Buffer& out, Pattern& pattern, char const* from, char const* to) {
    if (lua_istable(state, 3)) {
        pattern.push_capture(0, from, to);
        lua_gettable(state, 3);
    } else {
        lua_pushvalue(state, 3);
        lua_call(state, pattern.push_captures(from, to, true), 1);
    }
    if (lua_toboolean(state, -1) == 0) {
        lua_pop(state, 1);
        luaL_addlstring(&out, from, static_cast<std::size_t>(to - from));
    } else if (lua_isstring(state, -1) == 0) {
        luaL_error(state, "invalid replacement value (a %s)", luaL_typename(state, -1));
    } else {
        lua_tostring(state, -1);
        luaL_addvalue(&out);
    }
}

int string_gsub(lua_State* state) {
    std::string_view const text = text_argument(state, 1);
    std::string_view wanted = text_argument(state, 2);
    int const type = lua_type(state, 3);
    if (type == LUA_TNUMBER) text_argument(state, 3);
    luaL_argcheck(state, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                  "string/function/table expected");
    lua_Integer const most = luaL_optinteger(state, 4, static_cast<lua_Integer>(text.size()) + 1);
    lua_settop(state, 3);
    bool const anchored = wanted.starts_with('^');
    if (anchored) wanted.remove_prefix(1);
    Pattern pattern(state, text, wanted);
    luaL_Buffer out;
    luaL_buffinit(state, &out);
    lua_Integer count = 0;
    char const* from = text.data();
    while (count < most) {
        char const* const to = pattern.match_at(from);
        if (to != nullptr) {
            ++count;
            type == LUA_TTABLE || type == LUA_TFUNCTION ? add_looked_up(state, out, pattern, from, to)
                                                        : add_text(state, out, pattern, from, to);
        }
        if (to != nullptr && to > from) {
            from = to;
        } else if (from < pattern.end()) {
            luaL_addchar(&out, *from++);
        } else {
            break;
        }
        if (anchored) break;
    }
    luaL_addlstring(&out, from, static_cast<std::size_t>(pattern.end() - from));
    luaL_pushresult(&out);
    lua_pushinteger(state, count);
    return 2;
}

}   // namespace

void add_patterns(lua_State* state) {
    for (luaL_Reg const& each : {luaL_Reg{"find", string_find}, luaL_Reg{"match", string_match},
                                 luaL_Reg{"gmatch", string_gmatch}, luaL_Reg{"gsub", string_gsub}}) {
        lua_pushcfunction(state, each.func);
        lua_setfield(state, -2, each.name);
    }
}

}   // namespace aviary::lua
