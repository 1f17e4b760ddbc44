#include "kube/apiserver/builtin/protobuf.h"

#include <fmt/format.h>

#include <bit>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/json/parse.h"
#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/apiserver/builtin/internal/shape.h"
#include "kube/apiserver/builtin/internal/structure.h"

namespace aviary::builtin {

namespace {

using internal::reference_of;
using internal::type_schema;

constexpr std::string_view kMagic("k8s\0", 4);
constexpr std::string_view kMediaType = "application/vnd.kubernetes.protobuf";
constexpr int kMaxDepth = 64;

struct Field {
    int number = 0;
    std::uint64_t scalar = 0;   // wire types 0, 1 and 5
    std::string_view bytes;     // wire type 2
    bool is_bytes = false;
};

// Reads the fields of one message; any malformed byte ends it with ok() false.
class Reader {
public:
    explicit Reader(std::string_view data) : data_(data) {}

    std::optional<Field> next() {
        if (data_.empty() || !ok_) return std::nullopt;
        std::uint64_t tag = varint();
        Field field{.number = static_cast<int>(tag >> 3)};
        switch (tag & 7) {
            case 0: field.scalar = varint(); break;
            case 1: field.scalar = fixed(8); break;
            case 5: field.scalar = fixed(4); break;
            case 2: {
                std::uint64_t size = varint();
                if (size > data_.size()) ok_ = false;
                if (!ok_) return std::nullopt;
                field.bytes = data_.substr(0, size);
                field.is_bytes = true;
                data_.remove_prefix(size);
                break;
            }
            default: ok_ = false;
        }
        if (!ok_ || tag >> 3 == 0 || tag >> 3 > 1 << 29) {
            ok_ = false;
            return std::nullopt;
        }
        return field;
    }
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (data_.empty()) break;
            auto byte = static_cast<unsigned char>(data_[0]);
            data_.remove_prefix(1);
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        ok_ = false;
        return 0;
    }
    bool ok() const { return ok_; }
    bool at_end() const { return data_.empty(); }

private:
    std::uint64_t fixed(std::size_t size) {
        if (data_.size() < size) {
            ok_ = false;
            return 0;
        }
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i)
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(data_[i])) << (8 * i);
        data_.remove_prefix(size);
        return value;
    }

    std::string_view data_;
    bool ok_ = true;
};

class Decoder {
public:
    json::Value message(std::string_view type, std::string_view data) {
        json::Value object = json::Object();
        json::Doc properties = type_schema(type)["properties"];
        json::Doc numbers = internal::field_numbers(type);
        bool known = numbers.exists() || !properties.exists();
        if (++depth_ > kMaxDepth || !known) {
            ok_ = false;
        } else {
            fields(object, properties, numbers, data);
        }
        --depth_;
        return object;
    }
    bool ok() const { return ok_; }

private:
    void fields(json::Value& object, json::Doc const& properties, json::Doc const& numbers, std::string_view data) {
        std::map<int, std::string_view> names;
        for (auto [name, number] : numbers.members()) {
            if (number.is_int()) names.emplace(static_cast<int>(number.as_int()), name);
        }
        json::Doc inlined = numbers[""];
        Reader reader(data);
        while (auto field = reader.next()) {
            if (auto name = names.find(field->number); name != names.end()) {
                add(object, name->second, properties[name->second], *field);
            } else if (json::Doc inner = inlined[std::to_string(field->number)]; inner.exists() && field->is_bytes) {
                fields(object, properties, inner, field->bytes);
            }
        }
        ok_ = ok_ && reader.ok();
    }

    void add(json::Value& object, std::string_view name, json::Doc const& schema, Field const& field) {
        if (schema["type"].as_string() == "array") {
            add_element(object[name], schema["items"], field);
        } else if (schema["additionalProperties"].is_object()) {
            add_entry(object[name], schema["additionalProperties"], field);
        } else {
            object[name] = single(schema, field);
        }
    }

    void add_element(json::Value& list, json::Doc const& items, Field const& field) {
        bool packed = field.is_bytes && items["type"].as_string() == "integer";
        if (!packed) {
            list.push_back(single(items, field));
            return;
        }
        Reader reader(field.bytes);
        while (reader.ok() && !reader.at_end()) list.push_back(static_cast<std::int64_t>(reader.varint()));
        ok_ = ok_ && reader.ok();
    }

    void add_entry(json::Value& map, json::Doc const& element, Field const& entry) {
        std::string key;
        json::Value value = single(element, Field{.is_bytes = true});
        Reader reader(entry.bytes);
        while (auto field = reader.next()) {
            if (field->number == 1) key = field->bytes;
            if (field->number == 2)
                value = element["type"].as_string() == "array" ? texts(field->bytes) : single(element, *field);
        }
        ok_ = ok_ && reader.ok();
        map[std::string_view(key)] = std::move(value);
    }

    // ExtraValue and the like: a message around repeated texts.
    json::Value texts(std::string_view data) {
        json::Array out;
        Reader reader(data);
        while (auto field = reader.next()) out.push_back(field->bytes);
        ok_ = ok_ && reader.ok();
        return out;
    }

