// Gauges that are made at the moment when somebody asks: their series come and go with what they are about, and their
// values are a matter of that moment. Their names are none of a Registry's, whose text theirs follows.
#pragma once

#include <string>
#include <vector>

#include "core/observe/metrics.h"

namespace aviary::observe {

struct Sample {
    Labels labels;
    double value = 0;
};

struct Gauges {
    std::string name;
    std::string help;
    std::vector<Sample> samples;   // labels differ from each other
};

// As Metrics::text() is; names without samples are left out.
std::string text_of(std::vector<Gauges> const& all);

}   // namespace aviary::observe
