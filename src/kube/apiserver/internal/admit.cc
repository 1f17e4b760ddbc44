// What a write must pass: its fields, the built-in admission, added admission, validation, and nobody granting more
// than he has.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "core/json/patch.h"
#include "kube/apiserver/internal/cluster.h"
#include "kube/apiserver/internal/custom.h"
#include "kube/apiserver/internal/object_rules.h"
#include "kube/meta/object.h"
#include "kube/schema/schema.h"

namespace aviary::apiserver {

namespace {

using control::Operation;
using json::Doc;
using json::Value;

constexpr std::size_t kMaxStrictErrors = 100;   // said of one object
constexpr char kRbacGroup[] = "rbac.authorization.k8s.io";

// What is stored and shown, but changes nothing here: said with every write, so that nobody relies on it.
struct Unenforced {
    std::string_view group, resource, why;
};
constexpr std::array kUnenforced{
    Unenforced{"admissionregistration.k8s.io", "mutatingwebhookconfigurations",
               "this server does not call admission webhooks"},
    Unenforced{"admissionregistration.k8s.io", "validatingwebhookconfigurations",
               "this server does not call admission webhooks"},
    Unenforced{"admissionregistration.k8s.io", "validatingadmissionpolicies",
               "this server does not evaluate admission policies"},
    Unenforced{"admissionregistration.k8s.io", "validatingadmissionpolicybindings",
               "this server does not evaluate admission policies"},
    Unenforced{"apiregistration.k8s.io", "apiservices", "this server does not forward to other API servers"},
    Unenforced{"", "resourcequotas", "this server does not enforce quotas"},
    Unenforced{"", "limitranges", "this server does not enforce limit ranges"},
};

std::string strict_error(ResourceInfo const& info, std::vector<std::string> const& unknown) {
    std::string text;
    for (std::string const& field : std::span(unknown).first(std::min(unknown.size(), kMaxStrictErrors)))
        text += fmt::format("{}unknown field \"{}\"", text.empty() ? "" : ", ", field);
    return fmt::format("{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}", info.kind,
                       info.resource.version, info.kind, text);
}

bool is_text_map(Value const& map) {
    if (map.is_null()) return true;
    return map.is_object() &&
           std::ranges::all_of(map.object(), [](auto const& member) { return member.value.is_string(); });
}

Error refused(Cluster::Call const& call, std::string const& name, std::string_view why) {
    std::string const subject = call.resource->resource.group_resource();
    return Error(ErrorCode::kForbidden, name.empty() ? fmt::format("{} is forbidden: {}", subject, why)
                                                     : fmt::format("{} \"{}\" is forbidden: {}", subject, name, why))
        .with_object(call.resource->resource.group, call.resource->resource.resource, name);
}

std::string groups_text(std::vector<std::string> const& groups) {
    std::string text;
    for (std::string const& group : groups) text += fmt::format("{}\"{}\"", text.empty() ? "" : " ", group);
    return "[" + text + "]";
}

}   // namespace

Status Cluster::check_fields(Call& call, Value& object) const {
    ResourceInfo const& info = *call.resource;
    if (!object.is_object())
        return fail(ErrorCode::kBadRequest,
                    fmt::format("the object must be a JSON object, not {}", json::to_string(object.type())));
    if (!info.custom) json::drop_nulls(object);
    std::string const api_version = object["apiVersion"].string();
    std::string const kind = object["kind"].string();
    if (kind.empty()) object["kind"] = info.kind;
    if (api_version.empty()) object["apiVersion"] = info.resource.api_version();
    if (!kind.empty() && kind != info.kind) {
        return fail(ErrorCode::kBadRequest,
                    fmt::format("{} in version \"{}\" cannot be handled as a {}: kind does not match", kind,
                                api_version, info.kind));
    }
    if (!api_version.empty() && api_version != info.resource.api_version()) {
        return fail(ErrorCode::kBadRequest,
                    fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                                api_version, info.resource.api_version()));
    }
    Value& metadata = object["metadata"];
    if (!metadata.is_null() && !metadata.is_object()) return fail(ErrorCode::kBadRequest, "metadata must be an object");
    metadata.make_object();
    if (info.custom) {
        for (char const* field : {"labels", "annotations"}) {
            if (metadata[field].is_null()) metadata.erase(field);
            if (!is_text_map(std::as_const(metadata)[field]))
                return fail(ErrorCode::kBadRequest,
                            fmt::format("metadata.{}: must be a map from strings to strings", field));
        }
    }
    std::string const ns = std::as_const(metadata)["namespace"].string();
    if (!info.namespaced) {
        metadata.erase("namespace");
    } else if (ns.empty()) {
        if (call.info.ns.empty())
            return fail(ErrorCode::kBadRequest, "an empty namespace may not be set during creation");
        metadata["namespace"] = call.info.ns;
    } else if (ns != call.info.ns) {
        return fail(
            ErrorCode::kBadRequest,
            fmt::format("the namespace of the provided object does not match the namespace sent on the request"));
    }
    for (Unenforced const& each : kUnenforced) {
        if (each.group == info.resource.group && each.resource == info.resource.resource)
            call.warnings.add(std::string(each.why));
    }
    if (!info.schema) return {};
    std::string_view const validation = call.request.query_value("fieldValidation");
    if (!validation.empty() && validation != "Strict" && validation != "Warn" && validation != "Ignore") {
        return fail(
            ErrorCode::kInvalid,
            fmt::format(
                "fieldValidation: Unsupported value: \"{}\": supported values: \"Ignore\", \"Strict\", \"Warn\"",
                validation));
    }
    std::vector<std::string> const unknown = info.schema->prune(object);
    if (!unknown.empty() && validation == "Strict") return fail(ErrorCode::kBadRequest, strict_error(info, unknown));
    if (validation == "Ignore") return {};
    for (std::string const& field : unknown) call.warnings.add(fmt::format("unknown field \"{}\"", field));
    return {};
}

