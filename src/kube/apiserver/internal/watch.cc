#include "kube/apiserver/internal/watch.h"

#include <algorithm>

#include "kube/apiserver/builtin/convert.h"
#include "kube/meta/object.h"
#include "kube/meta/status.h"

namespace aviary::apiserver {

namespace {

using json::Doc;
using json::Value;

constexpr std::size_t kAtOnce = 128;           // events looked at before others have their turn
constexpr std::size_t kTextBytes = 64 << 10;   // one piece of a stream is about this long at most

}   // namespace

ApiWatch::ApiWatch(Shared& shared, void const* cluster, Info info, std::unique_ptr<store::Watch> watch,
                   Settings settings, MonotonicTime now)
    : shared_(shared.shared_from_this()),
      cluster_(cluster),
      info_(std::move(info)),
      watch_(std::move(watch)),
      settings_(std::move(settings)),
      next_bookmark_(now + shared.options.bookmark_interval) {
    settings_.table.api_version = settings_.shape.api_version;
    shared_->add_watch(1);
}

ApiWatch::~ApiWatch() { shared_->add_watch(-1); }

ApiWatch::Item ApiWatch::shown(std::string_view type, Doc const& object, store::Revision revision, Context const& ctx) {
    Doc versioned = object;
    if (!is_in_version(*info_, object)) {
        Value value = object.thaw();
        builtin::to_version(value, info_->resource.api_version());
        versioned = Doc::freeze(value);
    }
    if (settings_.shape.form == Form::kTable) {
        Item item{type,
                  Doc::freeze(builtin::make_table(*info_, std::span(&versioned, 1), {}, settings_.table, ctx.now())),
                  {}};
        settings_.table.headers = false;
        return item;
    }
    if (settings_.shape.form == Form::kPartial)
        return {type, Doc::freeze(builtin::partial_object_metadata(versioned, settings_.shape.api_version)), {}};
    return {type, versioned, {cluster_, revision, info_.get(), type.front()}};
}

ApiWatch::Item ApiWatch::bookmark(bool initial_end) const {
    Value object{json::Object{{"kind", info_->kind}, {"apiVersion", info_->resource.api_version()}}};
    object.set({"metadata", "resourceVersion"}, std::to_string(watch_->seen()));
    object.set({"metadata", "creationTimestamp"}, nullptr);
    if (initial_end) object.set({"metadata", "annotations"}, json::Object{{"k8s.io/initial-events-end", "true"}});
    if (settings_.shape.form == Form::kPartial) {
        object["kind"] = "PartialObjectMetadata";
        object["apiVersion"] = settings_.shape.api_version;
    }
    if (settings_.shape.form == Form::kTable) {
        Value table{json::Object{{"kind", "Table"}, {"apiVersion", settings_.shape.api_version}}};
        table["metadata"] = object["metadata"];
        table["columnDefinitions"] = nullptr;
        table["rows"] = json::Array{json::Object{{"cells", json::Array()}, {"object", object}}};
        object = std::move(table);
    }
    return {"BOOKMARK", Doc::freeze(object), {}};
}

std::optional<ApiWatch::Item> ApiWatch::item_of(store::Event const& change, Context const& ctx) {
    bool const before = change.previous.exists() && settings_.filter.matches(change.previous);
    bool const deleted = change.type == store::EventType::kDeleted;
    bool const after = !deleted && settings_.filter.matches(change.object);
    if (!before && !after) return std::nullopt;
    if (after) return shown(before ? "MODIFIED" : "ADDED", change.object, change.revision, ctx);
    if (deleted) return shown("DELETED", change.object, change.revision, ctx);
    // It left the selection: shown as it was in it, at the revision of the change.
    Value last = change.previous.thaw();
    last.set({"metadata", "resourceVersion"}, std::to_string(change.revision));
    return shown("DELETED", Doc::freeze(last), change.revision, ctx);
}

ApiWatch::Item ApiWatch::last(Error const& error) {
    ended_ = true;
    return {"ERROR", Doc::freeze(meta::to_status(error)), {}};
}

Task<Result<std::optional<ApiWatch::Item>>> ApiWatch::converted_item(Context ctx, store::Event change) {
    for (Doc* each : {&change.previous, &change.object}) {
        if (!each->exists()) continue;
        auto converted = co_await settings_.conversion->convert_one(ctx, info_, *each);
        // As upstream: who watches is told, and has to begin anew.
        if (!converted && ctx.check()) co_return std::optional(last(converted.error()));
        if (!converted) co_return std::unexpected(converted.error());
        *each = std::move(*converted);
    }
    co_return item_of(change, ctx);
}

std::optional<ApiWatch::Item> ApiWatch::ready_item(Context const& ctx) {
    if (initial_ < settings_.initial.size())
        return shown("ADDED", std::exchange(settings_.initial[initial_++], Doc()), 0, ctx);
    if (std::exchange(settings_.announce_initial_end, false)) return bookmark(true);
    if (settings_.conversion) return std::nullopt;
    for (std::size_t tried = 0; !ended_ && tried < kAtOnce; ++tried) {
        auto const received = watch_->poll();
        if (!received || *received == nullptr) return std::nullopt;   // an error shows again when it is waited for
        if (auto item = item_of(**received, ctx)) return item;
    }
    return std::nullopt;
}

Task<Result<std::optional<ApiWatch::Item>>> ApiWatch::next_item(Context ctx) {
    while (true) {
        if (auto item = ready_item(ctx)) co_return std::move(item);
        if (ended_ || (settings_.ends && *settings_.ends <= ctx.monotonic())) co_return std::optional<Item>();
        MonotonicTime until = next_bookmark_;
        if (settings_.ends) until = std::min(until, *settings_.ends);
        auto received = co_await watch_->next(ctx.with_deadline(until));
        if (received && settings_.conversion) {
            CO_TRY_ASSIGN(std::optional<Item> item, co_await converted_item(ctx, **received));
            if (item) co_return std::move(item);
            continue;
        }
        if (received) {
            if (auto item = item_of(**received, ctx)) co_return std::move(item);
            CO_TRY(co_await async::yield(ctx));   // a selector may match nothing of a long log: let others in between
            continue;
        }
        if (received.error().is(ErrorCode::kTimeout) && until <= ctx.monotonic()) {
            if (next_bookmark_ > ctx.monotonic()) continue;
            next_bookmark_ = ctx.monotonic() + shared_->options.bookmark_interval;
            // Told by revision: nothing older is still to come.
            if (settings_.bookmarks && !watch_->has_pending()) co_return std::optional(bookmark(false));
            continue;
        }
        if (received.error().is(ErrorCode::kGone)) co_return std::optional(last(received.error()));
        co_return std::unexpected(received.error());
    }
}

Task<Result<std::optional<Doc>>> ApiWatch::next(Context ctx) {
    CO_TRY_ASSIGN(std::optional<Item> item, co_await next_item(ctx));
    if (!item) co_return std::optional<Doc>();
    co_return std::optional(shared_->events.document(item->key, item->type, item->object));
}

Task<Result<std::optional<std::string>>> ApiWatch::next_text(Context ctx) {
    CO_TRY_ASSIGN(std::optional<Item> item, co_await next_item(ctx));
    if (!item) co_return std::optional<std::string>();
    std::string text = *shared_->events.line(item->key, item->type, item->object);
    while (text.size() < kTextBytes) {
        item = ready_item(ctx);
        if (!item) break;
        text += *shared_->events.line(item->key, item->type, item->object);
    }
    co_return std::optional(std::move(text));
}

Task<Result<std::optional<Doc>>> EndedWatch::next(Context) {
    if (!error_) co_return std::optional<Doc>();
    Doc const status = Doc::freeze(meta::to_status(*error_));
    error_.reset();
    co_return std::optional(Doc::freeze(json::Object{{"type", "ERROR"}, {"object", status.thaw()}}));
}

}   // namespace aviary::apiserver
