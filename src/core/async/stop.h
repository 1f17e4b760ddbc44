// Cancellation: a tree of stop sources. Confined to one loop; cross-thread stops are posted to the loop first.
#pragma once

#include <functional>
#include <memory>

namespace aviary::async {

class StopCallback;

namespace detail {
struct StopState {
    bool stopped = false;
    StopCallback* first = nullptr;
};
}   // namespace detail

// Cheap handle; default-constructed it never stops.
class StopToken {
public:
    StopToken() = default;
    bool stop_requested() const { return state_ != nullptr && state_->stopped; }
    bool can_stop() const { return state_ != nullptr; }

private:
    friend class StopSource;
    friend class StopCallback;
    explicit StopToken(std::shared_ptr<detail::StopState> state) : state_(std::move(state)) {}
    std::shared_ptr<detail::StopState> state_;
};

// Runs `callback` inside request_stop(), or at once when already stopped; unregisters in its destructor.
class StopCallback {
public:
    StopCallback(StopToken const& token, std::move_only_function<void()> callback);
    ~StopCallback();
    StopCallback(StopCallback const&) = delete;
    StopCallback& operator=(StopCallback const&) = delete;

private:
    friend class StopSource;
    void unlink();
    std::shared_ptr<detail::StopState> state_;
    std::move_only_function<void()> callback_;
    StopCallback* previous_ = nullptr;
    StopCallback* next_ = nullptr;
};

class StopSource {
public:
    // Stops with its parent too.
    explicit StopSource(StopToken const& parent = {});
    ~StopSource() = default;
    StopSource(StopSource const&) = delete;
    StopSource& operator=(StopSource const&) = delete;

    StopToken token() const { return StopToken(state_); }
    bool stop_requested() const { return state_->stopped; }
    void request_stop() { stop(state_); }

private:
    static void stop(std::shared_ptr<detail::StopState> state);
    std::shared_ptr<detail::StopState> state_;
    std::unique_ptr<StopCallback> parent_;
};

}   // namespace aviary::async
