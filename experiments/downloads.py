"""Files of data: found in the folder JNMF_DATA or in the cache, else downloaded or made there; always checked."""

import gzip
import hashlib
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn


class DataMissing(Exception):
    """A file is in no folder that is looked in, and cannot be downloaded or made. `remedy` says what to do about it."""

    def __init__(self, message: str, remedy: str = ""):
        super().__init__(f"{message} {remedy}".strip())
        self.remedy = remedy


class DataDamaged(Exception):
    """A file was found, but it is not the published one."""


class File(NamedTuple):
    """What a file must hold, and where it comes from: a download, a function that makes it, or neither."""

    sha256: str  # of its `content`, so that a copy packed again or converted elsewhere is the same file
    url: str = ""
    packed: str = ""  # the checksum of the download, as pooch writes it, where that is another one
    make: Callable[[], dict[str, np.ndarray]] | None = None  # the arrays of the file, from public files
    source: str = ""  # for the reader, where there is neither


TIMEOUT = (3, 10)  # seconds to connect, and between two packets: without a network the download fails at once


def fetch(name: str) -> Path:
    """The path of a file of FILES whose checksum holds: in the folder JNMF_DATA, in the cache, or put there now."""
    file = FILES[name]
    given, cache = os.environ.get("JNMF_DATA"), Path(pooch.os_cache("jnmf"))
    for folder in (Path(given), cache) if given else (cache,):
        if (folder / name).is_file():
            return _verified(folder / name, file.sha256)
    looked = f"{name}: not found. Tried the folder JNMF_DATA ({given or 'not set'}), the cache {cache}"
    remedy = f"Set the environment variable JNMF_DATA to a folder that holds {name}."
    if not (file.url or file.make):
        raise DataMissing(f"{looked}. It cannot be downloaded from here; its source is {file.source}.", remedy)
    try:
        return _stored(name, file.make(), file.sha256, cache) if file.make else _download(name, file, cache)
    except DataMissing as error:
        raise DataMissing(f"{looked}, and the public file that it is made from. {error} Or:", remedy) from error
    except (OSError, ValueError) as error:  # no network or page, a cache that cannot be written; a wrong checksum
        origin = f"the download from {file.url}" if file.url else "making it from the public file"
        raise DataMissing(
            f"{looked}, and {origin}, which failed with {type(error).__name__}: {error}.", remedy
        ) from error


def content(path: Path) -> bytes:
    """What a checksum is of: the bytes of the file, unpacked; for arrays, their names, types, shapes and entries."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".npz":
        return b"".join(
            f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes()
            for name, array in sorted(read_arrays(path).items())
        )
    return path.read_bytes()


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by their names."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of an IDX file: bytes 0, 0, 8, the number of axes, their sizes (big-endian), the entries."""
    unpacked = content(path)
    magic, axes = unpacked[:3], unpacked[3] if len(unpacked) > 3 else 0
    if magic != b"\0\0\x08" or not axes:
        raise DataDamaged(f"{path} is no IDX file of unsigned bytes: expected 00 00 08, found {magic.hex(' ')!r}.")
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(unpacked[i : i + 4]) for i in range(4, start, 4))
    expected = start + math.prod(shape)
    if len(unpacked) != expected:
        raise DataDamaged(f"{path}: an IDX file of shape {shape} has {expected} bytes, found {len(unpacked)}.")
    return np.frombuffer(unpacked, np.uint8, offset=start).reshape(shape)


def _first_1000() -> dict[str, np.ndarray]:
    images, labels = (read_idx(fetch(f"train-{name}-ubyte.gz"))[:1000] for name in ("images-idx3", "labels-idx1"))
    return {"X": images.reshape(1000, 784), "y": labels}


def _faces_of_mat() -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    faces = loadmat(fetch("olivettifaces.mat"))["faces"]
    return {"X": (faces - faces.min()).astype(np.uint8)}


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"

FILES = {
    "nmfdata.txt": File(
        "a8ad9e23b15d99fb25309ae1f8352180890d40dd0e84488b06c3fc767ed2441a",
        "https://raw.githubusercontent.com/ahwillia/mit-tensor/master/nmfdata.txt",
    ),
    "t10k-images-idx3-ubyte.gz": File(
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        _MNIST + "t10k-images-idx3-ubyte.gz",
        "md5:9fb629c4189551a2d022fa330f9573f3",
    ),
    "t10k-labels-idx1-ubyte.gz": File(
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        _MNIST + "t10k-labels-idx1-ubyte.gz",
        "md5:ec29112dd5afa0611ce80d1b7f02629c",
    ),
    "train-images-idx3-ubyte.gz": File(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        _MNIST + "train-images-idx3-ubyte.gz",
        "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    "train-labels-idx1-ubyte.gz": File(
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        _MNIST + "train-labels-idx1-ubyte.gz",
        "md5:d53e105ee54ea40749a09fcbcd1e9432",
    ),
    "mnist_train_first1000.npz": File(
        "d0c45e581f8db79cf2fe3c0976a4d1d9e4483636735c4219e94f6552d2dda637", make=_first_1000
    ),
    "cbcl_faces.npz": File(
        "b33440bb03019510dc1269c4cccace125a3533e1d4e6316ea71abbd7401a5b56",
        source="CBCL face database #1, cbcl.mit.edu/software-datasets/FaceData2.html",
    ),
    "olivetti.npz": File("39de2844a2cae8e9411ef91c6399a467c4a5eef448badacfd7b3e70eeff10192", make=_faces_of_mat),
    "olivettifaces.mat": File(  # the address is the one that scikit-learn's fetch_olivetti_faces reads
        "b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794",
        "https://ndownloader.figshare.com/files/5976027",
    ),
    "all_aml.npz": File(
        "a5f1e2f8df2e3ae0972ec0b9559347264a4717c692086a2fec8e8b9d3cdf9fb2",
        source="the ALL/AML data of Brunet et al. 2004, cancer data sets of broadinstitute.org",
    ),
    "classic4.npz": File(
        "b12b44684357d7c11cd6e223113819066e464dddc789c12a2e05de60128e7e11",
        source="the CACM, CISI, CRAN and MED abstracts of the SMART collections",
    ),
}


def _verified(path: Path, sha256: str) -> Path:
    try:
        found = hashlib.sha256(content(path)).hexdigest()
    except Exception as error:  # whatever gzip, zipfile and NumPy raise at a broken file
        bytes_found = hashlib.sha256(path.read_bytes()).hexdigest()
        found = f"a file that cannot be unpacked ({error or type(error).__name__}), sha256 of its bytes {bytes_found}"
    if found != sha256:
        raise DataDamaged(
            f"{path} is damaged, incomplete or another file: expected sha256 {sha256}, found {found}. "
            "Delete or replace it."
        )
    return path


def _stored(name: str, arrays: dict[str, np.ndarray], sha256: str, folder: Path) -> Path:
    """Written aside, checked, then moved, so that the folder never holds half a file or a wrong one."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        path = Path(aside) / name
        np.savez_compressed(path, **arrays)  # pyright: ignore[reportArgumentType]
        if (found := hashlib.sha256(content(path)).hexdigest()) != sha256:
            raise ValueError(f"expected sha256 {sha256}, found {found}")
        return path.replace(folder / name)


def _download(name: str, file: File, folder: Path) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = _PoochBar(progress, progress.add_task(name, total=None))
        downloader: Any = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT)  # pyright: ignore[reportArgumentType]
        known = file.packed or f"sha256:{file.sha256}"
        return Path(pooch.retrieve(file.url, known, name, folder, downloader=downloader))


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
