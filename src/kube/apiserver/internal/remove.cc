// delete, deletecollection, and the pod sub-resources that bind and evict.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/custom.h"
#include "kube/apiserver/internal/object_rules.h"
#include "kube/apiserver/internal/shape.h"
#include "kube/meta/object.h"

namespace aviary::apiserver {

namespace {

using client::Response;
using control::Operation;
using json::Doc;
using json::Value;

constexpr int kRetries = 5;
constexpr std::size_t kAtOnce = 32;

Result<Doc> checked_options(Value options) {
    auto const refuse = [](std::string_view field, std::string_view given, std::string_view supported) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("DeleteOptions.meta.k8s.io \"\" is invalid: {}: Unsupported value: "
                                "\"{}\": supported values: {}",
                                field, given, supported));
    };
    std::string_view const policy = std::as_const(options)["propagationPolicy"].as_string("Background");
    if (policy != "Background" && policy != "Foreground" && policy != "Orphan")
        return refuse("propagationPolicy", policy, "\"Background\", \"Foreground\", \"Orphan\"");
    for (Value const& each : std::as_const(options)["dryRun"].array()) {
        if (each.as_string() != "All") return refuse("dryRun", each.as_string(), "\"All\"");
    }
    if (std::as_const(options)["gracePeriodSeconds"].as_int() < 0) options["gracePeriodSeconds"] = 1;
    return Doc::freeze(options);
}

// DeleteOptions come in the body, or some of them in the query.
Result<Doc> delete_options(client::Request const& request) {
    Value options = request.body.is_object() ? request.body.thaw() : Value(json::Object());
    if (auto const policy = request.query_value("propagationPolicy"); !policy.empty())
        options["propagationPolicy"] = policy;
    if (auto const grace = parse_int(request.query_value("gracePeriodSeconds"))) options["gracePeriodSeconds"] = *grace;
    if (is_true(request.query_value("orphanDependents"))) options["orphanDependents"] = true;
    return checked_options(std::move(options));
}

bool is_dry_run(Doc const& options) { return options["dryRun"].size() > 0; }

Status check_preconditions(ResourceInfo const& info, std::string const& name, Doc const& options, Doc const& current) {
    auto const check = [&](char const* field, std::string_view what, std::string const& found) -> Status {
        std::string const wanted = options.at({"preconditions", field}).string();
        if (wanted.empty() || wanted == found) return {};
        return std::unexpected(
            Error(ErrorCode::kConflict, fmt::format("Operation cannot be fulfilled on {} \"{}\": Precondition failed: "
                                                    "{} in precondition: {}, {} in object meta: {}",
                                                    info.resource.group_resource(), name, what, wanted, what, found))
                .with_causes({{"Precondition", fmt::format("metadata.{}", field), "differs"}}));
    };
    TRY(check("uid", "UID", meta::uid(current)));
    return check("resourceVersion", "ResourceVersion", meta::resource_version(current));
}

// Pods end when their node has ended them; one without a node, or ended already, at once.
std::int64_t grace_of(Doc const& pod, Doc const& options) {
    std::string_view const phase = pod.at({"status", "phase"}).as_string();
    if (!pod.at({"spec", "nodeName"}).exists() || phase == "Failed" || phase == "Succeeded") return 0;
    std::int64_t const usual = pod.at({"spec", "terminationGracePeriodSeconds"}).as_int(30);
    return std::max<std::int64_t>(0, options["gracePeriodSeconds"].as_int(usual));
}

void set_finalizers(Value& metadata, Doc const& options) {
    std::string_view const policy = options["propagationPolicy"].as_string();
    bool const orphan = policy == "Orphan" || (policy.empty() && options["orphanDependents"].as_bool());
    Value& finalizers = metadata["finalizers"];
    auto const has = [&](std::string_view wanted) {
        return std::ranges::any_of(std::as_const(finalizers).array(),
                                   [&](Value const& each) { return each.as_string() == wanted; });
    };
    // The policy of the latest deletion holds.
    if (!policy.empty() || orphan) {
        std::erase_if(finalizers.make_array(), [&](Value const& each) {
            return (each.as_string() == "orphan" && !orphan) ||
                   (each.as_string() == "foregroundDeletion" && policy != "Foreground");
        });
    }
    if (policy == "Foreground" && !has("foregroundDeletion")) finalizers.push_back("foregroundDeletion");
    if (orphan && !has("orphan")) finalizers.push_back("orphan");
    if (std::as_const(finalizers).size() == 0) metadata.erase("finalizers");
}

}   // namespace

