// The commands of aviary: each adds itself with its flags, and says what runs when it was typed.
#pragma once

#include <functional>
#include <vector>

namespace CLI {
class App;
}

namespace aviary::commands {

struct Command {
    CLI::App* app;
    std::function<int()> run;   // the exit code
};
using Commands = std::vector<Command>;

// up, down, apiserver, demo: clusters that are simulated, and what serves them.
void add_simulated(CLI::App& app, Commands& commands);
// hub, member, agent, join, unjoin, adopt: real clusters.
void add_real(CLI::App& app, Commands& commands);

}   // namespace aviary::commands
