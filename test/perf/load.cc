#include "load.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include "wire.h"

namespace aviary::perf {

namespace {

constexpr char kPath[] = "/api/v1/namespaces/default/configmaps";
constexpr std::size_t kBytes = 1024;        // of an object as it is sent
constexpr std::uint64_t kReadable = 1000;   // objects that are read
constexpr int kDrainMs = 5000;

std::string object(std::string_view name, std::string_view sent = "0") {
    std::string text = fmt::format(
        R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","namespace":"default"}},"data":{{"sent":"{}","text":")",
        name, sent);
    text.append(kBytes - text.size() - 3, 'x');
    return text + "\"}}";
}

// Processor time of another process in seconds.
double cpu_of(int pid) {
    if (pid == 0) return 0;
    std::FILE* const file = std::fopen(fmt::format("/proc/{}/stat", pid).c_str(), "r");
    if (file == nullptr) return 0;
    unsigned long user = 0;
    unsigned long kernel = 0;
    int const read =
        std::fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
    std::fclose(file);
    return read == 2 ? static_cast<double>(user + kernel) / static_cast<double>(::sysconf(_SC_CLK_TCK)) : 0;
}

double quantile(std::vector<float>& times, double part) {
    if (times.empty()) return 0;
    auto const at = std::min(times.size() - 1, static_cast<std::size_t>(part * static_cast<double>(times.size())));
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(at), times.end());
    return times[at];
}

// Time and processor shares from here on.
struct Meter {
    explicit Meter(int server) : pid(server) {}
    int pid;
    std::uint64_t begin = now_ns();
    double own = cpu_seconds();
    double server = cpu_of(pid);

    double seconds() const { return static_cast<double>(now_ns() - begin) / 1e9; }
    std::string shares() const {
        return fmt::format("server_cpu={:.2f} load_cpu={:.2f}", (cpu_of(pid) - server) / seconds(),
                           (cpu_seconds() - own) / seconds());
    }
};

class Loop {
public:
    Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
    ~Loop() { ::close(epoll_); }

    Status open(client::ServerAccess const& access, int count) {
        for (int index = 0; index < count; ++index) {
            wires.push_back(TRY(Wire::open(access)));
            epoll_event event{};
            event.events = EPOLLIN | EPOLLOUT | EPOLLET;
            event.data.u64 = wires.size() - 1;
            ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wires.back()->socket(), &event);
        }
        return {};
    }

    // One turn: `arrived` is called for each wire that has something in `in`.
    Status turn(int timeout_ms, std::function<Status(std::size_t)> const& arrived) {
        std::array<epoll_event, 256> events;
        int const count = ::epoll_wait(epoll_, events.data(), events.size(), timeout_ms);
        for (int index = 0; index < count; ++index) {
            std::size_t const which = events[static_cast<std::size_t>(index)].data.u64;
            Wire& wire = *wires[which];
            if (wire.unsent() && !wire.flush()) return lost();
            bool const open = wire.receive();
            if (!wire.in.empty()) TRY(arrived(which));
            if (!open) return lost();
        }
        return {};
    }

    static std::unexpected<Error> lost() { return fail(ErrorCode::kUnavailable, "the server closed a connection"); }

    std::vector<std::unique_ptr<Wire>> wires;

private:
    int epoll_;
};

// Every connection sends its next request once it has the last answer; `next` gives an empty text to stop.
struct Tally {
    std::uint64_t answered = 0;
    std::vector<float> times;   // milliseconds
};

Result<Tally> closed_loop(Loop& loop, int wanted_status, std::function<std::string()> const& next) {
    Tally tally;
    std::size_t open = 0;
    auto const send = [&](Wire& wire) -> Status {
        std::string const text = next();
        if (text.empty()) return {};
        wire.began = now_ns();
        ++open;
        if (!wire.send(text)) return Loop::lost();
        return {};
    };
    for (auto const& wire : loop.wires) TRY(send(*wire));
    while (open > 0) {
        TRY(loop.turn(1000, [&](std::size_t which) -> Status {
            Wire& wire = *loop.wires[which];
            Answer const answer = parse_answer(wire.in);
            if (answer.length == 0) return {};
            if (answer.status != wanted_status)
                return fail(ErrorCode::kInternal, fmt::format("answer {}: {}", answer.status, answer.body));
            tally.times.push_back(static_cast<float>(static_cast<double>(now_ns() - wire.began) / 1e6));
            ++tally.answered;
            --open;
            wire.in.erase(0, answer.length);
            return send(wire);
        }));
    }
    return tally;
}