Task<Result<Doc>> Cluster::delete_object(Call& call, std::string name, Doc options) {
    ResourceInfo const& info = *call.resource;
    store::Key const key{info.resource.group, info.resource.resource, info.namespaced ? call.info.ns : "", name};
    bool const core = info.resource.group.empty();
    for (int attempt = 0;; ++attempt) {
        Doc const current = store_->latest(key);
        if (!current.exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), name));
        CO_TRY(check_preconditions(info, name, options, current));
        CO_TRY_ASSIGN(Doc const shown, co_await in_version(call, current));
        Value nothing;
        CO_TRY(co_await admit(call, Operation::kDelete, nothing, shown, nullptr));
        if (call.dry_run) co_return current;

        bool const pod = core && info.resource.resource == "pods";
        bool const is_namespace = core && info.resource.resource == "namespaces";
        std::int64_t const grace = pod ? grace_of(current, options) : 0;
        Value next = current.thaw();
        Value& metadata = next["metadata"];
        set_finalizers(metadata, options);
        Value const& read = next;
        bool const held = read.at({"metadata", "finalizers"}).size() > 0 || grace > 0 ||
                          (is_namespace && read.at({"spec", "finalizers"}).size() > 0);
        bool const deleting = meta::is_deleting(current);
        if (held && deleting && read.at({"metadata", "deletionGracePeriodSeconds"}).as_int() <= grace &&
            read.at({"metadata", "finalizers"}) == current.at({"metadata", "finalizers"}).thaw()) {
            co_return current;
        }
        if (!deleting && info.counts_generation && held)
            metadata["generation"] = read.at({"metadata", "generation"}).as_int() + 1;
        if (held && (!deleting || read.at({"metadata", "deletionGracePeriodSeconds"}).as_int() > grace)) {
            metadata["deletionTimestamp"] = format_rfc3339(call.ctx.now() + std::chrono::seconds(grace));
            metadata["deletionGracePeriodSeconds"] = grace;
        }
        if (is_namespace) next.set({"status", "phase"}, "Terminating");
        if (info.resource.group == kDefinitionGroup && held) {
            meta::set_condition(next["status"]["conditions"], "Terminating", "True", "InstanceDeletionPending",
                                "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
                                call.ctx.now());
        }
        store::Write write{held ? store::Write::Kind::kUpdate : store::Write::Kind::kDelete, key, std::move(next),
                           revision_number(current)};
        Result<Doc> stored = co_await store_->write(call.ctx, std::move(write));
        if (!stored && stored.error().is(ErrorCode::kConflict) && attempt < kRetries) continue;
        if (!stored) co_return std::unexpected(worded(call, stored.error(), name));
        co_return std::move(stored);
    }
}

Task<Result<Response>> Cluster::remove(Call& call) {
    CO_TRY_ASSIGN(Doc const options, delete_options(call.request));
    call.dry_run = call.dry_run || is_dry_run(options);
    CO_TRY_ASSIGN(Doc const gone, co_await delete_object(call, call.info.name, options));
    bool const stays = meta::is_deleting(gone) && store_->latest(key_of(call)).exists();
    if (stays || (call.resource->resource.group.empty() && call.resource->resource.resource == "pods"))
        co_return co_await object_response(call, gone);
    co_return success_response({{"name", call.info.name},
                                {"group", call.resource->resource.group},
                                {"kind", call.resource->resource.resource},
                                {"uid", meta::uid(gone)}});
}

namespace {

struct Removed {
    std::vector<Doc> objects;
    std::optional<Error> error;
};

Task<void> note_removed(Task<Result<Doc>> removal, Removed& removed, std::size_t place) {
    Result<Doc> gone = co_await std::move(removal);
    if (gone) removed.objects[place] = std::move(*gone);
    if (!gone && !gone.error().is(ErrorCode::kNotFound) && !removed.error) removed.error = gone.error();
}

}   // namespace

