#include "app/playground/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "app/playground/internal/holder.h"
#include "core/base/strings.h"
#include "core/observe/log.h"
#include "kube/client/kubeconfig.h"

namespace aviary::playground {

namespace {

void say(std::string const& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

void complain(std::string const& text) { fmt::print(stderr, "error: {}\n", text); }

std::string welcome(Options const& options, Playground const& playground) {
    std::string text = fmt::format(
        "{} ready on https://127.0.0.1:{}\n\n  export KUBECONFIG={}\n",
        options.clusters.empty() ? "API server" : fmt::format("fleet of {} clusters", options.clusters.size()),
        playground.port(), playground.kubeconfig());
    if (!options.clusters.empty()) {
        text += "  kubectl get managedclusters\n  kubectl amc clusters\n";
        text += fmt::format("  kubectl --context {} get nodes\n", options.clusters.front());
        text += fmt::format("  aviary down --data-dir {}      # data stays; the same `aviary up` brings it back\n",
                            options.data_dir);
    }
    if (!playground.left_out().empty()) {
        text += fmt::format("\nwarning: {} has data of {} too, which is not started: `--clusters {},{}` starts it\n",
                            options.data_dir, join(playground.left_out(), ", "), join(options.clusters, ","),
                            join(playground.left_out(), ","));
    }
    return text;
}

std::string in_use(std::string const& data_dir, pid_t pid) {
    return fmt::format("{} is in use by aviary with pid {}: end it with `aviary down --data-dir {}`", data_dir, pid,
                       data_dir);
}

constexpr std::string_view kReady = "ready\n";

// Tells the waiting parent of a detached process what became of it: kReady and what to say, or what went wrong.
class Announcer {
public:
    explicit Announcer(int pipe) : pipe_(pipe) {}
    void tell(std::string const& text) {
        if (pipe_ < 0) return;
        [[maybe_unused]] auto const written = ::write(pipe_, text.data(), text.size());
        ::close(pipe_);
        pipe_ = -1;
    }

private:
    int pipe_;
};

Task<int> serve(Context ctx, async::AsioExecutor& executor, ProcessOptions options, Announcer& announcer) {
    auto started = co_await Playground::start(ctx, executor, options.playground);
    if (!started) {
        pid_t const other = lock_holder(options.playground.data_dir);
        bool const locked = started.error().is(ErrorCode::kConflict) && is_aviary(other);
        std::string const why = locked ? in_use(options.playground.data_dir, other) : started.error().message();
        announcer.tell(why);
        complain(why);
        co_return 1;
    }
    std::unique_ptr<Playground> const playground = std::move(*started);
    async::Scope scope(ctx);
    scope.spawn(playground->run(scope.context()));
    Status const ready = co_await playground->wait_ready(scope.context().with_timeout(std::chrono::minutes(2)));
    if (!ready) {
        announcer.tell("not ready in two minutes: " + ready.error().message());
        co_await scope.cancel_and_join();
        co_return 1;
    }
    std::string const text = welcome(options.playground, *playground);
    announcer.tell(std::string(kReady) + text);
    if (!options.detach) say(text);
    (void)co_await executor.wait_for_signal(scope.context(), {SIGINT, SIGTERM});
    co_await scope.cancel_and_join();
    co_return 0;
}

// Each client and each file of the store takes a descriptor; a login shell gives 1024, and lets a program ask for more.
void allow_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

int run_here(ProcessOptions const& options, Announcer& announcer) {
    std::signal(SIGPIPE, SIG_IGN);
    allow_descriptors();
    observe::Registry registry;
    async::AsioExecutor executor;
    Context const ctx = Context(executor).with_metrics(observe::Metrics(registry));
    return executor.run(serve(ctx, executor, options, announcer));
}

int detach(ProcessOptions const& options) {
    std::string const& folder = options.playground.data_dir;
    std::error_code problem;
    std::filesystem::create_directories(folder, problem);
    if (problem) {
        complain(fmt::format("creating {}: {}", folder, problem.message()));
        return 1;
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        complain(std::strerror(errno));
        return 1;
    }
    pid_t const child = ::fork();
    if (child < 0) {
        complain(fmt::format("starting a process: {}", std::strerror(errno)));
        return 1;
    }
    if (child == 0) {
        ::setsid();
        ::close(ends[0]);
        int const log = ::open((folder + "/aviary.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        int const nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::dup2(nothing, 0);
        ::dup2(log, 1);
        ::dup2(log, 2);
        Announcer announcer(ends[1]);
        int const code = run_here(options, announcer);
        // Another one may have been started on the folder beside this.
        if (read_pid(folder) == ::getpid()) std::filesystem::remove(pid_file(folder), problem);
        std::exit(code);
    }
    ::close(ends[1]);
    std::string answer;
    char space[512];
    for (ssize_t count = 0; (count = ::read(ends[0], space, sizeof space)) > 0;)
        answer.append(space, static_cast<std::size_t>(count));
    ::close(ends[0]);
    if (!answer.starts_with(kReady)) {
        complain(answer.empty() ? fmt::format("the process ended before it was ready: see {}/aviary.log", folder)
                                : answer);
        ::waitpid(child, nullptr, 0);
        return 1;
    }
    if (Status const written = client::write_private_file(pid_file(folder), fmt::format("{}\n", child)); !written)
        complain(written.error().message());
    say(answer.substr(kReady.size()));
    return 0;
}

}   // namespace

int up(ProcessOptions options) {
    observe::set_level(observe::Level::kInfo);
    options.playground.data_dir = std::filesystem::absolute(options.playground.data_dir).lexically_normal().string();
    std::string const& folder = options.playground.data_dir;
    wait_while_ending(folder);
    if (pid_t const pid = running_on(folder); is_aviary(pid)) {
        complain(in_use(folder, pid));
        return 1;
    }
    if (options.detach) return detach(options);
    Announcer nobody(-1);
    return run_here(options, nobody);
}

int down(std::string const& data_dir) {
    wait_while_ending(data_dir);
    pid_t const pid = running_on(data_dir);
    if (pid == 0) {
        say(fmt::format("nothing runs on {}\n", data_dir));
        return 0;
    }
    if (!is_aviary(pid)) {
        complain(fmt::format("{} is in use by pid {}, which is no aviary: end that one first", data_dir, pid));
        return 1;
    }
    ::kill(pid, SIGTERM);
    for (int waited = 0; waited < 100 && is_aviary(pid); ++waited) ::usleep(100'000);
    if (is_aviary(pid)) {
        ::kill(pid, SIGKILL);
        complain(fmt::format("pid {} did not end within 10 s and was killed; nothing acknowledged is lost", pid));
    }
    std::error_code problem;
    std::filesystem::remove(pid_file(data_dir), problem);
    say(fmt::format("ended; the data stays in {}\n", data_dir));
    return 0;
}

}   // namespace aviary::playground
