# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# find_package(llmc) in the project of a plugin gives
#   llmc::plugin                 where llmc/Plugin/plugin.h is; links nothing
#   llmc::llmc                   the program, for tests
#   llmc_add_plugin(NAME FILE…)  builds NAME.so from C or C++, with the sanitizers
#                                of -DSANITIZE, which `llmc plugin check` watches
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

set(SANITIZE "" CACHE STRING "Sanitizers of plugins: address, undefined, both (address,undefined) or thread")

# With clang the runtime is named in the library, as gcc does; else it would be
# looked for in the program. Where clang keeps it apart for each target, its folder
# is named, too.
function(llmc_sanitize name)
  if(NOT SANITIZE MATCHES "^(address|undefined|address,undefined|thread)$")
    message(FATAL_ERROR "expected SANITIZE to be address, undefined, address,undefined or thread but got '${SANITIZE}'")
  endif()
  target_compile_options(${name} PRIVATE -fsanitize=${SANITIZE} -fno-omit-frame-pointer -g -O1)
  target_link_options(${name} PRIVATE -fsanitize=${SANITIZE}
    $<$<OR:$<C_COMPILER_ID:Clang>,$<CXX_COMPILER_ID:Clang>>:-shared-libsan;-frtlib-add-rpath>)
endfunction()

# Hidden but for the entry, so that two plugins cannot see each other's functions;
# multiplications and additions stay two roundings, so that results are the same
# on every processor; optimized unless a build type says otherwise.
function(llmc_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE llmc::plugin)
  target_compile_options(${name} PRIVATE -ffp-contract=off $<$<CONFIG:>:-O2>)
  if(SANITIZE)
    llmc_sanitize(${name})
  endif()
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so"
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()