Task<Result<Response>> Cluster::remove_collection(Call& call) {
    ResourceInfo const& info = *call.resource;
    if (info.namespaced && call.info.ns.empty())
        co_return fail(ErrorCode::kMethodNotAllowed, "the server does not allow this method on the requested resource");
    CO_TRY_ASSIGN(Filter const filter, Filter::of(call.request, info));
    CO_TRY_ASSIGN(Doc const options, delete_options(call.request));
    call.dry_run = call.dry_run || is_dry_run(options);
    std::vector<std::string> names;
    store_->visit(info.resource.group, info.resource.resource, info.namespaced ? call.info.ns : "", std::nullopt,
                  [&](store::Key const& key, Doc const& object) {
                      if (filter.matches(object)) names.push_back(key.name);
                      return true;
                  });
    Removed removed;
    removed.objects.resize(names.size());
    for (std::size_t first = 0; first < names.size() && !removed.error; first += kAtOnce) {
        async::Scope scope(call.ctx);
        for (std::size_t place = first; place < std::min(names.size(), first + kAtOnce); ++place)
            scope.spawn(note_removed(delete_object(call, names[place], options), removed, place));
        co_await scope.join();
    }
    if (removed.error) co_return std::unexpected(*removed.error);
    std::erase_if(removed.objects, [](Doc const& object) { return !object.exists(); });
    CO_TRY_ASSIGN(std::vector<Doc> const shown,
                  co_await conversion_->convert(call.ctx, call.resource, std::move(removed.objects)));
    json::Array items;
    for (Doc const& object : shown) items.push_back(object.thaw());
    co_return json_response(
        Doc::freeze(json::Object{{"kind", info.list_kind},
                                 {"apiVersion", info.resource.api_version()},
                                 {"metadata", json::Object{{"resourceVersion", std::to_string(store_->revision())}}},
                                 {"items", std::move(items)}}));
}

Task<Result<Response>> Cluster::bind(Call& call) {
    Doc const current = store_->latest(key_of(call));
    if (!current.exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
    std::string const node = call.request.body.at({"target", "name"}).string();
    if (node.empty()) co_return fail(ErrorCode::kInvalid, "target.name: Required value");
    auto const refuse = [&](std::string why) {
        return std::unexpected(
            Error(ErrorCode::kConflict,
                  fmt::format("Operation cannot be fulfilled on pods/binding \"{}\": {}", call.info.name, why))
                .with_object("", "pods/binding", call.info.name));
    };
    if (current.at({"spec", "nodeName"}).exists())
        co_return refuse(fmt::format("pod {} is already assigned to node \"{}\"", call.info.name,
                                     current.at({"spec", "nodeName"}).as_string()));
    if (meta::is_deleting(current))
        co_return refuse(fmt::format("pod {} is being deleted, cannot be assigned to a host", call.info.name));
    if (call.dry_run) co_return success_response({}, 201);
    Value next = current.thaw();
    next.set({"spec", "nodeName"}, node);
    Value& conditions = next["status"]["conditions"];
    std::erase_if(conditions.make_array(),
                  [](Value const& each) { return each["type"].as_string() == "PodScheduled"; });
    conditions.push_back(json::Object{{"type", "PodScheduled"},
                                      {"status", "True"},
                                      {"lastProbeTime", nullptr},
                                      {"lastTransitionTime", format_rfc3339(call.ctx.now())}});
    Result<Doc> const stored = co_await store_->write(
        call.ctx, {store::Write::Kind::kUpdate, key_of(call), std::move(next), revision_number(current)});
    if (!stored) co_return std::unexpected(worded(call, stored.error(), call.info.name));
    co_return success_response({}, 201);
}

Task<Result<Response>> Cluster::evict(Call& call) {
    Doc const asked = call.request.body["deleteOptions"];
    CO_TRY_ASSIGN(Doc const options, checked_options(asked.is_object() ? asked.thaw() : Value(json::Object())));
    call.dry_run = call.dry_run || is_dry_run(options);
    CO_TRY(co_await delete_object(call, call.info.name, options));
    co_return success_response({}, 201);
}

}   // namespace aviary::apiserver
