#include "app/playground/demo.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "app/playground/internal/demo_files.h"

namespace aviary::playground {

namespace fs = std::filesystem;

int demo(std::string const& data_dir) {
    std::error_code problem;
    fs::path const data = fs::absolute(data_dir, problem).lexically_normal();
    fs::path const self = fs::read_symlink("/proc/self/exe", problem);
    if (fs::exists(data, problem) && !fs::is_empty(data, problem) && !fs::exists(data / "store" / "CURRENT", problem)) {
        fmt::print(stderr, "error: {} is no fleet's folder, and is not empty: choose another with --data-dir\n",
                   data.string());
        return 1;
    }
    // The demo leaves a mark in folders of its own: it ends what runs there and begins from nothing.
    if (fs::exists(data / "store", problem) && !fs::exists(data / "made-by-demo", problem)) {
        fmt::print(stderr,
                   "error: {} has a fleet that is not the demo's, and the demo begins from nothing: choose another "
                   "folder with --data-dir\n",
                   data.string());
        return 1;
    }
    std::string folder = (fs::temp_directory_path(problem) / "aviary-demo-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) {
        fmt::print(stderr, "error: making a folder for the demo: {}\n", std::strerror(errno));
        return 1;
    }
    for (DemoFile const& file : demo_files()) {
        std::ofstream out(fs::path(folder) / file.name);
        out << file.text;
        if (!out.flush()) {
            fmt::print(stderr, "error: writing {}/{}: {}\n", folder, file.name, std::strerror(errno));
            return 1;
        }
    }
    std::string const script = folder + "/demo";
    pid_t const child = ::fork();
    if (child == 0) {
        ::setenv("DEMO_BIN", self.parent_path().c_str(), 1);
        ::setenv("DEMO_SEED", folder.c_str(), 1);
        ::setenv("DEMO_DATA", data.c_str(), 1);
        ::execlp("bash", "bash", script.c_str(), nullptr);
        fmt::print(stderr, "error: the demo is a script for bash: {}\n", std::strerror(errno));
        std::_Exit(1);
    }
    std::signal(SIGINT, SIG_IGN);   // the demo's own to end by; this goes on to tidy up
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) < 0) status = 1 << 8;
    fs::remove_all(folder, problem);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}   // namespace aviary::playground
