//===- Verbs.cpp - The table of verbs, and what they share ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

using namespace llmc;

static const OptionSpec kThreads = {
    "threads", "N", "threads to use [physical cores this process may use]"};
static const OptionSpec kContext = {
    "context", "N", "most tokens a session holds [what the model names]"};
static const OptionSpec kMaxTokens = {
    "max-tokens,n", "N",
    "most tokens to generate [until the model ends or the context is full]"};
static const OptionSpec kTemperature = {
    "temperature", "T",
    "0 takes the most probable token, 1 draws as the model says [0]"};
static const OptionSpec kMinP = {
    "min-p", "P", "only tokens at least P times as probable as the first [0]"};
static const OptionSpec kTopK = {"top-k", "K",
                                 "only the K most probable tokens [0: all]"};
static const OptionSpec kTopP = {
    "top-p", "P",
    "only the most probable tokens that together reach P [1: all]"};
static const OptionSpec kSeed = {"seed", "N", "of the random numbers [0]"};
static const char kSampling[] =
    "The same seed gives the same text. The filters apply in the order above.";
static const OptionSpec kNoVerify = {
    "no-verify", nullptr,
    "do not compare the hashes of weights and texts before the start, which "
    "reads them once: for a model larger than the memory, or for texts that "
    "were edited"};
static const OptionSpec kMatch = {
    "match", "REGEX",
    "the recipe is only for weights in whose name this is found; the others "
    "stay in f32 [all]"};
static const OptionSpec kCalibration = {
    "calibration", "FILE",
    "run the language model on this text first, so that methods weigh errors "
    "by "
    "what matrices are multiplied with; in place of the text that the recipe "
    "names [what the recipe says]"};
static const OptionSpec kPlugin = {
    "plugin", "FILE",
    "load a plugin: methods and formats that recipes can name, passes, "
    "operators, metrics; may be "
    "repeated, and LLMC_PLUGIN_PATH names folders of them; 'llmc plugin list' "
    "shows what they bring"};
static const OptionSpec kPluginSandbox = {
    "plugin-sandbox", nullptr,
    "run methods of plugins in processes of their own: one that crashes, hangs "
    "or takes too much memory costs its matrix, which rtn then compresses"};
static const OptionSpec kPluginTime = {
    "plugin-time-limit", "N",
    "with --plugin-sandbox: seconds that a method may take for a matrix [600]"};
static const OptionSpec kPluginMemory = {
    "plugin-memory-limit", "N",
    "with --plugin-sandbox: MiB that a method may take beside the matrix "
    "[4096]"};
static const OptionSpec kJson = {"json", nullptr, "print one JSON object"};

const std::vector<OptionSpec> &llmc::commonOptions() {
  static const std::vector<OptionSpec> options = {
      {"help,h", nullptr, "show this help"},
      {"quiet,q", nullptr, "errors only"},
      {"no-color", nullptr, "no color, as with NO_COLOR=1"},
  };
  return options;
}

