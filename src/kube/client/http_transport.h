// Transport over HTTP, to any API server a kubeconfig names, or over connections made in another way.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/async/asio_executor.h"
#include "core/http/message.h"
#include "kube/client/kubeconfig.h"
#include "kube/client/transport.h"

namespace aviary::client {

// One request and its answer; with `stream`, the body of the answer as it comes.
using Exchange = std::function<Task<Result<http::Response>>(Context, http::Request, bool stream)>;

// With the credentials of this access; targets are relative to its root. Errors name what is wrong with the address or
// the credentials.
Result<Exchange> http_exchange(async::AsioExecutor& executor, ServerAccess const& access);
Result<std::shared_ptr<Transport>> http_transport(async::AsioExecutor& executor, ServerAccess const& access);
// "host:port" of its address, as requests to it are counted.
std::string host_of(ServerAccess const& access);
// `host`: what requests are counted under.
std::shared_ptr<Transport> transport_over(Exchange exchange, std::string host);

}   // namespace aviary::client
