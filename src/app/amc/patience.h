// Of a command that watches: whether it looks again after an error, and whether that is said.
#pragma once

#include <optional>

#include "app/amc/session.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/cli/progress.h"

namespace aviary::amc {

class Patience {
public:
    // There is something to watch. An outage is over.
    void answered();
    // Whether to look again: not before there was an answer; then while the error may pass, and for a while after that
    // on what a server answers, too, that has only come back.
    bool lasts(Error const& error, MonotonicTime now);
    // Whether the outage is still to be said: once.
    bool tells();

private:
    bool answered_ = false, told_ = false;
    std::optional<MonotonicTime> settled_;   // when a server that was in trouble has read what it decides by
};

// An outage as a line above what was there last.
cli::Progress::Line outage_line(Session const& session, Error const& error);

}   // namespace aviary::amc
