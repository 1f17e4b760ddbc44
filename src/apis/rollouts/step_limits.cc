#include "apis/rollouts/step_limits.h"

#include <fmt/format.h>

#include "apis/rollouts/keys.h"
#include "apis/rollouts/rollout.h"
#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::apis {

namespace {

FieldCause invalid(std::string_view annotation, std::string_view value, std::string_view rule) {
    return {"FieldValueInvalid", fmt::format("metadata.annotations[{}]", annotation),
            fmt::format("Invalid value: \"{}\": {}", value, rule)};
}

// One number for all steps, or one for each; nullopt: neither.
std::optional<std::vector<std::int64_t>> read_list(std::string_view text, std::size_t steps) {
    std::vector<std::int64_t> result;
    for (std::string_view part : split(text, ',')) {
        auto const seconds = parse_int(trim(part));
        if (!seconds || *seconds < 0 || *seconds > kLongestPause) return std::nullopt;
        result.push_back(*seconds);
    }
    return result.size() == 1 || result.size() == steps ? std::optional(result) : std::nullopt;
}

}   // namespace

std::int64_t StepLimits::healthy_seconds(std::int64_t step) const {
    if (healthy.empty()) return 0;
    return healthy.size() == 1 ? healthy.front() : healthy.at(static_cast<std::size_t>(step - 1));
}

StepLimits read_step_limits(json::Doc const& rollout) {
    StepLimits limits;
    limits.on_deadline = on_deadline::kPause;
    if (std::string const text = meta::annotation(rollout, kProgressDeadlineAnnotation); !text.empty()) {
        auto const seconds = parse_int(text);
        if (seconds && *seconds >= 1 && *seconds <= kLongestPause) {
            limits.progress_deadline = seconds;
        } else {
            limits.problems.push_back(invalid(kProgressDeadlineAnnotation, text,
                                              fmt::format("must be a number of seconds from 1 to {}", kLongestPause)));
        }
    }
    if (std::string const text = meta::annotation(rollout, kOnDeadlineAnnotation); !text.empty()) {
        if (text == on_deadline::kPause || text == on_deadline::kRollback || text == on_deadline::kReport) {
            limits.on_deadline = text;
        } else {
            limits.problems.push_back(invalid(kOnDeadlineAnnotation, text, "must be Pause, Rollback or Report"));
        }
    }
    if (std::string const text = meta::annotation(rollout, kHealthySecondsAnnotation); !text.empty()) {
        std::size_t const steps = release_steps(rollout).size();
        if (auto list = read_list(text, steps)) {
            limits.healthy = std::move(*list);
        } else {
            limits.problems.push_back(invalid(
                kHealthySecondsAnnotation, text,
                fmt::format("must be a number of seconds from 0 to {}, or one for each of the {} steps, as 0,60,300",
                            kLongestPause, steps)));
        }
    }
    return limits;
}

}   // namespace aviary::apis
