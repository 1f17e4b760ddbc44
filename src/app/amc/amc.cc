#include "app/amc/amc.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <csignal>

#include "app/amc/session.h"
#include "core/cli/completion.h"

namespace aviary::amc {

namespace {

constexpr char kExamples[] =
    "kubectl amc: see and steer releases in all clusters of the fleet.\n\n"
    "Examples:\n"
    "  kubectl amc get rollouts -M                                    # every cluster's rollouts\n"
    "  kubectl amc rollout explain rollouts/NAME                      # what each cluster waits for\n"
    "  kubectl amc rollout approve rollouts/NAME -m beijing           # one cluster\n"
    "  kubectl amc rollout approve rollouts/NAME -M --step 1          # all that are paused at step 1\n"
    "  kubectl amc rollout abort rollouts/NAME -M                     # all back to the stable version\n\n"
    "Exit codes: 0 done, 1 failed or misused, 2 partial, 3 waiting for approval, 4 stale or refused, 5 timeout, 6 only "
    "unreachable clusters.";

void add_flags(CLI::App& app, Flags& flags) {
    app.add_option("--kubeconfig", flags.kubeconfig, "Path of the kubeconfig");
    app.add_option("--context", flags.context, "Context of the hub; by default the current one");
    app.add_option("-n,--namespace", flags.ns, "Namespace; by default the context's");
    app.add_flag("-A,--all-namespaces", flags.all_namespaces, "All namespaces");
    app.add_option("-o,--output", flags.output, "wide, json, yaml or name");
    app.add_option("-l,--selector", flags.selector, "Objects with these labels");
    app.add_option("--field-selector", flags.field_selector, "Objects with these fields");
    app.add_flag("--no-headers", flags.no_headers, "Rows alone");
    app.add_option("--as", flags.as, "Act as this user");
    app.add_option("--as-group", flags.as_groups, "… in this group (repeatable)");
    app.add_option("--request-timeout", flags.request_timeout, "Limit of one request")->capture_default_str();
    app.add_option("-m,--members", flags.members, "Clusters, by name: a[,b]");
    app.add_flag("-M,--all-members", flags.all_members, "All clusters");
    app.add_option("--cluster-selector", flags.cluster_selector, "Clusters with these labels");
    app.add_flag("-w,--watch", flags.watch, "Go on until it ends");
    app.add_flag("--allow-unreachable", flags.allow_unreachable, "Unreachable clusters are no failure");
}

void add_decision_flags(CLI::App& command, Flags& flags) {
    command.add_option("--step", flags.step, "Refuse clusters at any other step");
    command.add_option("--reason", flags.reason, "Why, for the record");
    command.add_option("--wait", flags.wait, "Wait until each cluster has moved on")->capture_default_str();
    command.add_option("--timeout", flags.timeout, "… at most so long")->capture_default_str();
    command.add_option("--dry-run", flags.dry_run, "client: print the Decision; server: check it")
        ->check(CLI::IsMember({"client", "server", "none"}));
}

struct Command {
    CLI::App* app;
    std::function<Task<int>(Session)> run;
};

}   // namespace

int run(int argc, char** argv, char const* version) {
    std::signal(SIGPIPE, SIG_IGN);
    CLI::App app(kExamples, "kubectl amc");
    app.require_subcommand(1);
    app.fallthrough();
    Flags flags;
    add_flags(app, flags);
    std::string resource;
    std::string name;
    std::vector<Command> commands;

    CLI::App* const get =
        app.add_subcommand("get", "List objects of all clusters\n\nExample: kubectl amc get deploy -n demo -M");
    get->add_option("resource", resource, "deployments, rollouts, po …")->required();
    get->add_option("name", name, "One object");
    commands.push_back({get, [&](Session session) { return get_resource(std::move(session), resource, name); }});
    CLI::App* const described = app.add_subcommand("describe", "Show an object of each cluster whole");
    described->add_option("resource", resource, "deployments, rollouts, po …")->required();
    described->add_option("name", name, "The object");
    commands.push_back({described, [&](Session session) { return describe(std::move(session), resource, name); }});
    CLI::App* const clusters = app.add_subcommand("clusters", "List the clusters of the fleet");
    commands.push_back({clusters, [](Session session) { return list_clusters(std::move(session)); }});

    CLI::App* const rollout = app.add_subcommand("rollout", "See and steer a release");
    rollout->require_subcommand(1);
    auto const add = [&](char const* verb, char const* text, std::function<Task<int>(Session)> run) {
        CLI::App* const command = rollout->add_subcommand(verb, text);
        command->add_option("rollout", name, "NAME, rollout/NAME or rollouts/NAME")->required();
        commands.push_back({command, std::move(run)});
        return command;
    };
    for (auto const& [verb, action, text] :
         {std::tuple("approve", "Approve",
                     "Let paused clusters go on, each at its own step\n\nExample: kubectl amc rollout approve "
                     "rollouts/NAME -n demo -M"),
          std::tuple("pause", "Pause", "Stop a release where it is"),
          std::tuple("resume", "Resume", "Go on after a pause"),
          std::tuple("abort", "Abort", "Take clusters that are releasing back to the stable version"),
          std::tuple("undo", "Undo", "Take clusters back to the version before"),
          std::tuple("reject", "Reject", "Not supported yet"), std::tuple("retry", "Retry", "Not supported yet"),
          std::tuple("jump", "Jump", "Not supported yet")}) {
        std::string const what = action;
        add_decision_flags(
            *add(verb, text, [&name, what](Session session) { return decide(std::move(session), what, name); }), flags);
    }
    add("explain", "Say what each cluster waits for",
        [&](Session session) { return explain(std::move(session), name); });
    add("status", "One line per cluster; exit 3 while an approval is awaited", [&](Session session) {
        return status(std::move(session), name);
    })->add_option("--timeout", flags.timeout, "");
    add("get", "The release and its clusters as a tree",
        [&](Session session) { return tree(std::move(session), name); });
    add("history", "Who decided what", [&](Session session) { return history(std::move(session), name); });
    CLI::App* const list = rollout->add_subcommand("list", "List the fleet's rollouts");
    commands.push_back({list, [](Session session) { return list_rollouts(std::move(session)); }});

    std::string shell;
    CLI::App* const completion = app.add_subcommand("completion", "Print a completion script");
    completion->add_option("shell", shell, "bash, zsh or fish")->required();
    CLI::App* const versions = app.add_subcommand("version", "Print the version");

    CLI11_PARSE(app, argc, argv);
    if (*versions) {
        fmt::print("kubectl-amc {}\n", version);
        return kDone;
    }
    if (*completion) {
        auto const parsed = cli::parse_shell(shell);
        if (!parsed) {
            fmt::print(stderr, "error: {}\n", parsed.error().message());
            return kFailed;
        }
        fmt::print("{}", cli::completion_script(*parsed, "kubectl-amc"));
        return kDone;
    }
    async::AsioExecutor executor;
    auto session = Session::open(executor, flags);
    if (!session) {
        fmt::print(stderr, "error: {}\n", session.error().message());
        return kFailed;
    }
    for (Command const& command : commands) {
        if (*command.app) return executor.run(command.run(std::move(*session)));
    }
    return kFailed;
}

}   // namespace aviary::amc
