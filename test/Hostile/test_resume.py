# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compilations that are stopped: the same command goes on from there and makes
the same bytes; any other starts anew; nothing that was there before is lost.

The reference is a compilation that nobody disturbed."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from hostile import LLMC, MODELS, HostileCase, Outcome, run
from synthetic import write_model

WENT_ON = "went on from an earlier run"
# Eighteen matrices that take some time; gate and up of a layer have one scale.
RECIPE = """quantize:
  - {match: "down", method: mse, format: i8g32.lr8, candidates: 60}
  - {method: sinq, quantizer: mse, candidates: 60, share: true, format: u4g64}
"""


def contents(bundle: Path) -> dict[str, bytes]:
    """All files; the reports tell how long things took, so their sizes vary."""
    return {p.name: b"" if p.stem == "report" else p.read_bytes() for p in bundle.iterdir()}


class Resume(HostileCase):
    @classmethod
    def setUpClass(cls):
        cls.model = Path(os.environ.get("TMPDIR", "/tmp")) / f"llmc-resume-{os.getpid()}"
        write_model(cls.model, 6, 256, 512)
        (cls.model / "recipe.yaml").write_text(RECIPE)
        done = run(*cls.compile(cls.model / "reference"))
        assert done.code == 0, done
        cls.reference = contents(cls.model / "reference")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.model)

    def setUp(self):
        super().setUp()
        self.bundle = self.out / "bundle"
        self.partial = self.out / ".bundle.llmc-partial"

    @classmethod
    def compile(cls, bundle: Path, *more: str, recipe: str = "") -> list:
        return ["compile", cls.model, "-o", bundle, "--recipe", recipe or cls.model / "recipe.yaml", *more]

    def start(self, *more: str) -> subprocess.Popen:
        def take_signals() -> None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        return subprocess.Popen([LLMC, *self.compile(self.bundle, "--threads", "1", *more)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, preexec_fn=take_signals)

    def lines(self) -> list[bytes]:
        try:
            return (self.partial / "journal").read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []

    def stop_at(self, count: int, number: int = signal.SIGKILL) -> str:
        """Stops a compilation when its journal has so many lines."""
        child = self.start()
        deadline = time.monotonic() + 60
        while len(self.lines()) < count:
            self.assertIsNone(child.poll(), "the compiler ended too soon")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)
        child.send_signal(number)
        text = child.communicate(timeout=20)[1]
        self.assertEqual(child.returncode, -number, text)
        self.assertFalse(self.bundle.exists())
        return text

    def finish(self, *more: str) -> Outcome:
        done = run(*self.compile(self.bundle, *more))
        self.assertEqual(done.code, 0, done)
        self.assertEqual([p.name for p in self.out.iterdir()], ["bundle"])
        self.assertEqual(contents(self.bundle), self.reference)
        return done

    def test_goes_on_wherever_it_was_killed(self):
        # Lines: the run, six scales of columns, six tensors of them, eighteen matrices.
        for count in (1, 4, 8, 13, 20):
            with self.subTest(count):
                self.stop_at(count)
                tensors = sum(b'"tensor"' in line for line in self.lines())
                done = self.finish()
                self.assertEqual(WENT_ON in done.err, tensors > 0, done)
                if tensors:
                    self.assertIn(f"{WENT_ON}: {tensors} of ", done.err)
                shutil.rmtree(self.bundle)

    def test_killed_again_and_again(self):
        # At any moment, an older bundle standing there.
        self.assertEqual(run("compile", MODELS / "llama16/genai_fp32", "-o", self.bundle).code, 0)
        old = contents(self.bundle)
        for moment in range(12):
            child = self.start()
            time.sleep(0.08 * moment)
            child.kill()
            child.communicate(timeout=20)
            self.assertIn(contents(self.bundle), (old, self.reference))
            if child.returncode == 0:
                break
        self.finish()

    def test_scales_of_columns_are_kept(self):
        self.stop_at(4)
        before = [line for line in self.lines() if b'"scale"' in line]
        self.assertGreaterEqual(len(before), 3)
        self.stop_at(9)
        self.assertEqual(self.lines()[1:1 + len(before)], before)
        self.assertEqual(sum(b'"scale"' in line for line in self.lines()), 6)
        self.finish()

    def test_signals_keep_the_work_and_say_so(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            text = self.stop_at(10, number)
            self.assertIn("llmc: note: stopped; what is done stays in", text)
            self.assertTrue((self.partial / "journal").exists())
            self.assertIn(WENT_ON, self.finish().err)
            shutil.rmtree(self.bundle)

    def test_other_runs_start_anew(self):
        def touch():
            os.utime(self.model / "model.onnx.data")

        for change, recipe, more in (("recipe", "w4", []), ("target", "", ["--target", "x86-64-v3"]),
                                     ("dimension", "", ["--dim", "n=3"]), ("model", "", [])):
            with self.subTest(change):
                self.stop_at(10)
                if change == "model":
                    touch()
                done = run(*self.compile(self.bundle, *more, recipe=recipe))
                self.assertEqual(done.code, 0, done)
                self.assertNotIn(WENT_ON, done.err)
                self.assertEqual([p.name for p in self.out.iterdir()], ["bundle"])
                shutil.rmtree(self.bundle)

    def test_changed_bytes_are_found(self):
        self.stop_at(16)
        weights = self.partial / "weights.safetensors"
        content = bytearray(weights.read_bytes())
        tensors = sum(b'"tensor"' in line for line in self.lines())
        # In the last quarter nothing is written yet: a change there is overwritten.
        for part in (0.02, 0.9):
            content[int(len(content) * part)] ^= 1
        weights.write_bytes(content)
        done = self.finish()
        self.assertNotIn(f"{WENT_ON}: {tensors} of", done.err)

    def test_journals_that_lie(self):
        self.stop_at(16)
        kept = self.folder / "kept"
        shutil.copytree(self.partial, kept)
        journal = b"".join(self.lines())
        half = len(journal) // 2
        other = journal.replace(b'"xxh3":"', b'"xxh3":"0', 1)
        for name, content in (("cut", journal[:half]), ("empty", b""), ("noise", bytes(range(256)) * 8), ("other", other),
                              ("byte", journal[:half] + bytes([journal[half] ^ 1]) + journal[half + 1:]),
                              ("twice", journal + journal), ("no end", journal.rstrip(b"\n"))):
            with self.subTest(name):
                shutil.copytree(kept, self.partial, dirs_exist_ok=True)
                (self.partial / "journal").write_bytes(content)
                self.finish()
                shutil.rmtree(self.bundle)

    def test_files_that_are_gone(self):
        for name in ("weights.safetensors", "journal"):
            self.stop_at(16)
            (self.partial / name).unlink()
            self.assertNotIn(WENT_ON, self.finish().err)
            shutil.rmtree(self.bundle)

    def test_two_at_once(self):
        child = self.start()
        while len(self.lines()) < 3:
            self.assertIsNone(child.poll())
            time.sleep(0.001)
        self.refused(run(*self.compile(self.bundle)), "another llmc is writing")
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0)
        self.assertEqual(contents(self.bundle), self.reference)

    def test_disk_that_is_full(self):
        # A file system of its own, which needs a name space of its own.
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
            self.skipTest("no user name spaces here")
        place, command = self.out, " ".join(f"'{part}'" for part in [LLMC, *self.compile(self.bundle)])
        script = f"""mount -t tmpfs -o size=1m none '{place}' && cd '{place}' || exit 99
        {command} 2> '{self.folder}/full.txt'; echo $? > '{self.folder}/full.code'; ls -A > '{self.folder}/left.txt'
        mount -o remount,size=64m '{place}' && {command} 2> '{self.folder}/more.txt'; echo $? > '{self.folder}/more.code'
        cp -r bundle '{self.folder}/bundle'"""
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        full = (self.folder / "full.txt").read_text()
        self.assertEqual((self.folder / "full.code").read_text(), "3\n", full)
        need = f"{len(self.reference['weights.safetensors']) / 1e6:.1f} MB"
        for part in ("llmc: error: no space for", str(self.partial), need, "MB are free", "No space left on device",
                     "the same command goes on"):
            self.assertIn(part, full)
        self.assertEqual((self.folder / "left.txt").read_text(), ".bundle.llmc-partial\n")
        self.assertEqual((self.folder / "more.code").read_text(), "0\n", (self.folder / "more.txt").read_text())
        self.assertEqual(contents(self.folder / "bundle"), self.reference)


if __name__ == "__main__":
    unittest.main()
