#include "app/command_line/output.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace aviary::command_line {

namespace {

int failure = 0;   // of the first write that failed, as errno has it

}   // namespace

void print(std::string_view text) {
    if (failure == 0 && std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) failure = errno;
}

bool flush() {
    if (failure == 0 && std::fflush(stdout) != 0) failure = errno;
    return failure == 0;
}

void print_line(std::string_view text) {
    print(text);
    print("\n");
    flush();
}

int finish(int code) {
    flush();
    int const why = std::exchange(failure, 0);
    if (why == 0 || why == EPIPE) return code;
    fmt::print(stderr, "error: writing the output: {}\n", std::generic_category().message(why));
    return 1;
}

}   // namespace aviary::command_line
