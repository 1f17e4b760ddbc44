#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>

#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/patch/apply.h"
#include "kube/patch/field_set.h"
#include "kube/patch/strategic_merge.h"

namespace aviary::patch {
namespace {

using json::Value;

Value parse(std::string_view text) { return *json::parse_value(text); }

std::shared_ptr<TypeNode const> type() {
    static TypeCompiler compiler;
    return compiler.compile(*json::parse(R"({"type":"object","properties":{
      "metadata":{"type":"object","properties":{"labels":{"type":"object","additionalProperties":{"type":"string"}}}},
      "spec":{"type":"object","properties":{
        "replicas":{"type":"integer"},
        "containers":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
          "x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge",
          "items":{"type":"object","properties":{"name":{"type":"string"},"image":{"type":"string"},"args":{"type":"array","items":{"type":"string"}}}}},
        "set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}}}}}})"));
}

Manager manager(std::string name) {
    return {std::move(name), "apps/v1", "", Time(std::chrono::seconds(1'790'000'000))};
}

TEST(StrategicMerge, MergesListsByKeyAndObeysDirectives) {
    Value object = parse(
        R"({"spec":{"replicas":1,"containers":[{"name":"a","image":"1","args":["x"]},{"name":"b","image":"1"}]}})");
    ASSERT_TRUE(apply_strategic_merge(
        object,
        parse(
            R"({"spec":{"replicas":null,"containers":[{"name":"b","image":"2"},{"name":"a","$patch":"delete"},{"name":"c"}]}})"),
        *type()));
    EXPECT_EQ(object, parse(R"({"spec":{"containers":[{"name":"b","image":"2"},{"name":"c"}]}})"));
    ASSERT_TRUE(apply_strategic_merge(
        object,
        parse(
            R"({"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"b"}],"containers":[{"name":"c","image":"3"}]}})"),
        *type()));
    EXPECT_EQ(json::write(object["spec"]["containers"]), R"([{"name":"c","image":"3"},{"name":"b","image":"2"}])");
}

TEST(Apply, RemovesWhatItsManagerNoLongerSaysAndKeepsWhatOthersOwn) {
    Value const first = *apply(
        {},
        parse(
            R"({"metadata":{"labels":{"a":"1","b":"1"}},"spec":{"replicas":3,"containers":[{"name":"x","image":"1"},{"name":"y","image":"1"}]}})"),
        manager("one"), false, *type());
    Value updated = first;
    updated.set({"spec", "containers"}, parse(R"([{"name":"x","image":"1"},{"name":"y","image":"1","args":["z"]}])"));
    track_update(first, updated, manager("two"), *type());
    Value const second =
        *apply(updated, parse(R"({"metadata":{"labels":{"a":"1"}},"spec":{"containers":[{"name":"x","image":"2"}]}})"),
               manager("one"), false, *type());
    EXPECT_EQ(second.at({"metadata", "labels"}), parse(R"({"a":"1"})"));
    EXPECT_FALSE(second["spec"].contains("replicas"));
    // y stays for two's sake, without one's image.
    EXPECT_EQ(json::write(second["spec"]["containers"]), R"([{"name":"x","image":"2"},{"name":"y","args":["z"]}])");
}

TEST(Apply, ElementsThatCannotBeToldApartAreRefused) {
    auto const type = TypeCompiler().compile(*json::parse(
        R"({"type":"object","properties":{"l":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
        "items":{"type":"object","properties":{"name":{"type":"string"}}}},"s":{"type":"array","x-kubernetes-list-type":"set",
        "items":{"type":"string"}}}})"));
    Manager const manager{"me", "v1", "", Time()};
    auto const refused =
        apply(Value(), *json::parse_value(R"({"l":[{"v":1},{"name":"a"},{"name":"a"},2],"s":["x","x"]})"), manager,
              false, *type);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::kBadRequest);
    EXPECT_EQ(
        refused.error().message(),
        "failed to create typed patch object: errors:\n"
        "  .l: element 0: associative list with keys has an element that omits key field \"name\" (and doesn't have "
        "default value)\n"
        "  .l: duplicate entries for key [{\"name\":\"a\"}]\n"
        "  .l: element 3: must be a map\n"
        "  .s: duplicate entries for key [\"x\"]");
    EXPECT_TRUE(apply(Value(), *json::parse_value(R"({"l":[{"name":"a"},{"name":"b"}],"s":["x","y"]})"), manager, false,
                      *type));
}