Status fill(Loop& loop, LoadOptions const& options, std::string_view prefix, std::uint64_t count) {
    std::uint64_t made = 0;
    TRY(closed_loop(loop, 201, [&] {
        if (made == count) return std::string();
        return request(options.access, "POST", kPath, object(fmt::format("{}-{}", prefix, made++)));
    }));
    return {};
}

void report(std::string_view what, Tally& tally, Meter const& meter) {
    double const seconds = meter.seconds();
    fmt::print("{} answered={} seconds={:.2f} rate={:.0f} p50_ms={:.2f} p99_ms={:.2f} {}\n", what, tally.answered,
               seconds, static_cast<double>(tally.answered) / seconds, quantile(tally.times, 0.5),
               quantile(tally.times, 0.99), meter.shares());
}

// "sent":"<19 digits>" in the events that have arrived.
void take_events(std::string& in, std::uint64_t now, std::vector<float>& lateness) {
    constexpr std::string_view kMark = "\"sent\":\"";
    constexpr std::size_t kDigits = 19;
    std::size_t from = 0;
    while (true) {
        std::size_t const at = in.find(kMark, from);
        if (at == std::string::npos || at + kMark.size() + kDigits > in.size()) {
            std::size_t const keep = at == std::string::npos ? in.size() - std::min(in.size(), kMark.size()) : at;
            in.erase(0, std::max(from, keep));
            return;
        }
        std::uint64_t due = 0;
        char const* const digits = in.data() + at + kMark.size();
        std::from_chars(digits, digits + kDigits, due);
        from = at + kMark.size() + kDigits;
        lateness.push_back(static_cast<float>(static_cast<double>(now - due) / 1e6));
    }
}

}   // namespace

Status load_get(LoadOptions const& options) {
    Loop loop;
    TRY(loop.open(options.access, options.connections));
    TRY(fill(loop, options, fmt::format("read-{}", ::getpid()), kReadable));
    std::vector<std::string> requests;
    for (std::uint64_t index = 0; index < kReadable; ++index)
        requests.push_back(request(options.access, "GET", fmt::format("{}/read-{}-{}", kPath, ::getpid(), index)));
    Meter const meter(options.server);
    auto const end = meter.begin + static_cast<std::uint64_t>(options.seconds * 1e9);
    std::uint64_t sent = 0;
    Tally tally = TRY(closed_loop(loop, 200, [&] {
        if (now_ns() >= end) return std::string();
        return requests[sent++ * 7919 % kReadable];
    }));
    report("get", tally, meter);
    return {};
}

Status load_create(LoadOptions const& options) {
    Loop loop;
    TRY(loop.open(options.access, options.connections));
    Meter const meter(options.server);
    auto const end = meter.begin + static_cast<std::uint64_t>(options.seconds * 1e9);
    std::uint64_t made = 0;
    Tally tally = TRY(closed_loop(loop, 201, [&] {
        bool const done = options.objects > 0 ? made == options.objects : now_ns() >= end;
        if (done) return std::string();
        return request(options.access, "POST", kPath, object(fmt::format("made-{}-{}", ::getpid(), made++)));
    }));
    report("create", tally, meter);
    return {};
}

