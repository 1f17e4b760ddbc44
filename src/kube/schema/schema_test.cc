#include "kube/schema/schema.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::schema {
namespace {

constexpr std::string_view kSchema = R"({"type":"object","properties":{
  "metadata":{"type":"object"},
  "spec":{"type":"object","required":["mode"],"properties":{
    "mode":{"type":"string","enum":["Duplicated","Divided"]},
    "replicas":{"type":"integer","minimum":1,"maximum":10,"default":1},
    "seconds":{"type":"integer","format":"int32"},
    "count":{"type":"integer"},
    "share":{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}],"pattern":"^\\d+%$"},
    "name":{"type":"string","minLength":2,"maxLength":4},
    "note":{"type":"string","nullable":true,"default":"none"},
    "until":{"type":"string","format":"date-time"},
    "address":{"type":"string","format":"cidr"},
    "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"known":{"type":"object","properties":{"a":{"type":"integer"}}}}},
    "labels":{"type":"object","additionalProperties":{"type":"string"}},
    "template":{"type":"object","x-kubernetes-embedded-resource":true,"properties":{"spec":{"type":"object"}}},
    "steps":{"type":"array","maxItems":2,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["id"],
      "items":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"wait":{"type":"boolean","default":true}}}},
    "tags":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},
    "choice":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},
      "oneOf":[{"required":["a"]},{"required":["b"]}]}
  }}}})";

json::Value value(std::string_view text) {
    auto parsed = json::parse_value(text);
    EXPECT_TRUE(parsed) << parsed.error().message() << text;
    return parsed ? *parsed : json::Value();
}

std::shared_ptr<Schema const> compiled() { return *Schema::compile(*json::parse(kSchema)); }

// "field: message" of each cause for a spec that has its mode.
std::vector<std::string> problems(std::string_view fields) {
    std::string const text = fields.empty() ? R"({"spec":{"mode":"Divided"}})"
                                            : R"({"spec":{"mode":"Divided",)" + std::string(fields) + "}}";
    std::vector<std::string> result;
    for (FieldCause const& cause : compiled()->validate(value(text)))
        result.push_back(cause.field + ": " + cause.message);
    return result;
}

using Texts = std::vector<std::string>;

TEST(Validate, SaysWhatTheApiServerSays) {
    EXPECT_EQ(problems(""), Texts{});
    EXPECT_EQ(
        problems(R"("replicas":"x")"),
        Texts{"spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\""});
    EXPECT_EQ(problems(R"("replicas":null)"),
              Texts{"spec.replicas: Invalid value: \"null\": spec.replicas in body must be of type integer: \"null\""});
    EXPECT_EQ(problems(R"("replicas":0)"),
              Texts{"spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1"});
    EXPECT_EQ(problems(R"("name":"é")"),
              Texts{"spec.name: Invalid value: \"é\": spec.name in body should be at least 2 chars long"});
    EXPECT_EQ(problems(R"("name":"ééééé")"), Texts{"spec.name: Too long: may not be more than 4 bytes"});
    EXPECT_EQ(problems(R"("until":"soon")"),
              Texts{"spec.until: Invalid value: \"soon\": spec.until in body must be of type date-time: \"soon\""});
    EXPECT_EQ(
        problems(R"("labels":{"a":1})"),
        Texts{"spec.labels.a: Invalid value: \"integer\": spec.labels.a in body must be of type string: \"integer\""});
    auto const wrong = compiled()->validate(value(R"({"spec":{"mode":"Sideways"}})"));
    ASSERT_EQ(wrong.size(), 1U);
    EXPECT_EQ(wrong[0], (FieldCause{"FieldValueNotSupported", "spec.mode",
                                    "Unsupported value: \"Sideways\": supported values: \"Duplicated\", \"Divided\""}));
    auto const missing = compiled()->validate(value(R"({"spec":{}})"));
    ASSERT_EQ(missing.size(), 1U);
    EXPECT_EQ(missing[0], (FieldCause{"FieldValueRequired", "spec.mode", "Required value"}));
}

