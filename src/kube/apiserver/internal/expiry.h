// When objects are to go: one entry for each, however often it changes. Lives on one loop.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/base/time.h"
#include "kube/apiserver/store/store.h"

namespace aviary::apiserver {

class Expiry {
public:
    // At this revision and no other, in the place of what was said of it before.
    void set(store::Key const& key, store::Revision revision, MonotonicTime when) {
        forget(key);
        due_.emplace(key, Due{revision, when});
        order_.emplace(when, key);
    }
    void forget(store::Key const& key) {
        auto const found = due_.find(key);
        if (found == due_.end()) return;
        order_.erase({found->second.when, key});
        due_.erase(found);
    }
    std::optional<MonotonicTime> next() const {
        if (order_.empty()) return std::nullopt;
        return order_.begin()->first;
    }
    // One whose time has come.
    std::optional<std::pair<store::Key, store::Revision>> take(MonotonicTime now) {
        if (order_.empty() || order_.begin()->first > now) return std::nullopt;
        store::Key const key = order_.begin()->second;
        store::Revision const revision = due_.at(key).revision;
        forget(key);
        return std::pair(key, revision);
    }
    std::size_t size() const { return due_.size(); }

private:
    struct Due {
        store::Revision revision = 0;
        MonotonicTime when;
    };
    std::map<store::Key, Due> due_;
    std::set<std::pair<MonotonicTime, store::Key>> order_;
};

}   // namespace aviary::apiserver
