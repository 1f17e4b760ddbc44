#include "app/command_line/command_line.h"

#include <gtest/gtest.h>
#include <CLI/CLI.hpp>

namespace aviary::command_line {
namespace {

struct Program {
    CLI::App app{"A program.", "program"};
    std::string ns, output, name, second, order;
    int most = 0;
    bool all = false, watch = false;

    Program() {
        app.require_subcommand(1);
        app.fallthrough();
        app.add_option("-n,--namespace", ns, "Namespace");
        app.add_flag("-w,--watch", watch, "Go on");
        CLI::App* const get = add_command(app, "get", "List objects", "program get pods -A\nprogram get pods -n demo");
        get->add_option("resource", name, "What")->required();
        get->add_option("name", second, "Which");
        get->add_option("-o,--output", output, "Form")->capture_default_str();
        get->add_flag("-A,--all", all, "All of them");
        get->add_option("--most", most, "At most so many");
        get->add_option("--order", order, "Up or down")->check(CLI::Validator(one_of({"up", "down"}), ""));
        takes(*get, {"--namespace"});
        CLI::App* const release = add_command(app, "release", "Steer a release", "");
        release->require_subcommand(1);
        add_command(*release, "approve", "Let it go on", "program release approve x")
            ->add_option("release", name, "Which")
            ->required();
        add_command(*release, "abort", "Take it back", "");
    }

    // The exit code, or -1 to go on; and what was printed.
    int run(std::vector<std::string> const& words) {
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        auto const code = parse(app, words);
        out = testing::internal::GetCapturedStdout();
        err = testing::internal::GetCapturedStderr();
        return code.value_or(-1);
    }
    std::string out, err;

