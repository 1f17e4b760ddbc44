#include "core/observe/internal/text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <string_view>
#include <utility>

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

}   // namespace

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

namespace {

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

std::string text_of(std::vector<prometheus::MetricFamily>&& families) {
    sort(families);
    return prometheus::TextSerializer().Serialize(families);
}

}   // namespace aviary::observe
