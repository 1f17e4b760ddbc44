#include "apis/rollouts/conversion.h"

#include <gtest/gtest.h>

#include "apis/crds.h"
#include "apis/internal/merge.h"
#include "apis/rollouts/keys.h"
#include "core/base/random.h"
#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::apis {
namespace {

using json::Array;
using json::Doc;
using json::Object;
using json::Value;

constexpr int kSeeds = 3000;

Value value(std::string_view text) { return *json::parse_value(text); }

Value converted(Value const& object, std::string_view version) {
    auto result = convert(Doc::freeze(object), version);
    EXPECT_TRUE(result) << result.error().message();
    return result ? std::move(*result) : Value();
}
Value older(Value const& object) { return converted(object, kRolloutsOlder); }
Value stored(Value const& object) { return converted(object, kRolloutsStored); }

// Without what was noted of the other version.
Value bare(Value object) {
    if (object.at({"metadata", "annotations"}).contains(kConversionAnnotation)) {
        object["metadata"]["annotations"].erase(kConversionAnnotation);
        if (std::as_const(object)["metadata"]["annotations"].size() == 0) object["metadata"].erase("annotations");
    }
    return object;
}

// Objects as a schema lets them be, and now and then what it would not.
class Generator {
public:
    explicit Generator(std::uint64_t seed) : random_(seed) {}

    bool chance(unsigned percent) { return random_.below(100) < percent; }
    std::size_t below(std::size_t count) { return random_.below(count); }

    Value object(std::string_view kind, std::string_view version) {
        static std::vector<Value> const definitions = member_crds();
        for (Value const& crd : definitions) {
            if (crd.at({"spec", "names", "kind"}).as_string() != kind) continue;
            for (Value const& each : crd.at({"spec", "versions"}).array()) {
                if (each["name"].as_string() != version) continue;
                Value result = of(each.at({"schema", "openAPIV3Schema"}));
                result["apiVersion"] = std::string(kRolloutsGroup) + "/" + std::string(version);
                result["kind"] = kind;
                result["metadata"] = Object{{"name", "web"}, {"namespace", "demo"}, {"uid", "1"}};
                if (chance(50)) result.set({"metadata", "annotations", "team"}, "a");
                if (chance(40)) result.set({"metadata", "annotations", kRollingStyleAnnotation}, style());
                if (chance(30)) result.set({"metadata", "annotations", kTrafficRoutingAnnotation}, text());
                return result;
            }
        }
        ADD_FAILURE() << "no schema of " << kind;
        return {};
    }

    // One change somewhere in spec or status.
    void edit(Value& object) {
        char const* const fields[] = {"spec", "status"};
        Value* at = object.find(fields[below(2)]);
        if (at == nullptr) return;
        while (true) {
            if (at->is_object() && at->size() > 0) {
                auto member = at->make_object().begin();
                std::advance(member, below(at->size()));
                if (chance(15)) {
                    at->erase(std::string(member->key));
                    return;
                }
                at = &member->value;
            } else if (at->is_array() && at->size() > 0) {
                std::size_t const place = below(at->size());
                Array& list = at->make_array();
                if (chance(20)) {
                    list.erase(list.begin() + static_cast<std::ptrdiff_t>(place));
                    return;
                }
                if (chance(20)) {
                    list.insert(list.begin() + static_cast<std::ptrdiff_t>(place), Value(list[place]));
                    return;
                }
                at = &list[place];
            } else {
                if (at->is_int()) *at = at->as_int() + 1;
                if (at->is_string()) *at = at->string() + "x";
                if (at->is_bool()) *at = !at->as_bool();
                return;
            }
        }
    }

private:
    Value style() {
        char const* const all[] = {"canary", "partition", "Partition", "CANARY", "bluegreen", "", "other"};
        return all[below(std::size(all))];
    }
    Value text() {
        char const* const all[] = {"",          "a",          "20%",          "100%",   "020%",
                                   "-3%",       "20.5%",      "99999999999%", "Canary", "BlueGreen",
                                   "Partition", "StepPaused", "web",          "%"};
        return all[below(std::size(all))];
    }
    Value number() { return static_cast<std::int64_t>(below(200)) - 10; }

    Value match() {
        Value result{Object()};
        if (chance(70)) result["headers"] = Array{Object{{"name", text()}, {"value", text()}}};
        if (chance(40)) result["path"] = Object{{"value", "/a"}};
        if (chance(30)) result["queryParams"] = Array{Object{{"name", text()}}};
        return result;
    }

