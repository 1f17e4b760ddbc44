// gnostic's openapi.v2.Document, written field by field: the numbers are those of its OpenAPIv2.proto.
#include <bit>
#include <cstring>
#include <string>
#include <string_view>

#include "core/json/write.h"
#include "kube/apiserver/builtin/internal/openapi_v2.h"

namespace aviary::builtin::internal {

namespace {

// A protobuf message being written. Empty texts, zero and false are left out, as proto3 does.
class Message {
public:
    void text(int field, std::string_view value) {
        if (!value.empty()) bytes(field, value);
    }
    void flag(int field, json::Value const& value) {
        if (!value.as_bool()) return;
        tag(field, 0);
        varint(1);
    }
    void integer(int field, json::Value const& value) {
        if (value.as_int() == 0) return;
        tag(field, 0);
        varint(static_cast<std::uint64_t>(value.as_int()));
    }
    void number(int field, json::Value const& value) {
        if (value.as_double() == 0) return;
        tag(field, 1);
        auto bits = std::bit_cast<std::uint64_t>(value.as_double());
        for (int i = 0; i < 8; ++i) out_ += static_cast<char>(bits >> (8 * i) & 0xff);
    }
    void message(int field, Message const& value) { bytes(field, value.out_); }
    void texts(int field, json::Value const& list) {
        for (json::Value const& entry : list.array()) bytes(field, entry.as_string());
    }
    std::string take() { return std::move(out_); }

private:
    void bytes(int field, std::string_view value) {
        tag(field, 2);
        varint(value.size());
        out_ += value;
    }
    void tag(int field, int wire) { varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire)); }
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
        out_ += static_cast<char>(value);
    }

    std::string out_;
};

Message any(json::Value const& value) {
    Message made;
    made.text(2, json::write(value) + "\n");
    return made;
}

Message named(std::string_view name, Message const& value) {
    Message made;
    made.text(1, name);
    made.message(2, value);
    return made;
}

void extensions(Message& into, int field, json::Value const& object) {
    for (auto const& [key, value] : object.object()) {
        if (key.starts_with("x-")) into.message(field, named(key, any(value)));
    }
}

Message schema_message(json::Value const& schema) {
    Message made;
    made.text(1, schema["$ref"].as_string());
    made.text(2, schema["format"].as_string());
    made.text(3, schema["title"].as_string());
    made.text(4, schema["description"].as_string());
    if (schema.contains("default")) made.message(5, any(schema["default"]));
    made.number(6, schema["multipleOf"]);
    made.number(7, schema["maximum"]);
    made.flag(8, schema["exclusiveMaximum"]);
    made.number(9, schema["minimum"]);
    made.flag(10, schema["exclusiveMinimum"]);
    made.integer(11, schema["maxLength"]);
    made.integer(12, schema["minLength"]);
    made.text(13, schema["pattern"].as_string());
    made.integer(14, schema["maxItems"]);
    made.integer(15, schema["minItems"]);
    made.flag(16, schema["uniqueItems"]);
    made.integer(17, schema["maxProperties"]);
    made.integer(18, schema["minProperties"]);
    made.texts(19, schema["required"]);
    for (json::Value const& entry : schema["enum"].array()) made.message(20, any(entry));
    if (json::Value const* additional = schema.find("additionalProperties")) {
        Message item;
        if (additional->is_object()) item.message(1, schema_message(*additional));
        item.flag(2, *additional);
        made.message(21, item);
    }
    if (schema["type"].is_string()) {
        Message type;
        type.text(1, schema["type"].as_string());
        made.message(22, type);
    }
    if (schema["items"].is_object()) {
        Message items;
        items.message(1, schema_message(schema["items"]));
        made.message(23, items);
    }
    if (schema["properties"].is_object()) {
        Message properties;
        for (auto const& [name, property] : schema["properties"].object())
            properties.message(1, named(name, schema_message(property)));
        made.message(25, properties);
    }
    if (schema.contains("example")) made.message(30, any(schema["example"]));
    extensions(made, 31, schema);
    return made;
}

// ParametersItem{parameter: Parameter{…}}
Message parameter_message(json::Value const& parameter) {
    std::string_view in = parameter["in"].as_string();
    Message outer;
    if (in == "body") {
        Message body;
        body.text(2, parameter["name"].as_string());
        body.text(3, in);
        body.flag(4, parameter["required"]);
        body.message(5, schema_message(parameter["schema"]));
        outer.message(1, body);
    } else {
        bool path = in == "path";
        Message made;
        made.flag(1, parameter["required"]);
        made.text(2, in);
        made.text(4, parameter["name"].as_string());
        made.text(path ? 5 : 6, parameter["type"].as_string());
        made.flag(path ? 19 : 20, parameter["uniqueItems"]);
        Message non_body;
        non_body.message(path ? 4 : 3, made);
        outer.message(2, non_body);
    }
    Message item;
    item.message(1, outer);
    return item;
}

Message responses_message(json::Value const& responses) {
    Message made;
    for (auto const& [code, response] : responses.object()) {
        Message inner;
        inner.text(1, response["description"].as_string());
        if (response["schema"].is_object()) {
            Message item;
            item.message(1, schema_message(response["schema"]));
            inner.message(2, item);
        }
        Message value;
        value.message(1, inner);
        made.message(1, named(code, value));
    }
    return made;
}

Message operation_message(json::Value const& operation) {
    Message made;
    made.texts(1, operation["tags"]);
    made.text(5, operation["operationId"].as_string());
    made.texts(6, operation["produces"]);
    made.texts(7, operation["consumes"]);
    for (json::Value const& parameter : operation["parameters"].array()) made.message(8, parameter_message(parameter));
    made.message(9, responses_message(operation["responses"]));
    made.texts(10, operation["schemes"]);
    extensions(made, 13, operation);
    return made;
}

Message path_message(json::Value const& item) {
    constexpr std::pair<std::string_view, int> kMethods[] = {
        {"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
    Message made;
    for (auto [method, field] : kMethods) {
        if (item.contains(method)) made.message(field, operation_message(item[method]));
    }
    for (json::Value const& parameter : item["parameters"].array()) made.message(9, parameter_message(parameter));
    return made;
}

}   // namespace

std::string swagger_protobuf(json::Value const& swagger) {
    Message info;
    info.text(1, swagger.at({"info", "title"}).as_string());
    info.text(2, swagger.at({"info", "version"}).as_string());
    Message paths;
    for (auto const& [path, item] : swagger["paths"].object()) paths.message(2, named(path, path_message(item)));
    Message definitions;
    for (auto const& [name, schema] : swagger["definitions"].object())
        definitions.message(1, named(name, schema_message(schema)));
    Message document;
    document.text(1, swagger["swagger"].as_string());
    document.message(2, info);
    document.message(8, paths);
    document.message(9, definitions);
    return document.take();
}

}   // namespace aviary::builtin::internal