TEST(Validate, IntOrStringFormatsAndEmbeddedResources) {
    EXPECT_EQ(problems(R"("share":3)"), Texts{});
    EXPECT_EQ(problems(R"("share":"3%")"), Texts{});
    EXPECT_EQ(problems(R"("share":"x")"),
              Texts{"spec.share: Invalid value: \"x\": spec.share in body should match '^\\d+%$'"});
    EXPECT_EQ(
        problems(R"("share":true)"),
        Texts{
            "spec.share: Invalid value: \"boolean\": spec.share in body must be of type integer,string: \"boolean\""});
    EXPECT_EQ(problems(R"("note":null,"until":"2026-11-23T14:51:00Z","address":"10.0.0.0/8")"), Texts{});
    EXPECT_EQ(problems(R"("address":"10.0.0.0/40")").size(), 1U);
    EXPECT_EQ(problems(R"("address":"10.0.0.0\u0000/8")").size(), 1U);
    EXPECT_EQ(problems(R"("template":{"kind":"Pod"})"),
              Texts{"spec.template.apiVersion: Required value: must not be empty"});
}

TEST(Validate, IntegersFitTheirFormat) {
    EXPECT_EQ(problems(R"("seconds":2147483647)"), Texts{});
    EXPECT_EQ(problems(R"("seconds":-2147483648)"), Texts{});
    EXPECT_EQ(problems(R"("seconds":2147483648)"),
              Texts{"spec.seconds: Invalid value: \"\": Checked value must be of type integer with format int32 in "
                    "spec.seconds"});
    EXPECT_EQ(problems(R"("count":9223372036854775807)"), Texts{});
    EXPECT_EQ(problems(R"("count":1e30)"),
              Texts{"spec.count: Invalid value: \"\": Checked value must be of type integer (default format) in "
                    "spec.count"});
}

TEST(Validate, ListsAndCombinations) {
    EXPECT_EQ(problems(R"("steps":[{"id":1},{"id":1}])"), Texts{"spec.steps[1]: Duplicate value: {\"id\":1}"});
    EXPECT_EQ(problems(R"("steps":[{"id":1},{"id":2},{"id":3}])"),
              Texts{"spec.steps: Too many: 3: must have at most 2 items"});
    EXPECT_EQ(problems(R"("tags":["a","b","a"])"), Texts{"spec.tags[2]: Duplicate value: \"a\""});
    EXPECT_EQ(problems(R"("choice":{"a":""})"), Texts{});
    EXPECT_EQ(problems(R"("choice":{"a":"","b":""})"),
              Texts{"spec.choice: Invalid value: \"\": \"spec.choice\" must validate one and only one schema (oneOf). "
                    "Found 2 valid alternatives"});
    EXPECT_EQ(problems(R"("choice":{})").size(), 1U);
}

TEST(Validate, ManyMistakesAreCutShort) {
    json::Value object = value(R"({"spec":{"mode":"Divided"}})");
    for (int index = 0; index < 100'000; ++index) object["spec"]["tags"].push_back(1);
    EXPECT_LE(compiled()->validate(object).size(), 101U);
}

TEST(Prune, RemovesAndNamesWhatIsUnknown) {
    json::Value object = value(R"({"apiVersion":"v1","kind":"X","metadata":{"anything":1},"status":1,
        "spec":{"mode":"Divided","x":1,"free":{"any":{"b":1},"known":{"a":1,"b":2}},"labels":{"q":"r"},
                "steps":[{"id":1,"y":2}],"template":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"n"},"z":1}}})");
    json::Value const before = object;
    Texts const expected{"status", "spec.x", "spec.free.known.b", "spec.steps[0].y", "spec.template.z"};
    EXPECT_EQ(compiled()->unknown_fields(object), expected);
    EXPECT_EQ(object, before);
    EXPECT_EQ(compiled()->prune(object), expected);
    EXPECT_EQ(json::write(object),
              R"({"apiVersion":"v1","kind":"X","metadata":{"anything":1},"spec":{"mode":"Divided",)"
              R"("free":{"any":{"b":1},"known":{"a":1}},"labels":{"q":"r"},"steps":[{"id":1}],)"
              R"("template":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"n"}}}})");
    EXPECT_EQ(compiled()->prune(object), Texts{});
}

