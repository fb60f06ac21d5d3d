# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DLIST=FILE -DSOURCE=FOLDER -DBINARY=FOLDER -DOUT=FILE -P HashHeaders.cmake
# writes a hash of the headers that FILE lists, one a line, by their paths and
# bytes. They lie in SOURCE, or were made in BINARY.
file(STRINGS ${LIST} names)
list(SORT names)
set(text)
foreach(name ${names})
  set(file ${SOURCE}/${name})
  if(NOT EXISTS ${file})
    set(file ${BINARY}/${name})
  endif()
  file(SHA256 ${file} hash)
  string(APPEND text "${name} ${hash}\n")
endforeach()
string(SHA256 hash "${text}")
string(SUBSTRING ${hash} 0 32 hash)
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [=[
//===- HeadersHash.h - Which headers these are ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PLUGIN_HEADERSHASH_H
#define LLMC_PLUGIN_HEADERSHASH_H

/// Of the paths and bytes of all installed headers but this and Version.h.
#define LLMC_HEADERS_HASH "@hash@"

#endif // LLMC_PLUGIN_HEADERSHASH_H

]=])
