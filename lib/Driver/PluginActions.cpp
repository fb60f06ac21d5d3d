//===- PluginActions.cpp - What `llmc plugin` does ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ExitCode.h"
#include "PluginHost.h"
#include "PluginListing.h"
#include "llmc/Driver/CompileRequest.h"
#include "llmc/Driver/Registration.h"
#include "llmc/Plugin/Check.h"
#include "llmc/Plugin/NewProject.h"
#include "llmc/Plugin/PluginSet.h"
#include "llmc/Support/WrapText.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace llmc;
using namespace llvm;

static int fail(const Twine &message) {
  errs() << "llmc: error: " << message << "\n";
  return UsageAtFault;
}

static StringRef getTypeName(llmc_option_type type) {
  switch (type) {
  case LLMC_OPTION_INTEGER:
    return "integer";
  case LLMC_OPTION_REAL:
    return "real";
  case LLMC_OPTION_CHOICE:
    return "choice";
  case LLMC_OPTION_FLAG:
    return "flag";
  }
  llvm_unreachable("no such type");
}

static std::vector<StringRef> listUses(uint64_t uses) {
  std::vector<StringRef> names;
  for (auto [bit, name] : {std::pair(LLMC_USES_MEAN_ABSOLUTE, "mean |x|"),
                           std::pair(LLMC_USES_MEAN_SQUARE, "mean x²"),
                           std::pair(LLMC_USES_GRAM, "mean x xᵀ")})
    if (uses & bit)
      names.push_back(name);
  return names;
}

static void printJson(json::OStream &out, const FormatFamily &family) {
  const FormatDescription &format = family.defaults;
  out.attribute("name", family.name);
  out.attribute("summary", family.summary);
  if (!family.plugin.empty())
    out.attribute("plugin", family.plugin);
  out.attribute("bits", format.indexBits);
  if (format.isVector())
    out.attribute("weights", format.weightsPerIndex);
  out.attribute("group", format.groupSize);
  out.attributeArray("terms", [&] {
    for (const Term &term : format.terms)
      out.object([&] {
        out.attributeArray("levels", [&] {
          for (unsigned code = 0; code < format.getLevelCount(); ++code)
            out.value(term.levels.get(code));
        });
        out.attribute("scale", getChainName(term.scale));
      });
  });
  if (format.hasMinimum)
    out.attribute("minimum", getChainName(format.minimum));
  if (format.hadamard)
    out.attribute("hadamard", format.hadamard);
}

static std::string betterText(const Metric &metric) {
  return std::string(getBetterName(metric.better)) + " is better";
}

static StringRef getAggregateName(MetricAggregate aggregate) {
  return aggregate == MetricAggregate::ExpMean    ? "exp of the mean"
         : aggregate == MetricAggregate::RootMean ? "root of the mean"
                                                  : "mean";
}

static void printJson(const PluginSet &set) {
  json::OStream out(outs(), 2);
  out.object([&] {
    out.attribute("interface", LLMC_PLUGIN_ABI);
    out.attributeArray("plugins", [&] {
      for (const LoadedPlugin &plugin : set.getPlugins())
        out.object([&] {
          out.attribute("file", plugin.path);
          out.attribute("vendor", plugin.vendor);
          out.attribute("version", plugin.version);
          out.attribute("interface", plugin.abi);
          out.attribute("hash", plugin.hash);
          listContent(plugin, out);
        });
    });
    out.attributeArray("methods", [&] {
      for (const Method &method : set.getMethods().getMethods())
        out.object([&] {
          out.attribute("name", method.name);
          out.attribute("summary", method.summary);
          if (!method.plugin.empty())
            out.attribute("plugin", method.plugin);
          out.attributeArray("uses", [&] {
            for (StringRef use : listUses(method.uses))
              out.value(use);
          });
          out.attributeArray("options", [&] {
            for (const MethodOption &option : method.options)
              out.object([&] {
                out.attribute("name", option.name);
                out.attribute("type", getTypeName(option.type));
                out.attribute("default", option.fallback);
                out.attribute("range", option.getRange());
                out.attribute("help", option.help);
              });
          });
        });
    });
    out.attributeArray("formats", [&] {
      for (const FormatFamily &family : set.getFormats().getFamilies())
        out.object([&] { printJson(out, family); });
    });
    out.attributeArray("metrics", [&] {
      for (const Metric &metric : set.getMetrics().getMetrics())
        out.object([&] {
          out.attribute("name", metric.name);
          out.attribute("summary", metric.summary);
          if (!metric.plugin.empty())
            out.attribute("plugin", metric.plugin);
          out.attribute("unit", metric.unit);
          out.attribute("aggregate", getAggregateName(metric.aggregate));
          out.attribute("better", betterText(metric));
          out.attribute("compares", metric.compares);
        });
    });
  });
  outs() << "\n";
}

/// `text` in lines of at most 78 letters, behind `indent` blanks.
static void printWrapped(const std::string &text, unsigned indent) {
  outs().indent(indent) << wrapText(text, indent, 78 - indent) << "\n";
}

static void printMethod(const Method &method) {
  outs() << "  " << method.name << "\n";
  printWrapped(method.summary, 6);
  if (auto uses = listUses(method.uses); !uses.empty())
    printWrapped("makes use of inputs: " + join(uses, ", "), 6);
  for (const MethodOption &option : method.options) {
    outs() << "      " << option.name << ": " << option.getRange() << " ["
           << option.fallback << "]\n";
    printWrapped(option.help, 10);
  }
}

