#include "core/json/fields.h"

#include <gtest/gtest.h>

#include "core/json/write.h"

namespace aviary::json {
namespace {

struct Step {
    std::optional<std::int32_t> replicas;
    std::string mode;
    bool operator==(Step const&) const = default;
};

struct Plan {
    bool paused = false;
    double weight = 0;
    std::vector<Step> steps;
    std::map<std::string, std::string> labels;
    Value extra;
    Step first;
};

}   // namespace

template <>
constexpr auto fields<Step> = object(
    "One step.", field("replicas", &Step::replicas, "How many.", {.minimum = 0}),
    field("mode", &Step::mode, "Which way.", {.required = true, .one_of = {"Up", "Down"}, .default_json = "\"Up\""}));

template <>
constexpr auto fields<Plan> =
    object("A plan.", field("paused", &Plan::paused, "", {.always = true}), field("weight", &Plan::weight, ""),
           field("steps", &Plan::steps, "In order.", {.max_items = 3, .list_type = "map", .list_keys = {"mode"}}),
           field("labels", &Plan::labels, ""), field("extra", &Plan::extra, ""), field("first", &Plan::first, ""));

namespace {

TEST(Fields, ReadsWhatItKnowsAndLeavesTheRest) {
    auto const plan = read<Plan>(*parse(
        R"({"weight":2,"steps":[{"replicas":3,"mode":"Up","new":1},{}],"labels":{"a":"b"},"extra":{"x":[1]},"unknown":{}})"));
    ASSERT_TRUE(plan) << plan.error().message();
    EXPECT_EQ(plan->weight, 2);
    EXPECT_EQ(plan->steps, (std::vector<Step>{{3, "Up"}, {}}));
    EXPECT_EQ(plan->labels.at("a"), "b");
    EXPECT_EQ(
        write(to_value(*plan)),
        R"({"paused":false,"weight":2,"steps":[{"replicas":3,"mode":"Up"},{}],"labels":{"a":"b"},"extra":{"x":[1]}})");
    EXPECT_EQ(write(to_value(Plan())), R"({"paused":false})");
}

std::string problem(std::string_view text) {
    auto const plan = read<Plan>(*parse(text), "spec");
    if (plan) return "";
    EXPECT_EQ(plan.error().code(), ErrorCode::kInvalid);
    EXPECT_EQ(plan.error().causes().size(), 1U);
    return plan.error().message();
}

TEST(Fields, ErrorsNameThePath) {
    EXPECT_EQ(problem(R"({"steps":[{},{"replicas":"x"}]})"),
              "spec.steps[1].replicas: Invalid value: must be an integer, not string");
    EXPECT_EQ(problem(R"({"labels":{"a":1}})"), "spec.labels.a: Invalid value: must be a string, not integer");
    EXPECT_EQ(problem(R"({"steps":{}})"), "spec.steps: Invalid value: must be a list, not object");
    EXPECT_EQ(problem(R"({"first":{"replicas":4294967297}})"),
              "spec.first.replicas: Invalid value: 4294967297: is out of range");
    EXPECT_EQ(problem(R"({"steps":null,"first":null,"paused":null})"), "");
}

TEST(Fields, DescribeThemselvesAsASchema) {
    Value const schema = schema_of<Plan>();
    EXPECT_EQ(schema["description"].as_string(), "A plan.");
    EXPECT_EQ(write_canonical(schema.at({"properties", "steps"})), write_canonical(*parse_value(R"({
        "type":"array","description":"In order.","maxItems":3,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["mode"],
        "items":{"type":"object","description":"One step.","required":["mode"],"properties":{
            "replicas":{"type":"integer","format":"int32","minimum":0.0,"description":"How many."},
            "mode":{"type":"string","enum":["Up","Down"],"default":"Up","description":"Which way."}}}})")));
    EXPECT_TRUE(schema.at({"properties", "extra"})["x-kubernetes-preserve-unknown-fields"].as_bool());
}

}   // namespace
}   // namespace aviary::json
