// Garbage collection by owner references; driven by events, writes nothing when idle.
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

bool waits_for_dependents(Doc const& object) {
    return meta::is_deleting(object) && meta::has_finalizer(object, "foregroundDeletion");
}
// Those whose deletion in the foreground has to wait for this object.
std::set<std::string> blocked_owners(Doc const& object) {
    std::set<std::string> uids;
    for (auto const& [index, owner] : object.at({"metadata", "ownerReferences"}).elements()) {
        if (owner["blockOwnerDeletion"].as_bool()) uids.insert(owner["uid"].string());
    }
    return uids;
}
bool orphans_dependents(Doc const& object) {
    return meta::is_deleting(object) && meta::has_finalizer(object, "orphan");
}

}   // namespace

void Cluster::note_owners(store::Event const& event) {
    std::set<std::string> now;
    if (event.type != store::EventType::kDeleted) {
        for (auto const& [index, owner] : event.object.at({"metadata", "ownerReferences"}).elements())
            now.insert(owner["uid"].string());
    }
    for (std::string const& uid : now) dependents_[uid].insert(event.key);
    for (auto const& [index, owner] : event.previous.at({"metadata", "ownerReferences"}).elements()) {
        auto const found = dependents_.find(owner["uid"].as_string());
        if (found == dependents_.end() || now.contains(found->first)) continue;
        found->second.erase(event.key);
        if (!found->second.empty()) continue;
        gone_owners_.erase(found->first);
        dependents_.erase(found);
    }
}

// Somebody may wait for this dependent, and need not any more: it has gone, or no longer names or blocks him.
void Cluster::note_waiting_owners(store::Event const& event) {
    std::set<std::string> blocked;
    if (event.type != store::EventType::kDeleted) blocked = blocked_owners(event.object);
    for (auto const& [index, reference] : event.previous.at({"metadata", "ownerReferences"}).elements()) {
        if (event.type != store::EventType::kDeleted && !reference["blockOwnerDeletion"].as_bool()) continue;
        if (blocked.contains(reference["uid"].string())) continue;
        Owner owner = owner_of(event.key, reference);
        if (waits_for_dependents(owner.object)) to_collect_.insert(std::move(owner.key));
    }
}

void Cluster::note_for_collection(store::Event const& event) {
    Doc const& object = event.object;
    Doc const owners = object.at({"metadata", "ownerReferences"});
    std::size_t const before = to_collect_.size();
    note_owners(event);
    if (event.type == store::EventType::kDeleted) {
        unjudged_.erase(event.key);
        if (auto const found = dependents_.find(meta::uid(object)); found != dependents_.end()) {
            to_collect_.insert(found->second.begin(), found->second.end());
            gone_owners_.insert_or_assign(found->first, event.key);
        }
    } else {
        bool const special = waits_for_dependents(object) || orphans_dependents(object);
        bool const newly_owned = owners.size() > 0 && (event.type == store::EventType::kAdded ||
                                                       !(owners == event.previous.at({"metadata", "ownerReferences"})));
        if (special || newly_owned) to_collect_.insert(event.key);
    }
    note_waiting_owners(event);
    if (to_collect_.size() != before) garbage_.notify();

    // What goes from a terminating namespace or definition may have been the last of it.
    std::size_t const known = terminating_.size();
    bool const container = is_namespace(event.key) || is_definition(event.key);
    if (container && event.type != store::EventType::kDeleted && meta::is_deleting(object))
        terminating_.insert(event.key);
    if (event.type == store::EventType::kDeleted) {
        store::Key ns{"", "namespaces", "", event.key.ns};
        if (!event.key.ns.empty() && meta::is_deleting(store_->get(ns))) terminating_.insert(std::move(ns));
        store::Key definition{kDefinitionGroup, kDefinitions, "", event.key.resource + "." + event.key.group};
        if (!event.key.group.empty() && meta::is_deleting(store_->get(definition)))
            terminating_.insert(std::move(definition));
    }
    if (terminating_.size() != known) termination_.notify();
}