TEST(Apply, FieldsThatAreNoneAreLeftOut) {
    auto const fields = *json::parse(
        R"({".":{},"a":{},"":{},"metadata":{"f:x":{}},"f:spec":{"k:{\"name\":\"x\"}":{".":{},"x:y":{}},"v:1":{},"i:0":{}}})");
    EXPECT_EQ(FieldSet::from_json(fields).paths(),
              (std::vector<std::string>{"", ".spec[=0]", ".spec[name=\"x\"]", ".spec[=1]"}));
}

TEST(Apply, ConflictsNameManagerAndField) {
    Value const first = *apply({}, parse(R"({"spec":{"replicas":3}})"), manager("kubectl"), false, *type());
    auto const refused = apply(first, parse(R"({"spec":{"replicas":5}})"), manager("hub"), false, *type());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(),
              "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas");
    Value const forced = *apply(first, parse(R"({"spec":{"replicas":5}})"), manager("hub"), true, *type());
    EXPECT_EQ(forced.at({"spec", "replicas"}).as_int(), 5);
    // kubectl lost the field: its next apply conflicts with hub.
    EXPECT_FALSE(apply(forced, parse(R"({"spec":{"replicas":3}})"), manager("kubectl"), false, *type()));
    // The same value is shared, not fought over.
    EXPECT_TRUE(apply(forced, parse(R"({"spec":{"replicas":5}})"), manager("kubectl"), false, *type()));
}

TEST(TrackUpdate, AWriterMayRewriteWhoOwnsWhat) {
    Value const live =
        *apply({}, parse(R"({"spec":{"replicas":3,"paused":true}})"), manager("kubectl"), false, *type());
    auto const owners = [](Value const& object) {
        std::string text;
        for (Value const& each : object.at({"metadata", "managedFields"}).array())
            text += each["manager"].string() + json::write(each["fieldsV1"]) + " ";
        return text;
    };
    std::string const all = R"(kubectl{"f:spec":{"f:paused":{},"f:replicas":{}}} )";
    EXPECT_EQ(all, owners(live));
    Value renamed = live;
    renamed["metadata"]["managedFields"].make_array()[0]["manager"] = "other";
    renamed["metadata"]["managedFields"].make_array()[0]["fieldsV1"]["f:spec"].erase("f:paused");
    Value next = renamed;
    track_update(live, next, manager("two"), *type());
    EXPECT_EQ(R"(other{"f:spec":{"f:replicas":{}}} )", owners(next));
    // … and what the same write changes is still noted.
    next = renamed;
    next.set({"spec", "paused"}, false);
    track_update(live, next, manager("two"), *type());
    EXPECT_EQ(R"(other{"f:spec":{"f:replicas":{}}} two{"f:spec":{"f:paused":{}}} )", owners(next));
    // Not by the way of a sub-resource, nor by leaving it out, nor with what cannot be read.
    next = renamed;
    Manager const status{"two", "apps/v1", "status", {}};
    track_update(live, next, status, *type());
    EXPECT_EQ(all, owners(next));
    for (char const* given :
         {"[]", R"([{"manager":"x"}])", R"([{"manager":"x","operation":"Update","fieldsType":"FieldsV1"}])"}) {
        next = live;
        next["metadata"]["managedFields"] = parse(given);
        track_update(live, next, manager("two"), *type());
        EXPECT_EQ(all, owners(next)) << given;
    }
    next = live;
    next["metadata"]["managedFields"] = parse("[{}]");
    track_update(live, next, manager("two"), *type());
    EXPECT_EQ("", owners(next));
}

