#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "app/adopt/adopt.h"
#include "app/agent/process.h"
#include "app/command_line/command_line.h"
#include "app/hub/join.h"
#include "app/hub/process.h"
#include "app/hub/recover.h"
#include "app/member/process.h"
#include "app/member/uninstall.h"
#include "aviary/commands.h"
#include "core/base/time.h"
#include "core/base/version.h"

namespace aviary::commands {

namespace {

using command_line::add_command;

void add_text(CLI::App& command, char const* flag, std::string& value, char const* help, char const* variable,
              char const* form) {
    command.add_option(flag, value, help)->envname(variable)->option_text(form)->capture_default_str();
}

void add_port(CLI::App& command, char const* flag, std::uint16_t& value, char const* help, char const* variable) {
    command.add_option(flag, value, help)->envname(variable)->option_text("PORT")->capture_default_str();
}

// Of a process that works on one real cluster.
void add_process_flags(CLI::App& command, process::Options& options) {
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
void add_cluster_flags(CLI::App& command, process::Options& options) {
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
                auto const delay = parse_duration(given);
                if (!delay || *delay < Duration(0))
                    throw CLI::ValidationError("--shutdown-delay", given + ": a duration such as 500ms, 5s or 1m");
                options.shutdown_delay = *delay;
            },
            "How long it goes on answering, not ready any more, after SIGTERM")
        ->envname("AVIARY_SHUTDOWN_DELAY")
        ->option_text("TIME")
        ->default_str("0s");
}

// Those of Kruise's manager, whose manifest passes some of them: neither in the help nor completed.
void add_manager_flags(CLI::App& command, std::shared_ptr<rollout::Features> const& features) {
    for (rollout::ManagerFlag const& flag : rollout::manager_flags()) {
        auto const take = [features, &flag](std::string const& given) {
            auto const note = rollout::note_manager_flag(flag, given);
            if (!note) throw CLI::ValidationError(std::string(flag.name), note.error().message());
            features->notes.push_back(*note);
        };
        std::string const name(flag.name);
        CLI::Option* const option =
            flag.alone ? command.add_option_function<std::string>(name, take, std::string(flag.why))->expected(0, 1)
                       : command.add_option_function<std::string>(name, take, std::string(flag.why));
        option->group("");
    }
}

void add_member(CLI::App& app, Commands& commands) {
    auto const options = std::make_shared<process::Options>(
        process::Options{.name = "aviary-member", .webhook_port = 9443, .health_port = 8080});
    CLI::App* const command =
        add_command(app, "member", "Run the rollout controllers and webhooks of a real cluster",
                    "aviary member --kubeconfig cluster.yaml --webhook-url https://10.0.0.5:9443");
    add_cluster_flags(*command, *options);
    auto const features = std::make_shared<rollout::Features>();
    command
        ->add_option_function<std::string>(
            "--feature-gates",
            [features](std::string const& given) {
                auto const parsed = rollout::parse_features(given);
                if (!parsed) throw CLI::ValidationError("--feature-gates", parsed.error().message());
                features->rollout_history = parsed->rollout_history;
                std::ranges::copy(parsed->notes, std::back_inserter(features->notes));
            },
            "RolloutHistory=true keeps a RolloutHistory of each release; of the others of Kruise's manager what is "
            "always so")
        ->envname("AVIARY_FEATURE_GATES")
        ->option_text("NAME=BOOL,…");
    auto const known_kinds = std::make_shared<bool>(true);
    command
        ->add_option(
            "--filter-workload-type", *known_kinds,
            "false: custom kinds are released too, whose objects have the label rollouts.kruise.io/workload-type: "
            "statefulset")
        ->envname("AVIARY_FILTER_WORKLOAD_TYPE")
        ->option_text("BOOL")
        ->default_str("true");
    add_manager_flags(*command, features);
    commands.push_back({command, [options, features, known_kinds] {
                            features->labelled_kinds = !*known_kinds;
                            return member::run(*options, *features);
                        }});
}

void add_recover(CLI::App& hub_command, Commands& commands) {
    auto const options = std::make_shared<hub::RecoverOptions>(hub::RecoverOptions{.cluster = {.name = "aviary-hub"}});
    CLI::App* const command = add_command(
        hub_command, "recover", "Rebuild on a new or restored hub what Git does not say, from the members",
        "aviary hub recover --from-members --dry-run --kubeconfig hub.yaml    # what would be done\n"
        "aviary hub recover --from-members --kubeconfig hub.yaml              # as the user that `aviary hub` is\n"
        "kubectl -n aviary-system exec deploy/aviary-hub -- aviary hub recover --from-members");
    command
        ->add_flag_callback(
            "--from-members", [] {}, "From the records that the hub before kept there; there is no other source")
        ->required();
    command->add_flag("--dry-run", options->dry_run, "Say what is found and what would be done, and do nothing");
    command->add_flag("--skip-missing", options->skip_missing, "Leave out what this hub does not place");
    command->add_flag("--hub-wins", options->hub_wins,
                      "Where members have something newer and no record tells, bring there what this hub has");
    add_text(*command, "--fleet", options->fleet, "The hub that was lost, where the members know several",
             "AVIARY_FLEET", "ID");
    command
        ->add_option("--kubeconfig", options->cluster.kubeconfig,
                     "Path of the hub's kubeconfig; by default $KUBECONFIG, in a pod its service account, else "
                     "~/.kube/config")
        ->option_text("FILE");
    add_text(*command, "--context", options->cluster.context, "Context in it; by default the current one",
             "AVIARY_CONTEXT", "NAME");
    add_text(*command, "--service-account-dir", options->cluster.service_account_folder,
             "Folder with token, ca.crt and namespace of a pod's service account", "AVIARY_SERVICE_ACCOUNT_DIR",
             "FOLDER");
    add_text(*command, "--namespace", options->cluster.ns,
             "Namespace of the hub; by default the pod's, else aviary-system", "AVIARY_NAMESPACE", "NAME");
    commands.push_back({command, [options] { return hub::recover(*options); }});
}

void add_hub(CLI::App& app, Commands& commands) {
    auto const options = std::make_shared<hub::ProcessOptions>(hub::ProcessOptions{
        .cluster = {.name = "aviary-hub", .webhook_port = 9444, .health_port = 8081}, .audit_log = "-"});
    CLI::App* const command = add_command(
        app, "hub", "Run the hub of a fleet whose API is a real kube-apiserver",
        "aviary hub --kubeconfig hub.yaml --webhook-url https://10.0.0.4:9444\n"
        "aviary join beijing --kubeconfig beijing.yaml --hub-kubeconfig hub.yaml\n"
        "aviary hub --mode attach --kubeconfig hub.yaml    # places nothing: sees and approves what others bring");
    add_cluster_flags(*command, options->cluster);
    command
        ->add_option("--mode", options->mode,
                     "full: places objects and brings them to the members; attach: approves what others have brought")
        ->envname("AVIARY_MODE")
        ->option_text("full|attach")
        ->check(CLI::IsMember({"full", "attach"}))
        ->capture_default_str();
    command
        ->add_flag("--require-clusterset-binding", options->require_set_binding,
                   "A namespace's policies place only in clusters of sets that a ManagedClusterSetBinding there names")
        ->envname("AVIARY_REQUIRE_CLUSTERSET_BINDING");
    command
        ->add_option("--audit-log", options->audit_log,
                     "Who decided what, a line each; - for standard output, '' for none")
        ->envname("AVIARY_AUDIT_LOG")
        ->option_text("FILE")
        ->capture_default_str();

    add_text(*command, "--pod-name", options->cluster.pod,
             "The pod it runs in, which is labelled for the hub's Service while it leads", "POD_NAME", "NAME");
    add_text(*command, "--agent-address", options->agent_address,
             "Where agents of members that the hub cannot reach dial in; by default it takes none",
             "AVIARY_AGENT_ADDRESS", "HOST:PORT");
    command->add_option("--agent-port", options->agent_port, "TCP port for them; by default that of --agent-address")
        ->envname("AVIARY_AGENT_PORT")
        ->option_text("PORT");
    add_recover(*command, commands);
    commands.push_back({command, [options] { return hub::run(*options); }});
}

void add_agent(CLI::App& app, Commands& commands) {
    auto const options = std::make_shared<agent::ProcessOptions>(agent::ProcessOptions{
        .cluster = {.name = "aviary-agent", .health_port = 8082}, .version = std::string(program_version())});
    CLI::App* const command =
        add_command(app, "agent", "Run in a cluster that the hub cannot reach, and dial the hub",
                    "aviary join beijing --agent --hub-kubeconfig hub.yaml | kubectl --context beijing apply -f -\n"
                    "aviary agent --kubeconfig beijing.yaml");
    add_process_flags(*command, options->cluster);
    commands.push_back({command, [options] { return agent::run(*options); }});
}

// What was typed of a cluster that comes or leaves, by either way.
struct Joining {
    hub::JoinOptions cluster;
    hub::AgentJoinOptions by_agent;
    bool with_agent = false;
};

void add_name_flags(CLI::App& command, hub::JoinOptions& options) {
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

hub::AgentJoinOptions agent_options(Joining const& typed) {
    hub::AgentJoinOptions options = typed.by_agent;
    options.name = typed.cluster.name;
    options.hub_kubeconfig = typed.cluster.hub_kubeconfig;
    options.hub_context = typed.cluster.hub_context;
    options.ns = typed.cluster.ns;
    options.admin = typed.cluster.admin;
    options.approves_only = typed.cluster.approves_only;
    options.replace = typed.cluster.replace;
    return options;
}

void add_agent_join_flags(CLI::App& command, Joining& typed) {
    command.add_flag("--agent", typed.with_agent,
                     "The hub cannot reach the cluster: print the manifest of an agent that dials the hub");
    command.add_option("--agent-image", typed.by_agent.image, "Image of that agent")
        ->option_text("IMAGE")
        ->capture_default_str();
    command
        .add_option_function<std::string>(
            "--token-lasts",
            [&typed](std::string const& given) {
                auto const lasts = parse_duration(given);
                if (!lasts || *lasts <= Duration(0))
                    throw CLI::ValidationError("--token-lasts", given + ": a duration such as 30m or 1h");
                typed.by_agent.token_lasts = *lasts;
            },
            "How long the agent has to come for the first time")
        ->option_text("TIME")
        ->default_str("1h");
    command.add_flag("--approve-by-hand", typed.by_agent.manual,
                     "The agent waits for `kubectl certificate approve` on the hub, too");
}

void add_join(CLI::App& app, Commands& commands) {
    auto const typed = std::make_shared<Joining>();
    CLI::App* const command =
        add_command(app, "join", "Make a real cluster a member of the fleet; safe to repeat",
                    "aviary join beijing --kubeconfig beijing.yaml --hub-kubeconfig hub.yaml\n"
                    "aviary join hangzhou --agent --hub-kubeconfig hub.yaml > agent.yaml    # the hub cannot reach it");
    add_name_flags(*command, typed->cluster);
    command
        ->add_option("--server", typed->cluster.server,
                     "Where the hub reaches the cluster; by default as the kubeconfig does")
        ->option_text("URL");
    command->add_flag("--replace", typed->cluster.replace,
                      "Take over the name from another cluster, or the cluster from another hub");
    CLI::Option* const approves_only = command->add_flag(
        "--read-and-approve", typed->cluster.approves_only,
        "The hub may look and approve there, and bring nothing: enough for `aviary hub --mode attach`");
    command
        ->add_flag("--admin", typed->cluster.admin,
                   "Let those who administrate the fleet be administrators of the cluster through the hub")
        ->excludes(approves_only);
    add_agent_join_flags(*command, *typed);
    commands.push_back({command, [typed] {
                            return typed->with_agent ? hub::join_agent(agent_options(*typed))
                                                     : hub::join(typed->cluster);
                        }});
}

void add_unjoin(CLI::App& app, Commands& commands) {
    auto const typed = std::make_shared<Joining>();
    CLI::App* const command =
        add_command(app, "unjoin", "Take a real cluster out of the fleet; what the hub brought there stays",
                    "aviary unjoin beijing --kubeconfig beijing.yaml --hub-kubeconfig hub.yaml");
    add_name_flags(*command, typed->cluster);
    command->add_flag("--agent", typed->with_agent, "It joined by an agent");
    commands.push_back({command, [typed] {
                            return typed->with_agent ? hub::unjoin_agent(agent_options(*typed))
                                                     : hub::unjoin(typed->cluster);
                        }});
}

void add_adopt(CLI::App& app, Commands& commands) {
    auto const options = std::make_shared<adopt::Options>();
    CLI::App* const command = add_command(
        app, "adopt", "Take over what kubectl or Karmada has brought to members, with nothing changed in it",
        "aviary adopt --from kubectl rollout/qwen deploy/qwen -n demo --clusters beijing,shanghai --dry-run\n"
        "aviary adopt --from karmada deploy/qwen service/qwen -n demo --clusters beijing,shanghai");
    auto const text = [command](char const* flag, std::string& value, char const* help, char const* form) {
        return command->add_option(flag, value, help)->option_text(form);
    };
    command->add_option("objects", options->objects, "KIND/NAME, one or more")->required();
    text("--from", options->from, "Who has brought it, and gives its fields up", "kubectl|karmada")
        ->required()
        ->check(CLI::IsMember({"kubectl", "karmada"}));
    command
        ->add_option("--clusters", options->clusters,
                     "Members that have it; the hub's objects are made of the first one's")
        ->option_text("NAME,…")
        ->delimiter(',')
        ->required();
    text("-n,--namespace", options->ns, "Namespace of the objects; by default the context's", "NAME");
    text("--kubeconfig", options->kubeconfig,
         "Path of the hub's kubeconfig; by default $KUBECONFIG, else ~/.kube/config", "FILE");
    text("--context", options->context, "Context in it; by default the current one", "NAME");
    command->add_flag("--dry-run", options->dry_run, "Say what would change in each cluster, and write nothing");
    command
        ->add_option_function<std::string>(
            "--timeout",
            [options](std::string const& given) {
                auto const limit = parse_duration(given);
                if (!limit || *limit <= Duration(0))
                    throw CLI::ValidationError("--timeout", given + ": a duration such as 30s or 5m");
                options->timeout = *limit;
            },
            "How long to wait until all of it is the hub's")
        ->option_text("TIME")
        ->default_str("1m");
    commands.push_back({command, [options] { return adopt::adopt(*options); }});
}

void add_uninstall(CLI::App& app, Commands& commands) {
    auto const options = std::make_shared<member::UninstallOptions>();
    CLI::App* const command =
        add_command(app, "uninstall", "Take `aviary member` out of a real cluster, also in the middle of releases",
                    "aviary uninstall --kubeconfig beijing.yaml --dry-run\n"
                    "aviary uninstall --kubeconfig beijing.yaml    # refuses while a release is in progress\n"
                    "aviary uninstall --kubeconfig beijing.yaml --release-in-progress hold --rollouts --crds");
    command
        ->add_option("--kubeconfig", options->cluster.kubeconfig,
                     "Path of the cluster's kubeconfig, of one who may delete roles")
        ->option_text("FILE");
    command->add_option("--context", options->cluster.context, "Context in it; by default the current one")
        ->option_text("NAME");
    command->add_option("--namespace", options->cluster.ns, "Namespace of its Lease; by default aviary-system")
        ->option_text("NAME");
    std::map<std::string, workload::Leaving> const ways{{"hold", workload::Leaving::kHold},
                                                        {"rollback", workload::Leaving::kRollback},
                                                        {"release", workload::Leaving::kRelease}};
    CLI::Option* const releases =
        command
            ->add_option_function<std::string>(
                "--release-in-progress", [options, ways](std::string const& way) { options->releases = ways.at(way); },
                "hold: paused as it stands, with its own strategy; rollback, release: to the version before, or the "
                "new one, by that strategy. By default it refuses")
            ->option_text("hold|rollback|release")
            ->check(CLI::IsMember({"hold", "rollback", "release"}));
    CLI::Option* const rollouts =
        command->add_flag("--rollouts", options->delete_rollouts, "Delete all Rollouts and BatchReleases, too");
    CLI::Option* const definitions = command->add_flag(
        "--crds", options->definitions, "Delete their kinds, too, when there are none of them, or with --rollouts");
    command
        ->add_flag(
            "--keep-rollouts", options->keep_rollouts,
            "Another controller, Kruise's say, goes on with the releases: leave them, and their workloads, alone")
        ->excludes(releases)
        ->excludes(rollouts)
        ->excludes(definitions);
    command->add_flag("--dry-run", options->dry_run, "Say what would be done, and do nothing");
    commands.push_back({command, [options] { return member::uninstall(*options); }});
}

}   // namespace

void add_real(CLI::App& app, Commands& commands) {
    add_member(app, commands);
    add_hub(app, commands);
    add_agent(app, commands);
    add_join(app, commands);
    add_unjoin(app, commands);
    add_adopt(app, commands);
    add_uninstall(app, commands);
}

}   // namespace aviary::commands
