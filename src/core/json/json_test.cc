#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"

namespace aviary::json {
namespace {

constexpr std::string_view kPod =
    R"({"kind":"Pod","metadata":{"name":"a","labels":{"app":"x"},"n":12,"f":1.5},"items":[1,true,null,"s\n\"q\""]})";

TEST(Doc, RoundTripIsByteEqual) {
    Doc const doc = *parse(kPod);
    EXPECT_EQ(write(doc), kPod);
    EXPECT_EQ(write(doc.thaw()), kPod);
    EXPECT_EQ(write(Doc::freeze(doc.thaw())), kPod);
}

// Wherever it stands in texts of any length: letters are looked at eight at once.
TEST(Write, EscapesALetterAndNoOther) {
    std::map<char, std::string> const escapes{
        {'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}};
    for (int code = 0; code < 256; ++code) {
        char const letter = static_cast<char>(code);
        auto const found = escapes.find(letter);
        std::string const written = found != escapes.end() ? found->second
                                    : code < 0x20          ? fmt::format("\\u{:04x}", code)
                                                           : std::string(1, letter);
        for (std::size_t before = 0; before < 18; ++before) {
            for (std::size_t after = 0; after < 18; ++after) {
                std::string const left(before, 'a');
                std::string const right(after, 'z');
                std::string out = "x";
                append_string(out, left + letter + right + letter);
                ASSERT_EQ(out, "x\"" + left + written + right + written + "\"") << code;
            }
        }
    }
}

TEST(Doc, FindsMembersAndKeepsTheBlockAlive) {
    Doc labels;
    {
        Doc const doc = *parse(kPod);
        labels = doc.at({"metadata", "labels"});
        EXPECT_EQ(doc.at({"metadata", "n"}).as_int(), 12);
        EXPECT_FALSE(doc["nothing"].exists());
        EXPECT_EQ(doc["items"][3].as_string(), "s\n\"q\"");
        EXPECT_EQ(doc["items"].size(), 4U);
    }
    EXPECT_EQ(labels["app"].as_string(), "x");
    EXPECT_LT(labels.detach().block_bytes(), labels.block_bytes());
}

Doc event_of(Doc const& object, std::string_view type) {
    DocBuilder builder;
    builder.begin_object();
    builder.key("type");
    builder.string(type);
    builder.key("object");
    builder.doc(object);
    builder.key("metadata");
    builder.doc(object["metadata"]);
    builder.end();
    return builder.finish();
}

TEST(Doc, IsBuiltFromOthers) {
    Doc const pod = *parse(kPod);
    Doc const event = event_of(pod, "ADDED");
    std::string const metadata = write(pod["metadata"]);
    EXPECT_EQ(write(event),
              std::string(R"({"type":"ADDED","object":)") + std::string(kPod) + R"(,"metadata":)" + metadata + "}");
    EXPECT_EQ(event["object"], pod);
    DocBuilder builder;
    builder.begin_array();
    builder.doc(event);
    builder.doc(Doc());
    builder.doc(*parse("7"));
    builder.doc(event);
    builder.end();
    Doc const list = builder.finish();
    EXPECT_EQ(write(list), "[" + write(event) + ",null,7," + write(event) + "]");
    EXPECT_EQ(list[3].at({"metadata", "labels", "app"}).as_string(), "x");
}

// A part that is nearly all of its block stays in it; one beside something large does not.
TEST(Doc, IsDetachedOnlyWhereThatSavesSomething) {
    Doc const small = *parse(R"({"type":"ADDED","object":{"a":[1,2,3],"b":"c"}})");
    EXPECT_TRUE(small["object"].detach().same(small["object"]));
    Doc const last = *parse(R"({"object":{"a":[1,2,3],"b":"c"},"type":"ADDED"})");
    EXPECT_TRUE(last["object"].detach().same(last["object"]));
    for (std::string const& large : {R"({"type":")" + std::string(300, 'x') + R"(","object":{"a":1}})",
                                     R"({"object":{"a":1},")" + std::string(300, 'x') + R"(":1})",
                                     std::string(R"({"types":[1,2,3,4,5,6,7,8,9],"object":{"a":1}})")}) {
        Doc const doc = *parse(large);
        Doc const part = doc["object"].detach();
        EXPECT_LT(part.block_bytes(), doc.block_bytes()) << large;
        EXPECT_EQ(write(part), R"({"a":1})");
    }
}

TEST(Doc, StoresAKeyOnceADocument) {
    std::string text = "[";
    for (int count = 0; count < 1000; ++count) text += R"({"aKeyThatComesAgainAndAgain":1},)";
    Doc const doc = *parse(text + "1]");
    EXPECT_LT(doc.block_bytes(), 1000 * 26 + 2001 * 16U);
    Value many{Object()};
    for (int count = 0; count < 3000; ++count) many["key" + std::to_string(count)] = count;
    EXPECT_EQ(Doc::freeze(many).thaw(), many);
    EXPECT_EQ(Doc::freeze(many)["key2999"].as_int(), 2999);
}

TEST(Doc, EqualityAndHashIgnoreMemberOrder) {
    Doc const one = *parse(R"({"a":1,"b":{"c":[1,2.0],"d":"x"}})");
    Doc const two = *parse(R"({"b":{"d":"x","c":[1.0,2]},"a":1})");
    EXPECT_EQ(one, two);
    EXPECT_EQ(one.hash(), two.hash());
    EXPECT_FALSE(one == *parse(R"({"a":1,"b":{"c":[2,1],"d":"x"}})"));
}

std::string error_of(std::string_view text) {
    auto const result = parse(text);
    return result ? "" : result.error().message();
}

TEST(Parse, ErrorsHaveAPosition) {
    EXPECT_TRUE(error_of("{\"a\": 1,\n  \"b\" 2}").starts_with("invalid JSON at line 2, column 7: "));
    EXPECT_TRUE(error_of("{\"a\": tru}").starts_with("invalid JSON at line 1, column 7: "));
    EXPECT_EQ(error_of("{\"a\":1,\"a\":2}"), "invalid JSON at line 1, column 8: duplicate key \"a\"");
    EXPECT_FALSE(error_of("").empty());
    EXPECT_FALSE(error_of("{} x").empty());
}

TEST(Parse, LimitsDepthAndSize) {
    std::string const deep = std::string(200, '[') + std::string(200, ']');
    EXPECT_NE(error_of(deep).find("nested deeper than 128 levels"), std::string::npos);
    std::string const fine = std::string(100, '[') + std::string(100, ']');
    EXPECT_EQ(error_of(fine), "");
    EXPECT_EQ(parse("[1,2,3]", {.max_bytes = 3}).error().code(), ErrorCode::kTooLarge);
}

TEST(Parse, KeepsIntegersAndDoublesApart) {
    Doc const doc = *parse("[9007199254740993, 1.5, -1, 18446744073709551615]");
    EXPECT_EQ(doc[0].as_int(), 9007199254740993);
    EXPECT_FALSE(doc[1].is_int());
    EXPECT_EQ(doc[2].as_int(), -1);
    EXPECT_FALSE(doc[3].is_int());
}

// Every kind of access on containers that are large enough for an index, against plain loops.
TEST(Large, FindsAddsAndErasesAsSmallOnes) {
    Value value{Object()};
    for (int turn = 0; turn < 500; ++turn) value["k" + std::to_string(turn)] = turn;
    for (int turn = 0; turn < 500; turn += 3) EXPECT_TRUE(value.erase("k" + std::to_string(turn)));
    for (int turn = 500; turn < 600; ++turn) value["k" + std::to_string(turn)] = turn;
    Value copy = value;
    Value const moved = std::move(value);
    for (Value const* each : {&std::as_const(copy), &moved}) {
        for (int turn = 0; turn < 600; ++turn) {
            Value const* found = each->find("k" + std::to_string(turn));
            ASSERT_EQ(found != nullptr, turn >= 500 || turn % 3 != 0) << turn;
            if (found != nullptr) EXPECT_EQ(found->as_int(), turn);
        }
        EXPECT_FALSE(each->contains("k"));
    }
    value = copy;
    copy["k1"] = "changed";
    EXPECT_EQ(value["k1"].as_int(), 1);
    EXPECT_EQ(moved, value);

    Value list{Array()};
    for (int turn = 0; turn < 200; ++turn) list.push_back(turn % 2 == 0 ? Value(turn) : moved);
    Doc const doc = Doc::freeze(list);
    for (int turn = 0; turn < 200; ++turn) {
        EXPECT_EQ(doc[turn].is_int(), turn % 2 == 0);
        EXPECT_EQ(doc[turn]["k" + std::to_string(turn)].exists(), turn % 2 == 1 && turn % 3 != 0);
    }
    EXPECT_FALSE(doc[200].exists());
    EXPECT_EQ(doc[199], Doc::freeze(moved));
}

// Each of these took minutes when finding a member meant looking at all.
TEST(Large, TakesTimeLinearToTheObject) {
    constexpr int kMany = 200'000;
    Value forward{Object()};
    Value backward{Object()};
    Value removal{Object()};
    for (int turn = 0; turn < kMany; ++turn) {
        forward["k" + std::to_string(turn)] = turn;
        backward["k" + std::to_string(kMany - 1 - turn)] = kMany - 1 - turn;
        removal["k" + std::to_string(turn)] = nullptr;
    }
    EXPECT_EQ(forward, backward);
    EXPECT_EQ(Doc::freeze(forward), Doc::freeze(backward));
    apply_merge_patch(backward, removal);
    EXPECT_EQ(backward.size(), 0U);
}

rc::Gen<Value> value_gen(int depth) {
    auto const leaf =
        rc::gen::oneOf(rc::gen::map(rc::gen::arbitrary<std::int64_t>(), [](std::int64_t v) { return Value(v); }),
                       rc::gen::map(rc::gen::arbitrary<bool>(), [](bool v) { return Value(v); }),
                       rc::gen::map(rc::gen::string<std::string>(), [](std::string v) {
                           std::erase_if(v, [](char c) { return (c & 0x80) != 0; });
                           return Value(v);
                       }));
    if (depth == 0) return leaf;
    auto const inner = value_gen(depth - 1);
    return rc::gen::oneOf(
        leaf,
        rc::gen::map(rc::gen::container<std::vector<Value>>(inner), [](std::vector<Value> v) { return Value(v); }),
        rc::gen::map(
            rc::gen::container<std::vector<std::pair<int, Value>>>(rc::gen::pair(rc::gen::inRange(0, 9), inner)),
            [](std::vector<std::pair<int, Value>> members) {
                Value object{Object()};
                for (auto& [key, value] : members) object["k" + std::to_string(key)] = value;
                return object;
            }));
}

RC_GTEST_PROP(Laws, WriteThenParseIsTheSame, ()) {
    Value const value = *value_gen(3);
    auto const back = parse_value(write(value));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == value);
    RC_ASSERT(Doc::freeze(value).hash() == parse(write_pretty(value))->hash());
}

}   // namespace
}   // namespace aviary::json
