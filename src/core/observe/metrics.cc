#include "core/observe/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "core/observe/internal/text.h"

namespace aviary::observe {

struct Registry::Impl {
    prometheus::Registry registry;
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

std::vector<double> const& duration_bounds() {
    static std::vector<double> const bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                            0.25,   0.5,   1,      2.5,   5,    10,    30,   60};
    return bounds;
}

void Counter::add(double by) const {
    if (counter_ != nullptr) static_cast<prometheus::Counter*>(counter_)->Increment(by);
}
double Counter::value() const { return counter_ == nullptr ? 0 : static_cast<prometheus::Counter*>(counter_)->Value(); }

void Gauge::set(double value) const {
    if (gauge_ != nullptr) static_cast<prometheus::Gauge*>(gauge_)->Set(value);
}
void Gauge::add(double by) const {
    if (gauge_ != nullptr) static_cast<prometheus::Gauge*>(gauge_)->Increment(by);
}
double Gauge::value() const { return gauge_ == nullptr ? 0 : static_cast<prometheus::Gauge*>(gauge_)->Value(); }

void Histogram::record(double value) const {
    if (histogram_ != nullptr) static_cast<prometheus::Histogram*>(histogram_)->Observe(value);
}

// A bad name, or a name of another type, is a mistake in the calling code: the exception ends the program.
Counter Metrics::counter(std::string const& name, std::string const& help, Labels const& labels) const {
    Counter result;
    if (registry_ == nullptr) return result;
    auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry_->impl_->registry);
    result.counter_ = &family.Add(clean(labels));
    return result;
}

Gauge Metrics::gauge(std::string const& name, std::string const& help, Labels const& labels) const {
    Gauge result;
    if (registry_ == nullptr) return result;
    auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(registry_->impl_->registry);
    result.gauge_ = &family.Add(clean(labels));
    return result;
}

Histogram Metrics::histogram(std::string const& name, std::string const& help, Labels const& labels,
                             std::vector<double> const& bounds) const {
    Histogram result;
    if (registry_ == nullptr) return result;
    auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(registry_->impl_->registry);
    result.histogram_ = &family.Add(clean(labels), prometheus::Histogram::BucketBoundaries(bounds));
    return result;
}

std::string Metrics::text() const {
    if (registry_ == nullptr) return {};
    return text_of(registry_->impl_->registry.Collect());
}

}   // namespace aviary::observe
