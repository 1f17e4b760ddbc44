// Turns: so many at once, and the others in the order in which they came. Lives on one loop.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "core/async/task.h"
#include "core/async/wait.h"

namespace aviary::async {

class Turns {
public:
    explicit Turns(std::size_t at_once) : free_(at_once) { AVIARY_CHECK(at_once > 0); }
    Turns(Turns const&) = delete;
    Turns& operator=(Turns const&) = delete;

    // Given back when it goes; the Turns outlive it.
    class Turn {
    public:
        explicit Turn(Turns& of) : of_(&of) {}
        Turn(Turn&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (of_ != nullptr) of_->give();
        }

    private:
        Turns* of_;
    };
    Task<Result<Turn>> take(Context ctx);

private:
    void give();

    std::size_t free_;
    std::deque<Waiter*> waiting_;
};

}   // namespace aviary::async
