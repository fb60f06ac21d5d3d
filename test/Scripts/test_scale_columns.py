# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Scaling columns leaves the function as it was: sources of weights before and
after are evaluated in double precision, and so is the function."""
from __future__ import annotations

import os
import re
import subprocess
import unittest
from pathlib import Path

import numpy as np

from td import ROOT

OPT = Path(os.environ.get("LLMC_BUILD", ROOT / "build")) / "bin/llmc-opt"
K, F, N = 48, 80, 24  # residual stream, width of the gated layer, outputs
H, G, D, T = 6, 2, 16, 5  # heads, heads of values, size of a head, rows of the input
METHOD = '{pack.method = #pack.method<"sinq", "u4g16", {share = "true"}>}'


def dense(values: np.ndarray) -> str:
    shape = "x".join(map(str, values.shape))
    return f'#nn.dense<dense<"0x{values.astype(np.float32).tobytes().hex().upper()}"> : tensor<{shape}xf32>>'


def parse(text: str) -> np.ndarray:
    """The value of a source in double precision."""
    def take(at: int) -> tuple[np.ndarray, int]:
        if found := re.compile(r'#nn\.dense<dense<"0x([0-9A-F]+)"> : tensor<([\dx]+)xf32>>').match(text, at):
            values = np.frombuffer(bytes.fromhex(found[1]), np.float32)
            return values.reshape([int(n) for n in found[2].split("x")]).astype(np.float64), found.end()
        assert text.startswith("#nn.scale<", at), text[at:at + 60]
        source, at = take(at + len("#nn.scale<"))
        factors, at = take(at + 2)
        found = re.compile(r", (\d), (true|false)>").match(text, at)
        factors = 1 / factors if found[2] == "true" else factors
        return source * (factors if int(found[1]) == source.ndim - 1 else factors[:, None]), found.end()

    return take(0)[0]


def weights(module: str) -> dict[str, np.ndarray]:
    return {name: parse(source) for name, source in re.findall(r"nn\.weight @([\w.]+) : \S+ from (\S.*)", module)}


def norm(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def standardize(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def attention(batch: list[int], attended: str, arguments: str = "", results: str = "", returned: str = "") -> str:
    """A layer of attention as code; `attended` makes %a of the heads %q, %k and %v."""
    def type_of(*shape: int) -> str:
        return f"tensor<{'x'.join(map(str, [*batch, T, *shape]))}xf32>"

    lines = []
    for name, heads, bias in (("q", H, ""), ("k", G, ""), ("v", G, ", %b")):
        rows, shape = heads * D, ", ".join(map(str, [*batch, T, heads, D]))
        operands = f"{type_of(K)}, tensor<{rows}x{K}xf32>" + (f", tensor<{rows}xf32>" if bias else "")
        lines += [f"%w{name} = nn.get @{name} ",
                  f"%l{name} = nn.linear %x, %w{name}{bias} : ({operands}) -> {type_of(rows)}",
                  f"%s{name} = arith.constant dense<[{shape}]> : tensor<{len(batch) + 3}xi64>",
                  f"%{name} = nn.reshape %l{name}, %s{name} : ({type_of(rows)}, tensor<{len(batch) + 3}xi64>) -> {type_of(heads, D)}"]
    lines.insert(0, "%b = nn.get @b ")
    shape = ", ".join(map(str, [*batch, T, H * D]))
    return "\n".join([
        f"func.func @f(%x: {type_of(K)}{arguments}) -> ({type_of(N)}{results}) {{", *lines, attended,
        f"%s = arith.constant dense<[{shape}]> : tensor<{len(batch) + 2}xi64>",
        f"%m = nn.reshape %a, %s : ({type_of(H, D)}, tensor<{len(batch) + 2}xi64>) -> {type_of(H * D)}",
        "%wo = nn.get @o ", f"%0 = nn.linear %m, %wo : ({type_of(H * D)}, tensor<{N}x{H * D}xf32>) -> {type_of(N)}",
        f"return %0{returned.split(':')[0]} : {type_of(N)}{returned.partition(':')[2]}", "}"])


WHOLE = f"""%a = nn.attention %q, %k, %v {{scale = 0.25 : f64, causal}}
  : (tensor<1x{T}x{H}x{D}xf32>, tensor<1x{T}x{G}x{D}xf32>, tensor<1x{T}x{G}x{D}xf32>) -> tensor<1x{T}x{H}x{D}xf32>"""
CACHE = f"tensor<{G}x?x{D}xf32>"
CACHED = "".join(f"""%c{name} = nn.append %past_{name}, %{name} at %p : ({CACHE}, tensor<{T}x{G}x{D}xf32>, index) -> {CACHE}
""" for name in "kv") + f"""%a = nn.cached_attention %q, %ck, %cv at %p {{scale = 0.25 : f64}}
  : (tensor<{T}x{H}x{D}xf32>, {CACHE}, {CACHE}, index) -> tensor<{T}x{H}x{D}xf32>"""


def attend(w: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The layer above in double precision, every head by itself."""
    q, k, v = (x @ w["q"].T).reshape(-1, H, D), (x @ w["k"].T).reshape(-1, G, D), (x @ w["v"].T + w["b"]).reshape(-1, G, D)
    heads = []
    for h in range(H):
        score = np.exp(0.25 * q[:, h] @ k[:, h // (H // G)].T) * np.tri(len(x))
        heads.append(score / score.sum(-1, keepdims=True) @ v[:, h // (H // G)])
    return (np.concatenate(heads, -1) * w.get("o.columns", 1)) @ w["o"].T


class ScaleColumns(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(7)

    def matrix(self, rows: int, columns: int) -> np.ndarray:
        return self.random.standard_normal((rows, columns)) * np.exp(self.random.standard_normal(columns))

    def scaled(self, values: dict[str, np.ndarray], methods: set[str], body: str) -> tuple[dict, dict, str]:
        """Weights before and after, and the code after."""
        module = ""
        for name, value in values.items():
            shape = "x".join(map(str, value.shape))
            module += f"nn.weight @{name} : tensor<{shape}xf32> from {dense(value)} {METHOD if name in methods else ''}\n"
            body = body.replace(f"@{name} ", f"@{name} : tensor<{shape}xf32>\n")
        done = subprocess.run([OPT, "-llmc-scale-columns", "--mlir-print-elementsattrs-with-hex-if-larger=0"],
                              input=module + body, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {n: v.astype(np.float32).astype(np.float64) for n, v in values.items()}, weights(done.stdout), done.stdout

    def same(self, function, before: dict, after: dict, columns: int):
        x = self.random.standard_normal((5, columns))
        want, got = function(before, x), function(after, x)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * np.abs(want).max())

    def test_norms(self):
        for kind, normalize in (("rms", norm), ("layer", standardize)):
            values = {"g": self.random.standard_normal(K), "b": self.random.standard_normal(K),
                      "q": self.matrix(N, K), "k": self.matrix(N, K)}
            op = (f"nn.rms_norm %x, %g {{epsilon = 1.0e-5 : f64}} : (tensor<?x{K}xf32>, tensor<{K}xf32>)" if kind == "rms" else
                  f"nn.layer_norm %x, %g, %b {{epsilon = 1.0e-5 : f64}} : (tensor<?x{K}xf32>, tensor<{K}xf32>, tensor<{K}xf32>)")
            before, after, text = self.scaled(values, {"q", "k"}, f"""
                func.func @f(%x: tensor<?x{K}xf32>) -> (tensor<?x{N}xf32>, tensor<?x{N}xf32>) {{
                  %g = nn.get @g \n %b = nn.get @b \n %q = nn.get @q \n %k = nn.get @k \n
                  %n = {op} -> tensor<?x{K}xf32>
                  %0 = nn.linear %n, %q : (tensor<?x{K}xf32>, tensor<{N}x{K}xf32>) -> tensor<?x{N}xf32>
                  %1 = nn.linear %n, %k : (tensor<?x{K}xf32>, tensor<{N}x{K}xf32>) -> tensor<?x{N}xf32>
                  return %0, %1 : tensor<?x{N}xf32>, tensor<?x{N}xf32>
                }}""")
            self.assertNotIn("nn.mul", text)
            self.assertFalse(np.allclose(after["q"], before["q"]))

            def function(w, x, normalize=normalize, kind=kind):
                hidden = normalize(x) * w["g"] + (w["b"] if kind == "layer" else 0)
                return np.concatenate([hidden @ w["q"].T, hidden @ w["k"].T], -1)
            self.same(function, before, after, K)

    def test_gated_layer(self):
        values = {"g": self.matrix(F, K), "u": self.matrix(F, K), "b": self.random.standard_normal(F), "d": self.matrix(N, F)}
        before, after, text = self.scaled(values, {"g", "u", "d"}, f"""
            func.func @f(%x: tensor<?x{K}xf32>) -> tensor<?x{N}xf32> {{
              %wg = nn.get @g \n %wu = nn.get @u \n %b = nn.get @b \n %wd = nn.get @d \n
              %g = nn.linear %x, %wg : (tensor<?x{K}xf32>, tensor<{F}x{K}xf32>) -> tensor<?x{F}xf32>
              %u = nn.linear %x, %wu, %b : (tensor<?x{K}xf32>, tensor<{F}x{K}xf32>, tensor<{F}xf32>) -> tensor<?x{F}xf32>
              %s = nn.silu %g : (tensor<?x{F}xf32>) -> tensor<?x{F}xf32>
              %p = nn.mul %s, %u : (tensor<?x{F}xf32>, tensor<?x{F}xf32>) -> tensor<?x{F}xf32>
              %0 = nn.linear %p, %wd : (tensor<?x{F}xf32>, tensor<{N}x{F}xf32>) -> tensor<?x{N}xf32>
              return %0 : tensor<?x{N}xf32>
            }}""")
        # The scale of the input's columns has nowhere to go.
        self.assertIn("@g.columns", text)
        self.assertEqual(text.count("nn.mul"), 2)

        def function(w, x):
            x = x * w.get("g.columns", 1)
            gate = x @ w["g"].T
            return (gate / (1 + np.exp(-gate)) * (x @ w["u"].T + w["b"])) @ w["d"].T
        self.same(function, before, after, K)

    def attention_values(self) -> dict[str, np.ndarray]:
        return {"q": 0.1 * self.matrix(H * D, K), "k": 0.1 * self.matrix(G * D, K), "v": self.matrix(G * D, K),
                "b": self.random.standard_normal(G * D), "o": self.matrix(N, H * D)}

    def test_values_of_attention(self):
        pasts = f", %past_k: {CACHE} {{nn.state = 1 : i64}}, %past_v: {CACHE} {{nn.state = 2 : i64}}, %p: index"
        for body in (attention([1], WHOLE),
                     attention([], CACHED, pasts, f", {CACHE}, {CACHE}", f", %ck, %cv : , {CACHE}, {CACHE}")):
            before, after, text = self.scaled(self.attention_values(), {"o"}, body)
            self.assertNotIn("nn.mul", text)
            for name in "vbo":
                self.assertFalse(np.allclose(after[name], before[name]))
            for name in "qk":
                np.testing.assert_array_equal(after[name], before[name])
            # Heads that share a head of values share its scale.
            ratio = (before["o"] / after["o"])[0].reshape(G, H // G, D)
            np.testing.assert_allclose(ratio, ratio[:, :1].repeat(H // G, 1), rtol=1e-12)
            np.testing.assert_allclose((after["b"] / before["b"]).reshape(G, D), ratio[:, 0], rtol=1e-12)
            self.same(attend, before, after, K)

    def test_values_that_others_see(self):
        # A cache that is a plain result, one that is a plain argument, and heads that are read again.
        plain = f", %past_k: {CACHE}, %past_v: {CACHE}, %p: index"
        again = f"%z = nn.neg %v : (tensor<1x{T}x{G}x{D}xf32>) -> tensor<1x{T}x{G}x{D}xf32>"
        for body in (attention([], CACHED, plain, f", {CACHE}, {CACHE}", f", %ck, %cv : , {CACHE}, {CACHE}"),
                     attention([], CACHED, plain),
                     attention([1], WHOLE + "\n" + again, "", f", tensor<1x{T}x{G}x{D}xf32>", f", %z : , tensor<1x{T}x{G}x{D}xf32>")):
            before, after, text = self.scaled(self.attention_values(), {"o"}, body)
            self.assertIn("@o.columns", text)
            self.assertEqual(text.count("nn.mul"), 1)
            for name in "vb":
                np.testing.assert_array_equal(after[name], before[name])
            # Nothing ties the scales of heads together.
            ratio = (before["o"] / after["o"])[0].reshape(G, H // G, D)
            self.assertFalse(np.allclose(ratio, ratio[:, :1]))
            self.same(attend, before, after, K)


if __name__ == "__main__":
    unittest.main()
