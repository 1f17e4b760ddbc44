// An error as an API server answers it: for routes that answer beside it, too.
#pragma once

#include "core/base/error.h"
#include "kube/client/transport.h"

namespace aviary::apiserver {

// A Status, and with it Retry-After where the error says when to ask again.
client::Response error_response(Error const& error);

}   // namespace aviary::apiserver
