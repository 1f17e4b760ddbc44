#include "core/observe/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <string_view>

namespace aviary::observe {

namespace {

// The length of the UTF-8 sequence that begins here; 0 when none does.
std::size_t sequence(std::string_view text) {
    auto const byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    unsigned char const first = byte(0);
    std::size_t const length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length == 0 || length > text.size()) return 0;
    for (std::size_t index = 1; index < length; ++index) {
        if (byte(index) < 0x80 || byte(index) > 0xbf) return 0;
    }
    if (first == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
    if (first == 0xed && byte(1) > 0x9f) return 0;   // surrogates
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;   // beyond Unicode
    return length;
}

// Values come from outside too (user agents); one byte that is no UTF-8 would spoil the whole page.
Labels clean(Labels labels) {
    for (auto& [key, value] : labels) {
        std::string good;
        for (std::string_view rest = value; !rest.empty();) {
            std::size_t const length = sequence(rest);
            good += length == 0 ? std::string_view("\xef\xbf\xbd") : rest.substr(0, length);
            rest.remove_prefix(std::max<std::size_t>(length, 1));
        }
        value = std::move(good);
    }
    return labels;
}

// Families and series stand in unordered containers there.
void sort(std::vector<prometheus::MetricFamily>& families) {
    std::ranges::sort(families, {}, &prometheus::MetricFamily::name);
    for (prometheus::MetricFamily& family : families) {
        std::ranges::sort(family.metric, {}, [](prometheus::ClientMetric const& metric) {
            std::vector<std::pair<std::string, std::string>> labels;
            for (auto const& label : metric.label) labels.emplace_back(label.name, label.value);
            return labels;
        });
    }
}

}   // namespace

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
    std::vector<prometheus::MetricFamily> families = registry_->impl_->registry.Collect();
    sort(families);
    return prometheus::TextSerializer().Serialize(families);
}

}   // namespace aviary::observe
