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
        // Somebody may wait for its last dependent.
        for (auto const& [index, reference] : owners.elements()) {
            Owner owner = owner_of(event.key, reference);
            if (waits_for_dependents(owner.object)) to_collect_.insert(std::move(owner.key));
        }
    } else {
        bool const special = waits_for_dependents(object) || orphans_dependents(object);
        bool const newly_owned = owners.size() > 0 && (event.type == store::EventType::kAdded ||
                                                       !(owners == event.previous.at({"metadata", "ownerReferences"})));
        if (special || newly_owned) to_collect_.insert(event.key);
    }
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

bool Cluster::blocks(store::Key const& dependent, std::string const& owner_uid) const {
    Doc const object = store_->latest(dependent);
    for (auto const& [index, owner] : object.at({"metadata", "ownerReferences"}).elements()) {
        if (owner["uid"].as_string() == owner_uid && owner["blockOwnerDeletion"].as_bool()) return true;
    }
    return false;
}

Task<Status> Cluster::release_dependents(Context ctx, Doc owner, std::set<store::Key> dependents) {
    std::string const uid = meta::uid(owner);
    for (store::Key const& key : dependents) {
        Doc const dependent = store_->latest(key);
        if (!dependent.exists()) continue;
        Value next = dependent.thaw();
        Value& metadata = next["metadata"];
        std::erase_if(metadata["ownerReferences"].make_array(),
                      [&](Value const& each) { return each["uid"].as_string() == uid; });
        if (std::as_const(metadata)["ownerReferences"].size() == 0) metadata.erase("ownerReferences");
        CO_TRY(co_await store_->write(ctx,
                                      {store::Write::Kind::kUpdate, key, std::move(next), revision_number(dependent)}));
    }
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

// Looks at one object: is it garbage, or does it wait for its dependents?
Task<Status> Cluster::collect(Context ctx, store::Key key) {
    Doc const object = store_->latest(key);
    if (!object.exists()) co_return Status{};
    std::string const uid = meta::uid(object);
    std::set<store::Key> below;
    if (auto const found = dependents_.find(uid); found != dependents_.end()) below = found->second;

    bool const orphans = orphans_dependents(object);
    bool const waits = waits_for_dependents(object);
    if (orphans) CO_TRY(co_await release_dependents(ctx, object, below));
    bool blocked = false;
    if (waits) {
        for (store::Key const& each : below) {
            blocked = blocked || blocks(each, uid);
            if (!meta::is_deleting(store_->latest(each))) to_collect_.insert(each);
        }
    }
    if (orphans || (waits && !blocked)) {
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

    Doc const owners = object.at({"metadata", "ownerReferences"});
    if (owners.size() == 0 || meta::is_deleting(object)) co_return Status{};
    bool any_waits = false;
    for (auto const& [index, reference] : owners.elements()) {
        Owner const owner = owner_of(key, reference);
        if (owner.state == Owner::State::kUnknown) unjudged_.insert(key);
        if (owner.state == Owner::State::kUnknown) co_return Status{};
        if (owner.state == Owner::State::kAbsent) continue;
        if (!waits_for_dependents(owner.object)) co_return Status{};
        any_waits = true;
    }
    // An owner that waits wants its dependents to wait for theirs.
    Value options{json::Object{{"propagationPolicy", any_waits ? "Foreground" : "Background"}}};
    options.set({"preconditions", "uid"}, uid);
    client::Response const response = co_await remove_as(ctx, "generic-garbage-collector", key, std::move(options));
    if (!response.ok() && response.status != 404 && response.status != 409)
        co_return fail(ErrorCode::kUnavailable, response.body["message"].string());
    co_return Status{};
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
