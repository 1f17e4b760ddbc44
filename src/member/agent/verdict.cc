#include "member/agent/verdict.h"

namespace aviary::agent {

namespace {

Next next_of(Ended const& ended) {
    if (ended.given_changed) return Next::kAtOnce;
    bool const joined = ended.errand == Errand::kJoin;
    // The name may have been joined anew, with a token that has not been shown yet.
    if (ended.refused && !joined && ended.token_left) return Next::kByToken;
    // So may a new hub, which knows nothing of the authority that the certificate is under.
    if (!ended.heard && !joined && ended.token_left) return Next::kByToken;
    // To link by what it has been given.
    if (joined && ended.certificate && ended.in_order && !ended.linked) return Next::kAtOnce;
    return ended.over ? Next::kAtOnce : Next::kLater;
}

}   // namespace

Verdict verdict_of(Ended const& ended) {
    Verdict verdict;
    verdict.next = next_of(ended);
    verdict.token_answered = ended.errand == Errand::kJoin && (ended.refused || ended.certificate);
    // Why the certificate is refused says more than that an old token is: that was only worth a try.
    verdict.says_what_it_said = ended.instead && ended.refused && !ended.given_changed;
    return verdict;
}

}   // namespace aviary::agent
