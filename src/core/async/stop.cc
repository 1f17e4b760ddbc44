#include "core/async/stop.h"

#include <utility>

namespace aviary::async {

StopCallback::StopCallback(StopToken const& token, std::move_only_function<void()> callback)
    : callback_(std::move(callback)) {
    if (!token.can_stop()) return;
    if (token.stop_requested()) {
        callback_();
        return;
    }
    state_ = token.state_;
    next_ = state_->first;
    if (next_ != nullptr) next_->previous_ = this;
    state_->first = this;
}

StopCallback::~StopCallback() { unlink(); }

void StopCallback::unlink() {
    if (state_ == nullptr) return;
    if (previous_ != nullptr) {
        previous_->next_ = next_;
    } else {
        state_->first = next_;
    }
    if (next_ != nullptr) next_->previous_ = previous_;
    previous_ = next_ = nullptr;
    state_ = nullptr;
}

StopSource::StopSource(StopToken const& parent) : state_(std::make_shared<detail::StopState>()) {
    // Weak: the parent's callback must not outlive what it stops.
    parent_ = std::make_unique<StopCallback>(parent, [state = std::weak_ptr(state_)] {
        if (auto alive = state.lock()) stop(std::move(alive));
    });
}

void StopSource::stop(std::shared_ptr<detail::StopState> state) {
    if (std::exchange(state->stopped, true)) return;
    // A callback may destroy others, so take the first each time.
    while (StopCallback* each = state->first) {
        each->unlink();
        auto callback = std::move(each->callback_);
        callback();
    }
}

}   // namespace aviary::async
