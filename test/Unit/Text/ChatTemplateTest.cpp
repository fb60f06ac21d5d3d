//===- ChatTemplateTest.cpp - Rendering as in Python, hostile templates ---===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Templates and conversations stand in golden_templates.py.
//
//===----------------------------------------------------------------------===//

#include "TextTestUtils.h"

#include <ctime>

using namespace llmc;
using llvm::StringRef;

static const llvm::json::Object &goldenTemplates() {
  return *golden().getObject("templates");
}

TEST(ChatTemplate, RendersAsPython) {
  unsigned compared = 0, refused = 0;
  for (const llvm::json::Value &value : *goldenTemplates().getArray("cases")) {
    const llvm::json::Object &item = *value.getAsObject();
    std::string name = item.getString("name")->str();
    ChatTemplate chat = require(ChatTemplate::open(*item.getString("source")));
    for (const auto &[context, expected] : *item.getObject("outputs")) {
      StringRef json =
          *goldenTemplates().getObject("contexts")->getString(context);
      if (const llvm::json::Object *failure = expected.getAsObject()) {
        EXPECT_TRUE(
            contains(errorOf(chat.render(json)), *failure->getString("error")))
            << name;
        ++refused;
      } else {
        EXPECT_EQ(require(chat.render(json)), expected.getAsString()->str())
            << name << ", " << context.str();
      }
      ++compared;
    }
  }
  EXPECT_EQ(compared, 136u);
  EXPECT_EQ(refused, 3u);
}

static ChatMessage message(StringRef role, StringRef content) {
  return {role.str(), content.str()};
}

static std::string renderOf(StringRef source, StringRef context = "{}",
                            ChatTemplate::Limits limits = {}) {
  return require(require(ChatTemplate::open(source, limits)).render(context));
}

static std::string errorOfRender(StringRef source, StringRef context = "{}",
                                 ChatTemplate::Limits limits = {}) {
  return errorOf(require(ChatTemplate::open(source, limits)).render(context));
}

TEST(ChatTemplate, BuildsTheContext) {
  TextAssets assets;
  assets.specialTokens = {{"bos_token", "<s>"}, {"pad_token", "<p>"}};
  std::vector<ChatMessage> messages = {message("system", "a\"\n\\"),
                                       message("user", "\xf0\x9f\x91\x8d")};
  StringRef source =
      "{{ bos_token }}{{ pad_token }}{{ eos_token }}{{ add_generation_prompt }}"
      "{% for m in messages %}[{{ m.role }}:{{ m.content }}]{% endfor %}"
      "{{ tools is none }}{% if tools %}{{ tools[0].x }}{% endif %}";
  EXPECT_EQ(renderOf(source, require(chatContext(messages, assets, true))),
            "<s><p>True[system:a\"\n\\][user:\xf0\x9f\x91\x8d]True");
  EXPECT_EQ(renderOf(source, require(chatContext(messages, assets, false,
                                                 "[{\"x\": 5}]"))),
            "<s><p>False[system:a\"\n\\][user:\xf0\x9f\x91\x8d]False5");
  EXPECT_EQ(errorOf(chatContext(message("user", "ab\xff"), assets, true)),
            "a chat message is not valid UTF-8 at byte 2");
}

TEST(ChatTemplate, TellsTheTime) {
  std::string year = renderOf("{{ strftime_now('%Y') }}");
  time_t now = time(nullptr);
  EXPECT_NEAR(std::stoi(year), 1900 + localtime(&now)->tm_year, 1);
  EXPECT_EQ(renderOf("{{ strftime_now('') }}|{{ strftime_now('%%') }}"), "|%");
  EXPECT_TRUE(contains(errorOfRender("{{ strftime_now('%c' * 5000) }}"),
                       "strftime_now: expected a time format"));
}

TEST(ChatTemplate, ReportsWhereATemplateIsWrong) {
  EXPECT_TRUE(contains(errorOf(ChatTemplate::open("a\nb\n{% if %}")),
                       "chat template, line 3: "));
  for (StringRef source : {"{% for m in messages %}", "{{ ", "{% nonsense %}",
                           "{{ a b }}", "{% include 'x' %}", "\xff"})
    EXPECT_TRUE(contains(errorOf(ChatTemplate::open(source)), "chat template"))
        << source.str();
  EXPECT_EQ(errorOfRender("\n{{ messages[0].role.x.y }}"),
            "chat template, line 2: undefined value");
  EXPECT_EQ(errorOfRender("{{ raise_exception('only: users') }}"),
            "chat template, line 1: only: users");
}

TEST(ChatTemplate, RefusesBadContexts) {
  for (StringRef context : {"", "[]", "null", "{", "{\"messages\":}", "\xff"})
    EXPECT_TRUE(
        contains(errorOfRender("x", context), "malformed template context: "))
        << context.str();
  std::string deep = "{\"a\":" + std::string(100000, '[');
  EXPECT_TRUE(
      contains(errorOfRender("x", deep), "malformed template context: "));
}

