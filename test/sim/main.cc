// Simulation: a hub and three members, or three clusters without a hub, people who decide at random, and a world that
// fails, in one process and virtual time.
//   aviary-sim --seeds 1000 [--from N] [--jobs N]   each seed is a world of its own; every 50th runs twice, with equal
//                                                   digests
//   aviary-sim --without-hub --seeds 1000           … in which each cluster has a workload of its own kind and style
//   aviary-sim --seed 42                            one seed, told in full
//   … --until-failure                               ends at the first seed that fails
//   … --having to-zero                              only seeds that have this extra (extras.h)
//   … --within 600                                  begins no seed after so many seconds of real time
// Says which events have met which kinds and styles in the middle of a release; 10,000 seeds and more are to meet all.
// Ends in "N passed, N failed". What must hold is in laws.h; at the end, with the world mended, everything arrives
// where people sent it, nothing of a release is left behind, and nobody writes any more.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>
#include <thread>

#include "core/async/event.h"
#include "core/async/virtual_executor.h"
#include "core/base/strings.h"
#include "extras.h"
#include "nemesis.h"
#include "operators.h"
#include "people.h"
#include "reading.h"
#include "users.h"

namespace aviary::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kStorm = 150s;
constexpr Duration kPatience = 600s;   // for everything to arrive once nothing fails any more
constexpr Duration kQuiet = 30s;

struct Outcome {
    std::string violation;
    std::uint64_t digest = 0;
    std::set<std::string> met;
};

class World {
public:
    World(Context const& ctx, std::uint64_t seed, bool with_hub, bool verbose)
        : ctx_(ctx),
          extras_(seed),
          laws_(ctx, with_hub, verbose),
          fleet_(ctx, laws_, with_hub, extras_.has(Extra::kPasses)),
          users_(make_users(with_hub)),
          nemesis_(ctx, fleet_, *users_, laws_, extras_) {
        if (!extras_.text().empty()) laws_.say("with " + extras_.text());
    }

    Task<Outcome> run() {
        Status const started = co_await begin();
        if (!started) laws_.violate("start: " + started.error().message());
        if (holds()) co_await storm();
        if (holds()) co_await end();
        Outcome const outcome{laws_.violation(), laws_.digest(), laws_.met()};
        co_await fleet_.stop();
        co_return outcome;
    }

private:
    std::unique_ptr<Users> make_users(bool with_hub) {
        if (with_hub) return std::make_unique<People>(ctx_, fleet_, laws_, extras_);
        return std::make_unique<Operators>(ctx_, fleet_, laws_, extras_);
    }
    bool holds() const { return laws_.violation().empty(); }

    Task<Status> begin() {
        CO_TRY(co_await fleet_.start(ctx_));
        CO_TRY(co_await users_->begin());
        CO_TRY(co_await settle(120s, false));
        co_return co_await users_->autoscale();
    }

    Task<void> storm() {
        async::Scope scope(ctx_);
        scope.spawn(nemesis_.rage(scope.context()));
        MonotonicTime const end = ctx_.monotonic() + kStorm;
        while (ctx_.monotonic() < end && holds()) {
            (void)co_await async::sleep_for(ctx_, Duration(static_cast<Duration::rep>(ctx_.random().unit() * 5e9)));
            co_await users_->act();
        }
        co_await scope.cancel_and_join();
        co_await nemesis_.mend(ctx_);
    }

    Task<void> end() {
        co_await users_->tidy();
        Status const settled = co_await settle(kPatience, true);
        if (!settled) co_return laws_.violate(settled.error().message());
        (void)co_await async::sleep_for(ctx_, 15s);
        std::string const left = co_await users_->leftovers();
        if (!left.empty()) co_return laws_.violate("left behind: " + left);
        laws_.say("quiet");
        co_await expect_quiet("with nothing to do");
        if (!fleet_.with_hub()) co_return;
        for (std::size_t replica = 0; replica < fleet_.hubs(); ++replica) co_await fleet_.crash_hub(ctx_, replica, 1s);
        co_await expect_quiet("after a restart of the hub");
    }

    Task<void> expect_quiet(std::string when) {
        laws_.counting_begins();
        (void)co_await async::sleep_for(ctx_, kQuiet);
        for (auto const& [write, count] : laws_.counting_ends())
            laws_.violate(fmt::format("{} wrote {} times {}", write, count, when));
    }

