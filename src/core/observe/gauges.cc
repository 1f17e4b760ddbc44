#include "core/observe/gauges.h"

#include <prometheus/metric_family.h>

#include <utility>

#include "core/observe/internal/text.h"

namespace aviary::observe {

std::string text_of(std::vector<Gauges> const& all) {
    std::vector<prometheus::MetricFamily> families;
    for (Gauges const& gauges : all) {
        if (gauges.samples.empty()) continue;
        prometheus::MetricFamily& family =
            families.emplace_back(gauges.name, gauges.help, prometheus::MetricType::Gauge);
        for (Sample const& sample : gauges.samples) {
            prometheus::ClientMetric& metric = family.metric.emplace_back();
            metric.gauge.value = sample.value;
            for (auto& [name, value] : clean(sample.labels)) metric.label.push_back({name, std::move(value)});
        }
    }
    return text_of(std::move(families));
}

}   // namespace aviary::observe
