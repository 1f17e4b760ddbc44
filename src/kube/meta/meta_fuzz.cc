#include "core/base/check.h"
#include "core/base/time.h"
#include "kube/meta/int_or_percent.h"
#include "kube/meta/quantity.h"
#include "kube/meta/selector.h"

// Selectors, quantities, shares and times: what is printed reads as the same.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    using namespace aviary;
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    if (auto const selector = meta::LabelSelector::parse(text)) {
        std::string const printed = selector->to_string();
        auto const again = meta::LabelSelector::parse(printed);
        AVIARY_CHECK(again.has_value());
        AVIARY_CHECK(again->to_string() == printed);
    }
    (void)meta::FieldSelector::parse(text);
    if (auto quantity = meta::Quantity::parse(text)) {
        auto const again = meta::Quantity::parse(quantity->to_string());
        AVIARY_CHECK(again.has_value());
        AVIARY_CHECK(*again == *quantity);
        (void)quantity->value();
        (void)quantity->milli_value();
        *quantity += *again;
        *quantity -= *again;
    }
    if (auto const share = meta::IntOrPercent::parse(text)) {
        AVIARY_CHECK(meta::IntOrPercent::parse(share->to_string()) == share);
        (void)share->scaled(1'000'000, true);
    }
    if (auto const time = parse_rfc3339(text)) (void)format_rfc3339_micro(*time);
    if (auto const duration = parse_duration(text)) {
        (void)format_duration(*duration);
        (void)format_age(*duration);
    }
    return 0;
}
