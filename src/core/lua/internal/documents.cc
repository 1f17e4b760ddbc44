#include "core/lua/internal/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::lua {

namespace {

constexpr std::size_t kBytesPerValue = 16;
constexpr std::size_t kMostToDecode = 1 << 20;
constexpr double kExact = 9007199254740992.0;   // 2^53
// The field of a metatable that says what an empty table was in the input.
constexpr char kWas[] = "__was";
constexpr char kWasList[] = "list";
constexpr char kWasObject[] = "object";

bool take_part(Call& call, std::string_view key, json::Doc const& doc, std::size_t depth) {
    Call::Part part{doc.type(), key, doc.as_string(), doc.as_double(), static_cast<int>(doc.size())};
    if (doc.is_bool()) part.number = doc.as_bool() ? 1 : 0;
    call.parts.push_back(part);
    if (!doc.is_array() && !doc.is_object()) return true;
    if (depth == 0) return false;
    for (auto const& [name, value] : doc.is_array() ? doc.elements() : doc.members())
        if (!take_part(call, name, value, depth - 1)) return false;
    return true;
}

void push_text(lua_State* state, std::string_view text) { lua_pushlstring(state, text.data(), text.size()); }

// Marks the table on top: one metatable for all empty lists, one for all empty objects.
void mark_empty(lua_State* state, char const* was) {
    if (luaL_newmetatable(state, was) == 1) {
        lua_pushstring(state, was);
        lua_setfield(state, -2, kWas);
    }
    lua_setmetatable(state, -2);
}

// Pushes the part in the place, and gives the place behind it.
std::size_t push_part(lua_State* state, Call& call, std::size_t place) {
    Call::Part const& part = call.parts[place++];
    if (part.type == json::Type::kBool) {
        lua_pushboolean(state, part.number != 0 ? 1 : 0);
    } else if (part.type == json::Type::kInt || part.type == json::Type::kDouble) {
        lua_pushnumber(state, part.number);
    } else if (part.type == json::Type::kString) {
        push_text(state, part.text);
    } else if (part.type == json::Type::kNull) {
        lua_pushnil(state);
    } else {
        bool const list = part.type == json::Type::kArray;
        luaL_checkstack(state, 4, "a document is nested too deep");
        lua_createtable(state, list ? part.size : 0, list ? 0 : part.size);
        if (part.size == 0) mark_empty(state, list ? kWasList : kWasObject);
        for (int index = 1; index <= part.size; ++index) {
            if (!list) push_text(state, call.parts[place].key);
            place = push_part(state, call, place);
            if (list) {
                lua_rawseti(state, -2, index);
            } else {
                lua_rawset(state, -3);
            }
        }
    }
    return place;
}

std::string_view text_at(lua_State* state, int index) {
    std::size_t size = 0;
    char const* const text = lua_tolstring(state, index, &size);
    return {text, size};
}

bool problem(Call& call, std::string_view what) {
    call.problem = call.path.empty() ? std::string(what) : fmt::format("{}: {}", call.path, what);
    return false;
}

bool count_bytes(Call& call, std::size_t bytes) {
    call.written += bytes + kBytesPerValue;
    if (call.written <= call.limits.result_bytes) return true;
    return problem(call, fmt::format("the document is larger than {} bytes", call.limits.result_bytes));
}

bool encode_value(lua_State* state, Call& call);

bool encode_number(Call& call, double number) {
    if (!std::isfinite(number)) return problem(call, "JSON has no number that is infinite or none");
    if (number == std::floor(number) && std::abs(number) <= kExact) {
        call.builder->integer(static_cast<std::int64_t>(number));
    } else {
        call.builder->number(number);
    }
    return true;
}

bool encode_text(Call& call, std::string_view text) {
    if (!is_utf8(text)) return problem(call, "a text that is not UTF-8");
    if (!count_bytes(call, text.size())) return false;
    call.builder->string(text);
    return true;
}

bool encode_list(lua_State* state, Call& call, int size) {
    call.builder->begin_array();
    std::size_t const above = call.path.size();
    for (int index = 1; index <= size; ++index) {
        fmt::format_to(std::back_inserter(call.path), "[{}]", index);
        lua_rawgeti(state, -1, index);
        if (!encode_value(state, call)) return false;
        lua_pop(state, 1);
        call.path.resize(above);
    }
    call.builder->end();
    return true;
}

// The keys from `first` on in call.keys are its members. The table keeps their texts alive.
bool encode_object(lua_State* state, Call& call, std::size_t first) {
    std::sort(call.keys.begin() + static_cast<std::ptrdiff_t>(first), call.keys.end());
    std::size_t const last = call.keys.size(), above = call.path.size();
    call.builder->begin_object();
    for (std::size_t each = first; each < last; ++each) {
        std::string_view const key = call.keys[each];
        if (!is_utf8(key)) return problem(call, "a key that is not UTF-8");
        if (!count_bytes(call, key.size())) return false;
        call.path += call.path.empty() ? "" : ".";
        call.path += key;
        call.builder->key(key);
        push_text(state, key);
        lua_rawget(state, -2);
        if (!encode_value(state, call)) return false;
        lua_pop(state, 1);
        call.path.resize(above);
    }
    call.builder->end();
    call.keys.resize(first);
    return true;
}

bool encode_empty(lua_State* state, Call& call) {
    bool list = call.empty == EmptyTable::kArray, object = false;
    if (lua_getmetatable(state, -1) == 1) {
        lua_pushstring(state, kWas);
        lua_rawget(state, -2);
        if (lua_type(state, -1) == LUA_TSTRING) {
            std::string_view const was = text_at(state, -1);
            list = was == kWasList || (list && was != kWasObject);
            object = was == kWasObject;
        }
        lua_pop(state, 2);
    }
    if (!list && !object) {
        call.builder->null();
        return true;
    }
    list ? call.builder->begin_array() : call.builder->begin_object();
    call.builder->end();
    return true;
}

bool encode_table(lua_State* state, Call& call) {
    void const* const table = lua_topointer(state, -1);
    if (std::ranges::find(call.tables, table) != call.tables.end())
        return problem(call, "a table that contains itself");
    if (call.tables.size() == call.limits.depth)
        return problem(call, fmt::format("nested deeper than {} levels", call.limits.depth));
    luaL_checkstack(state, 4, "a table is nested too deep");
    std::size_t const first = call.keys.size();
    int numbers = 0;
    double largest = 0;
    for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1)) {
        if (lua_type(state, -2) == LUA_TSTRING) {
            call.keys.push_back(text_at(state, -2));
        } else if (lua_type(state, -2) == LUA_TNUMBER) {
            double const key = lua_tonumber(state, -2);
            if (key < 1 || key != std::floor(key)) return problem(call, "a list has the keys 1, 2, 3 …");
            largest = std::max(largest, key);
            ++numbers;
        } else {
            return problem(call, fmt::format("a key of type {}", luaL_typename(state, -2)));
        }
    }
    call.charge(state, static_cast<std::uint64_t>(numbers) + call.keys.size() - first);
    if (numbers > 0 && call.keys.size() > first) return problem(call, "a table with keys of both a list and an object");
    if (largest != numbers) return problem(call, "a list with gaps");
    call.tables.push_back(table);
    bool const whole = numbers > 0                 ? encode_list(state, call, numbers)
                       : call.keys.size() == first ? encode_empty(state, call)
                                                   : encode_object(state, call, first);
    call.tables.pop_back();
    return whole;
}

