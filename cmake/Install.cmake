# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake --install build --prefix PREFIX: the program, its libraries, and what
# authors of plugins and callers of models need. Nothing in it names PREFIX, so
# the tree may be moved.

install(TARGETS llmc RUNTIME DESTINATION bin)
install(TARGETS llmc_shared llmc_runtime_shared LIBRARY DESTINATION lib)
install(FILES ${CMAKE_SOURCE_DIR}/include/llmc/Plugin/plugin.h DESTINATION include/llmc/Plugin)
install(FILES ${CMAKE_SOURCE_DIR}/include/llmc/Runtime/llmc.h DESTINATION include/llmc/Runtime)

include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/llmcConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_SOURCE_DIR}/cmake/llmcConfig.cmake ${CMAKE_BINARY_DIR}/llmcConfigVersion.cmake DESTINATION lib/cmake/llmc)
configure_file(${CMAKE_SOURCE_DIR}/cmake/llmc-plugin.pc.in ${CMAKE_BINARY_DIR}/llmc-plugin.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/llmc-plugin.pc DESTINATION lib/pkgconfig)
