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

// A label that is changed and changed back between two processes, of which the second knows the first one's record
// alone.
TEST(Content, WhatIsSaidAgainIsNewer) {
    auto const said = [](std::string const& version, std::string const& managed) {
        return *json::parse(R"({"metadata":{"generation":1,"resourceVersion":")" + version +
                            R"(","labels":{"a":"b"},"managedFields":[)" + managed + "]}}");
    };
    std::string const by_user = R"({"manager":"kubectl-label","time":"2026-01-01T00:00:07Z"})";
    std::string const by_hub = R"({"manager":"aviary-hub","time":"2026-01-01T00:00:09Z"})";
    std::string const status = R"({"manager":"x","subresource":"status","time":"2026-01-01T00:00:09Z"})";
    Content const first = content_of(said("10", by_user), binding("12"), nullptr);
    std::string const later = R"({"manager":"kubectl-label","time":"2026-01-01T00:00:08Z"})";
    EXPECT_EQ(content_of(said("20", later), binding("12", first), nullptr).version, 20);
    EXPECT_EQ(content_of(said("20", by_user + "," + by_hub + "," + status), binding("12", first), nullptr), first);
    // As versions before wrote it.
    Content const undated{first.key.substr(0, first.key.find('@')), first.version};
    EXPECT_EQ(content_of(said("20", later), binding("12", undated), nullptr).version, first.version);
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