Status Cluster::lifecycle(Call const& call, Operation operation, std::string const& name) const {
    ResourceInfo const& info = *call.resource;
    if (operation == Operation::kDelete) {
        constexpr std::array kKept{"default", "kube-public", "kube-system"};
        bool const kept = info.resource.group.empty() && info.resource.resource == "namespaces" &&
                          std::ranges::find(kKept, name) != kKept.end();
        if (kept) return std::unexpected(refused(call, name, "this namespace may not be deleted"));
        return {};
    }
    if (operation != Operation::kCreate) return {};
    if (info.custom) {
        Doc const definition = store_->latest({kDefinitionGroup, kDefinitions, "", info.resource.group_resource()});
        if (meta::is_deleting(definition))
            return fail(ErrorCode::kMethodNotAllowed,
                        "create not allowed while custom resource definition is terminating");
    }
    if (!info.namespaced) return {};
    std::string const& ns = call.info.ns;
    Doc const object = store_->latest({"", "namespaces", "", ns});
    if (!object.exists()) {
        return std::unexpected(Error(ErrorCode::kNotFound, fmt::format("namespaces \"{}\" not found", ns))
                                   .with_object("", "namespaces", ns));
    }
    if (!meta::is_deleting(object)) return {};
    return std::unexpected(
        refused(call, name,
                fmt::format("unable to create new content in namespace {} because it is being terminated", ns))
            .with_causes(
                {{"NamespaceTerminating", "metadata.namespace", fmt::format("namespace {} is being terminated", ns)}}));
}

