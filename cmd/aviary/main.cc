#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

#include "app/command_line/command_line.h"
#include "app/command_line/output.h"
#include "aviary/commands.h"
#include "core/base/version.h"

namespace aviary::commands {

namespace {

using command_line::add_command;

int print_completion(std::string const& name) {
    auto const shell = cli::parse_shell(name);
    if (!shell) {
        fmt::print(stderr, "error: {}\n", shell.error().message());
        return 1;
    }
    command_line::print(cli::completion_script(*shell, "aviary"));
    return 0;
}

std::vector<cli::Candidate> values(std::string_view what, std::string_view) {
    if (what == "--mode") return {{"full", "places and brings"}, {"attach", "approves what others bring"}};
    if (what == "--from") return {{"kubectl", "client-side or server-side"}, {"karmada", ""}};
    if (what == "--durability") return {{"commit", "once it is on disk"}, {"none", "faster"}};
    if (what == "shell") return {{"bash", ""}, {"zsh", ""}, {"fish", ""}};
    return {};
}

void add_texts(CLI::App& app, Commands& commands) {
    auto const shell = std::make_shared<std::string>();
    CLI::App* const completion = add_command(app, "completion", "Print a completion script: bash, zsh or fish",
                                             "source <(aviary completion bash)\naviary completion fish | source");
    completion->add_option("shell", *shell, "bash, zsh or fish")->required();
    commands.push_back({completion, [shell] { return print_completion(*shell); }});
    CLI::App* const version = add_command(app, "version", "Print the version", "aviary version");
    commands.push_back({version, [] {
                            command_line::print(fmt::format("aviary {}\n", program_version()));
                            return 0;
                        }});
}

void add_unsupported(CLI::App& app, Commands& commands) {
    CLI::App* const migrate = add_command(
        app, "migrate",
        "Not supported: from an embedded API to a kube-apiserver; apply the manifests there, and join its clusters",
        "");
    migrate->prefix_command();
    commands.push_back(
        {migrate, [] {
             fmt::print(stderr,
                        "error: aviary migrate is not supported: apply the manifests to the kube-apiserver, and join "
                        "its clusters\n");
             return 1;
         }});
}

int run(std::vector<std::string> const& words) {
    CLI::App app(
        "Aviary: canary releases of AI inference services across many Kubernetes clusters.\n\n"
        "Examples:\n"
        "  aviary demo                                        # a release, played in front of you\n"
        "  aviary up --clusters beijing,shanghai --detach     # a fleet of two simulated clusters\n"
        "  aviary down                                        # end it; its data stays\n"
        "  aviary apiserver --port 7443                       # a Kubernetes API server alone",
        "aviary");
    app.require_subcommand(1);
    Commands commands;
    add_simulated(app, commands);
    add_texts(app, commands);
    add_real(app, commands);
    add_unsupported(app, commands);
    if (auto const answer = command_line::completion(app, words, values)) {
        command_line::print(*answer);
        return 0;
    }
    if (auto const code = command_line::parse(app, words)) return *code;
    for (Command const& command : commands) {
        if (*command.app) return command.run();
    }
    return 1;
}

}   // namespace

}   // namespace aviary::commands

int main(int argc, char** argv) {
    return aviary::command_line::finish(aviary::commands::run(std::vector<std::string>(argv + 1, argv + argc)));
}
