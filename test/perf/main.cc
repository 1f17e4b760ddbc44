// aviary-perf: puts a load on a server that runs as a process of its own, and says how it did.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "load.h"

namespace {

int done(aviary::Status const& outcome) {
    if (outcome) return 0;
    fmt::print(stderr, "error: {}\n", outcome.error().message());
    return 1;
}

}   // namespace

int main(int argc, char** argv) {
    CLI::App app("Loads for an API server or a fleet; see test/perf.");
    app.require_subcommand(1);
    std::string kubeconfig;
    std::string context;
    aviary::perf::LoadOptions options;
    aviary::perf::ReactionOptions reaction;
    aviary::perf::AgentsOptions agents;
    aviary::perf::ReleasesOptions releases;
    app.add_option("--kubeconfig", kubeconfig)->required();
    app.add_option("--context", context);
    app.add_option("--server", options.server, "The server's pid, to report its share of the processor");
    CLI::App* const get = app.add_subcommand("get", "Reads 1 KB ConfigMaps");
    CLI::App* const create = app.add_subcommand("create", "Creates 1 KB ConfigMaps");
    CLI::App* const watch = app.add_subcommand("watch", "How late events come to many watches");
    CLI::App* const approve = app.add_subcommand("reaction", "Decision created on the hub to the next pause");
    CLI::App* const link = app.add_subcommand("agents", "Members whose agents dial the hub, through its restart");
    CLI::App* const many = app.add_subcommand("releases", "Many Rollouts of one cluster at once");
    for (CLI::App* command : {get, create, watch})
        command->add_option("--seconds", options.seconds)->capture_default_str();
    for (CLI::App* command : {get, create})
        command->add_option("--connections", options.connections)->capture_default_str();
    create->add_option("--objects", options.objects, "How many instead of how long");
    watch->add_option("--watches", options.watches)->capture_default_str();
    watch->add_option("--rate", options.rate, "Writes a second")->capture_default_str();
    approve->add_option("--clusters", reaction.clusters, "Names, separated by commas")->required();
    approve->add_option("--approvals", reaction.approvals)->capture_default_str();
    many->add_option("--rollouts", releases.rollouts)->capture_default_str();
    many->add_flag("--native", releases.native, "Without Rollouts");
    link->add_option("--agents", agents.agents)->capture_default_str();
    link->add_option("--rate", agents.rate, "Changes of a status a second, in all")->capture_default_str();
    link->add_option("--seconds", agents.seconds, "Before the restart, and after")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    if (*approve) {
        reaction.kubeconfig = kubeconfig;
        return done(aviary::perf::reaction(reaction));
    }
    if (*link) {
        agents.kubeconfig = kubeconfig;
        return done(aviary::perf::agents(agents));
    }
    auto access = aviary::client::load_kubeconfig(kubeconfig, context);
    if (!access) return done(std::unexpected(access.error()));
    if (*many) {
        releases.access = std::move(*access);
        return done(aviary::perf::releases(releases));
    }
    options.access = std::move(*access);
    if (*get) return done(aviary::perf::load_get(options));
    if (*create) return done(aviary::perf::load_create(options));
    return done(aviary::perf::load_watch(options));
}
