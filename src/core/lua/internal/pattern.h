// Lua's patterns with a count of their steps: matching goes back and tries again, for ever if the pattern wants it, and
// nothing interrupts the library's own functions while they do.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/lua/internal/call.h"

namespace aviary::lua {

// One text and one pattern. Holds nothing that needs a destructor: it raises Lua's errors.
class Pattern {
public:
    Pattern(lua_State* state, std::string_view text, std::string_view pattern);

    // Where a match that begins at `from` ends; null when there is none. The pattern's `^` is the caller's matter.
    char const* match_at(char const* from);
    // Pushes capture `index` from 0 on, or the whole match where the pattern has none.
    void push_capture(int index, char const* from, char const* to);
    // Pushes all, or the whole match; gives how many.
    int push_captures(char const* from, char const* to, bool whole_if_none);

    char const* begin() const { return begin_; }
    char const* end() const { return end_; }

private:
    static constexpr int kMostCaptures = 32;
    static constexpr int kMostDepth = 200;
    static constexpr std::ptrdiff_t kOpen = -1, kPosition = -2;
    struct Capture {
        char const* at;
        std::ptrdiff_t size;
    };

    void step();
    char const* match(char const* at, char const* item);
    char const* match_item(char const* at, char const* item);
    char const* match_escape(char const* at, char const* item, bool& handled);
    char const* item_end(char const* item);
    bool one(char const* at, char const* item, char const* behind);
    bool in_set(unsigned char letter, char const* set, char const* behind);
    char const* greedy(char const* at, char const* item, char const* behind);
    char const* lazy(char const* at, char const* item, char const* behind);
    char const* open(char const* at, char const* rest, std::ptrdiff_t size);
    char const* close(char const* at, char const* rest);
    char const* again(char const* at, char digit);
    char const* balanced(char const* at, char const* letters);
    int open_capture();

    lua_State* state_;
    char const* begin_;
    char const* end_;
    char const* pattern_;
    char const* pattern_end_;
    int depth_ = 0;
    std::uint32_t steps_ = 0;
    int captures_ = 0;
    std::array<Capture, kMostCaptures> capture_;
};

// Replace string.find, match, gmatch and gsub of the table on top of the stack.
void add_patterns(lua_State* state);

}   // namespace aviary::lua
