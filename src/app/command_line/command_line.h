// What both programs do with a command line beside parsing it: help that begins with examples, misuse in one line with
// exit code 1, and completion, which comes from the very description of commands and flags.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cli/completion.h"

namespace CLI {
class App;
}

namespace aviary::command_line {

// A sub-command. Examples are lines without indentation; they stand before everything else in its help.
CLI::App* add_command(CLI::App& parent, std::string const& name, std::string const& text, std::string const& examples);

// Of the flags of the commands above it the command takes these, and its help shows no others: {"--watch"}. Without
// this it takes all.
void takes(CLI::App& command, std::vector<std::string> flags);

// These it does not take either, and says itself why: neither its help nor completion shows them.
void answers(CLI::App& command, std::vector<std::string> flags);

// What CLI::Validator asks: empty where the text is one of these, else why not.
std::function<std::string(std::string const&)> one_of(std::vector<std::string> values);

// Parses. An exit code when that is all: help was asked for (0), or the command line is wrong (1, and stderr says why
// and what may be meant).
std::optional<int> parse(CLI::App& app, std::vector<std::string> const& words);

// What an argument may be: `what` is a flag ("--output") or a positional ("rollout"); `words` are all before it.
using Values = std::function<std::vector<cli::Candidate>(std::string_view what, std::string_view typed)>;
// The answer of `program __complete WORD…`: the last word is being typed. Absent: these words ask for no completion.
std::optional<std::string> completion(CLI::App& app, std::vector<std::string> const& words, Values const& values);

// The value that a flag has in words that need not be whole: {"--namespace", "-n"}. Empty: none.
std::string value_in(std::vector<std::string> const& words, std::vector<std::string_view> const& names);

}   // namespace aviary::command_line
