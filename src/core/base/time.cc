#include "core/base/time.h"

#include <fmt/format.h>

#include "core/base/strings.h"

namespace aviary {

namespace {

using namespace std::chrono;

struct Parts {
    year_month_day date;
    hh_mm_ss<nanoseconds> time;
};

Parts parts_of(Time time) {
    auto const day = floor<days>(time);
    return {year_month_day(day), hh_mm_ss<nanoseconds>(time - day)};
}

// Without fmt, because times are written for every object.
std::string format_seconds(Parts const& parts) {
    int const year = int(parts.date.year());
    bool const usual = year >= 0 && year <= 9999;
    std::string text = usual ? "0000" : fmt::format("{:04}", year);
    text += "-00-00T00:00:00";
    auto const put = [&text](std::size_t before_end, auto number) {
        std::size_t at = text.size() - before_end;
        for (auto left = static_cast<unsigned>(number); left > 0; left /= 10)
            text[--at] = static_cast<char>('0' + left % 10);
    };
    if (usual) put(15, year);
    put(12, unsigned(parts.date.month()));
    put(9, unsigned(parts.date.day()));
    put(6, parts.time.hours().count());
    put(3, parts.time.minutes().count());
    put(0, parts.time.seconds().count());
    return text;
}

// Reads exactly `count` digits and moves on.
std::optional<int> digits(std::string_view& text, std::size_t count) {
    if (text.size() < count) return std::nullopt;
    int value = 0;
    for (std::size_t index = 0; index < count; ++index) {
        if (text[index] < '0' || text[index] > '9') return std::nullopt;
        value = value * 10 + (text[index] - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool literal(std::string_view& text, std::string_view any_of) {
    if (text.empty() || !any_of.contains(text.front())) return false;
    text.remove_prefix(1);
    return true;
}

}   // namespace

std::string format_rfc3339(Time time) { return format_seconds(parts_of(time)) + "Z"; }

std::string format_rfc3339_micro(Time time) {
    Parts const parts = parts_of(time);
    return fmt::format("{}.{:06}Z", format_seconds(parts),
                       duration_cast<microseconds>(parts.time.subseconds()).count());
}

std::optional<Time> parse_rfc3339(std::string_view text) {
    auto const year_value = digits(text, 4);
    if (!year_value || !literal(text, "-")) return std::nullopt;
    auto const month_value = digits(text, 2);
    if (!month_value || !literal(text, "-")) return std::nullopt;
    auto const day_value = digits(text, 2);
    if (!day_value || !literal(text, "Tt")) return std::nullopt;
    auto const hour = digits(text, 2);
    if (!hour || !literal(text, ":")) return std::nullopt;
    auto const minute = digits(text, 2);
    if (!minute || !literal(text, ":")) return std::nullopt;
    auto const second = digits(text, 2);
    if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;

    nanoseconds fraction{0};
    if (literal(text, ".")) {
        nanoseconds::rep unit = 100'000'000;
        bool any = false;
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
            fraction += nanoseconds(unit * (text.front() - '0'));
            unit /= 10;
            any = true;
            text.remove_prefix(1);
        }
        if (!any) return std::nullopt;
    }

    minutes offset{0};
    if (!literal(text, "Zz")) {
        if (text.empty()) return std::nullopt;
        int const sign = text.front() == '-' ? -1 : 1;
        if (!literal(text, "+-")) return std::nullopt;
        auto const offset_hours = digits(text, 2);
        if (!offset_hours || !literal(text, ":")) return std::nullopt;
        auto const offset_minutes = digits(text, 2);
        if (!offset_minutes) return std::nullopt;
        offset = minutes(sign * (*offset_hours * 60 + *offset_minutes));
    }
    if (!text.empty()) return std::nullopt;

    year_month_day const date{year(*year_value), month(static_cast<unsigned>(*month_value)),
                              day(static_cast<unsigned>(*day_value))};
    if (!date.ok()) return std::nullopt;
    auto const whole = sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second) - offset;
    // Compared in seconds: in nanoseconds it would overflow here already.
    if (whole <= time_point_cast<seconds>(kEarliestTime)) return kEarliestTime;
    if (whole >= time_point_cast<seconds>(kLatestTime)) return kLatestTime;
    return whole + fraction;
}

std::optional<Duration> parse_duration(std::string_view text) {
    if (text == "0") return Duration(0);
    bool const negative = !text.empty() && text.front() == '-';
    if (negative) text.remove_prefix(1);
    if (text.empty()) return std::nullopt;
    struct Unit {
        std::string_view name;
        double nanoseconds;
    };
    static constexpr Unit kUnits[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
                                      {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    double total = 0;
    while (!text.empty()) {
        std::size_t length = 0;
        double value = 0;
        double scale = 0;
        for (; length < text.size(); ++length) {
            char const letter = text[length];
            if (letter == '.' && scale == 0) {
                scale = 1;
            } else if (letter >= '0' && letter <= '9') {
                if (scale >= 1e18) continue;   // as Go: what is too small to count is read and left out
                value = value * 10 + (letter - '0');
                if (scale != 0) scale *= 10;
            } else {
                break;
            }
        }
        if (length == (scale == 0 ? 0 : 1)) return std::nullopt;
        if (scale != 0) value /= scale;
        text.remove_prefix(length);
        Unit const* found = nullptr;
        for (Unit const& unit : kUnits) {
            if (text.starts_with(unit.name) && (found == nullptr || unit.name.size() > found->name.size()))
                found = &unit;
        }
        if (found == nullptr) return std::nullopt;
        text.remove_prefix(found->name.size());
        total += value * found->nanoseconds;
    }
    if (!(total <= 9e18)) return std::nullopt;
    return Duration(static_cast<Duration::rep>(negative ? -total : total));
}

std::string format_duration(Duration duration) {
    if (duration == Duration(0)) return "0s";
    std::string const sign = duration < Duration(0) ? "-" : "";
    auto const count = duration < Duration(0) ? -duration.count() : duration.count();
    if (count < 1'000) return fmt::format("{}{}ns", sign, count);
    if (count < 1'000'000) return fmt::format("{}{}µs", sign, static_cast<double>(count) / 1e3);
    if (count < 1'000'000'000) return fmt::format("{}{}ms", sign, static_cast<double>(count) / 1e6);
    auto const whole = count / 1'000'000'000;
    std::string text = sign;
    if (whole >= 3600) text += fmt::format("{}h", whole / 3600);
    if (whole >= 60) text += fmt::format("{}m", whole / 60 % 60);
    double const rest = static_cast<double>(whole % 60) + static_cast<double>(count % 1'000'000'000) / 1e9;
    return text + fmt::format("{}s", rest);
}

std::string format_age(Duration duration) {
    // k8s.io/apimachinery duration.HumanDuration: two units while the larger one is small.
    auto const total = duration_cast<seconds>(duration).count();
    if (total < -1) return "<invalid>";
    if (total < 0) return "0s";
    if (total < 60 * 2) return fmt::format("{}s", total);
    auto const minutes_total = total / 60;
    if (minutes_total < 10) {
        return total % 60 == 0 ? fmt::format("{}m", minutes_total) : fmt::format("{}m{}s", minutes_total, total % 60);
    }
    if (minutes_total < 60 * 3) return fmt::format("{}m", minutes_total);
    auto const hours_total = total / 3600;
    if (hours_total < 8) {
        return minutes_total % 60 == 0 ? fmt::format("{}h", hours_total)
                                       : fmt::format("{}h{}m", hours_total, minutes_total % 60);
    }
    if (hours_total < 48) return fmt::format("{}h", hours_total);
    auto const days_total = hours_total / 24;
    if (hours_total < 24 * 8) {
        return hours_total % 24 == 0 ? fmt::format("{}d", days_total)
                                     : fmt::format("{}d{}h", days_total, hours_total % 24);
    }
    if (days_total < 365 * 2) return fmt::format("{}d", days_total);
    auto const years_total = days_total / 365;
    if (days_total < 365 * 8) {
        return days_total % 365 == 0 ? fmt::format("{}y", years_total)
                                     : fmt::format("{}y{}d", years_total, days_total % 365);
    }
    return fmt::format("{}y", years_total);
}

std::optional<Time> parse_http_date(std::string_view text) {
    constexpr std::string_view kMonths = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    if (text.size() != 29 || !text.ends_with(" GMT") || text.substr(3, 2) != ", ") return std::nullopt;
    std::size_t const month = kMonths.find(text.substr(8, 3));
    if (month == std::string_view::npos || month % 4 != 0) return std::nullopt;
    return parse_rfc3339(
        fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), month / 4 + 1, text.substr(5, 2), text.substr(17, 8)));
}

}   // namespace aviary
