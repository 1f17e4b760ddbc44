#include "app/amc/patience.h"

#include <gtest/gtest.h>

namespace aviary::amc {
namespace {

using namespace std::chrono_literals;

TEST(Patience, IsForWhatMayPassAndAWhileForWhatASettlingServerSays) {
    Error const away(ErrorCode::kUnavailable, "no route"), late(ErrorCode::kTimeout, "deadline exceeded"),
        store(ErrorCode::kInternal, "no leader"), forbidden(ErrorCode::kForbidden, "forbidden"),
        absent(ErrorCode::kNotFound, "not found"), refused(ErrorCode::kInvalid, "bad selector");
    MonotonicTime const start{};
    Patience patience;
    EXPECT_FALSE(patience.lasts(away, start)) << "nobody has answered yet";
    patience.answered();
    EXPECT_FALSE(patience.lasts(forbidden, start)) << "it was taken away";
    EXPECT_TRUE(patience.lasts(away, start));
    EXPECT_TRUE(patience.lasts(late, start));
    EXPECT_TRUE(patience.lasts(store, start + 1h));
    EXPECT_TRUE(patience.lasts(forbidden, start + 1h + 19s));
    EXPECT_TRUE(patience.lasts(absent, start + 1h + 19s));
    EXPECT_FALSE(patience.lasts(forbidden, start + 1h + 20s));
    EXPECT_FALSE(patience.lasts(refused, start + 1h));
    patience.answered();
    EXPECT_TRUE(patience.lasts(forbidden, start + 1h + 19s)) << "of several servers one may have settled before others";
    EXPECT_FALSE(patience.lasts(forbidden, start + 1h + 20s));
}

TEST(Patience, AnOutageIsToldOnce) {
    Patience patience;
    patience.answered();
    EXPECT_TRUE(patience.tells());
    EXPECT_FALSE(patience.tells());
    patience.answered();
    EXPECT_TRUE(patience.tells());
}

}   // namespace
}   // namespace aviary::amc
