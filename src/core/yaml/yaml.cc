#include "core/yaml/yaml.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/base/check.h"
#include "core/json/write.h"
#include "core/yaml/internal/scalar.h"

namespace aviary::yaml {

namespace {

using json::Value;

constexpr std::size_t kMaxExpansion = 4;   // of max_bytes, by aliases

// Owns one libyaml event.
struct Event {
    yaml_event_t raw{};
    Event() = default;
    Event(Event const&) = delete;
    Event& operator=(Event const&) = delete;
    ~Event() { yaml_event_delete(&raw); }
};

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
            case YAML_SCALAR_EVENT: return keep(event.raw.data.scalar.anchor, TRY(scalar(event)), at);
            case YAML_SEQUENCE_START_EVENT: {
                Value list{json::Array()};
                while (true) {
                    Event element;
                    TRY(next(element));
                    if (element.raw.type == YAML_SEQUENCE_END_EVENT) break;
                    list.push_back(TRY(node(element, depth + 1)));
                }
                return keep(event.raw.data.sequence_start.anchor, std::move(list), at);
            }
            case YAML_MAPPING_START_EVENT: return keep(event.raw.data.mapping_start.anchor, TRY(mapping(depth)), at);
            case YAML_ALIAS_EVENT: {
                auto const found = anchors_.find(reinterpret_cast<char const*>(event.raw.data.alias.anchor));
                if (found == anchors_.end()) return problem("unknown alias", at);
                TRY(copy(found->second, at));
                return found->second;
            }
            default: return problem("unexpected content", at);
        }
    }

    Result<Value> mapping(std::size_t depth) {
        Value object{json::Object()};
        std::set<std::string> names;   // finding in an object takes as long as it has members
        json::Array merged;            // by "<<"; the mapping's own keys win, then the first
        while (true) {
            Event key;
            TRY(next(key));
            if (key.raw.type == YAML_MAPPING_END_EVENT) break;
            if (key.raw.type != YAML_SCALAR_EVENT) return problem("a key must be a scalar", key.raw.start_mark);
            std::string name(reinterpret_cast<char const*>(key.raw.data.scalar.value), key.raw.data.scalar.length);
            Event value;
            TRY(next(value));
            Value child = TRY(node(value, depth + 1));
            if (name == "<<" && key.raw.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
                if (child.is_object()) child = json::Array{std::move(child)};
                for (Value const& each : child.array()) merged.push_back(each);
                continue;
            }
            if (!names.insert(name).second)
                return problem(fmt::format("duplicate key \"{}\"", name), key.raw.start_mark);
            object.make_object().append(std::move(name), std::move(child));
        }
        for (Value const& each : merged) {
            for (auto const& [inherited, value] : each.object()) {
                if (names.insert(inherited).second) object.make_object().append(inherited, value);
            }
        }
        return object;
    }

    Result<Value> scalar(Event const& event) const {
        auto const& raw = event.raw.data.scalar;
        std::string_view const text(reinterpret_cast<char const*>(raw.value), raw.length);
        std::string_view const tag = raw.tag != nullptr ? reinterpret_cast<char const*>(raw.tag) : "";
        if (tag == YAML_STR_TAG || raw.style != YAML_PLAIN_SCALAR_STYLE) return text;
        if (internal::is_not_finite(text))
            return problem(fmt::format("{} is no number that JSON has", text), event.raw.start_mark);
        return internal::plain_scalar(text);
    }

    Result<Value> keep(yaml_char_t const* anchor, Value value, yaml_mark_t const& at) {
        if (anchor == nullptr) return value;
        TRY(copy(value, at));
        anchors_.insert_or_assign(reinterpret_cast<char const*>(anchor), value);
        return value;
    }

    // What is there once more, for an anchor or an alias: a few bytes of text must not become many in memory.
    Status copy(Value const& value, yaml_mark_t const& at) {
        count(value);
        if (nodes_ > limits_.max_nodes) return problem(fmt::format("more than {} values", limits_.max_nodes), at);
        std::size_t const most = limits_.max_bytes * kMaxExpansion;
        if (copied_bytes_ > most) return problem(fmt::format("aliases stand for more than {} bytes", most), at);
        return {};
    }

    void count(Value const& value) {
        ++nodes_;
        copied_bytes_ += value.as_string().size();
        for (Value const& each : value.array()) count(each);
        for (auto const& [key, each] : value.object()) {
            copied_bytes_ += key.size();
            count(each);
        }
    }

    yaml_parser_t parser_{};
    ParseLimits const& limits_;
    std::map<std::string, Value, std::less<>> anchors_;
    std::size_t nodes_ = 0;          // of the document, and of what anchors keep and aliases stand for
    std::size_t copied_bytes_ = 0;   // text and keys of the latter
};

