#include "kube/client/internal/lines.h"

#include <gtest/gtest.h>

#include <vector>

namespace aviary::client {
namespace {

std::vector<std::string> cut(std::string_view text, std::size_t piece) {
    Lines lines(100);
    std::vector<std::string> result;
    for (std::size_t begin = 0; begin < text.size(); begin += piece) {
        EXPECT_TRUE(lines.add(text.substr(begin, piece)));
        while (auto const line = lines.next()) result.emplace_back(*line);
    }
    return result;
}

TEST(Lines, HoweverTheTextIsCut) {
    for (std::size_t piece = 1; piece < 12; ++piece) {
        EXPECT_EQ(cut("one\n\ntwo\nthree", piece), (std::vector<std::string>{"one", "", "two"})) << piece;
    }
}

TEST(Lines, ALineThatIsTooLongIsSaid) {
    Lines lines(10);
    EXPECT_TRUE(lines.add("0123456789"));
    EXPECT_FALSE(lines.next());
    EXPECT_FALSE(lines.add("0"));
    Lines many(10);
    EXPECT_TRUE(many.add("0123\n0123\n0123\n"));
    int count = 0;
    while (many.next()) ++count;
    EXPECT_EQ(count, 3);
    EXPECT_TRUE(many.add("0123456789"));
}

}   // namespace
}   // namespace aviary::client
