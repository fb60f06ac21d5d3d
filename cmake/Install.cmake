# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake --install build --prefix PREFIX: the program, its libraries, and what
# authors of plugins and callers of models need. Nothing in it names PREFIX, so
# the tree may be moved.

install(TARGETS llmc llmc-opt RUNTIME DESTINATION bin)
install(TARGETS llmc_shared llmc_runtime_shared LIBRARY DESTINATION lib)
# All headers, for plugins in C++, with those that were made.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/llmc ${CMAKE_BINARY_DIR}/include/llmc DESTINATION include
  FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.inc")

include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/llmcConfigVersion.cmake COMPATIBILITY SameMajorVersion)
set(LLMC_LLVM_INCLUDE_DIRS ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
list(REMOVE_DUPLICATES LLMC_LLVM_INCLUDE_DIRS)
# What assert does must be the same on both sides.
if(CMAKE_BUILD_TYPE STREQUAL Debug)
  set(LLMC_ASSERTIONS_FLAG -UNDEBUG)
else()
  set(LLMC_ASSERTIONS_FLAG -DNDEBUG)
endif()
configure_file(${CMAKE_SOURCE_DIR}/cmake/llmcCxxPlugin.cmake.in ${CMAKE_BINARY_DIR}/llmcCxxPlugin.cmake @ONLY)
install(FILES ${CMAKE_SOURCE_DIR}/cmake/llmcConfig.cmake ${CMAKE_BINARY_DIR}/llmcCxxPlugin.cmake ${CMAKE_BINARY_DIR}/llmcConfigVersion.cmake DESTINATION lib/cmake/llmc)
configure_file(${CMAKE_SOURCE_DIR}/cmake/llmc-plugin.pc.in ${CMAKE_BINARY_DIR}/llmc-plugin.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/llmc-plugin.pc DESTINATION lib/pkgconfig)
