#include "kube/apiserver/internal/served.h"

#include "kube/apiserver/builtin/builtin.h"
#include "kube/apiserver/internal/custom.h"

namespace aviary::apiserver {

namespace {

std::string joined(std::string_view first, std::string_view second) {
    std::string text(first);
    return text.append("/").append(second);
}

}   // namespace

Served::Served(std::vector<Info> custom) : custom_(std::move(custom)), resources_(builtin::builtin_resources()) {
    resources_.insert(resources_.end(), custom_.begin(), custom_.end());
    for (Info const& info : resources_) {
        auto const& resource = info->resource;
        by_path_.emplace(joined(joined(resource.group, resource.version), resource.resource), info);
        by_kind_.emplace(joined(joined(resource.group, resource.version), info->kind), info);
        if (info->storage) stored_.emplace(joined(resource.group, resource.resource), info);
    }
    // A stored version that is not served: any other stands for it.
    for (Info const& info : custom_) stored_.emplace(joined(info->resource.group, info->resource.resource), info);
}

Info Served::find(std::string_view group, std::string_view version, std::string_view resource) const {
    auto const found = by_path_.find(joined(joined(group, version), resource));
    return found == by_path_.end() ? nullptr : found->second;
}

Info Served::stored(std::string_view group, std::string_view resource) const {
    auto const found = stored_.find(joined(group, resource));
    return found == stored_.end() ? nullptr : found->second;
}

Info Served::by_kind(std::string_view group, std::string_view version, std::string_view kind) const {
    auto const found = by_kind_.find(joined(joined(group, version), kind));
    return found == by_kind_.end() ? nullptr : found->second;
}

std::shared_ptr<builtin::OpenApi> const& Served::openapi() const {
    if (!openapi_) openapi_ = builtin::OpenApi::shared(resources_);
    return openapi_;
}

std::shared_ptr<Catalog::Compiled const> Catalog::compile(json::Doc const& definition) {
    json::Doc const spec = definition["spec"];
    std::vector<Entry>& entries = compiled_[spec.hash()];
    for (Entry const& entry : entries) {
        if (entry.spec != spec) continue;
        if (auto held = entry.compiled.lock()) return held;
    }
    auto resources = custom_resources(definition);
    auto compiled = std::make_shared<Compiled const>(resources ? std::move(*resources) : Compiled());
    entries.push_back({spec, compiled});
    return compiled;
}

void Catalog::sweep() {
    std::erase_if(served_, [](auto const& each) { return each.expired(); });
    for (auto each = compiled_.begin(); each != compiled_.end();) {
        std::erase_if(each->second, [](Entry const& entry) { return entry.compiled.expired(); });
        each = each->second.empty() ? compiled_.erase(each) : std::next(each);
    }
}

std::shared_ptr<Served const> Catalog::serve(std::vector<json::Doc> const& definitions) {
    sweep();
    std::vector<std::shared_ptr<Compiled const>> parts;
    for (json::Doc const& definition : definitions) parts.push_back(compile(definition));
    for (auto const& each : served_) {
        auto const held = each.lock();
        if (held->parts == parts) return {held, held->served.get()};
    }
    std::vector<Info> custom;
    for (auto const& part : parts) custom.insert(custom.end(), part->begin(), part->end());
    auto held = std::make_shared<Held>(std::move(parts), std::make_shared<Served>(std::move(custom)));
    served_.push_back(held);
    kept_.push_back(held);
    if (kept_.size() > most_kept_) kept_.pop_front();
    Served* const served = held->served.get();
    return {std::move(held), served};
}

std::shared_ptr<Catalog> make_catalog(std::size_t kept) { return std::make_shared<Catalog>(kept); }

}   // namespace aviary::apiserver
