// get, list and watch.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/convert.h"
#include "kube/apiserver/builtin/table.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/meta/object.h"
#include "kube/meta/selector.h"
#include "kube/meta/status.h"

namespace aviary::apiserver {

namespace {

using client::Response;
using json::Doc;
using json::Value;

// What the Accept header asks an object or list to be shown as.
enum class Form { kPlain, kTable, kPartial };
struct Shape {
    Form form = Form::kPlain;
    std::string api_version = "meta.k8s.io/v1";
};

Shape shape_of(std::string_view accept) {
    Shape shape;
    for (std::string_view part : split(accept, ',')) {
        if (!part.contains("application/json")) continue;
        bool const table = part.contains("as=Table");
        bool const partial = part.contains("as=PartialObjectMetadata");
        if (table) shape.form = Form::kTable;
        if (partial) shape.form = Form::kPartial;
        if (part.contains("v=v1beta1")) shape.api_version = "meta.k8s.io/v1beta1";
        return shape;
    }
    return shape;
}

builtin::TableOptions table_options(client::Request const& request, Shape const& shape) {
    builtin::TableOptions options;
    options.api_version = shape.api_version;
    options.include = builtin::include_object_from(request.query_value("includeObject"));
    return options;
}

struct Filter {
    meta::LabelSelector labels;
    meta::FieldSelector fields;
    bool all = true;

    bool matches(Doc const& object) const { return all || (labels.matches(object) && fields.matches(object)); }
    static Result<Filter> of(client::Request const& request, std::string const& name) {
        Filter filter;
        filter.labels = TRY(meta::LabelSelector::parse(request.query_value("labelSelector")));
        std::string fields(request.query_value("fieldSelector"));
        if (!name.empty()) fields += (fields.empty() ? "metadata.name=" : ",metadata.name=") + name;
        filter.fields = TRY(meta::FieldSelector::parse(fields));
        filter.all = filter.labels.empty() && filter.fields.empty();
        return filter;
    }
};

std::optional<store::Revision> revision_from(std::string_view text) {
    auto const value = parse_int(text);
    return value && *value >= 0 ? std::optional(static_cast<store::Revision>(*value)) : std::nullopt;
}

}  // namespace

Doc Cluster::as_version(ResourceInfo const& info, Doc const& object) const {
    std::string const wanted = info.resource.api_version();
    if (object["apiVersion"].as_string() == wanted) return object;
    Value value = object.thaw();
    builtin::to_version(value, wanted);
    return Doc::freeze(value);
}

Response Cluster::object_response(Call const& call, Doc const& object, int status) const {
    Shape const shape = shape_of(call.request.accept);
    Doc const shown = as_version(*call.resource, object);
    if (shape.form == Form::kTable) {
        return json_response(Doc::freeze(builtin::make_table(*call.resource, std::span(&shown, 1), {}, table_options(call.request, shape), call.ctx.now())), status);
    }
    if (shape.form == Form::kPartial) return json_response(Doc::freeze(builtin::partial_object_metadata(shown, shape.api_version)), status);
    return json_response(shown, status);
}

Result<Response> Cluster::get(Call& call) {
    Doc const object = store_->get(key_of(call));
    if (!object.exists()) return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
    return object_response(call, object);
}

Result<Response> Cluster::list(Call& call) {
    Filter const filter = TRY(Filter::of(call.request, ""));
    ResourceInfo const& info = *call.resource;
    if (auto const wanted = revision_from(call.request.query_value("resourceVersion")); wanted && *wanted > store_->revision()) {
        return std::unexpected(Error(ErrorCode::kTimeout, fmt::format("Too large resource version: {}, current: {}", *wanted, store_->revision())).with_retry_after(std::chrono::seconds(1)));
    }
    store::ListRequest wanted{.group = info.resource.group, .resource = info.resource.resource, .ns = call.info.ns};
    wanted.limit = static_cast<std::size_t>(std::max<std::int64_t>(0, parse_int(call.request.query_value("limit")).value_or(0)));
    wanted.continue_token = call.request.query_value("continue");
    if (!filter.all) wanted.matches = [&filter](Doc const& object) { return filter.matches(object); };
    store::Page page = TRY(store_->list(call.ctx, wanted));
    std::vector<Doc> items;
    for (Doc const& object : page.objects) items.push_back(as_version(info, object));
    Value metadata{json::Object{{"resourceVersion", std::to_string(page.revision)}}};
    if (!page.continue_token.empty()) metadata["continue"] = page.continue_token;
    if (page.remaining && *page.remaining > 0) metadata["remainingItemCount"] = static_cast<std::int64_t>(*page.remaining);

    Shape const shape = shape_of(call.request.accept);
    if (shape.form == Form::kTable) {
        return json_response(Doc::freeze(builtin::make_table(info, items, Doc::freeze(metadata), table_options(call.request, shape), call.ctx.now())));
    }
    json::DocBuilder builder;
    builder.begin_object();
    builder.key("kind");
    builder.string(shape.form == Form::kPartial ? "PartialObjectMetadataList" : info.list_kind);
    builder.key("apiVersion");
    builder.string(shape.form == Form::kPartial ? shape.api_version : info.resource.api_version());
    builder.key("metadata");
    builder.value(metadata);
    builder.key("items");
    builder.begin_array();
    for (Doc const& item : items) {
        if (shape.form == Form::kPartial) {
            builder.value(builtin::partial_object_metadata(item, shape.api_version));
        } else {
            builder.doc(item);
        }
    }
    builder.end();
    builder.end();
    return json_response(builder.finish());
}

// A watch as a client asked for it: selectors, bookmarks, time limit, and the form of its objects.
class ApiWatch final : public client::WatchStream {
public:
    struct Settings {
        Filter filter;
        Shape shape;
        builtin::TableOptions table;
        bool bookmarks = false;
        Duration bookmark_interval;
        std::optional<MonotonicTime> ends;
        std::vector<Doc> initial;          // objects to begin with, as ADDED
        bool announce_initial_end = false; // k8s.io/initial-events-end
    };

