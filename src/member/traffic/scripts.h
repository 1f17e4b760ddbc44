// Which script says what an Ingress class or a custom object needs for a step: one that is built in, or the user's own,
// a key of the ConfigMap `kruise-rollout-configuration` in the controller's namespace.
#pragma once

#include <deque>
#include <string_view>

#include "core/base/result.h"
#include "core/json/doc.h"
#include "core/lua/sandbox.h"

namespace aviary::traffic {

inline constexpr std::string_view kScriptsConfigMap = "kruise-rollout-configuration";
inline constexpr std::string_view kDefaultIngressClass = "nginx";

// Pure. `config_map` is absent where there is none. NotFound says which key it would be.
Result<lua::Script> ingress_script(std::string_view class_type, json::Doc const& config_map);
Result<lua::Script> custom_script(std::string_view group, std::string_view kind, json::Doc const& config_map);

// Whether a kind's script in the ConfigMap counts only where none is built in.
bool is_built_in_first(std::string_view group);

// Runs scripts, and remembers those that failed with what they were given: one that takes all its time is not run again
// before its text or its input has changed. Lives on one loop.
class ScriptRunner {
public:
    Result<json::Doc> run(lua::Script const& script, json::Doc const& input);

private:
    struct Failure {
        lua::Script script;
        json::Doc input;
        Error error;
    };
    std::deque<Failure> failures_;   // oldest first
};
// Without a runner nothing is remembered.
Result<json::Doc> run_script(ScriptRunner* runner, lua::Script const& script, json::Doc const& input);

}   // namespace aviary::traffic