TEST(Defaults, FillWhatIsAbsentAndDropNulls) {
    json::Value object =
        value(R"({"spec":{"mode":null,"replicas":null,"note":null,"steps":[{"id":1},{"wait":false}]}})");
    compiled()->apply_defaults(object);
    EXPECT_EQ(json::write_canonical(object),
              R"({"spec":{"note":null,"replicas":1,"steps":[{"id":1,"wait":true},{"wait":false}]}})");
    json::Value empty = value("{}");
    compiled()->apply_defaults(empty);
    EXPECT_EQ(json::write(empty), "{}");
}

RC_GTEST_PROP(SchemaLaws, PruningAndDefaultingAreDoneOnce, ()) {
    auto const names =
        std::vector<std::string>{"mode", "replicas", "free", "known", "steps", "odd", "spec", "template"};
    std::function<json::Value(int)> const make = [&](int depth) -> json::Value {
        int const kind = *rc::gen::inRange(0, depth == 0 ? 2 : 4);
        if (kind == 0) return 7;
        if (kind == 1) return nullptr;
        if (kind == 2) return json::Array{make(depth - 1), make(depth - 1)};
        json::Value object{json::Object()};
        for (int count = *rc::gen::inRange(0, 4); count > 0; --count)
            object[*rc::gen::elementOf(names)] = make(depth - 1);
        return object;
    };
    auto const schema = compiled();
    json::Value object = make(4);
    auto const unknown = schema->unknown_fields(object);
    RC_ASSERT(schema->prune(object) == unknown);
    RC_ASSERT(schema->unknown_fields(object).empty());
    schema->apply_defaults(object);
    json::Value const once = object;
    schema->apply_defaults(object);
    RC_ASSERT(object == once);
    RC_ASSERT(schema->prune(object).empty());
}

Texts structural(std::string_view schema) {
    Texts result;
    for (FieldCause const& cause : check_structural(*json::parse(schema), "s"))
        result.push_back(cause.field + ": " + cause.message);
    return result;
}

TEST(Structural, TakesWhatKubernetesTakes) {
    EXPECT_EQ(structural(kSchema), Texts{});
    EXPECT_EQ(structural(R"({"type":"object","x-kubernetes-preserve-unknown-fields":true})"), Texts{});
}

TEST(Structural, SaysWhyNot) {
    EXPECT_EQ(structural("{}"), Texts{"s.type: Required value: must not be empty at the root"});
    EXPECT_EQ(
        structural(R"({"type":"object","properties":{"a":{},"b":{"type":"array"},"c":{"type":"array","items":{}}}})"),
        (Texts{"s.properties[a].type: Required value: must not be empty for specified object fields",
               "s.properties[b].items: Required value: must be specified",
               "s.properties[c].items.type: Required value: must not be empty for specified array items"}));
    EXPECT_EQ(structural(R"({"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string"}},
                             "additionalProperties":{"type":"string"}}}})"),
              Texts{"s.properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual "
                    "exclusive"});
    EXPECT_EQ(structural(R"({"type":"object","anyOf":[{"properties":{"a":{"type":"string"}}}]})"),
              (Texts{"s.properties[a]: Required value: because it is defined in s.anyOf[0].properties[a]",
                     "s.anyOf[0].properties[a].type: Forbidden: must be empty to be structural"}));
    EXPECT_EQ(structural(R"({"type":"object","properties":{"a":{"type":"array","x-kubernetes-list-type":"map",
                             "x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"}}}}}})"),
              Texts{"s.properties[a].items.properties[k].default: Required value: this property is in "
                    "x-kubernetes-list-map-keys, so it must have a default or be a required property"});
    EXPECT_EQ(structural(R"({"type":"object","properties":{"a":{"type":"integer","default":"x"}}})"),
              Texts{"s.properties[a].default: Invalid value: \"string\": s.properties[a].default in body must be of "
                    "type integer: \"string\""});
}

TEST(Structural, SaysWhatIsNotEnforced) {
    EXPECT_EQ(unsupported_features(*json::parse(R"({"type":"object","properties":{"a":{"type":"array",
                  "items":{"type":"object","x-kubernetes-validations":[{"rule":"true"}]}}}})")),
              Texts{"x-kubernetes-validations at a[]"});
    EXPECT_EQ(Schema::compile(*json::parse(R"({"type":"object","properties":{"a":{"type":"string","pattern":"("}}})"))
                  .error()
                  .message(),
              "a.pattern: missing ): (");
}

}   // namespace
}   // namespace aviary::schema
