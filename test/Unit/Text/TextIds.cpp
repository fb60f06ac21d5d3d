//===- TextIds.cpp - Writes the ids of a text file, for exactness.py ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//   TextIds TOKENIZER.json TEXT whole|lines|lines-special
//
// Ids go to stdout as 32-bit numbers, 2^32 - 1 after every line. The ids are
// decoded again, at once and as a stream, and the two compared. Times go to
// stderr.
//
//===----------------------------------------------------------------------===//

#include "llmc/Text/Text.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace llmc;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

static Error failure(const llvm::Twine &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), text);
}

static Expected<std::unique_ptr<llvm::MemoryBuffer>> read(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return failure(path + ": " + buffer.getError().message());
  return std::move(*buffer);
}

/// Fails unless streaming `ids` gives the same text as decoding them.
static Error checkStream(const Tokenizer &tokenizer,
                         llvm::ArrayRef<uint32_t> ids, double &seconds) {
  auto start = Clock::now();
  Expected<TokenStream> stream = TokenStream::open(tokenizer, {});
  if (!stream)
    return stream.takeError();
  std::string streamed;
  for (uint32_t id : ids) {
    Expected<std::string> piece = stream->push(id);
    if (!piece)
      return piece.takeError();
    streamed += *piece;
  }
  Expected<std::string> last = stream->flush();
  if (!last)
    return last.takeError();
  streamed += *last;
  seconds += secondsSince(start);
  Expected<std::string> whole = tokenizer.decode(ids);
  if (!whole)
    return whole.takeError();
  if (streamed != *whole)
    return failure("the streamed text differs from the decoded one");
  return Error::success();
}

static Error run(StringRef tokenizerPath, StringRef textPath, StringRef mode) {
  auto json = read(tokenizerPath);
  if (!json)
    return json.takeError();
  auto text = read(textPath);
  if (!text)
    return text.takeError();
  auto start = Clock::now();
  Expected<Tokenizer> tokenizer = Tokenizer::open((*json)->getBuffer());
  if (!tokenizer)
    return tokenizer.takeError();
  double load = secondsSince(start);

  llvm::SmallVector<StringRef, 0> lines;
  if (mode == "whole")
    lines.push_back((*text)->getBuffer());
  else if (mode == "lines" || mode == "lines-special")
    (*text)->getBuffer().split(lines, '\n');
  else
    return failure("expected whole, lines or lines-special but got " + mode);

  double encode = 0, stream = 0;
  for (StringRef line : lines) {
    start = Clock::now();
    auto ids = tokenizer->encode(line, mode == "lines-special");
    if (!ids)
      return ids.takeError();
    encode += secondsSince(start);
    if (Error error = checkStream(*tokenizer, *ids, stream))
      return error;
    ids->push_back(UINT32_MAX);
    llvm::outs().write(reinterpret_cast<const char *>(ids->data()),
                       ids->size() * sizeof(uint32_t));
  }
  llvm::errs() << llvm::format("load %.1f ms, encode %.2f MB/s, stream %.3f s",
                               load * 1e3,
                               (*text)->getBufferSize() / encode / 1e6, stream);
  return Error::success();
}

int main(int argc, char **argv) {
  if (argc != 4) {
    llvm::errs() << "usage: TextIds TOKENIZER.json TEXT "
                    "whole|lines|lines-special\n";
    return 2;
  }
  if (Error error = run(argv[1], argv[2], argv[3])) {
    llvm::errs() << "error: " << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  return 0;
}
