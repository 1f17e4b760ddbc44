#include "core/json/parse.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <vector>

namespace aviary::json {

namespace {

namespace dom = simdjson::dom;

struct Problem {
    std::string text;
};

// Where scanning stops making sense; runs on the error path only, so that errors have a position although the parser's
// DOM has none. Follows RFC 8259 loosely: the parser has already decided that the text is wrong.
std::size_t error_offset(std::string_view text, std::size_t max_depth) {
    std::vector<char> open;
    bool expect_value = true;
    std::size_t index = 0;
    auto const skip_blank = [&] {
        while (index < text.size() && std::string_view(" \t\r\n").contains(text[index])) ++index;
    };
    while (true) {
        skip_blank();
        if (index >= text.size()) return text.size();
        char const letter = text[index];
        if (letter == '"') {
            std::size_t end = index + 1;
            while (end < text.size() && text[end] != '"') {
                if (static_cast<unsigned char>(text[end]) < 0x20) return end;
                end += text[end] == '\\' ? 2 : 1;
            }
            if (end >= text.size()) return index;
            index = end + 1;
            skip_blank();
            if (!open.empty() && open.back() == '{' && !expect_value) {
                if (index >= text.size() || text[index] != ':') return index;
                ++index;
                expect_value = true;
                continue;
            }
        } else if (letter == '{' || letter == '[') {
            if (!expect_value) return index;
            open.push_back(letter);
            if (open.size() > max_depth) return index;
            ++index;
            skip_blank();
            char const closing = letter == '{' ? '}' : ']';
            expect_value = letter == '[';
            if (index >= text.size() || text[index] != closing) continue;
            ++index;
            open.pop_back();
        } else if (letter == '-' || (letter >= '0' && letter <= '9') || text.substr(index, 4) == "true" ||
                   text.substr(index, 5) == "false" || text.substr(index, 4) == "null") {
            if (!expect_value) return index;
            if (letter == '-' || letter <= '9') {
                while (index < text.size() && std::string_view("+-0123456789.eE").contains(text[index])) ++index;
            } else {
                index += letter == 'f' ? 5 : 4;
            }
        } else {
            return index;
        }
        // Behind a value: a comma, the end of containers, or the end of the text.
        while (true) {
            skip_blank();
            if (open.empty()) return index;
            if (index >= text.size()) return index;
            if (text[index] == ',') {
                ++index;
                expect_value = open.back() == '[';
                break;
            }
            if (text[index] != (open.back() == '{' ? '}' : ']')) return index;
            open.pop_back();
            ++index;
        }
    }
}

Error bad_json(std::string_view text, std::size_t offset, std::string_view what) {
    offset = std::min(offset, text.size());
    std::string_view const before = text.substr(0, offset);
    auto const line = 1 + std::ranges::count(before, '\n');
    std::size_t const line_start = before.rfind('\n');
    std::size_t const column = offset - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
    return Error(ErrorCode::kBadRequest, fmt::format("invalid JSON at line {}, column {}: {}", line, column, what));
}

// Members are few, or many in a map of data: sort only then.
bool has_duplicate_keys(dom::object object, std::string_view& duplicate) {
    constexpr std::size_t kFew = 16;
    std::vector<std::string_view> keys;
    keys.reserve(object.size());
    for (dom::key_value_pair member : object) {
        if (keys.size() <= kFew && std::ranges::find(keys, member.key) != keys.end()) {
            duplicate = member.key;
            return true;
        }
        keys.push_back(member.key);
    }
    if (keys.size() <= kFew) return false;
    std::ranges::sort(keys);
    auto const found = std::ranges::adjacent_find(keys);
    if (found == keys.end()) return false;
    duplicate = *found;
    return true;
}

void build(dom::element element, DocBuilder& builder, std::string& duplicate) {
    switch (element.type()) {
        case dom::element_type::NULL_VALUE: return builder.null();
        case dom::element_type::BOOL: return builder.boolean(element.get_bool().value_unsafe());
        case dom::element_type::INT64: return builder.integer(element.get_int64().value_unsafe());
        case dom::element_type::UINT64: return builder.number(static_cast<double>(element.get_uint64().value_unsafe()));
        case dom::element_type::DOUBLE: return builder.number(element.get_double().value_unsafe());
        case dom::element_type::STRING: return builder.string(element.get_string().value_unsafe());
        case dom::element_type::ARRAY:
            builder.begin_array();
            for (dom::element child : element.get_array().value_unsafe()) build(child, builder, duplicate);
            return builder.end();
        case dom::element_type::OBJECT: break;
    }
    dom::object const object = element.get_object().value_unsafe();
    std::string_view key;
    if (duplicate.empty() && has_duplicate_keys(object, key)) duplicate = fmt::format("duplicate key \"{}\"", key);
    builder.begin_object();
    for (dom::key_value_pair member : object) {
        builder.key(member.key);
        build(member.value, builder, duplicate);
    }
    builder.end();
}

// Offset of the second `"key":` in one object is not worth a second parser: the first repeated occurrence in the text
// is.
std::size_t duplicate_offset(std::string_view text, std::string_view key) {
    std::string const quoted = fmt::format("\"{}\"", key);
    std::size_t const first = text.find(quoted);
    if (first == std::string_view::npos) return text.size();
    std::size_t const second = text.find(quoted, first + 1);
    return second == std::string_view::npos ? first : second;
}

}   // namespace

Result<Doc> parse(std::string_view text, ParseLimits limits) {
    if (text.size() > limits.max_bytes) {
        return fail(ErrorCode::kTooLarge,
                    fmt::format("JSON of {} bytes is over the limit of {} bytes", text.size(), limits.max_bytes));
    }
    // One parser a thread: its buffers are worth keeping, unless a large document blew them up.
    thread_local dom::parser parser;
    thread_local DocBuilder builder;
    constexpr std::size_t kKeepBytes = 1 << 20;
    if (parser.capacity() < text.size() || parser.max_depth() != limits.max_depth) {
        if (parser.allocate(std::max<std::size_t>(text.size(), 4096), limits.max_depth)) {
            return fail(ErrorCode::kTooLarge, "out of memory while parsing JSON");
        }
    }
    dom::element root;
    // Copies into a padded buffer: input from outside has no padding.
    if (auto const problem = parser.parse(text.data(), text.size(), true).get(root)) {
        std::string what = simdjson::error_message(problem);
        std::size_t const offset = error_offset(text, limits.max_depth);
        if (problem == simdjson::DEPTH_ERROR) what = fmt::format("nested deeper than {} levels", limits.max_depth);
        return std::unexpected(bad_json(text, offset, what));
    }
    std::string duplicate;
    build(root, builder, duplicate);
    Doc doc = builder.finish();
    if (text.size() > kKeepBytes) parser = dom::parser();
    if (!duplicate.empty()) {
        std::string_view key = duplicate;
        key.remove_prefix(key.find('"') + 1);
        key.remove_suffix(1);
        return std::unexpected(bad_json(text, duplicate_offset(text, key), duplicate));
    }
    return doc;
}

Result<Value> parse_value(std::string_view text, ParseLimits limits) {
    Doc const doc = TRY(parse(text, limits));
    return doc.thaw();
}

}   // namespace aviary::json