Status Cluster::escalation(Call const& call, Value const& object) const {
    if (call.resource->resource.group != kRbacGroup) return {};
    std::string const& resource = call.resource->resource.resource;
    std::string const ns = object.at({"metadata", "namespace"}).string();
    std::string const name = object.at({"metadata", "name"}).string();
    auto const refuse = [&](Rules const& missing) {
        std::string text = fmt::format(
            "user \"{}\" (groups={}) is attempting to grant RBAC permissions not currently held:", call.user.name,
            groups_text(call.user.groups));
        for (Rule const& rule : missing) text += "\n" + rule.to_string();
        return std::unexpected(refused(call, name, text));
    };
    if (resource == "roles" || resource == "clusterroles") {
        if (rbac_.allowed(call.user,
                          {.verb = "escalate", .group = kRbacGroup, .resource = resource, .ns = ns, .name = name}))
            return {};
        Rules wanted = rules_from(Doc::freeze(object["rules"]));
        // An aggregated role may come to hold anything.
        if (object.at({"aggregationRule", "clusterRoleSelectors"}).size() > 0)
            wanted.push_back({.verbs = {"*"}, .groups = {"*"}, .resources = {"*"}});
        Rules const missing = rbac_.missing(call.user, ns, wanted);
        if (!missing.empty()) return refuse(missing);
        return {};
    }
    std::string const kind = object.at({"roleRef", "kind"}).string();
    std::string const role = object.at({"roleRef", "name"}).string();
    control::Attributes const bind{.verb = "bind",
                                   .group = kRbacGroup,
                                   .resource = kind == "ClusterRole" ? "clusterroles" : "roles",
                                   .ns = ns,
                                   .name = role};
    if (rbac_.allowed(call.user, bind)) return {};
    auto const rules = rbac_.rules_of(kind, ns, role);
    if (!rules) {
        std::string const roles = bind.resource + "." + kRbacGroup;
        return std::unexpected(Error(ErrorCode::kNotFound, fmt::format("{} \"{}\" not found", roles, role))
                                   .with_object(kRbacGroup, bind.resource, role));
    }
    Rules const missing = rbac_.missing(call.user, ns, *rules);
    if (!missing.empty()) return refuse(missing);
    return {};
}

std::vector<FieldCause> Cluster::problems(Call const& call, Value const& object, Doc const& old) const {
    ResourceInfo const& info = *call.resource;
    std::vector<FieldCause> causes;
    if (info.schema) causes = info.schema->validate(object);
    if (!causes.empty()) return causes;
    bool const main = call.info.subresource.empty() || call.info.subresource == "scale";
    causes = check_finalizers(object, old);
    if (!causes.empty()) return causes;
    // Built-in kinds check the rest of their metadata themselves.
    if (info.custom) causes = check_metadata(object, old);
    if (info.validate && main) causes = info.validate(object, old);
    if (causes.empty() && info.resource.group == kDefinitionGroup && info.resource.resource == kDefinitions)
        causes = validate_definition(object, old);
    return causes;
}

Task<Status> Cluster::admit(Call& call, Operation operation, Value& object, Doc const& old,
                            patch::Manager const* manager) {
    ResourceInfo const& info = *call.resource;
    std::string name = operation == Operation::kDelete ? meta::name(old) : object.at({"metadata", "name"}).string();
    CO_TRY(lifecycle(call, operation, name));
    control::AdmissionRequest request;
    request.operation = operation;
    request.resource = info.resource;
    request.kind = info.kind;
    request.subresource = call.info.subresource;
    request.key = {info.namespaced ? call.info.ns : "", std::move(name)};
    request.old_object = old;
    request.user = call.user;
    request.dry_run = call.dry_run;
    request.object = std::move(object);
    std::vector<std::shared_ptr<control::Admission>> chain;
    for (auto const& admission : admissions_) {
        if (admission->matches(request)) chain.push_back(admission);
    }
    Status outcome;
    Value const before = chain.empty() || operation == Operation::kDelete ? Value() : request.object;
    for (auto const& admission : chain) {
        outcome = co_await admission->mutate(call.ctx, request);
        if (!outcome) break;
    }
    if (outcome && operation != Operation::kDelete) {
        if (!chain.empty() && !(before == request.object)) {
            if (info.default_object && call.info.subresource != "status") info.default_object(request.object);
            if (manager != nullptr) patch::track_update(before, request.object, *manager, *info.type_tree);
        }
        std::vector<FieldCause> causes = problems(call, request.object, old);
        if (!causes.empty()) outcome = std::unexpected(invalid(info, request.key.name, std::move(causes)));
        if (outcome) outcome = escalation(call, request.object);
    }
    for (auto const& admission : chain) {
        if (!outcome) break;
        outcome = co_await admission->validate(call.ctx, request);
    }
    object = std::move(request.object);
    for (std::string& warning : request.warnings) call.warnings.add(std::move(warning));
    co_return outcome;
}

}   // namespace aviary::apiserver