rc::Gen<Value> config() {
    auto const labels = rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::inRange(0, 3)));
    return rc::gen::map(rc::gen::tuple(labels, labels, rc::gen::inRange(0, 4)), [](auto const& parts) {
        Value object{json::Object{{"spec", json::Object()}}};
        for (auto const& [key, value] : std::get<0>(parts))
            object.set({"metadata", "labels", "k" + std::to_string(key)}, std::to_string(value));
        std::vector<int> used;
        for (auto const& [key, value] : std::get<1>(parts)) {
            if (std::ranges::find(used, key) != used.end()) continue;
            used.push_back(key);
            object["spec"]["containers"].push_back(
                json::Object{{"name", "c" + std::to_string(key)}, {"image", std::to_string(value)}});
        }
        if (std::get<2>(parts) > 0) object["spec"]["replicas"] = std::get<2>(parts);
        return object;
    });
}

Value without_times(Value object) {
    object["metadata"].erase("managedFields");
    return object;
}

// Without empty containers, which an apply may leave or take, and without the order of elements, which an apply leads.
std::string fmt_sorted(Value object) {
    std::ranges::sort(object["spec"]["containers"].make_array(), {},
                      [](Value const& each) { return each["name"].string(); });
    if (object["metadata"].size() == 0 || object.at({"metadata", "labels"}).size() == 0) object.erase("metadata");
    if (object.at({"spec", "containers"}).size() == 0) object["spec"].erase("containers");
    if (object["spec"].size() == 0) object.erase("spec");
    return json::write_canonical(object);
}

RC_GTEST_PROP(ApplyLaws, IsIdempotent, ()) {
    Value const base = *apply({}, *config(), manager("one"), true, *type());
    Value const mine = *config();
    Value const once = *apply(base, mine, manager("two"), true, *type());
    Value const twice = *apply(once, mine, manager("two"), true, *type());
    RC_ASSERT(once == twice);
}

RC_GTEST_PROP(ApplyLaws, ApplyingNothingGivesBackWhatWasThere, ()) {
    Value const base = *apply({}, *config(), manager("one"), true, *type());
    Value mine = *config();
    if (apply(base, mine, manager("two"), false, *type())) {   // no conflict: nothing of one's was changed
        Value const there = *apply(base, mine, manager("two"), false, *type());
        Value const back = *apply(there, parse(R"({"spec":{}})"), manager("two"), false, *type());
        RC_ASSERT(fmt_sorted(without_times(back)) == fmt_sorted(without_times(base)));
    }
}

// Lists and objects as long as a body may hold: whoever compares each with each does not come to an end here.
constexpr int kMany = 30'000;

Value named(int first, int count, std::string_view image) {
    json::Array list;
    for (int number = first; number < first + count; ++number)
        list.push_back(json::Object{{"name", "n" + std::to_string(number)}, {"image", image}});
    Value object{json::Object()};
    object.set({"spec", "containers"}, std::move(list));
    return object;
}

TEST(ManyElements, Apply) {
    Value const first = *apply({}, named(0, kMany, "1"), manager("one"), false, *type());
    Value const shared = *apply(first, named(kMany / 2, kMany, "1"), manager("two"), false, *type());
    EXPECT_EQ(shared["spec"]["containers"].size(), static_cast<std::size_t>(kMany + kMany / 2));
    auto const refused = apply(shared, named(0, kMany, "2"), manager("two"), false, *type());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().causes().size(), static_cast<std::size_t>(kMany));
    // What the first no longer says goes, but for what the second says too.
    Value const pruned = *apply(shared, named(kMany - 1, 1, "1"), manager("one"), false, *type());
    EXPECT_EQ(pruned["spec"]["containers"].size(), static_cast<std::size_t>(kMany));
    EXPECT_EQ(pruned["spec"]["containers"][0]["name"].as_string(), "n" + std::to_string(kMany / 2));
}

