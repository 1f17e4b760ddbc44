#include "kube/apiserver/internal/shared.h"

#include <algorithm>
#include <tuple>

#include "core/json/write.h"

namespace aviary::apiserver {

namespace {

constexpr std::size_t kMaxCounts = 20'000;
constexpr std::size_t kMaxCachedBytes = 64 << 10;   // larger events are made for each watch

constexpr std::size_t kMaxAgent = 64;
constexpr std::string_view kOther = "other";

// What is counted has names of ours: those that anybody can think of would fill memory.
struct Names {
    std::string_view agent, verb, resource, subresource;
};

// A path that is no resource, by its fixed name.
std::string_view path_name(std::string_view path) {
    for (std::string_view probe : {"/healthz", "/livez", "/readyz"}) {
        if (path == probe || (path.starts_with(probe) && path[probe.size()] == '/')) return probe;
    }
    if (path.starts_with("/openapi/v3/")) return "/openapi/v3";
    for (std::string_view known : {"/", "/api", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/version"}) {
        if (path == known) return known;
    }
    if (path.starts_with("/api/")) return "/api";
    return path.starts_with("/apis/") ? "/apis" : kOther;
}

Names names_of(Answered const& answered) {
    constexpr std::string_view kVerbs[] = {"get",    "list",    "watch",  "create",
                                           "update", "patch",   "delete", "deletecollection",
                                           "head",   "options", "post",   "put"};
    RequestInfo const& info = answered.info;
    Names names{answered.agent.substr(0, kMaxAgent), info.verb, kOther, ""};
    // Who shows no certificate may call himself anything, and anew each time.
    if (answered.user == "system:anonymous") names.agent = kOther;
    if (std::ranges::find(kVerbs, names.verb) == std::end(kVerbs)) names.verb = kOther;
    if (!answered.route.empty()) {
        names.resource = answered.route;
    } else if (!info.is_resource) {
        names.resource = path_name(info.path);
    } else if (answered.known) {
        names.resource = info.resource;
        names.subresource = answered.known_subresource ? std::string_view(info.subresource) : kOther;
    }
    return names;
}

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

RequestCounts::Entry RequestCounts::entry(ApiServer::RequestCount count, bool known) const {
    Entry made;
    made.counter = metrics_.counter("aviary_apiserver_requests_total", "Requests answered.",
                                    {{"cluster", count.cluster},
                                     {"user", count.user},
                                     {"agent", count.agent},
                                     {"verb", count.verb},
                                     {"resource", count.resource},
                                     {"subresource", count.subresource},
                                     {"code", std::to_string(count.code)}});
    // Few series: paths and misspelt resources are told apart by the counter alone.
    made.seconds = metrics_.histogram("aviary_apiserver_request_duration_seconds",
                                      "From a request to its answer; of a watch to its "
                                      "beginning.",
                                      {{"verb", count.verb}, {"resource", known ? count.resource : ""}});
    made.count = std::move(count);
    return made;
}

void RequestCounts::add(Answered const& answered) {
    Names const names = names_of(answered);
    std::string key;
    key.reserve(128);
    for (std::string_view part :
         {answered.cluster, answered.user, names.agent, names.verb, names.resource, names.subresource})
        key.append(part).append(1, '\0');
    key += std::to_string(answered.code);
    auto found = entries_.find(key);
    if (found == entries_.end()) {
        ApiServer::RequestCount count{std::string(answered.cluster),
                                      std::string(answered.user),
                                      std::string(names.agent),
                                      std::string(names.verb),
                                      std::string(names.resource),
                                      std::string(names.subresource),
                                      answered.code,
                                      0};
        bool const full = entries_.size() >= kMaxCounts;
        if (full) {
            key = kOther;
            count = {"other", "other", "other", "other", "other", "", 0, 0};
        }
        found = entries_.find(key);
        if (found == entries_.end())
            found = entries_.emplace(std::move(key), entry(std::move(count), answered.known && !full)).first;
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
