//===- VerbEval.cpp - llmc eval -------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How well a bundle predicts a text, and how far it is from another bundle.
// What runs here is what ships: the same code and the same packed weights.
//
//===----------------------------------------------------------------------===//
#include "Speech.h"
#include "Verbs.h"
#include "llmc/Driver/CompileRequest.h"
#include "llmc/Eval/Evaluate.h"
#include "llmc/Runtime/Bundle.h"
#include "llmc/Runtime/Npy.h"
#include <fmt/format.h>
#include <unistd.h>

using namespace llmc;

namespace {
enum class BeginToken { Auto, Yes, No };

/// The command line.
struct EvalOptions {
  std::string text, idsFile, reference;
  Protocol protocol;
  BeginToken bos = BeginToken::Auto;
  int64_t maxTokens = INT64_MAX, seed = 0;
  std::vector<std::string> metrics;
  const std::string &source() const { return text.empty() ? idsFile : text; }
};

/// A bundle, opened.
struct Subject {
  std::string folder;
  Manifest manifest;
  ModelHandle model;
  std::unique_ptr<Generator> generator;
};

/// Everything there is to print.
struct Report {
  const EvalOptions &options;
  const Subject &model;
  const Subject *reference;
  int64_t textTokens, windows;
  Summary summary;
  /// With what is made of them.
  std::vector<std::pair<Metric, MetricSummary>> metrics;
  double seconds;
};
} // namespace

//===----------------------------------------------------------------------===//
// What to evaluate
//===----------------------------------------------------------------------===//

static Fault readOptions(const Arguments &arguments, EvalOptions &options) {
  options.text = arguments.text("text");
  options.idsFile = arguments.text("ids-file");
  options.reference = arguments.text("against");
  options.metrics = arguments.all("metric");
  if (options.metrics.empty() && arguments.has("plugin"))
    return Fault::usage("'eval' uses metrics of plugins by name; add --metric "
                        "NAME, or leave out --plugin");
  if (options.text.empty() == options.idsFile.empty())
    return Fault::usage("'eval' needs one of --text FILE and --ids-file FILE");
  Protocol &protocol = options.protocol;
  if (arguments.text("protocol") == "llama.cpp")
    protocol.kind = Protocol::Kind::LlamaCpp;
  std::string bos = arguments.text("bos", "auto");
  options.bos = bos == "yes"  ? BeginToken::Yes
                : bos == "no" ? BeginToken::No
                              : BeginToken::Auto;
  for (Fault fault :
       {arguments.number("context", 2, 1 << 30, protocol.context),
        arguments.number("stride", 1, 1 << 30, protocol.stride),
        arguments.number("max-tokens", 1, INT64_MAX, options.maxTokens),
        arguments.number("seed", 0, INT64_MAX, options.seed)})
    if (fault)
      return fault;
  if (protocol.stride && protocol.kind == Protocol::Kind::LlamaCpp)
    return Fault::usage("the protocol llama.cpp has no stride: its windows do "
                        "not overlap");
  return {};
}

/// The ids of a one-dimensional array of integers.
static Fault readIdsFile(const std::string &path, std::vector<int64_t> &ids) {
  Array array;
  if (Fault fault = readNpy(path, array))
    return fault;
  auto convert = [&](auto zero) {
    ids.resize(array.bytes.size() / sizeof(zero));
    for (size_t i = 0; i != ids.size(); ++i) {
      memcpy(&zero, array.bytes.data() + i * sizeof(zero), sizeof(zero));
      ids[i] = static_cast<int64_t>(zero);
    }
  };
  bool integers = true;
  switch (array.dtype) {
  case LLMC_I64:
    convert(int64_t());
    break;
  case LLMC_I32:
    convert(int32_t());
    break;
  case LLMC_U32:
    convert(uint32_t());
    break;
  case LLMC_U16:
    convert(uint16_t());
    break;
  default:
    integers = false;
  }
  if (integers && array.extents.size() == 1)
    return {};
  return Fault::input("'" + path +
                      "': expected token ids, i64, i32, u32 or u16 of rank 1, "
                      "but got " +
                      dtypeName(array.dtype) + " of rank " +
                      std::to_string(array.extents.size()));
}

