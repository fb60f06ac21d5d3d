//===- Machine.cpp - What this process may use of the machine -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Default number of threads. Two hardware threads of one core share its
// multipliers, another NUMA node doubles the way to memory, and a container's
// quota stops threads beyond it for whole scheduling periods, so each of the
// three is a limit. Files that are missing or odd are no limit.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Machine.h"
#include "llmc/Runtime/Team.h"
#include <algorithm>
#include <fcntl.h>
#include <map>
#include <sched.h>
#include <set>
#include <unistd.h>
#include <vector>

using namespace llmc;

/// The first 4 KiB of a file of /proc or /sys; empty when there is none.
static std::string readSmall(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return {};
  char text[4096];
  ssize_t length = read(fd, text, sizeof(text));
  close(fd);
  return std::string(text, length > 0 ? length : 0);
}

static bool readNumber(const std::string &path, long &value) {
  std::string text = readSmall(path);
  char *end;
  value = strtol(text.c_str(), &end, 10);
  return end != text.c_str();
}

/// Numbers of the processors in the affinity mask.
static std::vector<int> allowedProcessors() {
  std::vector<int> allowed;
  // The kernel wants a mask as large as its own; grow until it is content.
  for (int bits = 1024; bits <= 65536; bits *= 2) {
    cpu_set_t *mask = CPU_ALLOC(bits);
    size_t size = CPU_ALLOC_SIZE(bits);
    if (mask && sched_getaffinity(0, size, mask) == 0) {
      for (int i = 0; i != bits; ++i)
        if (CPU_ISSET_S(i, size, mask))
          allowed.push_back(i);
      CPU_FREE(mask);
      break;
    }
    CPU_FREE(mask);
  }
  return allowed;
}

/// Whole processors the quotas of this process's cgroups allow, rounded up.
static unsigned cgroupLimit() {
  double limit = 1 << 20;
  std::string groups = readSmall("/proc/self/cgroup");
  size_t at = 0;
  while (at < groups.size()) {
    std::string line = groups.substr(at, groups.find('\n', at) - at);
    at += line.size() + 1;
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos)
      continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    bool unified = controllers.empty();
    if (!unified && controllers.find("cpu") == std::string::npos)
      continue;
    std::string root = "/sys/fs/cgroup";
    if (!unified)
      root += "/" + controllers;
    // A parent's quota binds its children; within a container only the root
    // may be visible.
    while (true) {
      double quota = 0, period = 0;
      if (unified) {
        std::string text = readSmall(root + path + "/cpu.max");
        if (sscanf(text.c_str(), "%lf %lf", &quota, &period) != 2)
          quota = 0;
      } else {
        long q = 0, p = 0;
        if (readNumber(root + path + "/cpu.cfs_quota_us", q) &&
            readNumber(root + path + "/cpu.cfs_period_us", p)) {
          quota = q;
          period = p;
        }
      }
      if (quota > 0 && period > 0)
        limit = std::min(limit, quota / period);
      size_t slash = path.rfind('/');
      if (path.empty() || slash == std::string::npos)
        break;
      path.resize(slash);
    }
  }
  unsigned whole = static_cast<unsigned>(limit);
  return whole + (limit > whole);
}

unsigned llmc::defaultThreadCount() {
  // Distinct cores per NUMA node among the allowed processors.
  std::map<long, std::set<std::pair<long, long>>> coresOfNode;
  for (int cpu : allowedProcessors()) {
    std::string folder =
        "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/";
    long package = 0, core = cpu, node = 0;
    readNumber(folder + "topology/physical_package_id", package);
    if (!readNumber(folder + "topology/core_id", core))
      core = cpu;
    for (long i = 0; i != 64; ++i)
      if (access((folder + "node" + std::to_string(i)).c_str(), F_OK) == 0) {
        node = i;
        break;
      }
    coresOfNode[node].insert({package, core});
  }
  size_t cores = 1;
  for (auto &[node, set] : coresOfNode)
    cores = std::max(cores, set.size());
  return std::max(1u, std::min<unsigned>(cores, cgroupLimit()));
}

uint64_t llmc::lastLevelCacheBytes() {
  uint64_t largest = 0;
  for (int index = 0; index != 10; ++index) {
    std::string text = readSmall("/sys/devices/system/cpu/cpu0/cache/index" +
                                 std::to_string(index) + "/size");
    char *end;
    uint64_t size = strtoull(text.c_str(), &end, 10);
    if (*end == 'K')
      size <<= 10;
    else if (*end == 'M')
      size <<= 20;
    largest = std::max(largest, size);
  }
  return largest ? largest : UINT64_C(32) << 20;
}

std::string llmc::processorName() {
  std::string text = readSmall("/proc/cpuinfo");
  size_t at = text.find("model name");
  if (at == std::string::npos)
    return "unknown processor";
  at = text.find(':', at);
  if (at == std::string::npos)
    return "unknown processor";
  at = text.find_first_not_of(" \t", at + 1);
  return text.substr(at, text.find('\n', at) - at);
}
