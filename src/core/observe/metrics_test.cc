#include "core/observe/metrics.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <thread>

#include "core/observe/process.h"

namespace aviary::observe {
namespace {

TEST(Metrics, TextInTheOrderOfNamesAndLabels) {
    Registry registry;
    Metrics const metrics(registry);
    metrics.gauge("b_depth", "How much waits.", {{"name", "x"}}).set(2.5);
    for (char const* name : {"c", "a", "b"}) metrics.counter("a_total", "Things done.", {{"name", name}}).add();
    metrics.counter("a_total", "Things done.", {{"name", "b"}}).add(41);
    EXPECT_EQ(metrics.text(),
              "# HELP a_total Things done.\n# TYPE a_total counter\n"
              "a_total{name=\"a\"} 1\na_total{name=\"b\"} 42\na_total{name=\"c\"} 1\n"
              "# HELP b_depth How much waits.\n# TYPE b_depth gauge\nb_depth{name=\"x\"} 2.5\n");
}

TEST(Metrics, AHistogramCountsUpToItsBounds) {
    Registry registry;
    Histogram const histogram = Metrics(registry).histogram("seconds", "Time.", {}, {0.1, 1});
    for (double value : {0.05, 0.5, 0.5, 5.0}) histogram.record(value);
    EXPECT_EQ(Metrics(registry).text(),
              "# HELP seconds Time.\n# TYPE seconds histogram\nseconds_count 4\nseconds_sum 6.05\n"
              "seconds_bucket{le=\"0.1\"} 1\nseconds_bucket{le=\"1\"} 3\nseconds_bucket{le=\"+Inf\"} 4\n");
}

TEST(Metrics, OfTheProcessItself) {
    std::string const text = process_text();
    auto const value = [&](std::string const& name) {
        std::size_t const at = text.find("\n" + name + " ");
        return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
    };
    EXPECT_TRUE(text.contains("# TYPE process_cpu_seconds_total counter\n")) << text;
    EXPECT_GE(value("process_cpu_seconds_total"), 0) << text;
    EXPECT_GT(value("process_resident_memory_bytes"), 1 << 20) << text;
    EXPECT_GT(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes")) << text;
    EXPECT_GT(value("process_open_fds"), 2) << text;
    EXPECT_GT(value("process_max_fds"), value("process_open_fds")) << text;
    auto const now = static_cast<double>(std::time(nullptr));
    EXPECT_NEAR(value("process_start_time_seconds"), now, 3600) << text;
}

TEST(Metrics, ValuesFromOutsideCannotSpoilThePage) {
    Registry registry;
    std::string const bad =
        "quote\" back\\ line\n \xff\xc0\x80\xed\xa0\x80 gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6 \xe2\x82";
    Metrics(registry).counter("a_total", "A.", {{"agent", bad}}).add();
    std::string const mark = "\xef\xbf\xbd";
    std::string const six = mark + mark + mark + mark + mark + mark;
    EXPECT_EQ(Metrics(registry).text(),
              "# HELP a_total A.\n# TYPE a_total counter\na_total{agent=\"quote\\\" back\\\\ line\\n " + six +
                  " gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6 " + mark + mark + "\"} 1\n");
}

TEST(Metrics, WithoutARegistryNothingIsCounted) {
    Metrics const metrics;
    Counter const counter = metrics.counter("a_total", "A.");
    counter.add();
    metrics.gauge("b", "B.").set(1);
    metrics.histogram("c", "C.").record(1);
    EXPECT_EQ(counter.value(), 0);
    EXPECT_EQ(metrics.text(), "");
}

TEST(Metrics, ThreadsCountTogether) {
    Registry registry;
    Counter const counter = Metrics(registry).counter("a_total", "A.");
    {
        std::vector<std::jthread> threads;
        for (int index = 0; index < 4; ++index) {
            threads.emplace_back([counter, &registry] {
                for (int count = 0; count < 1000; ++count) counter.add();
                EXPECT_NE(Metrics(registry).text(), "");
            });
        }
    }
    EXPECT_EQ(counter.value(), 4000);
}

}   // namespace
}   // namespace aviary::observe
