#include "app/amc/amc.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <csignal>

#include "apis/fleet/decision.h"
#include "app/amc/approve.h"
#include "app/amc/complete.h"
#include "app/amc/direct.h"
#include "app/amc/resources.h"
#include "app/amc/session.h"
#include "app/amc/set_image.h"
#include "app/command_line/command_line.h"
#include "app/command_line/output.h"
#include "core/base/strings.h"
#include "core/base/version.h"
#include "core/cli/completion.h"

namespace aviary::amc {

namespace {

using command_line::add_command;

constexpr char kAbout[] =
    "kubectl amc: see and steer releases in all clusters of the fleet.\n\n"
    "Examples:\n"
    "  kubectl amc get rollouts -M                              # every cluster's rollouts\n"
    "  kubectl amc rollout explain rollouts/NAME                # what each cluster waits for\n"
    "  kubectl amc rollout approve rollouts/NAME -m beijing     # one cluster\n"
    "  kubectl amc rollout approve rollouts/NAME -M --step 1    # all that are paused at step 1\n"
    "  kubectl amc rollout abort rollouts/NAME -M               # all back to the stable version\n"
    "  kubectl amc rollout approve rollouts/NAME -M --contexts 'prod-*'    # no hub: these contexts are the "
    "clusters\n\n"
    "Exit codes: 0 done, 1 failed or misused, 2 partial, 3 waiting for approval, 4 stale or refused, 5 timeout,\n"
    "6 only unreachable clusters.";

// Taken for a flag that is not given, it would be the hub that is asked.
std::string contexts_problem(std::string const& text) {
    return trim(text).empty() ? "say which contexts: NAME or PATTERN[,PATTERN]" : "";
}

// Taken for a name that is not given, it would be all objects.
std::string name_problem(std::string const& text) { return text.empty() ? "it is empty: leave it out for all" : ""; }

void add_flags(CLI::App& app, Flags& flags) {
    app.add_option("--kubeconfig", flags.kubeconfig, "Path of the kubeconfig")->option_text("FILE");
    app.add_option("--context", flags.context, "Context of the hub; by default the current one")->option_text("NAME");
    app.add_option("--contexts", flags.contexts,
                   "Without a hub: the contexts of this kubeconfig whose clusters are meant: 'prod-*,dev'")
        ->option_text("PATTERNS")
        ->check(CLI::Validator(contexts_problem, ""));
    app.add_option("-n,--namespace", flags.ns, "Namespace; by default the context's")->option_text("NAME");
    app.add_flag("-A,--all-namespaces", flags.all_namespaces, "All namespaces");
    app.add_option("-o,--output", flags.output, "wide, json, yaml, name or jsonpath=TEMPLATE")->option_text("FORM");
    app.add_option("-l,--selector", flags.selector, "Objects with these labels")->option_text("LABELS");
    app.add_option("--field-selector", flags.field_selector, "Objects with these fields")->option_text("FIELDS");
    app.add_option("--sort-by", flags.sort_by, "Order by this field: '{.metadata.name}'")->option_text("JSONPATH");
    app.add_flag("--no-headers", flags.no_headers, "Rows alone");
    app.add_option("--as", flags.as, "Act as this user")->option_text("USER");
    app.add_option("--as-group", flags.as_groups, "… in this group (repeatable)")
        ->option_text("GROUP")
        ->allow_extra_args(false);
    app.add_option("--request-timeout", flags.request_timeout,
                   "Limit of one request: 30s, of one cluster's answer with --contexts 5s; 0: none")
        ->option_text("TIME");
    app.add_option("-m,--members", flags.members, "Clusters, by name: a[,b] (repeatable)")
        ->option_text("CLUSTERS")
        ->allow_extra_args(false);
    app.add_flag("-M,--all-members", flags.all_members, "All clusters");
    app.add_option("--cluster-selector", flags.cluster_selector, "Clusters with these labels")->option_text("LABELS");
    app.add_flag("-w,--watch", flags.watch, "Go on and show what changes");
    app.add_flag("--allow-unreachable", flags.allow_unreachable, "Unreachable clusters are no failure");
}

// To whom and as whom: every command.
constexpr char kConnecting[] = "--kubeconfig --context --contexts --namespace --as --as-group --request-timeout";
constexpr char kWhere[] = "--members --all-members --cluster-selector";

// What a command takes of the flags above, by words.
void takes(CLI::App* command, std::initializer_list<std::string_view> lists) {
    std::vector<std::string> flags;
    for (std::string_view list : lists) {
        for (std::string_view each : split(list, ' ')) flags.emplace_back(each);
    }
    command_line::takes(*command, std::move(flags));
}

// 0 would be no guard at all.
std::string step_problem(std::string const& text) {
    auto const number = parse_int(text);
    return number && *number > 0 ? "" : fmt::format("{} is no step: they count from 1", text);
}

std::string reason_problem(std::string const& text) { return is_utf8(text) ? "" : "the text is not UTF-8"; }

// Any other kind would be taken for a Rollout of the same name.
std::string to_rollout_name(std::string& text) {
    auto name = rollout_name(text);
    if (!name) return name.error().message();
    text = std::move(*name);
    return "";
}

void add_decision_flags(CLI::App& command, Flags& flags, std::string_view action) {
    if (action == apis::action::kJump) {
        command.add_option("--to", flags.to, "The step to go to")
            ->option_text("NUMBER")
            ->required()
            ->check(CLI::Validator(step_problem, ""));
    }
    if (action == apis::action::kUndo) {
        command.add_flag(
            "--fast", flags.fast,
            "Back to the earlier step without traffic that has the most replicas, and not to another version");
    }
    if (action == apis::action::kApprove || action == apis::action::kJump) {
        command.add_option("--step", flags.step, "Refuse clusters at any other step")
            ->option_text("NUMBER")
            ->check(CLI::Validator(step_problem, ""));
    }
    command.add_flag("--direct", flags.direct,
                     "Without the hub, in the member that --context names: for when the hub is gone");
    command
        .add_option("--reason", flags.reason,
                    "Why, for the record; with --direct the member keeps it until the hub files it")
        ->option_text("TEXT")
        ->check(CLI::Validator(reason_problem, ""));
    command.add_flag("--wait", flags.wait, "Wait until each cluster has moved on; on unless --wait=false");
    command.add_option("--timeout", flags.timeout, "… at most so long")->option_text("TIME")->capture_default_str();
    command
        .add_option("--dry-run", flags.dry_run, "client: print what would be sent; server: check it, carry nothing out")
        ->option_text("client|server")
        ->check(CLI::Validator(command_line::one_of({"client", "server", "none"}), ""));
}

// A verb about one release.
struct Verb {
    char const* name;
    char const* action;
    char const* text;
    char const* examples;
};
constexpr Verb kDecisions[] = {
    {"approve", "Approve", "Let paused clusters go on, each one step from where it is",
     "kubectl amc rollout approve rollouts/NAME -m beijing            # one cluster\n"
     "kubectl amc rollout approve rollouts/NAME -M                    # each that is paused\n"
     "kubectl amc rollout approve rollouts/NAME -M --step 1           # refuse clusters at any other step\n"
     "kubectl amc rollout approve rollouts/NAME -M --reason 'p95 ok'  # on record\n"
     "kubectl amc rollout approve rollouts/NAME -M --contexts 'prod-*'  # there is no hub\n"
     "kubectl amc rollout approve NAME --direct --context beijing --reason 'p95 ok'  # the hub is gone"},
    {"pause", "Pause", "Stop a release where it is",
     "kubectl amc rollout pause rollouts/NAME -M\nkubectl amc rollout pause rollouts/NAME -m beijing"},
    {"resume", "Resume", "Go on after a pause", "kubectl amc rollout resume rollouts/NAME -M"},
    {"abort", "Abort", "End the release and take its clusters back to the stable version",
     "kubectl amc rollout abort rollouts/NAME -M                      # all that are releasing\n"
     "kubectl amc rollout abort rollouts/NAME -m beijing"},
    {"undo", "Undo", "Take clusters back to the version before; after a release that is one of its own",
     "kubectl amc rollout undo rollouts/NAME -M\n"
     "kubectl amc rollout undo rollouts/NAME --cluster-selector region=north\n"
     "kubectl amc rollout undo rollouts/NAME -M --fast                # the traffic alone\n"
     "kubectl amc rollout undo NAME --direct --context beijing --reason 'p95 up'  # the hub is gone"},
    {"jump", "Jump", "Go to another step of the release; back to an earlier one takes no pod of the new version away",
     "kubectl amc rollout jump rollouts/NAME --to 3 -m beijing\n"
     "kubectl amc rollout jump rollouts/NAME --to 1 -M --reason 'look again'"},
};

struct Command {
    CLI::App* app;
    std::function<Task<int>(Session)> run;
};

// The tree of commands over what they fill in.
struct Program {
    CLI::App app{kAbout, "kubectl amc"};
    Flags flags;
    std::string resource, name, shell;
    std::vector<std::string> words;
    std::vector<Command> commands;
    std::vector<std::pair<CLI::App*, std::string>> unsupported;
    CLI::App* completion = nullptr;
    CLI::App* versions = nullptr;

