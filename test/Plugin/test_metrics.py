# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Metrics of plugins in `llmc eval`: plugins/jensen against NumPy, and those of llmc against its own figures."""
from __future__ import annotations

import json
import subprocess
import sys
import unittest

import numpy as np
from installed import BUILD, ROOT, Installed

sys.path.insert(0, str(ROOT / "test"))

from Eval import test_eval
from Eval.test_eval import BLOCK, RESAMPLES, log_softmax, windows
from harness.splitmix import splitmix

SLOPES = 1.2, 0.86
FAILS = """#include <llmc/Plugin/plugin.h>
#include <math.h>
static double measure(const llmc_position *at) { return at->target == 3 ? NAN : 0; }
static const llmc_metric metrics[] = {{.size = sizeof(llmc_metric), .name = "fails.three", .summary = "fails for token 3",
    .aggregate = LLMC_AGGREGATE_MEAN, .better = LLMC_BETTER_LOWER, .highest = 1, .measure = measure}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin), .abi = LLMC_PLUGIN_ABI, .needs = 3, .vendor = "fails",
    .version = "1.0", .metrics = metrics, .metric_count = 1};
LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
"""


class Metrics(Installed):
    toy = test_eval.Toy.toy

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plugin = cls.build(ROOT / "plugins/jensen", "jensen")
        cls.one, cls.two = (cls.toy(cls, name, slope) for name, slope in zip(("one", "two"), SLOPES))
        cls.ids = np.random.default_rng(7).integers(0, 31, 1500)
        np.save(cls.folder / "ids.npy", cls.ids)

    def eval(self, *options: str) -> dict:
        done = subprocess.run([self.llmc, "eval", "one", "--ids-file", "ids.npy", "--json", *map(str, options)], cwd=self.folder,
                              capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Log probabilities of both models, [scored tokens, 32]."""
        found = [], []
        for ids, first in windows("window", self.ids.tolist(), 16, 0, None):
            for rows, slope in zip(found, SLOPES):
                rows.append(log_softmax(test_eval.Toy.formula(slope)(ids)[first - 1:len(ids) - 1]))
        return tuple(map(np.concatenate, found))

    def near(self, got: dict, values: np.ndarray, seed: int, finish=np.mean) -> None:
        blocks = [values[i:i + BLOCK] for i in range(0, len(values), BLOCK)]
        random = splitmix(seed)
        drawn = [finish(np.concatenate([blocks[next(random) * len(blocks) >> 64] for _ in blocks])) for _ in range(RESAMPLES)]
        low, high = np.quantile(drawn, [0.025, 0.975])
        np.testing.assert_allclose([got["value"], got["low"], got["high"]], [finish(values), low, high], rtol=1e-9)

    def test_jensen_is_that_of_numpy(self):
        q, p = map(np.exp, self.positions())
        middle = (p + q) / 2
        shannon = ((p * np.log(p / middle) + q * np.log(q / middle)) / 2).sum(-1)
        variation = np.abs(p - q).sum(-1) / 2
        self.assertGreater(shannon.std(), 0)
        got = self.eval("--against", "two", "--plugin", self.plugin, "--metric", "jensen.shannon", "--metric", "jensen.variation", "--seed", 3)
        for metric, name, values, unit in zip(got["metrics"], ("shannon", "variation"), (shannon, variation), ("nats", ""), strict=True):
            self.assertEqual((metric["name"], metric["unit"], metric["better"], metric["plugin"]),
                             (f"jensen.{name}", unit, "lower", str(self.plugin)))
            self.near(metric["figure"], values, 3)
            np.testing.assert_allclose([metric["median"], metric["p99_9"], metric["max"]], np.quantile(values, [0.5, 0.999, 1]), rtol=1e-9)
            self.assertNotIn("reference", metric)

    def test_one_model_by_itself_and_beside_another(self):
        self.run_llmc("plugin", "new", "entropy", "--kind", "metric")
        library = self.build(self.folder / "entropy", "entropy")
        mine, theirs = (-(np.exp(rows) * rows).sum(-1) for rows in self.positions())
        options = "--plugin", library, "--metric", "entropy.entropy"
        alone, = self.eval(*options)["metrics"]
        self.near(alone["figure"], mine, 0)
        self.assertNotIn("difference", alone)
        both, = self.eval(*options, "--against", "two")["metrics"]
        self.assertEqual(both["figure"], alone["figure"])
        self.near(both["reference"], theirs, 0)
        self.near(both["difference"], mine - theirs, 0)

    def test_those_of_llmc_are_its_figures(self):
        same = BUILD / "test/Unit/plugins/same_metrics.so"
        names = [vendor + name for vendor in ("", "same.") for name in ("perplexity", "kl", "top1")]
        got = self.eval("--against", "two", "--plugin", same, *(word for name in names for word in ("--metric", name)))
        metrics = {metric["name"]: metric for metric in got["metrics"]}
        self.assertEqual(list(metrics), names)
        for vendor in ("", "same."):
            for name, figure in (("perplexity", "perplexity"), ("kl", "kl_mean"), ("top1", "same_top1")):
                self.assertEqual(metrics[vendor + name]["figure"], got[figure], vendor + name)
        self.assertEqual(metrics["same.perplexity"]["reference"], got["reference_perplexity"])
        self.assertEqual([metrics["kl"][key] for key in ("median", "p99_9", "max")],
                         [got["kl_median"], got["kl_p99_9"]["value"], got["kl_max"]])

    def test_threads_change_nothing(self):
        options = "--against", "two", "--plugin", self.plugin, "--metric", "jensen.shannon", "--metric", "perplexity"
        found = [self.eval(*options, "--threads", threads)["metrics"] for threads in (1, 2, 3)]
        self.assertEqual(found[0], found[1])
        self.assertEqual(found[0], found[2])

    def test_lines_for_people(self):
        said = self.run_llmc("eval", "one", "--ids-file", "ids.npy", "--against", "two", "--plugin", self.plugin, "--metric",
                             "jensen.shannon", "--metric", "perplexity")
        number = r"\d+\.\d+"
        self.assertRegex(said, rf"\njensen\.shannon     {number} nats \[{number}, {number}\], lower is better; of tokens: median {number}, "
                               rf"99\.9th percentile {number}, largest {number}\n")
        self.assertRegex(said, rf"\nperplexity         .*; reference {number} \[.*\], difference -{number} \[.*\]; of tokens")

    def test_what_is_wrong(self):
        run = "eval", "one", "--ids-file", "ids.npy"
        self.assertIn("metric 'kl' compares with a reference; add --against DIR", self.run_llmc(*run, "--metric", "kl", code=2))
        self.assertIn("unknown metric 'perplexy'; did you mean 'perplexity'?", self.run_llmc(*run, "--metric", "perplexy", code=2))
        self.assertIn("unknown metric 'x.y'; expected perplexity, kl, top1; --plugin FILE loads those of a plugin",
                      self.run_llmc(*run, "--metric", "x.y", code=2))
        self.assertIn("add --metric NAME", self.run_llmc(*run, "--plugin", self.plugin, code=2))
        self.assertIn("plugin 'none.so': cannot read it", self.run_llmc(*run, "--plugin", "none.so", "--metric", "kl", code=2))
        (self.folder / "fails.c").write_text(FAILS)
        subprocess.run(["cc", "-shared", "-fPIC", f"-I{self.prefix}/include", "fails.c", "-o", "fails.so"], cwd=self.folder, check=True)
        said = self.run_llmc(*run, "--plugin", "./fails.so", "--metric", "fails.three", code=1)
        place = next(i for i in range(1, len(self.ids)) if self.ids[i] == 3 and i % 16)
        self.assertRegex(said, rf"metric 'fails\.three' gave nan where its range is 0.* to 1.* for token {place + 1} of the text")


if __name__ == "__main__":
    unittest.main()
