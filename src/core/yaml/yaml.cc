#include "core/yaml/yaml.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "core/base/strings.h"
#include "core/json/write.h"

namespace aviary::yaml {

namespace {

using json::Value;

// Owns one libyaml event.
struct Event {
    yaml_event_t raw{};
    Event() = default;
    Event(Event const&) = delete;
    Event& operator=(Event const&) = delete;
    ~Event() { yaml_event_delete(&raw); }
};

std::optional<bool> boolean(std::string_view text) {
    for (std::string_view each : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"}) {
        if (text == each) return true;
    }
    for (std::string_view each : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"}) {
        if (text == each) return false;
    }
    return std::nullopt;
}

std::optional<Value> number(std::string_view text) {
    std::string plain;
    for (char letter : text) {
        if (letter != '_') plain += letter;
    }
    std::string_view digits = plain;
    bool const negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    if (digits.empty() || !(digits[0] == '.' || (digits[0] >= '0' && digits[0] <= '9'))) return std::nullopt;
    int base = 10;
    std::string_view whole = digits;
    if (digits.starts_with("0x")) {
        base = 16;
        whole.remove_prefix(2);
    } else if (digits.starts_with("0o")) {
        base = 8;
        whole.remove_prefix(2);
    } else if (digits.starts_with("0b")) {
        base = 2;
        whole.remove_prefix(2);
    } else if (digits.size() > 1 && digits[0] == '0' &&
               digits.find_first_not_of("01234567") == std::string_view::npos) {
        base = 8;
    }
    std::int64_t value = 0;
    auto const parsed = std::from_chars(whole.data(), whole.data() + whole.size(), value, base);
    if (parsed.ec == std::errc() && parsed.ptr == whole.data() + whole.size()) return Value(negative ? -value : value);
    if (base != 10 || digits.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return std::nullopt;
    double real = 0;
    auto const floating = std::from_chars(digits.data(), digits.data() + digits.size(), real);
    if (floating.ec != std::errc() || floating.ptr != digits.data() + digits.size()) return std::nullopt;
    return Value(negative ? -real : real);
}

// What a plain scalar means (YAML 1.1, as sigs.k8s.io/yaml reads it).
Value plain_scalar(std::string_view text) {
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
    if (text != "y" && text != "Y" && text != "n" && text != "N") {
        if (auto const truth = boolean(text)) return *truth;
    }
    if (auto value = number(text)) return *value;
    return text;
}

class Reader {
public:
    Reader(std::string_view text, ParseLimits const& limits) : limits_(limits) {
        yaml_parser_initialize(&parser_);
        yaml_parser_set_input_string(&parser_, reinterpret_cast<unsigned char const*>(text.data()), text.size());
    }
    ~Reader() { yaml_parser_delete(&parser_); }
    Reader(Reader const&) = delete;
    Reader& operator=(Reader const&) = delete;

    Result<std::vector<Value>> documents() {
        std::vector<Value> result;
        while (true) {
            Event event;
            TRY(next(event));
            if (event.raw.type == YAML_STREAM_END_EVENT) return result;
            if (event.raw.type != YAML_DOCUMENT_START_EVENT) continue;
            anchors_.clear();
            Event first;
            TRY(next(first));
            Value document = TRY(node(first, 0));
            if (!document.is_null()) result.push_back(std::move(document));
        }
    }

private:
    std::unexpected<Error> problem(std::string_view what, yaml_mark_t const& at) const {
        return fail(ErrorCode::kBadRequest,
                    fmt::format("invalid YAML at line {}, column {}: {}", at.line + 1, at.column + 1, what));
    }

    Status next(Event& event) {
        if (yaml_parser_parse(&parser_, &event.raw) == 1) return {};
        return problem(parser_.problem != nullptr ? parser_.problem : "cannot be read", parser_.problem_mark);
    }

    Result<Value> node(Event const& event, std::size_t depth) {
        yaml_mark_t const at = event.raw.start_mark;
        if (depth > limits_.max_depth)
            return problem(fmt::format("nested deeper than {} levels", limits_.max_depth), at);
        if (++nodes_ > limits_.max_nodes) return problem(fmt::format("more than {} values", limits_.max_nodes), at);
        switch (event.raw.type) {
            case YAML_SCALAR_EVENT: return keep(event.raw.data.scalar.anchor, scalar(event));
            case YAML_SEQUENCE_START_EVENT: {
                Value list{json::Array()};
                while (true) {
                    Event element;
                    TRY(next(element));
                    if (element.raw.type == YAML_SEQUENCE_END_EVENT) break;
                    list.push_back(TRY(node(element, depth + 1)));
                }
                return keep(event.raw.data.sequence_start.anchor, std::move(list));
            }
            case YAML_MAPPING_START_EVENT: return keep(event.raw.data.mapping_start.anchor, TRY(mapping(depth)));
            case YAML_ALIAS_EVENT: {
                auto const found = anchors_.find(reinterpret_cast<char const*>(event.raw.data.alias.anchor));
                if (found == anchors_.end()) return problem("unknown alias", at);
                nodes_ += count(found->second);
                if (nodes_ > limits_.max_nodes)
                    return problem(fmt::format("more than {} values", limits_.max_nodes), at);
                return found->second;
            }
            default: return problem("unexpected content", at);
        }
    }

    Result<Value> mapping(std::size_t depth) {
        Value object{json::Object()};
        while (true) {
            Event key;
            TRY(next(key));
            if (key.raw.type == YAML_MAPPING_END_EVENT) return object;
            if (key.raw.type != YAML_SCALAR_EVENT) return problem("a key must be a scalar", key.raw.start_mark);
            std::string name(reinterpret_cast<char const*>(key.raw.data.scalar.value), key.raw.data.scalar.length);
            Event value;
            TRY(next(value));
            Value child = TRY(node(value, depth + 1));
            if (name == "<<" && key.raw.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
                for (auto const& [inherited, each] : child.object()) {
                    if (!object.contains(inherited)) object[inherited] = each;
                }
                continue;
            }
            if (object.contains(name)) return problem(fmt::format("duplicate key \"{}\"", name), key.raw.start_mark);
            object.make_object().append(std::move(name), std::move(child));
        }
    }

    static Value scalar(Event const& event) {
        auto const& raw = event.raw.data.scalar;
        std::string_view const text(reinterpret_cast<char const*>(raw.value), raw.length);
        std::string_view const tag = raw.tag != nullptr ? reinterpret_cast<char const*>(raw.tag) : "";
        if (tag == YAML_STR_TAG) return text;
        return raw.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text) : Value(text);
    }

    Value keep(yaml_char_t const* anchor, Value value) {
        if (anchor != nullptr) anchors_.insert_or_assign(reinterpret_cast<char const*>(anchor), value);
        return value;
    }

    static std::size_t count(Value const& value) {
        std::size_t total = 1;
        for (Value const& each : value.array()) total += count(each);
        for (auto const& [key, each] : value.object()) total += count(each);
        return total;
    }

    yaml_parser_t parser_{};
    ParseLimits const& limits_;
    std::map<std::string, Value, std::less<>> anchors_;
    std::size_t nodes_ = 0;
};

bool needs_quotes(std::string_view text) {
    if (text.empty() || boolean(text) || text == "~" || text == "null" || text == "Null" || text == "NULL" ||
        number(text))
        return true;
    if (std::string_view(" -?:,[]{}#&*!|>'\"%@`=<").contains(text.front()) &&
        !(text.front() == '-' && text.size() > 1 && text[1] != ' ')) {
        if (text.front() != '<' && text.front() != '=') return true;
        if (text == "=" || text == "<<") return true;
    }
    if (text.back() == ' ' || text.back() == ':') return true;
    if (text.contains(": ") || text.contains(" #")) return true;
    return std::ranges::any_of(text, [](char letter) {
        return static_cast<unsigned char>(letter) < 0x20 || static_cast<unsigned char>(letter) == 0x7f;
    });
}

void append_scalar(std::string& out, Value const& value, int indent) {
    if (!value.is_string()) {
        json::append(out, value);
        return;
    }
    std::string_view const text = value.as_string();
    bool const block = text.contains('\n') && !text.starts_with(' ') && !text.starts_with('\n') &&
                       std::ranges::none_of(text, [](char letter) {
                           return static_cast<unsigned char>(letter) < 0x20 && letter != '\n' && letter != '\t';
                       });
    if (block) {
        out += text.ends_with("\n\n") ? "|+" : text.ends_with('\n') ? "|" : "|-";
        std::string_view rest = text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
        while (true) {
            std::size_t const end = rest.find('\n');
            std::string_view const line = rest.substr(0, end);
            out += '\n';
            if (!line.empty()) out.append(static_cast<std::size_t>(indent), ' ');
            out += line;
            if (end == std::string_view::npos) break;
            rest.remove_prefix(end + 1);
        }
    } else if (needs_quotes(text)) {
        json::append_string(out, text);
    } else {
        out += text;
    }
}

void append(std::string& out, Value const& value, int indent, bool in_list) {
    if (value.is_object() && value.size() > 0) {
        std::vector<json::Object::Member const*> members;
        for (auto const& member : value.object()) members.push_back(&member);
        std::ranges::sort(members, {}, [](auto const* member) { return std::string_view(member->key); });
        bool first = in_list;
        for (auto const* member : members) {
            if (!std::exchange(first, false)) out.append(static_cast<std::size_t>(indent), ' ');
            append_scalar(out, member->key, indent);
            out += ':';
            bool const list = member->value.is_array() && member->value.size() > 0;
            bool const object = member->value.is_object() && member->value.size() > 0;
            if (list || object) {
                out += '\n';
                append(out, member->value, list ? indent : indent + 2, false);
            } else {
                out += ' ';
                append_scalar(out, member->value, indent + 2);
                out += '\n';
            }
        }
    } else if (value.is_array() && value.size() > 0) {
        for (Value const& each : value.array()) {
            out.append(static_cast<std::size_t>(indent), ' ');
            out += "- ";
            append(out, each, indent + 2, true);
        }
    } else {
        append_scalar(out, value, indent);
        out += '\n';
    }
}

}   // namespace

Result<std::vector<Value>> parse_all(std::string_view text, ParseLimits limits) {
    if (text.size() > limits.max_bytes) {
        return fail(ErrorCode::kTooLarge,
                    fmt::format("YAML of {} bytes is over the limit of {} bytes", text.size(), limits.max_bytes));
    }
    return Reader(text, limits).documents();
}

Result<Value> parse(std::string_view text, ParseLimits limits) {
    auto documents = TRY(parse_all(text, limits));
    if (documents.size() != 1)
        return fail(ErrorCode::kBadRequest, fmt::format("expected one YAML document, found {}", documents.size()));
    return std::move(documents.front());
}

std::string write(Value const& value) {
    std::string out;
    append(out, value, 0, false);
    return out;
}

}   // namespace aviary::yaml
