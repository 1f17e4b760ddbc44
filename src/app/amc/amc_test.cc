#include "app/amc/amc.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "app/amc/internal/test_kubeconfig.h"
#include "app/amc/resources.h"
#include "app/amc/session.h"
#include "core/base/version.h"
#include "core/json/parse.h"

namespace aviary::amc {
namespace {

// What a command line that never gets as far as a hub says: "EXIT STDERR".
std::string said(std::vector<std::string> words) {
    words.insert(words.begin(), "kubectl-amc");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int const code = run(static_cast<int>(arguments.size()), arguments.data());
    std::string const out = testing::internal::GetCapturedStdout();
    return std::to_string(code) + " " + out + testing::internal::GetCapturedStderr();
}

TEST(SilentHub, WhatIsAwayAndWhatToDoMeanwhile) {
    std::string const ways = "The clusters go on to their next pause; --contexts asks them without it";
    EXPECT_EQ(of_silent_hub("the server answered with status 503"),
              "the server answered with status 503: `aviary hub` does not answer there. " + ways);
    EXPECT_EQ(of_silent_hub("no hub leads at the moment (x): try again"),
              "no hub leads at the moment (x): try again. " + ways);
    EXPECT_EQ(of_silent_hub("connecting to 10.0.0.4:6443: Connection refused"),
              "the hub's API server does not answer: connecting to 10.0.0.4:6443: Connection refused. " + ways);
    EXPECT_EQ(of_silent_hub("deadline exceeded"), "the hub has not answered in time. " + ways);
    EXPECT_EQ(of_silent_hub("rollouts is forbidden"), "rollouts is forbidden");
    EXPECT_EQ(
        of_silent_hub("the server could not find the requested resource"),
        "this server is no hub: choose the hub's context by --context, or `kubectl config use-context`; without a "
        "hub a single cluster is reached by --contexts NAME");
}

TEST(Run, AStepCountsFromOne) {
    for (char const* step : {"0", "-1", "two", ""}) {
        std::string const text = said({"rollout", "approve", "web", "-M", std::string("--step=") + step});
        EXPECT_TRUE(text.starts_with(std::string("1 error: --step: ") + step + " is no step: they count from 1\n"))
            << text;
    }
}

// What a script's variable that is not set leaves.
TEST(Run, ContextsThatNameNoneAreNoHub) {
    for (std::vector<std::string> const& words :
         {std::vector<std::string>{"--contexts", ""}, {"--contexts="}, {"--contexts", " "}}) {
        std::vector<std::string> whole{"rollout", "approve", "web", "-M"};
        whole.insert(whole.end(), words.begin(), words.end());
        EXPECT_TRUE(said(whole).starts_with("1 error: --contexts: say which contexts: ")) << said(whole);
    }
}

// What is refused before anybody is asked, so nobody needs to answer.
constexpr char kNobody[] = "https://127.0.0.1:1";

// On a hub it is the policy that says where; a choice that is ignored releases in all clusters.
TEST(Run, AnImageIsSetInChosenClustersWithoutAHubAlone) {
    Kubeconfig const config({{"hub", kNobody, "demo"}});
    std::vector<std::string> words{"set", "image", "deploy/web", "main=web:v3", "--context", "hub", "--kubeconfig"};
    words.push_back(config.path());
    for (char const* where : {"beijing", ""}) {
        std::vector<std::string> chosen = words;
        chosen.insert(chosen.end(), {"-m", where});
        EXPECT_EQ(said(chosen),
                  "1 error: on a hub a release goes to all clusters of the policy: leave -m out, or name the clusters "
                  "without a hub by --contexts\n");
    }
}

// Whoever has one cluster has no hub, and has not read of --contexts.
TEST(Run, WhereThereIsNoHubContextsAreNamed) {
    std::string const member = std::string(kNobody) + "/clusters/prod";
    Kubeconfig const config({{"prod", member, "demo"}});
    EXPECT_EQ(
        said({"clusters", "--context", "prod", "--kubeconfig", config.path()}),
        "1 error: context prod is a member; kubectl amc speaks to the hub: choose its context, and members by -m; "
        "without a hub a single cluster is reached by --contexts prod\n");
    std::ofstream(config.path(), std::ios::app) << "current-context: prod\n";
    EXPECT_EQ(said({"clusters", "--kubeconfig", config.path()}),
              "1 error: context prod is a member, and its hub's is not there: reading the kubeconfig: context "
              "\"fleet\" does not exist in " +
                  config.path() + "; without a hub a single cluster is reached by --contexts prod\n");
}

// A hub may be behind a path that has the word in it.
TEST(Run, APathWithClustersInItIsNoMember) {
    for (std::string path : {"/k8s/clusters/c-m-abc", "/clusters/c-m-abc/api", "/clusters/"}) {
        Kubeconfig const config({{"hub", kNobody + path, "demo"}});
        std::string const text = said({"clusters", "--context", "hub", "--kubeconfig", config.path()});
        EXPECT_EQ(text.find("is a member"), std::string::npos) << text;
    }
}

TEST(Run, AKubeconfigThatCannotBeReadIsNoWrongName) {
    Kubeconfig const config({{"prod", kNobody, "demo"}});
    std::vector<std::string> const words{"clusters", "--contexts", "prod", "--kubeconfig"};
    auto const with = [&](std::string const& path) {
        std::vector<std::string> all = words;
        all.push_back(path);
        return said(all);
    };
    std::string const absent = config.path() + ".absent";
    std::string text = with(absent);
    EXPECT_TRUE(text.starts_with("1 error: --contexts: ") && text.find(absent) != std::string::npos) << text;
    EXPECT_EQ(text.find("no context like"), std::string::npos) << text;
    std::ofstream(config.path()) << "contexts: [";
    text = with(config.path());
    EXPECT_TRUE(text.starts_with("1 error: --contexts: " + config.path() + ": ")) << text;
    EXPECT_EQ(text.find("no context like"), std::string::npos) << text;
}

// A pattern would act in several.
TEST(Run, DirectIsAboutTheContextOfThatName) {
    Kubeconfig const config({{"prod-a", kNobody, "demo"}, {"prod-*", std::string(kNobody) + "/x", "demo"}});
    auto const with = [&](std::string const& context) {
        return said({"rollout", "pause", "web", "--direct", "--context", context, "--kubeconfig", config.path()});
    };
    for (char const* context : {"prod-?", "prod-a,prod-*"})
        EXPECT_TRUE(with(context).starts_with("1 error: --direct speaks to one member, by the name of its context"))
            << with(context);
    EXPECT_EQ(with("prod"), "1 error: --direct: the kubeconfig has no context \"prod\"; it has prod-a, prod-*\n");
    EXPECT_TRUE(with("prod-*").starts_with("6 error: no cluster answers: prod-*: ")) << with("prod-*");
}

// A resource that only a version has which is not the preferred one is found, too.
TEST(Served, IsWhatAnyVersionOfAGroupHas) {
    json::Doc const group = *json::parse(R"({"metadata":{"name":"apps.kruise.io"},"versions":[
        {"version":"v1beta1","resources":[{"resource":"statefulsets","responseKind":{"kind":"StatefulSet"},"scope":"Namespaced"}]},
        {"version":"v1alpha1","resources":[{"resource":"statefulsets","responseKind":{"kind":"StatefulSet"},"scope":"Namespaced"},
        {"resource":"clonesets","singularResource":"cloneset","shortNames":["clone"],"responseKind":{"kind":"CloneSet"},
        "scope":"Namespaced"}]}]})");
    std::vector<Served> served;
    add_served(served, group);
    ASSERT_EQ(served.size(), 2u);
    EXPECT_EQ(served[0].resource, (meta::GroupVersionResource{"apps.kruise.io", "v1beta1", "statefulsets"}));
    EXPECT_EQ(served[1].resource, (meta::GroupVersionResource{"apps.kruise.io", "v1alpha1", "clonesets"}));
    EXPECT_NE(std::ranges::find(served[1].names, "clone"), served[1].names.end());
}

