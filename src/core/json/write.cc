#include "core/json/write.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace aviary::json {

namespace {

void append_number(std::string& out, double number) {
    // JSON has no such numbers and no parser of ours makes them.
    if (!std::isfinite(number)) {
        out += "null";
        return;
    }
    fmt::format_to(std::back_inserter(out), "{}", number);
}

// Whether one of the eight is to be escaped: below 0x20, a quote or a backslash.
bool any_special(std::uint64_t letters) {
    constexpr std::uint64_t kEach = 0x0101010101010101U;
    constexpr std::uint64_t kHigh = 0x80 * kEach;
    auto const any_below = [](std::uint64_t each, std::uint64_t bound) {
        return (each - bound * kEach) & ~each & kHigh;
    };
    return (any_below(letters, 0x20) | any_below(letters ^ ('"' * kEach), 1) |
            any_below(letters ^ ('\\' * kEach), 1)) != 0;
}

constexpr std::array<bool, 256> kSpecial = [] {
    std::array<bool, 256> special{};
    std::fill_n(special.begin(), 0x20, true);
    special['"'] = special['\\'] = true;
    return special;
}();

// How many letters at the beginning stand for themselves.
std::size_t plain_letters(std::string_view text) {
    std::size_t index = 0;
    for (std::uint64_t letters = 0; index + sizeof letters <= text.size(); index += sizeof letters) {
        std::memcpy(&letters, text.data() + index, sizeof letters);
        if (any_special(letters)) break;
    }
    while (index < text.size() && !kSpecial[static_cast<unsigned char>(text[index])]) ++index;
    return index;
}

void append_escaped(std::string& out, char letter) {
    switch (letter) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(letter));
    }
}

void append_pretty(std::string& out, Value const& value, int indent, int depth) {
    auto const line = [&](int levels) {
        out += '\n';
        out.append(static_cast<std::size_t>(indent * levels), ' ');
    };
    if (value.is_array() && value.size() > 0) {
        out += '[';
        bool first = true;
        for (Value const& element : value.array()) {
            if (!std::exchange(first, false)) out += ',';
            line(depth + 1);
            append_pretty(out, element, indent, depth + 1);
        }
        line(depth);
        out += ']';
    } else if (value.is_object() && value.size() > 0) {
        out += '{';
        bool first = true;
        for (auto const& [key, member] : value.object()) {
            if (!std::exchange(first, false)) out += ',';
            line(depth + 1);
            append_string(out, key);
            out += ": ";
            append_pretty(out, member, indent, depth + 1);
        }
        line(depth);
        out += '}';
    } else {
        append(out, value);
    }
}

void append_canonical(std::string& out, Value const& value) {
    if (value.is_array()) {
        out += '[';
        bool first = true;
        for (Value const& element : value.array()) {
            if (!std::exchange(first, false)) out += ',';
            append_canonical(out, element);
        }
        out += ']';
    } else if (value.is_object()) {
        std::vector<Object::Member const*> members;
        for (Object::Member const& member : value.object()) members.push_back(&member);
        std::ranges::sort(members, {}, [](Object::Member const* member) { return std::string_view(member->key); });
        out += '{';
        bool first = true;
        for (Object::Member const* member : members) {
            if (!std::exchange(first, false)) out += ',';
            append_string(out, member->key);
            out += ':';
            append_canonical(out, member->value);
        }
        out += '}';
    } else {
        append(out, value);
    }
}

}   // namespace

void append_string(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t plain = plain_letters(text);; plain = plain_letters(text)) {
        out += text.substr(0, plain);
        if (plain == text.size()) break;
        append_escaped(out, text[plain]);
        text.remove_prefix(plain + 1);
    }
    out += '"';
}

void append(std::string& out, Value const& value) {
    switch (value.type()) {
        case Type::kNull: out += "null"; return;
        case Type::kBool: out += value.as_bool() ? "true" : "false"; return;
        case Type::kInt: fmt::format_to(std::back_inserter(out), "{}", value.as_int()); return;
        case Type::kDouble: return append_number(out, value.as_double());
        case Type::kString: return append_string(out, value.as_string());
        case Type::kArray: {
            out += '[';
            bool first = true;
            for (Value const& element : value.array()) {
                if (!std::exchange(first, false)) out += ',';
                append(out, element);
            }
            out += ']';
            return;
        }
        case Type::kObject: break;
    }
    out += '{';
    bool first = true;
    for (auto const& [key, member] : value.object()) {
        if (!std::exchange(first, false)) out += ',';
        append_string(out, key);
        out += ':';
        append(out, member);
    }
    out += '}';
}

void append(std::string& out, Doc const& doc) {
    switch (doc.type()) {
        case Type::kNull: out += "null"; return;
        case Type::kBool: out += doc.as_bool() ? "true" : "false"; return;
        case Type::kInt: fmt::format_to(std::back_inserter(out), "{}", doc.as_int()); return;
        case Type::kDouble: return append_number(out, doc.as_double());
        case Type::kString: return append_string(out, doc.as_string());
        case Type::kArray: {
            out += '[';
            bool first = true;
            for (auto const& [key, element] : doc.elements()) {
                if (!std::exchange(first, false)) out += ',';
                append(out, element);
            }
            out += ']';
            return;
        }
        case Type::kObject: break;
    }
    out += '{';
    bool first = true;
    for (auto const& [key, member] : doc.members()) {
        if (!std::exchange(first, false)) out += ',';
        append_string(out, key);
        out += ':';
        append(out, member);
    }
    out += '}';
}

std::string write(Doc const& doc) {
    std::string out;
    append(out, doc);
    return out;
}

std::string write(Value const& value) {
    std::string out;
    append(out, value);
    return out;
}

std::string write_canonical(Value const& value) {
    std::string out;
    append_canonical(out, value);
    return out;
}

std::string write_pretty(Value const& value, int indent) {
    std::string out;
    append_pretty(out, value, indent, 0);
    return out;
}

}   // namespace aviary::json
