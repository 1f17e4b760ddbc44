// For tests of on-delete: what they begin with and wait for.
#pragma once

#include "app/hub/internal/test_fleet.h"

namespace aviary::hub {

inline constexpr char kRollback[] = R"({"metadata":{"annotations":{"fleet.aviary.dev/on-delete":"Rollback"}}})";
inline constexpr char kHold[] = R"({"metadata":{"annotations":{"fleet.aviary.dev/on-delete":"Hold"}}})";
inline constexpr char kRelease[] = R"({"metadata":{"annotations":{"fleet.aviary.dev/on-delete":"Release"}}})";
inline constexpr char kNoWord[] = R"({"metadata":{"annotations":{"fleet.aviary.dev/on-delete":null}}})";

// v2 in its first step in each cluster; the Rollout annotated Rollback.
inline Task<Status> release_with_rollback(Fleet& fleet, std::vector<std::string> clusters) {
    CO_TRY(co_await fleet.set_up(std::move(clusters)));
    CO_TRY(co_await fleet.patch("fleet", apis::kRollouts, kRollback));
    CO_TRY(co_await fleet.release("v2"));
    co_return co_await fleet.until_all("state", "Progressing/1/StepPaused");
}

// The Rollout is deleted while v2 is in its first step everywhere, and one of the clusters is away.
inline Task<Status> delete_without(Fleet& fleet, std::vector<std::string> clusters, std::string away) {
    CO_TRY(co_await release_with_rollback(fleet, std::move(clusters)));
    fleet.ways.cut = {std::move(away)};
    CO_TRY(co_await async::sleep_for(fleet.scope.context(), 20s));
    co_return co_await fleet.at("fleet").remove(fleet.scope.context(), apis::kRollouts, kWeb);
}

// The new version has no pod that its first step does not give it, anywhere.
inline Task<Status> held_back(Fleet& fleet) {
    for (std::string const& member : fleet.members) {
        Images const counts = co_await fleet.images(member);
        auto const found = counts.find("v2");
        if (found != counts.end() && found->second > 1)
            co_return fail(ErrorCode::kInternal, fmt::format("{} pods of v2 in {}", found->second, member));
    }
    co_return Status{};
}

// Until `cluster` has no such Rollout ("gone"), or one that is "disabled"; nothing goes through meanwhile.
inline Task<Status> until_rollout(Fleet& fleet, std::string cluster, std::string wanted) {
    std::string seen;
    for (int count = 0; count < 6000; ++count) {
        Doc const rollout = co_await fleet.get(cluster, apis::kRollouts);
        seen = !rollout.exists() ? "gone" : rollout.at({"spec", "disabled"}).as_bool() ? "disabled" : "there";
        CO_TRY(co_await held_back(fleet));
        if (seen == wanted) co_return Status{};
        CO_TRY(co_await async::sleep_for(fleet.scope.context(), 20ms));
    }
    co_return fail(ErrorCode::kTimeout, fmt::format("the Rollout in {} is {}, not {}", cluster, seen, wanted));
}

// All run v1 alone, and still do after a while; nothing goes through meanwhile.
inline Task<Status> until_back(Fleet& fleet) {
    CO_TRY(co_await fleet.until_all("v1", "10"));
    for (int count = 0; count < 600; ++count) {
        CO_TRY(co_await held_back(fleet));
        CO_TRY(co_await async::sleep_for(fleet.scope.context(), 50ms));
    }
    for (std::string const& cluster : fleet.members) {
        Images const counts = co_await fleet.images(cluster);
        if (counts != Images{{"v1", 10}}) co_return fail(ErrorCode::kInternal, cluster + " runs something else");
    }
    co_return Status{};
}

inline Task<std::string> message_of(Fleet& fleet) {
    Doc const rollout = co_await fleet.get("fleet", apis::kRollouts);
    co_return rollout.at({"status", "message"}).string();
}

}   // namespace aviary::hub
