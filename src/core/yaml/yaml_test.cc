#include "core/yaml/yaml.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::yaml {
namespace {

TEST(Yaml, ReadsScalarsAsKubernetesToolsDo) {
    auto const value = parse("a: yes\nb: 'yes'\nc: 010\nd: 1e3\ne: ~\nf: 10%\ng: [1, -2, 0x10]\nh: 1.5\ni: y\n");
    ASSERT_TRUE(value) << value.error().message();
    EXPECT_EQ(json::write(*value),
              R"({"a":true,"b":"yes","c":8,"d":1000,"e":null,"f":"10%","g":[1,-2,16],"h":1.5,"i":"y"})");
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

TEST(Yaml, WritesWhatItReads) {
    json::Value const value = *json::parse_value(
        R"({"s":"yes","n":1,"t":"a: b","list":[{"x":1,"y":["p","q"]},"z"],"m":"one\ntwo\n","e":{},"l":[],"d":"- x","p":"10%"})");
    std::string const text = yaml::write(value);
    auto const back = parse(text);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(*back, value) << text;
}

}   // namespace
}   // namespace aviary::yaml
