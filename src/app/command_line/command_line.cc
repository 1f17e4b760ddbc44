#include "app/command_line/command_line.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "app/command_line/output.h"
#include "core/base/strings.h"

namespace aviary::command_line {

namespace {

std::string first_line(std::string const& text) { return text.substr(0, text.find('\n')); }

std::string full_name(CLI::App const& app) {
    return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

class Command final : public CLI::App {
public:
    Command(std::string const& text, std::string const& name, CLI::App* parent) : CLI::App(text, name, parent) {}
    std::optional<std::vector<std::string>> takes;   // of its parents' flags; absent: all
    std::vector<std::string> answers;                // of those that it does not take, to say itself why
};

std::string long_name(CLI::Option const& option) {
    return option.get_lnames().empty() ? "-" + option.get_snames().front() : "--" + option.get_lnames().front();
}

// Whether a command takes this flag of a command above it.
bool taken(CLI::App const& app, CLI::Option const& flag) {
    auto const* const command = dynamic_cast<Command const*>(&app);
    return command == nullptr || !command->takes || std::ranges::count(*command->takes, long_name(flag)) > 0;
}

// Whether it is left to a command that does not take this flag to say why.
bool answered(CLI::App const& app, CLI::Option const& flag) {
    auto const* const command = dynamic_cast<Command const*>(&app);
    return command != nullptr && std::ranges::count(command->answers, long_name(flag)) > 0;
}

class Help final : public CLI::Formatter {
public:
    Help() {
        column_width(34);
        label("OPTIONS", "FLAGS");
        label("SUBCOMMAND", "COMMAND");
    }

    std::string make_description(CLI::App const* app) const override { return app->get_description() + "\n\n"; }

    std::string make_usage(CLI::App const* app, std::string) const override {
        std::string text = "Usage: " + full_name(*app);
        for (CLI::Option const* option :
             app->get_options([](CLI::Option const* each) { return each->get_positional(); })) {
            std::string const name = upper(option->get_name(true));
            text += option->get_required() ? " " + name : " [" + name + "]";
        }
        if (!app->get_subcommands({}).empty()) text += " COMMAND";
        return text + " [flags]\n";
    }

    std::string make_positionals(CLI::App const* app) const override {
        std::string text;
        for (CLI::Option const* option :
             app->get_options([](CLI::Option const* each) { return each->get_positional(); }))
            text += line(upper(option->get_name(true)), option->get_description());
        return text.empty() ? text : "\n" + text;
    }

    // Its own flags, then those of the commands above it.
    std::string make_group(std::string, bool, std::vector<CLI::Option const*> options) const override {
        std::string text = "\nFlags:\n";
        for (CLI::Option const* option : options) text += of(*option);
        return text;
    }

    std::string make_subcommands(CLI::App const* app, CLI::AppFormatMode) const override {
        std::string text;
        for (CLI::App const* parent = app->get_parent(); parent != nullptr; parent = parent->get_parent()) {
            if (!parent->get_fallthrough()) continue;
            std::string flags;
            for (CLI::Option const* option :
                 parent->get_options([](CLI::Option const* each) { return each->nonpositional(); })) {
                if (option != parent->get_help_ptr() && taken(*app, *option)) flags += of(*option);
            }
            if (!flags.empty()) text += "\nFlags of every command:\n" + flags;
        }
        std::string commands;
        for (CLI::App const* each : app->get_subcommands({})) {
            if (!each->get_group().empty()) commands += line(each->get_name(), first_line(each->get_description()));
        }
        if (!commands.empty())
            text +=
                fmt::format("\nCommands (`{} COMMAND --help` shows examples of each):\n{}", full_name(*app), commands);
        return text;
    }

private:
    static std::string upper(std::string text) {
        for (char& letter : text)
            letter = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
        return text;
    }

    std::string line(std::string const& name, std::string const& text) const {
        if (name.size() + 4 > get_column_width())
            return fmt::format("  {}\n{:{}}{}\n", name, "", get_column_width(), text);
        return fmt::format("  {:{}}{}\n", name, get_column_width() - 2, text);
    }

    // "-n, --namespace VALUE", and behind its text the default and the variable.
    std::string of(CLI::Option const& option) const {
        std::string name;
        for (std::string const& each : option.get_snames()) name += (name.empty() ? "-" : ", -") + each;
        for (std::string const& each : option.get_lnames()) name += (name.empty() ? "--" : ", --") + each;
        bool const takes_value = option.get_items_expected_max() > 0;
        if (takes_value)
            name += " " + (option.get_option_text().empty() ? std::string("VALUE") : option.get_option_text());
        std::string text = option.get_description();
        if (takes_value && !option.get_default_str().empty())
            text += fmt::format(" (default {})", option.get_default_str());
        if (!option.get_envname().empty()) text += fmt::format(" [{}]", option.get_envname());
        return line(name, text);
    }
};

// Where in the tree of commands some words lead to.
struct Place {
    CLI::App* app;
    CLI::Option* wants = nullptr;   // the flag whose value comes next
    std::size_t positionals = 0;
    std::string unknown;   // a word where a command should be
};

CLI::Option* find_flag(CLI::App& app, std::string const& name) {
    for (CLI::App* each = &app; each != nullptr; each = each->get_parent()) {
        if (CLI::Option* const option = each->get_option_no_throw(name)) return option;
    }
    return nullptr;
}

std::vector<CLI::App*> commands_of(CLI::App& app) {
    return app.get_subcommands([](CLI::App* each) { return !each->get_name().empty(); });
}

Place walk(CLI::App& root, std::vector<std::string> const& words) {
    Place place{&root, nullptr, 0, {}};
    bool flags_end = false;
    for (std::string const& word : words) {
        if (std::exchange(place.wants, nullptr) != nullptr) continue;
        if (!flags_end && word == "--") {
            flags_end = true;
        } else if (!flags_end && word.size() > 1 && word.front() == '-') {
            bool const whole = word.starts_with("--") ? !word.contains('=') : word.size() == 2;
            CLI::Option* const flag = whole ? find_flag(*place.app, word) : nullptr;
            if (flag != nullptr && flag->get_items_expected_max() > 0) place.wants = flag;
        } else {
            auto const commands = commands_of(*place.app);
            auto const found = std::ranges::find(commands, word, [](CLI::App const* each) { return each->get_name(); });
            if (found != commands.end() && place.positionals == 0) {
                place.app = *found;
            } else if (!commands.empty() && place.unknown.empty()) {
                place.unknown = word;
            } else {
                ++place.positionals;
            }
        }
    }
    return place;
}

// "help COMMAND" and "--version", as other programs have them.
std::vector<std::string> as_commands(CLI::App const& root, std::vector<std::string> words) {
    if (words.empty()) return words;
    auto const is = [&](std::string_view name) {
        return !root.get_subcommands([&](CLI::App const* each) { return each->get_name() == name; }).empty();
    };
    if (words == std::vector<std::string>{"--version"} && is("version")) return {"version"};
    if (words.front() == "help" && !is("help")) {
        words.erase(words.begin());
        words.emplace_back("--help");
    }
    return words;
}

// "--reason=" and "-o=json" as two words each: CLI11 takes the next word for a value that is empty behind the sign, and
// the sign for a part of the value behind a short flag; "-w=false" by its long name.
// `wrong` is a word that has a sign and should have a value.
std::vector<std::string> with_values_apart(CLI::App& root, std::vector<std::string> const& words, std::string& wrong) {
    std::vector<std::string> result;
    for (auto word = words.begin(); word != words.end(); ++word) {
        if (*word == "--") {
            result.insert(result.end(), word, words.end());
            break;
        }
        Place const place = walk(root, {words.begin(), word});
        std::size_t const sign = word->find('=');
        bool const empty = sign != std::string::npos && sign + 1 == word->size() && word->starts_with("--");
        bool const short_one = sign == 2 && word->front() == '-' && !word->starts_with("--");
        CLI::Option* const flag =
            place.wants == nullptr && (empty || short_one) ? find_flag(*place.app, word->substr(0, sign)) : nullptr;
        if (flag == nullptr || flag->get_items_expected_max() == 0) {
            if (flag != nullptr && sign + 1 == word->size()) wrong = *word;
            result.push_back(flag != nullptr && short_one ? long_name(*flag) + word->substr(sign) : *word);
            continue;
        }
        result.push_back(word->substr(0, sign));
        result.push_back(word->substr(sign + 1));
    }
    return result;
}

// How many letters must change; "aprove" is one from "approve".
std::size_t distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t index = 0; index < row.size(); ++index) row[index] = index;
    for (std::size_t each = 0; each < left.size(); ++each) {
        std::size_t diagonal = row[0];
        row[0] = each + 1;
        for (std::size_t index = 0; index < right.size(); ++index) {
            std::size_t const above = row[index + 1];
            row[index + 1] = std::min({above + 1, row[index] + 1, diagonal + (left[each] == right[index] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row.back();
}

std::string meant(std::string_view word, std::vector<std::string> const& known) {
    std::string nearest;
    std::size_t least = std::max<std::size_t>(word.size() / 3, 1) + 1;
    for (std::string const& each : known) {
        if (std::size_t const far = distance(word, each); far < least) {
            least = far;
            nearest = each;
        }
    }
    return nearest.empty() ? nearest : fmt::format("; is {} meant?", nearest);
}

int misuse(CLI::App const& app, std::string const& what) {
    fmt::print(stderr, "error: {}\nsee `{} --help`\n", what, full_name(app));
    return 1;
}

// A flag of a command above that was given and that this one does not take.
CLI::Option const* given_in_vain(CLI::App const& app) {
    for (CLI::App const* parent = app.get_parent(); parent != nullptr; parent = parent->get_parent()) {
        for (CLI::Option const* option :
             parent->get_options([](CLI::Option const* each) { return each->nonpositional(); })) {
            if (option->count() > 0 && !taken(app, *option) && !answered(app, *option)) return option;
        }
    }
    return nullptr;
}

// What the library says of a value, in this program's words.
std::string wrong_value(CLI::App& app, CLI::ParseError const& error) {
    std::string const text = error.what();
    if (dynamic_cast<CLI::ArgumentMismatch const*>(&error) != nullptr) {
        std::string const name = text.substr(0, text.find(':'));
        if (text.ends_with(" missing")) return fmt::format("{} needs a value", name);
        if (text.find(": At Most 1 ") != std::string::npos) return fmt::format("{} is given more than once", name);
    }
    constexpr std::string_view kNotConverted = "Could not convert: ";
    std::size_t const sign = text.find(" = ");
    if (text.starts_with(kNotConverted) && sign != std::string::npos) {
        std::string const name = text.substr(kNotConverted.size(), sign - kNotConverted.size());
        std::string const value = text.substr(sign + 3);
        CLI::Option const* const flag = find_flag(app, name);
        bool const truth = flag != nullptr && flag->get_items_expected_max() == 0;
        return fmt::format("{}: {} is {}", name, value, truth ? "neither true nor false" : "no number");
    }
    return text;
}

std::string wrong(CLI::App& app, CLI::ParseError const& error, std::vector<std::string> const& words) {
    if (dynamic_cast<CLI::ExtrasError const*>(&error) == nullptr) return wrong_value(app, error);
    for (std::string const& word : words) {
        std::string const name = word.substr(0, word.find('='));
        if (name.size() < 2 || name.front() != '-' || find_flag(app, name) != nullptr) continue;
        std::vector<std::string> known;
        for (CLI::App* each = &app; each != nullptr; each = each->get_parent()) {
            for (CLI::Option const* option :
                 each->get_options([](CLI::Option const* one) { return one->nonpositional(); })) {
                for (std::string const& long_name : option->get_lnames()) known.push_back("--" + long_name);
            }
        }
        return fmt::format("unknown flag {}{}", name, meant(name, known));
    }
    std::string const text = error.what();
    return "not understood:" + text.substr(text.find(':') + 1);
}

}   // namespace

CLI::App* add_command(CLI::App& parent, std::string const& name, std::string const& text, std::string const& examples) {
    std::string lines;
    for (std::string_view each : split(examples, '\n')) {
        if (!each.empty()) lines += fmt::format("\n  {}", each);
    }
    CLI::App* const command = parent.add_subcommand(
        std::make_shared<Command>(lines.empty() ? text : fmt::format("{}\n\nExamples:{}", text, lines), name, &parent));
    command->formatter(std::make_shared<Help>());
    return command;
}

void takes(CLI::App& command, std::vector<std::string> flags) {
    dynamic_cast<Command&>(command).takes = std::move(flags);
}

void answers(CLI::App& command, std::vector<std::string> flags) {
    dynamic_cast<Command&>(command).answers = std::move(flags);
}

std::function<std::string(std::string const&)> one_of(std::vector<std::string> values) {
    return [values = std::move(values)](std::string const& text) {
        bool const known = std::ranges::count(values, text) > 0;
        return known ? "" : fmt::format("{} is none of {}", text.empty() ? "\"\"" : text, join(values, ", "));
    };
}

std::optional<int> parse(CLI::App& app, std::vector<std::string> const& typed) {
    app.formatter(std::make_shared<Help>());
    std::string without_value;
    std::vector<std::string> const words = with_values_apart(app, as_commands(app, typed), without_value);
    Place const place = walk(app, words);
    if (!without_value.empty())
        return misuse(*place.app, fmt::format("{} is true or false: there is nothing behind the sign", without_value));
    try {
        std::vector<std::string> reversed(words.rbegin(), words.rend());
        app.parse(std::move(reversed));
        if (CLI::Option const* const flag = given_in_vain(*place.app))
            return misuse(*place.app, fmt::format("{} does not take {}", full_name(*place.app), long_name(*flag)));
        return std::nullopt;
    } catch (CLI::CallForHelp const&) {
        print(place.app->help());
        return 0;
    } catch (CLI::ParseError const& error) {
        if (!place.unknown.empty()) {
            std::vector<std::string> known;
            for (CLI::App const* each : commands_of(*place.app)) known.push_back(each->get_name());
            return misuse(*place.app,
                          fmt::format("unknown command \"{}\"{}", place.unknown, meant(place.unknown, known)));
        }
        if (place.app->get_require_subcommand_min() > 0 && place.wants == nullptr && place.positionals == 0 &&
            dynamic_cast<CLI::RequiredError const*>(&error) != nullptr) {
            fmt::print(stderr, "{}", place.app->help());
            return 1;
        }
        return misuse(*place.app, wrong(*place.app, error, words));
    }
}

std::optional<std::string> completion(CLI::App& app, std::vector<std::string> const& words, Values const& values) {
    if (words.empty() || words.front() != "__complete") return std::nullopt;
    std::vector<std::string> before(words.begin() + 1, words.end());
    std::string typed;
    if (!before.empty()) {
        typed = std::move(before.back());
        before.pop_back();
    }
    Place const place = walk(app, before);
    if (place.wants != nullptr) return cli::completion_answer(values(long_name(*place.wants), typed), typed);
    if (std::size_t const sign = typed.find('='); typed.starts_with("--") && sign != std::string::npos) {
        std::string const name = typed.substr(0, sign);
        std::vector<cli::Candidate> candidates = values(name, typed.substr(sign + 1));
        for (cli::Candidate& each : candidates) each.text = fmt::format("{}={}", name, each.text);
        return cli::completion_answer(candidates, typed);
    }
    std::vector<cli::Candidate> candidates;
    if (typed.starts_with("-")) {
        for (CLI::App* each = place.app; each != nullptr; each = each->get_parent()) {
            if (each != place.app && !each->get_fallthrough()) continue;
            for (CLI::Option const* option :
                 each->get_options([](CLI::Option const* one) { return one->nonpositional(); })) {
                if (option->get_group().empty()) continue;
                bool const inherited = option != each->get_help_ptr() && taken(*place.app, *option);
                if (each == place.app || inherited)
                    candidates.push_back({long_name(*option), option->get_description()});
            }
        }
        return cli::completion_answer(candidates, typed);
    }
    for (CLI::App const* each : commands_of(*place.app)) {
        if (place.unknown.empty() && !each->get_group().empty())
            candidates.push_back({each->get_name(), first_line(each->get_description())});
    }
    auto const positionals =
        std::as_const(*place.app).get_options([](CLI::Option const* each) { return each->get_positional(); });
    if (candidates.empty() && place.positionals < positionals.size())
        candidates = values(positionals[place.positionals]->get_name(true), typed);
    return cli::completion_answer(candidates, typed);
}

std::string value_in(std::vector<std::string> const& words, std::vector<std::string_view> const& names) {
    for (std::size_t index = 0; index < words.size(); ++index) {
        for (std::string_view name : names) {
            std::string const& word = words[index];
            if (word == name && index + 1 < words.size()) return words[index + 1];
            bool const is_long = name.starts_with("--");
            if (word.size() > name.size() && word.starts_with(name) && (!is_long || word[name.size()] == '='))
                return word.substr(name.size() + (word[name.size()] == '=' ? 1 : 0));
        }
    }
    return {};
}

}   // namespace aviary::command_line