const std::vector<VerbSpec> &llmc::verbs() {
  static const std::vector<VerbSpec> table = {
      {"compile",
       "turn an ONNX model into a bundle of native code and weights",
       "  llmc compile model.onnx -o bundle        for this machine\n"
       "  llmc compile model/ -o b --context 4096  a folder with model.onnx\n"
       "  llmc compile m.onnx --emit=exe -o talk   a program: ./talk chat\n"
       "  llmc compile m.onnx --emit=nn            print the model as llmc "
       "sees it\n",
       {"MODEL"},
       {{"output,o", "PATH",
         "folder of the bundle, where an older bundle is replaced; or file of "
         "another --emit, - is stdout"},
        {"target", "CPU",
         "CPU to compile for, as LLVM names it: x86-64-v3, znver4, "
         "neoverse-n1 [host]"},
        {"emit", "KIND",
         "what to make: nn, linalg, llvm or asm text; obj; lib, a library with "
         "its header and weights beside it; exe, a program with its bundle "
         "beside it; bundle [bundle]",
         "nn linalg llvm asm obj lib exe bundle"},
        {"prefix", "NAME",
         "with --emit=lib: what the names in the header begin with; models "
         "that "
         "share a program need different ones [llmc]"},
        {"entry", "NAME",
         "what callers can run: main is the model's own signature, lm the "
         "language model (2/3 of the time to compile), all both; auto is main, "
         "and lm where there is one [auto]",
         "auto main lm all"},
        {"recipe", "NAME", "how weights are stored [f32]"},
        kMatch,
        kCalibration,
        kPlugin,
        kPluginSandbox,
        kPluginTime,
        kPluginMemory,
        {"kv", "FORMAT",
         "how the entry lm stores keys and values: f32; bf16, 1/2 of the "
         "memory; "
         "i8, bytes with a scale for each head and token, about 1/4 [what the "
         "recipe says: i8 for w4 and w3, else f32]",
         "f32 bf16 i8"},
        {"context", "N",
         "default context of sessions, in tokens [what the files beside the "
         "model say, else 2048]"},
        {"chunk", "N",
         "longest piece of a prompt that is worked on at once, in tokens "
         "[512]"},
        {"dim", "NAME=N", "fix a named dimension; may be repeated"},
        {"threads", "N", "threads of the compiler [physical cores]"},
        {"dry-run", nullptr,
         "say what would be written (entries, operators, weights, scratch "
         "memory) and write nothing"},
        {"json", nullptr, "with --dry-run: print one JSON object"},
        {"force,f", nullptr,
         "accepted for scripts; an older bundle is replaced without it, too"},
        {"timing", nullptr, "print the time of every step"},
        {"print-pipeline", nullptr,
         "print the passes of every step, those of plugins too, as llmc-opt "
         "takes them"},
        {"verbose,v", nullptr, "name every step and decision"}},
       nullptr,
       runCompile},
      {"compress",
       "write a compressed model as a file for other tools",
       "  llmc compress model.onnx -o small.onnx           for ONNX Runtime\n"
       "  llmc compress model/ -o small.onnx --recipe w8   8 bits\n"
       "  llmc compress m.onnx -o s.onnx --style qdq       standard operators "
       "only\n"
       "  llmc compress model/ -o small.gguf               for llama.cpp\n",
       {"MODEL"},
       {{"output,o", "FILE",
         "what to make: FILE.onnx, with its tensors in FILE.onnx.data beside "
         "it, or FILE.gguf"},
        {"recipe", "NAME", "how weights are stored [w4-onnx or w4-gguf]"},
        kMatch,
        kCalibration,
        kPlugin,
        kPluginSandbox,
        kPluginTime,
        kPluginMemory,
        {"style", "NAME",
         "of ONNX files: nbits for MatMulNBits and GatherBlockQuantized of "
         "com.microsoft, which ONNX Runtime computes on codes; qdq for "
         "DequantizeLinear of the standard, from version 21 of the operator "
         "set on [nbits; nodes that come with codes stay]",
         "nbits qdq"},
        {"force,f", nullptr, "replace files that are there"},
        {"threads", "N", "threads to compress with [physical cores]"},
        {"timing", nullptr, "print the time of every step"},
        {"verbose,v", nullptr, "name every step and decision"}},
       "The file holds the very values that the recipe gives. Where its format "
       "has no place for them the weight is named, and what would do. Nodes "
       "and "
       "tensors of an ONNX file that the recipe leaves alone keep their bytes. "
       "GGUF files are written for models of the architecture Llama, with the "
       "tokenizer that lies beside the model. What is stopped goes on where it "
       "was when the same command is given again.",
       runCompress},
      {"run",
       "run a model on arrays",
       "  llmc run bundle --input x=a.npy --output-dir out\n"
       "  llmc run bundle --input arrays.npz       every array under its name\n"
       "  llmc run bundle --input a.npy            a model with one input; "
       "prints\n",
       {"DIR"},
       {{"input,i", "[NAME=]FILE",
         "an input: npy, or npz for several; may be "
         "repeated"},
        {"output-dir,o", "DIR",
         "write each output to DIR/NAME.npy; without it "
         "outputs are printed"},
        {"entry", "NAME", "which entry [main, or the only one]"},
        {"dim", "NAME=N", "a symbol that no input determines; may be repeated"},
        kContext,
        kThreads,
        kNoVerify},
       "Values that are printed are cut to eight per output, and it says so.",
       runRun},
      {"generate",
       "continue a text with a language model",
       "  llmc generate bundle --prompt 'Once upon a time'\n"
       "  llmc generate bundle --chat --prompt 'What is the capital of "
       "France?'\n"
       "  llmc generate bundle --ids 1,403,407 --max-tokens 10\n",
       {"DIR"},
       {{"prompt,p", "TEXT",
         "the text to continue [stdin, when that is no terminal]"},
        {"chat", nullptr,
         "the prompt is a question: put it into the model's chat template"},
        {"system", "TEXT", "with --chat: what the model is told first"},
        {"ids", "1,2,3", "token ids instead of a text; ids are printed, too"},
        kMaxTokens,
        kTemperature,
        kMinP,
        kTopK,
        kTopP,
        kSeed,
        kContext,
        kThreads,
        kNoVerify},
       kSampling,
       runGenerate},
      {"chat",
       "talk with a language model",
       "  llmc chat bundle\n"
       "  llmc chat bundle --system 'Answer in one sentence.'\n"
       "  echo 'What is the capital of France?' | llmc chat bundle\n",
       {"DIR"},
       {{"system", "TEXT", "what the model is told first"},
        {"timing", nullptr, "print the speed after each answer"},
        kMaxTokens,
        kTemperature,
        kMinP,
        kTopK,
        kTopP,
        kSeed,
        kContext,
        kThreads,
        kNoVerify},
       kSampling,
       runChat},
      {"info",
       "show what a bundle or a model contains; runs no code of it",
       "  llmc info bundle\n"
       "  llmc info model.onnx --json\n",
       {"PATH"},
       {{"plugin", "FILE",
         "load a plugin with importers of operators, for a model; may be "
         "repeated, and LLMC_PLUGIN_PATH names folders of them"},
        kJson},
       nullptr,
       runInfo},
      {"bench",
       "measure prefill and decode, beside what the memory allows",
       "  llmc bench bundle\n"
       "  llmc bench bundle --threads 1 --prompt-tokens 128 --json\n",
       {"DIR"},
       {{"prompt-tokens", "N", "length of the prompt [512, or what fits]"},
        {"decode-tokens", "N", "tokens to decode [64, or what fits]"},
        {"repetitions", "N", "runs of each; the median counts [5]"},
        kJson,
        kContext,
        kThreads,
        kNoVerify},
       "Ids are made up: speed does not depend on what is said.",
       runBench},
      {"eval",
       "measure how well a language model predicts a text, and how far it is "
       "from another",
       "  llmc eval bundle --text wiki.txt              perplexity\n"
       "  llmc eval w4 --text wiki.txt --against f32    and divergence from "
       "f32\n"
       "  llmc eval bundle --text wiki.txt --protocol llama.cpp --context "
       "512\n",
       {"DIR"},
       {{"text,t", "FILE", "the text, UTF-8; all of it, as one text"},
        {"ids-file", "FILE", "instead of a text, its token ids: an npy file"},
        {"against", "DIR",
         "the reference: a bundle of the same vocabulary, run on the same "
         "tokens"},
        {"protocol", "NAME",
         "how the text is cut and what is scored, see below [window]",
         "window llama.cpp"},
        {"context", "N",
         "tokens of a window [the model's context, at most 2048; llama.cpp: "
         "at most 512]"},
        {"stride", "N",
         "tokens from one window to the next [windows do not overlap]"},
        {"bos", "WHEN",
         "whether each window begins with the model's begin token; auto: "
         "where the tokenizer puts one before a text [auto]",
         "auto yes no"},
        {"max-tokens,n", "N", "only the first N tokens of the text [all]"},
        {"seed", "N", "of the drawings that give the intervals [0]"},
        {"metric", "NAME",
         "another figure beside these: one of a plugin, or perplexity, kl or "
         "top1 of llmc; may be repeated, and 'llmc plugin list' shows all"},
        {"plugin", "FILE",
         "load a plugin with metrics; may be repeated, and LLMC_PLUGIN_PATH "
         "names folders of them"},
        kJson,
        kThreads,
        kNoVerify},
       "Protocol window: a window scores each of its tokens that has a token "
       "before it and that no window before has scored. Protocol llama.cpp, "
       "that of its perplexity tool: whole windows that do not overlap, the "
       "begin token in place of their first token, and the second half is "
       "scored. Divergence (KL) is that of the model from the reference, in "
       "nats. Brackets are intervals of 95 % from a paired bootstrap over "
       "blocks of 64 tokens. The same bundle, text and seed give the same "
       "figures with any number of threads.",
       runEval},
      {"plugin",
       "list methods, formats and metrics, check a plugin, or begin one",
       "  llmc plugin list                        methods and their options\n"
       "  llmc plugin list --plugin ./mine.so     with those of a plugin\n"
       "  llmc plugin check ./mine.so             does it keep what it must?\n"
       "  llmc plugin new mine --kind method      a project to begin with\n"
       "  llmc plugin new mine --lang rust        the same in Rust\n",
       {"ACTION", "[FILE|NAME]"},
       {kPlugin,
        {"kind", "KIND", "of new: what the plugin brings [method]",
         "method format metric pass importer"},
        {"lang", "LANGUAGE",
         "of new: the language of the project [the first that the kind has]",
         "c cpp rust"},
        {"time-limit", "N", "of check: seconds that one check may take [20]"},
        kJson},
       "A check runs in a process of its own, so that one that crashes, ends "
       "the program or never returns is reported like any other. A plugin that "
       "was built with -fsanitize=address, undefined or thread is checked with "
       "the runtime of that sanitizer, and what it reports is a failed check. "
       "Exit code 1: a check failed.",
       runPlugin},
      {"help",
       "explain a verb",
       "  llmc help generate\n",
       {},
       {},
       nullptr,
       runHelp},
      {"completion",
       "print a script that completes words in a shell",
       "  source <(llmc completion bash)\n"
       "  llmc completion fish > ~/.config/fish/completions/llmc.fish\n",
       {"SHELL"},
       {},
       "SHELL is bash, zsh or fish.",
       runCompletion},
  };
  return table;
}

