// What one cluster serves: built-in kinds and those of its CustomResourceDefinitions. Immutable; clusters with the same
// definitions share one, and so do the schemas compiled from equal definitions. Lives on one loop.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/doc.h"
#include "kube/apiserver/builtin/openapi.h"
#include "kube/apiserver/registry.h"

namespace aviary::apiserver {

using Info = std::shared_ptr<ResourceInfo const>;

class Served {
public:
    explicit Served(std::vector<Info> custom);

    // Built-in ones first, then custom ones in the order of their definitions.
    std::vector<Info> const& resources() const { return resources_; }
    std::vector<Info> const& custom() const { return custom_; }
    Info find(std::string_view group, std::string_view version, std::string_view resource) const;
    // In the version that objects are stored in; null when it is not served.
    Info stored(std::string_view group, std::string_view resource) const;
    Info by_kind(std::string_view group, std::string_view version, std::string_view kind) const;
    std::shared_ptr<builtin::OpenApi> const& openapi() const;

private:
    std::vector<Info> custom_;
    std::vector<Info> resources_;
    std::map<std::string, Info, std::less<>> by_path_;    // "group/version/resource"
    std::map<std::string, Info, std::less<>> stored_;     // "group/resource"
    std::map<std::string, Info, std::less<>> by_kind_;    // "group/version/kind"
    mutable std::shared_ptr<builtin::OpenApi> openapi_;   // made when asked
};

// Compiles definitions and puts lists of them together, each once for equal content.
class Catalog {
public:
    // Keeps the lists that were put together last, so many of them, although nobody holds them any more.
    explicit Catalog(std::size_t kept = 0) : most_kept_(kept) {}

    // Definitions that cannot be compiled (refused when written, so of an older format) serve nothing.
    std::shared_ptr<Served const> serve(std::vector<json::Doc> const& definitions);
    // Specs that are kept, with what they were compiled to.
    std::size_t size() const { return compiled_.size(); }

private:
    void sweep();
    using Compiled = std::vector<Info>;
    std::shared_ptr<Compiled const> compile(json::Doc const& definition);

    struct Entry {
        json::Doc spec;
        std::weak_ptr<Compiled const> compiled;
    };
    std::map<std::uint64_t, std::vector<Entry>> compiled_;   // by the hash of the definition's spec
    struct Held {
        std::vector<std::shared_ptr<Compiled const>> parts;
        std::shared_ptr<Served> served;
    };
    std::vector<std::weak_ptr<Held>> served_;
    std::size_t most_kept_;
    std::deque<std::shared_ptr<Held>> kept_;
};

}   // namespace aviary::apiserver
