#include <gtest/gtest.h>

#include "hub/propagation/internal/fake_member.h"

namespace aviary::propagation {
namespace {

using json::Value;

// A hub without a Rollout, and the member as it wants it.
FakeHub at_rest() {
    FakeHub hub(false);
    hub.run();
    return hub;
}

std::string generation(FakeHub const& hub) { return meta::label(hub.member.live(), kGenerationLabel); }

void label(FakeHub& hub, std::string const& key, std::string const& value) {
    hub.member.edit("aviary-hub", R"({"metadata":{"labels":{"fleet.aviary.dev/)" + key + R"(":")" + value + R"("}}})");
}

TEST(Generation, IsReadFromItsLabel) {
    auto const read = [](std::string const& text) {
        Value object{json::Object()};
        object.set({"metadata", "labels", kGenerationLabel}, text);
        return generation_of(json::Doc::freeze(object));
    };
    EXPECT_EQ(read("2.17"), (Generation{2, 17}));
    for (char const* malformed : {"", "17", "2.", ".17", "a.b", "1.2.3", "9223372036854775807.1"})
        EXPECT_EQ(read(malformed), (Generation{0, 0})) << malformed;
    EXPECT_LT((Generation{1, 99}), (Generation{2, 1}));
}

TEST(Behind, StatusThatTheHubWroteSinceDoesNotMakeItNewer) {
    FakeHub hub = at_rest();
    label(hub, "generation", "1.999");
    label(hub, "render", "later");
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "BehindMembers/BehindMembers");
    hub.source.set({"metadata", "resourceVersion"}, "1000");
    hub.change = [](Observed& seen) { seen.was_behind = true; };
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "BehindMembers/BehindMembers");
    hub.change = {};
    EXPECT_NE(hub.run(), "") << "and without that it would write";
}

TEST(Behind, AVersionOfTheBindingCounts) {
    FakeHub hub = at_rest();
    label(hub, "generation", "1.999");
    label(hub, "render", "pinned");
    hub.change = [](Observed& seen) { seen.content_version = 998; };
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "BehindMembers/BehindMembers");
    hub.change = [](Observed& seen) { seen.content_version = 1001; };
    EXPECT_EQ(hub.run(), "changed on the hub");
    EXPECT_EQ(generation(hub), "1.1001");
}

TEST(Behind, ARecoveredHubSaysSoOnceAndChangesNothingElse) {
    FakeHub hub = at_rest();
    label(hub, "generation", "1.999");
    Value const before = hub.member.object;
    hub.change = [](Observed& seen) { seen.epoch = 2; };
    EXPECT_EQ(hub.run(), "the hub was recovered");
    EXPECT_TRUE(generation(hub).starts_with("2."));
    EXPECT_TRUE(hub.member.object["spec"] == before["spec"]);
    EXPECT_EQ(hub.run(), "");
    hub.change = {};
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "BehindMembers/BehindMembers") << "the one before, back again";
}

TEST(Behind, TakesNothingAway) {
    FakeHub hub = at_rest();
    label(hub, "generation", "1.999");
    hub.change = [](Observed& seen) { seen.placed = false; };
    EXPECT_EQ(hub.run(), "");
    EXPECT_EQ(hub.state(), "BehindMembers/BehindMembers");
    hub.change = [](Observed& seen) {
        seen.placed = false;
        seen.content_version = 1001;
    };
    EXPECT_EQ(hub.run(), "no longer placed here");
}

}   // namespace
}   // namespace aviary::propagation
