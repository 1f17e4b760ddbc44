// Garbage collection by owner references and the deletion of namespaces; driven by events, writes nothing when idle.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/meta/object.h"

namespace aviary::apiserver {

namespace {

using json::Doc;
using json::Value;

store::Revision revision_number(Doc const& object) { return static_cast<store::Revision>(parse_int(meta::resource_version(object)).value_or(0)); }

bool waits_for_dependents(Doc const& object) { return meta::is_deleting(object) && meta::has_finalizer(object, "foregroundDeletion"); }

}  // namespace

void Cluster::note_for_collection(store::Event const& event) {
    Doc const& object = event.object;
    std::string const uid = meta::uid(object);
    auto const each_owner = [&](Doc const& of, auto const& visit) {
        for (auto const& [key, owner] : of.at({"metadata", "ownerReferences"}).elements()) visit(owner["uid"].string());
    };
    each_owner(event.previous, [&](std::string const& owner) { dependents_[owner].erase(event.key); });
    bool dirty = false;
    if (event.type == store::EventType::kDeleted) {
        living_.erase(uid);
        if (auto const found = dependents_.find(uid); found != dependents_.end()) {
            to_collect_.insert(found->second.begin(), found->second.end());
            dirty = !found->second.empty();
        }
        // Somebody may wait for its last dependent.
        each_owner(object, [&](std::string const& owner) {
            auto const found = living_.find(owner);
            if (found == living_.end()) return;
            to_collect_.insert(found->second);
            dirty = true;
        });
    } else {
        living_.insert_or_assign(uid, event.key);
        bool owned = false;
        each_owner(object, [&](std::string const& owner) {
            dependents_[owner].insert(event.key);
            owned = true;
        });
        bool const special = meta::is_deleting(object) && (waits_for_dependents(object) || meta::has_finalizer(object, "orphan"));
        if (special || (owned && event.type == store::EventType::kAdded)) {
            to_collect_.insert(event.key);
            dirty = true;
        }
    }
    if (dirty) garbage_.notify();

    std::string const ns = event.key.resource == "namespaces" && event.key.group.empty() ? event.key.name : event.key.ns;
    if (ns.empty()) return;
    Doc const owner = event.key.ns.empty() ? object : store_->get({"", "namespaces", "", ns});
    if (event.type != store::EventType::kDeleted ? meta::is_deleting(owner) && event.key.ns.empty() : meta::is_deleting(owner)) {
        to_empty_.insert(ns);
        emptying_.notify();
    }
}

bool Cluster::owner_lives(std::string const& ns, Doc const& owner) const {
    auto const found = living_.find(owner["uid"].string());
    if (found == living_.end()) return false;
    return found->second.ns.empty() || found->second.ns == ns;
}

// Looks at one object: is it garbage, or does it wait for its dependents?
Task<Status> Cluster::collect(Context ctx, store::Key key) {
    Doc const object = store_->latest(key);
    if (!object.exists()) co_return Status{};
    std::string const uid = meta::uid(object);
    std::set<store::Key> below;
    if (auto const found = dependents_.find(uid); found != dependents_.end()) below = found->second;

    if (meta::is_deleting(object) && meta::has_finalizer(object, "orphan")) {
        for (store::Key const& each : below) {
            Doc const dependent = store_->latest(each);
            if (!dependent.exists()) continue;
            Value next = dependent.thaw();
            std::erase_if(next["metadata"]["ownerReferences"].make_array(), [&](Value const& owner) { return owner["uid"].as_string() == uid; });
            if (next["metadata"]["ownerReferences"].size() == 0) next["metadata"].erase("ownerReferences");
            CO_TRY(co_await store_->write(ctx, {store::Write::Kind::kUpdate, each, std::move(next), revision_number(dependent)}));
        }
    }
    bool const orphans = meta::has_finalizer(object, "orphan");
    bool blocked = false;
    if (waits_for_dependents(object)) {
        for (store::Key const& each : below) {
            Doc const dependent = store_->latest(each);
            if (!dependent.exists()) continue;
            for (auto const& [index, owner] : dependent.at({"metadata", "ownerReferences"}).elements()) {
                if (owner["uid"].as_string() == uid && owner["blockOwnerDeletion"].as_bool()) blocked = true;
            }
            if (!meta::is_deleting(dependent)) to_collect_.insert(each);
        }
    }
    if (meta::is_deleting(object) && (orphans || (waits_for_dependents(object) && !blocked))) {
        Value next = object.thaw();
        Value& finalizers = next["metadata"]["finalizers"];
        std::erase_if(finalizers.make_array(), [](Value const& each) { return each.as_string() == "orphan" || each.as_string() == "foregroundDeletion"; });
        bool const last = finalizers.size() == 0;
        if (last) next["metadata"].erase("finalizers");
        CO_TRY(co_await store_->write(ctx, {last ? store::Write::Kind::kDelete : store::Write::Kind::kUpdate, key, std::move(next), revision_number(object)}));
        co_return Status{};
    }

    Doc const owners = object.at({"metadata", "ownerReferences"});
    if (owners.size() == 0 || meta::is_deleting(object)) co_return Status{};
    bool any_lives = false;
    bool any_waits = false;
    for (auto const& [index, owner] : owners.elements()) {
        auto const found = living_.find(owner["uid"].string());
        bool const lives = owner_lives(key.ns, owner);
        bool const waits = lives && waits_for_dependents(store_->latest(found->second));
        any_lives = any_lives || (lives && !waits);
        any_waits = any_waits || waits;
    }
    if (any_lives) co_return Status{};
    client::Request request;
    request.method = "DELETE";
    Info info;
    for (Info const& each : resources_) {
        if (each->resource.group == key.group && each->resource.resource == key.resource) info = each;
    }
    if (!info) co_return Status{};
    request.path = client::resource_path(info->resource, key.ns, key.name);
    request.content_type = "application/json";
    request.headers.emplace_back("User-Agent", "generic-garbage-collector");
    request.body = Doc::freeze(json::Object{{"preconditions", json::Object{{"uid", uid}}}, {"propagationPolicy", any_waits ? "Foreground" : "Background"}});
    client::Response const response = co_await handle(ctx, {"system:serviceaccount:kube-system:generic-garbage-collector", {"system:masters"}, {}}, std::move(request));
    if (!response.ok() && response.status != 404 && response.status != 409) co_return fail(ErrorCode::kUnavailable, response.body["message"].string());
    co_return Status{};
}

Task<void> Cluster::collect_garbage(Context ctx) {
    while (ctx.check()) {
        if (to_collect_.empty()) {
            (void)co_await garbage_.wait(ctx);
            continue;
        }
        store::Key const key = *to_collect_.begin();
        to_collect_.erase(to_collect_.begin());
        Status const done = co_await collect(ctx, key);
        if (!done && !done.error().is(ErrorCode::kCancelled) && !done.error().is(ErrorCode::kNotFound)) {
            to_collect_.insert(key);   // the object moved on: look again
            (void)co_await async::sleep_for(ctx, std::chrono::milliseconds(50));
        }
    }
}

Task<Status> Cluster::empty_namespace(Context ctx, Doc ns) {
    std::string const name = meta::name(ns);
    control::UserInfo const system{"system:serviceaccount:kube-system:namespace-controller", {"system:masters"}, {}};
    std::map<std::string, int> remaining;     // resource → objects
    std::map<std::string, int> finalizers;    // finalizer → objects
    std::string refusal;
    std::vector<Info> const resources = resources_;
    for (Info const& info : resources) {
        if (!info->namespaced || !info->storage) continue;
        std::vector<store::Key> keys;
        store_->visit(info->resource.group, info->resource.resource, name, std::nullopt, [&](store::Key const& key, Doc const&) {
            keys.push_back(key);
            return true;
        });
        for (store::Key const& key : keys) {
            client::Request request;
            request.method = "DELETE";
            request.path = client::resource_path(info->resource, key.ns, key.name);
            request.content_type = "application/json";
            request.body = Doc::freeze(json::Object{{"propagationPolicy", "Background"}});
            client::Response const response = co_await handle(ctx, system, std::move(request));
            if (!response.ok() && response.status != 404) refusal = response.body["message"].string();
            Doc const left = store_->latest(key);
            if (!left.exists()) continue;
            ++remaining[info->resource.group_resource()];
            for (auto const& [index, finalizer] : left.at({"metadata", "finalizers"}).elements()) ++finalizers[finalizer.string()];
        }
    }
    store::Key const key{"", "namespaces", "", name};
    Doc const current = store_->latest(key);
    if (!current.exists() || !meta::is_deleting(current)) co_return Status{};
    Value next = current.thaw();
    if (remaining.empty()) {
        std::erase_if(next["spec"]["finalizers"].make_array(), [](Value const& each) { return each.as_string() == "kubernetes"; });
        bool const last = next["spec"]["finalizers"].size() == 0 && next["metadata"]["finalizers"].size() == 0;
        CO_TRY(co_await store_->write(ctx, {last ? store::Write::Kind::kDelete : store::Write::Kind::kUpdate, key, std::move(next), revision_number(current)}));
        co_return Status{};
    }
    auto const listed = [](std::map<std::string, int> const& counts) {
        std::string text;
        for (auto const& [what, count] : counts) text += fmt::format("{}{} has {} resource instances", text.empty() ? "" : ", ", what, count);
        return text;
    };
    Value& conditions = next["status"]["conditions"];
    meta::set_condition(conditions, "NamespaceContentRemaining", "True", "SomeResourcesRemain", "Some resources are remaining: " + listed(remaining), ctx.now());
    if (!finalizers.empty()) {
        std::string text;
        for (auto const& [what, count] : finalizers) text += fmt::format("{}{} in {} resource instances", text.empty() ? "" : ", ", what, count);
        meta::set_condition(conditions, "NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: " + text, ctx.now());
    }
    meta::set_condition(conditions, "NamespaceDeletionContentFailure", refusal.empty() ? "False" : "True", refusal.empty() ? "ContentDeleted" : "ContentDeletionFailed",
                        refusal.empty() ? "All content successfully deleted, may be waiting on finalization" : "Failed to delete all resource types: " + refusal, ctx.now());
    if (!(Doc::freeze(next) == current)) {
        CO_TRY(co_await store_->write(ctx, {store::Write::Kind::kUpdate, key, std::move(next), revision_number(current)}));
    }
    if (!refusal.empty()) co_return fail(ErrorCode::kForbidden, refusal);
    co_return Status{};
}

Task<void> Cluster::empty_namespaces(Context ctx) {
    while (ctx.check()) {
        if (to_empty_.empty()) {
            (void)co_await emptying_.wait(ctx);
            continue;
        }
        std::string const name = *to_empty_.begin();
        to_empty_.erase(to_empty_.begin());
        Doc const ns = store_->get({"", "namespaces", "", name});
        if (!meta::is_deleting(ns)) continue;
        Status const done = co_await empty_namespace(ctx, ns);
        if (!done && !done.error().is(ErrorCode::kCancelled)) {
            // A refused deletion is asked again now and then; a conflict at once would find the same.
            (void)co_await async::sleep_for(ctx, std::chrono::seconds(1));
            to_empty_.insert(name);
        }
    }
}

Task<void> Cluster::run_controllers(Context ctx) {
    async::Scope scope(ctx);
    scope.spawn(collect_garbage(scope.context()));
    scope.spawn(empty_namespaces(scope.context()));
    co_await scope.join();
}

}  // namespace aviary::apiserver
