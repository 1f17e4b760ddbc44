#include "kube/client/informer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "kube/meta/object.h"
#include "kube/meta/status.h"

namespace aviary::client {

namespace {

constexpr std::int64_t kPageSize = 500;
constexpr Duration kFirstBackoff = std::chrono::milliseconds(200);
constexpr Duration kRefusedBackoff = std::chrono::seconds(10);   // the longest, of a server that refuses
// A server that has come back, or whose client has only begun, may refuse because it has yet to read what it decides
// by.
constexpr Duration kSettles = std::chrono::seconds(20);
constexpr Duration kSilence = std::chrono::minutes(3);   // of a server that sends a bookmark every minute

// The server has no use for the version that the copy has reached: it has forgotten it, or has never had it, as after a
// backup was restored.
bool version_refused(Error const& error) {
    return error.is(ErrorCode::kGone) || std::ranges::any_of(error.causes(), [](FieldCause const& cause) {
               return cause.reason == "ResourceVersionTooLarge";
           });
}

}   // namespace

bool reached(std::string_view left, std::string_view right) {
    auto const strip = [](std::string_view text) {
        while (text.starts_with('0')) text.remove_prefix(1);
        return text;
    };
    left = strip(left);
    right = strip(right);
    return left.size() != right.size() ? left.size() > right.size() : left >= right;
}

struct Informer::Impl {
    using Objects = std::map<meta::ObjectKey, json::Doc>;
    struct Index {
        IndexFunction function;
        std::map<std::string, std::set<meta::ObjectKey>, std::less<>> keys;
    };

    Impl(Client client, meta::GroupVersionResource resource, InformerOptions options)
        : client(std::move(client)), resource(std::move(resource)), options(std::move(options)) {}

    Client client;
    meta::GroupVersionResource resource;
    InformerOptions options;
    async::Event again;   // notified when an attempt need not wait any longer
    std::vector<std::function<void(Error const&)>> failed;
    std::vector<std::function<void()>> returned;
    std::vector<Handler> handlers;
    std::map<std::string, Index, std::less<>> indexes;
    Objects objects;
    std::size_t bytes = 0;   // of the objects
    std::int64_t page_size = kPageSize;
    bool synced = false;
    bool listed = false;   // the version is one to watch from
    bool current = false;
    std::string version;
    MonotonicTime contact{};
    std::optional<Error> error;
    bool passing = false;      // that error may be over at any moment
    MonotonicTime settled{};   // when a refusal is one; max(): when it has answered again for a while
    async::Event progress;     // notified when the version moves or the first list is in

    void index(meta::ObjectKey const& key, json::Doc const& before, json::Doc const& after) {
        for (auto& [name, index] : indexes) {
            if (before.exists()) {
                for (std::string const& value : index.function(before)) {
                    auto const found = index.keys.find(value);
                    if (found == index.keys.end()) continue;
                    found->second.erase(key);
                    if (found->second.empty()) index.keys.erase(found);
                }
            }
            if (after.exists()) {
                for (std::string& value : index.function(after)) index.keys[std::move(value)].insert(key);
            }
        }
    }

    // As it is kept.
    json::Doc kept(json::Doc const& object) const {
        return options.transform ? options.transform(object.detach()) : object.detach();
    }

    // The one place where the copy changes.
    void set(meta::ObjectKey const& key, json::Doc const& after) {
        auto const found = objects.find(key);
        json::Doc const before = found == objects.end() ? json::Doc() : found->second;
        if (!before.exists() && !after.exists()) return;
        if (before.exists() && after.exists() && meta::resource_version(before) == meta::resource_version(after))
            return;
        if (before.exists()) bytes -= before.block_bytes();
        if (after.exists()) {
            bytes += after.block_bytes();
            objects[key] = after;
        } else {
            objects.erase(found);
        }
        index(key, before, after);
        Change const change{before, after};
        for (Handler const& handler : handlers) handler(change);
    }

