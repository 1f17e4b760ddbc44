// What comes of a connection to the hub that has ended: when the agent dials again, and by what. Pure.
#pragma once

#include "member/agent/credentials.h"

namespace aviary::agent {

// How a connection went.
struct Ended {
    Errand errand = Errand::kJoin;
    bool instead = false;         // it joined by its token although it has a certificate, because that was refused
    bool given_changed = false;   // what the agent was given for it is something else by now
    bool linked = false;          // it was a link
    bool refused = false;         // the hub has said no
    bool heard = true;            // the hub has said anything; else it may not take the certificate
    bool certificate = false;     // the agent has one; where it joined, a new one
    bool over = false;            // its time was over, as the plan had it
    bool in_order = false;        // the other end has closed it, rather than lost it
    bool token_left = false;      // there is a token that the hub has not answered yet
};

enum class Next {
    kAtOnce,
    kByToken,   // at once, too, and whatever certificate there is
    kLater,     // with the pause of an attempt that has failed
};
struct Verdict {
    Next next = Next::kLater;
    bool token_answered = false;      // that token is not shown again
    bool says_what_it_said = false;   // why there is no link is what was known before this connection
    bool operator==(Verdict const&) const = default;
};
Verdict verdict_of(Ended const& ended);

}   // namespace aviary::agent
