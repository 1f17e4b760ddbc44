#include "app/hub/internal/leading_pod.h"

#include <utility>

#include "core/async/event.h"
#include "kube/meta/object.h"

namespace aviary::hub {

namespace {

using json::Value;

constexpr Duration kAgain = std::chrono::seconds(1);
meta::GroupVersionResource const kPods{"", "v1", "pods"};

Task<Status> label(Context ctx, client::Client client, meta::ObjectKey pod, Value value) {
    Value patch{json::Object()};
    patch.set({"metadata", "labels", kLeadingLabel}, std::move(value));
    auto const patched = co_await client.patch(ctx, kPods, pod, client::PatchType::kMerge, std::move(patch));
    if (!patched) co_return std::unexpected(patched.error());
    co_return Status{};
}

Task<Status> mark(Context ctx, client::Client client, meta::ObjectKey pod) {
    client::ListOptions marked;
    marked.ns = pod.ns;
    marked.label_selector = std::string(kLeadingLabel) + "=true";
    CO_TRY_ASSIGN(json::Doc const before, co_await client.list(ctx, kPods, marked));
    for (auto const& [index, each] : before["items"].elements()) {
        if (meta::key_of(each) == pod) continue;
        Status const taken = co_await label(ctx, client, meta::key_of(each), Value());
        if (!taken && !taken.error().is(ErrorCode::kNotFound)) co_return taken;
    }
    Status const given = co_await label(ctx, client, pod, "true");
    co_return given;
}

}   // namespace

Task<void> mark_leading_pod(Context ctx, client::Client client, meta::ObjectKey pod) {
    while (ctx.check()) {
        Status const marked = co_await mark(ctx, client, pod);
        if (marked || !ctx.check()) co_return;
        ctx.log().warning("the pod that leads is not marked",
                          {{"pod", pod.to_string()}, {"error", marked.error().message()}});
        (void)co_await async::sleep_for(ctx, kAgain);
    }
}

}   // namespace aviary::hub
