// Transport over HTTP, to any API server a kubeconfig names.
#pragma once

#include <memory>

#include "core/async/asio_executor.h"
#include "kube/client/kubeconfig.h"
#include "kube/client/transport.h"

namespace aviary::client {

// Errors name what is wrong with the address or the credentials.
Result<std::shared_ptr<Transport>> http_transport(async::AsioExecutor& executor, ServerAccess const& access);

}   // namespace aviary::client
