# workload_definitions.cc: the definitions of src/kube/simulator/definitions as text in the program.
file(GLOB workload_definitions CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kube/simulator/definitions/*.yaml)
embed_texts(entries ~yaml~ STEM ${workload_definitions})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/workload_definitions.cc @ONLY CONTENT [[#include "kube/simulator/internal/definition_texts.h"

namespace aviary::simulator {

namespace {

constexpr DefinitionText kTexts[] = {
@entries@};

}   // namespace

std::span<DefinitionText const> definition_texts() { return kTexts; }

}   // namespace aviary::simulator
]])
target_sources(kube_simulator PRIVATE ${CMAKE_BINARY_DIR}/generated/workload_definitions.cc)
