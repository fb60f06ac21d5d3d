//===- Fingerprint.h - What a C++ plugin was built for ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// C++ and MLIR have no stable binary interface, so a plugin that uses them works
// with the llmc it was built for, and with none else. What must agree is a text
// in a section of the plugin's file, which is read before a line of the plugin
// runs: lines `field=value`, each ended by a newline, and a zero at the end.
//
// Not in it: the date of the standard library (__GLIBCXX__), which keeps its
// binary interface but for the settings that are in it; and whether the plugin
// has RTTI, since what it would miss is told when it is linked.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PLUGIN_FINGERPRINT_H
#define LLMC_PLUGIN_FINGERPRINT_H

#include "llmc/Driver/Version.h"
#include "llmc/Plugin/HeadersHash.h"
#include "llvm/Config/llvm-config.h"
#include <cstddef>

/// The section. Kept by linkers that drop what nobody uses.
#define LLMC_FINGERPRINT_SECTION ".llmc.fingerprint"

/// Grows when the entry `llmc_cxx_plugin` changes its meaning.
#define LLMC_FINGERPRINT_CONTRACT "1"

#ifdef NDEBUG
#define LLMC_FINGERPRINT_ASSERTIONS "off"
#else
#define LLMC_FINGERPRINT_ASSERTIONS "on"
#endif

#define LLMC_FINGERPRINT_TEXT_(x) #x
#define LLMC_FINGERPRINT_TEXT(x) LLMC_FINGERPRINT_TEXT_(x)
#if defined(_LIBCPP_VERSION)
#define LLMC_FINGERPRINT_LIBRARY                                               \
  "libc++ ABI " LLMC_FINGERPRINT_TEXT(_LIBCPP_ABI_VERSION)
#elif defined(_GLIBCXX_DEBUG)
#define LLMC_FINGERPRINT_LIBRARY                                               \
  "libstdc++, cxx11 " LLMC_FINGERPRINT_TEXT(_GLIBCXX_USE_CXX11_ABI) ", debug"
#else
#define LLMC_FINGERPRINT_LIBRARY                                               \
  "libstdc++, cxx11 " LLMC_FINGERPRINT_TEXT(_GLIBCXX_USE_CXX11_ABI)
#endif

#if defined(__x86_64__)
#define LLMC_FINGERPRINT_MACHINE "x86_64"
#elif defined(__aarch64__)
#define LLMC_FINGERPRINT_MACHINE "aarch64"
#else
#error "expected a machine whose plugins are known"
#endif
#ifdef __GLIBC__
#define LLMC_FINGERPRINT_SYSTEM "linux-gnu"
#else
#define LLMC_FINGERPRINT_SYSTEM "linux"
#endif

#define LLMC_FINGERPRINT                                                       \
  "contract=" LLMC_FINGERPRINT_CONTRACT "\n"                                   \
  "llmc=" LLMC_VERSION "\n"                                                    \
  "headers=" LLMC_HEADERS_HASH "\n"                                            \
  "llvm=" LLVM_VERSION_STRING "\n"                                             \
  "assertions=" LLMC_FINGERPRINT_ASSERTIONS "\n"                               \
  "library=" LLMC_FINGERPRINT_LIBRARY "\n"                                     \
  "triple=" LLMC_FINGERPRINT_MACHINE "-" LLMC_FINGERPRINT_SYSTEM "\n"

#endif // LLMC_PLUGIN_FINGERPRINT_H
