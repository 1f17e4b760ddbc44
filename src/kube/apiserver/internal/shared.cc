#include "kube/apiserver/internal/shared.h"

#include "core/json/write.h"

namespace aviary::apiserver {

namespace {

constexpr std::size_t kMaxCounts = 20'000;
constexpr std::size_t kMaxCachedBytes = 64 << 10;   // larger events are made for each watch

}   // namespace

EventCache::Slot& EventCache::slot(Key const& key) {
    std::size_t const place = key.revision * 4 + static_cast<unsigned char>(key.type) % 4 +
                              (reinterpret_cast<std::uintptr_t>(key.info) >> 6) +
                              (reinterpret_cast<std::uintptr_t>(key.cluster) >> 8);
    Slot& slot = slots_[place % slots_.size()];
    if (!(slot.key == key)) slot = {key, {}, nullptr};
    return slot;
}

json::Doc EventCache::document(Key const& key, std::string_view type, json::Doc const& object) {
    auto const make = [&] {
        json::DocBuilder builder;
        builder.begin_object();
        builder.key("type");
        builder.string(type);
        builder.key("object");
        builder.doc(object);
        builder.end();
        return builder.finish();
    };
    if (key.revision == 0 || object.block_bytes() > kMaxCachedBytes) return make();
    Slot& kept = slot(key);
    if (!kept.document.exists()) kept.document = make();
    return kept.document;
}

std::shared_ptr<std::string const> EventCache::line(Key const& key, std::string_view type, json::Doc const& object) {
    auto const make = [&] {
        std::string text = "{\"type\":\"";
        text.append(type).append("\",\"object\":");
        json::append(text, object);
        text += "}\n";
        return std::make_shared<std::string const>(std::move(text));
    };
    if (key.revision == 0 || object.block_bytes() > kMaxCachedBytes) return make();
    Slot& kept = slot(key);
    if (!kept.line) kept.line = make();
    return kept.line;
}

void RequestCounts::add(std::string_view cluster, std::string_view user, std::string_view agent,
                        RequestInfo const& info, int code) {
    std::string_view const resource = info.is_resource ? std::string_view(info.resource) : std::string_view(info.path);
    std::string key;
    key.reserve(128);
    for (std::string_view part :
         {cluster, user, agent, std::string_view(info.verb), resource, std::string_view(info.subresource)})
        key.append(part).append(1, '\0');
    key += std::to_string(code);
    auto found = counts_.find(key);
    if (found == counts_.end()) {
        ApiServer::RequestCount count{std::string(cluster),
                                      std::string(user),
                                      std::string(agent),
                                      info.verb,
                                      std::string(resource),
                                      info.subresource,
                                      code,
                                      0};
        if (counts_.size() >= kMaxCounts) {
            key = "other";
            count = {std::string(cluster), "other", "other", "other", "other", "", 0, 0};
        }
        found = counts_.try_emplace(std::move(key), std::move(count)).first;
    }
    ++found->second.count;
}

std::vector<ApiServer::RequestCount> RequestCounts::all() const {
    std::vector<ApiServer::RequestCount> result;
    for (auto const& [key, count] : counts_) result.push_back(count);
    return result;
}

}   // namespace aviary::apiserver
