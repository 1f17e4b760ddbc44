// The fleet's port, which the process before may still hold.
#pragma once

#include <cstdint>
#include <memory>

#include "core/async/asio_executor.h"
#include "core/net/stream.h"

namespace aviary::playground {

// On the loopback interface. One that was killed a moment ago holds its port until the last of its threads has ended:
// waits for that, up to a second.
Task<Result<std::unique_ptr<net::Listener>>> listen_soon(Context ctx, async::AsioExecutor& executor, std::uint16_t port,
                                                         std::shared_ptr<net::TlsServer> tls);

}   // namespace aviary::playground
