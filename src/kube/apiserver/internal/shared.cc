#include "kube/apiserver/internal/shared.h"

#include <algorithm>
#include <tuple>

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

RequestCounts::Entry RequestCounts::entry(Answered const& answered, std::string_view resource) const {
    RequestInfo const& info = answered.info;
    bool const full = entries_.size() >= kMaxCounts;
    Entry made;
    if (full) {
        made.count = {"other", "other", "other", "other", "other", "", 0, 0};
    } else {
        made.count = {std::string(answered.cluster),
                      std::string(answered.user),
                      std::string(answered.agent),
                      info.verb,
                      std::string(resource),
                      info.subresource,
                      answered.code,
                      0};
    }
    ApiServer::RequestCount const& count = made.count;
    made.counter = metrics_.counter("aviary_apiserver_requests_total", "Requests answered.",
                                    {{"cluster", count.cluster},
                                     {"user", count.user},
                                     {"agent", count.agent},
                                     {"verb", count.verb},
                                     {"resource", count.resource},
                                     {"subresource", count.subresource},
                                     {"code", std::to_string(count.code)}});
    // Few series: paths and misspelt resources are told apart by the counter alone.
    made.seconds =
        metrics_.histogram("aviary_apiserver_request_duration_seconds",
                           "From a request to its answer; of a watch to its "
                           "beginning.",
                           {{"verb", full ? "other" : info.verb}, {"resource", answered.known ? info.resource : ""}});
    return made;
}

void RequestCounts::add(Answered const& answered) {
    RequestInfo const& info = answered.info;
    std::string_view const resource = info.is_resource ? std::string_view(info.resource) : std::string_view(info.path);
    std::string key;
    key.reserve(128);
    for (std::string_view part : {answered.cluster, answered.user, answered.agent, std::string_view(info.verb),
                                  resource, std::string_view(info.subresource)})
        key.append(part).append(1, '\0');
    key += std::to_string(answered.code);
    auto found = entries_.find(key);
    if (found == entries_.end()) {
        if (entries_.size() >= kMaxCounts) key = "other";
        found = entries_.find(key);
        if (found == entries_.end()) found = entries_.emplace(std::move(key), entry(answered, resource)).first;
    }
    ++found->second.count.count;
    found->second.counter.add();
    found->second.seconds.record(std::chrono::duration<double>(answered.took).count());
}

std::vector<ApiServer::RequestCount> RequestCounts::all() const {
    std::vector<ApiServer::RequestCount> result;
    for (auto const& [key, entry] : entries_) result.push_back(entry.count);
    std::ranges::sort(result, {}, [](ApiServer::RequestCount const& each) {
        return std::tie(each.cluster, each.user, each.agent, each.verb, each.resource, each.subresource, each.code);
    });
    return result;
}

void Shared::count_in(observe::Metrics where) {
    metrics = where;
    counts.count_in(where);
    watch_gauge = where.gauge("aviary_apiserver_watches", "Watches that are open.");
}

}   // namespace aviary::apiserver
