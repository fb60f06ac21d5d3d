# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Stops llmc at many moments and lets the same command go on: it makes the same
bytes; any other starts anew; nothing that was there before is lost.

The reference is a run that nobody disturbed."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from hostile import LLMC, Outcome, run
from synthetic import write_model

WENT_ON = "llmc: went on from an earlier run"


def contents(folder: Path) -> dict[str, bytes]:
    """What others see. Reports tell how long things took, so their sizes vary."""
    paths = {str(p.relative_to(folder)): p for p in folder.rglob("*")}
    return {name: b"" if p.is_dir() or p.stem == "report" else p.read_bytes() for name, p in paths.items() if name[0] != "."}


class Stopped:
    """The tests of one kind of output; a class of HostileCase says what is stopped."""

    verb: str  # of the command
    name: str  # of the output
    recipe: str  # takes some time
    partial_name: str  # the folder of what is not done
    data_name: str  # in it, the file of the tensors
    # Files of the output that may have their names before the others.
    first: list[str] = []
    # How far a run is when it is killed, in lines of the journal that `is_step`
    # counts; 0: a line of any kind.
    moments: tuple[int, ...]
    early: int
    late: int
    # Options that make another run of it.
    changes: dict[str, list]

    @classmethod
    def setUpClass(cls):
        cls.home = Path(os.environ.get("TMPDIR", "/tmp")) / f"llmc-{cls.__name__}-{os.getpid()}"
        cls.model, reference = cls.home / "model", cls.home / "reference"
        reference.mkdir(parents=True)
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.write_model()
        (cls.home / "recipe.yaml").write_text(cls.recipe)
        cls.other = ["--recipe", cls.home / "other.yaml"]
        cls.other[1].write_text(cls.recipe.replace("candidates: 60", "candidates: 59"))
        done = run(*cls.command(reference))
        assert done.code == 0, done
        assert WENT_ON not in done.err, done
        cls.reference = contents(reference)

    def setUp(self):
        super().setUp()
        self.partial = self.out / self.partial_name
        self.data = self.partial / self.data_name

    @classmethod
    def write_model(cls) -> None:
        # Eighteen matrices that take some time; with `share` gate and up of a layer have one scale.
        write_model(cls.model, 6, 256, 512)

    @classmethod
    def command(cls, folder: Path, *more) -> list:
        recipe = [] if "--recipe" in more else ["--recipe", cls.home / "recipe.yaml"]
        return [cls.verb, cls.model, "-o", folder / cls.name, *recipe, *more]

    def is_step(self, line: bytes) -> bool:
        raise NotImplementedError

    def start(self, *more) -> subprocess.Popen:
        def take_signals() -> None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        child = subprocess.Popen([LLMC, *self.command(self.out, "--threads", "1", *more)], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True, preexec_fn=take_signals)
        self.addCleanup(child.kill)
        return child

    def lines(self) -> list[bytes]:
        try:
            return (self.partial / "journal").read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []

    def count_tensors(self) -> int:
        return sum(b'"tensor"' in line for line in self.lines())

    def wait_for(self, child: subprocess.Popen, steps: int) -> None:
        deadline = time.monotonic() + 60
        while not (lines := self.lines()) or sum(map(self.is_step, lines)) < steps:
            self.assertIsNone(child.poll(), "the compiler ended too soon")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)

    def stop_at(self, steps: int, number: int = signal.SIGKILL, *more) -> str:
        """Stops a run when it is so far; what it said."""
        child = self.start(*more)
        self.wait_for(child, steps)
        child.send_signal(number)
        text = child.communicate(timeout=20)[1]
        self.assertEqual(child.returncode, -number, text)
        self.assertEqual(list(contents(self.out)), [])
        return text

    def as_reference(self, folder: Path) -> None:
        found = contents(folder)
        self.assertEqual(found.keys(), self.reference.keys())
        self.assertEqual([name for name in found if found[name] != self.reference[name]], [])

    def only_outputs(self) -> None:
        self.assertEqual({p.name for p in self.out.iterdir()}, {name for name in self.reference if "/" not in name})

    def finish(self, *more) -> Outcome:
        done = run(*self.command(self.out, *more))
        self.assertEqual(done.code, 0, done)
        self.only_outputs()
        self.as_reference(self.out)
        return done

    def clear(self) -> None:
        shutil.rmtree(self.out)
        self.out.mkdir()

    def write_older(self) -> None:
        """Another output of the same name."""
        self.assertEqual(run(*self.command(self.out, "--force", *self.other)).code, 0)

    def test_goes_on_wherever_it_was_killed(self):
        for count in self.moments:
            with self.subTest(count):
                self.stop_at(count)
                tensors = self.count_tensors()
                done = self.finish()
                self.assertEqual(WENT_ON in done.err, tensors > 0, done)
                if tensors:
                    self.assertIn(f"{WENT_ON}: {tensors} of ", done.err)
                self.clear()

    def test_killed_again_and_again(self):
        """At any moment, without and with an older output standing there."""
        killed = 0
        states = [{}, {name: self.reference[name] for name in self.first}, self.reference]
        for moment in range(24):
            if moment == 12:
                self.write_older()
                states = [contents(self.out), self.reference]
            child = self.start("--force")
            time.sleep(0.05 * (moment % 12))
            child.kill()
            child.communicate(timeout=20)
            killed += child.returncode != 0
            found = contents(self.out)
            self.assertTrue(found in states, f"{moment}: {list(found)}")
        self.assertGreater(killed, 3)
        self.finish("--force")

    def test_signals_keep_the_work_and_say_so(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            text = self.stop_at(self.early, number)
            self.assertIn("llmc: note: stopped; what is done stays in", text)
            self.assertIn(str(self.partial), text)
            self.assertTrue((self.partial / "journal").exists())
            self.assertIn(WENT_ON, self.finish().err)
            self.clear()

    def test_other_runs_start_anew(self):
        for change, options in {"recipe": self.other, "model": [], **self.changes}.items():
            with self.subTest(change):
                self.stop_at(self.early)
                self.assertGreater(self.count_tensors(), 0)
                if change == "model":
                    os.utime(max(self.model.glob("model.onnx*")))
                done = run(*self.command(self.out, *options))
                self.assertEqual(done.code, 0, done)
                self.assertNotIn(WENT_ON, done.err)
                self.only_outputs()
                self.clear()

    def test_a_journal_of_another_run(self):
        self.stop_at(self.early)
        mine, data = self.lines(), self.data.read_bytes()
        self.clear()
        self.stop_at(0, signal.SIGKILL, *self.other)
        self.assertNotEqual(self.lines()[0], mine[0])
        (self.partial / "journal").write_bytes(self.lines()[0] + b"".join(mine[1:]))
        self.data.write_bytes(data)
        self.assertNotIn(WENT_ON, self.finish().err)

    def test_changed_bytes_are_found(self):
        def flip(content: bytearray) -> None:
            # In the last quarter nothing is written yet: a change there is overwritten.
            for part in (0.02, 0.9):
                content[int(len(content) * part)] ^= 1

        def fill_gaps(content: bytearray) -> None:
            # Ends of pages, where ONNX files have gaps between tensors; others have some anywhere.
            content[31::32] = b"x" * len(content[31::32])

        for change in (flip, fill_gaps, lambda content: content.pop(), lambda content: content.append(0), bytearray.clear):
            self.stop_at(self.late)
            tensors = self.count_tensors()
            content = bytearray(self.data.read_bytes())
            change(content)
            self.data.write_bytes(content)
            self.assertNotIn(f"{WENT_ON}: {tensors} of", self.finish().err)
            self.clear()

    def test_journals_that_lie(self):
        self.stop_at(self.late)
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
        for name in (self.data_name, "journal"):
            self.stop_at(self.late)
            (self.partial / name).unlink()
            self.assertNotIn(WENT_ON, self.finish().err)
            self.clear()

    def test_two_at_once(self):
        child = self.start()
        self.wait_for(child, self.moments[1])
        # It may not end before the other one begins.
        child.send_signal(signal.SIGSTOP)
        self.refused(run(*self.command(self.out)), "another llmc is writing", self.name)
        child.send_signal(signal.SIGCONT)
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0)
        self.as_reference(self.out)

    def fill_disk(self, older: dict[str, str]) -> None:
        """Runs it where a megabyte is free and these files stand, then again where there is enough."""
        # A file system of its own, which needs a name space of its own.
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
            self.skipTest("no user name spaces here")
        command = " ".join(f"'{part}'" for part in [LLMC, *self.command(self.out, "--force")])
        for name in ("older", "left", "more"):
            (self.folder / name).mkdir()
        for name, text in older.items():
            (self.folder / "older" / name).write_text(text)
        script = f"""mount -t tmpfs -o size=1m none '{self.out}' && cd '{self.folder}' && cp -r older/. out || exit 99
        {command} 2> full.txt; echo $? > full.code; cp -r out/. left
        mount -o remount,size=64m out && {command} 2> more.txt; echo $? > more.code
        cp -r out/. more"""
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        full = (self.folder / "full.txt").read_text()
        self.assertEqual((self.folder / "full.code").read_text(), "3\n", full)
        need = f"{max(map(len, self.reference.values())) / 1e6:.1f} MB"
        for part in ("llmc: error: no space for", str(self.data), need, "MB are free", "No space left on device",
                     "make room there, or give another place with -o", "the same command goes on"):
            self.assertIn(part, full)
        # Before any tensor was written, and nothing that was there is gone.
        left = self.folder / "left"
        self.assertNotIn('"tensor"', (left / self.partial_name / "journal").read_text())
        self.assertEqual({name: content.decode() for name, content in contents(left).items()}, older)
        self.assertEqual({p.name for p in left.iterdir()}, {self.partial_name, *older})
        self.assertFalse((left / self.partial_name / self.data_name).exists())
        self.assertEqual((self.folder / "more.code").read_text(), "0\n", (self.folder / "more.txt").read_text())
        self.as_reference(self.folder / "more")
