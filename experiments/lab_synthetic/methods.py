"""The methods, how they are run in the lab's order, and what is measured of the factors that they find."""

import time
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments.study import tracked
from jnmf import ALS, HALS, MU, PGD, Factors

RANK = 25  # of the planted factors
METHODS = {  # the lab's three, projected block coordinate descent (BCD) with two rules for its steps, and the best
    "ALS": ALS(),
    "BCD (fixed step)": PGD(step_size=1.0),  # the step itself is set for each V, see `with_fixed_step`
    "BCD (1/L)": PGD(),
    "MU": MU(),
    "HALS (3 sweeps)": HALS(inner=3),
}
REFERENCE = "HALS (3 sweeps)"  # of part 3 of the lab, not one of the three that part 1 asks about
SETTLED = 10  # iterations after which a growth of the error is no matter of the start
RISE = 1e-12  # of ½‖V‖²: a larger increase of the objective is no rounding
FLOOR = 1e-9  # errors below are rounding


@partial(jax.jit, static_argnames="rank")
def random_starts(keys, V, *, rank: int) -> Factors:
    """A start of V for each of B keys: W (B, m, r), H (B, r, n)."""
    return jax.vmap(lambda key: jnmf.init.random(key, V, rank))(keys)


def on_host(W: Any, H: Any) -> Factors:
    """Factors of NumPy arrays."""
    return Factors(W, H)


def stack(factors) -> Factors:
    """Many factors as a batch, W (B, m, r), H (B, r, n)."""
    return on_host(*map(np.stack, zip(*factors, strict=True)))


def members(batch: Factors) -> list[Factors]:
    """A batch of factors one by one, on the host."""
    return [on_host(W, H) for W, H in zip(np.asarray(batch.W), np.asarray(batch.H), strict=True)]


@partial(jax.jit, static_argnames="num_iters")
def run_W_first(V, start: Factors, algorithm, *, num_iters: int):
    """`jnmf.run` in the lab's order, W and then H: the library's, H and then W, on Vᵀ ≈ HᵀWᵀ."""
    factors, trace = jnmf.run(V.T, transposed(start), algorithm, num_iters=num_iters)
    return transposed(factors), trace


def transposed(factors) -> Factors:
    """The factors of the transpose: Hᵀ, Wᵀ."""
    return Factors(factors[1].T, factors[0].T)


@jax.jit
def relative_error(V, factors):
    """‖V − W H‖ / ‖V‖; inf for factors that are not finite."""
    error = jnp.linalg.norm(V - factors[0] @ factors[1]) / jnp.linalg.norm(V)
    return jnp.where(jnp.isfinite(error), error, jnp.inf)


def trace_error(V, loss) -> np.ndarray:
    """The relative errors of the objectives ½‖V − W H‖² of a trace; inf where it is not finite."""
    return np.nan_to_num(np.sqrt(loss) * np.sqrt(2) / np.linalg.norm(V), nan=np.inf, posinf=np.inf)


def rose(before, after):
    """Whether the objective, ½‖V‖² error², rose; NaN is neither."""
    return after > np.hypot(before, np.sqrt(RISE))


def recovery(W, planted_W, width: int) -> float:
    """The mean over the planted columns of the cosine with the partner in W, of rank at most `width`.

    A planted column without a partner counts 0: W is filled with zero columns, and all comparisons have one shape.
    """
    padded = [np.pad(A, ((0, 0), (0, width - A.shape[1]))) for A in (finite(W), np.asarray(planted_W))]
    return float(jnmf.similarity(*padded)) * width / planted_W.shape[1]


def finite(A) -> np.ndarray:
    return np.nan_to_num(np.asarray(A), nan=0, posinf=0, neginf=0)


class Run(NamedTuple):
    factors: Factors
    loss: np.ndarray  # of each iteration
    seconds: float  # of all of them


def race(matrices, starts, main: int, best_step: float, num_iters: int, progress: bool) -> list[list[dict]]:
    """[level][start][method]: the run of each of METHODS from each start of each matrix, the one at `main` first.

    The methods take turns, so that another load on the machine is shared by all.
    """
    runs = [[{} for _ in own] for own in starts]
    jobs = [(level, s, name) for level, own in enumerate(runs) for s in range(len(own)) for name in METHODS]
    jobs.sort(key=lambda job: job[0] != main)
    for level, s, name in tracked(jobs, "methods, starts, noise levels", progress):
        V, start = matrices[level].V, starts[level][s]
        algorithm = with_fixed_step(METHODS[name], best_step, V)
        if level == main and s == 0:
            timed(V, start, algorithm, num_iters)  # compiles
        (factors, trace), seconds = timed(V, start, algorithm, num_iters)
        runs[level][s][name] = Run(factors, np.asarray(trace.loss), seconds)
    return runs


def with_fixed_step(algorithm, multiple: float, V):
    """PGD with a number for a step gets `multiple` / ‖V‖₂; the others stay what they are."""
    if isinstance(getattr(algorithm, "step_size", None), float):
        return replace(algorithm, step_size=multiple / float(np.linalg.norm(V, 2)))
    return algorithm


def timed(V, start, algorithm, num_iters: int):
    """What `run_W_first` returns, and the seconds it took."""
    begin = time.perf_counter()
    found = jax.block_until_ready(run_W_first(V, start, algorithm, num_iters=num_iters))
    return found, time.perf_counter() - begin


def svd_error(V, ranks) -> np.ndarray:
    """(R,): the relative errors of the truncated SVD of these ranks, which no factorisation can beat."""
    return np.asarray(jnmf.svd_rmse(V, ranks)) * np.sqrt(V.size) / np.linalg.norm(V)