/// The ids of the text, and whether its tokenizer puts the model's begin token
/// before a text.
static Fault readText(const EvalOptions &options, const Subject &subject,
                      std::vector<int64_t> &ids, bool &begins) {
  begins = false;
  if (options.text.empty())
    return readIdsFile(options.idsFile, ids);
  // A wrong path is told before what the bundle lacks.
  MappedFile text;
  if (Fault fault = MappedFile::open(options.text, text))
    return fault;
  Speech speech;
  if (Fault fault = Speech::open(subject.folder,
                                 "give token ids with --ids-file", speech))
    return fault;
  const llmc_language_model &spec = subject.generator->model();
  if (Fault fault = speech.checkFits(spec))
    return fault;
  return speech.encodeFile(options.text, spec, ids, begins);
}

/// The window that the command line leaves open.
static int64_t defaultWindow(const Protocol &protocol, const Subject &model) {
  llmc_language_model spec = {};
  llmc_model_language_model(model.model.get(), &spec);
  int64_t usual = protocol.kind == Protocol::Kind::Window ? 2048 : 512;
  return std::min(usual, spec.context);
}

/// Finds the metrics, and says whether all can be measured; an exit code.
static int findMetrics(const Arguments &arguments, const EvalOptions &options,
                       Terminal &terminal, std::vector<MetricValues> &out) {
  if (options.metrics.empty())
    return 0;
  MetricRequest request;
  request.names = options.metrics;
  request.plugins = arguments.all("plugin");
  request.pluginFolders = pluginFolders();
  void *address;
  if (Fault fault = findCompiler("llmc_compiler_metrics", address))
    return terminal.fail(fault);
  if (int code =
          reinterpret_cast<decltype(&llmc_compiler_metrics)>(address)(&request))
    return code;
  for (Metric &metric : request.metrics) {
    if (metric.compares && options.reference.empty())
      return terminal.fail(
          Fault::usage("metric '" + metric.name +
                       "' compares with a reference; add --against DIR"));
    out.push_back({std::move(metric), {}, {}});
  }
  return 0;
}

static Fault open(const Arguments &arguments, const std::string &folder,
                  Subject &subject) {
  subject.folder = folder;
  if (Fault fault = openModel(arguments, folder, subject.model))
    return fault;
  return readManifest(folder, subject.manifest);
}

//===----------------------------------------------------------------------===//
// What came out
//===----------------------------------------------------------------------===//

/// "14.1234 [14.01, 14.23]" with numbers times `scale`.
static std::string plainEstimate(const Summary &summary,
                                 const Estimate &estimate, int digits,
                                 const char *unit = "", double scale = 1) {
  std::string text =
      fmt::format("{:.{}f}{}", scale * estimate.value, digits, unit);
  if (summary.hasIntervals)
    text += fmt::format(" [{:.{}f}, {:.{}f}]", scale * estimate.low, digits,
                        scale * estimate.high, digits);
  return text;
}

static std::string plainMetric(const Report &report, const Metric &metric,
                               const MetricSummary &summary) {
  std::string unit = metric.unit.empty() ? "" : " " + metric.unit;
  auto estimate = [&](const Estimate &value) {
    return plainEstimate(report.summary, value, 6, unit.c_str());
  };
  std::string text =
      fmt::format("{:<18} {}", metric.name, estimate(summary.value));
  if (metric.better != MetricBetter::Neither)
    text += fmt::format(", {} is better", getBetterName(metric.better));
  if (summary.hasReference)
    text +=
        fmt::format("; reference {}, difference {}",
                    estimate(summary.reference), estimate(summary.difference));
  return text + fmt::format("; of tokens: median {:.6f}, 99.9th percentile "
                            "{:.5f}, largest {:.5f}\n",
                            summary.median, summary.tail, summary.largest);
}

