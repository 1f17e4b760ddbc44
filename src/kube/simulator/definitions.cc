#include "kube/simulator/definitions.h"

#include "core/base/check.h"
#include "core/yaml/yaml.h"
#include "kube/simulator/internal/definition_texts.h"

namespace aviary::simulator {

namespace {

std::vector<json::Value> parsed_definitions() {
    std::vector<json::Value> definitions;
    for (DefinitionText const& each : definition_texts()) {
        Result<json::Value> parsed = yaml::parse(each.text);
        AVIARY_CHECK(parsed.has_value());
        definitions.push_back(std::move(*parsed));
    }
    return definitions;
}

}   // namespace

std::vector<json::Value> workload_definitions() {
    // Asked for by every cluster of a simulation.
    static std::vector<json::Value> const definitions = parsed_definitions();
    return definitions;
}

}   // namespace aviary::simulator