    ApiWatch(Cluster& cluster, Info info, std::unique_ptr<store::Watch> watch, Settings settings, MonotonicTime now)
        : cluster_(cluster), info_(std::move(info)), watch_(std::move(watch)), settings_(std::move(settings)), next_bookmark_(now + settings_.bookmark_interval) {}

    Task<Result<std::optional<Doc>>> next(Context ctx) override {
        if (ended_) co_return std::optional<Doc>();
        if (initial_ < settings_.initial.size()) {
            Doc const object = std::exchange(settings_.initial[initial_], Doc());
            ++initial_;
            co_return std::optional(event("ADDED", object, ctx));
        }
        if (std::exchange(settings_.announce_initial_end, false)) co_return std::optional(bookmark(true));
        while (true) {
            if (settings_.ends && *settings_.ends <= ctx.monotonic()) co_return std::optional<Doc>();
            MonotonicTime until = next_bookmark_;
            if (settings_.ends) until = std::min(until, *settings_.ends);
            auto received = co_await watch_->next(ctx.with_deadline(until));
            if (!received) {
                if (received.error().is(ErrorCode::kTimeout) && until <= ctx.monotonic()) {
                    if (next_bookmark_ > ctx.monotonic()) continue;
                    next_bookmark_ = ctx.monotonic() + settings_.bookmark_interval;
                    // Told by revision: nothing older is still to come.
                    if (settings_.bookmarks && !watch_->has_pending()) co_return std::optional(bookmark(false));
                    continue;
                }
                if (received.error().is(ErrorCode::kGone)) {
                    ended_ = true;
                    co_return std::optional(Doc::freeze(json::Object{{"type", "ERROR"}, {"object", meta::to_status(received.error())}}));
                }
                co_return std::unexpected(received.error());
            }
            store::Event const& change = **received;
            bool const before = change.previous.exists() && settings_.filter.matches(change.previous);
            bool const after = change.type != store::EventType::kDeleted && settings_.filter.matches(change.object);
            if (!before && !after) continue;
            std::string_view const type = !before ? "ADDED" : after ? "MODIFIED" : "DELETED";
            co_return std::optional(event(type, change.object, ctx));
        }
    }

private:
    Doc event(std::string_view type, Doc const& object, Context const& ctx) {
        Doc const shown = cluster_.as_version(*info_, object);
        json::DocBuilder builder;
        builder.begin_object();
        builder.key("type");
        builder.string(type);
        builder.key("object");
        if (settings_.shape.form == Form::kTable) {
            builder.value(builtin::make_table(*info_, std::span(&shown, 1), {}, settings_.table, ctx.now()));
            settings_.table.headers = false;
        } else if (settings_.shape.form == Form::kPartial) {
            builder.value(builtin::partial_object_metadata(shown, settings_.shape.api_version));
        } else {
            builder.doc(shown);
        }
        builder.end();
        return builder.finish();
    }

