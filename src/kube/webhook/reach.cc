#include "kube/webhook/reach.h"

#include <fmt/format.h>

#include <utility>

#include "core/async/event.h"
#include "core/observe/log.h"

namespace aviary::webhook {

namespace {

constexpr Duration kEvery = std::chrono::seconds(10);
constexpr Duration kAgain = std::chrono::seconds(1);   // while it does not
constexpr Duration kAtMost = std::chrono::seconds(10);

// A refusal is an answer: only what API servers say of a webhook that gave none counts, and their own silence.
bool answered(Error const& error) {
    if (error.message().contains("denied the request")) return true;
    return !client::no_answer(error) && !error.message().contains("failed calling webhook");
}

}   // namespace

Reach::Reach(client::Client client, meta::GroupVersionResource resource, json::Value object)
    : client_(std::move(client)), resource_(std::move(resource)), object_(std::move(object)) {}

Task<void> Reach::run(Context ctx) {
    client::WriteOptions dry;
    dry.dry_run = true;
    while (ctx.check()) {
        auto const tried = co_await client_.create(ctx.with_timeout(kAtMost), resource_, object_, dry);
        bool const reached = tried || answered(tried.error());
        std::string missing =
            reached ? "" : fmt::format("the API server does not reach the webhooks: {}", tried.error().message());
        if (!missing.empty() && missing != missing_ && ctx.check())
            ctx.log().warning("the API server does not reach the webhooks", {{"error", tried.error().message()}});
        missing_ = std::move(missing);
        if (!co_await async::sleep_for(ctx, reached ? kEvery : kAgain)) co_return;
    }
}

}   // namespace aviary::webhook
