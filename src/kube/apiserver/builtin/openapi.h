// The OpenAPI documents of a server: /openapi/v2 as JSON and protobuf, /openapi/v3 and its documents per group and
// version.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kube/apiserver/builtin/discovery.h"

namespace aviary::builtin {

// A finished answer; kubectl and client-go cache by etag.
struct OpenApiDocument {
    std::string content_type;
    std::string body;
    std::string etag;   // with its quotes
};

// Builds documents for one list of resources on demand and keeps them while that list stands. Make a new one when the
// list changes; share one between logical clusters that serve the same resources (see shared()). Lives on one loop.
class OpenApi {
public:
    explicit OpenApi(std::vector<std::shared_ptr<apiserver::ResourceInfo const>> resources);
    // One for equal lists: the same pointers in the same order. Kept while anybody holds it.
    static std::shared_ptr<OpenApi> shared(
        std::vector<std::shared_ptr<apiserver::ResourceInfo const>> const& resources);

    // GET /openapi/v2; protobuf when the Accept header asks for application/com.github.proto-openapi.spec.v2.
    std::shared_ptr<OpenApiDocument const> v2(std::string_view accept);
    // GET /openapi/v3
    std::shared_ptr<OpenApiDocument const> v3_index();
    // GET /openapi/v3/<path>, where path is "api/v1" or "apis/<group>/<version>"; null when nothing is served there.
    std::shared_ptr<OpenApiDocument const> v3(std::string_view path);

private:
    std::vector<std::shared_ptr<apiserver::ResourceInfo const>> resources_;
    std::map<std::string, std::shared_ptr<OpenApiDocument const>, std::less<>> documents_;
};

}   // namespace aviary::builtin
