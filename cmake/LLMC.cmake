# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The wrappers every CMakeLists of llmc uses. Two worlds are kept apart:
#   compiler world: llmc_add_library -> object libraries joined into libllmc.so,
#                   which links the one shared libMLIR and libLLVM;
#   runtime world:  llmc_add_runtime_library -> static libraries that never see
#                   MLIR and take JSON, hashing and files from the static
#                   libLLVMSupport.a.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(LLMC_CCACHE ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${LLMC_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LLMC_CCACHE})
endif()

# Flags of every C and C++ unit.
add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-deprecated-declarations -fvisibility-inlines-hidden)
if(LLMC_WERROR)
  add_compile_options(-Werror)
endif()
if(LLMC_SANITIZE)
  # The first finding ends the program. The sanitizers' library is shared, since
  # libllmc.so is loaded by programs that must not bring a second one.
  # Generated functions have no type in front of them for calls to be checked by.
  add_compile_options(-fsanitize=${LLMC_SANITIZE} -fno-sanitize=function -fno-sanitize-recover=all -fno-omit-frame-pointer)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-runtime-dir OUTPUT_VARIABLE LLMC_SANITIZER_DIR
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  if(NOT EXISTS ${LLMC_SANITIZER_DIR})
    message(FATAL_ERROR "expected the sanitizers' library in ${LLMC_SANITIZER_DIR} (Debian: libclang-rt-22-dev)")
  endif()
  add_link_options(-fsanitize=${LLMC_SANITIZE} -shared-libsan -Wl,-rpath,${LLMC_SANITIZER_DIR})
endif()
add_link_options(-fuse-ld=lld)

# Code that links LLVM or MLIR: no exceptions, no RTTI, LLVM headers as SYSTEM.
add_library(llmc_llvm_flags INTERFACE)
target_compile_options(llmc_llvm_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions;-fno-rtti>)
target_include_directories(llmc_llvm_flags SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(llmc_llvm_flags INTERFACE
  ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/include)

# What builds and walks IR is compiled with -O1 in a release: its time goes to
# libMLIR, and -O3 costs a third more time to build. Loops over numbers are in
# the libraries without the precompiled header, whose users must agree on this.
set(LLMC_IR_FLAGS "$<$<CONFIG:Release>:-O1>" "SHELL:-Xclang -fno-pch-timestamp")

# All tablegen steps hang on this target, so that libraries may be built in any order.
add_custom_target(llmc_tablegen)

# The one precompiled header. Every library that builds and walks IR reuses it.
add_library(llmc_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
target_link_libraries(llmc_pch PRIVATE llmc_llvm_flags)
target_precompile_headers(llmc_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
target_compile_options(llmc_pch PRIVATE ${LLMC_IR_FLAGS})
add_dependencies(llmc_pch llmc_tablegen)

function(llmc_reuse_pch name)
  target_precompile_headers(${name} REUSE_FROM llmc_pch)
  target_compile_options(${name} PRIVATE ${LLMC_IR_FLAGS})
  get_target_property(type ${name} TYPE)
  if(type STREQUAL EXECUTABLE)
    # Programs get -fPIE of their own accord, which the header was not made with.
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
endfunction()

set_property(GLOBAL PROPERTY LLMC_OBJECT_LIBRARIES "")

# llmc_add_library(Name SOURCES a.cpp … [DEPENDS tablegen targets])
# Object library of the compiler world; joined into libllmc.so.
function(llmc_add_library name)
  cmake_parse_arguments(ARG "NO_PCH" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} OBJECT ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE llmc_llvm_flags)
  if(NOT ARG_NO_PCH)
    llmc_reuse_pch(${name})
  endif()
  add_dependencies(${name} llmc_tablegen ${ARG_DEPENDS})
  set_property(GLOBAL APPEND PROPERTY LLMC_OBJECT_LIBRARIES ${name})
endfunction()

# llmc_add_runtime_library(Name SOURCES … [LIBS …])
# Static library of the runtime world: no MLIR. LLVM's headers are visible for
# Support (JSON, hashing); the final link takes the static libLLVMSupport.a.
function(llmc_add_runtime_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC llmc_llvm_flags ${ARG_LIBS})
endfunction()

# llmc_tablegen_file(TD OUTPUT_FOLDER (OUTPUT GENERATOR…)…)
# Runs mlir-tblgen on include/llmc/<TD>; each further pair "file|flags" makes
# one file beside it in the build tree.
function(llmc_tablegen td)
  get_filename_component(folder ${td} DIRECTORY)
  get_filename_component(stem ${td} NAME_WE)
  set(LLVM_TARGET_DEFINITIONS ${CMAKE_SOURCE_DIR}/include/llmc/${td})
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include/llmc/${folder})
  set(outputs)
  foreach(pair ${ARGN})
    string(REPLACE "|" ";" parts ${pair})
    list(POP_FRONT parts file)
    set(out ${CMAKE_BINARY_DIR}/include/llmc/${folder}/${file})
    add_custom_command(OUTPUT ${out}
      COMMAND ${MLIR_TABLEGEN_EXE} ${parts} -I ${CMAKE_SOURCE_DIR}/include -I ${MLIR_INCLUDE_DIRS}
              ${LLVM_TARGET_DEFINITIONS} -d ${out}.d --write-if-changed -o ${out}
      DEPENDS ${LLVM_TARGET_DEFINITIONS}
      DEPFILE ${out}.d
      COMMENT "tablegen ${folder}/${file}" VERBATIM)
    list(APPEND outputs ${out})
  endforeach()
  string(MAKE_C_IDENTIFIER "llmc_td_${td}" target)
  add_custom_target(${target} DEPENDS ${outputs})
  add_dependencies(llmc_tablegen ${target})
  set_property(GLOBAL APPEND PROPERTY LLMC_GENERATED_HEADERS ${outputs})
  set_property(GLOBAL APPEND PROPERTY LLMC_TABLEGEN_TARGETS ${target})
endfunction()

# llmc_add_unittest(Name SOURCES … [LIBS …])
# GoogleTest program of the compiler world (links libllmc.so).
function(llmc_add_unittest name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE llmc_llvm_flags llmc_shared ${ARG_LIBS} GTest::gtest GTest::gtest_main)
  llmc_reuse_pch(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/Unit
    BUILD_RPATH "/usr/lib/llvm-22/lib;${CMAKE_BINARY_DIR}/lib")
  add_dependencies(${name} llmc_tablegen)
  set_property(GLOBAL APPEND PROPERTY LLMC_TEST_TARGETS ${name})
  set_property(GLOBAL APPEND PROPERTY LLMC_UNITTESTS ${name})
endfunction()

# llmc_add_runtime_unittest(Name SOURCES … [LIBS …]): the same without the compiler.
function(llmc_add_runtime_unittest name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE llmc_llvm_flags ${ARG_LIBS} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/Unit)
  set_property(GLOBAL APPEND PROPERTY LLMC_TEST_TARGETS ${name})
  set_property(GLOBAL APPEND PROPERTY LLMC_UNITTESTS ${name})
endfunction()
