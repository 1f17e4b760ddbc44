# kruise_definitions.cc: the definitions of src/kube/simulator/definitions as text in the program.
file(GLOB kruise_definitions CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kube/simulator/definitions/*.yaml)
embed_texts(entries ~yaml~ STEM ${kruise_definitions})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/kruise_definitions.cc @ONLY CONTENT [[#include "kube/simulator/internal/definition_texts.h"

namespace aviary::simulator {

namespace {

constexpr DefinitionText kTexts[] = {
@entries@};

}   // namespace

std::span<DefinitionText const> definition_texts() { return kTexts; }

}   // namespace aviary::simulator
]])
target_sources(kube_simulator PRIVATE ${CMAKE_BINARY_DIR}/generated/kruise_definitions.cc)
