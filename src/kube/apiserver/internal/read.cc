// get, list and watch.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/watch.h"
#include "kube/meta/object.h"

namespace aviary::apiserver {

namespace {

using client::Response;
using json::Doc;
using json::Value;

Error too_large(store::Revision wanted, store::Revision current) {
    return Error(ErrorCode::kTimeout, fmt::format("Too large resource version: {}, current: {}", wanted, current))
        .with_causes({{"ResourceVersionTooLarge", "", "Too large resource version"}})
        .with_retry_after(std::chrono::seconds(1));
}

// True when no more than one object can match, and where it is.
bool is_one(ResourceInfo const& info, std::string const& ns, Filter const& filter) {
    return !filter.name().empty() && (!info.namespaced || !ns.empty());
}

std::vector<Doc> matching(store::Snapshot const& snapshot, ResourceInfo const& info, std::string const& ns,
                          Filter const& filter) {
    std::vector<Doc> objects;
    if (is_one(info, ns, filter)) {
        Doc const object = snapshot.get({info.resource.group, info.resource.resource, ns, filter.name()});
        if (object.exists() && filter.matches(object)) objects.push_back(object);
        return objects;
    }
    snapshot.visit(info.resource.group, info.resource.resource, ns, std::nullopt,
                   [&](store::Key const&, Doc const& object) {
                       if (filter.matches(object)) objects.push_back(object);
                       return true;
                   });
    return objects;
}

// What resourceVersion and resourceVersionMatch of a list ask for; 0: any state from the newest on. `exact` is that
// very state.
struct Version {
    store::Revision revision = 0;
    bool exact = false;
};

Result<Version> list_version(client::Request const& request) {
    std::string_view const text = request.query_value("resourceVersion");
    std::string_view const match = request.query_value("resourceVersionMatch");
    bool const continues = !request.query_value("continue").empty();
    if (!match.empty()) {
        if (continues)
            return std::unexpected(bad_option(
                "resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden when continue is provided"));
        if (text.empty())
            return std::unexpected(
                bad_option("resourceVersionMatch",
                           "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"));
        if (match != "Exact" && match != "NotOlderThan") {
            return std::unexpected(bad_option(
                "resourceVersionMatch",
                fmt::format("Unsupported value: \"{}\": supported values: \"Exact\", \"NotOlderThan\", \"\"", match)));
        }
        if (match == "Exact" && text == "0")
            return std::unexpected(
                bad_option("resourceVersionMatch",
                           "Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""));
    }
    if (continues && !text.empty() && text != "0")
        return fail(ErrorCode::kBadRequest, "specifying resource version is not allowed when using continue");
    if (request.has_query("sendInitialEvents")) {
        return std::unexpected(bad_option("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list"));
    }
    bool const limited = parse_int(request.query_value("limit")).value_or(0) > 0;
    Version version{TRY(revision_from(text)), match == "Exact"};
    // As upstream: a limit without a match asks for that very version.
    if (match.empty() && limited && version.revision > 0) version.exact = true;
    return version;
}

struct WatchStart {
    store::Revision from = 0;
    bool with_initial = false;
    bool announce_end = false;
};

Result<WatchStart> watch_start(client::Request const& request, store::Revision current) {
    std::string_view const text = request.query_value("resourceVersion");
    std::string_view const match = request.query_value("resourceVersionMatch");
    bool const asked = request.has_query("sendInitialEvents");
    bool const initial = is_true(request.query_value("sendInitialEvents"));
    if (asked && match != "NotOlderThan") {
        return std::unexpected(
            bad_option("resourceVersionMatch",
                       "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if (!asked && !match.empty())
        return std::unexpected(
            bad_option("resourceVersionMatch",
                       "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
    store::Revision const wanted = TRY(revision_from(text));
    if (initial) {
        if (wanted > current) return std::unexpected(too_large(wanted, current));
        return WatchStart{current, true, is_true(request.query_value("allowWatchBookmarks"))};
    }
    if (asked && wanted == 0) return WatchStart{current, false, false};
    if (wanted == 0) return WatchStart{current, true, false};
    return WatchStart{wanted, false, false};
}

}   // namespace

Task<Result<Doc>> Cluster::in_version(Call const& call, Doc object) const {
    co_return co_await conversion_->convert_one(call.ctx, call.resource, std::move(object));
}

Task<Result<Response>> Cluster::object_response(Call const& call, Doc object, int status) const {
    Shape const shape = Shape::of(call.request.accept);
    CO_TRY_ASSIGN(Doc const shown, co_await in_version(call, std::move(object)));
    if (shape.form == Form::kTable) {
        co_return json_response(Doc::freeze(builtin::make_table(*call.resource, std::span(&shown, 1), {},
                                                                table_options(call.request, shape), call.ctx.now())),
                                status);
    }
    if (shape.form == Form::kPartial)
        co_return json_response(Doc::freeze(builtin::partial_object_metadata(shown, shape.api_version)), status);
    co_return json_response(shown, status);
}

Task<Result<Response>> Cluster::get(Call& call) {
    CO_TRY_ASSIGN(store::Revision const wanted, revision_from(call.request.query_value("resourceVersion")));
    if (wanted > store_->revision()) co_return std::unexpected(too_large(wanted, store_->revision()));
    Doc const object = store_->get(key_of(call));
    if (!object.exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
    co_return co_await object_response(call, object);
}

Task<Result<Response>> Cluster::list(Call& call) {
    ResourceInfo const& info = *call.resource;
    CO_TRY_ASSIGN(Filter const filter, Filter::of(call.request, info));
    CO_TRY_ASSIGN(Version const version, list_version(call.request));
    store::Revision const current = store_->revision();
    if (version.revision > current) co_return std::unexpected(too_large(version.revision, current));
    store::ListRequest wanted{
        .group = info.resource.group, .resource = info.resource.resource, .ns = info.namespaced ? call.info.ns : ""};
    wanted.limit =
        static_cast<std::size_t>(std::max<std::int64_t>(0, parse_int(call.request.query_value("limit")).value_or(0)));
    wanted.continue_token = call.request.query_value("continue");
    if (!filter.all()) wanted.matches = [&filter](Doc const& object) { return filter.matches(object); };
    store::Page page;
    if (version.exact && version.revision != current) {
        page.revision = version.revision;
        CO_TRY_ASSIGN(store::Snapshot const then, store_->snapshot_at(version.revision));
        page.objects = matching(then, info, wanted.ns, filter);
    } else if (is_one(info, wanted.ns, filter) && wanted.continue_token.empty()) {
        page.revision = current;
        page.objects = matching(store_->snapshot(), info, wanted.ns, filter);
    } else {
        CO_TRY_ASSIGN(page, store_->list(call.ctx, wanted));
    }
    CO_TRY_ASSIGN(std::vector<Doc> const items,
                  co_await conversion_->convert(call.ctx, call.resource, std::move(page.objects)));
    Value metadata{json::Object{{"resourceVersion", std::to_string(page.revision)}}};
    if (!page.continue_token.empty()) metadata["continue"] = page.continue_token;
    if (page.remaining && *page.remaining > 0)
        metadata["remainingItemCount"] = static_cast<std::int64_t>(*page.remaining);

    Shape const shape = Shape::of(call.request.accept);
    if (shape.form == Form::kTable) {
        co_return json_response(Doc::freeze(builtin::make_table(info, items, Doc::freeze(metadata),
                                                                table_options(call.request, shape), call.ctx.now())));
    }
    bool const partial = shape.form == Form::kPartial;
    json::DocBuilder builder;
    builder.begin_object();
    builder.key("kind");
    builder.string(partial ? "PartialObjectMetadataList" : info.list_kind);
    builder.key("apiVersion");
    builder.string(partial ? shape.api_version : info.resource.api_version());
    builder.key("metadata");
    builder.value(metadata);
    builder.key("items");
    builder.begin_array();
    for (Doc const& item : items) {
        if (partial) {
            builder.value(builtin::partial_object_metadata(item, shape.api_version));
        } else {
            builder.doc(item);
        }
    }
    builder.end();
    builder.end();
    co_return json_response(builder.finish());
}

Task<Result<Response>> Cluster::watch(Call& call) {
    ResourceInfo const& info = *call.resource;
    if (shared_.watches >= shared_.options.max_watches) {
        co_return std::unexpected(
            Error(ErrorCode::kTooManyRequests,
                  fmt::format("too many watches are open: the limit (max_watches) is {}", shared_.options.max_watches))
                .with_retry_after(std::chrono::seconds(10)));
    }
    std::string const ns = info.namespaced ? call.info.ns : "";
    ApiWatch::Settings settings;
    CO_TRY_ASSIGN(settings.filter, Filter::of(call.request, info, call.info.name));
    settings.shape = Shape::of(call.request.accept);
    settings.table = table_options(call.request, settings.shape);
    settings.bookmarks = is_true(call.request.query_value("allowWatchBookmarks"));
    if (std::int64_t const seconds = parse_int(call.request.query_value("timeoutSeconds")).value_or(0); seconds > 0) {
        settings.ends = call.ctx.monotonic() + std::chrono::seconds(seconds);
    }
    CO_TRY_ASSIGN(WatchStart const start, watch_start(call.request, store_->revision()));
    settings.announce_initial_end = start.announce_end;
    if (start.with_initial) settings.initial = matching(store_->snapshot(), info, ns, settings.filter);
    auto source = store_->watch(info.resource.group, info.resource.resource, ns, start.from);
    Response response;
    // As upstream: what is known no more is an event of the watch, not a refusal.
    if (!source && source.error().is(ErrorCode::kGone)) {
        response.watch = std::make_unique<EndedWatch>(source.error());
        co_return std::move(response);
    }
    if (!source) co_return std::unexpected(source.error());
    CO_TRY_ASSIGN(settings.initial,
                  co_await conversion_->convert(call.ctx, call.resource, std::move(settings.initial)));
    if (call.resource->conversion.exists()) settings.conversion = conversion_;
    response.watch = std::make_unique<ApiWatch>(shared_, this, call.resource, std::move(*source), std::move(settings),
                                                call.ctx.monotonic());
    co_return std::move(response);
}

}   // namespace aviary::apiserver
