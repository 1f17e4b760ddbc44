#include "core/yaml/yaml.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::yaml {
namespace {

TEST(Yaml, ReadsScalarsAsKubernetesToolsDo) {
    auto const value = parse(
        "a: y\nb: 'yes'\nc: 010\nd: 1e3\ne: ~\nf: 10%\ng: [1, -2, 0x1F, 0o14, 08, -0b11, 1_000, _1, .5]\n"
        "h: 2001-01-01\ni: 12:30:45\nj: !!str 1\nk: 9223372036854775808\nl: -9223372036854775808\nm: <<\nn: 1.2.3\n");
    ASSERT_TRUE(value) << value.error().message();
    EXPECT_EQ(json::write(*value),
              R"({"a":true,"b":"yes","c":8,"d":1000,"e":null,"f":"10%","g":[1,-2,31,12,8,-3,1000,"_1",0.5],)"
              R"("h":"2001-01-01","i":"12:30:45","j":"1","k":9.223372036854776e+18,"l":-9223372036854775808,)"
              R"("m":"<<","n":"1.2.3"})");
    EXPECT_FALSE(parse("a: .inf\n"));
}

TEST(Yaml, ReadsManyDocumentsAnchorsAndMerges) {
    auto const documents =
        parse_all("---\na: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n---\n# nothing\n---\ne: *x\n...\n");
    EXPECT_EQ(documents.error().message(), "invalid YAML at line 9, column 4: unknown alias");
    auto const fine = parse_all("---\na: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n---\n# nothing\n---\n- 1\n");
    ASSERT_TRUE(fine);
    ASSERT_EQ(fine->size(), 2U);
    EXPECT_EQ(json::write_canonical((*fine)[0]["d"]), R"({"b":1,"c":3})");
}

// Few bytes on the wire must not become many in memory.
TEST(Yaml, AliasesDoNotMultiplyText) {
    std::string const scalar(100'000, 'x');
    std::string bomb = "a: &a " + scalar + "\nb:\n";
    for (int count = 0; count < 3000; ++count) bomb += "- *a\n";
    auto const refused = parse(bomb, {.max_bytes = 1 << 20});
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message().contains("aliases stand for more than 4194304 bytes"))
        << refused.error().message();
    // A key is text too, and what an anchor stands for is kept beside where it is.
    std::string keys = "a: &a {" + scalar + ": 1}\nb:\n";
    for (int count = 0; count < 3000; ++count) keys += "- *a\n";
    EXPECT_FALSE(parse(keys, {.max_bytes = 1 << 20}));
    std::string nested;
    for (int depth = 0; depth < 100; ++depth) nested += "&a" + std::to_string(depth) + " [";
    nested += scalar + std::string(100, ']');
    EXPECT_FALSE(parse(nested, {.max_bytes = 1 << 20}));
    std::string fine = "a: &a " + scalar + "\nb: [*a, *a, *a]\n";
    EXPECT_TRUE(parse(fine, {.max_bytes = 1 << 20}));
}

TEST(Yaml, ErrorsSayWhere) {
    EXPECT_EQ(parse("a: 1\na: 2\n").error().message(), "invalid YAML at line 2, column 1: duplicate key \"a\"");
    EXPECT_TRUE(parse("a: [1\nb: 2").error().message().starts_with("invalid YAML at line 2"));
    EXPECT_NE(parse(std::string(300, '[') + std::string(300, ']')).error().message().find("nested deeper"),
              std::string::npos);
    EXPECT_NE(parse("a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n", {.max_nodes = 12})
                  .error()
                  .message()
                  .find("more than 12 values"),
              std::string::npos);
}

// What kubectl 1.32 printed for this ConfigMap.
constexpr std::string_view kPrinted = R"(apiVersion: v1
data:
  a2: "12:30"
  a10: "y"
  b: 'a: b'
  c: :x
  d: ""
  e: "2024-01-01T00:00:00Z"
  f: |
    a
    b
  g: "a\nb \n\n"
  h: word word word word word word word word word word word word word word word word
    word word word word word word word word word word word word word word end
  i: '{}'
  j: ' lead'
  k: "tab\tx"
  l: "é☃\U0001F600"
  "n": =
  o: '@x'
  p: it's
  q: '- x'
  r: -x
  s: 10%
  t: 'a #b'
  u: |2-

     lead
  w: 1.2.3
  x: '...'
  "y": '---'
  z: 0x1G
kind: ConfigMap
list:
- - 1
  - x: y
    z: []
  - {}
- null
metadata:
  creationTimestamp: null
  name: a
)";

TEST(Yaml, WritesAsKubectlDoes) {
    auto const value = parse(kPrinted);
    ASSERT_TRUE(value) << value.error().message();
    EXPECT_EQ(value->at({"data", "g"}).as_string(), "a\nb \n\n");
    std::string expected(kPrinted);
    expected.replace(expected.find("x: y\n"), 4, "x: true");   // what a plain y means
    EXPECT_EQ(yaml::write(*value), expected);
    EXPECT_EQ(yaml::write(json::Value("\xff")), "\xef\xbf\xbd\n");
}

RC_GTEST_PROP(YamlLaws, WhatIsWrittenReadsTheSame, ()) {
    auto const letter = rc::gen::elementOf(std::string(" \n\t:#-?,[]{}&*!|>'\"%@`=<~aY01.e_\x01\x7f"));
    auto const text = rc::gen::container<std::string>(letter);
    json::Value value{json::Object()};
    value[*text] = *text;
    value[*text] = json::Array{*text, json::Array{*text, json::Object{{*text, *text}}}, json::Array(), json::Object()};
    auto const back = parse(yaml::write(value));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == value);
}

}   // namespace
}   // namespace aviary::yaml
