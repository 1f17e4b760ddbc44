// What members answered last, by question, in at most so many bytes: what was not asked for the longest time goes
// first.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "core/json/doc.h"

namespace aviary::proxy {

class LastAnswers {
public:
    explicit LastAnswers(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    // An empty question is not kept.
    void put(std::string const& question, json::Doc answer) {
        if (question.empty()) return;
        drop(question);
        std::size_t const bytes = answer.block_bytes() + question.size();
        if (bytes > max_bytes_) return;
        order_.push_front(question);
        known_[question] = {std::move(answer), bytes, order_.begin()};
        bytes_ += bytes;
        while (bytes_ > max_bytes_) drop(std::string(order_.back()));
    }

    json::Doc get(std::string const& question) {
        auto const found = known_.find(question);
        if (found == known_.end()) return {};
        order_.splice(order_.begin(), order_, found->second.place);
        return found->second.answer;
    }

    std::size_t bytes() const { return bytes_; }

private:
    struct Kept {
        json::Doc answer;
        std::size_t bytes = 0;
        std::list<std::string>::iterator place;
    };

    void drop(std::string const& question) {
        auto const found = known_.find(question);
        if (found == known_.end()) return;
        bytes_ -= found->second.bytes;
        order_.erase(found->second.place);
        known_.erase(found);
    }

    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::map<std::string, Kept> known_;
    std::list<std::string> order_;   // the last used first
};

}   // namespace aviary::proxy
