"""Import, compile and fit in a fresh process, as a user meets a package for the first time."""

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.race import clock, machine
from experiments.race.case import Case
from experiments.race.contenders import is_jnmf
from experiments.race.problem import DATA
from experiments.race.words import judged, number

PROGRAMS = {  # what a user would write: the imports, then the fit of X
    "jnmf.fit": ("import jax, jnmf; jax.config.update('jax_enable_x64', True)", "jnmf.fit(X, {rank}).W.tolist()"),
    "scikit-learn NMF": (
        "from sklearn.decomposition import NMF",
        "NMF({rank}, init='random', random_state=0, max_iter=500).fit(X)",
    ),
    "torchnmf NMF": (
        "import torch; from torchnmf.nmf import NMF",
        "X = torch.from_numpy(X); torch.set_default_dtype(X.dtype); NMF(X.shape, {rank}).fit(X, beta=2, max_iter=500)",
    ),
}


@dataclass(frozen=True)
class FirstCall(Case):
    """A fit of the lab matrix. Bars in seconds."""

    rank: int
    bars: dict[str, float]

    asks = "import, compile and fit in a fresh process"
    shows = "import, s", "compile and fit, s", "together, s"
    means = "Each in a fresh Python; the start of Python itself is not in it."

    def compute(self, dtype, repeats):
        X = DATA["lab"]().astype(dtype)
        with tempfile.TemporaryDirectory() as folder:
            matrix = Path(folder) / "X.npy"
            np.save(matrix, X)
            cached = {
                "JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "programs"),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            }
            written = {name: program(name, matrix, self.rank) for name in PROGRAMS}
            runs: dict[str, Callable[[], Any]] = {
                f"{name}, without cache" if is_jnmf(name) else name: partial(machine.child, text)
                for name, text in written.items()
            }
            runs["jnmf.fit, with cache"] = partial(machine.child, written["jnmf.fit"], cached)
            absent = _first_failures(runs)  # this fills the cache of programs, and that of files
            parts: dict[str, list] = {name: [] for name in runs if name not in absent}
            calls: dict[str, Callable[[], Any]] = {name: lambda n=name: parts[n].append(runs[n]()) for name in parts}
            clock.in_turns(calls, repeats)
        rows = []
        for name in runs:
            row: dict[str, Any] = {"contender": name, "missing": absent.get(name)}
            if name in parts:
                for key in ("import", "fit"):
                    row[f"{key}_seconds"] = clock.median([part[key] for part in parts[name]])
                row["seconds"] = clock.median([part["import"] + part["fit"] for part in parts[name]])
                row["all_seconds"] = parts[name]
            rows.append(row)
        verdicts = []
        for kind, bar in self.bars.items():
            (mine,) = (row for row in rows if row["contender"] == f"jnmf.fit, {kind}")
            verdicts.append(judged(mine, "seconds", f"import, compile and fit, {kind}", bar, " s", at_most=True))
        how = " ".join(f"{name}={'DIR' if value.startswith(folder) else value}" for name, value in cached.items())
        notes = [
            f"The cache of compiled programs is switched on by the environment, {how}, or by JAX's settings so named."
        ]
        return {"shape": list(X.shape), "rows": rows, "verdicts": verdicts, "notes": notes}

    @classmethod
    def cells(cls, settings, row):
        return [number(row[key]) for key in ("import_seconds", "fit_seconds", "seconds")]


def program(name: str, matrix: Path, rank: int) -> str:
    """That times itself and prints its seconds as JSON."""
    imports, fit = PROGRAMS[name]
    return "\n".join(
        [
            "import json, time; begin = time.perf_counter()",
            f"import numpy; {imports}",
            f"imported = time.perf_counter(); X = numpy.load({str(matrix)!r})",
            fit.format(rank=rank),
            "print(json.dumps({'import': imported - begin, 'fit': time.perf_counter() - imported}))",
        ]
    )


def _first_failures(runs: dict[str, Callable[[], Any]]) -> dict[str, str]:
    """Each run once: why those fail that do. jnmf's own may not."""
    failed = {}
    for name, call in runs.items():
        try:
            call()
        except subprocess.CalledProcessError as error:
            if is_jnmf(name):
                raise
            failed[name] = error.stderr.strip().splitlines()[-1]
    return failed