Cluster::Owner Cluster::owner_of(store::Key const& dependent, Doc const& reference) const {
    auto const [group, version] = meta::parse_api_version(reference["apiVersion"].as_string());
    std::string const name = reference["name"].string();
    // Seen to go: that holds after its kind has gone as well.
    if (auto const gone = gone_owners_.find(reference["uid"].as_string()); gone != gone_owners_.end()) {
        store::Key const& key = gone->second;
        if (key.group == group && key.name == name && (key.ns.empty() || key.ns == dependent.ns))
            return {.state = Owner::State::kAbsent};
    }
    Info const info = served_->by_kind(group, version, reference["kind"].as_string());
    // An object of no namespace cannot name one that is inside: the reference says too little.
    if (!info || (info->namespaced && dependent.ns.empty())) return {};
    Owner owner{Owner::State::kFound,
                {info->resource.group, info->resource.resource, info->namespaced ? dependent.ns : "", name},
                {}};
    owner.object = store_->latest(owner.key);
    if (!owner.object.exists() || meta::uid(owner.object) != reference["uid"].as_string())
        return {.state = Owner::State::kAbsent};
    return owner;
}

// Takes the references to these owners out of a dependent.
Task<Status> Cluster::drop_owners(Context ctx, store::Key key, std::set<std::string> uids) {
    Doc const dependent = store_->latest(key);
    if (!dependent.exists()) co_return Status{};
    Value next = dependent.thaw();
    Value& metadata = next["metadata"];
    std::erase_if(metadata["ownerReferences"].make_array(),
                  [&](Value const& each) { return uids.contains(each["uid"].string()); });
    if (std::as_const(metadata)["ownerReferences"].size() == 0) metadata.erase("ownerReferences");
    CO_TRY(
        co_await store_->write(ctx, {store::Write::Kind::kUpdate, key, std::move(next), revision_number(dependent)}));
    co_return Status{};
}

// No owner waits for this dependent any more.
Task<Status> Cluster::unblock_owners(Context ctx, store::Key key) {
    Doc const dependent = store_->latest(key);
    if (blocked_owners(dependent).empty()) co_return Status{};
    Value next = dependent.thaw();
    for (Value& each : next["metadata"]["ownerReferences"].make_array()) each["blockOwnerDeletion"] = false;
    CO_TRY(
        co_await store_->write(ctx, {store::Write::Kind::kUpdate, key, std::move(next), revision_number(dependent)}));
    co_return Status{};
}

Task<client::Response> Cluster::remove_as(Context ctx, std::string controller, store::Key key, Value options) {
    Info const info = served_->stored(key.group, key.resource);
    if (!info) co_return error_response(Error(ErrorCode::kNotFound, fmt::format("{} is not served", key.resource)));
    client::Request request;
    request.method = "DELETE";
    request.path = client::resource_path(info->resource, key.ns, key.name);
    request.content_type = "application/json";
    request.headers.emplace_back("User-Agent", controller);
    request.body = Doc::freeze(options);
    control::UserInfo user{
        "system:serviceaccount:kube-system:" + controller, {"system:serviceaccounts", "system:masters"}, {}};
    client::Response response = co_await handle(ctx, std::move(user), std::move(request));
    co_return std::move(response);
}

std::set<store::Key> Cluster::dependents_of(Doc const& owner) const {
    auto const found = dependents_.find(meta::uid(owner));
    return found == dependents_.end() ? std::set<store::Key>() : found->second;
}

// One that is being deleted and has its dependents orphaned, or waits for them.
Task<Status> Cluster::finish_owner(Context ctx, store::Key key, Doc object) {
    std::string const uid = meta::uid(object);
    std::set<store::Key> const below = dependents_of(object);
    bool const orphans = orphans_dependents(object);
    bool blocked = false;
    for (store::Key const& each : below) {
        if (orphans) {
            CO_TRY(co_await drop_owners(ctx, each, {uid}));
            continue;
        }
        Doc const dependent = store_->latest(each);
        blocked = blocked || blocked_owners(dependent).contains(uid);
        if (!meta::is_deleting(dependent)) to_collect_.insert(each);
    }
    if (blocked) co_return Status{};
    Value next = object.thaw();
    Value& finalizers = next["metadata"]["finalizers"];
    std::erase_if(finalizers.make_array(), [](Value const& each) {
        return each.as_string() == "orphan" || each.as_string() == "foregroundDeletion";
    });
    bool const last = std::as_const(finalizers).size() == 0;
    if (last) next["metadata"].erase("finalizers");
    bool const kept = std::as_const(next).at({"metadata", "deletionGracePeriodSeconds"}).as_int() > 0;
    auto const kind = last && !kept ? store::Write::Kind::kDelete : store::Write::Kind::kUpdate;
    CO_TRY(co_await store_->write(ctx, {kind, key, std::move(next), revision_number(object)}));
    co_return Status{};
}

