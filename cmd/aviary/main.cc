#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/playground/process.h"
#include "core/base/time.h"

namespace {

constexpr char kVersion[] = AVIARY_VERSION;

struct Flags {
    std::string data_dir = "aviary-data";
    std::uint16_t port = 7443;
    std::string clusters = "beijing,shanghai";
    std::string bare;
    std::string pod_start = "2s";
    std::string durability = "commit";
    bool detach = false;
};

void add_server_flags(CLI::App& command, Flags& flags) {
    command.add_option("--data-dir", flags.data_dir, "Folder for everything that is kept")
        ->envname("AVIARY_DATA_DIR")
        ->capture_default_str();
    command.add_option("--port", flags.port, "TCP port on the loopback address")
        ->envname("AVIARY_PORT")
        ->capture_default_str();
    command
        .add_option(
            "--durability", flags.durability,
            "commit: a write is answered once it is on disk; none: faster, a power cut may lose the last writes")
        ->envname("AVIARY_DURABILITY")
        ->check(CLI::IsMember({"commit", "none"}))
        ->capture_default_str();
    command.add_flag("--detach", flags.detach, "Return when everything is ready and go on in the background");
}

int up(Flags const& flags, bool alone) {
    aviary::playground::ProcessOptions options;
    options.detach = flags.detach;
    options.playground.data_dir = flags.data_dir;
    options.playground.port = flags.port;
    options.playground.durability =
        flags.durability == "none" ? aviary::storage::Durability::kNone : aviary::storage::Durability::kCommit;
    if (!alone) {
        auto clusters = aviary::playground::parse_clusters(flags.clusters);
        if (!clusters) {
            fmt::print(stderr, "error: {}\n", clusters.error().message());
            return 1;
        }
        options.playground.clusters = std::move(*clusters);
        if (!flags.bare.empty()) {
            auto bare = aviary::playground::parse_clusters(flags.bare);
            if (!bare) {
                fmt::print(stderr, "error: {}\n", bare.error().message());
                return 1;
            }
            options.playground.bare = std::move(*bare);
        }
        auto const start = aviary::parse_duration(flags.pod_start);
        if (!start || *start < aviary::Duration(0)) {
            fmt::print(stderr, "error: --pod-start {}: a duration such as 500ms, 2s or 1m\n", flags.pod_start);
            return 1;
        }
        options.playground.pod_start = *start;
    }
    return aviary::playground::up(options);
}

}   // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Aviary: canary releases of AI inference services across many Kubernetes clusters.\n\n"
        "Examples:\n"
        "  aviary up --clusters beijing,shanghai --detach     # a fleet of two simulated clusters\n"
        "  aviary down                                        # end it; its data stays\n"
        "  aviary apiserver --port 7443                       # a Kubernetes API server alone");
    app.require_subcommand(1);
    Flags flags;

    CLI::App* const up_command = app.add_subcommand("up",
                                                    "Start a hub and simulated member clusters in one process\n\n"
                                                    "Examples:\n  aviary up --clusters a,b --data-dir /tmp/fleet "
                                                    "--detach\n  aviary up --clusters 100 --pod-start 500ms");
    up_command->add_option("--clusters", flags.clusters, "Names, or how many")
        ->envname("AVIARY_CLUSTERS")
        ->capture_default_str();
    up_command->add_option("--without-rollouts", flags.bare, "Members that run no rollout controller")
        ->envname("AVIARY_WITHOUT_ROLLOUTS");
    up_command->add_option("--pod-start", flags.pod_start, "How long a simulated pod takes from scheduled to ready")
        ->envname("AVIARY_POD_START")
        ->capture_default_str();
    add_server_flags(*up_command, flags);

    CLI::App* const down_command = app.add_subcommand("down", "End a detached fleet; its data stays");
    down_command->add_option("--data-dir", flags.data_dir, "The folder it was started with")
        ->envname("AVIARY_DATA_DIR")
        ->capture_default_str();

    CLI::App* const apiserver_command = app.add_subcommand("apiserver", "Serve the Kubernetes API alone");
    add_server_flags(*apiserver_command, flags);

    CLI::App* const version_command = app.add_subcommand("version", "Print the version");

    CLI11_PARSE(app, argc, argv);
    if (*up_command) return up(flags, false);
    if (*down_command) return aviary::playground::down(flags.data_dir);
    if (*apiserver_command) return up(flags, true);
    if (*version_command) fmt::print("aviary {}\n", kVersion);
    return 0;
}
