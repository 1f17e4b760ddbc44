// The scripts that are part of the program: scripts/*.lua, by the build.
#pragma once

#include <span>
#include <string_view>

namespace aviary::traffic {

struct BuiltIn {
    std::string_view name;   // "Ingress", "VirtualService.networking.istio.io"
    std::string_view text;
};
std::span<BuiltIn const> built_in_scripts();

}   // namespace aviary::traffic
