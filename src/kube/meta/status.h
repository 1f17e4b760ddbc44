// metav1.Status: how an API server says what went wrong.
#pragma once

#include "core/base/error.h"
#include "core/json/doc.h"
#include "core/json/value.h"

namespace aviary::meta {

json::Value to_status(Error const& error);
// From the body of a refusal and its HTTP status.
Error from_status(json::Doc const& status, int http_status);

}   // namespace aviary::meta