    Status check_limits(std::size_t count, std::size_t size) const {
        if (count > options.max_objects)
            return fail(ErrorCode::kTooLarge, fmt::format("there are more than {} objects of {} (max_objects)",
                                                          options.max_objects, resource.group_resource()));
        if (size > options.max_bytes)
            return fail(ErrorCode::kTooLarge, fmt::format("there are more than {} bytes of {} (max_bytes)",
                                                          options.max_bytes, resource.group_resource()));
        return {};
    }

    void reached_version(std::string next) {
        if (!next.empty()) version = std::move(next);
        progress.notify();
    }

    // In a list of a built-in kind the items do not say what they are; events and single objects do.
    static json::Doc named(json::Doc const& list, json::Doc item) {
        std::string_view const kind = list["kind"].as_string();
        if (item["kind"].exists() || !kind.ends_with("List")) return item;
        json::Value object{
            json::Object{{"apiVersion", list["apiVersion"].string()}, {"kind", kind.substr(0, kind.size() - 4)}}};
        for (auto const& [key, value] : item.members()) object[key] = value.thaw();
        return json::Doc::freeze(object);
    }

    // Every page, as it is kept.
    Task<Result<std::vector<json::Doc>>> pages(Context ctx, std::string& list_version) {
        ListOptions page{
            .ns = options.ns, .label_selector = options.label_selector, .field_selector = options.field_selector};
        page.limit = page_size;
        std::vector<json::Doc> items;
        std::set<std::string> tokens;
        std::size_t size = 0;
        do {
            Result<json::Doc> const answer = co_await client.list(ctx, resource, page);
            // Large objects come in fewer at a time.
            if (!answer && answer.error().is(ErrorCode::kTooLarge))
                page_size = std::max<std::int64_t>(1, page_size / 4);
            if (!answer) co_return std::unexpected(answer.error());
            list_version = answer->at({"metadata", "resourceVersion"}).string();
            page.continue_token = answer->at({"metadata", "continue"}).string();
            size += page.continue_token.size();
            for (auto const& [key, item] : (*answer)["items"].elements()) {
                items.push_back(kept(named(*answer, item)));
                size += items.back().block_bytes();
                CO_TRY(check_limits(items.size(), size));
            }
            // A page counts for one at least: there may be nothing in it.
            CO_TRY(check_limits(tokens.size(), size));
            if (!tokens.insert(page.continue_token).second)
                co_return fail(ErrorCode::kInvalid, "the server answered the same continue token twice");
        } while (!page.continue_token.empty());
        co_return std::move(items);
    }

    Task<Status> list(Context ctx) {
        std::set<meta::ObjectKey> seen;
        std::string list_version;
        CO_TRY_ASSIGN(std::vector<json::Doc> const items, co_await pages(ctx, list_version));
        for (json::Doc const& item : items) {
            meta::ObjectKey const key = meta::key_of(item);
            seen.insert(key);
            set(key, item);
        }
        std::vector<meta::ObjectKey> gone;
        for (auto const& [key, object] : objects) {
            if (!seen.contains(key)) gone.push_back(key);
        }
        for (meta::ObjectKey const& key : gone) set(key, {});
        contact = ctx.monotonic();
        answered();
        synced = listed = current = true;
        reached_version(std::move(list_version));
        co_return Status{};
    }

    Status take(json::Doc const& event) {
        std::string_view const type = event["type"].as_string();
        json::Doc const object = event["object"];
        if (type == "ERROR")
            return std::unexpected(meta::from_status(object, static_cast<int>(object["code"].as_int())));
        if (type == "DELETED") set(meta::key_of(object), {});
        if (type != "DELETED" && type != "BOOKMARK") {
            json::Doc const after = kept(object);
            meta::ObjectKey const key = meta::key_of(object);
            json::Doc const before = objects.contains(key) ? objects.at(key) : json::Doc();
            TRY(check_limits(objects.size() + (before.exists() ? 0 : 1),
                             bytes + after.block_bytes() - (before.exists() ? before.block_bytes() : 0)));
            set(key, after);
        }
        reached_version(meta::resource_version(object));
        return {};
    }

