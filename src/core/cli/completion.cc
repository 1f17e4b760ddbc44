#include "core/cli/completion.h"

#include <fmt/format.h>

#include "core/cli/terminal.h"

namespace aviary::cli {

namespace {

constexpr std::string_view kBash = R"sh(# bash completion for @PROGRAM@: source <(@PROGRAM@ completion bash)
_@NAME@_complete() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in :*) continue ;; esac
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _@NAME@_complete @PROGRAM@
)sh";

constexpr std::string_view kZsh = R"sh(#compdef @PROGRAM@
# zsh completion for @PROGRAM@: source <(@PROGRAM@ completion zsh)
_@NAME@_complete() {
    local -a candidates
    local line
    while IFS= read -r line; do
        [[ $line == :* ]] && continue
        line=${line//:/\\:}
        candidates+=("${line/$'\t'/:}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    _describe '@PROGRAM@' candidates
}
compdef _@NAME@_complete @PROGRAM@
)sh";

constexpr std::string_view kFish = R"sh(# fish completion for @PROGRAM@: @PROGRAM@ completion fish | source
function _@NAME@_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    $words[1] __complete $words[2..-1] "$last" 2>/dev/null | string match --invert --regex '^:'
end
complete -c @PROGRAM@ -f -a '(_@NAME@_complete)'
)sh";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

}   // namespace

Result<Shell> parse_shell(std::string_view name) {
    if (name == "bash") return Shell::kBash;
    if (name == "zsh") return Shell::kZsh;
    if (name == "fish") return Shell::kFish;
    return fail(ErrorCode::kInvalid, fmt::format("no completion for \"{}\": bash, zsh and fish are known", name));
}

std::string completion_script(Shell shell, std::string_view program) {
    std::string script(shell == Shell::kBash ? kBash : shell == Shell::kZsh ? kZsh : kFish);
    std::string name(program);
    replace_all(name, "-", "_");
    replace_all(script, "@NAME@", name);
    replace_all(script, "@PROGRAM@", program);
    return script;
}

std::string kubectl_plugin_script(std::string_view plugin) {
    return fmt::format("#!/bin/sh\nexec kubectl-{} __complete \"$@\"\n", plugin);
}

std::string completion_answer(std::vector<Candidate> const& candidates, std::string_view typed) {
    std::string answer;
    for (Candidate const& candidate : candidates) {
        if (!candidate.text.starts_with(typed)) continue;
        answer += one_line(candidate.text);
        if (!candidate.description.empty()) answer += "\t" + one_line(candidate.description);
        answer += "\n";
    }
    return answer + ":4\n";   // no file names
}

}   // namespace aviary::cli
