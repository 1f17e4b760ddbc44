#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "app/agent/process.h"
#include "app/command_line/command_line.h"
#include "app/hub/join.h"
#include "app/hub/process.h"
#include "app/member/process.h"
#include "app/playground/demo.h"
#include "app/playground/process.h"
#include "core/base/time.h"

namespace {

using aviary::command_line::add_command;

constexpr char kVersion[] = AVIARY_VERSION;

struct Flags {
    std::string data_dir = "aviary-data";
    std::string demo_dir = "aviary-demo";
    std::uint16_t port = 7443;
    std::string clusters = "beijing,shanghai";
    std::string bare;
    std::string pod_start = "2s";
    std::string durability = "commit";
    std::optional<std::string> audit_log;
    std::string shell;
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
            for (std::string const& name : *bare) {
                if (std::ranges::count(options.playground.clusters, name) > 0) continue;
                fmt::print(stderr, "error: --without-rollouts: \"{}\" is none of --clusters {}\n", name,
                           flags.clusters);
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
        std::string const log = flags.audit_log.value_or(flags.data_dir + "/audit.log");
        options.playground.audit_log = log.empty() || log == "-" ? log : std::filesystem::absolute(log).string();
    }
    return aviary::playground::up(options);
}

void add_text(CLI::App& command, char const* flag, std::string& value, char const* help, char const* variable,
              char const* form) {
    command.add_option(flag, value, help)->envname(variable)->option_text(form)->capture_default_str();
}

void add_port(CLI::App& command, char const* flag, std::uint16_t& value, char const* help, char const* variable) {
    command.add_option(flag, value, help)->envname(variable)->option_text("PORT")->capture_default_str();
}

// Of a process that works on one real cluster.
void add_process_flags(CLI::App& command, aviary::process::Options& options) {
    // $KUBECONFIG, which may be a list, is read where kubeconfigs are.
    command
        .add_option("--kubeconfig", options.kubeconfig,
                    "Path of the cluster's kubeconfig; by default $KUBECONFIG, in a pod its service account, else "
                    "~/.kube/config")
        ->option_text("FILE");
    add_text(command, "--context", options.context, "Context in it; by default the current one", "AVIARY_CONTEXT",
             "NAME");
    add_text(command, "--service-account-dir", options.service_account_folder,
             "Folder with token, ca.crt and namespace of a pod's service account", "AVIARY_SERVICE_ACCOUNT_DIR",
             "FOLDER");
    add_text(command, "--namespace", options.ns,
             "Namespace of its Secrets, and of the Lease; by default the pod's, else aviary-system", "AVIARY_NAMESPACE",
             "NAME");
    add_text(command, "--bind-address", options.bind_address, "Address of its ports; :: is every one of the machine",
             "AVIARY_BIND_ADDRESS", "ADDRESS");
    add_port(command, "--health-port", options.health_port, "TCP port of /healthz, /readyz and /metrics",
             "AVIARY_HEALTH_PORT");
}

// Of one that leads or waits by a Lease, and that the API server asks.
void add_cluster_flags(CLI::App& command, aviary::process::Options& options) {
    add_process_flags(command, options);
    add_text(command, "--identity", options.identity, "This replica's name in the Lease; by default the host's",
             "AVIARY_IDENTITY", "NAME");
    add_text(command, "--webhook-url", options.webhook_url,
             "Where the cluster's API server reaches this process; by default the Service of its name",
             "AVIARY_WEBHOOK_URL", "URL");
    add_port(command, "--webhook-port", options.webhook_port, "TCP port of the webhooks", "AVIARY_WEBHOOK_PORT");
    command
        .add_option_function<std::string>(
            "--shutdown-delay",
            [&options](std::string const& given) {
                auto const delay = aviary::parse_duration(given);
                if (!delay || *delay < aviary::Duration(0))
                    throw CLI::ValidationError("--shutdown-delay", given + ": a duration such as 500ms, 5s or 1m");
                options.shutdown_delay = *delay;
            },
            "How long it goes on answering, not ready any more, after SIGTERM")
        ->envname("AVIARY_SHUTDOWN_DELAY")
        ->option_text("TIME")
        ->default_str("0s");
}

void add_join_flags(CLI::App& command, aviary::hub::JoinOptions& options) {
    auto const text = [&command](char const* flag, std::string& value, char const* help, char const* form) {
        return command.add_option(flag, value, help)->option_text(form);
    };
    command.add_option("name", options.name, "The cluster's name in the fleet")->required();
    text("--kubeconfig", options.kubeconfig, "Path of the cluster's kubeconfig, of one who may make roles", "FILE");
    text("--context", options.context, "Context in it; by default the current one", "NAME");
    text("--hub-kubeconfig", options.hub_kubeconfig, "Path of the hub's kubeconfig", "FILE")->required();
    text("--hub-context", options.hub_context, "Context in it; by default the current one", "NAME");
    text("--namespace", options.ns, "Namespace of the hub's identity and of the credentials", "NAME")
        ->capture_default_str();
}

int print_completion(std::string const& name) {
    auto const shell = aviary::cli::parse_shell(name);
    if (!shell) {
        fmt::print(stderr, "error: {}\n", shell.error().message());
        return 1;
    }
    fmt::print("{}", aviary::cli::completion_script(*shell, "aviary"));
    return 0;
}

std::vector<aviary::cli::Candidate> values(std::string_view what, std::string_view) {
    if (what == "--mode") return {{"full", "places and brings"}, {"attach", "approves what others bring"}};
    if (what == "--durability") return {{"commit", "once it is on disk"}, {"none", "faster"}};
    if (what == "shell") return {{"bash", ""}, {"zsh", ""}, {"fish", ""}};
    return {};
}

}   // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Aviary: canary releases of AI inference services across many Kubernetes clusters.\n\n"
        "Examples:\n"
        "  aviary demo                                        # a release, played in front of you\n"
        "  aviary up --clusters beijing,shanghai --detach     # a fleet of two simulated clusters\n"
        "  aviary down                                        # end it; its data stays\n"
        "  aviary apiserver --port 7443                       # a Kubernetes API server alone",
        "aviary");
    app.require_subcommand(1);
    Flags flags;

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
    add_server_flags(*up_command, flags);

    CLI::App* const down_command = add_command(app, "down", "End the fleet that runs on a folder; its data stays",
                                               "aviary down --data-dir /tmp/fleet");
    down_command->add_option("--data-dir", flags.data_dir, "The folder it was started with")
        ->envname("AVIARY_DATA_DIR")
        ->option_text("FOLDER")
        ->capture_default_str();

    CLI::App* const apiserver_command = add_command(app, "apiserver", "Serve the Kubernetes API alone",
                                                    "aviary apiserver --data-dir /tmp/api --port 7443 --detach\n"
                                                    "kubectl --kubeconfig /tmp/api/kubeconfig api-resources");
    add_server_flags(*apiserver_command, flags);

    CLI::App* const demo_command =
        add_command(app, "demo", "Play a release in front of you, in about a minute; the fleet runs on afterwards",
                    "aviary demo\naviary demo --data-dir /tmp/demo");
    demo_command->add_option("--data-dir", flags.demo_dir, "Folder of the demo's own; a demo before this one goes")
        ->envname("AVIARY_DEMO_DIR")
        ->option_text("FOLDER")
        ->capture_default_str();

    CLI::App* const completion_command =
        add_command(app, "completion", "Print a completion script: bash, zsh or fish",
                    "source <(aviary completion bash)\naviary completion fish | source");
    completion_command->add_option("shell", flags.shell, "bash, zsh or fish")->required();
    CLI::App* const version_command = add_command(app, "version", "Print the version", "aviary version");

    aviary::process::Options member{.name = "aviary-member", .webhook_port = 9443, .health_port = 8080};
    CLI::App* const member_command =
        add_command(app, "member", "Run the rollout controllers and webhooks of a real cluster",
                    "aviary member --kubeconfig cluster.yaml --webhook-url https://10.0.0.5:9443");
    add_cluster_flags(*member_command, member);

    aviary::hub::ProcessOptions hub{.cluster = {.name = "aviary-hub", .webhook_port = 9444, .health_port = 8081},
                                    .audit_log = "-"};
    CLI::App* const hub_command = add_command(
        app, "hub", "Run the hub of a fleet whose API is a real kube-apiserver",
        "aviary hub --kubeconfig hub.yaml --webhook-url https://10.0.0.4:9444\n"
        "aviary join beijing --kubeconfig beijing.yaml --hub-kubeconfig hub.yaml\n"
        "aviary hub --mode attach --kubeconfig hub.yaml    # places nothing: sees and approves what others bring");
    add_cluster_flags(*hub_command, hub.cluster);
    hub_command
        ->add_option("--mode", hub.mode,
                     "full: places objects and brings them to the members; attach: approves what others have brought")
        ->envname("AVIARY_MODE")
        ->option_text("full|attach")
        ->check(CLI::IsMember({"full", "attach"}))
        ->capture_default_str();
    hub_command
        ->add_option("--audit-log", hub.audit_log, "Who decided what, a line each; - for standard output, '' for none")
        ->envname("AVIARY_AUDIT_LOG")
        ->option_text("FILE")
        ->capture_default_str();

    add_text(*hub_command, "--agent-address", hub.agent_address,
             "Where agents of members that the hub cannot reach dial in; by default it takes none",
             "AVIARY_AGENT_ADDRESS", "HOST:PORT");
    hub_command->add_option("--agent-port", hub.agent_port, "TCP port for them; by default that of --agent-address")
        ->envname("AVIARY_AGENT_PORT")
        ->option_text("PORT");

    aviary::hub::JoinOptions joining;
    CLI::App* const join_command =
        add_command(app, "join", "Make a real cluster a member of the fleet; safe to repeat",
                    "aviary join beijing --kubeconfig beijing.yaml --hub-kubeconfig hub.yaml");
    add_join_flags(*join_command, joining);
    join_command
        ->add_option("--server", joining.server, "Where the hub reaches the cluster; by default as the kubeconfig does")
        ->option_text("URL");
    join_command->add_flag("--replace", joining.replace, "Take the name over from another cluster");
    CLI::Option* const approves_only = join_command->add_flag(
        "--read-and-approve", joining.approves_only,
        "The hub may look and approve there, and bring nothing: enough for `aviary hub --mode attach`");
    join_command
        ->add_flag("--admin", joining.admin,
                   "Let those who administrate the fleet be administrators of the cluster through the hub")
        ->excludes(approves_only);
    CLI::App* const unjoin_command =
        add_command(app, "unjoin", "Take a real cluster out of the fleet; what the hub brought there stays",
                    "aviary unjoin beijing --kubeconfig beijing.yaml --hub-kubeconfig hub.yaml");
    add_join_flags(*unjoin_command, joining);

    aviary::hub::AgentJoinOptions by_agent;
    bool with_agent = false;
    std::string token_lasts = "1h";
    join_command->add_flag("--agent", with_agent,
                           "The hub cannot reach the cluster: print the manifest of an agent that dials the hub");
    join_command->add_option("--agent-image", by_agent.image, "Image of that agent")
        ->option_text("IMAGE")
        ->capture_default_str();
    join_command->add_option("--token-lasts", token_lasts, "How long the agent has to come for the first time")
        ->option_text("TIME")
        ->capture_default_str();
    join_command->add_flag("--approve-by-hand", by_agent.manual,
                           "The agent waits for `kubectl certificate approve` on the hub, too");
    unjoin_command->add_flag("--agent", with_agent, "It joined by an agent");

    aviary::agent::ProcessOptions agent{
        .cluster = {.name = "aviary-agent", .health_port = 8082},
        .version = kVersion,
    };
    CLI::App* const agent_command =
        add_command(app, "agent", "Run in a cluster that the hub cannot reach, and dial the hub",
                    "aviary join beijing --agent --hub-kubeconfig hub.yaml | kubectl --context beijing apply -f -\n"
                    "aviary agent --kubeconfig beijing.yaml");
    add_process_flags(*agent_command, agent.cluster);

    for (char const* verb : {"migrate"})
        add_command(app, verb, "Not supported yet: for clusters that are not simulated", "")->prefix_command();

    std::vector<std::string> const words(argv + 1, argv + argc);
    if (auto const answer = aviary::command_line::completion(app, words, values)) {
        fmt::print("{}", *answer);
        return 0;
    }
    if (auto const code = aviary::command_line::parse(app, words)) return *code;
    if (*up_command) return up(flags, false);
    if (*down_command) return aviary::playground::down(flags.data_dir);
    if (*apiserver_command) return up(flags, true);
    if (with_agent) {
        by_agent.name = joining.name;
        by_agent.hub_kubeconfig = joining.hub_kubeconfig;
        by_agent.hub_context = joining.hub_context;
        by_agent.ns = joining.ns;
        by_agent.admin = joining.admin;
        by_agent.approves_only = joining.approves_only;
        by_agent.replace = joining.replace;
        auto const lasts = aviary::parse_duration(token_lasts);
        if (!lasts || *lasts <= aviary::Duration(0)) {
            fmt::print(stderr, "error: --token-lasts {}: a duration such as 30m or 1h\n", token_lasts);
            return 1;
        }
        by_agent.token_lasts = *lasts;
        return *join_command ? aviary::hub::join_agent(by_agent) : aviary::hub::unjoin_agent(by_agent);
    }
    if (*agent_command) return aviary::agent::run(agent);
    if (*join_command) return aviary::hub::join(joining);
    if (*unjoin_command) return aviary::hub::unjoin(joining);
    if (*hub_command) return aviary::hub::run(hub);
    if (*member_command) return aviary::member::run(member);
    if (*demo_command) return aviary::playground::demo(flags.demo_dir);
    if (*completion_command) return print_completion(flags.shell);
    if (*version_command) {
        fmt::print("aviary {}\n", kVersion);
        return 0;
    }
    fmt::print(stderr, "error: aviary {} is not supported yet: only simulated clusters are, see `aviary up --help`\n",
               app.get_subcommands().front()->get_name());
    return 1;
}
