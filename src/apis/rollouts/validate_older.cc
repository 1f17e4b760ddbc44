// Rollouts as they are written in v1alpha1: what is its own, then the rules of v1beta1 in its fields' names.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "apis/internal/validate_older.h"
#include "apis/rollouts/conversion.h"
#include "apis/rollouts/keys.h"
#include "apis/rollouts/validate.h"
#include "core/base/strings.h"

namespace aviary::apis {

namespace {

using json::Doc;
using json::Value;

constexpr std::string_view kCanary = "spec.strategy.canary";

std::string annotation(std::string_view key) { return fmt::format("metadata.annotations[{}]", key); }

class Checker {
public:
    explicit Checker(Value const& rollout) : rollout_(rollout) {}

    std::vector<FieldCause> causes;

    void run() {
        style();
        if (!rollout_.at({"spec", "objectRef", "workloadRef"}).is_object())
            causes.push_back({"FieldValueRequired", "spec.objectRef.workloadRef", "WorkloadRef is required"});
        Value const& canary = rollout_.at({"spec", "strategy", "canary"});
        json::Array const& steps = canary["steps"].array();
        for (std::size_t index = 0; index < steps.size(); ++index) step(steps[index], index);
        if (canary["trafficRoutings"].size() > 0) order(steps);
    }

    bool says(std::string_view field) const {
        return std::ranges::any_of(causes, [&](FieldCause const& cause) {
            return field.starts_with(cause.field) || cause.field.starts_with(field);
        });
    }

private:
    static std::string path(std::size_t index, std::string_view field) {
        return fmt::format("{}.steps[{}]{}", kCanary, index, field);
    }

    void invalid(std::string field, std::string message) {
        causes.push_back({"FieldValueInvalid", std::move(field), std::move(message)});
    }

    void style() {
        std::string_view const style = rollout_.at({"metadata", "annotations"})[kRollingStyleAnnotation].as_string();
        if (style.empty() || iequals(style, "canary") || iequals(style, "partition")) return;
        invalid(annotation(kRollingStyleAnnotation),
                fmt::format("Invalid value: \"{}\": Rolling style must be 'Canary', 'Partition' or empty", style));
    }

    void step(Value const& step, std::size_t index) {
        Value const& weight = step["weight"];
        if (weight.is_null() && step["replicas"].is_null()) {
            causes.push_back(
                {"FieldValueRequired", path(index, ""), "weight and replicas cannot be empty at the same time"});
        } else if (!weight.is_null() && (weight.as_int() < 1 || weight.as_int() > 100)) {
            invalid(path(index, ".weight"),
                    fmt::format("Invalid value: {}: weight must be from 1 to 100", weight.as_int()));
        }
    }

    void order(json::Array const& steps) {
        for (std::size_t index = 1; index < steps.size(); ++index) {
            Value const& before = steps[index - 1]["weight"];
            Value const& after = steps[index]["weight"];
            if (before.is_null() || after.is_null() || after.as_int() >= before.as_int()) continue;
            invalid(path(index, ".weight"), "Steps.Weight must be a non decreasing sequence");
        }
    }

    Value const& rollout_;
};

// Where v1alpha1 says it; nullopt: it has no such rule.
std::optional<FieldCause> renamed(FieldCause cause, Value const& rollout) {
    std::string& field = cause.field;
    if (field.starts_with("spec.workloadRef")) field.insert(std::string_view("spec.").size(), "objectRef.");
    if (field == fmt::format("{}.enableExtraWorkloadForCanary", kCanary)) field = annotation(kRollingStyleAnnotation);
    if (field == fmt::format("{}.trafficRoutingRef", kCanary)) field = annotation(kTrafficRoutingAnnotation);
    if (field == fmt::format("{}.steps", kCanary) && cause.message.contains("steps number")) return std::nullopt;
    if (!field.starts_with(fmt::format("{}.steps[", kCanary))) return cause;
    std::size_t const open = field.find('[');
    auto const index = parse_int(std::string_view(field).substr(open + 1, field.find(']') - open - 1));
    bool const by_weight = index && rollout.at({"spec", "strategy", "canary", "steps"})
                                        .element(static_cast<std::size_t>(*index))["replicas"]
                                        .is_null();
    if (field.ends_with(".traffic")) field.replace(field.size() - 8, 8, ".weight");
    if (by_weight && field.ends_with(".replicas")) field.replace(field.size() - 9, 9, ".weight");
    return cause;
}

}   // namespace

std::vector<FieldCause> validate_older_rollout(Value const& rollout, Doc const& old, std::vector<Doc> const& others,
                                               WorkloadKinds kinds) {
    Checker checker(rollout);
    checker.run();
    auto const stored = convert(Doc::freeze(rollout), kRolloutsStored);
    auto const before = old.exists() ? convert(old, kRolloutsStored) : Result<Value>(Value());
    if (!stored || !before) {
        checker.causes.push_back(
            {"FieldValueInvalid", "apiVersion", (stored ? before.error() : stored.error()).message()});
        return std::move(checker.causes);
    }
    Value const& strategy = stored->at({"spec", "strategy"});
    if (!strategy["canary"].is_object() && !strategy["blueGreen"].is_object()) {
        checker.causes.push_back({"FieldValueRequired", std::string(kCanary), "Canary cannot be empty"});
        return std::move(checker.causes);
    }
    std::vector<FieldCause> causes = checker.causes;
    Doc const frozen = before->is_null() ? Doc() : Doc::freeze(*before);
    for (FieldCause& cause : validate_rollout(*stored, frozen, others, kinds)) {
        auto mine = renamed(std::move(cause), rollout);
        bool const twice = mine && std::ranges::any_of(causes, [&](FieldCause const& each) {
                               return each.field == mine->field && each.message == mine->message;
                           });
        if (mine && !twice && !checker.says(mine->field)) causes.push_back(std::move(*mine));
    }
    return causes;
}

}   // namespace aviary::apis
