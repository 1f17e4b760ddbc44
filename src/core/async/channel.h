// Channel<T>: a bounded queue between tasks of one loop.
#pragma once

#include <deque>
#include <optional>

#include "core/async/event.h"

namespace aviary::async {

template <class T>
class Channel {
public:
    explicit Channel(std::size_t capacity) : capacity_(capacity) { AVIARY_CHECK(capacity > 0); }

    std::size_t size() const { return items_.size(); }
    bool closed() const { return closed_; }

    // False when full or closed: the caller says what is dropped.
    bool try_send(T value) {
        if (closed_ || items_.size() >= capacity_) return false;
        items_.push_back(std::move(value));
        readable_.notify();
        return true;
    }
    // Waits for room; Unavailable when closed.
    Task<Status> send(Context ctx, T value) {
        while (!closed_ && items_.size() >= capacity_) CO_TRY(co_await writable_.wait(ctx));
        if (closed_) co_return fail(ErrorCode::kUnavailable, "channel closed");
        items_.push_back(std::move(value));
        readable_.notify();
        co_return Status{};
    }
    // The next value; empty when closed and drained.
    Task<Result<std::optional<T>>> receive(Context ctx) {
        while (items_.empty() && !closed_) CO_TRY(co_await readable_.wait(ctx));
        if (items_.empty()) co_return std::optional<T>();
        std::optional<T> value(std::move(items_.front()));
        items_.pop_front();
        writable_.notify();
        co_return std::move(value);
    }
    std::optional<T> try_receive() {
        if (items_.empty()) return std::nullopt;
        std::optional<T> value(std::move(items_.front()));
        items_.pop_front();
        writable_.notify();
        return value;
    }
    void close() {
        closed_ = true;
        readable_.notify();
        writable_.notify();
    }

private:
    std::size_t capacity_;
    std::deque<T> items_;
    bool closed_ = false;
    Event readable_, writable_;
};

}   // namespace aviary::async
