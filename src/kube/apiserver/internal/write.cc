// create, update, patch and delete.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/json/patch.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/custom.h"
#include "kube/meta/names.h"
#include "kube/meta/object.h"
#include "kube/meta/selector.h"
#include "kube/meta/status.h"
#include "kube/patch/apply.h"
#include "kube/patch/strategic_merge.h"
#include "kube/schema/schema.h"

namespace aviary::apiserver {

namespace {

using client::Response;
using control::Operation;
using json::Doc;
using json::Value;

constexpr int kPatchRetries = 5;
constexpr std::size_t kMaxAnnotationBytes = 256 << 10;

Error invalid(ResourceInfo const& info, std::string const& name, std::vector<FieldCause> causes) {
    std::string const kind = info.resource.group.empty() ? info.kind : info.kind + "." + info.resource.group;
    std::string text;
    for (FieldCause const& cause : causes) text += (text.empty() ? "" : ", ") + cause.field + ": " + cause.message;
    if (causes.size() > 1) text = "[" + text + "]";
    return Error(ErrorCode::kInvalid, fmt::format("{} \"{}\" is invalid: {}", kind, name, text))
        .with_causes(std::move(causes))
        .with_object(info.resource.group, info.kind, name);
}

std::vector<FieldCause> check_metadata(ResourceInfo const& info, Value const& object) {
    std::vector<FieldCause> causes;
    Value const& metadata = object["metadata"];
    std::string const name = metadata["name"].string();
    if (name.empty()) {
        causes.push_back({"FieldValueRequired", "metadata.name", "Required value: name or generateName is required"});
    } else {
        bool const rbac = info.resource.group == "rbac.authorization.k8s.io";
        bool const label = info.resource.resource == "namespaces" || info.resource.resource == "services";
        auto const problem = rbac ? meta::path_segment_problem(name) : label ? meta::dns1123_label_problem(name) : meta::dns1123_subdomain_problem(name);
        if (problem) causes.push_back({"FieldValueInvalid", "metadata.name", fmt::format("Invalid value: \"{}\": {}", name, *problem)});
    }
    for (auto const& [key, value] : metadata["labels"].object()) {
        if (auto const problem = meta::label_key_problem(key)) causes.push_back({"FieldValueInvalid", "metadata.labels", fmt::format("Invalid value: \"{}\": {}", key, *problem)});
        if (!value.is_string()) {
            causes.push_back({"FieldValueTypeInvalid", "metadata.labels." + key, "Invalid value: must be a string"});
        } else if (auto const bad = meta::label_value_problem(value.as_string())) {
            causes.push_back({"FieldValueInvalid", "metadata.labels", fmt::format("Invalid value: \"{}\": {}", value.as_string(), *bad)});
        }
    }
    std::size_t bytes = 0;
    for (auto const& [key, value] : metadata["annotations"].object()) {
        bytes += key.size() + value.as_string().size();
        if (auto const problem = meta::label_key_problem(to_lower(key))) causes.push_back({"FieldValueInvalid", "metadata.annotations", fmt::format("Invalid value: \"{}\": {}", key, *problem)});
        if (!value.is_string()) causes.push_back({"FieldValueTypeInvalid", "metadata.annotations." + key, "Invalid value: must be a string"});
    }
    if (bytes > kMaxAnnotationBytes) causes.push_back({"FieldValueTooLong", "metadata.annotations", fmt::format("Too long: may not be more than {} bytes", kMaxAnnotationBytes)});
    return causes;
}

// Everything that the generation counts: neither metadata nor status.
bool same_spec(Value const& left, Value const& right) {
    auto const rest = [](Value const& object) {
        Value copy{json::Object()};
        for (auto const& [key, value] : object.object()) {
            if (key != "metadata" && key != "status") copy[key] = value;
        }
        return copy;
    };
    return rest(left) == rest(right);
}

bool same_but_bookkeeping(Value left, Value right) {
    for (Value* each : {&left, &right}) {
        if (Value* metadata = each->find("metadata")) {
            metadata->erase("managedFields");
            metadata->erase("resourceVersion");
        }
    }
    return left == right;
}

// When only times in managedFields changed, nothing did.
bool same_managed_fields(Value const& left, Value const& right) {
    auto const strip = [](Value const& object) {
        Value list = object.at({"metadata", "managedFields"});
        for (Value& entry : list.make_array()) entry.erase("time");
        return list;
    };
    return strip(left) == strip(right);
}

// A null is an absent field to built-in kinds, as it is to the structs behind the real ones.
void drop_nulls(Value& value) {
    if (value.is_array()) {
        for (Value& each : value.make_array()) drop_nulls(each);
        return;
    }
    if (!value.is_object()) return;
    std::vector<std::string> nulls;
    for (auto& [key, child] : value.make_object()) {
        if (child.is_null()) {
            nulls.push_back(key);
        } else {
            drop_nulls(child);
        }
    }
    for (std::string const& key : nulls) value.erase(key);
}

std::string revision_text(Doc const& object) { return meta::resource_version(object); }

store::Revision revision_number(Doc const& object) { return static_cast<store::Revision>(parse_int(revision_text(object)).value_or(0)); }

}  // namespace

Status Cluster::check_fields(Call& call, Value& object) {
    ResourceInfo const& info = *call.resource;
    if (!object.is_object()) return fail(ErrorCode::kBadRequest, fmt::format("the object must be a JSON object, not {}", json::to_string(object.type())));
    if (!info.custom) drop_nulls(object);
    std::string const api_version = object["apiVersion"].string();
    std::string const kind = object["kind"].string();
    if (kind.empty()) object["kind"] = info.kind;
    if (api_version.empty()) object["apiVersion"] = info.resource.api_version();
    if (!kind.empty() && kind != info.kind) {
        return fail(ErrorCode::kBadRequest, fmt::format("{} in version \"{}\" cannot be handled as a {}: kind does not match", kind, api_version, info.kind));
    }
    if (!api_version.empty() && api_version != info.resource.api_version()) {
        return fail(ErrorCode::kBadRequest, fmt::format("the API version in the data ({}) does not match the expected API version ({})", api_version, info.resource.api_version()));
    }
    Value& metadata = object["metadata"];
    if (!metadata.is_null() && !metadata.is_object()) return fail(ErrorCode::kBadRequest, "metadata must be an object");
    metadata.make_object();
    std::string const ns = metadata["namespace"].string();
    if (info.namespaced) {
        if (ns.empty()) {
            metadata["namespace"] = call.info.ns;
        } else if (ns != call.info.ns) {
            return fail(ErrorCode::kBadRequest, fmt::format("the namespace of the provided object does not match the namespace sent on the request: {} is not {}", ns, call.info.ns));
        }
    } else {
        metadata.erase("namespace");
    }
    if (info.schema) {
        std::string_view const validation = call.request.query_value("fieldValidation");
        std::vector<std::string> const unknown = info.schema->prune(object);
        if (!unknown.empty() && validation == "Strict") {
            std::string text;
            for (std::string const& field : unknown) text += fmt::format("{}unknown field \"{}\"", text.empty() ? "" : ", ", field);
            return fail(ErrorCode::kBadRequest, fmt::format("{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}", info.kind, info.resource.version, info.kind, text));
        }
        if (validation != "Ignore") {
            for (std::string const& field : unknown) call.warnings.push_back(fmt::format("unknown field \"{}\"", field));
        }
    }
    return {};
}

Status Cluster::builtin_admission(Call& call, Operation operation, std::string const& ns) {
    if (!call.resource->namespaced || operation != Operation::kCreate) return {};
    Doc const object = store_->latest({"", "namespaces", "", ns});
    if (!object.exists()) {
        return std::unexpected(Error(ErrorCode::kNotFound, fmt::format("namespaces \"{}\" not found", ns)).with_object("", "namespaces", ns));
    }
    if (meta::is_deleting(object) && call.resource->resource.resource != "events") {
        return std::unexpected(Error(ErrorCode::kForbidden, fmt::format("{} is forbidden: unable to create new content in namespace {} because it is being terminated",
                                                                        call.resource->resource.group_resource(), ns))
                                   .with_causes({{"NamespaceTerminating", "metadata.namespace", fmt::format("namespace {} is being terminated", ns)}}));
    }
    return {};
}

// Nobody grants more than he has (RBAC escalation check).
Status Cluster::escalation(Call& call, Value const& object) const {
    if (call.resource->resource.group != "rbac.authorization.k8s.io") return {};
    std::string const& resource = call.resource->resource.resource;
    std::string const ns = object.at({"metadata", "namespace"}).string();
    if (resource == "roles" || resource == "clusterroles") {
        control::Attributes const verb{.verb = "escalate", .group = call.resource->resource.group, .resource = resource, .ns = ns, .name = object.at({"metadata", "name"}).string()};
        if (rbac_.allowed(call.user, verb) || rbac_.covers(call.user, ns, Doc::freeze(object["rules"]))) return {};
        return fail(ErrorCode::kForbidden, fmt::format("{} \"{}\" is forbidden: user \"{}\" is attempting to grant RBAC permissions not currently held",
                                                       call.resource->resource.group_resource(), verb.name, call.user.name));
    }
    std::string const kind = object.at({"roleRef", "kind"}).string();
    std::string const name = object.at({"roleRef", "name"}).string();
    control::Attributes const bind{.verb = "bind", .group = call.resource->resource.group, .resource = kind == "ClusterRole" ? "clusterroles" : "roles", .ns = ns, .name = name};
    if (rbac_.allowed(call.user, bind)) return {};
    Doc const rules = rbac_.rules_of(kind, ns, name);
    if (rules.exists() && rbac_.covers(call.user, ns, rules)) return {};
    return fail(ErrorCode::kForbidden, fmt::format("{} \"{}\" is forbidden: user \"{}\" is attempting to grant RBAC permissions not currently held",
                                                   call.resource->resource.group_resource(), object.at({"metadata", "name"}).as_string(), call.user.name));
}

Task<Status> Cluster::admit(Call& call, Operation operation, Value& object, Doc const& old) {
    ResourceInfo const& info = *call.resource;
    CO_TRY(builtin_admission(call, operation, call.info.ns));
    control::AdmissionRequest request;
    request.operation = operation;
    request.resource = info.resource;
    request.kind = info.kind;
    request.subresource = call.info.subresource;
    request.key = {call.info.ns, operation == Operation::kDelete ? meta::name(old) : object.at({"metadata", "name"}).string()};
    request.old_object = old;
    request.user = call.user;
    request.dry_run = call.dry_run;
    request.object = std::move(object);
    Status outcome;
    std::vector<std::shared_ptr<control::Admission>> const chain = admissions_;
    for (auto const& admission : chain) {
        if (!admission->matches(request)) continue;
        outcome = co_await admission->mutate(call.ctx, request);
        if (!outcome) break;
    }
    if (outcome && operation != Operation::kDelete) {
        std::string const name = request.object.at({"metadata", "name"}).string();
        if (call.info.subresource != "status") {
            if (info.default_object) info.default_object(request.object);
            if (info.schema) info.schema->apply_defaults(request.object);
        }
        std::vector<FieldCause> causes = check_metadata(info, request.object);
        if (info.schema) {
            auto more = info.schema->validate(request.object);
            causes.insert(causes.end(), more.begin(), more.end());
        }
        if (causes.empty() && info.validate && call.info.subresource.empty()) causes = info.validate(request.object, old);
        bool const definition = info.resource.resource == "customresourcedefinitions";
        if (causes.empty() && definition) causes = validate_definition(request.object, old);
        if (!causes.empty()) outcome = std::unexpected(invalid(info, name, std::move(causes)));
        if (outcome) outcome = escalation(call, request.object);
    }
    if (outcome) {
        for (auto const& admission : chain) {
            if (!admission->matches(request)) continue;
            outcome = co_await admission->validate(call.ctx, request);
            if (!outcome) break;
        }
    }
    object = std::move(request.object);
    for (std::string& warning : request.warnings) call.warnings.push_back(std::move(warning));
    co_return outcome;
}

Task<Result<Doc>> Cluster::create_object(Call& call, Value object, bool applied) {
    ResourceInfo const& info = *call.resource;
    CO_TRY(check_fields(call, object));
    Value& metadata = object["metadata"];
    if (metadata["name"].as_string().empty() && !metadata["generateName"].as_string().empty()) {
        metadata["name"] = metadata["generateName"].string() + call.ctx.random().suffix();
    }
    if (!metadata["resourceVersion"].as_string().empty()) {
        co_return fail(ErrorCode::kBadRequest, "resourceVersion should not be set on objects to be created");
    }
    metadata["uid"] = call.ctx.random().uuid();
    metadata["creationTimestamp"] = format_rfc3339(call.ctx.now());
    for (char const* field : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"}) metadata.erase(field);
    if (info.custom && info.has_status) object.erase("status");
    if (info.counts_generation) {
        metadata["generation"] = 1;
    } else {
        metadata.erase("generation");
    }
    if (info.prepare) info.prepare(object, {});
    if (info.resource.resource == "customresourcedefinitions") default_definition(object);
    if (info.default_object) info.default_object(object);
    if (info.schema) info.schema->apply_defaults(object);
    if (!applied) {
        patch::track_update({}, object, {call.manager, info.resource.api_version(), "", call.ctx.now()}, *info.type_tree);
    }
    Value const before_admission = object;
    CO_TRY(co_await admit(call, Operation::kCreate, object, {}));
    if (!(before_admission == object)) {
        patch::track_update(before_admission, object, {call.manager, info.resource.api_version(), "", call.ctx.now()}, *info.type_tree);
    }
    if (info.resource.resource == "customresourcedefinitions") establish(object, call.ctx.now());
    std::string const name = object.at({"metadata", "name"}).string();
    store::Key key{info.resource.group, info.resource.resource, info.namespaced ? call.info.ns : "", name};
    if (call.dry_run) {
        if (store_->latest(key).exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kAlreadyExists, ""), name));
        co_return Doc::freeze(object);
    }
    store::Write write{store::Write::Kind::kCreate, std::move(key), std::move(object), 0};
    Result<Doc> stored = co_await store_->write(call.ctx, std::move(write));
    if (!stored) co_return std::unexpected(worded(call, stored.error(), name));
    co_return std::move(stored);
}

