// What the clusters of one server have in common. Watches keep it: they may outlive the server.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/json/doc.h"
#include "kube/apiserver/internal/request_info.h"
#include "kube/apiserver/internal/served.h"
#include "kube/apiserver/server.h"
#include "kube/apiserver/store/store.h"

namespace aviary::apiserver {

// Watch events as documents and as lines of text, made once for all watches that show them alike. A small direct-mapped
// cache: what is evicted is made again.
class EventCache {
public:
    struct Key {
        void const* cluster = nullptr;
        store::Revision revision = 0;   // 0: not kept
        void const* info = nullptr;     // the version it is shown in
        char type = 0;                  // ADDED, MODIFIED, DELETED by their first letter
        bool operator==(Key const&) const = default;
    };
    // {"type": …, "object": …}
    json::Doc document(Key const& key, std::string_view type, json::Doc const& object);
    // The same with a line end.
    std::shared_ptr<std::string const> line(Key const& key, std::string_view type, json::Doc const& object);

private:
    struct Slot {
        Key key;
        json::Doc document;
        std::shared_ptr<std::string const> line;
    };
    Slot& slot(Key const& key);
    std::array<Slot, 512> slots_;
};

// One request that was answered.
struct Answered {
    std::string_view cluster, user, agent;
    RequestInfo const& info;
    bool known = false;   // a resource that is served
    bool known_subresource = false;
    std::string_view route = {};   // the prefix that answered, of paths that a Route has
    int code = 0;
    Duration took{};
};

// Requests answered, by who asked and what for. Bounded: names beyond the bound are counted as "other".
class RequestCounts {
public:
    void count_in(observe::Metrics metrics) { metrics_ = metrics; }
    void add(Answered const& answered);
    std::vector<ApiServer::RequestCount> all() const;

private:
    struct Entry {
        ApiServer::RequestCount count;
        observe::Counter counter;
        observe::Histogram seconds;
    };
    Entry entry(ApiServer::RequestCount count, bool known) const;

    std::unordered_map<std::string, Entry> entries_;   // all() puts them in order
    observe::Metrics metrics_;
};

struct Shared : std::enable_shared_from_this<Shared> {
    Options options;   // with a catalog
    EventCache events;
    RequestCounts counts;
    std::size_t watches = 0;   // open now
    observe::Metrics metrics;
    observe::Gauge watch_gauge;

    void count_in(observe::Metrics where);
    void add_watch(int by) {
        watches += static_cast<std::size_t>(by);
        watch_gauge.add(by);
    }
};

}   // namespace aviary::apiserver
