#include "member/rollout/features.h"

#include <fmt/format.h>

#include "core/base/strings.h"

namespace aviary::rollout {

Result<Features> parse_features(std::string_view text) {
    Features features;
    for (std::string_view const each : split(text, ',')) {
        if (each.empty()) continue;
        std::size_t const equals = each.find('=');
        std::string_view const name = each.substr(0, equals);
        std::string_view const value = equals == std::string_view::npos ? "" : each.substr(equals + 1);
        if (name != "RolloutHistory")
            return fail(ErrorCode::kInvalid, fmt::format("{}: there is no such feature; RolloutHistory is one", name));
        if (value != "true" && value != "false")
            return fail(ErrorCode::kInvalid, fmt::format("{}: give {}=true or {}=false", each, name, name));
        features.rollout_history = value == "true";
    }
    return features;
}

}   // namespace aviary::rollout
