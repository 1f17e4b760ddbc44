#include "member/traffic/custom.h"

#include <fmt/format.h>

#include "apis/rollouts/original.h"
#include "core/json/parse.h"
#include "core/json/patch.h"
#include "core/json/write.h"
#include "kube/meta/object.h"
#include "member/traffic/internal/three_way.h"

namespace aviary::traffic {

namespace {

using apis::kOriginalConfiguration;
using apis::kRoutedChanges;
using json::Object;
using json::Value;

constexpr std::string_view kOfMetadata[] = {"labels", "annotations"};

// What a script may change, without our own annotations.
Value configuration_of(json::Doc const& object) {
    Value result{Object{}};
    if (object.contains("spec")) result["spec"] = object["spec"].thaw();
    for (std::string_view part : kOfMetadata)
        if (json::Doc const member = object["metadata"][part]; member.exists()) result[part] = member.thaw();
    if (Value* annotations = result.find("annotations")) {
        bool const routed = annotations->erase(kOriginalConfiguration);
        bool const told = annotations->erase(kRoutedChanges);
        if ((routed || told) && annotations->size() == 0) result.erase("annotations");
    }
    return result;
}

void put(Value& object, Value const& configuration) {
    if (Value const* spec = configuration.find("spec")) {
        object["spec"] = *spec;
    } else {
        object.erase("spec");
    }
    for (std::string_view part : kOfMetadata) {
        Value const& member = configuration[part];
        if (member.is_null()) {
            object["metadata"].erase(part);
        } else {
            object["metadata"][part] = member;
        }
    }
}

// The original as it is kept, and as it is with others' changes.
struct Original {
    bool kept = false;
    std::string text;
    Value then, now;
};

Result<Original> original_of(json::Doc const& live) {
    Original result;
    Value const configuration = configuration_of(live);
    result.text = meta::annotation(live, kOriginalConfiguration);
    if (result.text.empty()) {
        result.then = result.now = configuration;
        return result;
    }
    auto const parsed = json::parse_value(result.text);
    if (!parsed || !parsed->is_object())
        return fail(
            ErrorCode::kInvalid,
            fmt::format("the annotation {}, which keeps how it was, is no JSON object: put back what was there, or "
                        "restore the object by hand and take the annotation away",
                        kOriginalConfiguration));
    result.kept = true;
    result.then = result.now = *parsed;
    auto const changes = json::parse_value(meta::annotation(live, kRoutedChanges));
    if (!changes || !changes->is_object()) return result;
    Value written = result.then;
    json::apply_merge_patch(written, *changes);
    result.now = carried_over(result.then, written, configuration);
    return result;
}

Status check(lua::Script const& script, json::Doc const& made) {
    auto const bad = [&](std::string what) {
        return fail(ErrorCode::kInvalid, fmt::format("{}: {}", script.name, what));
    };
    if (!made["spec"].is_object()) return bad("it must return a table with the member spec, an object");
    for (std::string_view part : kOfMetadata) {
        json::Doc const member = made[part];
        if (!member.is_null() && !member.is_object()) return bad(fmt::format("{} must be an object", part));
        for (auto const& [key, value] : member.members())
            if (!value.is_string())
                return bad(fmt::format("{}[{}] must be a string, not {}", part, key, to_string(value.type())));
    }
    return {};
}

Result<Value> run(Value const& original, Route const& route, lua::Script const& script, ScriptRunner* runner) {
    std::int64_t const weight = route.weight.value_or(-1);
    Value input{Object{{"data", original},
                       {"canaryWeight", weight},
                       {"stableWeight", 100 - weight},
                       {"canaryService", route.canary_service},
                       {"stableService", route.stable_service}}};
    if (route.matches.size() > 0) input["matches"] = route.matches.thaw();
    if (route.request_header_modifier.is_object())
        input["requestHeaderModifier"] = route.request_header_modifier.thaw();
    json::Doc const made = TRY(run_script(runner, script, json::Doc::freeze(input)));
    TRY(check(script, made));
    Value result{Object{}};
    for (std::string_view part : {"spec", "labels", "annotations"})
        if (json::Doc const member = made[part]; !member.is_null()) result[part] = member.thaw();
    json::drop_nulls(result);   // an API server drops them too
    return result;
}

Result<json::Doc> routed(json::Doc const& live, Route const& route, lua::Script const& script, ScriptRunner* runner) {
    Original const original = TRY(original_of(live));
    Value const wanted = TRY(run(original.now, route, script, runner));
    bool const as_kept = original.kept && original.now == original.then;
    // Text that is right is not written again in other words.
    std::string const kept = as_kept ? original.text : json::write(original.now);
    std::string const changes = json::write(json::create_merge_patch(original.now, wanted));
    if (as_kept && changes == meta::annotation(live, kRoutedChanges) && says_all(configuration_of(live), wanted))
        return live;
    Value result = live.thaw();
    put(result, wanted);
    Value& annotations = result["metadata"]["annotations"];
    annotations[kOriginalConfiguration] = kept;
    annotations[kRoutedChanges] = changes;
    return json::Doc::freeze(result);
}

Error named(Error const& error, json::Doc const& live) {
    return error.context(fmt::format("{} {}/{}", live["kind"].as_string(), meta::ns(live), meta::name(live)));
}

}   // namespace

Result<json::Doc> routed_custom(json::Doc const& live, Route const& route, lua::Script const& script,
                                ScriptRunner* runner) {
    auto result = routed(live, route, script, runner);
    if (!result) return std::unexpected(named(result.error(), live));
    return result;
}

Result<json::Doc> restored_custom(json::Doc const& live) {
    auto const original = original_of(live);
    if (!original) return std::unexpected(named(original.error(), live));
    if (!original->kept) return live;
    Value result = live.thaw();
    put(result, original->now);
    return json::Doc::freeze(result);
}

}   // namespace aviary::traffic
