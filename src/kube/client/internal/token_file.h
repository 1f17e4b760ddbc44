// A bearer token in a file that somebody replaces while we run, as the kubelet does. Lives on one loop.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <functional>
#include <string>
#include <tuple>

#include "core/base/result.h"

namespace aviary::client {

// What tells a file from the one that was there before.
using Stamp = std::tuple<dev_t, ino_t, off_t, time_t, long>;
Stamp stamp_of(std::string const& path);

// All of a file; an Error names it.
Result<std::string> read_file(std::string const& path);

// The token as it is by now: the file is looked at each time, and read when it has changed. One that is gone or no
// token for a while leaves the last. An Error when there is none to begin with.
Result<std::function<std::string()>> token_file(std::string path);

}   // namespace aviary::client
