//===- hostile.cpp - Methods that take a process along --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each in one way, and one that sets a scale of columns, which is right. With
// THROWS the plugin throws while it is loaded.
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/plugin.h"
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

namespace {

#if defined(THROWS)
struct Thrower {
  Thrower() { throw std::runtime_error("not today"); }
} thrower;
#endif

/// What nobody may take for unused.
volatile char sink;

void touch(volatile char *block) {
  for (int at = 0; at < 1 << 20; at += 4096)
    block[at] = 1;
}

int throws(const llmc_host *, llmc_run *, const llmc_job *) {
  throw std::runtime_error("not today");
}

int throwInRow(void *, llmc_row *) { throw std::runtime_error("not today"); }
int throws_in_row(const llmc_host *host, llmc_run *run, const llmc_job *) {
  return host->each_row(run, throwInRow, nullptr, 0, 1);
}

/// Blocks of 1 MiB, all touched, until there is no more: then it writes anyway.
int eats(const llmc_host *, llmc_run *, const llmc_job *) {
  for (;;)
    touch(static_cast<char *>(std::malloc(1 << 20)));
}

/// The same by `new`, as C++ does.
int grows(const llmc_host *, llmc_run *, const llmc_job *) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (;;) {
    blocks.emplace_back(new char[1 << 20]);
    touch(blocks.back().get());
  }
}

/// More than there is, by the service, and passes the error on.
int asks(const llmc_host *host, llmc_run *run, const llmc_job *) {
  while (void *block = host->allocate(run, 1 << 24))
    std::memset(block, 1, 1 << 24);
  return LLMC_METHOD_FAILED;
}

/// Catches what `new` throws, and says so in its own words.
int careful(const llmc_host *host, llmc_run *run, const llmc_job *) {
  try {
    std::vector<std::unique_ptr<char[]>> blocks;
    for (;;)
      blocks.emplace_back(new char[1 << 24]);
  } catch (const std::bad_alloc &) {
    return host->fail(run, "this machine is too small");
  }
}

/// Goes on whatever it is told.
int spins(const llmc_host *, llmc_run *, const llmc_job *) {
  for (int number = 1; number < 32; ++number)
    std::signal(number, SIG_IGN);
  for (;;)
    sink = 1;
}

/// Asks whether to go on, and does not listen.
int deaf(const llmc_host *host, llmc_run *run, const llmc_job *) {
  for (;;)
    host->progress(run, 0.5);
}

/// Far behind the end of an array.
int astray(void *, llmc_row *row) {
  row->values[int64_t(1) << 40] = 1;
  return LLMC_METHOD_OK;
}
int strays(const llmc_host *host, llmc_run *run, const llmc_job *) {
  return host->each_row(run, astray, nullptr, 0, 1);
}

/// Numbers of a dense format.
struct Values {
  const llmc_host *host;
  llmc_run *run;
  const llmc_job *job;
};
int writeNan(void *context, llmc_row *row) {
  const auto &values = *static_cast<const Values *>(context);
  row->values[values.job->columns - 1] = NAN;
  return values.host->write_values(values.run, row->index, row->values);
}
int nan(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  Values values{host, run, job};
  return host->each_row(run, writeNan, &values, 0, 1);
}

/// Right: every second column is halved, where nobody has chosen a scale.
int store(void *context, llmc_row *row) {
  const auto &values = *static_cast<const Values *>(context);
  const llmc_job &job = *values.job;
  for (int64_t g = 0; g < job.groups; ++g) {
    float largest = 0;
    for (int64_t k = g * job.group_columns;
         k < (g + 1) * job.group_columns && k < job.columns; ++k)
      largest = std::fmax(largest, std::fabs(row->values[k]));
    row->scales[g] = largest / static_cast<float>(job.format->highest);
  }
  if (int status =
          values.host->store_scales(values.run, row->index, row->scales))
    return status;
  return values.host->encode_row(values.run, row->index, row->values,
                                 row->scales, nullptr);
}
int halves(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  Values values{host, run, job};
  std::vector<float> scale(job->columns, 1);
  for (int64_t k = 0; k < job->columns; k += 2)
    scale[k] = 2;
  if (!job->column_scale)
    if (int status = host->set_column_scale(run, scale.data()))
      return status;
  host->note(run, job->column_scale ? "was halved" : "halved");
  return host->each_row(run, store, &values, 0, 1);
}

#define METHOD(name)                                                           \
  {                                                                            \
    sizeof(llmc_method), "hostile." #name, "does what it says", nullptr, 0, 0, \
        name                                                                   \
  }

const llmc_method kMethods[] = {
    METHOD(throws), METHOD(throws_in_row), METHOD(eats),  METHOD(grows),
    METHOD(asks),   METHOD(careful),       METHOD(spins), METHOD(deaf),
    METHOD(strays), METHOD(nan),           METHOD(halves)};
const llmc_plugin kPlugin = {.size = sizeof(llmc_plugin),
                             .abi = LLMC_PLUGIN_ABI,
                             .needs = 1,
                             .vendor = "hostile",
                             .version = "1.0",
                             .methods = kMethods,
                             .method_count =
                                 sizeof(kMethods) / sizeof(kMethods[0]),
                             .formats = nullptr,
                             .format_count = 0,
                             .metrics = nullptr,
                             .metric_count = 0};

} // namespace

extern "C" LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1() {
  return &kPlugin;
}
