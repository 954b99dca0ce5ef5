"""What a study is, and how one is run, kept and reused.

A study is a folder with a file a question (see `together`), or a module where it has one question, that has

    TITLE, SOURCE           what it is called on the page, and where its questions come from
    Settings                a frozen dataclass; its defaults take seconds (`make demo`)
    FULL, TINY              Settings of the source's own size, and of a size for the tests
    compute(settings, progress=False) -> arrays     all the work; a dict of named NumPy arrays and nothing else
    plot(arrays) -> {name: Figure}                  no computing
    sections(arrays) -> [Section, …]                the questions in the source's order, answered from the numbers

`arrays["notes"]`, where present, are sentences that the page shows above the answers: which data stood in, say. All
that `plot` and `sections` read is in the arrays, so that a figure can be redrawn without computing.
"""

import hashlib
import importlib
import json
import os
import platform
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.progress import track

import jnmf

NAMES = (
    "williams",
    "lab_synthetic",
    "lab_mnist",
    "lab_hals",
    "lecture",
    "problem_set",
    "faces",
    "leukemia",
    "swimmer",
    "sparse_parts",
    "topics",
    "unmixing",
)

FIRST = "leukemia"  # the quickest, which `all` begins with: figures within seconds

SHARED = ("data", "downloads", "measures")  # what the studies compute with

Arrays = dict[str, np.ndarray]


class Table(NamedTuple):
    """Rows of text under columns; numbers are aligned to the right on the page."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One question of the source, the answer (paragraphs apart by empty lines), the figures and tables it points to."""

    question: str
    answer: str
    figures: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


class Record(NamedTuple):
    """A finished study: its arrays, and how they were made."""

    arrays: Arrays
    made: dict[str, Any]  # settings, fingerprint, seconds, versions


def load(name: str) -> Any:
    """The module of a study."""
    return importlib.import_module(f"experiments.{name}")


def together(questions: Iterable[Any]) -> tuple[Any, Any]:
    """`plot` and `sections` of a study from its questions, in their order: modules or objects of which each has

    compute(settings, given) -> arrays      where it has its own work: from what the questions share (see `computed`)
    plot(arrays) -> {name: Figure}          where it has figures
    sections(arrays) -> [Section, …]        mostly one
    """

    def plot(arrays: Arrays) -> dict[str, Any]:
        return {k: f for q in questions if hasattr(q, "plot") for k, f in q.plot(arrays).items()}

    def sections(arrays: Arrays) -> list[Section]:
        return [section for question in questions for section in question.sections(arrays)]

    return plot, sections


def computed(questions: Iterable[Any], settings, given) -> dict[str, Any]:
    """What each question computes from the settings and from what all are given, in their order."""
    return {k: a for q in questions if hasattr(q, "compute") for k, a in q.compute(settings, given).items()}


def notes(*texts: str) -> np.ndarray:
    """For `arrays["notes"]`: those that say something."""
    return np.array([text for text in texts if text], dtype=str)


def compiled(programs: list[tuple[Any, tuple, dict[str, Any]]]) -> list[Any]:
    """Of each (jitted function, arguments, keywords) the compiled program, as many at a time as there are cores."""
    lowered = [function.lower(*arguments, **keywords) for function, arguments, keywords in programs]
    longest_first = sorted(range(len(lowered)), key=lambda i: -len(lowered[i].as_text()))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {i: pool.submit(lowered[i].compile) for i in longest_first}
    return [running[i].result() for i in range(len(lowered))]


def tracked(items: Iterable, description: str, progress: bool) -> Iterable:
    """The items, with a bar on the terminal if `progress`. One bar at a time: do not nest."""
    if not progress:
        return items
    return track(list(items), description, console=Console(stderr=True), transient=True)


def perform(name: str, settings, out: Path, *, fresh: bool = False, progress: bool = False) -> Record:
    """The study computed and kept in `out`, or read from there if it was made with these settings and this code."""
    kept = read(out / f"{name}.npz")
    wanted = {"settings": asdict(settings), "fingerprint": fingerprint(name)}
    same = kept is not None and all(kept.made[key] == plain(value) for key, value in wanted.items())
    if kept and same and not fresh and not len(kept.arrays.get("notes", ())):  # after a stand-in the data may have come
        return kept
    start = time.perf_counter()
    arrays = load(name).compute(settings, progress)
    made = wanted | {"seconds": time.perf_counter() - start, "versions": versions()}
    write(out / f"{name}.npz", Record(arrays, plain(made)))
    return Record(arrays, plain(made))


def fingerprint(name: str) -> str:
    """A checksum of the code that a study runs: its module, what all studies share, and the library."""
    here, library, own = Path(__file__).parent, Path(jnmf.__file__).parent, Path(load(name).__file__)
    of_study = sorted(own.parent.glob("*.py")) if own.name == "__init__.py" else [own]
    sources = [*of_study, *(here / f"{shared}.py" for shared in SHARED), *sorted(library.rglob("*.py"))]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def versions() -> dict[str, str]:
    packages = {package: version(package) for package in ("jnmf", "jax", "numpy", "scipy", "scikit-learn")}
    return {"Python": platform.python_version(), **packages, "machine": platform.machine()}


def write(path: Path, record: Record) -> None:
    """The arrays and how they were made, in one file that appears whole or not at all."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        entries: Any = {**record.arrays, "made": np.array(json.dumps(record.made))}
        np.savez_compressed(file, **entries)
    partial.replace(path)


def read(path: Path) -> Record | None:
    """What `write` wrote; None where there is no such file, or another one."""
    try:
        with np.load(path) as archive:
            arrays = dict(archive)
        return Record(arrays, json.loads(str(arrays.pop("made"))))
    except (OSError, ValueError, KeyError, EOFError):
        return None


def save_figures(name: str, figures: dict[str, Any], out: Path) -> None:
    for figure_name, figure in figures.items():
        for kind in ("png", "pdf"):
            figure.savefig(out / f"{name}-{figure_name}.{kind}", dpi=150, bbox_inches="tight")
            figure.set_layout_engine("none")  # as it stands: to find it takes longer than all else
    plt.close("all")  # those of jnmf.plot


def plain(value: Any) -> Any:
    """As JSON gives it back: tuples are lists."""
    return json.loads(json.dumps(value))
