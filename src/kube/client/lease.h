// Lease: leader election by a coordination.k8s.io/v1 Lease, as client-go does it, and fencing: no write leaves this
// process later than the lease allows. Lives on one loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/async/context.h"
#include "core/async/task.h"
#include "kube/client/client.h"
#include "kube/client/transport.h"

namespace aviary::client {

struct LeaseOptions {
    std::string ns = "kube-system";
    std::string name;
    std::string identity;   // of this process, for people; a random suffix makes it unlike any other
    Duration duration = std::chrono::seconds(15);         // others wait so long after our last renewal
    Duration renew_deadline = std::chrono::seconds(10);   // we give up so long after our last renewal
    Duration retry_period = std::chrono::seconds(2);
    // Whether the process that held the lease under this identity is known to have ended; nobody waits for it then.
    // None: of no process.
    std::function<bool(std::string_view holder)> has_ended;
};

// What a write may need from being sent to being carried out, and by how much clocks differ in pace over a lease.
inline constexpr Duration kFenceMargin = std::chrono::seconds(2);

// Whether one term of a lease lasts, and is sure to last for longer than the margin. Cheap to copy; may outlive the
// lease.
class Fence {
public:
    bool open() const;
    // When it closes, unless the lease is renewed until then.
    MonotonicTime closes() const;
    std::string const& lease() const { return lease_; }

private:
    friend class Lease;
    struct Term;
    Fence(std::shared_ptr<Term const> term, Duration margin, std::string lease);
    std::shared_ptr<Term const> term_;
    std::uint64_t number_;
    Duration margin_;
    std::string lease_;
};

// The same transport for what a leader does: reads pass; anything else is refused with Unavailable when the fence is
// not open, and may neither be sent nor answered after it closes.
std::shared_ptr<Transport> fenced(std::shared_ptr<Transport> transport, Fence fence);
Client fenced(Client const& client, Fence fence);

// A holder is dead when its record has not changed for its duration, by our own monotonic clock since we saw it, or
// when LeaseOptions::has_ended knows it; the times in the record are for people. Held is what this process may rely on:
// until deadline(), nobody else who keeps to the same rule holds it. That is true of a record nobody deletes by hand,
// and of clocks that run at the same pace.
class Lease {
public:
    // Refuses names that are missing, and times unless duration > renew_deadline > retry_period.
    static Result<std::unique_ptr<Lease>> create(Client client, LeaseOptions options);
    ~Lease();
    Lease(Lease const&) = delete;
    Lease& operator=(Lease const&) = delete;

    // Competes for the lease and renews it; when it is lost competes again; when the context stops releases it.
    Task<void> run(Context ctx);

    bool held() const;
    // From the moment before the last renewal was sent, plus the duration. Long ago when it was never held.
    MonotonicTime deadline() const;
    // Counts how often it was gained; 0 before the first time.
    std::uint64_t term() const;
    Task<Status> wait_held(Context ctx);
    // Until that term is over, whether or not another has begun.
    Task<Status> wait_lost(Context ctx, std::uint64_t term);

    // For the term of now; all that this term does goes through it.
    Fence fence(Duration margin = kFenceMargin) const;

    LeaseOptions const& options() const;
    // As the record says it; empty before run().
    std::string const& identity() const;
    // Who held it when we last looked; empty when nobody did.
    std::string holder() const;
    // Why it could not be looked at or renewed, last; empty: it could.
    std::string problem() const;

private:
    struct Impl;
    explicit Lease(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Runs the lease, and the body for each term of it: its context stops when the lease is lost, and the next term begins
// after it has ended. The lease is kept until the body has ended and then released. Returns when the context has
// stopped, or the body has ended by itself.
Task<void> run_as_leader(Context ctx, Lease& lease, std::function<Task<void>(Context)> body);

}   // namespace aviary::client
