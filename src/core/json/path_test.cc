#include "core/json/path.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::json {
namespace {

constexpr std::string_view kObject = R"({"kind":"Widget","metadata":{"name":"a","labels":{"app.x/y":"q"}},
    "big":12345678901,"f":1.5,"b":true,"none":null,
    "things":[{"type":"Ready","status":"True","m":3,"tags":["p","q"]},{"type":"Done","status":"False","m":5},
              {"type":"a]b)c","status":"x"}]})";

// What the template prints, or its error.
std::string printed(std::string_view text) {
    auto const path = Path::parse_template(text);
    if (!path) return path.error().message();
    auto const result = path->print(*parse(kObject));
    return result ? *result : result.error().message();
}

// The expected texts are what kubectl 1.32 printed.
TEST(Path, PrintsWhatKubectlPrints) {
    EXPECT_EQ(printed("x{.metadata.name}y {$.kind}{@.kind}"), "xay WidgetWidget");
    EXPECT_EQ(printed("{.things[*].type}"), "Ready Done a]b)c");
    EXPECT_EQ(printed("{.things[-1:].type} {.things[-1].type} {.things[0,2].type}"), "a]b)c a]b)c Ready a]b)c");
    EXPECT_EQ(printed("{.things[0]}"), R"({"m":3,"status":"True","tags":["p","q"],"type":"Ready"})");
    EXPECT_EQ(printed("{.things[0:2:2].type}{.things[1:3].m}{.things[1:1]}"), "Ready5");
    EXPECT_EQ(printed(R"({range .things[*]}{.type}={.status}{"\n"}{end})"), "Ready=True\nDone=False\na]b)c=x\n");
    EXPECT_EQ(printed("{range .things[*]}{range .tags[*]}<{@}>{end};{end}"), "<p><q>;;;");
    EXPECT_EQ(printed("{range .zz[*]}a{end}b"), "b");
    EXPECT_EQ(printed("{.big} {.f} {.b} {.none} {.nope}|"), "12345678901 1.5 true null |");
    EXPECT_EQ(printed("{..type} {..tags[0]}"), "Ready Done a]b)c p");
    EXPECT_EQ(printed("{['things'][0]['type','status']}"), "Ready True");
    EXPECT_EQ(printed(R"({.metadata.labels.app\.x/y}{.metadata.labels['app\.x/y']})"), "qq");
    EXPECT_EQ(printed("{.things[*].tags[1]} {.metadata.name.x}{3}{true}{'t'}{.kind}}"), "q 3truetWidget}");
}

TEST(Path, Filters) {
    EXPECT_EQ(printed(R"({.things[?(@.type=="Ready")].status})"), "True");
    EXPECT_EQ(printed(R"({.things[?(@.type=='Ready')].m} {.things[?(@.m==3)].type})"), "3 Ready");
    EXPECT_EQ(printed(R"({.things[?(@.type=="a]b)c")].status})"), "x");
    EXPECT_EQ(printed(R"({.things[?(@.type!="Ready")].type})"), "Done a]b)c");
    EXPECT_EQ(printed("{.things[?(@.m>3)].type} {.things[?(@.m<=@.m)].type}"), "Done Ready Done");
    EXPECT_EQ(printed("{.things[?(@.tags)].type} {.things[?(@.tags[0]==\"p\")].type}"), "Ready Ready");
    EXPECT_EQ(printed(R"({.things[?(@.status=="True")]..tags[0]})"), "p");
    EXPECT_EQ(printed(R"({.things[?(@.type>"Q")].type})"), "Ready a]b)c");
}

TEST(Path, ErrorsSayWhatIsWrong) {
    EXPECT_EQ(printed("{.things[5]}"), "JSONPath: array index out of bounds: index 5, length 3");
    EXPECT_EQ(printed("{.things[2:1]}"), "JSONPath: starting index 2 is greater than ending index 1");
    EXPECT_EQ(printed("{.metadata.name[0]}"), "JSONPath: a value of type string is no list");
    EXPECT_EQ(printed("{.things[?(@.type==3)]}"), "JSONPath: incompatible types for comparison: string and integer");
    EXPECT_EQ(printed("{.metadata.name"), "invalid JSONPath: unclosed action {.metadata.name");
    EXPECT_EQ(printed("{end}"), "invalid JSONPath: not in range, nothing to end");
    EXPECT_EQ(printed("{range .things[*]}"), "invalid JSONPath: a {range} has no {end}");
    EXPECT_EQ(printed("{foo}"), "invalid JSONPath: unrecognized identifier \"foo\"");
    EXPECT_EQ(printed("{.things[x]}"), "invalid JSONPath: invalid array index [x]");
    EXPECT_EQ(printed("{.things[::0]}"), "invalid JSONPath: the step of a slice must be greater than 0");
    EXPECT_EQ(printed("{.a|.b|}"), "");
}

TEST(Path, FindsForColumns) {
    Doc const object = *parse(kObject);
    auto const ready = Path::parse(".things[?(@.type==\"Ready\")].status")->find(object);
    ASSERT_EQ(ready->size(), 1U);
    EXPECT_EQ((*ready)[0].as_string(), "True");
    EXPECT_EQ(Path::parse("metadata.name")->print(object), "a");
    EXPECT_EQ(Path::parse("{.kind}")->print(object), "Widget");
    EXPECT_TRUE(Path::parse(".nope.nope")->find(object)->empty());
    EXPECT_TRUE((*Path::parse(".")->find(object))[0].same(object));
}

TEST(Path, HasBounds) {
    std::string text = "{.things";
    for (int turn = 0; turn < 50; ++turn) text += "[?(@";
    EXPECT_FALSE(Path::parse_template(text));
    Value list{Array()};
    for (int turn = 0; turn < 20'000; ++turn) list.push_back(Object{{"n", turn}});
    EXPECT_EQ(Path::parse("[?(@.n>=10)].n")->find(Doc::freeze(list))->size(), 19'990U);
    EXPECT_FALSE(Path::parse("[9223372036854775807]"));
    std::string nested = "[";
    for (int turn = 0; turn < 60; ++turn) nested += "[";
    nested += "1" + std::string(61, ']');
    auto const many = Path::parse("$..*..*..*..*..*..*..*");
    ASSERT_TRUE(many);
    EXPECT_FALSE(many->find(*parse(nested)));
}

RC_GTEST_PROP(PathLaws, AnyTextEndsInAResultOrAnError, ()) {
    auto const piece = rc::gen::elementOf(
        std::vector<std::string>{"{",  "}",      ".",    "..", "[", "]",      "*",   "?(", ")", "@", "$", "'", "\"",
                                 "\\", "things", "type", "==", "<", "range ", "end", "1",  "-", ":", ",", " ", "3"});
    std::string text;
    for (std::string const& each : *rc::gen::container<std::vector<std::string>>(piece)) text += each;
    if (auto const path = Path::parse_template(text)) (void)path->print(*parse(kObject));
    if (auto const path = Path::parse(text)) (void)path->find(*parse(kObject));
}

}   // namespace
}   // namespace aviary::json
