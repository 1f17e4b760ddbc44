// The controller framework: a key is marked dirty by informers, observed, decided and acted on; see design notes in
// README.md. Everything of one Manager lives on one loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/async/context.h"
#include "core/async/scope.h"
#include "core/async/task.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "kube/control/plan.h"
#include "kube/meta/gvk.h"

namespace aviary::control {

// Usually a namespace and name; `part` tells apart what one object stands for several times (a member cluster).
struct Key {
    std::string part;
    meta::ObjectKey object;
    auto operator<=>(Key const&) const = default;
};

// What a controller does with one key. Level-based: called again after any change, never told which.
class Reconciler {
public:
    virtual ~Reconciler() = default;
    // Observe from listers and decide; no I/O. A missing object is a Plan that cleans up, or an empty one.
    virtual Plan decide(Key const& key, Time now) = 0;
    // Does the plan's writes through this client.
    virtual client::Client const& client_for(Key const& key) = 0;
};

// A Reconciler of two functions, for controllers that are methods of something larger.
class FunctionReconciler final : public Reconciler {
public:
    using Decide = std::function<Plan(Key const&, Time)>;
    using ClientFor = std::function<client::Client const&(Key const&)>;
    FunctionReconciler(Decide decide, ClientFor client) : decide_(std::move(decide)), client_(std::move(client)) {}
    Plan decide(Key const& key, Time now) override { return decide_(key, now); }
    client::Client const& client_for(Key const& key) override { return client_(key); }

private:
    Decide decide_;
    ClientFor client_;
};

struct ControllerOptions {
    std::string name;
    int concurrency = 16;                                    // keys worked on at once; one key never twice
    Duration backoff_first = std::chrono::milliseconds(5);   // doubled by each error of the same key …
    Duration backoff_last = std::chrono::seconds(30);        // … up to here, with jitter
    bool warns_of_invalid = false;   // else it is a guard of the write that did not hold, and decided again
    Duration read_your_writes_timeout = std::chrono::seconds(10);
};

// Runs one Reconciler: a de-duplicating queue with backoff, which ends when a watched informer's server answers again,
// and timers; after a plan's writes the key waits until the informers of the written resources have reached the
// answered resource versions.
class Controller {
public:
    Controller(ControllerOptions options, std::unique_ptr<Reconciler> reconciler);
    ~Controller();
    Controller(Controller const&) = delete;
    Controller& operator=(Controller const&) = delete;

    // Marks a key dirty; from informer handlers or anywhere on the loop.
    void enqueue(Key key);
    void enqueue_at(Key key, Time when);

    // Changes of the informer's objects mark keys dirty; `keys` maps an object (before and after) to keys. The informer
    // also serves read-your-writes for its resource (of that part, when several clusters have the same resource). It
    // outlives the controller, also that of a part which has left.
    void watch(client::Informer& informer, std::function<std::vector<Key>(json::Doc const&)> keys,
               std::string part = {});
    // The same of what the server may refuse to show: running does not wait for more than its answer.
    void watch_if_shown(client::Informer& informer, std::function<std::vector<Key>(json::Doc const&)> keys,
                        std::string part = {});

    // Runs until the context stops, once the watched informers have synced.
    Task<void> run(Context ctx);

    // For explain and tests: the last plan's waits, and the last error of a key.
    std::vector<Wait> waits(Key const& key) const;
    std::optional<Error> last_error(Key const& key) const;
    // What an API server says, time and again, against a write of this key's plans; empty: nothing.
    std::string refusal(Key const& key) const;
    // True when nothing is queued or running (timers may be pending).
    bool idle() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Carries out one write and answers the object as stored (absent for deletions).
Task<Result<json::Doc>> perform(Context ctx, client::Client client, Write write);

}   // namespace aviary::control
