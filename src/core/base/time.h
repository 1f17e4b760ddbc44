// Times as Kubernetes writes them, and the clock that everything asks.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace aviary {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::sys_time<std::chrono::nanoseconds>;   // wall clock, UTC
struct MonotonicClockTag {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    static constexpr bool is_steady = true;
};
using MonotonicTime = std::chrono::time_point<MonotonicClockTag, Duration>;   // for deadlines and timers

// Injected; only AsioExecutor owns one that reads the machine's clocks.
class Clock {
public:
    virtual ~Clock() = default;
    virtual Time now() const = 0;
    virtual MonotonicTime monotonic() const = 0;
};

// metav1.Time: "2026-11-23T14:51:00Z" (whole seconds) and metav1.MicroTime.
std::string format_rfc3339(Time time);
std::string format_rfc3339_micro(Time time);
// Accepts any offset and fraction; empty when the text is not a time. Years 0 to 9999 are times, and more than the type
// can hold: those beyond these two become the nearer one, so that a sum or difference with the present does not
// overflow.
inline constexpr Time kEarliestTime = std::chrono::sys_days(std::chrono::year(1800) / 1 / 1);
inline constexpr Time kLatestTime = std::chrono::sys_days(std::chrono::year(2190) / 1 / 1);
std::optional<Time> parse_rfc3339(std::string_view text);
// As servers date their answers: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, IMF-fixdate).
std::optional<Time> parse_http_date(std::string_view text);

// Go's time.ParseDuration for what flags take: "500ms", "1m30s", "2h", "0".
std::optional<Duration> parse_duration(std::string_view text);
// As Go prints it: "1m30s", "500ms".
std::string format_duration(Duration duration);
// As kubectl prints ages: "5m", "12m4s", "3h", "2d4h" (duration.HumanDuration).
std::string format_age(Duration duration);

}   // namespace aviary
