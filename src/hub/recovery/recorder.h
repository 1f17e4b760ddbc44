// Recorder: keeps the records of record.h in members, written when what they say changes. Lives on the hub's loop.
#pragma once

#include <memory>

#include "hub/propagation/propagator.h"

namespace aviary::recovery {

class Recorder {
public:
    // The propagator must outlive it, and brings objects to members.
    Recorder(client::Client hub, propagation::Propagator& propagator);
    ~Recorder();
    Task<void> run(Context ctx);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::recovery
