// tools/demo and its manifests as text; the build makes the .cc from them (cmake/demo_files.cmake).
#pragma once

#include <span>
#include <string_view>

namespace aviary::playground {

struct DemoFile {
    char const* name;
    std::string_view text;
};

std::span<DemoFile const> demo_files();

}   // namespace aviary::playground
