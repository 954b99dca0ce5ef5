"""The rise of the peak of a process during a run."""

import gc
import json
import math
import time
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.race import machine, peers
from experiments.race.case import Case
from experiments.race.clock import median
from experiments.race.contenders import FIT_NUMPY, ready
from experiments.race.problem import problem
from experiments.race.words import best_of_jnmf, judged, label, number


@dataclass(frozen=True)
class Memory(Case):
    """On a generated matrix. The bar is a percentage of X."""

    shape: tuple[int, int]
    rank: int
    contenders: tuple[str, ...]
    bar: float
    num_iters: int = 3

    asks = "peak memory of a run, beyond X and the factors"
    shows = "MB", "of X"
    means = "The rise of the peak during a second run, less the factors that it returns."
    length = "percent", "peak memory beyond X and the factors, % of X"

    def quick(self):
        return replace(self, shape=(self.shape[0] // 5, self.shape[1] // 5), rank=8)

    def compute(self, dtype, repeats):
        """Each contender in processes of its own, with an allocator that gives back what is freed."""
        at_once = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
        settings = {"shape": self.shape, "rank": self.rank, "dtype": dtype, "num_iters": self.num_iters}
        rows = []
        for name in self.contenders:
            row: dict[str, Any] = {"contender": name}
            row["missing"] = peers.missing(name, dtype) if name in peers.PEERS else None
            if not row["missing"]:
                program = f"from experiments.race import memory; memory.print_rise({name!r}, **{settings!r})"
                row["all_bytes"] = [machine.child(program, at_once) for _ in range(repeats)]
                row["bytes"] = median(row["all_bytes"])
                row["percent"] = 100 * row["bytes"] / (math.prod(self.shape) * np.dtype(dtype).itemsize)
            rows.append(row)
        # A NumPy X has to be copied into a JAX array: that row is shown and not judged.
        worst = best_of_jnmf([row for row in rows if row["contender"] != FIT_NUMPY], "percent")
        what = f"peak memory beyond X and the factors, {label(worst)}, the most of jnmf's"
        verdicts = [judged(worst, "percent", what, self.bar, " % of X", at_most=True)]
        return {"shape": list(self.shape), "rows": rows, "verdicts": verdicts}

    @classmethod
    def cells(cls, settings, row):
        return [number(row["bytes"] / 1e6), f"{number(row['percent'])} %"]


def print_rise(name: str, shape: tuple[int, int], rank: int, dtype: str, num_iters: int) -> None:
    """In a process of its own: by how many bytes the peak rises in a second run, less the factors that it returns."""
    jax.config.update("jax_enable_x64", True)
    X, W, H = problem(shape, rank, dtype)
    call = ready(name, X if name in (FIT_NUMPY, *peers.PEERS) else jnp.asarray(X), W, H).call
    call(num_iters)
    gc.collect()
    time.sleep(1)  # until other threads have given back what they held
    before = machine.peak_memory(reset=True)
    returned = sum(np.asarray(A).nbytes for A in call(num_iters))
    print(json.dumps(max(0, machine.peak_memory() - before - returned)))
