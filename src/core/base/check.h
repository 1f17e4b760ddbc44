// A broken invariant of ours ends the process with a line that says which. Never reached by input.
#pragma once

namespace aviary::detail {
[[noreturn]] void check_failed(char const* condition, char const* file, int line);
}

#define AVIARY_CHECK(condition) \
    (static_cast<bool>(condition) ? void(0) : ::aviary::detail::check_failed(#condition, __FILE__, __LINE__))
