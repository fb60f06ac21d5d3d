# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files for other tools whose making is stopped: the same command goes on from
there and makes the same bytes; any other starts anew; nothing that was there
before is lost.

The reference is a file that nobody disturbed."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

from hostile import BUILD, LLMC, ROOT, TEST, HostileCase, Outcome, run
from synthetic import write_model

sys.path.insert(0, str(TEST / "Scripts"))
import llama_gguf  # noqa: E402

# It adds metrics, which play no part here.
PLUGIN = BUILD / "test/Unit/plugins/metrics.so"
WENT_ON = "llmc: went on from an earlier run"


def contents(folder: Path) -> dict[str, bytes]:
    """The files that others see."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}


class Files:
    """For one format; a group below adds the model, the recipe and the name."""

    name: str
    recipe: str

    @classmethod
    def setUpClass(cls):
        cls.home = Path(os.environ.get("TMPDIR", "/tmp")) / f"llmc-{cls.__name__}-{os.getpid()}"
        cls.model = cls.home / "model"
        cls.write_model()
        (cls.home / "recipe.yaml").write_text(cls.recipe)
        (cls.home / "other.yaml").write_text(cls.recipe.replace("candidates: 60", "candidates: 59"))
        (cls.home / "reference").mkdir()
        done = run(*cls.compress(cls.home / "reference"))
        assert done.code == 0, done
        assert WENT_ON not in done.err, done
        cls.reference = contents(cls.home / "reference")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.home)

    def setUp(self):
        super().setUp()
        self.partial = self.out / f".{self.name}.parts.llmc-partial"

    @classmethod
    def compress(cls, folder: Path, *more: str, recipe: str = "recipe") -> list:
        return ["compress", cls.model, "-o", folder / cls.name, "--recipe", cls.home / f"{recipe}.yaml", *more]

    def start(self, *more: str) -> subprocess.Popen:
        def take_signals() -> None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        return subprocess.Popen([LLMC, *self.compress(self.out, "--threads", "1", *more)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, preexec_fn=take_signals)

    def lines(self) -> list[bytes]:
        try:
            return (self.partial / "journal").read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []

    def count_tensors(self) -> int:
        return sum(b'"tensor"' in line for line in self.lines())

    def stop_at(self, tensors: int, number: int = signal.SIGKILL, *more: str) -> str:
        """Stops a run when its journal has so many tensors that were compressed; 0: when it has one line."""
        child = self.start(*more)
        deadline = time.monotonic() + 60
        while not (lines := self.lines()) or sum(b'"work":true' in line for line in lines) < tensors:
            self.assertIsNone(child.poll(), "the compiler ended too soon")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)
        child.send_signal(number)
        text = child.communicate(timeout=20)[1]
        self.assertEqual(child.returncode, -number, text)
        return text

    def finish(self, *more: str) -> Outcome:
        done = run(*self.compress(self.out, *more))
        self.assertEqual(done.code, 0, done)
        self.assertEqual({p.name for p in self.out.iterdir()}, self.reference.keys())
        self.assertTrue(contents(self.out) == self.reference)
        return done

    def clear(self) -> None:
        shutil.rmtree(self.out)
        self.out.mkdir()

    def test_goes_on_wherever_it_was_killed(self):
        for count in (0, 1, 5, 12):
            with self.subTest(count):
                self.stop_at(count)
                self.assertEqual(contents(self.out), {})
                tensors = self.count_tensors()
                done = self.finish()
                self.assertEqual(WENT_ON in done.err, tensors > 0, done)
                if tensors:
                    self.assertIn(f"{WENT_ON}: {tensors} of ", done.err)
                self.clear()

    def test_says_of_every_tensor_what_it_is(self):
        """The table of a run that went on is that of one that nobody stopped."""
        table = lambda text: [line.split()[:-2] for line in text.splitlines() if "MB" not in line and WENT_ON not in line]
        undisturbed = run(*self.compress(self.out))
        self.clear()
        self.stop_at(8)
        self.assertEqual(table(self.finish().err), table(undisturbed.err))

    def test_killed_again_and_again(self):
        """At any moment, without and with an older file standing there."""
        killed = 0
        for moment in range(24):
            if moment == 12:
                self.assertEqual(run(*self.compress(self.out, "--force", recipe="other")).code, 0)
                old = contents(self.out)
            child = self.start("--force")
            time.sleep(0.05 * (moment % 12))
            child.kill()
            child.communicate(timeout=20)
            killed += child.returncode != 0
            if moment < 12:
                # Of two files the first may have its name already.
                self.assertLessEqual(contents(self.out).items(), self.reference.items())
            else:
                self.assertIn(contents(self.out), (old, self.reference))
        self.assertGreater(killed, 3)
        self.finish("--force")

    def test_signals_keep_the_work_and_say_so(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            text = self.stop_at(4, number)
            self.assertIn("llmc: note: stopped; what is done stays in", text)
            self.assertIn(str(self.partial), text)
            self.assertIn(WENT_ON, self.finish().err)
            self.clear()

    def test_other_runs_start_anew(self):
        for change in ("recipe", "model", "plugin", "match"):
            with self.subTest(change):
                self.stop_at(4)
                if change == "model":
                    os.utime(next(self.model.glob("model.onnx*")))
                more = {"plugin": ["--plugin", PLUGIN], "match": ["--match", r"layers\.0|blk\.0"]}.get(change, [])
                done = run(*self.compress(self.out, *more, recipe="other" if change == "recipe" else "recipe"))
                self.assertEqual(done.code, 0, done)
                self.assertNotIn(WENT_ON, done.err)
                self.assertEqual({p.name for p in self.out.iterdir()}, self.reference.keys())
                self.clear()

    def test_a_journal_of_another_run(self):
        self.stop_at(4)
        mine = self.lines()
        self.clear()
        child = subprocess.Popen([LLMC, *self.compress(self.out, "--threads", "1", recipe="other")], stderr=subprocess.DEVNULL)
        while len(self.lines()) < 1:
            self.assertIsNone(child.poll())
            time.sleep(0.001)
        child.kill()
        child.wait()
        self.assertNotEqual(self.lines()[0], mine[0])
        (self.partial / "journal").write_bytes(self.lines()[0] + b"".join(mine[1:]))
        self.assertNotIn(WENT_ON, self.finish().err)

    def test_changed_bytes_are_found(self):
        def flip(content: bytearray) -> None:
            for part in (0.02, 0.9):
                content[int(len(content) * part)] ^= 1

        def fill_gaps(content: bytearray) -> None:
            # Ends of pages, where ONNX files have gaps between tensors; others have some anywhere.
            content[31::32] = b"x" * len(content[31::32])

        for change in (flip, fill_gaps, lambda content: content.pop(), lambda content: content.append(0), bytearray.clear):
            self.stop_at(8)
            tensors = self.count_tensors()
            content = bytearray((self.partial / "data").read_bytes())
            change(content)
            (self.partial / "data").write_bytes(content)
            self.assertNotIn(f"{WENT_ON}: {tensors} of", self.finish().err)
            self.clear()

    def test_journals_that_lie(self):
        self.stop_at(10)
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
                self.clear()

    def test_files_that_are_gone(self):
        for name in ("data", "journal"):
            self.stop_at(8)
            (self.partial / name).unlink()
            self.assertNotIn(WENT_ON, self.finish().err)
            self.clear()

    def test_two_at_once(self):
        child = self.start()
        while not self.lines():
            self.assertIsNone(child.poll())
            time.sleep(0.001)
        self.refused(run(*self.compress(self.out)), "another llmc is writing", self.name)
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0)
        self.assertTrue(contents(self.out) == self.reference)

    def test_disk_that_is_full(self):
        # A file system of its own, which needs a name space of its own.
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
            self.skipTest("no user name spaces here")
        command = " ".join(f"'{part}'" for part in [LLMC, *self.compress(self.out, "--force")])
        for name in self.reference:
            (self.folder / name).write_text(f"an older {name}")
        script = f"""mount -t tmpfs -o size=1m none '{self.out}' && cd '{self.folder}' && cp {self.name}* out || exit 99
        {command} 2> full.txt; echo $? > full.code; mkdir old; cp out/{self.name}* old; cp out/.*/journal .; ls -A out/.small* > left.txt
        mount -o remount,size=64m out && {command} 2> more.txt; echo $? > more.code
        cp -r out/. more"""
        (self.folder / "more").mkdir()
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        full = (self.folder / "full.txt").read_text()
        self.assertEqual((self.folder / "full.code").read_text(), "3\n", full)
        need = f"{max(map(len, self.reference.values())) / 1e6:.1f} MB"
        for part in ("llmc: error: no space for", str(self.partial / "data"), need, "MB are free", "No space left on device",
                     "make room there, or give another place with -o", "the same command goes on"):
            self.assertIn(part, full)
        # Before any tensor was written, and nothing that was there is gone.
        self.assertNotIn('"tensor"', (self.folder / "journal").read_text())
        self.assertEqual({name: text.decode() for name, text in contents(self.folder / "old").items()},
                         {name: f"an older {name}" for name in self.reference})
        self.assertNotIn("data", (self.folder / "left.txt").read_text().splitlines())
        self.assertEqual((self.folder / "more.code").read_text(), "0\n", (self.folder / "more.txt").read_text())
        self.assertTrue(contents(self.folder / "more") == self.reference)


class ResumeOnnx(Files, HostileCase):
    name = "small.onnx"
    # Eighteen matrices that take some time; gate and up of a layer have one scale.
    recipe = """quantize:
  - {match: "down", method: mse, format: i8g32.f32, candidates: 60}
  - {method: sinq, quantizer: mse, candidates: 60, share: true, format: i4g32.f32}
