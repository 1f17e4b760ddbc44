#include "core/program/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <string_view>

#include "core/async/scope.h"

extern char** environ;

namespace aviary::program {

namespace {

constexpr Duration kDiesWithin = std::chrono::seconds(1);

class File {
public:
    explicit File(int number = -1) : number_(number) {}
    ~File() { close(); }
    File(File const&) = delete;
    File& operator=(File const&) = delete;
    int number() const { return number_; }
    void take(int number) {
        close();
        number_ = number;
    }
    void close() {
        if (number_ >= 0) ::close(number_);
        number_ = -1;
    }

private:
    int number_;
};

Error system_error(std::string_view what, int code) {
    return Error(code == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                 fmt::format("{}: {}", what, std::strerror(code)));
}

// Ours, with the command's in place of what has their names.
std::vector<std::string> environment_of(Command const& command) {
    std::map<std::string, std::string, std::less<>> all;
    for (char** each = environ; *each != nullptr; ++each) {
        std::string_view const entry(*each);
        std::size_t const equals = entry.find('=');
        if (equals != std::string_view::npos) all.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
    for (auto const& [name, value] : command.environment) all[name] = value;
    std::vector<std::string> result;
    result.reserve(all.size());
    for (auto const& [name, value] : all) result.push_back(name + "=" + value);
    return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& each : texts) result.push_back(each.data());
    result.push_back(nullptr);
    return result;
}

// How the program begins: with our error output, and with no file of ours but these.
class Setting {
public:
    Setting(bool asks, int output) {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
        if (!asks) posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&actions_, output, 1);
        posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
        // Who asks has to stay in the terminal's foreground.
        short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
        if (!asks) flags |= POSIX_SPAWN_SETPGROUP;
        sigset_t set;
        sigemptyset(&set);
        posix_spawnattr_setsigmask(&attributes_, &set);
        for (int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
        posix_spawnattr_setsigdefault(&attributes_, &set);
        posix_spawnattr_setflags(&attributes_, flags);
    }
    ~Setting() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }
    Setting(Setting const&) = delete;
    Setting& operator=(Setting const&) = delete;

    int spawn(pid_t& child, std::string const& program, char* const* arguments, char* const* environment) const {
        return ::posix_spawnp(&child, program.c_str(), &actions_, &attributes_, arguments, environment);
    }

private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

struct Child {
    pid_t number = -1;
    bool alone = false;   // the first of a group of its own
    File ended;           // readable once it has
    File output;
    std::string text;
    bool too_much = false;

    void kill() const { ::kill(alone ? -number : number, SIGKILL); }

    // What is there; false when there is nothing more to come, or too much has.
    bool take(std::size_t most) {
        std::array<char, 16 << 10> piece;
        while (true) {
            ssize_t const count = ::read(output.number(), piece.data(), piece.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return errno == EAGAIN;
            if (count == 0) return false;
            text.append(piece.data(), static_cast<std::size_t>(count));
            if (text.size() <= most) continue;
            too_much = true;
            kill();
            return false;
        }
    }
};

Task<void> take_output(Context ctx, async::AsioExecutor& executor, Child& child, std::size_t most) {
    while (child.take(most)) {
        Status const more = co_await executor.wait_readable(ctx, child.output.number());
        if (!more) co_return;
    }
}

Status start(Command const& command, Child& child) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(system_error("a pipe", errno));
    child.output.take(ends[0]);
    File const theirs(ends[1]);
    ::fcntl(child.output.number(), F_SETFL, O_NONBLOCK);
    std::vector<std::string> words{command.program};
    words.insert(words.end(), command.arguments.begin(), command.arguments.end());
    std::vector<std::string> environment = environment_of(command);
    child.alone = !command.asks;
    int const problem = Setting(command.asks, theirs.number())
                            .spawn(child.number, command.program, pointers(words).data(), pointers(environment).data());
    if (problem != 0) return std::unexpected(system_error(command.program, problem));
    child.ended.take(static_cast<int>(::syscall(SYS_pidfd_open, child.number, 0)));
    if (child.ended.number() >= 0) return {};
    int const code = errno;
    child.kill();
    ::waitpid(child.number, nullptr, 0);
    return std::unexpected(system_error(command.program, code));
}

}   // namespace

Task<Result<Finished>> run(Context ctx, async::AsioExecutor& executor, Command command) {
    Child child;
    CO_TRY(start(command, child));
    async::Scope reading(ctx.without_stop());
    reading.spawn(take_output(reading.context(), executor, child, command.max_output));
    Status const ended = co_await executor.wait_readable(ctx, child.ended.number());
    if (!ended) {
        child.kill();
        (void)co_await executor.wait_readable(Context(ctx.executor()).with_timeout(kDiesWithin), child.ended.number());
    }
    co_await reading.cancel_and_join();
    int status = 0;
    ::waitpid(child.number, &status, ended ? 0 : WNOHANG);
    if (!ended) co_return std::unexpected(ended.error());
    if (!child.too_much) (void)child.take(command.max_output);
    if (child.too_much)
        co_return fail(ErrorCode::kTooLarge,
                       fmt::format("{} prints more than {} bytes", command.program, command.max_output));
    co_return Finished{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), std::move(child.text)};
}

}   // namespace aviary::program
