#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "app/command_line/command_line.h"
#include "app/playground/demo.h"
#include "app/playground/process.h"
#include "aviary/commands.h"
#include "core/base/time.h"

namespace aviary::commands {

namespace {

using command_line::add_command;

struct Flags {
    std::string data_dir = "aviary-data";
    std::uint16_t port = 7443;
    std::string clusters = "beijing,shanghai";
    std::string bare;
    std::string pod_start = "2s";
    std::string durability = "commit";
    std::optional<std::string> audit_log;
    bool require_set_binding = false;
    bool detach = false;
};

void add_server_flags(CLI::App& command, Flags& flags) {
    command.add_option("--data-dir", flags.data_dir, "Folder for everything that is kept")
        ->envname("AVIARY_DATA_DIR")
        ->option_text("FOLDER")
        ->capture_default_str();
    command.add_option("--port", flags.port, "TCP port on the loopback address")
        ->envname("AVIARY_PORT")
        ->option_text("PORT")
        ->capture_default_str();
    command
        .add_option("--durability", flags.durability,
                    "commit: a write is answered once it is on disk; none: a power cut may lose the last ones")
        ->envname("AVIARY_DURABILITY")
        ->option_text("commit|none")
        ->check(CLI::IsMember({"commit", "none"}))
        ->capture_default_str();
    command.add_flag("--detach", flags.detach, "Return when everything is ready and go on in the background")
        ->envname("AVIARY_DETACH");
}

// What was typed, in the playground's terms.
Result<playground::ProcessOptions> options_of(Flags const& flags, bool alone) {
    playground::ProcessOptions options;
    options.detach = flags.detach;
    options.playground.data_dir = flags.data_dir;
    options.playground.port = flags.port;
    options.playground.durability =
        flags.durability == "none" ? storage::Durability::kNone : storage::Durability::kCommit;
    if (alone) return options;
    options.playground.require_set_binding = flags.require_set_binding;
    options.playground.clusters = TRY(playground::parse_clusters(flags.clusters));
    if (!flags.bare.empty()) options.playground.bare = TRY(playground::parse_clusters(flags.bare));
    for (std::string const& name : options.playground.bare) {
        if (std::ranges::count(options.playground.clusters, name) > 0) continue;
        return fail(ErrorCode::kInvalid,
                    fmt::format("--without-rollouts: \"{}\" is none of --clusters {}", name, flags.clusters));
    }
    auto const start = parse_duration(flags.pod_start);
    if (!start || *start < Duration(0)) {
        return fail(ErrorCode::kInvalid,
                    fmt::format("--pod-start {}: a duration such as 500ms, 2s or 1m", flags.pod_start));
    }
    options.playground.pod_start = *start;
    std::string const log = flags.audit_log.value_or(flags.data_dir + "/audit.log");
    options.playground.audit_log = log.empty() || log == "-" ? log : std::filesystem::absolute(log).string();
    return options;
}

int start(Flags const& flags, bool alone) {
    auto const options = options_of(flags, alone);
    if (options) return playground::up(*options);
    fmt::print(stderr, "error: {}\n", options.error().message());
    return 1;
}

void add_up(CLI::App& app, Commands& commands) {
    auto const typed = std::make_shared<Flags>();
    Flags& flags = *typed;
    CLI::App* const up_command = add_command(app, "up", "Start a hub and simulated member clusters in one process",
                                             "aviary up --clusters a,b --data-dir /tmp/fleet --detach\n"
                                             "aviary up --clusters 100 --pod-start 500ms");
    up_command->add_option("--clusters", flags.clusters, "Names, or how many")
        ->envname("AVIARY_CLUSTERS")
        ->option_text("a,b|N")
        ->capture_default_str();
    up_command->add_option("--without-rollouts", flags.bare, "Members that run no rollout controller")
        ->envname("AVIARY_WITHOUT_ROLLOUTS")
        ->option_text("a,b");
    up_command->add_option("--pod-start", flags.pod_start, "How long a simulated pod takes from scheduled to ready")
        ->envname("AVIARY_POD_START")
        ->option_text("TIME")
        ->capture_default_str();
    up_command
        ->add_option("--audit-log", flags.audit_log,
                     "Who decided what, a line each; - for standard output, '' for none; else audit.log in the data "
                     "folder")
        ->envname("AVIARY_AUDIT_LOG")
        ->option_text("FILE");
    up_command
        ->add_flag("--require-clusterset-binding", flags.require_set_binding,
                   "A namespace's policies place only in clusters of sets that a ManagedClusterSetBinding there names")
        ->envname("AVIARY_REQUIRE_CLUSTERSET_BINDING");
    add_server_flags(*up_command, flags);
    commands.push_back({up_command, [typed] { return start(*typed, false); }});
}

void add_down(CLI::App& app, Commands& commands) {
    auto const folder = std::make_shared<std::string>("aviary-data");
    CLI::App* const command = add_command(app, "down", "End the fleet that runs on a folder; its data stays",
                                          "aviary down --data-dir /tmp/fleet");
    command->add_option("--data-dir", *folder, "The folder it was started with")
        ->envname("AVIARY_DATA_DIR")
        ->option_text("FOLDER")
        ->capture_default_str();
    commands.push_back({command, [folder] { return playground::down(*folder); }});
}

void add_apiserver(CLI::App& app, Commands& commands) {
    auto const typed = std::make_shared<Flags>();
    CLI::App* const command = add_command(app, "apiserver", "Serve the Kubernetes API alone",
                                          "aviary apiserver --data-dir /tmp/api --port 7443 --detach\n"
                                          "kubectl --kubeconfig /tmp/api/kubeconfig api-resources");
    add_server_flags(*command, *typed);
    commands.push_back({command, [typed] { return start(*typed, true); }});
}

void add_demo(CLI::App& app, Commands& commands) {
    auto const folder = std::make_shared<std::string>("aviary-demo");
    CLI::App* const command =
        add_command(app, "demo", "Play a release in front of you, in about a minute; the fleet runs on afterwards",
                    "aviary demo\naviary demo --data-dir /tmp/demo");
    command->add_option("--data-dir", *folder, "Folder of the demo's own; a demo before this one goes")
        ->envname("AVIARY_DEMO_DIR")
        ->option_text("FOLDER")
        ->capture_default_str();
    commands.push_back({command, [folder] { return playground::demo(*folder); }});
}

}   // namespace

void add_simulated(CLI::App& app, Commands& commands) {
    add_up(app, commands);
    add_down(app, commands);
    add_apiserver(app, commands);
    add_demo(app, commands);
}

}   // namespace aviary::commands
