// How labels and families become the text that Prometheus reads.
#pragma once

#include <string>
#include <vector>

#include "core/observe/metrics.h"

namespace prometheus {
struct MetricFamily;
}

namespace aviary::observe {

// Values come from outside too (user agents); one byte that is no UTF-8 would spoil the whole page.
Labels clean(Labels labels);

// In the order of names and labels.
std::string text_of(std::vector<prometheus::MetricFamily>&& families);

}   // namespace aviary::observe
