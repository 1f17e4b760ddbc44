// What goes wrong in a simulation: networks, crashes at any moment and at named points, power cuts, pods and versions
// that fail.
#pragma once

#include "extras.h"
#include "fleet.h"
#include "laws.h"
#include "users.h"

namespace aviary::sim {

class Nemesis {
public:
    Nemesis(Context const& ctx, Fleet& fleet, Users const& users, Laws& laws, Extras& extras)
        : ctx_(ctx), fleet_(fleet), users_(users), laws_(laws), extras_(extras) {}

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
    void deafen();   // the webhook of some member

    Context ctx_;
    Fleet& fleet_;
    Users const& users_;
    Laws& laws_;
    Extras& extras_;
};

}   // namespace aviary::sim
