#include "core/program/run.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace aviary::program {
namespace {

using namespace std::chrono_literals;

Result<Finished> run_shell(std::string const& script, Command command = {}, Duration most = 30s) {
    async::AsioExecutor executor;
    command.program = "sh";
    command.arguments = {"-c", script};
    return executor.run(run(Context(executor).with_timeout(most), executor, std::move(command)));
}

TEST(Run, TakesWhatItPrintsAndHowItEnds) {
    auto const done = run_shell("printf one; printf two; exit 3");
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ("onetwo", done->output);
    EXPECT_EQ(3, done->exit_code);
    EXPECT_EQ(128 + SIGTERM, run_shell("kill -TERM $$")->exit_code);
    // More than a pipe holds.
    EXPECT_EQ(300'000u, run_shell("head -c 300000 /dev/zero")->output.size());
}

TEST(Run, ItHasOurEnvironmentAndItsOwn) {
    ::setenv("ABOUT_RUN", "ours", 1);
    ::setenv("AND_RUN", "ours", 1);
    EXPECT_EQ("ours own", run_shell("printf '%s %s' \"$AND_RUN\" \"$ABOUT_RUN\"",
                                    {.program = {}, .arguments = {}, .environment = {{"ABOUT_RUN", "own"}}})
                              ->output);
}

TEST(Run, ItsInputIsEmptyAndNoFileOfOursIsItsOwn) {
    EXPECT_EQ("", run_shell("cat")->output);
    async::AsioExecutor executor;   // has files
    EXPECT_EQ("0 1 2 3 ", run_shell("for each in /proc/self/fd/*; do printf '%s ' \"${each##*/}\"; done")->output)
        << "3 is the folder that is being read";
}

TEST(Run, WhoPrintsTooMuchIsKilled) {
    auto const done = run_shell("cat /dev/zero",
                                {.program = {}, .arguments = {}, .environment = {}, .asks = false, .max_output = 1000});
    ASSERT_FALSE(done);
    EXPECT_TRUE(done.error().is(ErrorCode::kTooLarge));
    EXPECT_EQ("sh prints more than 1000 bytes", done.error().message());
}

TEST(Run, WhoTakesTooLongIsKilledWithWhatItHasStarted) {
    auto const done = run_shell("sleep 1000 & sleep 1000", {}, 100ms);
    ASSERT_FALSE(done);
    EXPECT_TRUE(done.error().is(ErrorCode::kTimeout)) << done.error().message();
}

// It keeps the pipe open.
TEST(Run, WhatIsLeftRunningIsNotWaitedFor) {
    auto const done = run_shell("sleep 5 & printf done");
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ("done", done->output);
}

TEST(Run, SaysThatThereIsNoSuchProgram) {
    async::AsioExecutor executor;
    for (std::string const name : {"aviary-no-such-program", "/nowhere/program"}) {
        auto const done = executor.run(run(Context(executor), executor, {.program = name}));
        ASSERT_FALSE(done);
        EXPECT_TRUE(done.error().is(ErrorCode::kNotFound));
        EXPECT_EQ(name + ": No such file or directory", done.error().message());
    }
}

}   // namespace
}   // namespace aviary::program
