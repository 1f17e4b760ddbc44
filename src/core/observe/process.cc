#include "core/observe/process.h"

#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include "core/observe/internal/text.h"

namespace aviary::observe {

namespace {

using prometheus::MetricType;

// proc(5): the fields of /proc/self/stat behind the name, which ends with the last parenthesis.
std::vector<double> stat_fields() {
    std::ifstream file("/proc/self/stat");
    std::string const text(std::istreambuf_iterator<char>(file), {});
    std::size_t const end = text.rfind(')');
    if (end == std::string::npos) return {};
    std::istringstream rest(text.substr(end + 1));
    std::string state;
    rest >> state;
    std::vector<double> fields{0, 0, 0};   // numbered as there: the state is 3
    for (double each = 0; rest >> each;) fields.push_back(each);
    return fields;
}

// When the machine came up, since the epoch.
std::optional<double> boot_seconds() {
    std::ifstream file("/proc/stat");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("btime ")) return std::stod(line.substr(6));
    }
    return std::nullopt;
}

void add(std::vector<prometheus::MetricFamily>& families, char const* name, char const* help, MetricType type,
         double value) {
    prometheus::ClientMetric metric;
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    families.emplace_back(name, help, type).metric.push_back(std::move(metric));
}

}   // namespace

std::string process_text() {
    std::vector<prometheus::MetricFamily> families;
    auto const ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    std::vector<double> const stat = stat_fields();
    if (stat.size() > 23) {
        add(families, "process_cpu_seconds_total", "Processor time, of the user and of the system.",
            MetricType::Counter, (stat[13] + stat[14]) / ticks);
        add(families, "process_virtual_memory_bytes", "Memory that is addressed.", MetricType::Gauge, stat[22]);
        add(families, "process_resident_memory_bytes", "Memory that is there.", MetricType::Gauge,
            stat[23] * static_cast<double>(::sysconf(_SC_PAGESIZE)));
        if (auto const boot = boot_seconds()) {
            add(families, "process_start_time_seconds", "When it began, since the epoch.", MetricType::Gauge,
                *boot + stat[21] / ticks);
        }
    }
    std::error_code problem;
    std::filesystem::directory_iterator const files("/proc/self/fd", problem);
    if (!problem) {
        add(families, "process_open_fds", "Files and connections that are open.", MetricType::Gauge,
            static_cast<double>(std::distance(begin(files), end(files))));
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        add(families, "process_max_fds", "How many may be.", MetricType::Gauge, static_cast<double>(limit.rlim_cur));
    }
    return text_of(std::move(families));
}

}   // namespace aviary::observe
