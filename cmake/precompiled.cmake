# Headers of the standard library, fmt and googletest, parsed once for all (AVIARY_PRECOMPILED): a third of what compiling takes goes into them.
# This tree does not change them, so a change of one file still compiles what includes it and nothing more. Presets other than dev
# compile without, so a file that does not include what it uses is found there.
option(AVIARY_PRECOMPILED "Parse the headers of the standard library, fmt and googletest once" OFF)
# aviary_precompiled(TARGET NAME): TARGET uses those of NAME, which is compiled with the same flags
function(aviary_precompiled target name)
  if(AVIARY_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()

if(AVIARY_PRECOMPILED)
  set(standard_headers
    <algorithm> <array> <chrono> <compare> <coroutine> <cstddef> <cstdint> <deque> <functional> <map> <memory> <optional> <set> <span> <string>
    <string_view> <utility> <variant> <vector> <fmt/format.h>)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/precompiled.cc CONTENT "")
  add_library(precompiled OBJECT ${CMAKE_BINARY_DIR}/precompiled.cc)
  target_precompile_headers(precompiled PRIVATE ${standard_headers})
  add_library(precompiled_test OBJECT ${CMAKE_BINARY_DIR}/precompiled.cc)
  target_precompile_headers(precompiled_test PRIVATE ${standard_headers} <gtest/gtest.h>)
endif()