Status load_watch(LoadOptions const& options) {
    constexpr int kWriters = 8;
    constexpr std::uint64_t kObjects = 100;
    Loop loop;
    TRY(loop.open(options.access, kWriters));
    std::string const prefix = fmt::format("seen-{}", ::getpid());
    TRY(fill(loop, options, prefix, kObjects));

    // From the newest revision on: each watch gets every write that follows, and nothing else.
    TRY(loop.open(options.access, options.watches));
    auto const total = static_cast<std::size_t>(kWriters + options.watches);
    std::string revision;
    TRY(loop.wires[0]->send(request(options.access, "GET", std::string(kPath) + "?limit=1")) ? Status()
                                                                                             : Status(Loop::lost()));
    while (revision.empty()) {
        TRY(loop.turn(1000, [&](std::size_t which) -> Status {
            Answer const answer = parse_answer(loop.wires[which]->in);
            if (answer.length == 0) return {};
            constexpr std::string_view kMark = "\"metadata\":{\"resourceVersion\":\"";
            std::size_t const at = answer.body.find(kMark);
            if (at == std::string_view::npos) return fail(ErrorCode::kInternal, "a list without a resourceVersion");
            std::string_view const rest = answer.body.substr(at + kMark.size());
            revision = rest.substr(0, rest.find('"'));
            loop.wires[which]->in.clear();
            return {};
        }));
    }
    std::string const watch =
        request(options.access, "GET", fmt::format("{}?watch=true&resourceVersion={}", kPath, revision));
    std::vector<bool> begun(total, false);
    std::size_t open = 0;
    for (std::size_t index = kWriters; index < total; ++index) {
        if (!loop.wires[index]->send(watch)) return Loop::lost();
    }
    while (open < static_cast<std::size_t>(options.watches)) {
        TRY(loop.turn(1000, [&](std::size_t which) -> Status {
            Wire& wire = *loop.wires[which];
            if (!wire.in.starts_with("HTTP/1.1 200")) return fail(ErrorCode::kInternal, "watch refused: " + wire.in);
            if (!wire.in.contains("\r\n\r\n") || begun[which]) return {};
            begun[which] = true;
            wire.in.clear();
            ++open;
            return {};
        }));
    }

    std::vector<float> lateness;
    std::vector<std::uint64_t> busy(kWriters, 0);
    auto const writes = static_cast<std::uint64_t>(std::lround(options.seconds * options.rate));
    lateness.reserve(writes * static_cast<std::uint64_t>(options.watches));
    Meter const meter(options.server);
    auto const every = static_cast<std::uint64_t>(1e9 / options.rate);
    std::uint64_t sent = 0;
    std::uint64_t answered = 0;
    std::uint64_t last = now_ns();
    auto const arrived = [&](std::size_t which) -> Status {
        Wire& wire = *loop.wires[which];
        if (which >= kWriters) {
            take_events(wire.in, now_ns(), lateness);
            last = now_ns();
            return {};
        }
        Answer const answer = parse_answer(wire.in);
        if (answer.length == 0) return {};
        if (answer.status != 200) return fail(ErrorCode::kInternal, fmt::format("write: {}", answer.body));
        wire.in.erase(0, answer.length);
        busy[which] = 0;
        ++answered;
        return {};
    };
    std::string shares;
    double seconds = 0;
    while (true) {
        std::uint64_t const now = now_ns();
        std::uint64_t const due = meter.begin + sent * every;
        if (sent < writes && now >= due) {
            auto const free = std::ranges::find(busy, std::uint64_t{0});
            if (free != busy.end()) {
                Wire& wire = *loop.wires[static_cast<std::size_t>(free - busy.begin())];
                *free = 1;
                std::string const name = fmt::format("{}-{}", prefix, sent % kObjects);
                ++sent;
                if (!wire.send(request(options.access, "PUT", fmt::format("{}/{}", kPath, name),
                                       object(name, fmt::format("{:019}", due)))))
                    return Loop::lost();
                continue;
            }
        }
        if (sent == writes && shares.empty()) {
            shares = meter.shares();
            seconds = meter.seconds();
        }
        if (answered == writes && lateness.size() == writes * static_cast<std::uint64_t>(options.watches)) break;
        if (sent == writes && now_ns() - last > static_cast<std::uint64_t>(kDrainMs) * 1'000'000) break;
        int const wait = sent < writes && due > now ? static_cast<int>((due - now) / 1'000'000) : 1;
        TRY(loop.turn(wait, arrived));
    }
    std::uint64_t const wanted = writes * static_cast<std::uint64_t>(options.watches);
    if (lateness.size() != wanted)
        return fail(ErrorCode::kInternal, fmt::format("{} of {} events arrived", lateness.size(), wanted));
    fmt::print("watch watches={} writes={} rate={:.0f} delivered={} p50_ms={:.2f} p99_ms={:.2f} max_ms={:.2f} {}\n",
               options.watches, writes, static_cast<double>(writes) / seconds, lateness.size(), quantile(lateness, 0.5),
               quantile(lateness, 0.99), quantile(lateness, 1), shares);
    return {};
}

}   // namespace aviary::perf
