#include "core/yaml/yaml.h"

#include "core/base/check.h"
#include "core/json/write.h"

// Documents that were read are written so that they read the same.
extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, std::size_t size) {
    using namespace aviary;
    auto const documents =
        yaml::parse_all(std::string_view(reinterpret_cast<char const*>(data), size), {.max_nodes = 20'000});
    if (!documents) return 0;
    for (json::Value const& document : *documents) {
        // Once more than that: -0.0 is written as -0, which is read as 0.
        auto const once = yaml::parse(yaml::write(document), {.max_nodes = 40'000});
        AVIARY_CHECK(once.has_value());
        auto const again = yaml::parse(yaml::write(*once), {.max_nodes = 40'000});
        AVIARY_CHECK(again.has_value());
        AVIARY_CHECK(json::write_canonical(*again) == json::write_canonical(*once));
    }
    return 0;
}