    Program() {
        app.require_subcommand(1);
        app.fallthrough();
        add_flags(app, flags);
        add_reading();
        add_rollout();
        completion =
            add_command(app, "completion", "Print a completion script: bash, zsh, fish, or kubectl's own",
                        "source <(kubectl-amc completion bash)\n"
                        "kubectl-amc completion kubectl >~/bin/kubectl_complete-amc    # for `kubectl amc <TAB>`");
        completion->add_option("shell", shell, "bash, zsh, fish or kubectl")->required();
        versions = add_command(app, "version", "Print the version", "kubectl amc version");
    }

    void add(CLI::App* command, std::function<Task<int>(Session)> run) {
        commands.push_back({command, std::move(run)});
    }

    void add_watch_timeout(CLI::App* command) {
        command->add_option("--timeout", flags.watch_timeout, "With -w: at most so long; 0: for ever")
            ->option_text("TIME")
            ->capture_default_str();
    }

    void add_reading() {
        CLI::App* const get =
            add_command(app, "get", "List objects of all clusters, with the cluster beside each",
                        "kubectl amc get rollouts -n demo -M\n"
                        "kubectl amc get pods -m beijing,shanghai -l app=qwen -o wide\n"
                        "kubectl amc get deploy qwen -M -o yaml\n"
                        "kubectl amc get pods -M -w                           # go on and show what changes\n"
                        "kubectl amc get rollouts -A -M --contexts 'prod-*'   # no hub: of these contexts' clusters");
        get->add_option("resource", resource, "deployments, rollouts, po … or KIND/NAME")->required();
        get->add_option("name", name, "One object")->check(CLI::Validator(name_problem, ""));
        takes(get, {kConnecting, kWhere,
                    "--all-namespaces --output --selector --field-selector --sort-by --no-headers --watch "
                    "--allow-unreachable"});
        add(get, [this](Session session) { return get_resource(std::move(session), resource, name); });
        CLI::App* const described =
            add_command(app, "describe", "Show objects of each cluster whole, with their events",
                        "kubectl amc describe deployment qwen -n demo -m beijing\n"
                        "kubectl amc describe pods -l app=qwen -M\n"
                        "kubectl amc describe rollout NAME -m beijing -w      # on a terminal: redrawn in place");
        described->add_option("resource", resource, "deployments, rollouts, po … or KIND/NAME")->required();
        described->add_option("name", name, "The object; without one, all")->check(CLI::Validator(name_problem, ""));
        add_watch_timeout(described);
        takes(described,
              {kConnecting, kWhere, "--all-namespaces --selector --field-selector --watch --allow-unreachable"});
        add(described, [this](Session session) { return describe(std::move(session), resource, name); });
        CLI::App* const clusters =
            add_command(app, "clusters", "List the clusters of the fleet and whether they answer",
                        "kubectl amc clusters\nkubectl amc clusters --cluster-selector region=north -o name\n"
                        "kubectl amc clusters --contexts 'prod-*'             # no hub: which contexts answer");
        takes(clusters, {kConnecting, kWhere, "--output --selector --field-selector --sort-by --no-headers"});
        add(clusters, [](Session session) { return list_clusters(std::move(session)); });
        CLI::App& set = *add_command(app, "set", "Change what is released",
                                     "kubectl amc set image deployment/qwen vllm=registry/vllm:v2 -n demo");
        set.require_subcommand(1);
        takes(&set, {kConnecting});
        CLI::App* const image =
            add_command(set, "image", "Release another image: on the hub, everywhere; or in the clusters of --contexts",
                        "kubectl amc set image deployment/qwen vllm=registry/vllm:v2 -n demo\n"
                        "kubectl amc set image rollouts/NAME vllm=registry/vllm:v2 -n demo   # of its workload\n"
                        "kubectl amc set image rollouts/NAME '*=registry/vllm:v2' -M --contexts 'prod-*'  # no hub");
        image->add_option("object", resource, "KIND/NAME")->required();
        image->add_option("images", words, "CONTAINER=IMAGE …; * is every container")->required();
        image->add_option("--dry-run", flags.dry_run, "server: check it, change nothing")
            ->option_text("server")
            ->check(CLI::Validator(command_line::one_of({"server", "none"}), ""));
        takes(image, {kConnecting, "--members --all-members --allow-unreachable --no-headers"});
        add(image, [this](Session session) { return set_image(std::move(session), resource, words); });
        refuse(app, "logs", "logs", "a pod's log is read in its cluster, by kubectl logs");
        refuse(app, "promote", "promote",
               "what runs in clusters already is taken over by aviary adopt; a step of a release is approved by "
               "kubectl amc rollout approve");
    }