// Deletes the object when none of its owners is left, or only such as wait for it.
Task<Status> Cluster::judge(Context ctx, store::Key key, Doc object) {
    Doc const owners = object.at({"metadata", "ownerReferences"});
    if (owners.size() == 0) co_return Status{};
    std::set<std::string> not_held_by;
    bool held = false;
    bool any_waits = false;
    for (auto const& [index, reference] : owners.elements()) {
        Owner const owner = owner_of(key, reference);
        if (owner.state == Owner::State::kUnknown) unjudged_.insert(key);
        if (owner.state == Owner::State::kUnknown) co_return Status{};
        bool const waits = waits_for_dependents(owner.object);
        any_waits = any_waits || waits;
        bool const holds = owner.state == Owner::State::kFound && !waits;
        held = held || holds;
        if (!holds) not_held_by.insert(reference["uid"].string());
    }
    if (held) {
        // Held by another: those who wait would wait for ever.
        if (!not_held_by.empty()) CO_TRY(co_await drop_owners(ctx, key, std::move(not_held_by)));
        co_return Status{};
    }
    std::set<store::Key> const below = dependents_of(object);
    any_waits = any_waits && !below.empty();
    // In a circle each waits for the other: this one goes first.
    bool const circle = any_waits && std::ranges::any_of(below, [&](store::Key const& each) {
                            return waits_for_dependents(store_->latest(each));
                        });
    if (circle) CO_TRY(co_await unblock_owners(ctx, key));
    // An owner that waits wants its dependents to wait for theirs.
    std::string_view policy = any_waits ? "Foreground" : "Background";
    if (!any_waits && meta::has_finalizer(object, "foregroundDeletion")) policy = "Foreground";
    if (!any_waits && meta::has_finalizer(object, "orphan")) policy = "Orphan";
    Value options{json::Object{{"propagationPolicy", policy}}};
    options.set({"preconditions", "uid"}, meta::uid(object));
    client::Response const response = co_await remove_as(ctx, "generic-garbage-collector", key, std::move(options));
    if (!response.ok() && response.status != 404 && response.status != 409)
        co_return fail(ErrorCode::kUnavailable, response.body["message"].string());
    co_return Status{};
}

// Looks at one object: is it garbage, or does it wait for its dependents?
Task<Status> Cluster::collect(Context ctx, store::Key key) {
    Doc const object = store_->latest(key);
    Status done;
    if (orphans_dependents(object) || waits_for_dependents(object)) {
        done = co_await finish_owner(ctx, key, object);
    } else if (object.exists() && !meta::is_deleting(object)) {
        done = co_await judge(ctx, key, object);
    }
    co_return done;
}

Task<void> Cluster::collect_one(Context ctx, store::Key key) {
    Status const done = co_await collect(ctx, key);
    if (done || done.error().is(ErrorCode::kCancelled) || done.error().is(ErrorCode::kNotFound)) co_return;
    if (!done.error().is(ErrorCode::kConflict)) {
        ctx.log().warning(
            "garbage collection failed, trying again",
            {{"resource", key.resource}, {"namespace", key.ns}, {"name", key.name}, {"error", done.error().message()}});
        (void)co_await async::sleep_for(ctx, std::chrono::seconds(1));
    }
    to_collect_.insert(key);   // the object moved on: look again
    garbage_.notify();
}

Task<void> Cluster::collect_garbage(Context ctx) {
    while (ctx.check()) {
        if (to_collect_.empty()) {
            (void)co_await garbage_.wait(ctx);
            continue;
        }
        async::Scope scope(ctx);
        for (std::size_t count = 0; count < kAtOnce && !to_collect_.empty(); ++count) {
            scope.spawn(collect_one(scope.context(), *to_collect_.begin()));
            to_collect_.erase(to_collect_.begin());
        }
        co_await scope.join();
    }
}

}   // namespace aviary::apiserver
