"""The folder that a command writes: each file whole or not at all, and nothing replaced that was not to be."""

import contextlib
import csv
import io
import shutil
from pathlib import Path

import numpy as np

from jnmf_cli.errors import Refused, of_file


class Folder:
    """DIR of --out, with a folder `checkpoint` in it while the work is not finished.

    files: the names of all that the command may write there.
    """

    def __init__(self, path: Path, files: list[str], *, resume: bool, force: bool):
        self.path, self.checkpoint = path, path / "checkpoint"
        try:
            path.mkdir(parents=True, exist_ok=True)
            there = [name for name in (*files, "checkpoint") if (path / name).exists()]
            if there and not (resume or force):
                raise Refused(
                    f"{path}: expected a folder without {there[0]}; choose another --out, --resume to go on, or "
                    "--force to replace what is there"
                )
            if force and not resume:
                shutil.rmtree(self.checkpoint, ignore_errors=True)
            self.write("writable.tmp", lambda file: file.write(b"\0"))  # before the work, and not after it
            (path / "writable.tmp").unlink()
        except OSError as error:
            raise of_file(path, error) from None

    def write(self, name: str, content) -> None:
        """What `content(file)` writes, whole or not at all."""
        write(self.path / name, content)

    def save(self, name: str, value) -> None:
        """A result of the library, for `jnmf.load`."""
        import jnmf

        path = self.path / name
        try:
            path.parent.mkdir(exist_ok=True)
            jnmf.save(path, value)
        except OSError as error:
            raise of_file(path, error) from None

    def finished(self) -> None:
        """What is kept to go on from is needed no more."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self.checkpoint)


def write(path: Path, content) -> None:
    from jnmf.io import written_whole

    try:
        written_whole(path, content)
    except OSError as error:
        raise of_file(path, error) from None


def write_table(path: Path, values, rows, columns, corner: str = "") -> None:
    """Numbers with names as text, in as many digits as give them back; tabs where the file is .tsv, else commas."""
    values = np.asarray(values)

    def content(file):
        out = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(out, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        writer.writerow([corner, *columns])
        for name, row in zip(rows, values, strict=True):
            writer.writerow([name, *row.astype(str)])
        out.detach()  # which writes what is left, and leaves the file open

    write(path, content)
