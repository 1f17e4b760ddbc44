// The end of namespaces and of definitions: what is in them goes first. Driven by events, writes nothing when idle.
#include <fmt/format.h>

#include <algorithm>

#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/custom.h"
#include "kube/apiserver/internal/object_rules.h"
#include "kube/meta/object.h"

namespace aviary::apiserver {

namespace {

using json::Doc;
using json::Value;

constexpr std::size_t kAtOnce = 32;
constexpr Duration kSoon = std::chrono::milliseconds(10);   // after a conflict: at once would find the same
constexpr Duration kNowAndThen = std::chrono::seconds(1);   // after a refusal

}   // namespace

// What is still there after everything was told to go.
struct Cluster::Remains {
    std::map<std::string, int> objects;      // "pods." or "deployments.apps" → objects
    std::map<std::string, int> finalizers;   // finalizer → objects
    std::string refusal;
};

namespace {

void set_condition(Value& conditions, std::string_view type, bool status, std::string_view reason,
                   std::string_view message, Time now) {
    meta::set_condition(conditions, type, status ? "True" : "False", reason, message, now);
}

}   // namespace

Task<void> Cluster::remove_counted(Context ctx, store::Key key, Remains& remains) {
    Doc left = store_->latest(key);
    if (left.exists() && !meta::is_deleting(left)) {
        client::Response const response =
            co_await remove_as(ctx, "namespace-controller", key, json::Object{{"propagationPolicy", "Background"}});
        if (!response.ok() && response.status != 404) remains.refusal = response.body["message"].string();
        left = store_->latest(key);
    }
    if (!left.exists()) co_return;
    ++remains.objects[key.resource + "." + key.group];
    for (auto const& [index, finalizer] : left.at({"metadata", "finalizers"}).elements())
        ++remains.finalizers[finalizer.string()];
}

Task<void> Cluster::remove_all(Context ctx, Info info, std::string ns, Remains& remains) {
    std::vector<store::Key> keys;
    store_->visit(info->resource.group, info->resource.resource, ns, std::nullopt,
                  [&](store::Key const& key, Doc const&) {
                      keys.push_back(key);
                      return true;
                  });
    for (std::size_t first = 0; first < keys.size(); first += kAtOnce) {
        async::Scope scope(ctx);
        for (std::size_t place = first; place < std::min(keys.size(), first + kAtOnce); ++place)
            scope.spawn(remove_counted(scope.context(), keys[place], remains));
        co_await scope.join();
    }
}

Task<Status> Cluster::empty_namespace(Context ctx, Doc ns) {
    std::string const name = meta::name(ns);
    store::Key const key{"", "namespaces", "", name};
    if (!meta::is_deleting(store_->latest(key))) co_return Status{};
    Remains remains;
    std::vector<Info> const resources = served_->resources();
    for (Info const& info : resources) {
        if (info->namespaced && served_->stored(info->resource.group, info->resource.resource) == info)
            co_await remove_all(ctx, info, name, remains);
    }
    Doc const current = store_->latest(key);
    if (!current.exists() || !meta::is_deleting(current)) co_return Status{};
    Value next = current.thaw();
    if (remains.objects.empty()) {
        std::erase_if(next["spec"]["finalizers"].make_array(),
                      [](Value const& each) { return each.as_string() == "kubernetes"; });
        Value const& read = next;
        bool const last =
            read.at({"spec", "finalizers"}).size() == 0 && read.at({"metadata", "finalizers"}).size() == 0;
        if (!last && Doc::freeze(next) == current) co_return Status{};
        CO_TRY(co_await store_->write(ctx, {last ? store::Write::Kind::kDelete : store::Write::Kind::kUpdate, key,
                                            std::move(next), revision_number(current)}));
        co_return Status{};
    }
    auto const listed = [](std::map<std::string, int> const& counts, std::string_view format) {
        std::string text;
        for (auto const& [what, count] : counts)
            text += fmt::format("{}{}{}{} resource instances", text.empty() ? "" : ", ", what, format, count);
        return text;
    };
    Value& conditions = next["status"]["conditions"];
    Time const now = ctx.now();
    bool const refused = !remains.refusal.empty();
    set_condition(conditions, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                  "All resources successfully discovered", now);
    set_condition(conditions, "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
                  "All legacy kube types successfully parsed", now);
    set_condition(conditions, "NamespaceDeletionContentFailure", refused,
                  refused ? "ContentDeletionFailed" : "ContentDeleted",
                  refused ? "Failed to delete all resource types, 1 remaining: " + remains.refusal
                          : "All content successfully deleted, may be waiting on finalization",
                  now);
    set_condition(conditions, "NamespaceContentRemaining", true, "SomeResourcesRemain",
                  "Some resources are remaining: " + listed(remains.objects, " has "), now);
    bool const finalizers = !remains.finalizers.empty();
    set_condition(conditions, "NamespaceFinalizersRemaining", finalizers,
                  finalizers ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
                  finalizers
                      ? "Some content in the namespace has finalizers remaining: " + listed(remains.finalizers, " in ")
                      : "All content-preserving finalizers finished",
                  now);
    if (!(Doc::freeze(next) == current))
        CO_TRY(
            co_await store_->write(ctx, {store::Write::Kind::kUpdate, key, std::move(next), revision_number(current)}));
    if (refused) co_return fail(ErrorCode::kForbidden, remains.refusal);
    co_return Status{};
}

Task<Status> Cluster::empty_definition(Context ctx, Doc definition) {
    store::Key const key{kDefinitionGroup, kDefinitions, "", meta::name(definition)};
    if (!meta::is_deleting(store_->latest(key))) co_return Status{};
    Remains remains;
    Info const info = served_->stored(definition["spec"]["group"].as_string(),
                                      definition.at({"spec", "names", "plural"}).as_string());
    if (info && info->custom) co_await remove_all(ctx, info, "", remains);
    Doc const current = store_->latest(key);
    if (!current.exists() || !meta::is_deleting(current)) co_return Status{};
    Value next = current.thaw();
    if (remains.objects.empty()) {
        std::erase_if(next["metadata"]["finalizers"].make_array(),
                      [](Value const& each) { return each.as_string() == kDefinitionFinalizer; });
        bool const last = std::as_const(next).at({"metadata", "finalizers"}).size() == 0;
        if (!last && Doc::freeze(next) == current) co_return Status{};
        CO_TRY(co_await store_->write(ctx, {last ? store::Write::Kind::kDelete : store::Write::Kind::kUpdate, key,
                                            std::move(next), revision_number(current)}));
        co_return Status{};
    }
    set_condition(next["status"]["conditions"], "Terminating", true, "InstanceDeletionInProgress",
                  "CustomResource deletion is in progress", ctx.now());
    if (!(Doc::freeze(next) == current))
        CO_TRY(
            co_await store_->write(ctx, {store::Write::Kind::kUpdate, key, std::move(next), revision_number(current)}));
    if (!remains.refusal.empty()) co_return fail(ErrorCode::kForbidden, remains.refusal);
    co_return Status{};
}

Task<void> Cluster::finish_terminations(Context ctx) {
    std::map<store::Key, MonotonicTime> later;   // could not be finished: looked at again while others go on
    store::Key last;
    while (ctx.check()) {
        MonotonicTime const now = ctx.monotonic();
        std::optional<MonotonicTime> next_due;
        for (auto each = later.begin(); each != later.end();) {
            if (each->second <= now) {
                terminating_.insert(each->first);
                each = later.erase(each);
            } else {
                next_due = std::min(next_due.value_or(each->second), each->second);
                ++each;
            }
        }
        if (terminating_.empty()) {
            (void)co_await termination_.wait(next_due ? ctx.with_deadline(*next_due) : ctx);
            continue;
        }
        // In turn: one whose contents keep changing is not always the first.
        auto turn = terminating_.upper_bound(last);
        if (turn == terminating_.end()) turn = terminating_.begin();
        last = *turn;
        terminating_.erase(turn);
        Doc const object = store_->latest(last);
        if (!meta::is_deleting(object)) continue;
        Status done;
        if (is_definition(last)) {
            done = co_await empty_definition(ctx, object);
        } else {
            done = co_await empty_namespace(ctx, object);
        }
        if (done || done.error().is(ErrorCode::kCancelled)) continue;
        later.insert_or_assign(last, ctx.monotonic() + (done.error().is(ErrorCode::kConflict) ? kSoon : kNowAndThen));
    }
}

Task<void> Cluster::run_controllers(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(collect_garbage(scope.context()));
    scope.spawn(finish_terminations(scope.context()));
    scope.spawn(expire_events(scope.context()));
    co_await scope.join();
}

}   // namespace aviary::apiserver
