# traffic_scripts.cc: the Lua files of src/member/traffic/scripts as text in the program, by their names without the ending.
file(GLOB traffic_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/member/traffic/scripts/*.lua)
embed_texts(entries ~lua~ STEM ${traffic_scripts})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/traffic_scripts.cc @ONLY CONTENT [[#include "member/traffic/internal/built_in.h"

namespace aviary::traffic {

namespace {

constexpr BuiltIn kScripts[] = {
@entries@};

}   // namespace

std::span<BuiltIn const> built_in_scripts() { return kScripts; }

}   // namespace aviary::traffic
]])
target_sources(member_traffic PRIVATE ${CMAKE_BINARY_DIR}/generated/traffic_scripts.cc)
