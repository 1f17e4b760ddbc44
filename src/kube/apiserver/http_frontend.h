// The API server over HTTP: authenticates by client certificate (CN is the user, O its groups), finds the cluster by
// /clusters/<name>/, and turns bodies into documents and back. Lives on the server's loop.
#pragma once

#include <memory>

#include "core/http/message.h"
#include "kube/apiserver/server.h"

namespace aviary::apiserver {

// The server must outlive the handler.
std::shared_ptr<http::Handler> http_handler(ApiServer& server);

}   // namespace aviary::apiserver
