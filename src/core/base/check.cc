#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace aviary::detail {

void check_failed(char const* condition, char const* file, int line) {
    std::fprintf(stderr, "aviary: broken invariant at %s:%d: %s\n", file, line, condition);
    std::abort();
}

}   // namespace aviary::detail
