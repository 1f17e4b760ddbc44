// What goes wrong in a simulation: networks, crashes at any moment and at named points, power cuts, pods and versions
// that fail.
#pragma once

#include "fleet.h"
#include "laws.h"
#include "people.h"

namespace aviary::sim {

class Nemesis {
public:
    Nemesis(Context const& ctx, Fleet& fleet, People const& people, Laws& laws)
        : ctx_(ctx), fleet_(fleet), people_(people), laws_(laws) {}

    // Until the context stops.
    Task<void> rage(Context ctx);
    // Everything works from now on.
    Task<void> mend(Context ctx);

private:
    Task<void> strike(Context ctx);
    void bury(async::Scope& scope);
    void disturb(Process& process);
    Task<void> kill_pod();
    Task<void> spoil(bool on, int newest);

    Context ctx_;
    Fleet& fleet_;
    People const& people_;
    Laws& laws_;
};

}   // namespace aviary::sim