/// What a name of the family alone means.
static std::string describeDefaults(const FormatDescription &format) {
  std::string text =
      formatv("codes of {0} bits", format.indexBits).str() +
      (format.isVector()
           ? formatv(" for {0} weights, ", format.weightsPerIndex).str()
           : std::string(", ")) +
      (format.groupSize ? "groups of " + std::to_string(format.groupSize)
                        : std::string("whole rows"));
  for (const Term &term : format.terms)
    text += ", scale " + getChainName(term.scale);
  if (format.hasMinimum)
    text += ", minimum " + getChainName(format.minimum);
  if (format.hadamard)
    text += ", Hadamard transform of " + std::to_string(format.hadamard) +
            " columns";
  return text;
}

/// What llmc brings, or the plugin in `file`; `owner` is for people.
static void printBrought(const PluginSet &set, StringRef file,
                         StringRef owner) {
  bool begun = false;
  for (const Method &method : set.getMethods().getMethods()) {
    if (method.plugin != file)
      continue;
    if (!begun)
      outs() << "Methods of " << owner << "\n";
    begun = true;
    printMethod(method);
  }
  begun = false;
  for (const FormatFamily &family : set.getFormats().getFamilies()) {
    if (family.plugin != file)
      continue;
    if (!begun)
      outs() << "Formats of " << owner << "\n";
    begun = true;
    outs() << "  " << family.name << "\n";
    printWrapped(family.summary, 6);
    printWrapped(describeDefaults(family.defaults), 6);
  }
  begun = false;
  for (const Metric &metric : set.getMetrics().getMetrics()) {
    if (metric.plugin != file)
      continue;
    if (!begun)
      outs() << "Metrics of " << owner << "\n";
    begun = true;
    outs() << "  " << metric.name << "\n";
    printWrapped(metric.summary, 6);
    printWrapped((getAggregateName(metric.aggregate) + " of tokens" +
                  (metric.unit.empty() ? "" : ", in " + metric.unit) + ", " +
                  betterText(metric) +
                  (metric.compares ? ", against a reference" : ""))
                     .str(),
                 6);
  }
}

static void printList(const PluginSet &set) {
  printBrought(set, "", "llmc");
  for (const LoadedPlugin &plugin : set.getPlugins()) {
    outs() << "\n";
    printBrought(
        set, plugin.file,
        ("'" + plugin.file + "', " + plugin.vendor + " " + plugin.version));
  }
  for (const LoadedPlugin &plugin : set.getPlugins())
    listContent(plugin);
}

static int list(const PluginRequest &request) {
  PluginHost host;
  PluginSet &set = host.set;
  if (Error error = host.load(request.pluginFolders, request.plugins))
    return fail(toString(std::move(error)));
  if (request.json)
    printJson(set);
  else
    printList(set);
  outs().flush();
  return Done;
}

static StringRef getStatusName(CheckStatus status) {
  return status == CheckStatus::Passed   ? "ok"
         : status == CheckStatus::Failed ? "failed"
                                         : "not taken";
}

static int check(const PluginRequest &request) {
  if (Error error = restartForSanitizers(request.subject))
    return fail(toString(std::move(error)));
  registerAllPasses();
  mlir::DialectRegistry dialects;
  registerAllDialects(dialects);
  std::string method;
  auto show = [&](const CheckResult &result) {
    if (request.json)
      return;
    if (method != result.method)
      outs() << result.method << "\n";
    method = result.method;
    // Reports have several lines.
    SmallVector<StringRef> lines;
    StringRef(result.text).split(lines, '\n');
    outs() << formatv("  {0,-8} {1,-10} {2,-9} {3}\n", result.format,
                      result.check, getStatusName(result.status),
                      join(lines, "\n      "));
    outs().flush();
  };
  auto report = checkPlugin(request.subject, request.seconds, dialects, show);
  if (!report)
    return fail(toString(report.takeError()));
  size_t failed = report->count(CheckStatus::Failed),
         passed = report->count(CheckStatus::Passed);
  if (request.json) {
    json::OStream out(outs(), 2);
    out.object([&] {
      out.attribute("file", request.subject);
      out.attribute("vendor", report->vendor);
      out.attribute("version", report->version);
      out.attribute("passed", report->passed());
      out.attributeArray("checks", [&] {
        for (const CheckResult &result : report->results)
          out.object([&] {
            out.attribute("method", result.method);
            out.attribute("format", result.format);
            out.attribute("check", result.check);
            out.attribute("status", getStatusName(result.status));
            out.attribute("text", result.text);
          });
      });
    });
    outs() << "\n";
  } else {
    outs() << request.subject << ", " << report->vendor << " "
           << report->version << ": " << passed << " checks passed, " << failed
           << " failed\n";
  }
  outs().flush();
  return report->passed() ? Done : ModelAtFault;
}

static int begin(const PluginRequest &request) {
  auto files = writeProject(request.subject, request.kind, request.language);
  if (!files)
    return fail(toString(files.takeError()));
  for (const std::string &file : *files)
    outs() << file << "\n";
  outs().flush();
  return Done;
}

extern "C" int llmc_compiler_metrics(MetricRequest *request) {
  PluginHost host;
  PluginSet &set = host.set;
  if (Error error = host.load(request->pluginFolders, request->plugins))
    return fail(toString(std::move(error)));
  for (const std::string &name : request->names) {
    const Metric *metric = set.getMetrics().find(name);
    if (!metric)
      return fail(set.getMetrics().describeUnknown(name));
    request->metrics.push_back(*metric);
  }
  return Done;
}

extern "C" int llmc_compiler_plugin(const PluginRequest *request) {
  return request->action == "list"    ? list(*request)
         : request->action == "check" ? check(*request)
                                      : begin(*request);
}
