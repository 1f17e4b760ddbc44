#include "hub/propagation/content.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"

namespace aviary::propagation {
namespace {

using json::Doc;

Doc source(int generation, std::string const& version, std::string const& labels = "{}") {
    return *json::parse(R"({"metadata":{"generation":)" + std::to_string(generation) + R"(,"resourceVersion":")" +
                        version + R"(","labels":)" + labels + "}}");
}
Doc binding(std::string const& version, Content const& said = {}) {
    return *json::parse(R"({"metadata":{"generation":1,"resourceVersion":")" + version +
                        R"("},"status":{"contentKey":")" + said.key + R"(","contentVersion":)" +
                        std::to_string(said.version) + "}}");
}

TEST(Content, IsAsNewAsTheNewerOfBoth) {
    EXPECT_EQ(content_of(source(1, "10"), binding("12"), nullptr).version, 12);
    EXPECT_EQ(content_of(source(1, "15"), binding("12"), nullptr).version, 15);
}

TEST(Content, StatusMakesItNoNewer) {
    Content const first = content_of(source(1, "10"), binding("12"), nullptr);
    EXPECT_EQ(content_of(source(1, "20"), binding("22"), &first), first);
    // A process that begins later knows it from the binding.
    EXPECT_EQ(content_of(source(1, "20"), binding("22", first), nullptr), first);
}

TEST(Content, ANewGenerationOrLabelDoes) {
    Content const first = content_of(source(1, "10"), binding("12"), nullptr);
    EXPECT_EQ(content_of(source(2, "20"), binding("12", first), &first).version, 20);
    EXPECT_EQ(content_of(source(2, "20"), binding("21", first), nullptr).version, 21);
    EXPECT_EQ(content_of(source(1, "30", R"({"team":"a"})"), binding("12", first), &first).version, 30);
    EXPECT_EQ(content_of({}, binding("31", first), &first).version, 31);
}

TEST(Content, NeverGoesBack) {
    Content const known{"another", 50};
    EXPECT_EQ(content_of(source(1, "10"), binding("12"), &known).version, 50);
    // What is recorded beyond what is there was written by somebody else.
    Content first = content_of(source(1, "10"), binding("12"), nullptr);
    first.version = 99;
    EXPECT_EQ(content_of(source(1, "10"), binding("12", first), nullptr).version, 12);
}

TEST(Content, WithoutAGenerationTheVersionTells) {
    Doc const data = *json::parse(R"({"metadata":{"resourceVersion":"40"},"data":{"a":"b"}})");
    Content const first = content_of(data, binding("12"), nullptr);
    EXPECT_EQ(first.version, 40);
    EXPECT_NE(content_of(*json::parse(R"({"metadata":{"resourceVersion":"41"}})"), binding("12"), &first), first);
}

}   // namespace
}   // namespace aviary::propagation
