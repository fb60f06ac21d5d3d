//===- Packaging.cpp - Models as libraries and programs -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Packaging.h"
#include "llmc/Codegen/Bundle.h"
#include "llmc/Codegen/Emit.h"

#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace llmc;
namespace fs = llvm::sys::fs;
namespace json = llvm::json;
namespace path = llvm::sys::path;
using llvm::StringRef;

/// "f32 [seq, 64]" of a described tensor.
static std::string typeText(const json::Object &tensor) {
  std::string text = tensor.getString("dtype")->str() + " [";
  for (const json::Value &extent : *tensor.getArray("shape")) {
    if (!StringRef(text).ends_with("["))
      text += ", ";
    if (auto formula = extent.getAsString())
      text += *formula;
    else
      text += std::to_string(extent.getAsInteger().value_or(0));
  }
  return text + "]";
}

/// Names of a model may hold what ends a comment.
static std::string commentText(StringRef text) {
  std::string safe = text.str();
  for (size_t at = 0; (at = safe.find("*/", at)) != std::string::npos;)
    safe.replace(at, 2, "* ");
  std::replace_if(
      safe.begin(), safe.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  // A backslash at the end of a line, or a trigraph of one, joins lines.
  std::replace(safe.begin(), safe.end(), '\\', '/');
  return safe;
}

static std::string describeCalls(const json::Object &entry, StringRef prefix) {
  std::string name = entry.getString("name")->str();
  std::string text = "/* " + name + "\n";
  const json::Array &symbols = *entry.getArray("symbols");
  for (auto [i, symbol] : llvm::enumerate(symbols))
    text +=
        llvm::formatv(" *   symbols[{0}]  {1}\n", i,
                      commentText(*symbol.getAsObject()->getString("name")));
  size_t place = 0;
  for (StringRef kind : {"inputs", "outputs", "states"})
    for (const json::Value &value : *entry.getArray(kind)) {
      const json::Object &tensor = *value.getAsObject();
      text += llvm::formatv(" *   buffers[{0}]  {1} {2}: {3}\n", place++,
                            kind.drop_back(),
                            commentText(*tensor.getString("name")),
                            commentText(typeText(tensor)));
    }
  text += " */\n";
  std::string macro = prefix.upper() + "_" + name;
  text += llvm::formatv("#define {0}_SYMBOLS {1}\n", macro, symbols.size());
  for (StringRef kind : {"inputs", "outputs", "states"})
    text += llvm::formatv("#define {0}_{1} {2}\n", macro, kind.upper(),
                          entry.getArray(kind)->size());
  return text +
         llvm::formatv(
             "void {0}_run_{1}(llmc_ctx *ctx, const int64_t *symbols, void "
             "*const *buffers,\n    const void *weights, void *arena);\n"
             "int64_t {0}_arena_{1}(const int64_t *symbols);\n"
             "void {0}_shape_{1}(const int64_t *symbols, int64_t *dims);\n\n",
             prefix, name)
             .str();
}

std::string llmc::buildModelHeader(const json::Array &entries,
                                   const WeightFile &weights,
                                   StringRef prefix) {
  std::string text = llvm::formatv(
      "/* Entries of this model; llmc/Runtime/abi.h says how they are called. "
      "*/\n"
      "#ifndef {0}_MODEL_H\n#define {0}_MODEL_H\n\n"
      "#include \"llmc/Runtime/abi.h\"\n\n"
      "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n"
      "/* Of the file of the weights: where its data begins, and how much it "
      "is.\n * `weights` points to these bytes, mapped or read. */\n"
      "#define {0}_WEIGHTS_OFFSET {1}\n#define {0}_WEIGHTS_BYTES {2}\n\n",
      prefix.upper(), weights.fileBytes - weights.dataBytes, weights.dataBytes);
  for (const json::Value &entry : entries)
    text += describeCalls(*entry.getAsObject(), prefix);
  return text + "#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
}

mlir::LogicalResult llmc::renameFunctions(mlir::ModuleOp module,
                                          StringRef prefix) {
  if (prefix == "llmc")
    return mlir::success();
  mlir::SymbolTable symbols(module);
  for (auto function :
       llvm::to_vector(module.getOps<mlir::LLVM::LLVMFuncOp>())) {
    StringRef rest = function.getName();
    if (function.isExternal() || !rest.consume_front("llmc_") ||
        function.getLinkage() != mlir::LLVM::Linkage::External)
      continue;
    std::string name = (prefix + "_" + rest).str();
    if (failed(symbols.rename(function, name)))
      return mlir::failure();
  }
  return mlir::success();
}

static llvm::Error moveFile(StringRef from, StringRef to) {
  if (std::error_code code = fs::rename(from, to))
    return fileError("cannot create", to, code);
  return llvm::Error::success();
}

/// `output` with another ending.
static std::string beside(StringRef output, StringRef ending) {
  llvm::SmallString<256> name(output);
  path::replace_extension(name, ending);
  return name.str().str();
}

llvm::Error llmc::writeLibrary(const BundleFolder &place, StringRef output,
                               StringRef object, const json::Array &entries,
                               const WeightFile &weights, StringRef prefix) {
  std::string library = place.path("library"), header = place.path("model.h");
  if (output.ends_with(".so")) {
    std::string file = place.path("model.o");
    if (llvm::Error error = writeFile(file, object))
      return error;
    if (llvm::Error error = linkShared(file, library))
      return error;
  } else {
    llvm::NewArchiveMember member(llvm::MemoryBufferRef(object, "model.o"));
    member.MemberName = "model.o";
    if (llvm::Error error = llvm::writeArchive(
            library, member, llvm::SymtabWritingMode::NormalSymtab,
            llvm::object::Archive::K_GNU, /*Deterministic=*/true,
            /*Thin=*/false))
      return error;
  }
  if (llvm::Error error =
          writeFile(header, buildModelHeader(entries, weights, prefix)))
    return error;
  if (llvm::Error error =
          moveFile(place.path(kWeightsFile), beside(output, ".safetensors")))
    return error;
  if (llvm::Error error = moveFile(header, beside(output, ".h")))
    return error;
  return moveFile(library, output);
}

std::string llmc::getBundleOfProgram(StringRef output) {
  return (output + ".bundle").str();
}

llvm::Error llmc::writeProgram(StringRef runner, StringRef output) {
  llvm::SmallString<256> partial(path::parent_path(output));
  path::append(partial, "." + path::filename(output) + ".llmc-partial");
  std::error_code code = fs::copy_file(runner, partial);
  if (!code)
    code = fs::setPermissions(partial,
                              fs::all_read | fs::all_exe | fs::owner_write);
  if (!code)
    code = fs::rename(partial, output);
  if (!code)
    return llvm::Error::success();
  std::ignore = fs::remove(partial);
  return fileError("cannot create", output, code);
}
