# demo_files.cc: tools/demo and the manifests that it applies, as text in the program.
set(demo_files ${CMAKE_SOURCE_DIR}/tools/demo)
foreach(name namespace workload rollout)
  list(APPEND demo_files ${CMAKE_SOURCE_DIR}/test/acceptance/seed/${name}.yaml)
endforeach()
embed_texts(entries ~demo~ FILENAME ${demo_files})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/demo_files.cc @ONLY CONTENT [[#include "app/playground/internal/demo_files.h"

namespace aviary::playground {

namespace {

constexpr DemoFile kFiles[] = {
@entries@};

}   // namespace

std::span<DemoFile const> demo_files() { return kFiles; }

}   // namespace aviary::playground
]])
target_sources(app_playground PRIVATE ${CMAKE_BINARY_DIR}/generated/demo_files.cc)
