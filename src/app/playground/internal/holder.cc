#include "app/playground/internal/holder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace aviary::playground {

namespace {

// Of /proc/PID/stat (proc(5)).
struct Process {
    std::string name;
    char state = 'X';
    unsigned flags = 0;
    unsigned pending = 0;   // signals, the first in the lowest bit
};
constexpr unsigned kExiting = 0x4;   // PF_EXITING
constexpr unsigned kKilled = 1u << (SIGKILL - 1);

Process read_process(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string const text{std::istreambuf_iterator<char>(file), {}};
    // A name may have spaces and parentheses of its own.
    std::size_t const open = text.find('('), close = text.rfind(')');
    Process found;
    if (open == std::string::npos || close == std::string::npos) return found;
    found.name = text.substr(open + 1, close - open - 1);
    std::istringstream rest(text.substr(close + 1));
    std::string ignored;
    rest >> found.state;
    for (int field = 0; field < 5; ++field) rest >> ignored;
    rest >> found.flags;
    for (int field = 0; field < 21; ++field) rest >> ignored;
    rest >> found.pending;
    return found;
}

bool ends(Process const& process) {
    return process.state == 'Z' || process.state == 'X' || (process.flags & kExiting) != 0 ||
           (process.pending & kKilled) != 0;
}

}   // namespace

std::string pid_file(std::string const& data_dir) { return data_dir + "/aviary.pid"; }

pid_t read_pid(std::string const& data_dir) {
    std::ifstream file(pid_file(data_dir));
    pid_t pid = 0;
    file >> pid;
    return file ? pid : 0;
}

bool is_aviary(pid_t pid) {
    if (pid <= 0) return false;
    Process const process = read_process(pid);
    return process.name == "aviary" && !ends(process);
}

bool is_ending(pid_t pid) { return ends(read_process(pid)); }

pid_t lock_holder(std::string const& data_dir) {
    int const file = ::open((data_dir + "/store/LOCK").c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) return 0;
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    bool const held = ::fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    ::close(file);
    return held ? lock.l_pid : 0;
}

pid_t running_on(std::string const& data_dir) {
    if (pid_t const pid = lock_holder(data_dir); pid > 0) return pid;
    pid_t const pid = read_pid(data_dir);
    return is_aviary(pid) ? pid : 0;
}

void wait_while_ending(std::string const& data_dir) {
    for (int waited = 0; waited < 1000; ++waited) {
        pid_t const pid = lock_holder(data_dir);
        if (pid <= 0 || !is_ending(pid)) return;
        ::usleep(10'000);
    }
}

}   // namespace aviary::playground