// Without the user the groups would be ignored, and all would be done with one's own rights.
TEST(Run, GroupsAreOfSomebodyElse) {
    Kubeconfig const config({{"one", kNobody, "demo"}});
    for (char const* context : {"--context", "--contexts"})
        EXPECT_EQ(said({"rollout", "pause", "web", "-M", "--as-group", "viewers", "--as-group", "testers", context,
                        "one", "--kubeconfig", config.path()}),
                  "1 error: requesting groups viewers, testers without impersonating a user: name one by --as\n");
}

// Another kind of the same name is not meant: it would be paused, or taken back, by a slip.
TEST(Run, AVerbIsAboutARollout) {
    for (char const* word : {"pods/u1", "deploy/u1", "rollouts.argoproj.io/u1", "rollouts/", "/u1", "rollouts/u1/u2"}) {
        std::string const text = said({"rollout", "pause", word, "-M"});
        EXPECT_TRUE(text.starts_with(std::string("1 error: rollout: ") + word +
                                     ": a Rollout is wanted: NAME or rollouts/NAME\n"))
            << text;
    }
    EXPECT_NE(said({"rollout", "explain", ""}).find("\"\": a Rollout is wanted"), std::string::npos);
    for (char const* word : {"u1", "rollout/u1", "rollouts/u1", "Rollout/u1", "rollouts.rollouts.kruise.io/u1",
                             "rollout.rollouts.kruise.io/u1"})
        EXPECT_EQ(rollout_name(word).value_or("none"), "u1") << word;
}

TEST(Run, AReasonIsText) {
    std::string const text = said({"rollout", "approve", "web", "-M", "--reason", "p95 \xff"});
    EXPECT_TRUE(text.starts_with("1 error: --reason: the text is not UTF-8\n")) << text;
}