    // A verb that others have.
    void refuse(CLI::App& parent, char const* verb, char const* words, char const* why) {
        CLI::App* const command = add_command(parent, verb, fmt::format("Not supported: {}", why), "");
        command->fallthrough(false);
        command->prefix_command();
        unsupported.emplace_back(command, fmt::format("{} is not supported: {}", words, why));
    }

    CLI::App* add_verb(CLI::App& rollout, char const* verb, char const* text, char const* examples,
                       std::string_view flags, std::function<Task<int>(Session)> run) {
        CLI::App* const command = add_command(rollout, verb, text, examples);
        command->add_option("rollout", name, "NAME, rollout/NAME or rollouts/NAME")
            ->required()
            ->transform(CLI::Validator(to_rollout_name, ""));
        takes(command, {kConnecting, kWhere, flags});
        command_line::answers(*command, {"--all-namespaces"});
        add(command, std::move(run));
        return command;
    }

    void add_rollout() {
        CLI::App& rollout = *add_command(
            app, "rollout", "See and steer a release",
            "kubectl amc rollout list -A\n"
            "kubectl amc rollout get NAME -w                       # a tree that follows the release\n"
            "kubectl amc rollout explain NAME                      # what is waited for, and who can end it\n"
            "kubectl amc rollout approve NAME -m beijing\n"
            "kubectl amc rollout abort NAME -M");
        rollout.require_subcommand(1);
        takes(&rollout, {kConnecting});
        CLI::App* const list =
            add_command(rollout, "list", "List the fleet's rollouts",
                        "kubectl amc rollout list -n demo\nkubectl amc rollout list -A --sort-by '{.status.phase}'");
        takes(list, {kConnecting, "--all-members",
                     "--all-namespaces --output --selector --field-selector --sort-by --no-headers"});
        add(list, [](Session session) { return list_rollouts(std::move(session)); });
        add_verb(rollout, "get", "The release and its clusters as a tree",
                 "kubectl amc rollout get rollouts/NAME\nkubectl amc rollout get NAME -w", "--output --watch",
                 [this](Session session) { return tree(std::move(session), name); });
        add_verb(rollout, "explain", "Say what each cluster waits for, since when, and what would end the wait",
                 "kubectl amc rollout explain rollouts/NAME\nkubectl amc rollout explain NAME -o json\n"
                 "kubectl amc rollout explain NAME --contexts 'prod-*'  # no hub",
                 "--output --no-headers", [this](Session session) { return explain(std::move(session), name); });
        add_watch_timeout(
            add_verb(rollout, "status", "One line per cluster; exit 3 while an approval is awaited",
                     "kubectl amc rollout status rollouts/NAME\n"
                     "kubectl amc rollout status NAME -w --timeout 10m      # until it is done or needs a person",
                     "--output --watch --allow-unreachable",
                     [this](Session session) { return status(std::move(session), name); }));
        add_verb(rollout, "history", "Who decided what; without a hub, what each cluster has released",
                 "kubectl amc rollout history rollouts/NAME\n"
                 "kubectl amc rollout history NAME --contexts 'prod-*'  # no hub: RolloutHistories",
                 "--output --sort-by --no-headers",
                 [this](Session session) { return history(std::move(session), name); });
        for (Verb const& verb : kDecisions) {
            std::string const action = verb.action;
            add_decision_flags(
                *add_verb(rollout, verb.name, verb.text, verb.examples, "--output --no-headers --allow-unreachable",
                          [this, action](Session session) {
                              if (!session.without_hub()) return decide(std::move(session), action, name);
                              return action == apis::action::kApprove
                                         ? approve_without_hub(std::move(session), name)
                                         : decide_without_hub(std::move(session), action, name);
                          }),
                flags, action);
        }
        refuse(rollout, "reject", "rollout reject", "kubectl amc rollout abort takes a release back");
        refuse(
            rollout, "restart", "rollout restart",
            "kubectl rollout restart makes the same change, in a cluster or on the hub, and it is released in steps");
        refuse(rollout, "retry", "rollout retry", "what failed is tried again by itself");
    }
};

int print_completion(std::string const& shell) {
    if (shell == "kubectl") {
        command_line::print(cli::kubectl_plugin_script("amc"));
        return kDone;
    }
    auto const parsed = cli::parse_shell(shell);
    if (!parsed) {
        fmt::print(stderr, "error: {}\n", parsed.error().message());
        return kFailed;
    }
    command_line::print(cli::completion_script(*parsed, "kubectl-amc"));
    return kDone;
}

int run(std::vector<std::string> const& words) {
    Program program;
    if (auto const answer = command_line::completion(program.app, words, values_from_hub(words))) {
        command_line::print(*answer);
        return kDone;
    }
    if (auto const code = command_line::parse(program.app, words)) return *code;
    if (*program.versions) {
        command_line::print(fmt::format("kubectl-amc {}\n", program_version()));
        return kDone;
    }
    if (*program.completion) return print_completion(program.shell);
    for (auto const& [command, message] : program.unsupported) {
        if (!*command) continue;
        fmt::print(stderr, "error: kubectl amc {}\n", message);
        return kFailed;
    }
    if (std::string const problem = problem_without_hub(program.flags); !problem.empty()) {
        fmt::print(stderr, "error: {}\n", problem);
        return kFailed;
    }
    async::AsioExecutor executor;
    auto session = Session::open(executor, program.flags);
    if (!session) {
        fmt::print(stderr, "error: {}\n", session.error().message());
        return kFailed;
    }
    for (Command const& command : program.commands) {
        if (*command.app) return executor.run(command.run(std::move(*session)));
    }
    return kFailed;
}

}   // namespace

int run(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    return command_line::finish(run(std::vector<std::string>(argv + 1, argv + argc)));
}

}   // namespace aviary::amc
