// What only some seeds have, each about one of sixteen. It is drawn apart from all else: a seed that has nothing of it
// goes as it would if there were none.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "core/base/random.h"
#include "kinds.h"

namespace aviary::sim {

enum class Extra {
    kToZero,    // workloads are scaled to nothing, and up again
    kOlder,     // Kruise's StatefulSet in its older version
    kOrdered,   // a StatefulSet that makes its pods one after the other
    kInPlace,   // a set of Kruise's that changes its pods in place
    kBatches,   // Rollouts that go back in batches
    kIngress,   // an Ingress of nginx leads to the workload, instead of an HTTPRoute
    kPasses,    // what nobody answers of a member's webhook passes, as with failurePolicy Ignore
    kDeaf,      // a member's webhook does not answer while its controllers run
    // With a hub:
    kJumps,      // people send releases to another step
    kDisables,   // … disable the Rollout, and enable it again
    kPauses,     // … pause it everywhere
    kPutsBack,   // … put the old template back
    kScales,     // … scale workloads in the members, by hand and by their autoscalers' bounds
    kLetsGo,     // … delete the Rollout so that what it releases goes through
};

class Extras {
public:
    explicit Extras(std::uint64_t seed);

    bool has(Extra extra) const { return drawn_.contains(extra); }
    // Of what is done with them.
    Random& random() { return random_; }
    // The kind of workload that this seed has beside, or instead of, those of all seeds; null: none.
    WorkloadKind const* kind();
    // The names of what was drawn; empty: nothing.
    std::string text() const;

    // By its name; false: there is none of that name.
    static bool named(std::string_view name);
    bool has(std::string_view name) const;

private:
    Random random_;
    std::set<Extra> drawn_;
};

}   // namespace aviary::sim