// Writes events with libyaml's emitter, whose choices of style kubectl's printer shares.
class Writer {
public:
    Writer() {
        yaml_emitter_initialize(&emitter_);
        yaml_emitter_set_unicode(&emitter_, 1);
        yaml_emitter_set_output(&emitter_, append, &out_);
    }
    ~Writer() { yaml_emitter_delete(&emitter_); }
    Writer(Writer const&) = delete;
    Writer& operator=(Writer const&) = delete;

    std::string document(Value const& value) {
        yaml_event_t event;
        yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
        emit(event);
        yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, 1);
        emit(event);
        node(value);
        yaml_document_end_event_initialize(&event, 1);
        emit(event);
        emitter_.open_ended = 0;   // a text that keeps its last newlines would end the stream with "..."
        yaml_stream_end_event_initialize(&event);
        emit(event);
        return std::move(out_);
    }

private:
    static int append(void* out, unsigned char* bytes, std::size_t size) {
        static_cast<std::string*>(out)->append(reinterpret_cast<char const*>(bytes), size);
        return 1;
    }

    // Our own events in order cannot fail but for memory.
    void emit(yaml_event_t& event) { AVIARY_CHECK(yaml_emitter_emit(&emitter_, &event) == 1); }

    void node(Value const& value) {
        yaml_event_t event;
        if (value.is_object()) {
            yaml_mapping_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_MAPPING_STYLE);
            emit(event);
            for (auto const* member : sorted(value.object())) {
                text(member->key);
                node(member->value);
            }
            yaml_mapping_end_event_initialize(&event);
            emit(event);
        } else if (value.is_array()) {
            yaml_sequence_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_SEQUENCE_STYLE);
            emit(event);
            for (Value const& each : value.array()) node(each);
            yaml_sequence_end_event_initialize(&event);
            emit(event);
        } else if (value.is_string()) {
            text(value.as_string());
        } else {
            scalar(json::write(value), YAML_PLAIN_SCALAR_STYLE);
        }
    }

    static std::vector<json::Object::Member const*> sorted(json::Object const& object) {
        std::vector<json::Object::Member const*> members;
        for (auto const& member : object) members.push_back(&member);
        std::ranges::sort(members, internal::key_less,
                          [](auto const* member) { return std::string_view(member->key); });
        return members;
    }

    void text(std::string_view value) {
        if (value.contains('\n')) {
            scalar(value, YAML_LITERAL_SCALAR_STYLE);
        } else {
            scalar(value,
                   internal::means_more_than_text(value) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);
        }
    }

    void scalar(std::string_view value, yaml_scalar_style_t style) {
        yaml_event_t event;
        if (!scalar_event(event, value, style)) AVIARY_CHECK(scalar_event(event, in_unicode(value), style));
        emit(event);
    }

    // False when the text is not UTF-8.
    static bool scalar_event(yaml_event_t& event, std::string_view value, yaml_scalar_style_t style) {
        return yaml_scalar_event_initialize(&event, nullptr, nullptr,
                                            reinterpret_cast<yaml_char_t const*>(value.data()),
                                            static_cast<int>(value.size()), 1, 1, style) == 1;
    }

    static std::string in_unicode(std::string_view text) {
        std::string result;
        for (char letter : text) {
            if (static_cast<unsigned char>(letter) < 0x80) {
                result += letter;
            } else {
                result += "\xef\xbf\xbd";   // the replacement character
            }
        }
        return result;
    }

    yaml_emitter_t emitter_{};
    std::string out_;
};

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

std::string write(Value const& value) { return Writer().document(value); }

}   // namespace aviary::yaml
