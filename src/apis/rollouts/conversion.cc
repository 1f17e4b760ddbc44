#include "apis/rollouts/conversion.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "apis/internal/merge.h"
#include "apis/rollouts/keys.h"
#include "core/base/strings.h"
#include "core/json/parse.h"
#include "core/json/write.h"

namespace aviary::apis {

namespace {

using json::Array;
using json::Doc;
using json::Object;
using json::Value;

// What of an object differs by version: spec, status, and the annotations that v1alpha1 says fields in.
constexpr std::string_view kSaying[] = {kRollingStyleAnnotation, kTrafficRoutingAnnotation};
using Part = Value;   // {"annotations", "spec", "status"}
using Mapping = Part (*)(Part const&);

void move_member(Value& from, std::string_view name, Value& to, std::string_view new_name) {
    Value const* const found = from.find(name);
    if (found == nullptr) return;
    Value value = *found;
    from.erase(name);
    to[new_name] = std::move(value);
}

// "20%" of weight 20 and back; nothing of what the other cannot say.
std::optional<std::int64_t> weight_of(Value const& traffic) {
    std::string_view const text = traffic.as_string();
    if (!text.ends_with('%')) return std::nullopt;
    auto const number = parse_int(text.substr(0, text.size() - 1));
    if (!number || *number < std::numeric_limits<std::int32_t>::min() ||
        *number > std::numeric_limits<std::int32_t>::max() || fmt::format("{}%", *number) != text)
        return std::nullopt;
    return number;
}

void each_step(Value& canary, void (*change)(Value&)) {
    Value* const steps = canary.find("steps");
    if (steps == nullptr || !steps->is_array()) return;
    for (Value& step : steps->make_array()) {
        if (step.is_object()) change(step);
    }
}

void step_to_stored(Value& step) {
    Value const* const weight = step.find("weight");
    if (weight == nullptr) return;
    if (weight->is_int()) {
        std::string const share = fmt::format("{}%", weight->as_int());
        if (!step.contains("replicas")) step["replicas"] = share;
        step["traffic"] = share;
    }
    step.erase("weight");
}

void step_to_older(Value& step) {
    if (Value const* const traffic = step.find("traffic")) {
        if (auto const weight = weight_of(*traffic)) step["weight"] = *weight;
        step.erase("traffic");
    }
    Value* const matches = step.find("matches");
    if (matches == nullptr || !matches->is_array()) return;
    for (Value& match : matches->make_array()) {
        if (!match.is_object()) continue;
        match.erase("path");
        match.erase("queryParams");
    }
}

Part rollout_to_stored(Part const& older) {
    Part part = older;
    Value const& annotations = older["annotations"];
    if (Value* const spec = part.find("spec"); spec != nullptr && spec->is_object()) {
        Value reference = std::as_const(*spec)["objectRef"];
        spec->erase("objectRef");
        spec->erase("rolloutID");
        move_member(reference, "workloadRef", *spec, "workloadRef");
        Value* const strategy = spec->find("strategy");
        Value* const canary = strategy == nullptr ? nullptr : strategy->find("canary");
        if (canary != nullptr && canary->is_object()) {
            if (!iequals(annotations[kRollingStyleAnnotation].as_string(), batch::kPartitionStyle))
                (*canary)["enableExtraWorkloadForCanary"] = true;
            if (std::string_view const reference_to = annotations[kTrafficRoutingAnnotation].as_string();
                !reference_to.empty())
                (*canary)["trafficRoutingRef"] = reference_to;
            each_step(*canary, step_to_stored);
        }
    }
    if (Value* const status = part.find("status"); status != nullptr && status->is_object()) {
        Value const canary = std::as_const(*status)["canaryStatus"];
        (*status)["currentStepIndex"] = canary["currentStepIndex"].as_int();
        (*status)["currentStepState"] = canary["currentStepState"].as_string();
    }
    return part;
}

void say_style(Part& part, std::string_view style) {
    if (!iequals(std::as_const(part).at({"annotations", kRollingStyleAnnotation}).as_string(), style))
        part.set({"annotations", kRollingStyleAnnotation}, style);
}

Part rollout_to_older(Part const& stored) {
    Part part = stored;
    if (Value* const spec = part.find("spec"); spec != nullptr && spec->is_object()) {
        Value reference{Object()};
        move_member(*spec, "workloadRef", reference, "workloadRef");
        (*spec)["objectRef"] = std::move(reference);
        Value* const strategy = spec->find("strategy");
        if (strategy != nullptr && strategy->is_object()) strategy->erase("blueGreen");
        Value* const canary = strategy == nullptr ? nullptr : strategy->find("canary");
        if (canary != nullptr && canary->is_object()) {
            bool const extra = std::as_const(*canary)["enableExtraWorkloadForCanary"].as_bool();
            std::string const routing = std::as_const(*canary)["trafficRoutingRef"].string();
            canary->erase("enableExtraWorkloadForCanary");
            canary->erase("trafficRoutingRef");
            each_step(*canary, step_to_older);
            say_style(part, extra ? "canary" : "partition");
            if (!routing.empty()) part.set({"annotations", kTrafficRoutingAnnotation}, routing);
        }
    }
    if (Value* const status = part.find("status"); status != nullptr && status->is_object()) {
        for (char const* field : {"currentStepIndex", "currentStepState", "blueGreenStatus"}) status->erase(field);
    }
    return part;
}

Part batch_release_to_stored(Part const& older) {
    Part part = older;
    Value* const spec = part.find("spec");
    if (spec == nullptr || !spec->is_object()) return part;
    Value reference = std::as_const(*spec)["targetReference"];
    spec->erase("targetReference");
    move_member(reference, "workloadRef", *spec, "workloadRef");
    Value* const plan = spec->find("releasePlan");
    if (plan == nullptr || !plan->is_object()) return part;
    std::string_view const said = older.at({"annotations", kRollingStyleAnnotation}).as_string();
    std::string_view style = said;
    for (std::string_view known : {batch::kPartitionStyle, batch::kCanaryStyle, batch::kBlueGreenStyle}) {
        if (iequals(said, known)) style = known;
    }
    if (!style.empty()) (*plan)["rollingStyle"] = style;
    (*plan)["enableExtraWorkloadForCanary"] = style == batch::kCanaryStyle;
    return part;
}

Part batch_release_to_older(Part const& stored) {
    Part part = stored;
    if (Value* const status = part.find("status"); status != nullptr && status->is_object()) status->erase("message");
    Value* const spec = part.find("spec");
    if (spec == nullptr || !spec->is_object()) return part;
    Value reference{Object()};
    move_member(*spec, "workloadRef", reference, "workloadRef");
    (*spec)["targetReference"] = std::move(reference);
    Value* const plan = spec->find("releasePlan");
    if (plan == nullptr || !plan->is_object()) return part;
    std::string const style = to_lower(std::as_const(*plan)["rollingStyle"].as_string());
    plan->erase("rollingStyle");
    plan->erase("enableExtraWorkloadForCanary");
    if (!style.empty()) say_style(part, style);
    return part;
}

Part part_of(Value const& object) {
    Part part{Object{{"annotations", Object()}}};
    for (std::string_view key : kSaying) {
        if (Value const* const said = object.at({"metadata", "annotations"}).find(key))
            part["annotations"][key] = *said;
    }
    for (std::string_view field : {"spec", "status"}) {
        if (Value const* const found = object.find(field)) part[field] = *found;
    }
    return part;
}

void put(Value& object, Part const& part) {
    for (std::string_view key : kSaying) {
        if (Value const* const said = part["annotations"].find(key)) {
            object.set({"metadata", "annotations", key}, *said);
        } else if (object.at({"metadata", "annotations"}).contains(key)) {
            object["metadata"]["annotations"].erase(key);
        }
    }
    for (std::string_view field : {"spec", "status"}) {
        if (Value const* const found = part.find(field)) {
            object[field] = *found;
        } else {
            object.erase(field);
        }
    }
}

// The annotation's object in the version that is asked for, if that is what it holds.
std::optional<Part> kept(Value const& object, std::string_view api_version) {
    std::string_view const text = object.at({"metadata", "annotations"})[kConversionAnnotation].as_string();
    if (text.empty()) return std::nullopt;
    auto value = json::parse_value(text);
    if (!value || value->at({"apiVersion"}).as_string() != api_version || !(*value)["annotations"].is_object())
        return std::nullopt;
    value->erase("apiVersion");
    return std::move(*value);
}

bool same(Part const& one, Part const& other, std::string_view field) {
    Value const* const here = one.find(field);
    Value const* const there = other.find(field);
    return here == nullptr || there == nullptr ? here == there : *here == *there;
}

// Notes what of `before` does not follow from `after`, which is going to be stored or shown. `plain` is what it would
// be without what an earlier note said.
void keep(Value& object, Part const& before, Part const& after, Part const& plain, std::string_view from,
          Mapping back) {
    if (object.at({"metadata", "annotations"}).contains(kConversionAnnotation))
        object["metadata"]["annotations"].erase(kConversionAnnotation);
    Part const again = back(after);
    bool const spec = !same(before, again, "spec") || !same(before, again, "annotations");
    bool const status = !same(before, again, "status");
    if (!spec && !status) return;
    auto const take = [&](Part const& part) {
        Value taken{Object{{"annotations", part["annotations"]}}};
        for (std::string_view field : {"spec", "status"}) {
            Value const* const found = part.find(field);
            if (found != nullptr && (field == "spec" ? spec : status)) taken[field] = *found;
        }
        return taken;
    };
    Value note = take(before);
    note["apiVersion"] = from;
    if (Value looks = take(again); !(looks == take(back(plain)))) note["looks"] = std::move(looks);
    object.set({"metadata", "annotations", kConversionAnnotation}, json::write(note));
}

// The object that was noted, with what has been changed since. `looks` is what the other version looked like then.
Part merge(Part const& was, Part const& plain, Mapping back, Mapping forth) {
    Part const looks = was.contains("looks") ? was["looks"] : forth(back(was));
    Part merged = plain;
    for (std::string_view field : {"annotations", "spec", "status"}) {
        bool const noted = field == "annotations" ? was.contains("spec") : was.contains(field);
        if (noted && plain.contains(field)) merged[field] = merge_edit(looks[field], plain[field], was[field]);
    }
    return merged;
}

}   // namespace

Result<Value> convert(Doc const& object, std::string_view api_version) {
    std::string const from = object["apiVersion"].string();
    std::string_view const kind = object["kind"].as_string();
    bool const rollout = kind == "Rollout";
    if (!rollout && kind != "BatchRelease")
        return fail(ErrorCode::kUnsupported, fmt::format("kind {} has one version: nothing converts it", kind));
    for (std::string_view version : {std::string_view(from), api_version}) {
        if (version != kRolloutsOlder && version != kRolloutsStored)
            return fail(ErrorCode::kUnsupported, fmt::format("{} is converted between {} and {}, not {}", kind,
                                                             kRolloutsOlder, kRolloutsStored, version));
    }
    Value result = object.thaw();
    if (from == api_version) return result;
    result["apiVersion"] = api_version;
    Mapping const up = rollout ? rollout_to_stored : batch_release_to_stored;
    Mapping const down = rollout ? rollout_to_older : batch_release_to_older;
    bool const rising = api_version == kRolloutsStored;
    Part const before = part_of(result);
    Mapping const forth = rising ? up : down;
    Mapping const back = rising ? down : up;
    Part const plain = forth(before);
    auto const was = kept(result, api_version);
    Part const after = was ? merge(*was, plain, back, forth) : plain;
    put(result, after);
    keep(result, before, after, plain, from, back);
    Value* const metadata = result.find("metadata");
    if (metadata != nullptr && std::as_const(*metadata)["annotations"].size() == 0) metadata->erase("annotations");
    return result;
}

}   // namespace aviary::apis
