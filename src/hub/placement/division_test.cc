#include "hub/placement/division.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace aviary::placement {
namespace {

std::vector<Share> of(std::vector<std::int64_t> values) {
    std::vector<Share> shares;
    for (std::size_t index = 0; index < values.size(); ++index)
        shares.push_back({std::string(1, static_cast<char>('a' + index)), values[index]});
    return shares;
}

// The vectors of Karmada's own tests for static weights.
TEST(Division, AgreesWithUpstream) {
    EXPECT_EQ(divide(13, of({3, 2, 1}), ""), of({7, 4, 2}));
    EXPECT_EQ(divide(14, of({3, 2, 1}), ""), of({7, 5, 2}));
    EXPECT_EQ(divide(9, of({1, 3}), ""), of({2, 7}));
    EXPECT_EQ(divide(5, of({1, 1, 1}), "uid-2"), of({2, 2, 1}));
    EXPECT_EQ(divide(5, of({1, 1, 1}), "uid-1"), of({1, 2, 2}));
    EXPECT_EQ(divide(1, of({1, 1, 1}), "uid-1"), of({0, 0, 1}));
    EXPECT_EQ(divide(10, of({1, 1, 0}), ""), of({5, 5, 0}));
}

// Seat by seat, as the method is defined.
std::vector<Share> one_by_one(std::int64_t replicas, std::vector<std::int64_t> const& weights, std::string_view uid) {
    std::vector<Share> result = of(std::vector<std::int64_t>(weights.size(), 0));
    for (std::int64_t seat = 1; seat <= replicas; ++seat) {
        std::vector<Share> const next = divide(seat, of(weights), uid);
        int more = 0;
        for (std::size_t index = 0; index < result.size(); ++index) {
            if (next[index].value == result[index].value) continue;
            ++more;
            ++result[index].value;
        }
        EXPECT_LE(more, 1);
    }
    return result;
}

TEST(Division, ManyReplicasAreDividedAtOnce) {
    constexpr std::int64_t kMany = 9'000'000'000'000'000'000;
    EXPECT_EQ(divide(kMany, of({3, 2, 1}), ""), of({kMany / 2, kMany / 3, kMany / 6}));
    EXPECT_EQ(divide(2'147'483'647, of({1, 1}), ""), of({1'073'741'824, 1'073'741'823}));
    std::vector<std::int64_t> const weights{19, 1, 7, 7, 3, 1000};
    EXPECT_EQ(divide(2'500, of(weights), "uid-1"), one_by_one(2'500, weights, "uid-1"));
}

RC_GTEST_PROP(Division, GivesAllAndIsHouseMonotone, ()) {
    auto const weights = *rc::gen::container<std::vector<std::int64_t>>(5, rc::gen::inRange<std::int64_t>(0, 20));
    auto const replicas = *rc::gen::inRange<std::int64_t>(0, 200);
    auto const uid = *rc::gen::element<std::string>("", "uid-1", "uid-2");
    auto const before = divide(replicas, of(weights), uid);
    auto const after = divide(replicas + 1, of(weights), uid);
    std::int64_t total = 0;
    std::int64_t any = 0;
    int changed = 0;
    for (std::size_t index = 0; index < before.size(); ++index) {
        total += before[index].value;
        any += weights[index];
        RC_ASSERT(after[index].value >= before[index].value);
        changed += after[index].value != before[index].value ? 1 : 0;
    }
    RC_ASSERT(total == (any > 0 ? replicas : 0));
    RC_ASSERT(changed == (any > 0 ? 1 : 0));
}

}   // namespace
}   // namespace aviary::placement