TEST(Run, OneObjectIsAskedForAtATime) {
    for (char const* verb : {"get", "describe"})
        EXPECT_TRUE(said({verb, "deploy", "", "-M"}).starts_with("1 error: name: it is empty"))
            << said({verb, "x", ""});
    auto const split = [](std::string resource, std::string name) {
        Status const done = split_name(resource, name);
        return done ? resource + " " + name : done.error().message();
    };
    EXPECT_EQ(split("deploy", ""), "deploy ");
    EXPECT_EQ(split("deploy", "web"), "deploy web");
    EXPECT_EQ(split("deploy/web", ""), "deploy web");
    std::string const one =
        ": several objects at once are not supported; ask for one at a time, by KIND/NAME or KIND NAME";
    EXPECT_EQ(split("deploy/web", "deploy/api"), "deploy/web deploy/api" + one);
    EXPECT_EQ(split("deploy/web", "pods"), "deploy/web pods" + one);
    EXPECT_EQ(split("deploy", "deploy/web"), "deploy deploy/web" + one);
    for (char const* word : {"deploy/", "/web", "deploy/web/x"})
        EXPECT_EQ(split(word, ""), std::string(word) + ": KIND/NAME is wanted");
}

TEST(NotFound, SaysWhere) {
    auto const text = [](ErrorCode code, char const* message) {
        return not_found_in(fail(code, message), "demo").error().message();
    };
    EXPECT_EQ(text(ErrorCode::kNotFound, "rollouts.rollouts.kruise.io \"web\" not found"),
              "rollouts.rollouts.kruise.io \"web\" not found in namespace demo");
    EXPECT_EQ(text(ErrorCode::kNotFound, "the server could not find the requested resource"),
              "the server could not find the requested resource");
    EXPECT_EQ(text(ErrorCode::kNotFound, "managedclusters \"mars\" not found"), "managedclusters \"mars\" not found");
}

// "EXIT STDERR" of a command that prints there.
std::string said_into(int descriptor, std::vector<std::string> words) {
    std::fflush(stdout);
    int const before = ::dup(1);
    ::dup2(descriptor, 1);
    words.insert(words.begin(), "kubectl-amc");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    testing::internal::CaptureStderr();
    int const code = run(static_cast<int>(arguments.size()), arguments.data());
    ::__fpurge(stdout);
    ::dup2(before, 1);
    ::close(before);
    return std::to_string(code) + " " + testing::internal::GetCapturedStderr();
}

TEST(Run, OutputThatCannotBeWrittenIsAFailure) {
    int const full = ::open("/dev/full", O_WRONLY);
    std::string const wanted = "1 error: writing the output: No space left on device\n";
    for (char const* command : {"version", "--help"}) EXPECT_EQ(said_into(full, {command}), wanted);
    EXPECT_EQ(said_into(full, {"completion", "bash"}), wanted);
    ::close(full);
    // Who has closed the pipe has read enough.
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ::close(ends[0]);
    EXPECT_EQ(said_into(ends[1], {"version"}), "0 ");
    ::close(ends[1]);
    EXPECT_EQ(said({"version"}), "0 kubectl-amc " + std::string(program_version()) + "\n");
}

TEST(Run, VersionAndHelpAsOtherProgramsHaveThem) {
    EXPECT_EQ(said({"--version"}), "0 kubectl-amc " + std::string(program_version()) + "\n");
    EXPECT_EQ(said({"version"}), said({"--version"}));
    EXPECT_EQ(said({"help"}), said({"--help"}));
}

// Help lists what a verb takes, and what it does not take is refused: nothing is ignored.
TEST(Run, AFlagIsTakenOrRefused) {
    struct Case {
        std::vector<std::string> words;
        char const* refused;
    };
    for (Case const& each : std::vector<Case>{{{"rollout", "explain", "web", "-w"}, "--watch"},
                                              {{"rollout", "history", "web", "-w"}, "--watch"},
                                              {{"rollout", "list", "-w"}, "--watch"},
                                              {{"rollout", "list", "-m", "beijing"}, "--members"},
                                              {{"clusters", "-w"}, "--watch"},
                                              {{"rollout", "approve", "web", "-M", "-w"}, "--watch"},
                                              {{"rollout", "approve", "web", "-M", "-l", "a=b"}, "--selector"},
                                              {{"describe", "pods", "-o", "yaml"}, "--output"}}) {
        EXPECT_NE(said(each.words).find(std::string("does not take ") + each.refused), std::string::npos)
            << said(each.words);
    }
    std::string const help = said({"rollout", "explain", "--help"});
    EXPECT_EQ(help.find("--watch"), std::string::npos) << help;
    EXPECT_NE(help.find("--members"), std::string::npos) << help;
}

}   // namespace
}   // namespace aviary::amc