    Doc bookmark(bool initial_end) {
        Value object{json::Object{{"kind", info_->kind}, {"apiVersion", info_->resource.api_version()}}};
        object.set({"metadata", "resourceVersion"}, std::to_string(watch_->seen()));
        object.set({"metadata", "creationTimestamp"}, nullptr);
        if (initial_end) object.set({"metadata", "annotations", "k8s.io/initial-events-end"}, "true");
        if (settings_.shape.form == Form::kTable) {
            Value table{json::Object{{"kind", "Table"}, {"apiVersion", settings_.shape.api_version}, {"columnDefinitions", nullptr}}};
            table["metadata"] = object["metadata"];
            table["rows"] = json::Array{json::Object{{"cells", json::Array()}, {"object", object}}};
            object = std::move(table);
        }
        return Doc::freeze(json::Object{{"type", "BOOKMARK"}, {"object", object}});
    }

    Cluster& cluster_;
    Info info_;
    std::unique_ptr<store::Watch> watch_;
    Settings settings_;
    std::size_t initial_ = 0;
    MonotonicTime next_bookmark_;
    bool ended_ = false;
};

Task<Result<Response>> Cluster::watch(Call& call) {
    ResourceInfo const& info = *call.resource;
    ApiWatch::Settings settings;
    CO_TRY_ASSIGN(settings.filter, Filter::of(call.request, call.info.name));
    settings.shape = shape_of(call.request.accept);
    settings.table = table_options(call.request, settings.shape);
    settings.bookmarks = call.request.query_value("allowWatchBookmarks") == "true" || call.request.query_value("allowWatchBookmarks") == "1";
    settings.bookmark_interval = options_.bookmark_interval;
    if (std::int64_t const seconds = parse_int(call.request.query_value("timeoutSeconds")).value_or(0); seconds > 0) {
        settings.ends = call.ctx.monotonic() + std::chrono::seconds(seconds);
    }
    std::string_view const version = call.request.query_value("resourceVersion");
    bool const initial_events = call.request.query_value("sendInitialEvents") == "true";
    store::Revision from = store_->revision();
    if (version.empty() || version == "0" || initial_events) {
        // Begins with what is there.
        store_->visit(info.resource.group, info.resource.resource, call.info.ns, std::nullopt, [&](store::Key const&, Doc const& object) {
            if (settings.filter.matches(object)) settings.initial.push_back(object);
            return true;
        });
        settings.announce_initial_end = initial_events && settings.bookmarks;
    } else {
        auto const wanted = revision_from(version);
        if (!wanted) co_return fail(ErrorCode::kBadRequest, fmt::format("resourceVersion: Invalid value: \"{}\": must be a number", version));
        if (*wanted > from) {
            co_return std::unexpected(Error(ErrorCode::kTimeout, fmt::format("Too large resource version: {}, current: {}", *wanted, from)).with_retry_after(std::chrono::seconds(1)));
        }
        from = *wanted;
    }
    CO_TRY_ASSIGN(auto source, store_->watch(info.resource.group, info.resource.resource, call.info.ns, from));
    Response response;
    response.watch = std::make_unique<ApiWatch>(*this, call.resource, std::move(source), std::move(settings), call.ctx.monotonic());
    co_return std::move(response);
}

}  // namespace aviary::apiserver