TEST(ManyElements, TrackUpdate) {
    Value before = *apply({}, named(0, kMany, "1"), manager("one"), false, *type());
    Value after = named(1, kMany, "2");
    after["metadata"] = std::as_const(before)["metadata"];
    track_update(before, after, manager("two"), *type());
    auto const& entries = std::as_const(after).at({"metadata", "managedFields"});
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[1].at({"fieldsV1", "f:spec", "f:containers"}).size(), static_cast<std::size_t>(kMany));
}

TEST(ManyElements, StrategicMerge) {
    Value object = named(0, kMany, "1");
    Value patch = named(kMany / 2, kMany, "2");
    Value& elements = patch["spec"]["containers"];
    for (int number = 0; number < kMany / 4; ++number)
        elements.push_back(json::Object{{"name", "n" + std::to_string(number)}, {"$patch", "delete"}});
    json::Array order;
    for (int number = 2 * kMany; number >= 0; --number)
        order.push_back(json::Object{{"name", "n" + std::to_string(number)}});
    patch["spec"]["$setElementOrder/containers"] = std::move(order);
    ASSERT_TRUE(apply_strategic_merge(object, patch, *type()));
    Value const& merged = std::as_const(object).at({"spec", "containers"});
    ASSERT_EQ(merged.size(), static_cast<std::size_t>(kMany / 2 * 3 - kMany / 4));
    EXPECT_EQ(merged[0]["name"].as_string(), "n" + std::to_string(kMany / 2 * 3 - 1));
    EXPECT_EQ(merged[merged.size() - 1]["image"].as_string(), "1");
}

TEST(ManyElements, StrategicMergeOfPlainValues) {
    auto const texts = TypeCompiler().compile(*json::parse(R"({"type":"object","properties":{"finalizers":{
        "type":"array","x-kubernetes-patch-strategy":"merge","items":{"type":"string"}}}})"));
    json::Array many;
    json::Array gone;
    Value nulls{json::Object()};
    Value members{json::Object()};
    json::Array kept;
    for (int number = 0; number < 4 * kMany; ++number) {
        std::string const name = "example.com/f" + std::to_string(number);
        many.push_back(name);
        if (number % 2 == 0) gone.push_back(name);
        nulls[name] = nullptr;
        members[name] = number;
        if (number % 2 == 0) kept.push_back(name);
    }
    Value object{json::Object()};
    ASSERT_TRUE(apply_strategic_merge(object, json::Object{{"finalizers", many}}, *texts));
    ASSERT_TRUE(apply_strategic_merge(object, json::Object{{"finalizers", many}}, *texts));
    EXPECT_EQ(object["finalizers"].size(), many.size());
    ASSERT_TRUE(apply_strategic_merge(object, json::Object{{"$deleteFromPrimitiveList/finalizers", gone}}, *texts));
    EXPECT_EQ(object["finalizers"].size(), many.size() / 2);
    ASSERT_TRUE(apply_strategic_merge(members, json::Object{{"$retainKeys", kept}}, *texts));
    EXPECT_EQ(members.size(), many.size() / 2);
    ASSERT_TRUE(apply_strategic_merge(members, nulls, *texts));
    EXPECT_EQ(members.size(), 0U);
    json::drop_nulls(nulls);
    EXPECT_EQ(nulls.size(), 0U);
}

TEST(StrategicMerge, ElementsWithoutTheKeyAreLeftAsTheyAre) {
    Value object = parse(R"({"spec":{"containers":["text",{"image":"1"},{"name":"a"}]}})");
    ASSERT_TRUE(apply_strategic_merge(
        object,
        parse(R"({"spec":{"containers":[{"name":"a","$patch":"delete"},{"name":"a","image":"2"},{"name":"b"}]}})"),
        *type()));
    EXPECT_EQ(object, parse(R"({"spec":{"containers":["text",{"image":"1"},{"name":"a","image":"2"},{"name":"b"}]}})"));
}

}   // namespace
}   // namespace aviary::patch