"""

    @classmethod
    def write_model(cls):
        write_model(cls.model, 6, 256, 512)

    def test_killed_between_its_two_files(self):
        """The data file has its name, the model has not; nothing was there, so nothing has to be forced."""
        self.stop_at(8)
        (self.partial / "data").write_bytes(self.reference["small.onnx.data"])
        os.link(self.partial / "data", self.out / "small.onnx.data")
        self.assertIn(WENT_ON, self.finish().err)
        # A data file of anybody else is not replaced.
        (self.out / "small.onnx").unlink()
        self.refused(run(*self.compress(self.out)), "small.onnx.data' exists; --force replaces it")

    def test_other_styles_start_anew(self):
        self.stop_at(4)
        self.assertNotIn(WENT_ON, self.finish("--style", "nbits").err)


class ResumeGguf(Files, HostileCase):
    name = "small.gguf"
    recipe = """quantize:
  - {match: "down", method: mse, format: q8_0, candidates: 60}
  - {method: sinq, quantizer: mse, candidates: 60, share: true, format: q4_0}
"""

    @classmethod
    def write_model(cls):
        numbers = cls.home / "numbers.gguf"
        cls.home.mkdir(parents=True)
        llama_gguf.make(numbers, layers=3, hidden=256, heads=4, kv_heads=2, inner=512, tied=False)
        command = [sys.executable, ROOT / "scripts/convert/gguf_to_onnx.py", numbers, "-o", cls.model]
        subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=300)


if __name__ == "__main__":
    unittest.main()
