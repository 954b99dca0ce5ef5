"""The data sets: files found, checked and read, and the lab's generator. Nothing is loaded at import."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn


class DataMissing(Exception):
    """A file is in no folder that is looked in, and cannot be downloaded."""


class DataDamaged(Exception):
    """A file was found, but its checksum is not that of the published one."""


class File(NamedTuple):
    sha256: str
    url: str


FILES = {
    "nmfdata.txt": File(
        "a8ad9e23b15d99fb25309ae1f8352180890d40dd0e84488b06c3fc767ed2441a",
        "https://raw.githubusercontent.com/ahwillia/mit-tensor/master/nmfdata.txt",
    ),
}

TIMEOUT = (3, 10)  # seconds to connect, and between two packets: without a network the download fails at once


def nmfdata() -> np.ndarray:
    """The data of A. H. Williams' NMF exercises: X (150, 105) float64, rank 3 plus noise, a third of it negative."""
    return np.loadtxt(fetch("nmfdata.txt"))


class Synthetic(NamedTuple):
    """V (m, n) = [W H + noise]₊ with the factors it was made from."""

    V: np.ndarray
    W: np.ndarray
    H: np.ndarray


def generate_dataset_NMF(noise_level: float) -> Synthetic:
    """The lab's synthetic data: V = [W H + noise_level · N]₊, V (200, 100), W (200, 25), H (25, 100).

    The entries of W and H are half-normal, |z| with z ~ N(0, 1), those of N are N(0, 1). They are drawn in the order
    W, H, N by NumPy's legacy generator with seed 2026, so that W and H are the same bits everywhere and at every level.
    """
    if not 0 <= noise_level < np.inf:
        raise ValueError(f"noise_level: expected a finite number of at least 0, got {noise_level!r}")
    draw = np.random.RandomState(2026)
    W = np.abs(draw.randn(200, 25))
    H = np.abs(draw.randn(25, 100))
    V = np.maximum(W @ H + noise_level * draw.randn(200, 100), 0)
    return Synthetic(V, W, H)


def fetch(name: str) -> Path:
    """The path of a file of FILES whose checksum holds: in the folder JNMF_DATA, in the cache, or downloaded there."""
    file = FILES[name]
    given, cache = os.environ.get("JNMF_DATA"), pooch.os_cache("jnmf")
    for folder in (Path(given), cache) if given else (cache,):
        if (folder / name).is_file():
            return _verified(folder / name, file.sha256)
    try:
        return _download(name, file, cache)
    except (OSError, ValueError) as error:  # no network or page, a cache that cannot be written; a wrong checksum
        raise DataMissing(
            f"{name}: not found. Tried the folder JNMF_DATA ({given or 'not set'}), the cache {cache}, and the "
            f"download from {file.url}, which failed with {type(error).__name__}: {error}. "
            f"Set the environment variable JNMF_DATA to a folder that holds {name}."
        ) from error


def _verified(path: Path, sha256: str) -> Path:
    found = pooch.file_hash(str(path), alg="sha256")
    if found != sha256:
        raise DataDamaged(
            f"{path} is damaged, incomplete or another file: expected sha256 {sha256}, found {found}. "
            "Delete or replace it."
        )
    return path


def _download(name: str, file: File, folder: Path) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = _PoochBar(progress, progress.add_task(name, total=None))
        downloader: Any = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT)  # pyright: ignore[reportArgumentType]
        return Path(pooch.retrieve(file.url, f"sha256:{file.sha256}", name, folder, downloader=downloader))


class _PoochBar:
    """A rich progress bar with the names that pooch calls."""

    def __init__(self, progress: Progress, task: TaskID):
        self.progress, self.task = progress, task
        self.total = 0  # set by pooch from the header; 0 where the server does not tell

    def update(self, num_bytes: int) -> None:
        self.progress.update(self.task, total=self.total or None, advance=num_bytes)

    def reset(self) -> None:
        self.progress.update(self.task, completed=0)

    def close(self) -> None:
        """The bar ends with its `Progress`."""
