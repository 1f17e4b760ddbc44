// Shell completion. The scripts ask the program itself: `program __complete WORD…` with the last word being typed
// (possibly empty) answers candidates in the form that kubectl's own plugin completion reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace aviary::cli {

enum class Shell { kBash, kZsh, kFish };

// "bash", "zsh" or "fish".
Result<Shell> parse_shell(std::string_view name);
// For `source <(program completion bash)` and the like.
std::string completion_script(Shell shell, std::string_view program);
// The executable `kubectl_complete-<plugin>` that lets kubectl complete a plugin.
std::string kubectl_plugin_script(std::string_view plugin);

struct Candidate {
    std::string text;
    std::string description;   // may be empty
};
// What `__complete` prints: the candidates that begin with what is typed, and that no file names are wanted.
std::string completion_answer(std::vector<Candidate> const& candidates, std::string_view typed);

}   // namespace aviary::cli
