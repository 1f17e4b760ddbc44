#include "member/traffic/scripts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "member/traffic/internal/built_in.h"

namespace aviary::traffic {

namespace {

constexpr std::size_t kMostFailures = 64;

// Those that scripts/Ingress.lua knows.
constexpr std::array<std::string_view, 4> kClasses = {"nginx", "higress", "aliyun-alb", "mse"};

std::optional<lua::Script> built_in(std::string_view name) {
    for (BuiltIn const& each : built_in_scripts())
        if (each.name == name) return lua::Script{fmt::format("{}.lua", name), std::string(each.text)};
    return std::nullopt;
}

std::optional<lua::Script> configured(std::string const& key, json::Doc const& config_map) {
    json::Doc const text = config_map["data"][key];
    if (!text.is_string()) return std::nullopt;
    return lua::Script{key, text.string()};
}

std::unexpected<Error> none(std::string_view what, std::string_view key) {
    return fail(ErrorCode::kNotFound, fmt::format("there is no script for {}: give one as {} in the ConfigMap {}", what,
                                                  key, kScriptsConfigMap));
}

}   // namespace

// The user's own first: whoever has a class of the same name as ours, or wants other annotations, says so there.
Result<lua::Script> ingress_script(std::string_view class_type, json::Doc const& config_map) {
    if (class_type.empty()) class_type = kDefaultIngressClass;
    std::string const key = fmt::format("lua.traffic.routing.ingress.{}", class_type);
    if (auto own = configured(key, config_map)) return *own;
    auto ours = built_in("Ingress");
    if (ours && std::ranges::find(kClasses, class_type) != kClasses.end()) return *ours;
    return none(fmt::format("the Ingress class {}", class_type), key);
}

// The other way round: what stands in a ConfigMap for these has never run in Kruise Rollouts, and would begin to in the
// middle of a release when its controller is replaced by this one.
bool is_built_in_first(std::string_view group) { return group == "networking.istio.io"; }

Result<lua::Script> custom_script(std::string_view group, std::string_view kind, json::Doc const& config_map) {
    std::string const key = fmt::format("lua.traffic.routing.{}.{}", kind, group);
    auto const own = configured(key, config_map);
    auto const ours = built_in(fmt::format("{}.{}", kind, group));
    if (ours && (!own || is_built_in_first(group))) return *ours;
    if (own) return *own;
    return none(fmt::format("{} of {}", kind, group), key);
}

Result<json::Doc> ScriptRunner::run(lua::Script const& script, json::Doc const& input) {
    auto const known = std::ranges::find_if(
        failures_, [&](Failure const& each) { return each.script == script && each.input == input; });
    if (known != failures_.end()) return std::unexpected(known->error);
    auto result = lua::run(script, input);
    if (!result) failures_.push_back({script, input, result.error()});
    if (failures_.size() > kMostFailures) failures_.pop_front();
    return result;
}

Result<json::Doc> run_script(ScriptRunner* runner, lua::Script const& script, json::Doc const& input) {
    return runner != nullptr ? runner->run(script, input) : lua::run(script, input);
}

}   // namespace aviary::traffic