static constexpr StringRef outOfSteps =
    "chat template: expected to end within 2000000 steps";

TEST(HostileTemplate, EndsEndlessLoops) {
  for (StringRef source :
       {"{% for a in range(10000) %}{% for b in range(10000) %}{% for c in "
        "range(10000) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = "
        "n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = "
        "n.x.replace('a', n.x) %}{% endfor %}",
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x %}"
        "{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = "
        "[n.x, n.x] %}{% endfor %}{{ n.x|tojson }}"})
    EXPECT_EQ(errorOfRender(source), outOfSteps) << source.str();
}

// What the engine does within one step ends by memory or by time.
TEST(HostileTemplate, EndsWhatIsNotCountedAsSteps) {
  std::string pairs = "{% set n = namespace(x=[1]) %}{% for i in range(60) %}"
                      "{% set n.x = [n.x, n.x] %}{% endfor %}";
  std::string sums = "{% set n = namespace(x=[1]) %}{% for i in range(60) %}"
                     "{% set n.x = n.x + n.x %}{% endfor %}";
  ChatTemplate::Limits limits;
  limits.milliseconds = 300;
  for (const std::string &source :
       {pairs + "{{ n.x }}", pairs + "{{ n.x|string|length }}",
        pairs + "{{ n.x ~ 1 }}", sums})
    EXPECT_TRUE(contains(errorOfRender(source, "{}", limits),
                         "chat template: expected "))
        << source;

  // With time enough the bound of memory holds.
  limits.milliseconds = 60000;
  limits.steps = 20000;
  limits.outputBytes = 1 << 20;
  EXPECT_EQ(errorOfRender(sums, "{}", limits),
            "chat template: expected to need at most 23531648 bytes");
}

TEST(HostileTemplate, EndsHugeOutputs) {
  for (StringRef source :
       {"{{ 'x' * 90000000 }}", "{{ 'x' * 90000000 }}{{ 'x' * 90000000 }}",
        "{{ 'x' * 1000000000000 }}", "{{ 'x' * 9223372036854775807 }}",
        "{{ 'x'|indent(90000000) }}{{ '\\n'|indent(9000000000) }}",
        "{{ '%900000000d'|format(1) }}", "{{ 'x'|center(900000000) }}",
        "{{ '{:900000000}'.format(1) }}", "{{ range(100000000000)|list }}",
        "{{ [1]|tojson(indent=1000000000000) }}{{ [[[[1]]]]|tojson(indent='x' "
        "* "
        "90000000) }}"})
    EXPECT_TRUE(contains(errorOfRender(source, "{}"), "chat template"))
        << source.str();
  ChatTemplate::Limits limits;
  limits.outputBytes = 10;
  EXPECT_EQ(renderOf("{{ 'x' * 10 }}", "{}", limits), "xxxxxxxxxx");
  EXPECT_EQ(errorOfRender("{{ 'x' * 11 }}", "{}", limits),
            "chat template: expected at most 10 bytes of output");
  limits.sourceBytes = 5;
  EXPECT_EQ(errorOf(ChatTemplate::open("123456", limits)),
            "chat template: expected at most 5 bytes but got 6");
}

// Values nested as deep as the steps allow are printed, compared and freed by
// recursion.
TEST(HostileTemplate, SurvivesDeepValues) {
  std::string deep =
      "{% set n = namespace(x=[]) %}{% for i in range(100) %}{% for j in "
      "range(1000) %}{% set n.x = [n.x] %}{% endfor %}{% endfor %}";
  EXPECT_EQ(renderOf(deep + "ok"), "ok");
  EXPECT_TRUE(contains(errorOfRender(deep + "{{ n.x|tojson }}"),
                       "tojson: the value is nested too deep"));
  for (StringRef use :
       {"{{ n.x }}", "{{ n.x|string|length }}", "{{ n.x == [n.x] }}",
        "{{ n.x|length }}", "{{ [n.x, n.x]|unique|list|length }}"}) {
    llvm::Expected<std::string> text =
        require(ChatTemplate::open(deep + use.str())).render("{}");
    if (!text)
      EXPECT_TRUE(contains(llvm::toString(text.takeError()), "chat template"));
  }
}

TEST(HostileTemplate, RefusesDeepSources) {
  for (StringRef part : {"(", "[", "not ", "{% if x %}", "-", "{'a':", "a."}) {
    std::string source = part.starts_with("{%") ? "" : "{{ ";
    for (int i = 0; i < 100000; ++i)
      source += part;
    llvm::Expected<ChatTemplate> chat = ChatTemplate::open(source);
    ASSERT_FALSE(bool(chat)) << part.str();
    EXPECT_TRUE(contains(llvm::toString(chat.takeError()), "chat template"));
  }
  std::string recursive = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
  EXPECT_TRUE(contains(errorOfRender(recursive), "chat template"));
}
