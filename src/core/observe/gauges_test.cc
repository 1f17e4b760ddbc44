#include "core/observe/gauges.h"

#include <gtest/gtest.h>

namespace aviary::observe {
namespace {

TEST(Gauges, TextInTheOrderOfNamesAndLabels) {
    std::vector<Gauges> const all{{"wait_seconds", "How long.", {{{{"of", "b"}}, 90.5}, {{{"of", "a\xff"}}, 1}}},
                                  {"nothing", "None.", {}},
                                  {"step", "Which.", {{{}, 3}}}};
    EXPECT_EQ(text_of(all),
              "# HELP step Which.\n# TYPE step gauge\nstep 3\n"
              "# HELP wait_seconds How long.\n# TYPE wait_seconds gauge\n"
              "wait_seconds{of=\"a\xef\xbf\xbd\"} 1\nwait_seconds{of=\"b\"} 90.5\n");
    EXPECT_EQ(text_of({}), "");
}

}   // namespace
}   // namespace aviary::observe