    Task<Status> settle(Duration limit, bool approve) {
        MonotonicTime const end = ctx_.monotonic() + limit;
        std::string difference;
        while (ctx_.monotonic() < end && holds()) {
            difference = co_await users_->differs();
            if (difference.empty()) co_return Status{};
            CO_TRY(co_await async::sleep_for(ctx_, 2s));
            if (approve) co_await users_->go_on();
        }
        co_return fail(ErrorCode::kTimeout, "it does not arrive: " + difference);
    }

    Context ctx_;
    Extras extras_;
    Laws laws_;
    Fleet fleet_;
    std::unique_ptr<Users> users_;
    Nemesis nemesis_;
};

Task<Outcome> run_world(Context ctx, std::uint64_t seed, bool with_hub, bool verbose) {
    World world(ctx, seed, with_hub, verbose);
    Outcome outcome = co_await world.run();
    co_return outcome;
}

Outcome run_seed(std::uint64_t seed, bool with_hub, bool verbose) {
    async::VirtualExecutor executor(seed);
    return executor.run(run_world(Context(executor), seed, with_hub, verbose));
}

struct Flags {
    std::uint64_t first = 1, count = 100;
    std::uint64_t jobs = std::max(1U, std::thread::hardware_concurrency());
    std::optional<std::chrono::steady_clock::time_point> until;   // no seed begins after it
    bool with_hub = true, verbose = false, until_failure = false;
    std::string having;   // an extra; empty: all seeds
};

// One seed and its verdict; a digest that differs between two runs is a failure too. What it has met is added.
bool judge(std::uint64_t seed, Flags const& flags, std::set<std::string>& met) {
    Outcome outcome = run_seed(seed, flags.with_hub, flags.verbose);
    met.merge(outcome.met);
    if (outcome.violation.empty() && (seed % 50 == 0 || flags.verbose) &&
        run_seed(seed, flags.with_hub, false).digest != outcome.digest)
        outcome.violation = "a second run of the seed has another digest";
    if (!outcome.violation.empty()) fmt::print("seed {}: {}\n", seed, outcome.violation);
    std::fflush(stdout);
    return outcome.violation.empty();
}

// Worker `index` of `jobs`: every jobs-th seed. Its verdicts go through the pipe, one byte each; 'l' is left out. At
// the end come lines of what was met, each behind an 'm'.
[[noreturn]] void work(Flags const& flags, std::uint64_t index, int out) {
    std::set<std::string> met;
    for (std::uint64_t seed = flags.first + index; seed < flags.first + flags.count; seed += flags.jobs) {
        if (!flags.having.empty() && !Extras(seed).has(flags.having)) continue;
        bool const late = flags.until && std::chrono::steady_clock::now() > *flags.until;
        char const verdict = late ? 'l' : judge(seed, flags, met) ? 'p' : 'f';
        if (::write(out, &verdict, 1) != 1 || (verdict == 'f' && flags.until_failure)) break;
    }
    for (std::string const& each : met) {
        std::string const line = "m" + each + "\n";   // written whole: it is short
        if (::write(out, line.data(), line.size()) < 0) break;
    }
    std::_Exit(0);
}

std::string read_line(int in) {
    std::string line;
    for (char letter = 0; ::read(in, &letter, 1) == 1 && letter != '\n';) line += letter;
    return line;
}

// Every kind in each of its styles and each event that it can meet.
std::set<std::string> cells(bool with_hub) {
    std::set<std::string> all;
    for (WorkloadKind const& kind : workload_kinds()) {
        if (with_hub && kind.daemons()) continue;
        for (Style const& style : kind.styles) {
            for (std::string_view each : event::kAll) {
                std::string_view const name = style_of(json::Doc::freeze(make_rollout(kind, style)));
                if (with_hub && each == event::kDisable) continue;   // which the hub puts off until the release is over
                bool const autoscales = each == event::kAutoscale;
                if ((autoscales || each == event::kScale) && !kind.scales) continue;
                if (autoscales && name == "blue-green") continue;   // such a release switches the autoscaler off
                all.insert(cell(kind, name, each));
            }
        }
    }
    return all;
}