    std::string complete(std::vector<std::string> words) {
        words.insert(words.begin(), "__complete");
        std::string answer = *completion(app, words, [](std::string_view what, std::string_view) {
            return std::vector<cli::Candidate>{{"<" + std::string(what) + ">", ""}};
        });
        std::string texts;
        for (std::size_t at = 0; at < answer.size();) {
            std::size_t const end = answer.find('\n', at);
            std::string const line = answer.substr(at, end - at);
            if (!line.starts_with(":")) texts += line.substr(0, line.find('\t')) + " ";
            at = end + 1;
        }
        return texts;
    }
};

TEST(Parse, GoesOnWithWhatIsRight) {
    Program program;
    EXPECT_EQ(program.run({"get", "pods", "-n", "demo", "-A", "x"}), -1) << program.err;
    EXPECT_EQ(program.ns + program.name + program.second, "demopodsx");
    EXPECT_TRUE(program.all);
}

// An empty value is one: the next word is not taken for it.
TEST(Parse, ValuesBehindASign) {
    struct Case {
        std::vector<std::string> words;
        char const* seen;   // namespace, output, resource, name, all
    };
    for (Case const& each : std::vector<Case>{{{"get", "pods", "--output=", "-A"}, "||pods||1"},
                                              {{"get", "pods", "--output=", "x"}, "||pods|x|0"},
                                              {{"-n=", "get", "pods", "--output=yaml"}, "|yaml|pods||0"},
                                              {{"get", "pods", "-o=yaml", "-n=demo"}, "demo|yaml|pods||0"},
                                              {{"get", "pods", "-A=true"}, "||pods||1"},
                                              {{"get", "pods", "-A=false"}, "||pods||0"},
                                              {{"get", "pods", "--output", "--output="}, "|--output=|pods||0"},
                                              {{"get", "pods", "--", "--output="}, "||pods|--output=|0"}}) {
        Program program;
        EXPECT_EQ(program.run(each.words), -1) << program.err;
        EXPECT_EQ(program.ns + "|" + program.output + "|" + program.name + "|" + program.second + "|" +
                      (program.all ? "1" : "0"),
                  each.seen);
    }
    Program program;
    EXPECT_EQ(program.run({"get", "pods", "--all="}), 1);
}

TEST(Parse, MisuseIsOneLineThatNamesWhatMayBeMeant) {
    auto const err = [](std::vector<std::string> const& words) {
        Program program;
        EXPECT_EQ(program.run(words), 1);
        EXPECT_EQ(program.out, "");
        return program.err;
    };
    EXPECT_EQ(err({"gett", "pods"}), "error: unknown command \"gett\"; is get meant?\nsee `program --help`\n");
    EXPECT_EQ(err({"release", "aprove", "x"}),
              "error: unknown command \"aprove\"; is approve meant?\nsee `program release --help`\n");
    EXPECT_EQ(err({"release", "destroy"}), "error: unknown command \"destroy\"\nsee `program release --help`\n");
    EXPECT_EQ(err({"get", "pods", "--ouput", "yaml"}),
              "error: unknown flag --ouput; is --output meant?\nsee `program get --help`\n");
    EXPECT_EQ(err({"get"}), "error: resource is required\nsee `program get --help`\n");
    auto const of_get = [&err](std::vector<std::string> words) {
        words.insert(words.begin(), "get");
        std::string text = err(words);
        EXPECT_TRUE(text.starts_with("error: ") && text.ends_with("\nsee `program get --help`\n")) << text;
        return text.substr(7, text.find('\n') - 7);
    };
    EXPECT_EQ(of_get({"a", "b", "c"}), "not understood: c");
    EXPECT_EQ(of_get({"pods", "-o"}), "--output needs a value");
    EXPECT_EQ(of_get({"pods", "-o", "json", "-o", "yaml"}), "--output is given more than once");
    EXPECT_EQ(of_get({"pods", "--all=perhaps"}), "--all: perhaps is neither true nor false");
    EXPECT_EQ(of_get({"pods", "-A=perhaps"}), "--all: perhaps is neither true nor false");
    EXPECT_EQ(of_get({"pods", "-A="}), "-A= is true or false: there is nothing behind the sign");
    EXPECT_EQ(of_get({"pods", "--most", "few"}), "--most: few is no number");
    EXPECT_EQ(of_get({"pods", "--order", "left"}), "--order: left is none of up, down");
    EXPECT_NE(err({"release"}).find("approve"), std::string::npos) << "a command without its sub-command: its help";
    EXPECT_NE(err({}).find("Commands"), std::string::npos);
}

TEST(Parse, AFlagThatACommandDoesNotTakeIsRefused) {
    Program program;
    EXPECT_EQ(program.run({"get", "pods", "-w"}), 1);
    EXPECT_EQ(program.err, "error: program get does not take --watch\nsee `program get --help`\n");
    Program other;
    EXPECT_EQ(other.run({"-w", "release", "approve", "x"}), -1) << other.err;
    EXPECT_EQ(other.complete({"release", "approve", "--w"}), "--watch ");
    EXPECT_EQ(other.complete({"get", "--w"}), "");
}

TEST(Parse, AFlagThatACommandAnswersIsNotShown) {
    Program program;
    answers(*program.app.get_subcommand("get"), {"--watch"});
    EXPECT_EQ(program.run({"get", "pods", "-w"}), -1) << program.err;
    EXPECT_TRUE(program.watch);
    EXPECT_EQ(program.complete({"get", "--w"}), "");
    Program other;
    EXPECT_EQ(other.run({"get", "--help"}), 0);
    EXPECT_EQ(other.out.find("--watch"), std::string::npos);
}

TEST(Help, BeginsWithExamplesAndEndsWithTheFlagsOfEveryCommand) {
    Program program;
    EXPECT_EQ(program.run({"get", "--help"}), 0);
    EXPECT_EQ(program.out,
              "List objects\n\nExamples:\n  program get pods -A\n  program get pods -n demo\n\n"
              "Usage: program get RESOURCE [NAME] [flags]\n\n"
              "  RESOURCE                        What\n"
              "  NAME                            Which\n\n"
              "Flags:\n"
              "  -h, --help                      Print this help message and exit\n"
              "  -o, --output VALUE              Form\n"
              "  -A, --all                       All of them\n"
              "  --most VALUE                    At most so many\n"
              "  --order VALUE                   Up or down\n\n"
              "Flags of every command:\n"
              "  -n, --namespace VALUE           Namespace\n\n");
    std::string const of_get = program.out;
    EXPECT_EQ(program.run({"help", "get"}), 0);
    EXPECT_EQ(program.out, of_get);
    EXPECT_EQ(program.run({"release", "-h"}), 0);
    EXPECT_NE(program.out.find("  approve                         Let it go on\n"), std::string::npos) << program.out;
}

TEST(Completion, FollowsTheCommandLine) {
    Program program;
    EXPECT_EQ(program.complete({""}), "get release ");
    EXPECT_EQ(program.complete({"r"}), "release ");
    EXPECT_EQ(program.complete({"release", "a"}), "approve abort ");
    EXPECT_EQ(program.complete({"get", "--"}), "--help --output --all --most --order --namespace ");
    EXPECT_EQ(program.complete({"get", ""}), "<resource> ");
    EXPECT_EQ(program.complete({"get", "pods", ""}), "<name> ");
    EXPECT_EQ(program.complete({"get", "pods", "x", ""}), "");
    EXPECT_EQ(program.complete({"get", "-n", "demo", "-A", ""}), "<resource> ");
    EXPECT_EQ(program.complete({"get", "pods", "-n", ""}), "<--namespace> ");
    EXPECT_EQ(program.complete({"get", "pods", "-o", ""}), "<--output> ");
    EXPECT_EQ(program.complete({"get", "pods", "--output="}), "--output=<--output> ");
    EXPECT_EQ(program.complete({"-n", "demo", "release", "approve", ""}), "<release> ");
    EXPECT_EQ(program.complete({"nothing", ""}), "");
    EXPECT_EQ(program.complete({}), "get release ");
    EXPECT_FALSE(completion(program.app, {"get", "pods"}, {}));
}

TEST(ValueIn, ReadsFlagsInEachForm) {
    std::vector<std::string_view> const names{"-n", "--namespace"};
    EXPECT_EQ(value_in({"get", "-n", "a"}, names), "a");
    EXPECT_EQ(value_in({"get", "-na"}, names), "a");
    EXPECT_EQ(value_in({"get", "--namespace=a"}, names), "a");
    EXPECT_EQ(value_in({"get", "--namespace", "a"}, names), "a");
    EXPECT_EQ(value_in({"get", "--namespaces=a"}, names), "");
    EXPECT_EQ(value_in({"get", "-n"}, names), "");
}

}   // namespace
}   // namespace aviary::command_line