    json::Value single(json::Doc const& schema, Field const& field) {
        if (std::string_view type = reference_of(schema); !type.empty()) return referred(type, field);
        std::string_view type = schema["type"].as_string();
        if (type == "integer") {
            auto number = static_cast<std::int64_t>(field.scalar);
            return schema["format"].as_string() == "int32"
                       ? static_cast<std::int64_t>(static_cast<std::int32_t>(number))
                       : number;
        }
        if (type == "boolean") return field.scalar != 0;
        if (type == "number") return std::bit_cast<double>(field.scalar);
        if (type == "string" && schema["format"].as_string() == "byte") return base64_encode(field.bytes);
        return field.bytes;
    }

    json::Value referred(std::string_view type, Field const& field) {
        if (type.ends_with("api.resource.Quantity")) return text_in(field.bytes, 1);
        if (type.ends_with("util.intstr.IntOrString")) return int_or_string(field.bytes);
        if (type.ends_with("meta.v1.Time")) return time(field.bytes, false);
        if (type.ends_with("meta.v1.MicroTime")) return time(field.bytes, true);
        bool raw = type.ends_with("runtime.RawExtension") || type.ends_with("meta.v1.FieldsV1") ||
                   type.ends_with("apiextensions.v1.JSON");
        if (raw) return json::parse_value(text_in(field.bytes, 1)).value_or(json::Value());
        return message(type, field.bytes);
    }

    std::string text_in(std::string_view data, int number) {
        std::string out;
        Reader reader(data);
        while (auto field = reader.next()) {
            if (field->number == number) out = field->bytes;
        }
        ok_ = ok_ && reader.ok();
        return out;
    }

    json::Value int_or_string(std::string_view data) {
        std::uint64_t type = 0;
        std::int64_t number = 0;
        std::string text;
        Reader reader(data);
        while (auto field = reader.next()) {
            if (field->number == 1) type = field->scalar;
            if (field->number == 2) number = static_cast<std::int32_t>(field->scalar);
            if (field->number == 3) text = field->bytes;
        }
        ok_ = ok_ && reader.ok();
        return type == 0 ? json::Value(number) : json::Value(text);
    }

    // An empty message is the zero time, which JSON writes as null.
    json::Value time(std::string_view data, bool micro) {
        if (data.empty()) return {};
        std::int64_t seconds = 0;
        std::int64_t nanos = 0;
        Reader reader(data);
        while (auto field = reader.next()) {
            if (field->number == 1) seconds = static_cast<std::int64_t>(field->scalar);
            if (field->number == 2) nanos = static_cast<std::int32_t>(field->scalar);
        }
        constexpr std::int64_t kMaxSeconds = 9'000'000'000;   // what nanoseconds in 64 bits can hold
        ok_ = ok_ && reader.ok() && seconds > -kMaxSeconds && seconds < kMaxSeconds;
        if (!ok_) return {};
        Time at{std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos)};
        return micro ? format_rfc3339_micro(at) : format_rfc3339(at);
    }

    bool ok_ = true;
    int depth_ = 0;
};

// runtime.Unknown
struct Envelope {
    std::string api_version, kind;
    std::string_view raw;
};

std::optional<Envelope> open(std::string_view body) {
    if (!body.starts_with(kMagic)) return std::nullopt;
    Envelope envelope;
    Reader reader(body.substr(kMagic.size()));
    while (auto field = reader.next()) {
        if (field->number == 2) envelope.raw = field->bytes;
        if (field->number != 1) continue;
        Reader inner(field->bytes);
        while (auto meta = inner.next()) (meta->number == 1 ? envelope.api_version : envelope.kind) = meta->bytes;
        if (!inner.ok()) return std::nullopt;
    }
    return reader.ok() ? std::optional(std::move(envelope)) : std::nullopt;
}

}   // namespace

bool is_protobuf(std::string_view content_type) { return content_type.substr(0, content_type.find(';')) == kMediaType; }

Result<json::Value> decode_protobuf(std::string_view body) {
    auto envelope = open(body);
    if (!envelope) return fail(ErrorCode::kBadRequest, "the body is no Kubernetes protobuf message");
    std::string type = internal::type_of_kind(envelope->api_version, envelope->kind);
    if (type.empty() || !internal::field_numbers(type).exists()) {
        return fail(
            ErrorCode::kUnsupportedMediaType,
            fmt::format("{} {} is not read as protobuf; send application/json", envelope->api_version, envelope->kind));
    }
    Decoder decoder;
    json::Value object = decoder.message(type, envelope->raw);
    if (!decoder.ok()) {
        return fail(ErrorCode::kBadRequest,
                    fmt::format("the body is no protobuf message of {} {}", envelope->api_version, envelope->kind));
    }
    internal::canonicalise(object, internal::shape_of(type));
    object["apiVersion"] = envelope->api_version;
    object["kind"] = envelope->kind;
    return object;
}

}   // namespace aviary::builtin