static std::string plainText(const Report &report) {
  const Summary &s = report.summary;
  std::string text = fmt::format(
      "{}: {} of {} tokens scored, {} {}\n", report.options.source(), s.tokens,
      report.textTokens, report.windows, protocolText(report.options.protocol));
  auto line = [&](const char *name, const std::string &value) {
    text += fmt::format("{:<19}{}\n", name, value);
  };
  line("perplexity", plainEstimate(s, s.perplexity, 4));
  if (report.reference) {
    line("reference", plainEstimate(s, s.referencePerplexity, 4));
    line("excess", plainEstimate(s, s.excess, 3, " %", 100));
    line("divergence (KL)", plainEstimate(s, s.meanDivergence, 6));
    line("99.9th percentile", plainEstimate(s, s.tailDivergence, 5));
    line("median, largest", fmt::format("{:.6f}, {:.5f}", s.medianDivergence,
                                        s.largestDivergence));
    line("same best token", plainEstimate(s, s.agreement, 2, " %", 100));
    line("another",
         fmt::format("{}, of them {} at the reference's {} near ties (margin "
                     "below {})",
                     s.flips, s.nearTieFlips, s.nearTies, kNearTie));
  }
  for (const auto &[metric, summary] : report.metrics)
    text += plainMetric(report, metric, summary);
  if (s.hasIntervals)
    text += fmt::format("[95 % intervals: bootstrap over {} blocks of {} "
                        "tokens, seed {}]\n",
                        s.blocks, kBlockTokens, report.options.seed);
  else
    text += fmt::format("no intervals: {} blocks of {} tokens, fewer than "
                        "{}\n",
                        s.blocks, kBlockTokens, kLeastBlocks);
  return text;
}

static std::string jsonEstimate(const Summary &summary,
                                const Estimate &estimate) {
  return summary.hasIntervals
             ? fmt::format("{{\"value\": {}, \"low\": {}, \"high\": {}}}",
                           estimate.value, estimate.low, estimate.high)
             : fmt::format("{{\"value\": {}}}", estimate.value);
}

static std::string jsonMetric(const Report &report, const Metric &metric,
                              const MetricSummary &summary) {
  std::string text = fmt::format(
      "{{\"name\": {}, \"unit\": {}, \"better\": \"{}\", \"plugin\": {}, "
      "\"figure\": {}, \"median\": {}, \"p99_9\": {}, \"max\": {}",
      jsonText(metric.name), jsonText(metric.unit),
      getBetterName(metric.better),
      metric.plugin.empty() ? "null" : jsonText(metric.plugin),
      jsonEstimate(report.summary, summary.value), summary.median, summary.tail,
      summary.largest);
  if (summary.hasReference)
    text += fmt::format(", \"reference\": {}, \"difference\": {}",
                        jsonEstimate(report.summary, summary.reference),
                        jsonEstimate(report.summary, summary.difference));
  return text + "}";
}

static std::string jsonSubject(const Subject &subject) {
  return fmt::format("{{\"bundle\": {}, \"recipe\": {}, \"weight_bytes\": {}}}",
                     jsonText(subject.folder),
                     jsonText(subject.manifest.recipe),
                     llmc_model_weight_bytes(subject.model.get()));
}

static std::string jsonObject(const Report &report) {
  const Summary &s = report.summary;
  const Protocol &protocol = report.options.protocol;
  bool sliding = protocol.kind == Protocol::Kind::Window;
  std::string text = fmt::format(
      "{{\"model\": {}, \"text\": {}, \"text_tokens\": {}, \"scored_tokens\": "
      "{}, \"protocol\": {{\"name\": \"{}\", \"window\": {}, \"stride\": {}, "
      "\"bos\": {}, \"windows\": {}}}, \"perplexity\": {}",
      jsonSubject(report.model), jsonText(report.options.source()),
      report.textTokens, s.tokens, sliding ? "window" : "llama.cpp",
      protocol.context,
      sliding && !protocol.stride ? protocol.textTokens()
      : sliding                   ? protocol.stride
                                  : protocol.context,
      protocol.bos, report.windows, jsonEstimate(s, s.perplexity));
  if (report.reference)
    text += fmt::format(
        ", \"reference\": {}, \"reference_perplexity\": {}, \"excess\": {}, "
        "\"kl_mean\": {}, \"kl_p99_9\": {}, \"kl_median\": {}, \"kl_max\": "
        "{}, \"same_top1\": {}, \"flips\": {}, \"near_tie_margin\": {}, "
        "\"near_ties\": {}, \"near_tie_flips\": {}",
        jsonSubject(*report.reference), jsonEstimate(s, s.referencePerplexity),
        jsonEstimate(s, s.excess), jsonEstimate(s, s.meanDivergence),
        jsonEstimate(s, s.tailDivergence), s.medianDivergence,
        s.largestDivergence, jsonEstimate(s, s.agreement), s.flips, kNearTie,
        s.nearTies, s.nearTieFlips);
  if (!report.metrics.empty()) {
    text += ", \"metrics\": [";
    for (const auto &[metric, summary] : report.metrics)
      text += (text.back() == '[' ? "" : ", ") +
              jsonMetric(report, metric, summary);
    text += "]";
  }
  return text +
         fmt::format(", \"bootstrap\": {{\"seed\": {}, \"resamples\": {}, "
                     "\"block_tokens\": {}, \"blocks\": {}, \"level\": "
                     "0.95}}, \"threads\": {}, \"seconds\": {:.3f}}}\n",
                     report.options.seed, BootstrapOptions().resamples,
                     kBlockTokens, s.blocks,
                     llmc_model_threads(report.model.model.get()),
                     report.seconds);
}

