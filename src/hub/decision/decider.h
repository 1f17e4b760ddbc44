// Decider: carries people's Decisions out in the members they name, exactly once or reported refused (design section
// 8). Lives on the hub's loop.
#pragma once

#include <memory>

#include "hub/decision/audit.h"
#include "hub/propagation/propagator.h"

namespace aviary::decision {

class Decider {
public:
    Decider(client::Client hub, propagation::Propagator& propagator, AuditSink audit = {});
    ~Decider();
    Task<void> run(Context ctx);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The digest of what is released: the workload's template and the Rollout's strategy, as the hub has them.
std::string release_digest(json::Doc const& workload, json::Doc const& rollout);

}   // namespace aviary::decision
