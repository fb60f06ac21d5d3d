# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every rule [CN] of an op, attribute or type has a test that breaks it, named
@NAME_cN in the dialect's invalid.mlir, and every such test has its rule."""
from __future__ import annotations

import re
import unittest

import td

TESTS = td.ROOT / "test/Dialect"


class Rules(unittest.TestCase):
    def entries(self):
        for dialect, folder in td.DIALECTS.items():
            yield dialect, td.dialect_entries(dialect), (TESTS / folder / "invalid.mlir").read_text(encoding="utf-8")

    def test_every_rule_has_a_negative_test(self):
        for dialect, entries, tests in self.entries():
            broken = set(re.findall(r"@(\w+_c\d+)", tests))
            # Ops of one class share the text of a rule, and one test shows it.
            shown = {(label, rule) for name, text in entries.items() for label, rule in td.rules(text)
                     if f"{name}_{label.lower()}" in broken}
            missing = [f"{dialect}.{name} [{label}] {rule}" for name, text in entries.items() for label, rule in td.rules(text)
                       if (label, rule) not in shown]
            self.assertEqual(missing, [])
            self.assertGreater(len(shown), 5)

    def test_every_negative_test_names_a_rule(self):
        for dialect, entries, tests in self.entries():
            known = {f"{name}_{label.lower()}" for name, text in entries.items() for label, _ in td.rules(text)}
            named = {re.match(r"\w+?_c\d+", name)[0] for name in re.findall(r"@(\w+_c\d+\w*)", tests)}
            self.assertEqual(sorted(named - known), [], dialect)
            # And is a test: as many expected errors as cases, or more.
            self.assertGreaterEqual(tests.count("expected-error"), len(named))

    def test_labels_count_from_one(self):
        for dialect, entries, _ in self.entries():
            for name, text in entries.items():
                labels = [label for label, _ in td.rules(text)]
                self.assertEqual(labels, [f"C{i + 1}" for i in range(len(labels))], f"{dialect}.{name}")

    def test_every_label_stands_in_the_code(self):
        """A rule that no line of the verifier names is none, and the other way round."""
        for dialect, folder in td.DIALECTS.items():
            code = "".join(p.read_text(encoding="utf-8") for p in (td.ROOT / "dialects" / folder).glob("*.cpp"))
            stated = {label for text in td.dialect_entries(dialect).values() for label, _ in td.rules(text)}
            self.assertEqual(set(re.findall(r"// \[(C\d+)\]", code)), stated, dialect)

    def test_every_op_has_a_description_and_an_example(self):
        for dialect, entries, _ in self.entries():
            for name, text in entries.items():
                if "Syntax:\n" in text and "operation ::=" in text:
                    self.assertTrue(td.snippets(text), f"{dialect}.{name} has no example")


if __name__ == "__main__":
    unittest.main()