//===----------------------------------------------------------------------===//
// The verb
//===----------------------------------------------------------------------===//

/// A line that counts, for a person who waits.
static void showProgress(Terminal &terminal, int64_t done, int64_t total,
                         double seconds) {
  double left = done ? seconds / done * (total - done) : 0;
  terminal.prompt(done == total
                      ? "\r\x1b[K"
                      : fmt::format("\rwindow {} of {}, {:.0f} s left\x1b[K",
                                    done + 1, total, left));
}

int llmc::runEval(const Arguments &arguments, Terminal &terminal) {
  EvalOptions options;
  if (Fault fault = readOptions(arguments, options))
    return terminal.fail(fault);
  std::vector<MetricValues> metrics;
  if (int code = findMetrics(arguments, options, terminal, metrics))
    return code;
  Subject model, reference;
  if (Fault fault = open(arguments, arguments.positional[0], model))
    return terminal.fail(fault);
  bool compared = !options.reference.empty();
  if (compared)
    if (Fault fault = open(arguments, options.reference, reference))
      return terminal.fail(fault);

  Protocol &protocol = options.protocol;
  if (!protocol.context)
    protocol.context = defaultWindow(protocol, model);
  for (Subject *subject : {&model, &reference})
    if (subject->model)
      if (Fault fault = Generator::create(
              subject->model.get(), protocol.context, 0, subject->generator))
        return terminal.fail(fault);

  std::vector<int64_t> ids;
  bool begins;
  if (Fault fault = readText(options, model, ids, begins))
    return terminal.fail(fault);
  if (static_cast<uint64_t>(options.maxTokens) < ids.size())
    ids.resize(options.maxTokens);
  protocol.bos =
      options.bos == BeginToken::Auto ? begins : options.bos == BeginToken::Yes;
  std::vector<EvalWindow> windows;
  if (Fault fault = planWindows(protocol, ids.size(), windows))
    return terminal.fail(fault);

  unsigned threads = llmc_model_threads(model.model.get());
  terminal.note(fmt::format("{} tokens in {} {}, {} threads", ids.size(),
                            windows.size(), protocolText(protocol), threads));
  Team team(threads);
  double start = secondsNow();
  bool watched = isatty(STDERR_FILENO) && !terminal.isQuiet();
  auto progress = [&](int64_t done, int64_t total) {
    if (watched)
      showProgress(terminal, done, total, secondsNow() - start);
  };
  std::vector<TokenScore> scores;
  Fault fault = evaluate({*model.generator, reference.generator.get(), protocol,
                          team, progress, metrics},
                         ids, windows, scores);
  if (fault)
    return terminal.fail(fault);
  double seconds = secondsNow() - start;
  BootstrapOptions drawings;
  drawings.seed = options.seed;
  Report report{options,
                model,
                compared ? &reference : nullptr,
                static_cast<int64_t>(ids.size()),
                static_cast<int64_t>(windows.size()),
                summarize(scores, compared, drawings),
                {},
                seconds};
  for (MetricValues &values : metrics) {
    MetricSummary summary = summarize(values, drawings);
    report.metrics.emplace_back(std::move(values.metric), summary);
  }
  terminal.out(arguments.has("json") ? jsonObject(report) : plainText(report));
  return 0;
}
