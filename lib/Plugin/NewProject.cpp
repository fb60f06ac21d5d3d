//===- NewProject.cpp - The beginning of a plugin -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/NewProject.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace llmc;
namespace fs = llvm::sys::fs;

static constexpr StringLiteral kSource =
    R"(/* @NAME@.c - A compression method for llmc.
 *
 * Groups get the scale that reaches their largest number. llmc plugin check
 * says whether the plugin keeps what llmc/Plugin/plugin.h asks of it.
 */
#include <llmc/Plugin/plugin.h>
#include <math.h>
#include <stdio.h>

typedef struct {
  const llmc_host *host;
  llmc_run *run;
  const llmc_job *job;
} work;

static int compress(void *context, llmc_row *row) {
  const work *w = context;
  const llmc_job *job = w->job;
  float reach = (float)job->reals[0] * (float)job->format->highest;
  for (int64_t g = 0; g < job->groups; ++g) {
    int64_t begin = g * job->group_columns, end = begin + job->group_columns;
    float largest = 0;
    for (int64_t k = begin; k < end && k < job->columns; ++k)
      largest = fmaxf(largest, fabsf(row->values[k]));
    row->scales[g] = largest / reach;
  }
  int status = w->host->store_scales(w->run, row->index, row->scales);
  if (status != LLMC_METHOD_OK)
    return status;
  return w->host->encode_row(w->run, row->index, row->values, row->scales,
                             NULL);
}

static int run(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  work w = {host, run, job};
  if (job->format->dense || job->format->minimum || job->format->highest < 1) {
    char text[200];
    snprintf(text, sizeof text,
             "expected a format of codes without minimums but got '%s'",
             job->format->name);
    return host->fail(run, text);
  }
  return host->each_row(run, compress, &w, 0, 1);
}

static const llmc_option options[] = {
    {sizeof(llmc_option), "reach", "the part of the largest level that is used",
     LLMC_OPTION_REAL, 0, "1.0", 0.5, 2.0, NULL}};
static const llmc_method methods[] = {
    {sizeof(llmc_method), "@NAME@.@NAME@",
     "scales that reach the largest number of a group", options, 1, 0, run}};
static const llmc_plugin plugin = {sizeof(llmc_plugin), LLMC_PLUGIN_ABI, 1,
                                   "@NAME@", "0.1", methods, 1};

LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
)";

static constexpr StringLiteral kCMake =
    R"(# Builds @NAME@.so against an installed llmc:
#   cmake -S . -B build -DCMAKE_PREFIX_PATH=PREFIX && cmake --build build
#   ctest --test-dir build
cmake_minimum_required(VERSION 3.20)
project(@NAME@ LANGUAGES C)
find_package(llmc REQUIRED)
llmc_add_plugin(@NAME@ @NAME@.c)

enable_testing()
add_test(NAME check COMMAND llmc::llmc plugin check $<TARGET_FILE:@NAME@>)
)";

static constexpr StringLiteral kReadme =
    R"(# @NAME@

A plugin for llmc with the method `@NAME@.@NAME@`.

    cmake -S . -B build -DCMAKE_PREFIX_PATH=PREFIX   # where llmc is installed
    cmake --build build
    ctest --test-dir build                           # llmc plugin check

A recipe that uses it:

    plugins: [build/@NAME@.so]
    quantize:
      - {method: @NAME@.@NAME@, format: i4g32}
)";

static bool isWord(StringRef name) {
  return !name.empty() && name.size() <= 32 && isLower(name[0]) &&
         name != "llmc" && all_of(name, [](char c) {
           return isLower(c) || isDigit(c) || c == '_';
         });
}

Expected<std::vector<std::string>> llmc::writeProject(StringRef path) {
  StringRef name = sys::path::filename(path);
  if (!isWord(name))
    return createStringError("expected a name of 1 to 32 of a-z, 0-9 and _, a "
                             "letter first, and not llmc, but got '" +
                             name + "'");
  // Refuses what is there: a folder is made new or not at all.
  if (std::error_code code =
          fs::create_directory(path, /*IgnoreExisting=*/false))
    return createStringError("cannot make the folder '" + path +
                             "': " + code.message());
  std::vector<std::string> files;
  for (const auto &[file, text] :
       {std::pair((name + ".c").str(), StringRef(kSource)),
        std::pair(std::string("CMakeLists.txt"), StringRef(kCMake)),
        std::pair(std::string("README.md"), StringRef(kReadme))}) {
    SmallString<128> target(path);
    sys::path::append(target, file);
    std::string filled = text.str();
    for (size_t at; (at = filled.find("@NAME@")) != std::string::npos;)
      filled.replace(at, 6, name);
    std::error_code code;
    raw_fd_ostream out(target, code, fs::CD_CreateNew);
    if (!code) {
      out << filled;
      out.close();
      code = out.error();
      out.clear_error();
    }
    if (code)
      return createStringError("cannot write '" + target +
                               "': " + code.message());
    files.push_back(target.str().str());
  }
  return files;
}
