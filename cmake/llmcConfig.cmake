# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# find_package(llmc) in the project of a plugin gives
#   llmc::plugin                 where llmc/Plugin/plugin.h is; links nothing
#   llmc::llmc                   the program, for tests
#   llmc_add_plugin(NAME FILE…)  builds NAME.so from C or C++
# and what llmcCxxPlugin.cmake says for passes and importers in C++.

get_filename_component(LLMC_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET llmc::plugin)
  add_library(llmc::plugin INTERFACE IMPORTED)
  set_target_properties(llmc::plugin PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${LLMC_PREFIX}/include")
endif()
if(NOT TARGET llmc::llmc)
  add_executable(llmc::llmc IMPORTED)
  set_target_properties(llmc::llmc PROPERTIES IMPORTED_LOCATION "${LLMC_PREFIX}/bin/llmc")
endif()

include("${CMAKE_CURRENT_LIST_DIR}/llmcCxxPlugin.cmake")

# Hidden but for the entry, so that two plugins cannot see each other's functions;
# multiplications and additions stay two roundings, so that results are the same
# on every processor; optimized unless a build type says otherwise.
function(llmc_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE llmc::plugin)
  target_compile_options(${name} PRIVATE -ffp-contract=off $<$<CONFIG:>:-O2>)
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so"
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()