    Value of(Value const& schema) {
        if (chance(1)) return chance(50) ? Value("wrong") : Value(7);
        if (schema["x-kubernetes-int-or-string"].as_bool()) return chance(50) ? number() : text();
        std::string_view const type = schema["type"].as_string();
        if (type == "string") return text();
        if (type == "integer") return number();
        if (type == "boolean") return chance(50);
        if (type == "array") {
            Array list;
            for (std::size_t count = below(4); count > 0; --count) list.push_back(of(schema["items"]));
            return list;
        }
        if (Value const* const any = schema.find("additionalProperties"); any != nullptr && any->is_object()) {
            Value map{Object()};
            for (std::size_t count = below(3); count > 0; --count) map[text().string()] = of(*any);
            return map;
        }
        if (schema["x-kubernetes-preserve-unknown-fields"].as_bool()) return match();
        Value result{Object()};
        for (auto const& [name, member] : schema["properties"].object()) {
            if (name == "apiVersion" || name == "kind" || name == "metadata" || chance(35)) continue;
            result[name] = of(member);
        }
        return result;
    }

    Random random_;
};

class Conversion : public testing::TestWithParam<char const*> {};
INSTANTIATE_TEST_SUITE_P(Kinds, Conversion, testing::Values("Rollout", "BatchRelease"));

TEST_P(Conversion, ThereAndBackIsTheSame) {
    int noted = 0;
    for (int seed = 0; seed < kSeeds; ++seed) {
        Generator generator(static_cast<std::uint64_t>(seed));
        for (char const* version : {"v1alpha1", "v1beta1"}) {
            Value const object = generator.object(GetParam(), version);
            std::string_view const own = object["apiVersion"].as_string();
            Value const other = converted(object, own == kRolloutsOlder ? kRolloutsStored : kRolloutsOlder);
            noted += other == bare(other) ? 0 : 1;
            ASSERT_TRUE(converted(other, own) == object) << seed << "\n"
                                                         << json::write(object) << "\n"
                                                         << json::write(converted(other, own));
            // Of the metadata nothing but annotations changes.
            for (char const* field : {"name", "namespace", "uid"})
                ASSERT_EQ(other["metadata"][field], object["metadata"][field]);
        }
    }
    EXPECT_GT(noted, kSeeds / 2);
}

// What a write through the other version does to the object: what it left alone is as it was, what it changed is as it
// wrote it, and writing what was read changes nothing.
TEST_P(Conversion, AnEditInEitherVersionWinsAndNothingElseIsLost) {
    for (int seed = 0; seed < kSeeds; ++seed) {
        Generator generator(static_cast<std::uint64_t>(seed) + 1'000'000);
        for (char const* version : {"v1alpha1", "v1beta1"}) {
            Value object = generator.object(GetParam(), version);
            std::string const own(object["apiVersion"].string());
            std::string_view const there = own == kRolloutsOlder ? kRolloutsStored : kRolloutsOlder;
            for (int round = 0; round < 4; ++round) {
                Value read = converted(object, there);
                ASSERT_TRUE(bare(converted(read, own)) == bare(object)) << seed;
                Value const before = read;
                generator.edit(read);
                object = converted(read, own);
                // Read again where it was written it is what was written.
                ASSERT_TRUE(bare(converted(object, there)) == bare(read)) << seed << "\n"
                                                                          << json::write(before) << "\n"
                                                                          << json::write(read) << "\n"
                                                                          << json::write(object) << "\n"
                                                                          << json::write(converted(object, there));
                generator.edit(object);
            }
        }
    }
}

TEST(RolloutConversion, ReadsWhatKruiseWrites) {
    Value const older_object = value(R"({"apiVersion":"rollouts.kruise.io/v1alpha1","kind":"Rollout",
      "metadata":{"name":"web","annotations":{"rollouts.kruise.io/rolling-style":"Partition","rollouts.kruise.io/trafficrouting":"tr"}},
      "spec":{"disabled":true,"rolloutID":"7","objectRef":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}},
      "strategy":{"paused":true,"canary":{"disableGenerateCanaryService":true,"steps":[{"weight":20,"pause":{}},{"weight":60,"replicas":3}]}}},
      "status":{"phase":"Progressing","canaryStatus":{"currentStepIndex":2,"currentStepState":"StepPaused"}}})");
    Value const object = bare(stored(older_object));
    EXPECT_EQ(object["spec"],
              value(R"({"disabled":true,"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},
      "strategy":{"paused":true,"canary":{"disableGenerateCanaryService":true,"trafficRoutingRef":"tr",
      "steps":[{"traffic":"20%","replicas":"20%","pause":{}},{"traffic":"60%","replicas":3}]}}})"))
        << json::write(object["spec"]);
    EXPECT_EQ(object["status"], value(R"({"phase":"Progressing","currentStepIndex":2,"currentStepState":"StepPaused",
      "canaryStatus":{"currentStepIndex":2,"currentStepState":"StepPaused"}})"));
    Value native = object;
    native["metadata"].erase("annotations");
    native["spec"]["strategy"]["canary"]["enableExtraWorkloadForCanary"] = true;
    Value const shown = older(native);
    EXPECT_EQ(shown.at({"metadata", "annotations"})[kRollingStyleAnnotation], "canary");
    EXPECT_EQ(shown.at({"metadata", "annotations"})[kTrafficRoutingAnnotation], "tr");
    EXPECT_EQ(shown.at({"spec", "strategy", "canary", "steps"})[1]["weight"], 60);
}