bool encode_value(lua_State* state, Call& call) {
    if (!count_bytes(call, 0)) return false;
    switch (lua_type(state, -1)) {
        case LUA_TNIL: call.builder->null(); return true;
        case LUA_TBOOLEAN: call.builder->boolean(lua_toboolean(state, -1) != 0); return true;
        case LUA_TNUMBER: return encode_number(call, lua_tonumber(state, -1));
        case LUA_TSTRING: return encode_text(call, text_at(state, -1));
        case LUA_TTABLE: return encode_table(state, call);
        default: return problem(call, fmt::format("JSON has no {}", luaL_typename(state, -1)));
    }
}

}   // namespace

bool take(Call& call, json::Doc const& doc) {
    call.parts.clear();
    call.doc = doc;
    return take_part(call, {}, doc, call.limits.depth);
}

void push(lua_State* state, Call& call) { push_part(state, call, 0); }

bool encode(lua_State* state, Call& call) {
    call.builder.emplace();
    call.keys.clear();
    call.tables.clear();
    call.path.clear();
    call.written = 0;
    if (!encode_value(state, call)) return false;
    call.doc = call.builder->finish();
    return true;
}

int json_encode(lua_State* state) {
    Call& call = Call::of(state);
    luaL_checkany(state, 1);
    lua_settop(state, 1);
    if (!encode(state, call)) {
        lua_pushnil(state);
        push_text(state, call.problem);
        return 2;
    }
    call.text = json::write(call.doc);
    push_text(state, call.text);
    return 1;
}

int json_decode(lua_State* state) {
    Call& call = Call::of(state);
    luaL_checktype(state, 1, LUA_TSTRING);
    call.charge(state, text_at(state, 1).size());
    call.problem.clear();
    {
        auto const doc = json::parse(text_at(state, 1), {.max_bytes = kMostToDecode});
        if (!doc) {
            call.problem = doc.error().message();
        } else if (!take(call, *doc)) {
            call.problem = fmt::format("nested deeper than {} levels", call.limits.depth);
        }
    }
    if (!call.problem.empty()) {
        lua_pushnil(state);
        push_text(state, call.problem);
        return 2;
    }
    push(state, call);
    return 1;
}

}   // namespace aviary::lua
