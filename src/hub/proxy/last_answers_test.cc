#include "hub/proxy/internal/last_answers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace aviary::proxy {
namespace {

json::Doc answer(int number) {
    return json::Doc::freeze(json::Object{{"text", std::string(900, 'x')}, {"number", number}});
}

TEST(LastAnswers, WhatWasNotAskedForTheLongestTimeGoesFirst) {
    LastAnswers last(20'000);
    last.put("plain", answer(0));
    for (int count = 1; count <= 5'000; ++count) {
        last.put(fmt::format("other {}", count), answer(count));
        EXPECT_EQ(last.get("plain")["number"].as_int(-1), 0);
        EXPECT_LE(last.bytes(), 20'000u);
    }
    EXPECT_FALSE(last.get("other 1").exists());
    EXPECT_EQ(last.get("other 5000")["number"].as_int(), 5000);
    last.put("plain", answer(7));
    EXPECT_EQ(last.get("plain")["number"].as_int(), 7);
}

TEST(LastAnswers, NeitherWithoutAQuestionNorWhatIsTooLarge) {
    LastAnswers last(100);
    last.put("", answer(1));
    last.put("large", answer(1));
    EXPECT_FALSE(last.get("").exists());
    EXPECT_FALSE(last.get("large").exists());
    EXPECT_EQ(last.bytes(), 0u);
}

}   // namespace
}   // namespace aviary::proxy
