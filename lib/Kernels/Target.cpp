//===- Target.cpp - From processor names to what kernels use --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Target.h"
#include "llmc/Support/Nearest.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/AArch64TargetParser.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/TargetParser/X86TargetParser.h"

using namespace llvm;
using namespace llmc;

SmallVector<int64_t> Target::rowTiles(int64_t blockRows) const {
  int64_t columns = std::max<int64_t>(1, blockRows / lanes());
  // One register is left for the broadcast of an input, one for masks or
  // addresses that the allocator keeps in vectors.
  int64_t most =
      std::clamp<int64_t>((registers - columns - 2) / columns, 1, 12);
  SmallVector<int64_t> tiles;
  for (int64_t tile : {12, 8, 6, 4, 3, 2, 1})
    if (tile <= most)
      tiles.push_back(tile);
  return tiles;
}

/// Names of features that are on; for x86 with all they imply.
using Features = StringMap<bool>;

static void setFeature(Features &features, const Triple &triple, StringRef name,
                       bool on) {
  features[name] = on;
  if (triple.isX86())
    X86::updateImpliedFeatures(name, on, features);
}

static void describeX86(Target &target, const Features &has) {
  // A processor that prefers 256-bit vectors has slow 512-bit ones.
  bool wide = has.lookup("avx512f") && has.lookup("avx512vl") &&
              !has.lookup("prefer-256-bit");
  target.vectorBits = wide ? 512 : has.lookup("avx") ? 256 : 128;
  target.registers = has.lookup("avx512vl") ? 32 : 16;
  target.fma = has.lookup("fma");
  target.halves = has.lookup("f16c");
  bool vnni = wide ? has.lookup("avx512vnni")
                   : has.lookup("avxvnni") ||
                         (has.lookup("avx512vnni") && has.lookup("avx512vl"));
  if (vnni && target.vectorBits >= 256)
    target.dot = DotUnit::Vnni;
  else if (wide ? has.lookup("avx512bw")
                : target.vectorBits == 128 || has.lookup("avx2"))
    target.dot = DotUnit::Madd;
  if (wide && has.lookup("avx512bw"))
    target.byteShuffle = "llvm.x86.avx512.pshuf.b.512";
  else if (!wide && has.lookup("avx2"))
    target.byteShuffle = "llvm.x86.avx2.pshuf.b";
  else if (target.vectorBits == 128 && has.lookup("ssse3"))
    target.byteShuffle = "llvm.x86.ssse3.pshuf.b.128";
  if (has.lookup("avx512vbmi") && (wide || has.lookup("avx512vl")))
    target.bytePermute =
        "llvm.x86.avx512.permvar.qi." + std::to_string(wide ? 512 : 256);
  target.cacheBytes = has.lookup("avx512f") ? 1024 * 1024 : 512 * 1024;
}

/// Which dot products an aarch64 processor has; only asked of named ones and
/// of changes, since the baseline has none.
static void describeAArch64(Target &target, ArrayRef<StringRef> changes) {
  bool dot = false;
  if (auto cpu = AArch64::parseCpu(target.cpu))
    dot = cpu->getImpliedExtensions().test(AArch64::AEK_DOTPROD);
  for (StringRef change : changes)
    if (change.drop_front() == "dotprod")
      dot = change.starts_with("+");
  if (dot)
    target.dot = DotUnit::Sdot;
}

static bool isX86Name(StringRef cpu) {
  return X86::parseArchX86(cpu, /*Only64Bit=*/true) != X86::CK_None;
}

/// The processors of both families whose code can be made.
static std::string describeUnknown(StringRef cpu) {
  SmallVector<StringRef> known{"host"};
  X86::fillValidCPUArchList(known, /*Only64Bit=*/true);
  AArch64::fillValidCPUArchList(known);
  // A third of the letters may differ.
  StringRef near = findNearest(cpu, known, cpu.size() / 3 + 1);
  return "unknown processor '" + cpu.str() + "'; " +
         (near.empty() ? "expected host or a name that LLVM knows, such as "
                         "x86-64-v3, znver4 or neoverse-n1"
                       : "did you mean '" + near.str() + "'?");
}

/// The triple for a processor: the host's where it is of its family.
static Expected<Triple> chooseTriple(StringRef cpu) {
  Triple host(sys::getDefaultTargetTriple());
  if (cpu.empty() || cpu == "host")
    return host;
  if (isX86Name(cpu))
    return host.isX86() ? host : Triple("x86_64-unknown-linux-gnu");
  if (AArch64::parseCpu(cpu))
    return host.isAArch64() ? host : Triple("aarch64-unknown-linux-gnu");
  return createStringError(describeUnknown(cpu));
}

Expected<Target> Target::resolve(StringRef cpu, StringRef features,
                                 StringRef tripleText) {
  Target target;
  Triple triple;
  if (tripleText.empty()) {
    auto chosen = chooseTriple(cpu);
    if (!chosen)
      return chosen.takeError();
    triple = *chosen;
  } else {
    triple = Triple(Triple::normalize(tripleText));
  }
  target.triple = triple.str();
  Features has;
  SmallVector<StringRef> changes;
  features.split(changes, ',', -1, /*KeepEmpty=*/false);

  std::string text;
  if (cpu == "host") {
    if (triple.getArch() != Triple(sys::getDefaultTargetTriple()).getArch())
      return createStringError("the processor 'host' is not of the target '" +
                               target.triple + "'");
    target.cpu = sys::getHostCPUName().str();
    StringMap<bool> host = sys::getHostCPUFeatures();
    SmallVector<StringRef> names;
    for (auto &entry : host)
      names.push_back(entry.getKey());
    llvm::sort(names);
    for (StringRef name : names) {
      text +=
          (text.empty() ? "" : ",") + ((host[name] ? "+" : "-") + name).str();
      has[name] = host[name];
    }
  } else {
    target.cpu = cpu.str();
    if (triple.isX86()) {
      SmallVector<StringRef> implied;
      StringRef known = cpu.empty() ? "x86-64" : cpu;
      if (!isX86Name(known))
        return createStringError("unknown processor '" + cpu.str() + "' for '" +
                                 target.triple + "'");
      target.cpu = known.str();
      X86::getFeaturesForCPU(known, implied);
      for (StringRef name : implied) {
        name.consume_front("+");
        setFeature(has, triple, name, true);
      }
    }
  }
  for (StringRef change : changes) {
    StringRef name = change.drop_front();
    if (!change.starts_with("+") && !change.starts_with("-"))
      return createStringError("expected '+' or '-' before the feature '" +
                               change.str() + "'");
    setFeature(has, triple, name, change.starts_with("+"));
    text += (text.empty() ? "" : ",") + change.str();
  }
  target.features = text;
  if (triple.isX86()) {
    describeX86(target, has);
  } else if (triple.isAArch64()) {
    target.registers = 32;
    target.fma = true;
    target.halves = true;
    target.byteShuffle = "llvm.aarch64.neon.tbl1.v16i8";
    describeAArch64(target, changes);
  } else {
    // Vectors of 128 bits are legal or taken apart everywhere.
    target.fma = triple.isRISCV();
  }
  return target;
}
