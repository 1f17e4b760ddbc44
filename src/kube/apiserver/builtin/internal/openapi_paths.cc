#include "kube/apiserver/builtin/internal/openapi_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/base/strings.h"
#include "kube/apiserver/builtin/internal/facts.h"
#include "kube/apiserver/builtin/internal/subresources.h"

namespace aviary::builtin::internal {

namespace {

using apiserver::ResourceInfo;

Parameter text(std::string_view name) { return {name, "query", "string"}; }
Parameter number(std::string_view name) { return {name, "query", "integer"}; }
Parameter flag(std::string_view name) { return {name, "query", "boolean"}; }

std::vector<Parameter> list_parameters() {
    return {flag("allowWatchBookmarks"),
            text("continue"),
            text("fieldSelector"),
            text("labelSelector"),
            number("limit"),
            text("resourceVersion"),
            text("resourceVersionMatch"),
            flag("sendInitialEvents"),
            number("timeoutSeconds"),
            flag("watch")};
}

std::vector<Parameter> delete_parameters() {
    return {text("dryRun"), number("gracePeriodSeconds"), flag("orphanDependents"), text("propagationPolicy")};
}

std::vector<Parameter> write_parameters() { return {text("dryRun"), text("fieldManager"), text("fieldValidation")}; }

std::vector<Parameter> patch_parameters() {
    auto parameters = write_parameters();
    parameters.push_back(flag("force"));
    return parameters;
}

std::string capitalised(std::string_view word) {
    std::string out(word);
    if (!out.empty()) out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
    return out;
}

// "AppsV1", "CoreV1", "StableExampleComV1".
std::string group_word(ResourceInfo const& info) {
    std::string out;
    std::string_view group = info.resource.group;
    constexpr std::string_view kOwn = ".k8s.io";
    if (!info.custom && group.ends_with(kOwn)) group.remove_suffix(kOwn.size());
    for (std::string_view label : split(group, '.')) out += capitalised(label);
    return (group.empty() ? "Core" : out) + capitalised(info.resource.version);
}

class Writer {
public:
    explicit Writer(ResourceInfo const& info) : info_(info), schema_(schema_name(info)) {
        root_ = info.resource.group.empty() ? fmt::format("/api/{}", info.resource.version)
                                            : fmt::format("/apis/{}/{}", info.resource.group, info.resource.version);
        std::string scope = info.namespaced ? "/namespaces/{namespace}" : "";
        collection_ = fmt::format("{}{}/{}", root_, scope, info.resource.resource);
    }

    std::vector<PathItem> write() {
        write_collection();
        write_item();
        write_subresources();
        return std::move(items_);
    }

private:
    bool can(std::string_view verb) const { return std::ranges::find(info_.verbs, verb) != info_.verbs.end(); }

    Operation operation(std::string_view method, std::string_view verb, std::string_view action,
                        std::string_view tail = {}) const {
        std::string scope = info_.namespaced ? "Namespaced" : "";
        std::string group = info_.resource.group.empty() ? "core" : std::string(info_.resource.group);
        return Operation{.method = method,
                         .id = fmt::format("{}{}{}{}{}", verb, group_word(info_), scope, info_.kind, tail),
                         .action = action,
                         .group = info_.resource.group,
                         .version = info_.resource.version,
                         .kind = info_.kind,
                         .answer = schema_,
                         .tag = fmt::format("{}_{}", group, info_.resource.version)};
    }

    std::vector<Parameter> path_parameters(bool item) const {
        std::vector<Parameter> out;
        if (item) out.push_back({"name", "path", "string"});
        if (info_.namespaced) out.push_back({"namespace", "path", "string"});
        out.push_back(text("pretty"));
        return out;
    }

    void finish(PathItem item) {
        if (!item.operations.empty()) items_.push_back(std::move(item));
    }

