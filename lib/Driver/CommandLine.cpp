//===- CommandLine.cpp - Parse a command line -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The only unit with exceptions on: Boost.Program_options throws, nothing
// leaves this file.
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/CommandLine.h"
#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdlib>
#include <cstring>

using namespace llmc;
namespace po = boost::program_options;

std::string Arguments::text(const std::string &name,
                            const std::string &fallback) const {
  auto found = options.find(name);
  return found == options.end() ? fallback : found->second.back();
}

const std::vector<std::string> &Arguments::all(const std::string &name) const {
  static const std::vector<std::string> none;
  auto found = options.find(name);
  return found == options.end() ? none : found->second;
}

Fault Arguments::number(const std::string &name, int64_t min, int64_t max,
                        int64_t &value) const {
  if (!has(name))
    return {};
  std::string given = text(name);
  char *end;
  errno = 0;
  long long parsed = strtoll(given.c_str(), &end, 10);
  if (given.empty() || isspace(static_cast<unsigned char>(given[0])) || *end ||
      errno || parsed < min || parsed > max)
    return Fault::usage("expected --" + name + " to be a whole number of " +
                        (max == INT64_MAX ? "at least " + std::to_string(min)
                                          : std::to_string(min) + " to " +
                                                std::to_string(max)) +
                        " but got '" + given + "'");
  value = parsed;
  return {};
}

Fault Arguments::number(const std::string &name, double &value) const {
  if (!has(name))
    return {};
  std::string given = text(name);
  char *end;
  double parsed = strtod(given.c_str(), &end);
  if (given.empty() || isspace(static_cast<unsigned char>(given[0])) || *end)
    return Fault::usage("expected --" + name + " to be a number but got '" +
                        given + "'");
  value = parsed;
  return {};
}

/// Edits that turn one word into the other: insert, delete, replace, swap.
static size_t distance(const std::string &a, const std::string &b) {
  std::vector<std::vector<size_t>> d(a.size() + 1,
                                     std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) {
      if (!i || !j) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1,
                          d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

std::string llmc::nearest(const std::string &word,
                          const std::vector<std::string> &known) {
  std::string best;
  // A third of the letters may differ; a beginning is as good as near.
  size_t limit = std::max<size_t>(1, word.size() / 3) + 1;
  if (word.size() > 64)
    return best;
  for (const std::string &candidate : known) {
    size_t edits = word.size() >= 3 && candidate.starts_with(word)
                       ? 1
                       : distance(word, candidate);
    if (edits < limit) {
      limit = edits;
      best = candidate;
    }
  }
  return best;
}

/// The long name in "output,o".
static std::string longName(const OptionSpec &option) {
  return std::string(option.name, strcspn(option.name, ","));
}

static Fault unknownOption(const VerbSpec &verb, const std::string &given) {
  std::vector<std::string> names;
  for (auto *list : {&verb.options, &commonOptions()})
    for (const OptionSpec &option : *list)
      names.push_back("--" + longName(option));
  std::string word = given.substr(0, given.find('='));
  std::string near = nearest(word, names);
  return Fault::usage(
      "'" + std::string(verb.name) + "' has no option '" + word + "'" +
      (near.empty() ? "; see 'llmc help " + std::string(verb.name) + "'"
                    : "; did you mean '" + near + "'?"));
}

static Fault checkWords(const VerbSpec &verb, const Arguments &arguments) {
  for (const OptionSpec &option : verb.options) {
    std::string name = longName(option);
    if (!option.words || !arguments.has(name))
      continue;
    std::vector<std::string> words;
    for (const char *at = option.words; *at;) {
      size_t length = strcspn(at, " ");
      words.emplace_back(at, length);
      at += length + (at[length] == ' ');
    }
    for (const std::string &value : arguments.all(name))
      if (std::find(words.begin(), words.end(), value) == words.end()) {
        std::string near = nearest(value, words), list;
        for (const std::string &word : words)
          list += (list.empty() ? "" : ", ") + word;
        return Fault::usage(
            "expected --" + name + " to be one of " + list + " but got '" +
            value + "'" +
            (near.empty() ? "" : "; did you mean '" + near + "'?"));
      }
  }
  return {};
}

Fault llmc::parseArguments(const VerbSpec &verb, int argc,
                           const char *const *argv, Arguments &out) {
  po::options_description description;
  for (auto *list : {&verb.options, &commonOptions()})
    for (const OptionSpec &option : *list) {
      if (option.value)
        description.add_options()(option.name, po::value<std::string>(), "");
      else
        description.add_options()(option.name, "");
    }
  std::vector<std::string> words(argv, argv + argc);
  try {
    int style = po::command_line_style::default_style &
                ~po::command_line_style::allow_guessing;
    po::parsed_options parsed =
        po::command_line_parser(words).options(description).style(style).run();
    for (const auto &option : parsed.options) {
      if (option.position_key >= 0)
        out.positional.push_back(option.value.at(0));
      else
        out.options[option.string_key].push_back(
            option.value.empty() ? "" : option.value[0]);
    }
  } catch (const po::unknown_option &error) {
    return unknownOption(verb, error.get_option_name());
  } catch (const po::invalid_command_line_syntax &error) {
    std::string name = error.get_option_name();
    if (error.kind() == po::invalid_syntax::extra_parameter)
      return Fault::usage("option '" + name + "' takes no value");
    return Fault::usage("option '" + name + "' needs a value");
  } catch (const std::exception &error) {
    return Fault::usage(error.what());
  }
  // A request for help is answered whatever else is there.
  if (out.has("help"))
    return {};
  if (out.positional.size() > verb.positional.size())
    return Fault::usage("'" + std::string(verb.name) + "' does not expect '" +
                        out.positional[verb.positional.size()] +
                        "'; a text with blanks needs quotation marks");
  size_t needed = 0;
  while (needed < verb.positional.size() && verb.positional[needed][0] != '[')
    ++needed;
  if (out.positional.size() < needed)
    return Fault::usage("'" + std::string(verb.name) + "' needs " +
                        verb.positional[out.positional.size()] +
                        "; see 'llmc help " + verb.name + "'");
  return checkWords(verb, out);
}
