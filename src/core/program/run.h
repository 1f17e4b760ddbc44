// Runs another program of the machine and takes what it prints, with limits. Its error output is ours. Nothing waits
// for it but who awaits it.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "core/async/asio_executor.h"
#include "core/async/task.h"

namespace aviary::program {

struct Command {
    std::string program;   // a path, or a name that is looked for in $PATH
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::string>> environment;   // beside ours, and before it
    // It may ask whoever sits at our terminal: else its input is empty, and it and what it starts are ended together.
    bool asks = false;
    std::size_t max_output = std::size_t(1) << 20;
};

struct Finished {
    int exit_code = 0;   // 128 and the number of the signal that ended it, as shells say it
    std::string output;
};

// Until it has ended; what it has left running is not waited for. When the context is over first it is killed. NotFound
// when there is no such program, TooLarge when it prints too much: then it is killed, too.
Task<Result<Finished>> run(Context ctx, async::AsioExecutor& executor, Command command);

}   // namespace aviary::program
