#include "app/amc/amc.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace aviary::amc {
namespace {

// What a command line that never gets as far as a hub says: "EXIT STDERR".
std::string said(std::vector<std::string> words) {
    words.insert(words.begin(), "kubectl-amc");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int const code = run(static_cast<int>(arguments.size()), arguments.data(), "1.2.3");
    std::string const out = testing::internal::GetCapturedStdout();
    return std::to_string(code) + " " + out + testing::internal::GetCapturedStderr();
}

TEST(Run, AStepCountsFromOne) {
    for (char const* step : {"0", "-1", "two", ""}) {
        std::string const text = said({"rollout", "approve", "web", "-M", std::string("--step=") + step});
        EXPECT_TRUE(text.starts_with(std::string("1 error: --step: ") + step + " is no step: they count from 1\n"))
            << text;
    }
}

}   // namespace
}   // namespace aviary::amc
