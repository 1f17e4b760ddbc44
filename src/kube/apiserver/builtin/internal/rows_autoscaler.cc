// The cells of HorizontalPodAutoscalers of both versions: v1 knows CPU alone.
#include <fmt/format.h>

#include <vector>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/internal/cells.h"
#include "kube/apiserver/builtin/internal/rows.h"

namespace aviary::builtin::internal {

namespace {

std::string percent(json::Doc const& value, std::string_view fallback) {
    return value.is_int() ? fmt::format("{}%", value.as_int()) : std::string(fallback);
}

std::string resource_metric(json::Doc const& source, json::Doc const& current) {
    json::Doc average = source.at({"target", "averageValue"});
    if (average.exists()) {
        return fmt::format("{}: {}/{}", source["name"].as_string(), text_or(current["averageValue"], "<unknown>"),
                           scalar_text(average));
    }
    return fmt::format("{}: {}/{}", source["name"].as_string(), percent(current["averageUtilization"], "<unknown>"),
                       percent(source.at({"target", "averageUtilization"}), "<auto>"));
}

std::string value_metric(json::Doc const& source, json::Doc const& current) {
    json::Doc average = source.at({"target", "averageValue"});
    if (average.exists()) {
        return fmt::format("{}/{} (avg)", text_or(current["averageValue"], "<unknown>"), scalar_text(average));
    }
    return fmt::format("{}/{}", text_or(current["value"], "<unknown>"), scalar_text(source.at({"target", "value"})));
}

std::string metric_text(json::Doc const& spec, json::Doc const& status) {
    std::string_view type = spec["type"].as_string();
    if (type == "Resource") return resource_metric(spec["resource"], status.at({"resource", "current"}));
    if (type == "ContainerResource")
        return resource_metric(spec["containerResource"], status.at({"containerResource", "current"}));
    if (type == "External") return value_metric(spec["external"], status.at({"external", "current"}));
    if (type == "Object") return value_metric(spec["object"], status.at({"object", "current"}));
    if (type == "Pods") {
        return fmt::format("{}/{}", text_or(status.at({"pods", "current", "averageValue"}), "<unknown>"),
                           scalar_text(spec.at({"pods", "target", "averageValue"})));
    }
    return "<unknown type>";
}

std::string metrics_text(json::Doc const& autoscaler) {
    json::Doc target = autoscaler.at({"spec", "targetCPUUtilizationPercentage"});
    if (target.exists()) {
        return fmt::format("cpu: {}/{}",
                           percent(autoscaler.at({"status", "currentCPUUtilizationPercentage"}), "<unknown>"),
                           percent(target, "<auto>"));
    }
    json::Doc specs = autoscaler.at({"spec", "metrics"});
    if (specs.size() == 0) return "<none>";
    constexpr int kShown = 2;
    std::vector<std::string> list;
    for (std::size_t i = 0; i < specs.size() && i < kShown; ++i) {
        list.push_back(metric_text(specs[i], autoscaler.at({"status", "currentMetrics"})[i]));
    }
    return with_more(join(list, ", "), specs.size() > kShown, static_cast<int>(specs.size()), kShown);
}

}   // namespace

json::Array autoscaler_row(json::Doc const& autoscaler, Time now) {
    json::Doc target = autoscaler.at({"spec", "scaleTargetRef"});
    return {name_of(autoscaler),
            fmt::format("{}/{}", target["kind"].as_string(), target["name"].as_string()),
            metrics_text(autoscaler),
            text_or(autoscaler.at({"spec", "minReplicas"}), "<unset>"),
            autoscaler.at({"spec", "maxReplicas"}).as_int(),
            autoscaler.at({"status", "currentReplicas"}).as_int(),
            age_of(autoscaler, now)};
}

}   // namespace aviary::builtin::internal
