#include "kube/simulator/definitions.h"

#include "core/base/check.h"
#include "core/yaml/yaml.h"
#include "kube/simulator/internal/definition_texts.h"

namespace aviary::simulator {

std::vector<json::Value> workload_definitions() {
    std::vector<json::Value> definitions;
    for (DefinitionText const& each : definition_texts()) {
        Result<json::Value> parsed = yaml::parse(each.text);
        AVIARY_CHECK(parsed.has_value());
        definitions.push_back(std::move(*parsed));
    }
    return definitions;
}

}   // namespace aviary::simulator
