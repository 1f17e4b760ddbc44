// `aviary hub recover`: a hub that was lost, or restored from an old backup, gets from the members what Git does not
// say.
#pragma once

#include <string>

#include "app/process/process.h"

namespace aviary::hub {

struct RecoverOptions {
    process::Options cluster;   // the hub's API, as the very user that `aviary hub` is
    bool dry_run = false;
    bool skip_missing = false;   // what the hub does not place is left out
    bool hub_wins = false;       // what the hub has goes over what members have newer and no record tells
    std::string fleet;           // the hub that was lost, where members know several; empty: the one
};

// Reads through the hub, which has to run. Safe to repeat. The exit code; says on stdout what it finds and does.
int recover(RecoverOptions options);

}   // namespace aviary::hub
