// create and update.
#include <fmt/format.h>

#include <algorithm>

#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/custom.h"
#include "kube/apiserver/internal/object_rules.h"
#include "kube/apiserver/internal/scale.h"
#include "kube/meta/object.h"
#include "kube/schema/schema.h"

namespace aviary::apiserver {

namespace {

using client::Response;
using control::Operation;
using json::Doc;
using json::Value;

constexpr int kRetries = 5;
constexpr int kNameAttempts = 8;

bool is_definition(ResourceInfo const& info) {
    return info.resource.group == kDefinitionGroup && info.resource.resource == kDefinitions;
}
bool is_namespace(ResourceInfo const& info) {
    return info.resource.group.empty() && info.resource.resource == "namespaces";
}

void copy_member(Value const& from, Value& to, std::string_view member) {
    if (Value const* value = from.find(member)) {
        to[member] = *value;
    } else {
        to.erase(member);
    }
}

void fill_defaults(ResourceInfo const& info, Value& object) {
    if (info.default_object) info.default_object(object);
    if (info.schema) info.schema->apply_defaults(object);
}

}   // namespace

Task<Result<Value>> Cluster::to_stored(Call const& call, Value object) const {
    Info const stored = served_->stored(call.resource->resource.group, call.resource->resource.resource);
    if (!stored || stored == call.resource) co_return std::move(object);
    CO_TRY_ASSIGN(Doc const converted, co_await conversion_->convert_one(call.ctx, stored, Doc::freeze(object)));
    co_return converted.thaw();
}

// Names against other definitions, then the status that the server itself keeps.
void Cluster::finish_definition(Call& call, Value& definition) const {
    std::string conflict;
    Doc const own = Doc::freeze(definition);
    store_->visit(kDefinitionGroup, kDefinitions, "", std::nullopt, [&](store::Key const& key, Doc const& other) {
        if (key.name != meta::name(own)) conflict = name_conflict(own, other);
        return conflict.empty();
    });
    establish(definition, conflict, call.ctx.now());
    for (std::string& warning : definition_warnings(definition)) call.warnings.add(std::move(warning));
}

// Metadata of an object that begins to exist, and where it will be.
store::Key Cluster::name_new(Call const& call, Value& metadata) const {
    ResourceInfo const& info = *call.resource;
    Value const& read = metadata;
    store::Key key{info.resource.group, info.resource.resource, info.namespaced ? call.info.ns : "",
                   read["name"].string()};
    if (key.name.empty() && !read["generateName"].as_string().empty()) {
        for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
            key.name = read["generateName"].string() + call.ctx.random().suffix();
            if (!store_->latest(key).exists()) break;
        }
        metadata["name"] = key.name;
    }
    metadata["uid"] = call.ctx.random().uuid();
    metadata["creationTimestamp"] = format_rfc3339(call.ctx.now());
    for (char const* field :
         {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"})
        metadata.erase(field);
    if (info.counts_generation) metadata["generation"] = 1;
    if (is_namespace(info)) metadata["labels"]["kubernetes.io/metadata.name"] = key.name;
    auto const is_ours = [](Value const& each) { return each.as_string() == kDefinitionFinalizer; };
    if (is_definition(info) && std::ranges::none_of(read["finalizers"].array(), is_ours))
        metadata["finalizers"].push_back(kDefinitionFinalizer);
    return key;
}

Task<Result<Doc>> Cluster::create_object(Call& call, Value object, bool applied) {
    ResourceInfo const& info = *call.resource;
    CO_TRY(check_fields(call, object));
    if (!std::as_const(object).at({"metadata", "resourceVersion"}).as_string().empty())
        co_return fail(ErrorCode::kBadRequest, "resourceVersion should not be set on objects to be created");
    if (info.custom && info.has_status) object.erase("status");
    if (is_definition(info)) default_definition(object);
    store::Key key = name_new(call, object["metadata"]);
    if (info.prepare) info.prepare(object, {});
    fill_defaults(info, object);
    patch::Manager const manager{call.manager, info.resource.api_version(), "", call.ctx.now()};
    if (!applied) {
        object["metadata"].erase("managedFields");
        patch::track_update({}, object, manager, *info.type_tree);
    }
    CO_TRY(co_await admit(call, Operation::kCreate, object, {}, &manager));
    if (is_definition(info)) finish_definition(call, object);
    if (call.dry_run) {
        if (store_->latest(key).exists())
            co_return std::unexpected(worded(call, Error(ErrorCode::kAlreadyExists, ""), key.name));
        co_return Doc::freeze(object);
    }
    std::string const name = key.name;
    CO_TRY_ASSIGN(Value to_store, co_await to_stored(call, std::move(object)));
    Result<Doc> stored =
        co_await store_->write(call.ctx, {store::Write::Kind::kCreate, std::move(key), std::move(to_store)});
    if (!stored) co_return std::unexpected(worded(call, stored.error(), name));
    co_return std::move(stored);
}

Task<Result<Response>> Cluster::create(Call& call) {
    CO_TRY_ASSIGN(Doc const stored, co_await create_object(call, call.request.body.thaw(), false));
    co_return co_await object_response(call, stored, 201);
}

// Brings into `next` what this write may not change: the server's own metadata, and the status or all but the status.
Status Cluster::carry_over(Call const& call, Value const& before, Value& next, bool applied) const {
    ResourceInfo const& info = *call.resource;
    std::string const& name = call.info.name;
    Value& metadata = next["metadata"];
    if (metadata["name"].as_string().empty()) metadata["name"] = name;
    if (metadata["name"].as_string() != name) {
        return fail(ErrorCode::kBadRequest,
                    fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                metadata["name"].as_string(), name));
    }
    std::string const wanted_version = metadata["resourceVersion"].string();
    if (!wanted_version.empty() && wanted_version != before.at({"metadata", "resourceVersion"}).as_string()) {
        return std::unexpected(worded(call, Error(ErrorCode::kConflict, ""), name));
    }
    std::string const wanted_uid = metadata["uid"].string();
    std::string const uid = before.at({"metadata", "uid"}).string();
    if (!wanted_uid.empty() && wanted_uid != uid) {
        return std::unexpected(
            Error(ErrorCode::kConflict, fmt::format("Operation cannot be fulfilled on {} \"{}\": Precondition failed: "
                                                    "UID in precondition: {}, UID in object meta: {}",
                                                    info.resource.group_resource(), name, wanted_uid, uid))
                .with_causes({{"UIDMismatch", "metadata.uid", "uid differs"}}));
    }
    Value const& own = before["metadata"];
    for (char const* field : {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                              "generation", "namespace", "resourceVersion", "generateName"}) {
        copy_member(own, metadata, field);
    }
    metadata.erase("selfLink");
    if (call.info.subresource == "status") {
        // The rest stays; built-in kinds let annotations through, core ones labels too (their status strategies).
        Value merged = before;
        copy_member(next, merged, "status");
        if (!info.custom) copy_member(next["metadata"], merged["metadata"], "annotations");
        if (!info.custom && info.resource.group.empty()) copy_member(next["metadata"], merged["metadata"], "labels");
        if (applied) copy_member(next["metadata"], merged["metadata"], "managedFields");
        next = std::move(merged);
    } else if (info.has_status) {
        copy_member(before, next, "status");
    }
    if (call.info.subresource != "finalize" && is_namespace(info))
        next.set({"spec", "finalizers"}, before.at({"spec", "finalizers"}));
    return {};
}

// `next` is the whole object as the writer wants it, its metadata.resourceVersion the precondition (empty: none); `old`
// is `current`, which is stored, in the call's version.
Task<Result<Doc>> Cluster::update_object(Call& call, Doc current, Doc old, Value next, bool applied) {
    ResourceInfo const& info = *call.resource;
    CO_TRY(check_fields(call, next));
    Value const before = old.thaw();
    CO_TRY(carry_over(call, before, next, applied));
    bool const status_write = call.info.subresource == "status";
    if (!status_write) {
        if (call.info.subresource != "finalize" && info.prepare) info.prepare(next, old);
        fill_defaults(info, next);
    }
    patch::Manager const manager{call.manager, info.resource.api_version(), call.info.subresource, call.ctx.now()};
    if (!applied) patch::track_update(before, next, manager, *info.type_tree);
    CO_TRY(co_await admit(call, Operation::kUpdate, next, old, &manager));
    if (same_object(before, next)) {
        // What is answered has been stored, also when somebody else's write is still on its way there.
        CO_TRY(co_await store_->wait_visible(call.ctx, revision_number(current)));
        co_return current;
    }
    if (info.counts_generation && !status_write) {
        bool const annotations =
            info.annotations_raise_generation &&
            !(before.at({"metadata", "annotations"}) == std::as_const(next).at({"metadata", "annotations"}));
        if (annotations || !same_spec(before, next))
            next["metadata"]["generation"] = before.at({"metadata", "generation"}).as_int() + 1;
    }
    if (is_definition(info) && !status_write) finish_definition(call, next);
    if (call.dry_run) co_return Doc::freeze(next);

    // The last finalizer of a deleted object ends it.
    Value const& read = next;
    bool const namespace_kept = is_namespace(info) && read.at({"spec", "finalizers"}).size() > 0;
    bool const grace_left = read.at({"metadata", "deletionGracePeriodSeconds"}).as_int() > 0;
    bool const ends = read.at({"metadata", "deletionTimestamp"}).is_string() &&
                      read.at({"metadata", "finalizers"}).size() == 0 && !namespace_kept && !grace_left;
    CO_TRY_ASSIGN(Value to_store, co_await to_stored(call, std::move(next)));
    store::Write write{ends ? store::Write::Kind::kDelete : store::Write::Kind::kUpdate, key_of(call),
                       std::move(to_store), revision_number(current)};
    Result<Doc> stored = co_await store_->write(call.ctx, std::move(write));
    if (!stored) co_return std::unexpected(worded(call, stored.error(), call.info.name));
    co_return std::move(stored);
}

Task<Result<Response>> Cluster::update(Call& call) {
    Value const body = call.request.body.thaw();
    bool const scale = call.info.subresource == "scale";
    for (int attempt = 0;; ++attempt) {
        Doc const current = store_->latest(key_of(call));
        if (!current.exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
        CO_TRY_ASSIGN(Doc const old, co_await in_version(call, current));
        Value next = body;
        if (scale) {
            next = old.thaw();
            CO_TRY(set_scale(*call.resource, next, body));
        }
        bool const unconditional = body.at({"metadata", "resourceVersion"}).as_string().empty();
        Result<Doc> stored = co_await update_object(call, current, old, std::move(next), false);
        if (!stored && stored.error().is(ErrorCode::kConflict) && stored.error().causes().empty() && unconditional &&
            attempt < kRetries)
            continue;
        if (!stored) co_return std::unexpected(stored.error());
        if (scale) {
            CO_TRY_ASSIGN(Doc const shown, co_await in_version(call, *stored));
            co_return json_response(Doc::freeze(scale_of(*call.resource, shown)));
        }
        co_return co_await object_response(call, *stored);
    }
}

}   // namespace aviary::apiserver