TEST(RolloutConversion, WhatV1alpha1CannotSayOutlivesAnEditThere) {
    Value const object = value(R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web"},
      "spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"strategy":{"canary":{"enableExtraWorkloadForCanary":false,
      "steps":[{"replicas":"10%","matches":[{"path":{"value":"/a"}}]},{"replicas":"50%","traffic":"0.5%"},{"replicas":"100%"}]}}}})");
    Value read = older(object);
    // A step in front, and another share for the second.
    Value& steps = read["spec"]["strategy"]["canary"]["steps"];
    steps.make_array().insert(steps.make_array().begin(), value(R"({"replicas":1})"));
    steps.make_array()[2]["replicas"] = "60%";
    EXPECT_EQ(
        stored(read).at({"spec", "strategy", "canary"}),
        value(
            R"({"enableExtraWorkloadForCanary":false,"steps":[{"replicas":1},{"replicas":"10%","matches":[{"path":{"value":"/a"}}]},
              {"replicas":"60%","traffic":"0.5%"},{"replicas":"100%"}]})"))
        << json::write(stored(read));
    Value const green = value(R"({"apiVersion":"rollouts.kruise.io/v1beta1","kind":"Rollout","metadata":{"name":"web"},
      "spec":{"strategy":{"blueGreen":{"steps":[{"replicas":"100%"}]}}},"status":{"phase":"Healthy","blueGreenStatus":{"updatedReplicas":1}}})");
    Value paused = older(green);
    paused.set({"spec", "strategy", "paused"}, true);
    EXPECT_EQ(stored(paused).at({"spec", "strategy"}),
              value(R"({"paused":true,"blueGreen":{"steps":[{"replicas":"100%"}]}})"));
    EXPECT_EQ(stored(paused)["status"], green["status"]);
}

TEST(RolloutConversion, TakesWhateverThereIs) {
    for (
        char const* text :
        {R"({})", R"({"spec":null})", R"({"spec":{"objectRef":null,"strategy":null}})",
         R"({"spec":{"strategy":{"canary":null}}})",
         R"({"spec":{"strategy":{"canary":{"steps":[null,1,{"weight":"a"}]}}}})",
         R"({"metadata":null,"spec":{"objectRef":{"workloadRef":null}}})",
         R"({"metadata":{"annotations":{"rollouts.aviary.dev/converted-from":"{]"}},"spec":{}})",
         R"({"metadata":{"annotations":{"rollouts.aviary.dev/converted-from":"{\"apiVersion\":\"rollouts.kruise.io/v1beta1\",\"annotations\":{},\"spec\":7}"}},"spec":{}})"}) {
        for (char const* kind : {"Rollout", "BatchRelease"}) {
            for (std::string_view version : {kRolloutsOlder, kRolloutsStored}) {
                Value object = value(text);
                object["apiVersion"] = version;
                object["kind"] = kind;
                (void)older(object);
                (void)stored(object);
            }
        }
    }
    auto const refused = [](std::string_view text, std::string_view version) {
        auto const result = convert(*json::parse(text), version);
        return result ? "" : result.error().message();
    };
    EXPECT_EQ(refused(R"({"apiVersion":"rollouts.kruise.io/v1alpha1","kind":"TrafficRouting"})", kRolloutsStored),
              "kind TrafficRouting has one version: nothing converts it");
    EXPECT_EQ(refused(R"({"apiVersion":"rollouts.kruise.io/v1","kind":"Rollout"})", kRolloutsStored),
              "Rollout is converted between rollouts.kruise.io/v1alpha1 and rollouts.kruise.io/v1beta1, not "
              "rollouts.kruise.io/v1");
}

TEST(MergeEdit, TellsElementsByWhatWasLeftAlone) {
    auto const merged = [](char const* base, char const* edited, char const* original) {
        return json::write(merge_edit(value(base), value(edited), value(original)));
    };
    EXPECT_EQ(merged("[1,2,3]", "[2,3]", "[10,20,30]"), "[20,30]");
    EXPECT_EQ(merged("[1,2,3]", "[1,9,2,3]", "[10,20,30]"), "[10,9,20,30]");
    EXPECT_EQ(merged("[1,2,3]", "[3,1,2]", "[10,20,30]"), "[3,10,20]");
    EXPECT_EQ(merged(R"([{"a":1},{"a":2}])", R"([{"a":1},{"a":5}])", R"([{"a":1,"b":1},{"a":2,"b":2}])"),
              R"([{"a":1,"b":1},{"a":5,"b":2}])");
    EXPECT_EQ(merged(R"({"a":1,"b":1})", R"({"b":1,"d":4})", R"({"a":1,"b":2,"c":3})"), R"({"b":2,"c":3,"d":4})");
}

}   // namespace
}   // namespace aviary::apis