    Task<Status> watch(Context ctx) {
        WatchOptions watching{
            .ns = options.ns, .label_selector = options.label_selector, .field_selector = options.field_selector};
        watching.resource_version = version;
        // Between five and ten minutes, as client-go: servers shed watches evenly.
        watching.timeout_seconds = 300 + static_cast<std::int64_t>(ctx.random().below(300));
        CO_TRY_ASSIGN(std::unique_ptr<WatchStream> stream, co_await client.watch(ctx, resource, watching));
        answered();
        contact = ctx.monotonic();
        bool heard = false;
        while (true) {
            // Bookmarks come every minute: silence for longer than the watch may last is a dead connection.
            CO_TRY_ASSIGN(std::optional<json::Doc> event,
                          co_await stream->next(ctx.with_timeout(std::chrono::seconds(watching.timeout_seconds + 30))));
            if (!event) {
                // Not even a bookmark: some servers wait for a version from the future without a word.
                if (!heard && ctx.monotonic() - contact >= kSilence) listed = false;
                co_return Status{};
            }
            heard = true;
            contact = ctx.monotonic();
            CO_TRY(take(*event));
            current = true;
        }
    }

    void answered() {
        if (!error) return;
        error.reset();
        for (auto const& each : returned) each();
    }

    Task<void> run(Context ctx) {
        Duration backoff = kFirstBackoff;
        listed = false;
        settled = ctx.monotonic() + kSettles;
        while (ctx.check()) {
            Status outcome;
            MonotonicTime const before = contact;
            if (listed) {
                outcome = co_await watch(ctx);
            } else {
                outcome = co_await list(ctx);
            }
            // A watch that ran for a while and broke is no failure to connect.
            bool const too_large = !outcome && outcome.error().is(ErrorCode::kTooLarge);
            if (outcome || (contact != before && !too_large)) backoff = kFirstBackoff;
            if (outcome) continue;
            if (too_large) {
                ctx.metrics()
                    .counter("aviary_informer_too_large_total",
                             "Lists and watches that held more than a copy may hold.",
                             {{"resource", resource.group_resource()}})
                    .add();
            }
            if (version_refused(outcome.error())) listed = false;
            if (outcome.error().is(ErrorCode::kCancelled) && ctx.stop().stop_requested()) co_return;
            if (no_answer(outcome.error())) {
                settled = MonotonicTime::max();
            } else if (settled == MonotonicTime::max()) {
                settled = ctx.monotonic() + kSettles;
                backoff = kFirstBackoff;
            }
            error = outcome.error();
            passing = may_pass(*error) || (may_settle(*error) && ctx.monotonic() < settled);
            current = false;
            progress.notify();
            for (auto const& each : failed) each(outcome.error());
            Duration const jittered = ctx.random().around(backoff);
            backoff = std::min(backoff * 2, passing ? options.last_backoff : kRefusedBackoff);
            Duration const after =
                outcome.error().retry_after() ? std::max<Duration>(jittered, *outcome.error().retry_after()) : jittered;
            Status const woken = co_await again.wait(ctx.with_timeout(after));
            if (woken) backoff = kFirstBackoff;
        }
    }
};

InformerOptions only(meta::ObjectKey const& key) {
    InformerOptions options;
    options.ns = key.ns;
    options.field_selector = "metadata.name=" + key.name;
    return options;
}

Informer::Informer(Client client, meta::GroupVersionResource resource, InformerOptions options)
    : impl_(std::make_unique<Impl>(std::move(client), std::move(resource), std::move(options))) {}

Informer::~Informer() = default;

void Informer::on_change(Handler handler) {
    // Who comes late is told what is there already.
    for (auto const& [key, object] : impl_->objects) handler(Change{{}, object});
    impl_->handlers.push_back(std::move(handler));
}

void Informer::reconnect() { impl_->again.notify(); }

void Informer::reconnect_if_away() {
    if (impl_->error && impl_->passing) reconnect();
}

void Informer::on_failure(std::function<void(Error const&)> failed) { impl_->failed.push_back(std::move(failed)); }

void Informer::on_return(std::function<void()> returned) { impl_->returned.push_back(std::move(returned)); }

void Informer::add_index(std::string name, IndexFunction function) {
    Impl::Index& index = impl_->indexes[std::move(name)];
    index.function = std::move(function);
    for (auto const& [key, object] : impl_->objects) {
        for (std::string& value : index.function(object)) index.keys[std::move(value)].insert(key);
    }
}

Task<void> Informer::run(Context ctx) { co_await impl_->run(ctx); }

void Informer::forget() {
    impl_->objects.clear();
    impl_->bytes = 0;
    for (auto& [name, index] : impl_->indexes) index.keys.clear();
    impl_->synced = false;
}

bool Informer::synced() const { return impl_->synced; }

Task<Status> Informer::wait_synced(Context ctx) {
    while (!impl_->synced) CO_TRY(co_await impl_->progress.wait(ctx));
    co_return Status{};
}

Task<Status> Informer::wait_answered(Context ctx) {
    auto const refused = [this] { return impl_->error && !no_answer(*impl_->error); };
    while (!impl_->synced && !refused()) CO_TRY(co_await impl_->progress.wait(ctx));
    co_return Status{};
}

Task<Status> Informer::wait_for(Context ctx, std::string resource_version) {
    while (!impl_->synced || !reached(impl_->version, resource_version)) CO_TRY(co_await impl_->progress.wait(ctx));
    co_return Status{};
}

Task<Status> Informer::wait_gone(Context ctx, json::Doc object) {
    while (object.exists()) {
        json::Doc const held = get(meta::key_of(object));
        if (!held.exists() || meta::is_deleting(held) || meta::uid(held) != meta::uid(object)) break;
        CO_TRY(co_await impl_->progress.wait(ctx));
    }
    co_return Status{};
}

std::string const& Informer::resource_version() const { return impl_->version; }
bool Informer::current() const { return impl_->current; }
MonotonicTime Informer::last_contact() const { return impl_->contact; }
std::optional<Error> const& Informer::last_error() const { return impl_->error; }
meta::GroupVersionResource const& Informer::resource() const { return impl_->resource; }

std::vector<json::Doc> Informer::all() const {
    std::vector<json::Doc> result;
    for (auto const& [key, object] : impl_->objects) result.push_back(object);
    return result;
}

json::Doc Informer::get(meta::ObjectKey const& key) const {
    auto const found = impl_->objects.find(key);
    return found == impl_->objects.end() ? json::Doc() : found->second;
}

std::map<meta::ObjectKey, json::Doc> const& Informer::objects() const { return impl_->objects; }

std::vector<json::Doc> Informer::list(std::string_view ns) const {
    std::vector<json::Doc> result;
    for (auto each = impl_->objects.lower_bound({std::string(ns), ""});
         each != impl_->objects.end() && each->first.ns == ns; ++each) {
        result.push_back(each->second);
    }
    return result;
}

std::vector<json::Doc> Informer::by_index(std::string_view index, std::string_view value) const {
    std::vector<json::Doc> result;
    auto const found = impl_->indexes.find(index);
    if (found == impl_->indexes.end()) return result;
    auto const keys = found->second.keys.find(value);
    if (keys == found->second.keys.end()) return result;
    for (meta::ObjectKey const& key : keys->second) result.push_back(get(key));
    return result;
}

}   // namespace aviary::client