    void write_collection() {
        PathItem item{collection_, path_parameters(false), {}};
        if (can("deletecollection")) {
            Operation made = operation("delete", "delete", "deletecollection");
            made.id = fmt::format("delete{}Collection{}{}", group_word(info_), info_.namespaced ? "Namespaced" : "",
                                  info_.kind);
            made.query = delete_parameters();
            made.body = fmt::format("{}DeleteOptions", kMetaTypes);
            made.answer = fmt::format("{}Status", kMetaTypes);
            item.operations.push_back(std::move(made));
        }
        if (can("list")) {
            Operation made = operation("get", "list", "list");
            made.query = list_parameters();
            made.answer = list_schema_name(info_);
            item.operations.push_back(std::move(made));
        }
        if (can("create")) {
            Operation made = operation("post", "create", "post");
            made.query = write_parameters();
            made.body = schema_;
            item.operations.push_back(std::move(made));
        }
        finish(std::move(item));
        if (!info_.namespaced || !can("list")) return;
        PathItem all{fmt::format("{}/{}", root_, info_.resource.resource), {text("pretty")}, {}};
        Operation made = operation("get", "list", "list", "ForAllNamespaces");
        made.id = fmt::format("list{}{}ForAllNamespaces", group_word(info_), info_.kind);
        made.query = list_parameters();
        made.answer = list_schema_name(info_);
        all.operations.push_back(std::move(made));
        finish(std::move(all));
    }

    void write_item() {
        PathItem item{collection_ + "/{name}", path_parameters(true), {}};
        if (can("delete")) {
            Operation made = operation("delete", "delete", "delete");
            made.query = delete_parameters();
            made.body = fmt::format("{}DeleteOptions", kMetaTypes);
            made.answer = fmt::format("{}Status", kMetaTypes);
            item.operations.push_back(std::move(made));
        }
        if (can("get")) item.operations.push_back(operation("get", "read", "get"));
        add_writes(item, schema_, "");
        finish(std::move(item));
    }

    void add_writes(PathItem& item, std::string const& schema, std::string_view tail) {
        if (can("patch")) {
            Operation made = operation("patch", "patch", "patch", tail);
            made.query = patch_parameters();
            made.body = fmt::format("{}Patch", kMetaTypes);
            made.answer = schema;
            item.operations.push_back(std::move(made));
        }
        if (can("update")) {
            Operation made = operation("put", "replace", "put", tail);
            made.query = write_parameters();
            made.body = schema;
            made.answer = schema;
            item.operations.push_back(std::move(made));
        }
    }

    void write_subresources() {
        for (Subresource const& sub : subresources_of(info_)) {
            PathItem item{fmt::format("{}/{{name}}/{}", collection_, sub.name), path_parameters(true), {}};
            std::string tail = capitalised(sub.name);
            std::string schema = sub.name == "scale"      ? "io.k8s.api.autoscaling.v1.Scale"
                                 : sub.name == "binding"  ? "io.k8s.api.core.v1.Binding"
                                 : sub.name == "eviction" ? "io.k8s.api.policy.v1.Eviction"
                                                          : schema_;
            if (sub.name == "status" || sub.name == "scale") {
                Operation read = operation("get", "read", "get", tail);
                read.answer = schema;
                item.operations.push_back(std::move(read));
                add_writes(item, schema, tail);
            } else {
                Operation made = operation("post", "create", "post", tail);
                made.query = write_parameters();
                made.body = schema;
                made.answer = schema;
                item.operations.push_back(std::move(made));
            }
            for (Operation& made : item.operations) {
                if (!sub.version.empty()) {
                    made.group = sub.group;
                    made.version = sub.version;
                }
                made.kind = sub.kind;
            }
            finish(std::move(item));
        }
    }

    ResourceInfo const& info_;
    std::string schema_;
    std::string root_;
    std::string collection_;
    std::vector<PathItem> items_;
};

}   // namespace

std::vector<PathItem> paths_for(Resources const& resources) {
    std::vector<PathItem> out;
    for (auto const& info : resources) {
        for (PathItem& item : Writer(*info).write()) out.push_back(std::move(item));
    }
    std::ranges::sort(out, {}, &PathItem::path);
    return out;
}

bool understands(Operation const& operation, std::string_view patch_type) {
    bool builtin = operation.answer.starts_with("io.k8s.");
    return builtin || patch_type.find("strategic") == std::string_view::npos;
}

}   // namespace aviary::builtin::internal
