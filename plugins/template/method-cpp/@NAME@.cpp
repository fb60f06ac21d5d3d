// @NAME@.cpp - A compression method for llmc.
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Groups get the scale that reaches their largest number. What crosses to llmc
// is the C interface of llmc/Plugin/plugin.h, so the plugin works whatever
// compiler and C++ library it was built with. No exception may cross it: guard
// is where they end. llmc plugin check says whether the plugin keeps what is
// asked of it.
#include <llmc/Plugin/plugin.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <stdexcept>
#include <string>

namespace {

/// What the services of llmc return; another than OK is passed on at once.
class Stopped : public std::exception {
public:
  explicit Stopped(int status) : status(status) {}
  int status;
};

void require(int status) {
  if (status != LLMC_METHOD_OK)
    throw Stopped(status);
}

/// Calls `body`, which may throw, and returns what llmc expects. Every function
/// that llmc calls is no more than this.
template <typename Body>
int guard(const llmc_host &host, llmc_run *run, const Body &body) noexcept {
  try {
    body();
    return LLMC_METHOD_OK;
  } catch (const Stopped &stopped) {
    return stopped.status;
  } catch (const std::exception &error) {
    return host.fail(run, error.what());
  } catch (...) {
    return host.fail(run, "an exception that says nothing");
  }
}

class Compression {
public:
  Compression(const llmc_host &host, llmc_run *run, const llmc_job &job)
      : host(host), run(run), job(job), format(*job.format) {}

  void compressAll() {
    if (format.dense || format.minimum || format.highest < 1)
      throw std::invalid_argument(
          "expected a format of codes without minimums but got '" +
          std::string(format.name) + "'");
    require(host.each_row(run, compressRow, this, 0, 1));
  }

private:
  /// On many threads at once: it writes to the row alone.
  void compress(llmc_row &row) const {
    float reach =
        static_cast<float>(job.reals[0]) * static_cast<float>(format.highest);
    for (int64_t g = 0; g < job.groups; ++g) {
      int64_t begin = g * job.group_columns,
              end = std::min(begin + job.group_columns, job.columns);
      float largest = 0;
      for (int64_t k = begin; k < end; ++k)
        largest = std::max(largest, std::abs(row.values[k]));
      row.scales[g] = largest / reach;
    }
    require(host.store_scales(run, row.index, row.scales));
    require(host.encode_row(run, row.index, row.values, row.scales, nullptr));
  }

  static int compressRow(void *context, llmc_row *row) {
    const auto &self = *static_cast<const Compression *>(context);
    return guard(self.host, self.run, [&] { self.compress(*row); });
  }

  const llmc_host &host;
  llmc_run *run;
  const llmc_job &job;
  const llmc_format &format;
};

int run(const llmc_host *host, llmc_run *run, const llmc_job *job) {
  return guard(*host, run,
               [&] { Compression(*host, run, *job).compressAll(); });
}

const llmc_option kOptions[] = {
    {sizeof(llmc_option), "reach", "the part of the largest level that is used",
     LLMC_OPTION_REAL, 0, "1.0", 0.5, 2.0, nullptr}};
const llmc_method kMethods[] = {
    {sizeof(llmc_method), "@NAME@.@NAME@",
     "scales that reach the largest number of a group", kOptions, 1, 0, run}};
const llmc_plugin kPlugin = {sizeof(llmc_plugin),
                             LLMC_PLUGIN_ABI,
                             1,
                             "@NAME@",
                             "0.1",
                             kMethods,
                             1,
                             nullptr,
                             0,
                             nullptr,
                             0};

} // namespace

extern "C" LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1() {
  return &kPlugin;
}
