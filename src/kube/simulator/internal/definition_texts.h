// The files of definitions/: part of the program, by the build.
#pragma once

#include <span>
#include <string_view>

namespace aviary::simulator {

struct DefinitionText {
    std::string_view name;   // "clonesets"
    std::string_view text;
};
std::span<DefinitionText const> definition_texts();

}   // namespace aviary::simulator
