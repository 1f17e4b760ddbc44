#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "core/cli/completion.h"
#include "core/cli/progress.h"
#include "core/cli/table.h"

namespace aviary::cli {
namespace {

Terminal const kPipe{};

Terminal narrow(int width) { return {.is_terminal = true, .colour = false, .width = width, .height = 24}; }

TEST(Table, LooksAsKubectlPrintsIt) {
    Table table({"Name", "Ready", "Up", "Age"});
    table.add({"qwen-inference", "10/10", "1", "5m"});
    table.add({"b", "0/1"});
    EXPECT_EQ(table.render(kPipe),
              "NAME             READY   UP    AGE\n"
              "qwen-inference   10/10   1     5m\n"
              "b                0/1           \n");
}

TEST(Table, AnswersOfVerbsStandCloser) {
    Table table({"CLUSTER", "STEP", "RESULT", "MESSAGE"}, {.gutter = 2, .min_width = 0});
    table.add({"frankfurt", "1/3", "approved", "moving to 50%"});
    EXPECT_EQ(table.render(kPipe),
              "CLUSTER    STEP  RESULT    MESSAGE\n"
              "frankfurt  1/3   approved  moving to 50%\n");
}

TEST(Table, OnlyTheMessageIsCutAndOnlyOnATerminal) {
    Table table({"NAME", "MESSAGE", "AGE"});
    table.add({"a", "Rollout is in step(1/3), and you need to approve", "5m"});
    EXPECT_NE(table.render(kPipe).find("you need to approve   5m"), std::string::npos);
    EXPECT_EQ(table.render(narrow(40)),
              "NAME   MESSAGE                       AGE\n"
              "a      Rollout is in step(1/3), a…   5m\n");
}

TEST(Table, WideLettersCountOnceAndNothingSteersTheTerminal) {
    Table table({"NAME", "NOTE"});
    table.add({"größe", "x\x1b[31m\ty"});
    table.add({"b", "first\nsecond"});
    EXPECT_EQ(table.render(kPipe),
              "NAME    NOTE\n"
              "größe   x^[[31m y\n"
              "b       first...\n");
}

TEST(Table, ColourDoesNotCount) {
    Table table({"NAME", "STATE"}, {.headers = false});
    table.add({Cell("a", Colour::kRed), "x"});
    EXPECT_EQ(table.render(kPipe), "a     x\n");
    EXPECT_EQ(table.render({.is_terminal = true, .colour = true}), "\x1b[31ma\x1b[0m     x\n");
}

TEST(Text, IsCutBetweenLetters) {
    EXPECT_EQ(truncated("größe", 5), "größe");
    EXPECT_EQ(truncated("größer", 4), "grö…");
    EXPECT_EQ(truncated("ab", 1), "…");
    EXPECT_EQ(truncated("ab", 0), "");
}

Time const kNoon = *parse_rfc3339("2026-11-24T12:00:00Z");

TEST(Progress, OffATerminalEachChangeIsOneLine) {
    std::string out;
    Progress progress(kPipe, [&](std::string_view text) { out += text; });
    progress.show(kNoon, {{"beijing", "beijing 1/3"}, {"shanghai", "shanghai 1/3"}});
    progress.show(kNoon, {{"beijing", "beijing 1/3"}, {"shanghai", "shanghai 1/3"}});
    progress.show(kNoon + std::chrono::seconds(3), {{"beijing", "beijing 1/3"}, {"shanghai", "shanghai 2/3"}});
    progress.note(kNoon + std::chrono::seconds(4), "done");
    EXPECT_EQ(out,
              "2026-11-24T12:00:00Z beijing 1/3\n"
              "2026-11-24T12:00:00Z shanghai 1/3\n"
              "2026-11-24T12:00:03Z shanghai 2/3\n"
              "2026-11-24T12:00:04Z done\n");
}

TEST(Progress, OnATerminalLinesAreRedrawnInPlace) {
    std::string out;
    Progress progress({.is_terminal = true, .colour = false, .width = 10, .height = 4},
                      [&](std::string_view text) { out += text; });
    progress.show(kNoon, {{"a", "a 1"}, {"b", "b is too long"}});
    EXPECT_EQ(out, "a 1\nb is too …\n");
    out.clear();
    progress.show(kNoon, {{"a", "a 1"}, {"b", "b is too long"}});
    EXPECT_EQ(out, "");
    progress.note(kNoon, "hello");
    EXPECT_EQ(out, "\x1b[2A\r\x1b[Jhello\na 1\nb is too …\n");
    out.clear();
    progress.show(kNoon, {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}, {"e", "5"}});
    EXPECT_EQ(out, "\x1b[2A\r\x1b[J1\n2\n… and 3 more\n");
    out.clear();
    progress.show(kNoon, {{"a", "1"}});
    EXPECT_EQ(out, "\x1b[3A\r\x1b[J1\n");
}

TEST(Completion, AnswersWhatBeginsWithTheWord) {
    EXPECT_EQ(completion_answer({{"approve", "let it go on"}, {"abort", ""}, {"get", ""}}, "a"),
              "approve\tlet it go on\nabort\n:4\n");
    EXPECT_FALSE(parse_shell("tcsh"));
}

TEST(Completion, BashReadsTheAnswer) {
    std::string const script = completion_script(*parse_shell("bash"), "kubectl-demo") +
                               "kubectl-demo() { [ \"$1 $2 $3\" = \"__complete roll ap\" ] && printf 'approve\\tlet it "
                               "go on\\nabort\\n:4\\n'; }\n"
                               "COMP_WORDS=(kubectl-demo roll ap); COMP_CWORD=2; _kubectl_demo_complete\n"
                               "printf '<%s>' \"${COMPREPLY[@]}\"; complete -p kubectl-demo\n";
    std::string name = "/tmp/aviary-completion-XXXXXX";
    int const file = ::mkstemp(name.data());
    ASSERT_EQ(::write(file, script.data(), script.size()), static_cast<ssize_t>(script.size()));
    ::close(file);
    FILE* const bash = ::popen(("bash --norc " + name).c_str(), "r");
    ASSERT_NE(bash, nullptr);
    char buffer[1000];
    std::string const out(buffer, std::fread(buffer, 1, sizeof(buffer), bash));
    ::pclose(bash);
    ::unlink(name.c_str());
    EXPECT_EQ(out, "<approve><abort>complete -F _kubectl_demo_complete kubectl-demo\n");
}

}   // namespace
}   // namespace aviary::cli
