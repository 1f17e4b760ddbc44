#include "app/process/presence.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

namespace aviary::process {
namespace {

TEST(Presence, KnowsWhoHasEnded) {
    Random random(1);
    Presence const one = *Presence::create("hub-0", random);
    std::optional<Presence> two = *Presence::create("hub-0", random);
    std::string const name = two->identity();
    EXPECT_NE(one.identity(), name);
    EXPECT_FALSE(one.has_ended(name));
    EXPECT_FALSE(one.has_ended(name + "_5f0c"));
    EXPECT_FALSE(one.has_ended(one.identity()));
    two.reset();
    EXPECT_TRUE(one.has_ended(name));
    EXPECT_TRUE(one.has_ended(name + "_5f0c"));
}

TEST(Presence, SaysNothingOfOthers) {
    Random random(1);
    Presence const one = *Presence::create("hub_0", random);
    std::string const gone = Presence::create("hub_0", random)->identity();
    EXPECT_TRUE(one.has_ended(gone));
    // Another pod, another boot, another namespace; and what is no such identity.
    std::string const elsewhere = Presence::create("hub_1", random)->identity();
    EXPECT_FALSE(one.has_ended(elsewhere));
    std::string other = gone;
    other[6] = other[6] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(one.has_ended(other));
    for (std::string_view const each : {"", "hub_0", "hub_0_1b2c", "hub_0.", "hub_0.x.y"})
        EXPECT_FALSE(one.has_ended(each));
    EXPECT_FALSE(one.has_ended(gone + "x"));
    EXPECT_FALSE(one.has_ended(gone.substr(0, gone.size() - 1)));
}

TEST(Presence, OfAProcessThatIsKilled) {
    Random random(1);
    Presence const one = *Presence::create("hub", random);
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    pid_t const child = ::fork();
    if (child == 0) {
        Random other(2);
        auto const theirs = Presence::create("hub", other);
        if (!theirs || ::write(ready[1], "1", 1) != 1) ::_exit(1);
        ::pause();
        ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    // The same numbers give the same token.
    Random other(2);
    std::string const theirs = one.identity().substr(0, one.identity().size() - 16) + other.suffix(16);
    EXPECT_FALSE(one.has_ended(theirs));
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_TRUE(one.has_ended(theirs));
}

}   // namespace
}   // namespace aviary::process
