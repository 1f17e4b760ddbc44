#include "core/lua/internal/pattern.h"

#include <cctype>
#include <cstring>

namespace aviary::lua {

namespace {

constexpr std::uint32_t kStepsAtOnce = 256;

bool in_class(unsigned char letter, char name) {
    bool found = false;
    switch (std::tolower(static_cast<unsigned char>(name))) {
        case 'a': found = std::isalpha(letter) != 0; break;
        case 'c': found = std::iscntrl(letter) != 0; break;
        case 'd': found = std::isdigit(letter) != 0; break;
        case 'l': found = std::islower(letter) != 0; break;
        case 'p': found = std::ispunct(letter) != 0; break;
        case 's': found = std::isspace(letter) != 0; break;
        case 'u': found = std::isupper(letter) != 0; break;
        case 'w': found = std::isalnum(letter) != 0; break;
        case 'x': found = std::isxdigit(letter) != 0; break;
        case 'z': found = letter == 0; break;
        default: return static_cast<unsigned char>(name) == letter;
    }
    return std::isupper(static_cast<unsigned char>(name)) != 0 ? !found : found;
}

unsigned char byte(char const* at) { return static_cast<unsigned char>(*at); }

}   // namespace

Pattern::Pattern(lua_State* state, std::string_view text, std::string_view pattern)
    : state_(state),
      begin_(text.data()),
      end_(text.data() + text.size()),
      pattern_(pattern.data()),
      pattern_end_(pattern.data() + pattern.size()) {}

char const* Pattern::match_at(char const* from) {
    captures_ = 0;
    depth_ = 0;
    return match(from, pattern_);
}

void Pattern::step() {
    if (++steps_ < kStepsAtOnce) return;
    steps_ = 0;
    Call::of(state_).charge(state_, kStepsAtOnce);
}

char const* Pattern::match(char const* at, char const* item) {
    if (++depth_ > kMostDepth) luaL_error(state_, "pattern too complex");
    char const* const found = match_item(at, item);
    --depth_;
    return found;
}

// Single letters in a loop; whatever may have to be tried again goes one deeper.
char const* Pattern::match_item(char const* at, char const* item) {
    while (item != pattern_end_) {
        step();
        if (*item == '(') {
            bool const position = item + 1 != pattern_end_ && item[1] == ')';
            return position ? open(at, item + 2, kPosition) : open(at, item + 1, kOpen);
        }
        if (*item == ')') return close(at, item + 1);
        if (*item == '$' && item + 1 == pattern_end_) return at == end_ ? at : nullptr;
        bool handled = false;
        if (*item == '%' && item + 1 != pattern_end_) {
            char const* const behind = match_escape(at, item + 1, handled);
            if (handled && behind == nullptr) return nullptr;
            if (handled) {
                at = behind;
                item += item[1] == 'b' ? 4 : item[1] == 'f' ? item_end(item + 2) - item : 2;
                continue;
            }
        }
        char const* const behind = item_end(item);
        char const repeat = behind != pattern_end_ ? *behind : '\0';
        if (repeat == '*') return greedy(at, item, behind);
        if (repeat == '-') return lazy(at, item, behind);
        bool const matches = one(at, item, behind);
        if (repeat == '+') return matches ? greedy(at + 1, item, behind) : nullptr;
        if (repeat == '?') {
            char const* const with = matches ? match(at + 1, behind + 1) : nullptr;
            if (with != nullptr) return with;
            item = behind + 1;
            continue;
        }
        if (!matches) return nullptr;
        ++at;
        item = behind;
    }
    return at;
}

// %b, %f and %1 to %9, which are no single letters; `item` is behind the %.
char const* Pattern::match_escape(char const* at, char const* item, bool& handled) {
    handled = true;
    if (*item == 'b') {
        if (pattern_end_ - item < 3) luaL_error(state_, "malformed pattern (missing arguments to '%%b')");
        return balanced(at, item + 1);
    }
    if (*item == 'f') {
        if (item + 1 == pattern_end_ || item[1] != '[') luaL_error(state_, "missing '[' after '%%f' in pattern");
        char const* const behind = item_end(item + 1);
        unsigned char const before = at == begin_ ? 0 : byte(at - 1), next = at == end_ ? 0 : byte(at);
        return !in_set(before, item + 1, behind) && in_set(next, item + 1, behind) ? at : nullptr;
    }
    if (std::isdigit(byte(item)) != 0) return again(at, *item);
    handled = false;
    return nullptr;
}

char const* Pattern::item_end(char const* item) {
    char const first = *item++;
    if (first == '%') {
        if (item == pattern_end_) luaL_error(state_, "malformed pattern (ends with '%%')");
        return item + 1;
    }
    if (first != '[') return item;
    if (item != pattern_end_ && *item == '^') ++item;
    bool begun = false;   // a ] that comes first is a letter
    while (item != pattern_end_ && (*item != ']' || !begun)) {
        begun = true;
        item += *item == '%' && item + 1 != pattern_end_ ? 2 : 1;
    }
    if (item == pattern_end_) luaL_error(state_, "malformed pattern (missing ']')");
    return item + 1;
}

bool Pattern::one(char const* at, char const* item, char const* behind) {
    step();
    if (at == end_) return false;
    switch (*item) {
        case '.': return true;
        case '%': return in_class(byte(at), item[1]);
        case '[': return in_set(byte(at), item, behind);
        default: return *item == *at;
    }
}

// From [ to behind the ].
bool Pattern::in_set(unsigned char letter, char const* set, char const* behind) {
    char const* const last = behind - 1;
    bool const wanted = *++set != '^';
    if (!wanted) ++set;
    for (; set < last; ++set) {
        step();
        if (*set == '%' && set + 1 < last) {
            if (in_class(letter, *++set)) return wanted;
        } else if (set + 2 < last && set[1] == '-') {
            if (byte(set) <= letter && letter <= byte(set + 2)) return wanted;
            set += 2;
        } else if (byte(set) == letter) {
            return wanted;
        }
    }
    return !wanted;
}

char const* Pattern::greedy(char const* at, char const* item, char const* behind) {
    char const* most = at;
    while (one(most, item, behind)) ++most;
    for (;; --most) {
        step();
        char const* const found = match(most, behind + 1);
        if (found != nullptr || most == at) return found;
    }
}

char const* Pattern::lazy(char const* at, char const* item, char const* behind) {
    while (true) {
        char const* const found = match(at, behind + 1);
        if (found != nullptr) return found;
        if (!one(at, item, behind)) return nullptr;
        ++at;
    }
}

char const* Pattern::open(char const* at, char const* rest, std::ptrdiff_t size) {
    if (captures_ == kMostCaptures) luaL_error(state_, "too many captures");
    capture_[static_cast<std::size_t>(captures_++)] = {at, size};
    char const* const found = match(at, rest);
    if (found == nullptr) --captures_;
    return found;
}

char const* Pattern::close(char const* at, char const* rest) {
    Capture& capture = capture_[static_cast<std::size_t>(open_capture())];
    capture.size = at - capture.at;
    char const* const found = match(at, rest);
    if (found == nullptr) capture.size = kOpen;
    return found;
}

int Pattern::open_capture() {
    for (int each = captures_ - 1; each >= 0; --each)
        if (capture_[static_cast<std::size_t>(each)].size == kOpen) return each;
    return luaL_error(state_, "invalid pattern capture");
}

char const* Pattern::again(char const* at, char digit) {
    int const index = digit - '1';
    if (index < 0 || index >= captures_ || capture_[static_cast<std::size_t>(index)].size == kOpen)
        luaL_error(state_, "invalid capture index");
    Capture const& capture = capture_[static_cast<std::size_t>(index)];
    std::size_t const size = capture.size == kPosition ? 0 : static_cast<std::size_t>(capture.size);
    Call::of(state_).charge(state_, size / 16);
    if (static_cast<std::size_t>(end_ - at) < size || std::memcmp(capture.at, at, size) != 0) return nullptr;
    return at + size;
}

char const* Pattern::balanced(char const* at, char const* letters) {
    if (at == end_ || *at != letters[0]) return nullptr;
    int depth = 1;
    while (++at != end_) {
        step();
        if (*at == letters[1]) {
            if (--depth == 0) return at + 1;
        } else if (*at == letters[0]) {
            ++depth;
        }
    }
    return nullptr;
}

void Pattern::push_capture(int index, char const* from, char const* to) {
    if (index >= captures_) {
        if (index != 0) luaL_error(state_, "invalid capture index");
        lua_pushlstring(state_, from, static_cast<std::size_t>(to - from));
        return;
    }
    Capture const& capture = capture_[static_cast<std::size_t>(index)];
    if (capture.size == kOpen) luaL_error(state_, "unfinished capture");
    if (capture.size == kPosition) {
        lua_pushinteger(state_, capture.at - begin_ + 1);
    } else {
        lua_pushlstring(state_, capture.at, static_cast<std::size_t>(capture.size));
    }
}

int Pattern::push_captures(char const* from, char const* to, bool whole_if_none) {
    int const count = captures_ == 0 && whole_if_none ? 1 : captures_;
    luaL_checkstack(state_, count, "too many captures");
    for (int each = 0; each < count; ++each) push_capture(each, from, to);
    return count;
}

}   // namespace aviary::lua
