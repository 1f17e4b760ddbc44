#include "kube/meta/object.h"

#include <gtest/gtest.h>

#include "core/json/parse.h"

namespace aviary::meta {
namespace {

TEST(Object, SaysWhetherOnlyTheStatusDiffers) {
    json::Doc const before = *json::parse(
        R"({"kind":"Deployment","metadata":{"name":"web","resourceVersion":"1","managedFields":[1]},"spec":{"replicas":1}})");
    auto const alone = [&](char const* after) { return differs_in_status_alone(before, *json::parse(after)); };
    EXPECT_TRUE(alone(
        R"({"kind":"Deployment","metadata":{"name":"web","resourceVersion":"2","managedFields":[1,2]},"spec":{"replicas":1},"status":{"replicas":1}})"));
    EXPECT_TRUE(alone(R"({"kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":1}})"));
    EXPECT_FALSE(alone(R"({"kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":2}})"));
    EXPECT_FALSE(alone(R"({"kind":"Deployment","metadata":{"name":"web"}})"));
    EXPECT_FALSE(alone(R"({"kind":"Deployment","metadata":{"name":"web","labels":{"a":"b"}},"spec":{"replicas":1}})"));
    EXPECT_FALSE(alone(R"({"kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":1},"data":{}})"));
    EXPECT_FALSE(differs_in_status_alone({}, before));
    EXPECT_FALSE(differs_in_status_alone(before, {}));
}

}   // namespace
}   // namespace aviary::meta
