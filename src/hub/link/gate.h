// The gate: where agents dial in. It shakes hands, asks each who it is, and keeps it as a link of its cluster or gives
// it a certificate to come again with. Lives on the hub's loop, while the hub leads.
#pragma once

#include <memory>

#include "core/net/stream.h"
#include "hub/link/enrolment.h"
#include "hub/link/links.h"

namespace aviary::link {

struct GateLimits {
    std::size_t max_links = 25'000;
    std::size_t max_of_cluster = 8;   // of them; over: its oldest is cut
    // Of those that have not shaken hands yet, in all and from one address; over: turned away. And so many from one
    // address at once; the others wait their turn.
    std::size_t max_handshakes = 8'000;
    std::size_t max_handshakes_of_source = 2'000;
    std::size_t handshakes_of_source_at_once = 64;
    std::size_t max_unknown = 100;     // at once, of those that have no certificate and have shown no token yet
    std::size_t max_waiting = 1'000;   // of those that have, and wait for a person; one of a cluster, the newest
    std::size_t max_welcomes = 32;     // asked for of the hub's API at once; the others wait their turn
    Duration handshake_timeout = std::chrono::seconds(10);
    Duration hello_timeout = std::chrono::seconds(10);
    Duration waiting_timeout = std::chrono::hours(24);   // for a person; then it is to ask again
    std::size_t max_hello_bytes = 16 << 10;
    std::size_t max_answer_bytes = 128 << 20;   // of a cluster's API; lists come in pages
};

class Gate {
public:
    // The listener's TLS offers apis::kLinkProtocol and asks for certificates under the enrolment's authority.
    Gate(std::unique_ptr<net::Listener> listener, Links& links, Enrolment& enrolment, GateLimits limits = {});
    ~Gate();
    // Until the context stops; what is linked is cut then.
    Task<void> run(Context ctx);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::link
