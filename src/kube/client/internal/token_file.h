// A bearer token in a file that somebody replaces while we run, as the kubelet does. Lives on one loop.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.h"

namespace aviary::client {

// All of a file; an Error names it.
Result<std::string> read_file(std::string const& path);

// The token as it is by now: the file is looked at each time, and read when it has changed. One that is gone or no
// token for a while leaves the last. An Error when there is none to begin with.
Result<std::function<std::string()>> token_file(std::string path);

}   // namespace aviary::client
