#include "kube/control/events.h"

#include <fmt/format.h>

#include "core/base/strings.h"
#include "kube/meta/object.h"

namespace aviary::control {

namespace {

constexpr std::size_t kMaxQueued = 1000;
constexpr std::size_t kMaxRemembered = 4096;
constexpr Duration kQuiet = std::chrono::seconds(10);   // the same event at most so often

meta::GroupVersionResource const kEvents{"", "v1", "events"};

std::string identity(client::Client const& client, EventNote const& note) {
    return fmt::format("{}/{}/{}/{}", client.name(), note.regarding["uid"].as_string(), note.reason, note.message);
}

}   // namespace

EventNote event_about(json::Doc const& object, std::string type, std::string reason, std::string message) {
    json::Value regarding{json::Object{{"apiVersion", object["apiVersion"].string()},
                                       {"kind", object["kind"].string()},
                                       {"name", meta::name(object)},
                                       {"uid", meta::uid(object)}}};
    if (std::string ns = meta::ns(object); !ns.empty()) regarding["namespace"] = std::move(ns);
    return {std::move(regarding), std::move(type), std::move(reason), std::move(message)};
}

void EventRecorder::start(async::Scope& scope) { scope.spawn(run(scope.context())); }

void EventRecorder::record(Context ctx, client::Client client, std::vector<EventNote> notes) {
    for (EventNote& note : notes) {
        if (queue_.size() >= kMaxQueued) {
            ctx.log().warning("event dropped: the queue is full", {{"reason", note.reason}});
            continue;
        }
        queue_.push_back({client, std::move(note)});
    }
    ready_.notify();
}

Task<void> EventRecorder::run(Context ctx) {
    while (ctx.check()) {
        if (queue_.empty()) {
            (void)co_await ready_.wait(ctx);
            continue;
        }
        Item item = std::move(queue_.front());
        queue_.pop_front();
        co_await write(ctx, std::move(item));
    }
}

Task<void> EventRecorder::write(Context ctx, Item item) {
    if (seen_.size() > kMaxRemembered) seen_.clear();
    std::string const id = identity(item.client, item.note);
    Seen& seen = seen_[id];
    Time const now = ctx.now();
    ++seen.count;
    if (seen.count > 1 && now - seen.last < kQuiet) co_return;
    seen.last = now;
    json::Value const& regarding = item.note.regarding;
    std::string ns = regarding["namespace"].string();
    if (ns.empty()) ns = "default";
    if (seen.count > 1) {
        std::string const name = seen.name;
        json::Value patch{json::Object{{"count", seen.count}, {"lastTimestamp", format_rfc3339(now)}}};
        Result<json::Doc> const patched =
            co_await item.client.patch(ctx, kEvents, {ns, name}, client::PatchType::kMerge, std::move(patch));
        if (patched || !patched.error().is(ErrorCode::kNotFound)) co_return;
    }
    std::string const name = fmt::format("{}.{:016x}", regarding["name"].as_string(),
                                         fnv1a_64(id) ^ static_cast<std::uint64_t>(now.time_since_epoch().count()));
    seen_[id].name = name;
    json::Value event{json::Object{{"apiVersion", "v1"}, {"kind", "Event"}}};
    event.set({"metadata", "name"}, name);
    event.set({"metadata", "namespace"}, ns);
    event["involvedObject"] = regarding;
    event["type"] = item.note.type;
    event["reason"] = item.note.reason;
    event["message"] = item.note.message;
    event["source"] = json::Object{{"component", item.client.name()}};
    event["reportingComponent"] = item.client.name();
    event["reportingInstance"] = item.client.name();
    event["firstTimestamp"] = format_rfc3339(now);
    event["lastTimestamp"] = format_rfc3339(now);
    event["count"] = seen.count;
    Result<json::Doc> const created = co_await item.client.create(ctx, kEvents, std::move(event));
    if (!created && !created.error().is(ErrorCode::kCancelled)) {
        ctx.log().debug("event not recorded", {{"reason", item.note.reason}, {"error", created.error().message()}});
    }
}

}   // namespace aviary::control
