#include "kube/apiserver/builtin/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "core/base/strings.h"
#include "core/json/write.h"
#include "kube/apiserver/builtin/internal/openapi_v2.h"
#include "kube/apiserver/builtin/internal/openapi_v3.h"

namespace aviary::builtin {

namespace {

using apiserver::ResourceInfo;
using Resources = std::vector<std::shared_ptr<ResourceInfo const>>;

constexpr std::string_view kProtobuf = "application/com.github.proto-openapi.spec.v2";

std::string etag_of(std::string_view body) { return fmt::format("\"{:016X}\"", fnv1a_64(body)); }

std::shared_ptr<OpenApiDocument const> document(std::string content_type, std::string body) {
    auto made = std::make_shared<OpenApiDocument>();
    made->etag = etag_of(body);
    made->content_type = std::move(content_type);
    made->body = std::move(body);
    return made;
}

bool wants_protobuf(std::string_view accept) {
    std::size_t protobuf = accept.find(kProtobuf);
    return protobuf != std::string_view::npos && protobuf <= accept.find("application/json");
}

std::string path_of(ResourceInfo const& info) {
    return info.resource.group.empty() ? fmt::format("api/{}", info.resource.version)
                                       : fmt::format("apis/{}/{}", info.resource.group, info.resource.version);
}

// Which documents an index entry stands for is told by a digest of what goes into it, without building it.
std::uint64_t digest(Resources const& resources, std::string_view path) {
    std::string text;
    for (auto const& info : resources) {
        if (path_of(*info) != path) continue;
        text += fmt::format("{} {} {} {} {:x};", info->resource.resource, info->kind, info->has_status,
                            info->scale != nullptr, info->openapi.hash());
    }
    return fnv1a_64(text);
}

}   // namespace

OpenApi::OpenApi(Resources resources) : resources_(std::move(resources)) {}

std::shared_ptr<OpenApi> OpenApi::shared(Resources const& resources) {
    static std::mutex mutex;
    static std::vector<std::weak_ptr<OpenApi>> known;
    std::lock_guard lock(mutex);
    std::erase_if(known, [](auto const& entry) { return entry.expired(); });
    for (auto const& entry : known) {
        auto held = entry.lock();
        if (held && held->resources_ == resources) return held;
    }
    auto made = std::make_shared<OpenApi>(resources);
    known.push_back(made);
    return made;
}

std::shared_ptr<OpenApiDocument const> OpenApi::v2(std::string_view accept) {
    bool protobuf = wants_protobuf(accept);
    auto& kept = documents_[protobuf ? "v2 protobuf" : "v2 json"];
    if (!kept) {
        json::Value swagger = internal::swagger_document(resources_);
        kept = protobuf ? document("application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
                                   internal::swagger_protobuf(swagger))
                        : document("application/json", json::write(swagger));
    }
    return kept;
}

std::shared_ptr<OpenApiDocument const> OpenApi::v3_index() {
    auto& kept = documents_["v3"];
    if (kept) return kept;
    json::Object paths;
    for (auto const& info : resources_) {
        std::string path = path_of(*info);
        if (paths.contains(path)) continue;
        paths[path] = json::Object{
            {"serverRelativeURL", fmt::format("/openapi/v3/{}?hash={:016X}", path, digest(resources_, path))}};
    }
    kept = document("application/json", json::write(json::Value(json::Object{{"paths", std::move(paths)}})));
    return kept;
}

std::shared_ptr<OpenApiDocument const> OpenApi::v3(std::string_view path) {
    if (auto kept = documents_.find(path); kept != documents_.end() && path != "v3") return kept->second;
    Resources served;
    std::ranges::copy_if(resources_, std::back_inserter(served),
                         [&](auto const& info) { return path_of(*info) == path; });
    if (served.empty()) return nullptr;
    auto made = document("application/json", json::write(internal::v3_document(served)));
    documents_.emplace(path, made);
    return made;
}

}   // namespace aviary::builtin