Task<Result<Response>> Cluster::create(Call& call) {
    if (!call.info.name.empty()) co_return fail(ErrorCode::kMethodNotAllowed, "create names its object in the body, not in the path");
    CO_TRY_ASSIGN(Doc const stored, co_await create_object(call, call.request.body.thaw(), false));
    co_return object_response(call, stored, 201);
}

// `next` is the whole object as the writer wants it, its metadata.resourceVersion the precondition (empty: none).
Task<Result<Doc>> Cluster::update_object(Call& call, Doc current, Value next, bool applied) {
    ResourceInfo const& info = *call.resource;
    std::string const name = call.info.name;
    CO_TRY(check_fields(call, next));
    Value const before = current.thaw();
    Value& metadata = next["metadata"];
    if (metadata["name"].as_string().empty()) metadata["name"] = name;
    if (metadata["name"].as_string() != name) {
        co_return fail(ErrorCode::kBadRequest, fmt::format("the name of the object ({}) does not match the name on the URL ({})", metadata["name"].as_string(), name));
    }
    std::string const wanted_version = metadata["resourceVersion"].string();
    if (!wanted_version.empty() && wanted_version != revision_text(current)) co_return std::unexpected(worded(call, Error(ErrorCode::kConflict, ""), name));
    std::string const wanted_uid = metadata["uid"].string();
    if (!wanted_uid.empty() && wanted_uid != meta::uid(current)) {
        co_return std::unexpected(Error(ErrorCode::kConflict, fmt::format("Operation cannot be fulfilled on {} \"{}\": Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                                                          info.resource.group_resource(), name, wanted_uid, meta::uid(current)))
                                      .with_causes({{"UIDMismatch", "metadata.uid", "uid differs"}}));
    }
    for (char const* field : {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace", "resourceVersion", "generateName"}) {
        Value const* own = before["metadata"].find(field);
        if (own != nullptr) {
            metadata[field] = *own;
        } else {
            metadata.erase(field);
        }
    }
    bool const status_write = call.info.subresource == "status";
    if (status_write) {
        // The rest stays; built-in kinds let annotations through, pods and nodes labels too (their status strategies).
        Value merged = before;
        if (next.contains("status")) {
            merged["status"] = next["status"];
        } else {
            merged.erase("status");
        }
        auto const take = [&](char const* field) {
            if (Value const* value = next["metadata"].find(field)) {
                merged["metadata"][field] = *value;
            } else {
                merged["metadata"].erase(field);
            }
        };
        if (!info.custom) take("annotations");
        if (!info.custom && info.resource.group.empty()) take("labels");
        if (applied) take("managedFields");
        next = std::move(merged);
    } else if (info.has_status) {
        if (before.contains("status")) {
            next["status"] = before["status"];
        } else {
            next.erase("status");
        }
    }
    bool const finalize = call.info.subresource == "finalize";
    if (!finalize && info.resource.resource == "namespaces" && info.resource.group.empty()) next.set({"spec", "finalizers"}, before.at({"spec", "finalizers"}));
    if (!status_write && !finalize && info.prepare) info.prepare(next, current);
    if (!status_write) {
        if (info.default_object) info.default_object(next);
        if (info.schema) info.schema->apply_defaults(next);
    }
    patch::Manager const manager{call.manager, info.resource.api_version(), status_write ? "status" : "", call.ctx.now()};
    if (!applied) patch::track_update(before, next, manager, *info.type_tree);
    Value const before_admission = next;
    CO_TRY(co_await admit(call, Operation::kUpdate, next, current));
    if (!(before_admission == next)) patch::track_update(before_admission, next, manager, *info.type_tree);
    if (same_but_bookkeeping(before, next) && same_managed_fields(before, next)) co_return current;
    if (info.counts_generation && !status_write) {
        bool const annotations = info.annotations_raise_generation && !(before.at({"metadata", "annotations"}) == next.at({"metadata", "annotations"}));
        if (annotations || !same_spec(before, next)) next["metadata"]["generation"] = before.at({"metadata", "generation"}).as_int() + 1;
    }
    if (info.resource.resource == "customresourcedefinitions" && !status_write) establish(next, call.ctx.now());
    if (call.dry_run) co_return Doc::freeze(next);

    store::Key key{info.resource.group, info.resource.resource, info.namespaced ? call.info.ns : "", name};
    // The last finalizer of a deleted object ends it.
    bool const namespace_kept = info.resource.resource == "namespaces" && info.resource.group.empty() && next.at({"spec", "finalizers"}).size() > 0;
    bool const grace_left = next.at({"metadata", "deletionGracePeriodSeconds"}).as_int() > 0;
    bool const ends = next.at({"metadata", "deletionTimestamp"}).is_string() && next.at({"metadata", "finalizers"}).size() == 0 && !namespace_kept && !grace_left;
    store::Write write{ends ? store::Write::Kind::kDelete : store::Write::Kind::kUpdate, std::move(key), std::move(next), revision_number(current)};
    Result<Doc> stored = co_await store_->write(call.ctx, std::move(write));
    if (!stored) co_return std::unexpected(worded(call, stored.error(), name));
    co_return std::move(stored);
}

Task<Result<Response>> Cluster::update(Call& call) {
    Value body = call.request.body.thaw();
    for (int attempt = 0;; ++attempt) {
        Doc const current = store_->latest(key_of(call));
        if (!current.exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
        Value next = body;
        if (call.info.subresource == "scale") {
            if (!body.at({"spec", "replicas"}).is_int()) co_return fail(ErrorCode::kBadRequest, "spec.replicas: must be a number");
            next = current.thaw();
            next.set({"spec", "replicas"}, body.at({"spec", "replicas"}));
        }
        bool const unconditional = body.at({"metadata", "resourceVersion"}).as_string().empty();
        Result<Doc> stored = co_await update_object(call, current, std::move(next), false);
        if (!stored && stored.error().is(ErrorCode::kConflict) && unconditional && attempt < kPatchRetries) continue;
        if (!stored) co_return std::unexpected(stored.error());
        if (call.info.subresource == "scale") co_return json_response(Doc::freeze(scale_of(*call.resource, *stored)));
        co_return object_response(call, *stored);
    }
}

Result<Value> Cluster::patched(Call& call, Doc const& current) {
    ResourceInfo const& info = *call.resource;
    std::string_view const type = std::string_view(call.request.content_type).substr(0, call.request.content_type.find(';'));
    Value const body = call.request.body.thaw();
    bool const scale = call.info.subresource == "scale";
    Value next = scale ? scale_of(info, current) : as_version(info, current).thaw();
    if (type == "application/json-patch+json") {
        TRY(json::apply_json_patch(next, body));
    } else if (type == "application/merge-patch+json") {
        if (!body.is_object()) return fail(ErrorCode::kBadRequest, "a merge patch is an object");
        json::apply_merge_patch(next, body);
    } else if (type == "application/strategic-merge-patch+json") {
        if (info.custom) {
            return fail(ErrorCode::kUnsupportedMediaType,
                        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
        }
        TRY(patch::apply_strategic_merge(next, body, *info.type_tree));
    } else {
        return fail(ErrorCode::kUnsupportedMediaType, fmt::format("the body of the request was in an unknown format ({}) - accepted media types include: application/json-patch+json, "
                                                                  "application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
                                                                  type));
    }
    if (!scale) return next;
    Value object = current.thaw();
    object.set({"spec", "replicas"}, next.at({"spec", "replicas"}));
    return object;
}

Task<Result<Response>> Cluster::patch(Call& call) {
    ResourceInfo const& info = *call.resource;
    bool const is_apply = call.request.content_type.starts_with("application/apply-patch+");
    bool const force = call.request.query_value("force") == "true";
    if (is_apply && !call.request.has_query("fieldManager")) co_return fail(ErrorCode::kBadRequest, "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch");
    for (int attempt = 0;; ++attempt) {
        Doc const current = store_->latest(key_of(call));
        if (!current.exists() && !(is_apply && call.info.subresource.empty())) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
        Result<Doc> stored = fail(ErrorCode::kInternal, "unreachable");
        std::string wanted_version;
        if (is_apply) {
            Value applied = call.request.body.thaw();
            CO_TRY(check_fields(call, applied));
            if (applied.at({"metadata", "managedFields"}).size() > 0) co_return fail(ErrorCode::kBadRequest, "metadata.managedFields must be nil");
            wanted_version = applied.at({"metadata", "resourceVersion"}).string();
            if (applied.at({"metadata", "name"}).as_string().empty()) applied.set({"metadata", "name"}, call.info.name);
            Value const live = current.exists() ? as_version(info, current).thaw() : Value();
            patch::Manager const manager{call.manager, info.resource.api_version(), call.info.subresource, call.ctx.now()};
            CO_TRY_ASSIGN(Value merged, patch::apply(live, std::move(applied), manager, force, *info.type_tree));
            if (!current.exists()) {
                if (!wanted_version.empty()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
                stored = co_await create_object(call, std::move(merged), true);
                if (!stored && stored.error().is(ErrorCode::kAlreadyExists) && attempt < kPatchRetries) continue;
                if (!stored) co_return std::unexpected(stored.error());
                co_return object_response(call, *stored, 201);
            }
            if (!wanted_version.empty()) merged.set({"metadata", "resourceVersion"}, wanted_version);
            stored = co_await update_object(call, current, std::move(merged), true);
        } else {
            CO_TRY_ASSIGN(Value next, patched(call, current));
            wanted_version = next.at({"metadata", "resourceVersion"}).string();
            if (wanted_version == revision_text(current) && !call.request.body.at({"metadata", "resourceVersion"}).exists()) wanted_version.clear();
            stored = co_await update_object(call, current, std::move(next), false);
        }
        if (!stored && stored.error().is(ErrorCode::kConflict) && stored.error().causes().empty() && wanted_version.empty() && attempt < kPatchRetries) continue;
        if (!stored) co_return std::unexpected(stored.error());
        if (call.info.subresource == "scale") co_return json_response(Doc::freeze(scale_of(info, *stored)));
        co_return object_response(call, *stored);
    }
}

Task<Result<Doc>> Cluster::finish_deletion(Context ctx, store::Key key, Doc current) {
    Result<Doc> gone = co_await store_->write(ctx, {store::Write::Kind::kDelete, std::move(key), current.thaw(), revision_number(current)});
    co_return std::move(gone);
}

Task<Result<Doc>> Cluster::delete_object(Call& call, std::string name, Doc options) {
    ResourceInfo const& info = *call.resource;
    store::Key const key{info.resource.group, info.resource.resource, info.namespaced ? call.info.ns : "", name};
    for (int attempt = 0;; ++attempt) {
        Doc const current = store_->latest(key);
        if (!current.exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), name));
        std::string const wanted_uid = options.at({"preconditions", "uid"}).string();
        std::string const wanted_version = options.at({"preconditions", "resourceVersion"}).string();
        if (!wanted_uid.empty() && wanted_uid != meta::uid(current)) {
            co_return std::unexpected(Error(ErrorCode::kConflict, fmt::format("Operation cannot be fulfilled on {} \"{}\": Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                                                              info.resource.group_resource(), name, wanted_uid, meta::uid(current)))
                                          .with_causes({{"UIDMismatch", "metadata.uid", "uid differs"}}));
        }
        if (!wanted_version.empty() && wanted_version != revision_text(current)) co_return std::unexpected(worded(call, Error(ErrorCode::kConflict, ""), name));
        Value nothing;
        CO_TRY(co_await admit(call, Operation::kDelete, nothing, current));
        if (call.dry_run) co_return current;

        Value next = current.thaw();
        Value& metadata = next["metadata"];
        std::string_view const policy = options["propagationPolicy"].as_string();
        auto const has = [&](std::string_view finalizer) { return meta::has_finalizer(current, finalizer); };
        if (policy == "Foreground" && !has("foregroundDeletion")) metadata["finalizers"].push_back("foregroundDeletion");
        bool const orphan = policy == "Orphan" || (policy.empty() && options["orphanDependents"].as_bool());
        if (orphan && !has("orphan")) metadata["finalizers"].push_back("orphan");

        bool const pod = info.resource.resource == "pods" && info.resource.group.empty();
        std::int64_t grace = 0;
        if (pod) {
            grace = options["gracePeriodSeconds"].as_int(current.at({"spec", "terminationGracePeriodSeconds"}).as_int(30));
            std::string_view const phase = current.at({"status", "phase"}).as_string();
            if (!current.at({"spec", "nodeName"}).exists() || phase == "Failed" || phase == "Succeeded") grace = 0;
        }
        bool const is_namespace = info.resource.resource == "namespaces" && info.resource.group.empty();
        bool const held = metadata["finalizers"].size() > 0 || grace > 0 || (is_namespace && next.at({"spec", "finalizers"}).size() > 0);
        Result<Doc> stored = fail(ErrorCode::kInternal, "unreachable");
        if (!held) {
            stored = co_await finish_deletion(call.ctx, key, current);
        } else if (meta::is_deleting(current) && metadata["deletionGracePeriodSeconds"].as_int() <= grace && metadata["finalizers"] == current.at({"metadata", "finalizers"}).thaw()) {
            co_return current;
        } else {
            if (!meta::is_deleting(current)) {
                metadata["deletionTimestamp"] = format_rfc3339(call.ctx.now() + std::chrono::seconds(grace));
                if (info.counts_generation) metadata["generation"] = metadata["generation"].as_int() + 1;
            }
            metadata["deletionGracePeriodSeconds"] = grace;
            if (is_namespace) next.set({"status", "phase"}, "Terminating");
            stored = co_await store_->write(call.ctx, {store::Write::Kind::kUpdate, key, std::move(next), revision_number(current)});
        }
        if (!stored && stored.error().is(ErrorCode::kConflict) && attempt < kPatchRetries) continue;
        if (!stored) co_return std::unexpected(worded(call, stored.error(), name));
        co_return std::move(stored);
    }
}

namespace {

// DeleteOptions come in the body, or some of them in the query.
Doc delete_options(client::Request const& request) {
    Value options = request.body.is_object() ? request.body.thaw() : Value(json::Object());
    if (auto const policy = request.query_value("propagationPolicy"); !policy.empty()) options["propagationPolicy"] = policy;
    if (auto const grace = parse_int(request.query_value("gracePeriodSeconds"))) options["gracePeriodSeconds"] = *grace;
    return Doc::freeze(options);
}

}  // namespace

Task<Result<Response>> Cluster::remove(Call& call) {
    Doc const options = delete_options(call.request);
    for (auto const& [key, each] : options["dryRun"].elements()) call.dry_run = call.dry_run || each.as_string() == "All";
    CO_TRY_ASSIGN(Doc const gone, co_await delete_object(call, call.info.name, options));
    if (store_->latest(key_of(call)).exists() && !call.dry_run) co_return object_response(call, gone);
    json::Object details{{"name", call.info.name}, {"group", call.resource->resource.group}, {"kind", call.resource->resource.resource}, {"uid", meta::uid(gone)}};
    if (call.resource->resource.resource == "pods") co_return object_response(call, gone);
    co_return json_response(Doc::freeze(json::Object{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::Object()}, {"status", "Success"}, {"details", details}}));
}

Task<Result<Response>> Cluster::remove_collection(Call& call) {
    CO_TRY_ASSIGN(auto const labels, meta::LabelSelector::parse(call.request.query_value("labelSelector")));
    CO_TRY_ASSIGN(auto const fields, meta::FieldSelector::parse(call.request.query_value("fieldSelector")));
    std::vector<std::string> names;
    store_->visit(call.resource->resource.group, call.resource->resource.resource, call.info.ns, std::nullopt, [&](store::Key const& key, Doc const& object) {
        if (labels.matches(object) && fields.matches(object)) names.push_back(key.name);
        return true;
    });
    if (call.resource->namespaced && call.info.ns.empty()) co_return fail(ErrorCode::kMethodNotAllowed, "deletecollection needs a namespace");
    Doc const options = delete_options(call.request);
    for (std::string const& name : names) {
        Result<Doc> const gone = co_await delete_object(call, name, options);
        if (!gone && !gone.error().is(ErrorCode::kNotFound)) co_return std::unexpected(gone.error());
    }
    co_return json_response(Doc::freeze(json::Object{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::Object()}, {"status", "Success"}}));
}

Task<Result<Response>> Cluster::bind(Call& call) {
    Doc const current = store_->latest(key_of(call));
    if (!current.exists()) co_return std::unexpected(worded(call, Error(ErrorCode::kNotFound, ""), call.info.name));
    std::string const node = call.request.body.at({"target", "name"}).string();
    if (node.empty()) co_return fail(ErrorCode::kInvalid, "target.name: Required value");
    if (current.at({"spec", "nodeName"}).exists()) {
        co_return fail(ErrorCode::kConflict, fmt::format("Operation cannot be fulfilled on pods/binding \"{}\": pod {} is already assigned to node \"{}\"", call.info.name, call.info.name,
                                                         current.at({"spec", "nodeName"}).as_string()));
    }
    if (meta::is_deleting(current)) co_return fail(ErrorCode::kConflict, fmt::format("pod {} is being deleted, cannot be assigned to a host", call.info.name));
    Value next = current.thaw();
    next.set({"spec", "nodeName"}, node);
    Value& conditions = next["status"]["conditions"];
    std::erase_if(conditions.make_array(), [](Value const& each) { return each["type"].as_string() == "PodScheduled"; });
    conditions.push_back(json::Object{{"type", "PodScheduled"}, {"status", "True"}, {"lastProbeTime", nullptr}, {"lastTransitionTime", format_rfc3339(call.ctx.now())}});
    Result<Doc> const stored = co_await store_->write(call.ctx, {store::Write::Kind::kUpdate, key_of(call), std::move(next), revision_number(current)});
    if (!stored) co_return std::unexpected(worded(call, stored.error(), call.info.name));
    co_return json_response(Doc::freeze(json::Object{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::Object()}, {"status", "Success"}, {"code", 201}}), 201);
}

Task<Result<Response>> Cluster::evict(Call& call) {
    Doc const options = call.request.body["deleteOptions"].exists() ? call.request.body["deleteOptions"] : Doc::freeze(json::Object());
    CO_TRY(co_await delete_object(call, call.info.name, options));
    co_return json_response(Doc::freeze(json::Object{{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::Object()}, {"status", "Success"}, {"code", 201}}), 201);
}

}  // namespace aviary::apiserver