constexpr std::uint64_t kAllMet = 10000;   // seeds that are to meet all

// False: so many seeds were run that all should be met.
bool tell_met(Flags const& flags, std::uint64_t seeds, std::set<std::string> const& met) {
    std::set<std::string> const all = cells(flags.with_hub);
    std::vector<std::string> missing;
    std::ranges::set_difference(all, met, std::back_inserter(missing));
    fmt::print("met in the middle of a release: {} of {} (kind, style: event)\n", all.size() - missing.size(),
               all.size());
    for (std::string const& each : missing) fmt::print("  not met: {}\n", each);
    return missing.empty() || seeds < kAllMet || !flags.having.empty();
}

constexpr std::uint64_t kTold = 1000;   // after so many seeds it says how far it is

int run(Flags const& flags) {
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    std::vector<pid_t> workers;
    for (std::uint64_t index = 0; index < flags.jobs; ++index) {
        pid_t const child = ::fork();
        if (child == 0) {
            ::close(ends[0]);
            work(flags, index, ends[1]);
        }
        workers.push_back(child);
    }
    ::close(ends[1]);
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    std::uint64_t left = 0;
    std::set<std::string> met;
    for (char verdict = 0; ::read(ends[0], &verdict, 1) == 1;) {
        if (verdict == 'm') {
            met.insert(read_line(ends[0]));
            continue;
        }
        if (verdict == 'l') {
            ++left;
            continue;
        }
        ++(verdict == 'p' ? passed : failed);
        if (std::uint64_t const done = passed + failed; done % kTold == 0 && done < flags.count) {
            fmt::print("{} of {} seeds, {} failed\n", done, flags.count, failed);
            std::fflush(stdout);
        }
        if (verdict == 'f' && flags.until_failure) break;
    }
    bool died = false;
    for (pid_t const worker : workers) {
        if (failed > 0 && flags.until_failure) ::kill(worker, SIGKILL);
        int status = 0;
        ::waitpid(worker, &status, 0);
        bool const stopped = failed > 0 && flags.until_failure;
        if (!stopped && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
            fmt::print("a worker ended with {}: run the seeds with --jobs 1\n", status);
            ++failed;
            died = true;
        }
    }
    if (left > 0) fmt::print("left out: {} of {} seeds, the time was over\n", left, flags.count);
    bool const whole = flags.count > 1 && !died && !(failed > 0 && flags.until_failure);
    if (whole && !tell_met(flags, passed + failed, met)) ++failed;
    fmt::print("{} passed, {} failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

}   // namespace
}   // namespace aviary::sim

int main(int argc, char** argv) {
    aviary::sim::Flags flags;
    for (int index = 1; index < argc; ++index) {
        std::string const name = argv[index];
        if (name == "--until-failure") {
            flags.until_failure = true;
            continue;
        }
        if (name == "--without-hub") {
            flags.with_hub = false;
            continue;
        }
        if (name == "--having" && index + 1 < argc && aviary::sim::Extras::named(argv[index + 1])) {
            flags.having = argv[++index];
            continue;
        }
        auto const value = index + 1 < argc ? aviary::parse_int(argv[++index]) : std::nullopt;
        bool const good = value && *value > 0;
        if (good && name == "--seeds") {
            flags.count = static_cast<std::uint64_t>(*value);
        } else if (good && name == "--from") {
            flags.first = static_cast<std::uint64_t>(*value);
        } else if (good && name == "--jobs") {
            flags.jobs = static_cast<std::uint64_t>(*value);
        } else if (good && name == "--within") {
            flags.until = std::chrono::steady_clock::now() + std::chrono::seconds(*value);
        } else if (good && name == "--seed") {
            flags.first = static_cast<std::uint64_t>(*value);
            flags.count = flags.jobs = 1;
            flags.verbose = true;
        } else {
            fmt::print(
                stderr,
                "usage: aviary-sim [--without-hub] [--seeds N] [--from N] [--jobs N] [--seed N] [--until-failure] "
                "[--having EXTRA] [--within SECONDS]\n");
            return 1;
        }
    }
    aviary::observe::set_level(flags.verbose ? aviary::observe::Level::kWarning : aviary::observe::Level::kOff);
    return aviary::sim::run(flags);
}
