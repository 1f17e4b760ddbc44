#include "app/amc/patience.h"

#include <string>
#include <utility>

#include "kube/client/transport.h"

namespace aviary::amc {

namespace {

constexpr Duration kSettles = std::chrono::seconds(20);

}   // namespace

void Patience::answered() {
    answered_ = true;
    told_ = false;
}

bool Patience::lasts(Error const& error, MonotonicTime now) {
    if (!answered_) return false;
    if (client::may_pass(error)) {
        settled_ = now + kSettles;
        return true;
    }
    return client::may_settle(error) && settled_ && now < *settled_;
}

bool Patience::tells() { return !std::exchange(told_, true); }

cli::Progress::Line outage_line(Session const& session, Error const& error) {
    // Of its own, as the next outage in the same words is another one; no cluster and no Rollout has such a name.
    std::string key = "/" + format_rfc3339(session.context().now());
    return {std::move(key), session.text_of(error), cli::Colour::kRed};
}

}   // namespace aviary::amc
