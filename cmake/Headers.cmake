# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The headers that are installed, and their hash, by which C++ plugins are told
# from those of another llmc.
file(GLOB_RECURSE headers RELATIVE ${CMAKE_SOURCE_DIR}/include CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/llmc/*.h)
get_property(generated GLOBAL PROPERTY LLMC_GENERATED_HEADERS)
set(names ${headers})
foreach(file ${generated})
  file(RELATIVE_PATH name ${CMAKE_BINARY_DIR}/include ${file})
  list(APPEND names ${name})
endforeach()
list(SORT names)
string(REPLACE ";" "\n" text "${names}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/headers.txt CONTENT "${text}\n" @ONLY)

set(hash ${CMAKE_BINARY_DIR}/include/llmc/Plugin/HeadersHash.h)
list(TRANSFORM headers PREPEND ${CMAKE_SOURCE_DIR}/include/ OUTPUT_VARIABLE header_files)
get_property(targets GLOBAL PROPERTY LLMC_TABLEGEN_TARGETS)
# The header is touched only where it changes.
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/headers.stamp BYPRODUCTS ${hash}
  COMMAND ${CMAKE_COMMAND} -DLIST=${CMAKE_BINARY_DIR}/headers.txt -DSOURCE=${CMAKE_SOURCE_DIR}/include
          -DBINARY=${CMAKE_BINARY_DIR}/include -DOUT=${hash} -P ${CMAKE_SOURCE_DIR}/cmake/HashHeaders.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/headers.stamp
  DEPENDS ${header_files} ${generated} ${targets} ${CMAKE_BINARY_DIR}/headers.txt ${CMAKE_SOURCE_DIR}/cmake/HashHeaders.cmake
  COMMENT "hash of the headers" VERBATIM)
add_custom_target(llmc_headers_hash DEPENDS ${CMAKE_BINARY_DIR}/headers.stamp)
add_dependencies(llmc_tablegen llmc_headers_hash)
