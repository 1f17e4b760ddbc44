// Engines: fake inference engines for pods of simulated clusters that ask for one, small HTTP servers on the loopback
// interface. Each listens at its pod's address, which then is one of 127.64.0.0/10, on the first port that its pod's
// containers name, 8000 without any, from the moment when the pod is ready until it is gone.
#pragma once

#include <memory>

#include "core/async/asio_executor.h"
#include "core/async/task.h"
#include "core/json/doc.h"

namespace aviary::simulator {

// On a pod, "vllm": the only one there is.
inline constexpr char kEngine[] = "simulator.aviary.dev/engine";
// How long each token takes, "20ms"; without it no time at all.
inline constexpr char kTokenTime[] = "simulator.aviary.dev/token-time";

bool asks_for_engine(json::Doc const& pod);

// Of all simulators of a process. Lives on the executor's loop.
class Engines {
public:
    explicit Engines(async::AsioExecutor& executor);
    ~Engines();

    // Requests are answered while this runs, until the context stops.
    Task<void> run(Context ctx);

    // The pod's containers serve: once this returns, so does its engine. Nothing where it does already, or where the
    // pod asks for none. An address that is in use is said in the log.
    void start(json::Doc const& pod, std::string const& address);
    // They do not any more: requests under way are cut off.
    void stop(json::Doc const& pod);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}   // namespace aviary::simulator