Fault llmc::takeError(llmc_error *error) {
  Fault fault{static_cast<Blame>(llmc_error_status(error)),
              llmc_error_text(error)};
  llmc_error_free(error);
  return fault;
}

Fault llmc::openModel(const Arguments &arguments, ModelHandle &out) {
  return openModel(arguments, arguments.positional[0], out);
}

Fault llmc::openModel(const Arguments &arguments, const std::string &folder,
                      ModelHandle &out) {
  int64_t threads = 0;
  if (Fault fault = arguments.number("threads", 1, 1024, threads))
    return fault;
  llmc_model_options options = {sizeof(options), static_cast<unsigned>(threads),
                                arguments.has("no-verify")};
  llmc_error *error = nullptr;
  out.reset(llmc_model_open(folder.c_str(), &options, &error));
  return out ? Fault() : takeError(error);
}

Fault llmc::parseDims(const Arguments &arguments,
                      std::vector<std::pair<std::string, int64_t>> &dims) {
  for (const std::string &text : arguments.all("dim")) {
    size_t equals = text.rfind('=');
    char *end = nullptr;
    errno = 0;
    long long value = equals == std::string::npos
                          ? -1
                          : strtoll(text.c_str() + equals + 1, &end, 10);
    if (!end || end == text.c_str() + equals + 1 || *end || errno ||
        value < 0 || equals == 0)
      return Fault::usage("expected --dim to be NAME=NUMBER but got '" + text +
                          "'");
    dims.emplace_back(text.substr(0, equals), value);
  }
  return {};
}

