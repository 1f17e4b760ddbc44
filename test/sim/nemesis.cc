#include "nemesis.h"

#include <fmt/format.h>

#include "core/async/event.h"
#include "kube/meta/object.h"

namespace aviary::sim {

namespace {

using namespace std::chrono_literals;

meta::GroupVersionResource const kNodes{"", "v1", "nodes"};

Duration up_to(Context const& ctx, Duration most) {
    return Duration(static_cast<Duration::rep>(ctx.random().unit() * static_cast<double>(most.count())));
}

}   // namespace

Task<void> Nemesis::rage(Context ctx) {
    async::Scope crashes(ctx);
    while (ctx.check()) {
        bury(crashes);
        deafen();
        co_await strike(ctx);
        if (!co_await async::sleep_for(ctx, up_to(ctx, 4s))) break;
    }
    co_await crashes.join();   // who crashed comes back
    bury(crashes);
    co_await crashes.join();
}

// Who has come to a named point goes down, and comes back after a while.
void Nemesis::bury(async::Scope& scope) {
    for (std::string const& name : fleet_.take_dying()) {
        laws_.say(name + " dies at a named point");
        if (name == "server") {
            scope.spawn(fleet_.crash_server(ctx_, up_to(ctx_, 3s)));
        } else {
            scope.spawn(fleet_.crash(ctx_, name, up_to(ctx_, 10s)));
        }
    }
}

void Nemesis::disturb(Process& process) {
    Random& random = ctx_.random();
    Faults& faults = process.faults;
    if (random.below(4) == 0) return faults.calm();
    double const level = random.unit() * 0.2;
    faults.lose_request = level * random.unit();
    faults.lose_answer = level * random.unit();
    faults.repeat = level * random.unit();
    faults.refuse = level * random.unit();
    faults.gone = level * random.unit();
    faults.cut_watch = level * random.unit();
    faults.delay = up_to(ctx_, random.below(3) == 0 ? Duration(1s) : Duration(100ms));
    faults.partitioned = random.below(8) == 0;
}

Task<void> Nemesis::strike(Context ctx) {
    auto const processes = fleet_.processes();
    Process& process = *processes[ctx.random().below(processes.size())];
    std::uint64_t const what = ctx.random().below(100);
    if (what < 54) {
        disturb(process);
    } else if (what < 60) {
        process.faults.frozen = ctx.monotonic() + up_to(ctx, 25s);
        laws_.say(process.name + " stands still for a while");
    } else if (what < 68) {
        process.dies_before_write = 1 + static_cast<int>(ctx.random().below(8));
    } else if (what < 78) {
        process.dies_after_write = 1 + static_cast<int>(ctx.random().below(8));
    } else if (what < 83) {
        if (auto const server = fleet_.server())
            server->dies_after_write = 1 + static_cast<int>(ctx.random().below(30));
    } else if (what < 91) {
        co_await kill_pod();
    } else {
        co_await spoil(ctx.random().below(2) == 0, users_.versions());
    }
}

void Nemesis::deafen() {
    bool const may = extras_.has(Extra::kDeaf) || extras_.has(Extra::kPasses);
    if (!may || extras_.random().below(10) != 0) return;
    auto const& members = fleet_.members();
    std::string const& cluster = members[extras_.random().below(members.size())];
    auto const time = std::chrono::seconds(1 + extras_.random().below(45));
    laws_.say(fmt::format("{}: the webhook does not answer for {} s", cluster, time.count()));
    fleet_.deafen(cluster, time);
}

Task<void> Nemesis::kill_pod() {
    std::string const cluster = fleet_.members()[ctx_.random().below(fleet_.members().size())];
    client::Client const member = fleet_.person(cluster);
    auto const pods = co_await member.list(ctx_, kPods, {.ns = kNamespace});
    if (!pods || (*pods)["items"].size() == 0) co_return;
    json::Doc const pod = (*pods)["items"][ctx_.random().below((*pods)["items"].size())];
    laws_.pod_lost(cluster, pod);
    laws_.say(cluster + ": " + meta::name(pod) + " is taken away");
    (void)co_await member.remove(ctx_, kPods, meta::key_of(pod));
}

// Pods of a version to come never become ready in one member, until that is mended.
Task<void> Nemesis::spoil(bool on, int newest) {
    std::string const cluster = fleet_.members()[ctx_.random().below(fleet_.members().size())];
    client::Client const member = fleet_.person(cluster);
    auto const nodes = co_await member.list(ctx_, kNodes);
    if (!nodes) co_return;
    json::Value patch{json::Object()};
    if (on) {
        patch.set({"metadata", "annotations", "simulator.aviary.dev/behaviour"}, "never-ready");
        patch.set({"metadata", "annotations", "simulator.aviary.dev/images"},
                  fmt::format("v{}", newest + 1 + static_cast<int>(ctx_.random().below(2))));
    } else {
        patch.set({"metadata", "annotations", "simulator.aviary.dev/behaviour"}, nullptr);
        patch.set({"metadata", "annotations", "simulator.aviary.dev/images"}, nullptr);
    }
    for (auto const& [index, node] : (*nodes)["items"].elements())
        (void)co_await member.patch(ctx_, kNodes, {"", meta::name(node)}, client::PatchType::kMerge, patch);
}

Task<void> Nemesis::mend(Context ctx) {
    laws_.say("the world is mended");
    for (auto const& process : fleet_.processes()) {
        process->faults.calm();
        process->dies_before_write = process->dies_after_write = 0;
    }
    if (auto const server = fleet_.server()) server->dies_after_write = 0;
    for (std::string const& cluster : fleet_.members()) fleet_.deafen(cluster, {});
    async::Scope crashes(ctx);
    bury(crashes);
    co_await crashes.join();
    for (std::string const& cluster : fleet_.members()) {
        client::Client const member = fleet_.person(cluster);
        auto const nodes = co_await member.list(ctx, kNodes);
        if (!nodes) continue;
        json::Value patch{json::Object()};
        patch.set({"metadata", "annotations", "simulator.aviary.dev/behaviour"}, nullptr);
        patch.set({"metadata", "annotations", "simulator.aviary.dev/images"}, nullptr);
        for (auto const& [index, node] : (*nodes)["items"].elements())
            (void)co_await member.patch(ctx, kNodes, {"", meta::name(node)}, client::PatchType::kMerge, patch);
    }
}

}   // namespace aviary::sim
