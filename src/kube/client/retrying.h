// A Transport that asks once more where the server says when: an answer of 429 or 5xx with Retry-After is waited out,
// ten times at most, as client-go does (rest/with_retry.go). An API server says so while it reads a kind that has only
// just been defined. For what a person waits for; a controller's queue and an informer wait by themselves.
#pragma once

#include <memory>

#include "kube/client/transport.h"

namespace aviary::client {

// The answer is returned as it is where the caller's deadline is before that time.
std::shared_ptr<Transport> retrying(std::shared_ptr<Transport> transport);

}   // namespace aviary::client