Fault llmc::parseIds(const std::string &text, std::vector<int64_t> &ids) {
  const char *at = text.c_str();
  while (true) {
    at += strspn(at, ", \t\n\r");
    if (!*at)
      return {};
    char *end;
    errno = 0;
    long long id = strtoll(at, &end, 10);
    if (end == at || errno || (*end && !strchr(", \t\n\r", *end)))
      return Fault::usage("expected token ids like 1,2,3 but got '" +
                          std::string(at, strcspn(at, ", \t\n\r")) + "'");
    ids.push_back(id);
    at = end;
  }
}

std::string llmc::ownPath() {
  std::string self(4096, '\0');
  ssize_t length = readlink("/proc/self/exe", self.data(), self.size());
  self.resize(length > 0 ? length : 0);
  return self;
}

Fault llmc::findCompiler(const char *function, void *&address) {
  std::string self = ownPath();
  std::string folder = self.substr(0, self.rfind('/') + 1);
  std::string path = folder + "../lib/libllmc.so";
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Fault::machine(std::string("cannot load the compiler: ") +
                          dlerror());
  address = dlsym(library, function);
  if (!address)
    return Fault::machine("'" + path + "' is of another version: it lacks " +
                          function);
  return {};
}

std::string llmc::bytesText(uint64_t bytes) {
  if (bytes < 1024)
    return fmt::format("{} B", bytes);
  double value = bytes;
  const char *unit = "B";
  for (const char *next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1024)
      break;
    value /= 1024;
    unit = next;
  }
  int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, digits, unit);
}

double llmc::secondsNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

std::string llmc::jsonText(const std::string &text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', static_cast<char>(c)};
    else if (c < 0x20)
      out += fmt::format("\\u{:04x}", c);
    else
      out += static_cast<char>(c);
  }
  return out + "\"";
}
