#include "core/json/patch.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::json {
namespace {

Value value(std::string_view text) { return *parse_value(text); }

// The patched document, or the error.
std::string patched(std::string_view document, std::string_view operations) {
    Value result = value(document);
    Status const status = apply_json_patch(result, value(operations));
    if (status) return write(result);
    EXPECT_EQ(write(result), write(value(document))) << "a refused patch must change nothing";
    return status.error().message();
}

TEST(Pointer, EscapesAndFinds) {
    Value const document = value(R"({"a/b":{"m~n":[10,20]},"":1})");
    EXPECT_EQ(resolve(document, *parse_pointer("/a~1b/m~0n/1"))->as_int(), 20);
    EXPECT_EQ(resolve(document, *parse_pointer("/"))->as_int(), 1);
    EXPECT_EQ(resolve(document, *parse_pointer("")), &document);
    EXPECT_EQ(resolve(document, *parse_pointer("/a~1b/m~0n/-")), nullptr);
    EXPECT_EQ(escape_pointer("a/b~"), "a~1b~0");
    EXPECT_FALSE(parse_pointer("a"));
}

TEST(JsonPatch, DoesWhatEachOperationSays) {
    EXPECT_EQ(patched(R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])"), R"({"a":[1,2,3]})");
    EXPECT_EQ(patched(R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])"), R"({"a":[1,2]})");
    EXPECT_EQ(patched(R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":2}}])"), R"({"b":2})");
    EXPECT_EQ(patched(R"({"a":1,"b":[1,2]})", R"([{"op":"remove","path":"/b/0"},{"op":"remove","path":"/a"}])"),
              R"({"b":[2]})");
    EXPECT_EQ(patched(R"({"a":{"x":1},"b":{}})", R"([{"op":"move","from":"/a/x","path":"/b/y"}])"),
              R"({"a":{},"b":{"y":1}})");
    EXPECT_EQ(
        patched(R"({"a":{"x":1}})", R"([{"op":"copy","from":"/a","path":"/b"},{"op":"test","path":"/b/x","value":1}])"),
        R"({"a":{"x":1},"b":{"x":1}})");
    EXPECT_EQ(patched(R"({"a":1})", R"([{"op":"test","path":"/gone","value":null}])"), R"({"a":1})");
}

TEST(JsonPatch, ErrorsNameTheOperation) {
    EXPECT_EQ(patched(R"({"a":1})", R"([{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":2}])"),
              "operation 1 (test /a): test failed: found 1, not 2");
    EXPECT_EQ(patched("{}", R"([{"op":"remove","path":"/a/b"}])"),
              "operation 0 (remove /a/b): the path does not exist");
    EXPECT_EQ(patched(R"({"a":[1]})", R"([{"op":"add","path":"/a/2","value":1}])"),
              "operation 0 (add /a/2): the index is out of range");
    EXPECT_EQ(patched(R"({"a":1})", R"([{"op":"move","path":"/b"}])"), "operation 0 (move /b): \"from\" is missing");
    EXPECT_EQ(patched(R"({"a":{}})", R"([{"op":"move","from":"/a","path":"/a/b"}])"),
              "operation 0 (move /a/b): a value cannot be moved into itself");
    EXPECT_EQ(patched("{}", R"([{"op":"add","path":"/a"}])"), "operation 0 (add /a): \"value\" is missing");
    EXPECT_EQ(patched("{}", R"([{"op":"frob","path":"/a"}])"), "operation 0 (frob /a): unknown operation \"frob\"");
}

TEST(JsonPatch, CannotFillMemoryOrTheStack) {
    Value doubling{Array()};
    for (int turn = 0; turn < 100; ++turn)
        doubling.push_back(Object{{"op", "copy"}, {"from", ""}, {"path", "/k" + std::to_string(turn)}});
    Value document = value(R"({"a":[1,2,3]})");
    EXPECT_EQ(apply_json_patch(document, doubling).error().code(), ErrorCode::kTooLarge);

    Value nesting{Array()};
    for (int turn = 0; turn < 200; ++turn) {
        nesting.push_back(Object{{"op", "add"}, {"path", "/b"}, {"value", Object()}});
        nesting.push_back(Object{{"op", "move"}, {"from", "/a"}, {"path", "/b/a"}});
        nesting.push_back(Object{{"op", "move"}, {"from", "/b"}, {"path", "/a"}});
    }
    EXPECT_NE(apply_json_patch(document, nesting).error().message().find("nested deeper"), std::string::npos);
}

TEST(MergePatch, FollowsRfc7386) {
    auto const merged = [](std::string_view document, std::string_view patch) {
        Value result = value(document);
        apply_merge_patch(result, value(patch));
        return write(result);
    };
    EXPECT_EQ(merged(R"({"a":"b","c":{"d":"e","f":"g"}})", R"({"a":"z","c":{"f":null}})"),
              R"({"a":"z","c":{"d":"e"}})");
    EXPECT_EQ(merged(R"({"a":[{"b":"c"}]})", R"({"a":[1]})"), R"({"a":[1]})");
    EXPECT_EQ(merged(R"(["a"])", R"({"a":{"bb":{"ccc":null}}})"), R"({"a":{"bb":{}}})");
    EXPECT_EQ(merged(R"({"a":1})", R"([1])"), "[1]");
}

rc::Gen<Value> object_gen(int depth) {
    auto const leaf = rc::gen::map(rc::gen::inRange(0, 3), [](int number) { return Value(number); });
    auto const inner = depth == 0 ? leaf : rc::gen::oneOf(leaf, object_gen(depth - 1));
    return rc::gen::map(
        rc::gen::container<std::vector<std::pair<int, Value>>>(3, rc::gen::pair(rc::gen::inRange(0, 4), inner)),
        [](std::vector<std::pair<int, Value>> const& members) {
            Value object{Object()};
            for (auto const& [key, each] : members) object["k" + std::to_string(key)] = each;
            return object;
        });
}

RC_GTEST_PROP(MergePatchLaws, TheDifferenceLeadsFromOneToTheOther, ()) {
    Value const from = *object_gen(3);
    Value const to = *object_gen(3);
    Value result = from;
    apply_merge_patch(result, create_merge_patch(from, to));
    RC_ASSERT(result == to);
    RC_ASSERT(create_merge_patch(to, to).size() == 0U);
}

RC_GTEST_PROP(JsonPatchLaws, TheDifferenceLeadsFromOneToTheOther, ()) {
    Value const from = *object_gen(3);
    Value const to = *object_gen(3);
    Value result = from;
    RC_ASSERT(apply_json_patch(result, create_json_patch(from, to)).has_value());
    RC_ASSERT(result == to);
    RC_ASSERT(create_json_patch(to, to).size() == 0U);
}

}   // namespace
}   // namespace aviary::json
