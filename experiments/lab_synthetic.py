"""Lab, part 1: least squares, projections, steps and multiplicative updates on a matrix whose factors are known.

V = [W0 H0 + noise]₊ is 200 × 100 with planted W0 (200, 25) and H0 (25, 100), `data.generate_dataset_NMF`; as in the lab
the noise is 0 unless a question is about it. Errors are relative, ‖V − W H‖ / ‖V‖. All methods start from the same
random factors and, as in the lab, update W first: the library, which updates H first, is run on Vᵀ ≈ HᵀWᵀ. One compiled
program of each method serves every start and every noise level.
"""

import re
import time
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table, tracked
from jnmf import ALS, HALS, MU, PGD, Factors, solvers
from jnmf.losses import frobenius
from jnmf.plot import BLACK, BLUE, GREEN, MARKERS, ORANGE

TITLE = "Lab, part 1: which algorithm, on synthetic data?"
SOURCE = (
    "lab, preliminary questions and part 1: projected least squares, projected block coordinate descent and "
    "multiplicative updates, on a 200 × 100 matrix of rank 25"
)

RANK = 25  # of the planted factors
METHODS = {  # the lab's three, projected block coordinate descent (BCD) with two rules for its steps, and the best
    "ALS": ALS(),
    "BCD (fixed step)": PGD(step_size=1.0),  # the step itself is set for each V, see `with_fixed_step`
    "BCD (1/L)": PGD(),
    "MU": MU(),
    "HALS (3 sweeps)": HALS(inner=3),
}
REFERENCE = "HALS (3 sweeps)"  # of part 3 of the lab, not one of the three that part 1 asks about
WITH_RANKS = {"ALS": ALS(), "BCD (1/L)": PGD(), "MU": MU(), "HALS (3 sweeps)": HALS(inner=3)}
PERTURBATION = 1e-3  # of ‖V‖, to see how far the factors move
LEAST_SQUARES = 10  # iterations of the unconstrained method, which needs few
FLOOR = 1e-9  # errors below are rounding
SETTLED = 10  # iterations after which a growth of the error is no matter of the start
RISE = 1e-12  # of ½‖V‖²: a larger increase of the objective is no rounding
RATIOS = (1.0, 16.0, 1 / 16)  # of the step for W to that for H
DIRECTIONS = 20  # in which a gradient is held against differences


@dataclass(frozen=True)
class Settings:
    noise_level: float = 0.0  # of all questions but that on noise
    noise_levels: tuple[float, ...] = (0.0, 0.1, 1.0)
    num_restarts: int = 6
    few_restarts: int = 2  # the first of them, for least squares, step sizes and the other noise levels
    num_iters: int = 250
    num_steps: int = 10  # step sizes on each of the grids; the wide ones then have powers of 2
    ranks: tuple[int, ...] = (10, 20, 24, 25, 26, 30)
    rank_restarts: int = 3
    seed: int = 0


FULL = Settings(
    noise_levels=(0.0, 0.01, 0.03, 0.1, 0.3, 1.0),
    num_restarts=50,
    few_restarts=5,
    num_iters=2000,
    num_steps=19,
    ranks=(5, 10, 15, 20, 22, 24, 25, 26, 28, 30, 35, 40, 50),
    rank_restarts=5,
)
TINY = Settings(
    noise_levels=(0.0, 1.0),
    num_restarts=2,
    few_restarts=1,
    num_iters=25,
    num_steps=6,
    ranks=(20, 25, 28),
    rank_restarts=2,
)


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """The arrays of all questions; the name of each begins with the part that made it."""
    if not 1 <= settings.few_restarts <= settings.num_restarts:
        raise ValueError(f"few_restarts: expected 1 to num_restarts = {settings.num_restarts}")
    if settings.num_iters <= SETTLED:
        raise ValueError(f"num_iters: expected more than {SETTLED}")
    if RANK not in settings.ranks:
        raise ValueError(f"ranks: expected {RANK}, the planted one, to be among them, got {settings.ranks}")
    if not 1 <= settings.rank_restarts <= settings.num_restarts:
        raise ValueError(f"rank_restarts: expected 1 to num_restarts = {settings.num_restarts}")
    levels = sorted({*settings.noise_levels, settings.noise_level})
    matrices = [data.generate_dataset_NMF(level) for level in levels]
    main = levels.index(settings.noise_level)
    V, planted = matrices[main].V, on_host(matrices[main].W, matrices[main].H)
    keys = jax.random.split(jax.random.key(settings.seed), settings.num_restarts)
    starts = [members(random_starts(keys, matrix.V, rank=RANK)) for matrix in matrices]
    few = starts[main][: settings.few_restarts]
    settings = replace(settings, ranks=tuple(sorted({*settings.ranks})))
    all_ranks = tuple(sorted({1, *settings.ranks}))
    svd = np.array([np.asarray(jnmf.svd_rmse(matrix.V, all_ranks)) for matrix in matrices])
    norms = np.array([np.linalg.norm(matrix.V) for matrix in matrices])
    svd_error = svd * np.sqrt(V.size) / norms[:, None]  # of the truncated SVD, which no factorisation can beat

    arrays = {
        "levels": np.array(levels),
        "main": np.array(main),
        "data_V": V,
        "data_W": planted.W,
        "data_H": planted.H,
        "bound": svd_error[:, all_ranks.index(RANK)],
        "rank_one": svd_error[:, 0],
        "start_error": np.array([relative_error(V, start) for start in starts[main]]),
    }
    arrays |= convexity(V, planted, starts[main][0]) | functions(V, starts[main][0], settings)
    arrays |= step_sizes(V, few, settings)
    races, final = race(matrices, starts, main, float(arrays["step_best"]), settings, progress)
    arrays |= races
    arrays |= least_squares(matrices, starts, main, final, planted, settings)
    arrays |= projected_least_squares(V, few, settings)
    arrays |= zeros(V, few[0], settings)
    arrays |= ranks(V, planted, keys, settings)
    return arrays | {"rank_svd": svd_error[main][[all_ranks.index(r) for r in settings.ranks]]}


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


def recovery(W, planted_W, width: int) -> float:
    """The mean over the planted columns of the cosine with the partner in W, of rank at most `width`.

    A planted column without a partner counts 0: W is filled with zero columns, and all comparisons have one shape.
    """
    padded = [np.pad(A, ((0, 0), (0, width - A.shape[1]))) for A in (finite(W), np.asarray(planted_W))]
    return float(jnmf.similarity(*padded)) * width / planted_W.shape[1]


def finite(A) -> np.ndarray:
    return np.nan_to_num(np.asarray(A), nan=0, posinf=0, neginf=0)


# The objective, its gradients and its shape


def convexity(V, planted: Factors, start: Factors) -> Arrays:
    """The objective along three segments, (3, T): in both factors, in W alone, in H alone; and ½(1 − wh)², (T,).

    In both: from the planted factors to the same with the components in reverse order, which are as good. In one: from
    the start's to the planted one, the other being the planted one. The last from (w, h) = (2, ½) to (½, 2).
    """
    t = np.linspace(0, 1, 41)
    between = lambda A, B: [(1 - s) * A + s * B for s in t]
    objective = lambda W, H: 0.5 * np.sum((V - W @ H) ** 2)
    (W, H), (W_start, H_start) = planted, start
    segments = (
        zip(between(W, W[:, ::-1]), between(H, H[::-1]), strict=True),
        ((A, H) for A in between(W_start, W)),
        ((W, A) for A in between(H_start, H)),
    )
    w, h = (np.array(between(np.array(a), np.array(b))) for a, b in ((2, 0.5), (0.5, 2)))
    return {
        "convex_at": t,
        "convex_values": np.array([[objective(*pair) for pair in segment] for segment in segments]),
        "convex_example": 0.5 * (1 - w * h) ** 2,
    }


def functions(V, start: Factors, settings: Settings) -> Arrays:
    """What the lab's functions give at the start, and what they should: relative deviations.

    function_traces: the objective by traces; function_W, function_H: the gradients from central differences in random
    directions, the largest deviation; function_least (2,): the least entry of a matrix of normal numbers, and of its
    projection; function_stationary (2,): the gradient at the least squares solutions for W and H, relative to that at
    the start.
    """
    W, H = start
    traces = 0.5 * (np.trace(V.T @ V) - 2 * np.trace(H.T @ W.T @ V) + np.trace(H.T @ W.T @ W @ H))
    value = float(frobenius(V, W, H))
    gradients = np.asarray(frobenius.grad_W(V, W, H)), np.asarray(frobenius.grad_H(V, W, H))
    draw = np.random.default_rng(settings.seed)

    def deviation(block: int) -> float:
        worst = 0.0
        for _ in range(DIRECTIONS):
            D = draw.standard_normal(start[block].shape)
            moved = [[A + s * D if k == block else A for k, A in enumerate(start)] for s in (1e-4, -1e-4)]
            difference = float(frobenius(V, *moved[0]) - frobenius(V, *moved[1])) / 2e-4
            slope = np.vdot(gradients[block], D)
            scale = np.linalg.norm(gradients[block]) * np.linalg.norm(D)
            worst = max(worst, float(abs(difference - slope) / scale))
        return worst

    signed = draw.standard_normal((5, 4))
    W_best = np.linalg.solve(H @ H.T, H @ V.T).T
    H_best = np.linalg.solve(W.T @ W, W.T @ V)
    stationary = (
        np.linalg.norm(frobenius.grad_W(V, W_best, H)) / np.linalg.norm(gradients[0]),
        np.linalg.norm(frobenius.grad_H(V, W, H_best)) / np.linalg.norm(gradients[1]),
    )
    return {
        "function_objective": np.array(value),
        "function_traces": np.array(abs(traces / value - 1)),
        "function_W": np.array(deviation(0)),
        "function_H": np.array(deviation(1)),
        "function_least": np.array([signed.min(), np.min(jnmf.project_nonnegative(signed))]),
        "function_stationary": np.array(stationary),
    }


# Least squares without a constraint


def least_squares(matrices, starts, main, final, planted, settings: Settings) -> Arrays:
    """Alternating `lstsq` at every noise level (A levels, B starts), against HALS from the same starts.

    negative, first_negative, least, most, condition (A, B, 2) of W and of H, after all iterations and after the first;
    cancelled (A, B): Σ |W||H| / ΣV; error (A, B, iterations); clipped, rescaled (A, B): the error with the negative
    entries at 0, and with the best scale on top; change, hals_change (A, B, 2): the relative change of W and of H for
    each unit of relative change of V.
    """
    draw = np.random.default_rng(settings.seed)
    rows, pictured = [], {}
    for matrix, own, ends in zip(matrices, starts, final, strict=True):
        noise = draw.standard_normal(matrix.V.shape)
        disturbed = matrix.V + PERTURBATION * np.linalg.norm(matrix.V) / np.linalg.norm(noise) * noise
        few = stack(own[: settings.few_restarts])
        found, measures = unconstrained(matrix.V, few)
        moved, _ = unconstrained(disturbed, few)
        hals = stack([end[REFERENCE] for end in ends])
        hals_moved = stack(
            run_W_first(disturbed, start, METHODS[REFERENCE], num_iters=settings.num_iters)[0]
            for start in own[: settings.few_restarts]
        )
        measures |= {"change": relative_change(found, moved), "hals_change": relative_change(hals, hals_moved)}
        rows.append(measures)
        if len(rows) - 1 == main:
            pictured = {"ls_W": found.W[0], "hals_W": hals.W[0]}
    arrays = {f"ls_{name}": np.array([row[name] for row in rows]) for name in rows[0]}
    return (
        arrays
        | {name: np.asarray(W) for name, W in pictured.items()}
        | {
            "planted_condition": np.array([np.linalg.cond(A) for A in planted]),
            "planted_most": np.array([A.max() for A in planted]),
        }
    )


@jax.jit
def unconstrained(V, starts: Factors):
    """LEAST_SQUARES times from each start: each factor to the least squares solution, of any sign, for the other.

    Returns the factors, and what is measured of them, see `least_squares`.
    """

    def one(start):
        def iterate(factors, _):
            W = jnp.linalg.lstsq(factors.H.T, V.T)[0].T
            H = jnp.linalg.lstsq(W, V)[0]
            negative = jnp.stack([jnp.mean(A < 0) for A in (W, H)])
            return Factors(W, H), (relative_error(V, (W, H)), negative)

        factors, (error, negative) = lax.scan(iterate, start, length=LEAST_SQUARES)
        clipped = Factors(*map(jnmf.project_nonnegative, factors))
        WH = clipped.W @ clipped.H
        scale = jnp.vdot(V, WH) / jnp.vdot(WH, WH)
        each = lambda measure: jnp.stack([measure(A) for A in factors])
        return factors, {
            "first_negative": negative[0],
            "negative": negative[-1],
            "least": each(jnp.min),
            "most": each(lambda A: jnp.max(jnp.abs(A))),
            "condition": each(jnp.linalg.cond),
            "cancelled": jnp.sum(jnp.abs(factors.W) @ jnp.abs(factors.H)) / jnp.sum(V),
            "error": error,
            "clipped": relative_error(V, clipped),
            "rescaled": relative_error(V, (scale * clipped.W, clipped.H)),
        }

    return jax.vmap(one)(starts)


def relative_change(old, new) -> np.ndarray:
    """(B, 2): of W and of H, for each unit of relative change in the data."""
    norm = lambda A: np.linalg.norm(finite(A), axis=(1, 2))
    return np.stack([norm(b - a) / norm(a) / PERTURBATION for a, b in zip(old, new, strict=True)], axis=-1)


# Projected least squares


def projected_least_squares(V, starts: list[Factors], settings: Settings) -> Arrays:
    """ALS as it is (0), and with the columns of W scaled to maximum 1 after each iteration (1), from B starts.

    half (2, B, iterations, 2): the error after the half-step for W and after that for H; stretch (2, B, iterations):
    the longest column of W divided by the shortest.
    """
    scaled = np.array([False, True])
    loss, stretch = als_half_steps(V, stack(starts), scaled, num_iters=settings.num_iters)
    return {"als_half": trace_error(V, np.asarray(loss)), "als_stretch": np.asarray(stretch)}


@partial(jax.jit, static_argnames="num_iters")
def als_half_steps(V, starts: Factors, scaled, *, num_iters: int):
    """½‖V − W H‖² after each half-step, and the stretch, for each of the options `scaled` (2,) and each start."""

    def one(scaled, start):
        def iterate(factors, _):
            W, H = factors
            W = solvers.least_squares(W.T, H @ H.T, H @ V.T).T
            between = frobenius(V, W, H)
            H = solvers.least_squares(H, W.T @ W, W.T @ V)
            after = frobenius(V, W, H)
            lengths = jnp.linalg.norm(W, axis=0)
            own, unit = Factors(W, H), jnmf.normalize(Factors(W, H))
            following = jax.tree.map(lambda a, b: jnp.where(scaled, a, b), unit, own)
            return following, (jnp.stack([between, after]), lengths.max() / lengths.min())

        return lax.scan(iterate, start, length=num_iters)[1]

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))(scaled, starts)


# Step sizes


def step_sizes(V, starts: list[Factors], settings: Settings) -> Arrays:
    """Projected block coordinate descent with fixed steps η_W and η_H, from B starts.

    Three wide grids of √(η_W η_H), a grid for each of RATIOS, and a fine one about the border of descent for η_W = η_H:
    W, H (P,), the two steps; ratio (P,); wide (P,) bool; error (B, P, iterations); rises, diverged, overflowed (B, P),
    where a run that ends above its start has diverged; first (B,), the error of the start; norm = ‖V‖₂; safe (B, 2):
    2/‖HHᵀ‖₂ and 2/‖WᵀW‖₂ at the start; best: the η = η_W = η_H of least error without a rise, in units of 1/‖V‖₂.
    """
    norm = float(np.linalg.norm(V, 2))
    stacked, first = stack(starts), np.array([relative_error(V, start) for start in starts])

    def tried(multiples, ratio) -> Arrays:
        steps = np.stack([multiples * np.sqrt(ratio), multiples / np.sqrt(ratio)], axis=1) / norm
        error = trace_error(V, np.asarray(bcd(V, stacked, steps, num_iters=settings.num_iters)))
        return {
            "W": steps[:, 0],
            "H": steps[:, 1],
            "ratio": np.full(len(multiples), ratio),
            "error": error,
            "diverged": ~(error[:, :, -1] < first[:, None]),
            "overflowed": ~np.isfinite(error[:, :, -1]),
            "rises": count_rises(error, first[:, None]),
        }

    wide = np.geomspace(2.0**-6, 2.0**3, settings.num_steps)
    grids = [tried(wide, ratio) for ratio in RATIOS]
    narrow = np.geomspace(*border(wide, grids[0]), settings.num_steps + 2)[1:-1]
    grids.append(tried(narrow, 1.0))
    joined = {
        name: np.concatenate([grid[name] for grid in grids], axis=min(grids[0][name].ndim - 1, 1)) for name in grids[0]
    }
    equal = np.flatnonzero((joined["ratio"] == 1) & steady(joined))
    final = joined["error"][:, equal, -1].mean(axis=0)
    best = joined["W"][equal[final.argmin()] if equal.size else joined["W"].argmin()]
    return {f"step_{name}": value for name, value in joined.items()} | {
        "step_wide": np.arange(len(joined["W"])) < len(RATIOS) * len(wide),
        "step_first": first,
        "step_norm": np.array(norm),
        "step_safe": np.array([[2 / np.linalg.norm(A, 2) ** 2 for A in (start.H, start.W)] for start in starts]),
        "step_best": np.array(best * norm),
    }


def steady(tried) -> np.ndarray:
    """(P,): whether no start saw the objective rise."""
    return ((tried["rises"] == 0) & ~tried["diverged"]).all(axis=0)


def border(multiples, tried) -> tuple[float, float]:
    """The last of the increasing multiples before the objective rises, the first at which every start diverges."""
    rising = np.flatnonzero(~steady(tried))
    lost = np.flatnonzero(tried["diverged"].all(axis=0))
    return multiples[max(rising[0] - 1, 0) if rising.size else -1], multiples[lost[0] if lost.size else -1]


@partial(jax.jit, static_argnames="num_iters")
def bcd(V, starts: Factors, steps, *, num_iters: int):
    """½‖V − W H‖² after each iteration, (B, P, iterations), from B starts with each of P pairs of steps, (P, 2).

    W ← [W − η_W ∇_W]₊, then H ← [H − η_H ∇_H]₊, with ∇_W = W HHᵀ − V Hᵀ and ∇_H = WᵀW H − WᵀV.
    """

    def one(start, steps):
        def iterate(factors, _):
            W, H = factors
            W = jnmf.project_nonnegative(W - steps[0] * (W @ (H @ H.T) - V @ H.T))
            H = jnmf.project_nonnegative(H - steps[1] * (W.T @ W @ H - W.T @ V))
            return Factors(W, H), frobenius(V, W, H)

        return lax.scan(iterate, start, length=num_iters)[1]

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))(starts, steps)


def count_rises(error, first):
    """In how many iterations the objective rose by more than rounding; `first` is the error of the start."""
    first = np.broadcast_to(np.asarray(first)[..., None], (*error.shape[:-1], 1))
    before = np.concatenate([first, error[..., :-1]], axis=-1)
    return np.sum(rose(before, error), axis=-1)


def rose(before, after):
    """Whether the objective, ½‖V‖² error², rose; NaN is neither."""
    return after > np.hypot(before, np.sqrt(RISE))


# All methods


kkt = jax.jit(jnmf.kkt_residual)


def race(matrices, starts, main, best_step, settings: Settings, progress: bool) -> tuple[Arrays, list[list[dict]]]:
    """Every method from every start (S), and from some of them at the other noise levels (A).

    error (M, S, iterations); seconds (M, S) an iteration; final, kkt, zeros (M, S); alike (M, S − 1): the mean cosine
    of the columns of W with their partners in that of the first start; level_final, level_recovery (A, M,
    few_restarts). Also the factors at the end, [level][start][method], of `few_restarts` starts.
    """
    names = list(METHODS)
    nothing = np.full((len(names), settings.num_restarts), np.nan)
    arrays: Arrays = {name: nothing.copy() for name in ("seconds", "final", "kkt", "zeros")}
    arrays["error"] = np.full((*nothing.shape, settings.num_iters), np.nan)
    arrays["alike"] = np.ones((len(names), settings.num_restarts - 1))
    shape = (len(matrices), len(names), settings.few_restarts)
    arrays |= {"level_final": np.zeros(shape), "level_recovery": np.zeros(shape)}
    ends: list[list[dict]] = [[{} for _ in range(settings.few_restarts)] for _ in matrices]
    width = max(RANK, *settings.ranks)

    # The methods take turns, so that another load on the machine is shared by all.
    jobs = [
        (level, s, i)
        for level in range(len(matrices))
        for s in range(settings.num_restarts if level == main else settings.few_restarts)
        for i in range(len(names))
    ]
    jobs.sort(key=lambda job: job[0] != main)
    for level, s, i in tracked(jobs, "methods, starts, noise levels", progress):
        V, start = matrices[level].V, starts[level][s]
        algorithm = with_fixed_step(METHODS[names[i]], best_step, V)
        if level == main and s == 0:
            timed(V, start, algorithm, settings.num_iters)  # compiles
        (factors, trace), seconds = timed(V, start, algorithm, settings.num_iters)
        if level == main:
            arrays["seconds"][i, s] = seconds / settings.num_iters
            arrays["error"][i, s] = trace_error(V, np.asarray(trace.loss))
            arrays["final"][i, s] = relative_error(V, factors)
            arrays["kkt"][i, s] = relative_kkt(V, start, factors)
            arrays["zeros"][i, s] = np.mean(np.concatenate([np.ravel(A) for A in factors]) == 0)
            if s > 0:
                arrays["alike"][i, s - 1] = recovery(factors.W, finite(ends[level][0][names[i]].W), width)
        if s < settings.few_restarts:
            ends[level][s][names[i]] = factors
            arrays["level_final"][level, i, s] = relative_error(V, factors)
            arrays["level_recovery"][level, i, s] = recovery(factors.W, matrices[level].W, width)

    planted = [
        run_W_first(V, on_host(W, H), METHODS[REFERENCE], num_iters=settings.num_iters)[0] for V, W, H in matrices
    ]
    return arrays | {
        "methods": np.array(names),
        "from_planted": np.array([relative_error(A.V, end) for A, end in zip(matrices, planted, strict=True)]),
        "planted_recovery": np.array([recovery(end.W, A.W, width) for A, end in zip(matrices, planted, strict=True)]),
        "chance": np.array(np.mean([recovery(start.W, matrices[main].W, width) for start in starts[main]])),
    }, ends


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


def relative_kkt(V, start, factors) -> float:
    """The norm of the projected gradient, relative to that at the start; inf for factors that are not finite."""
    if not all(np.isfinite(A).all() for A in factors):
        return np.inf
    return float(kkt(V, factors) / kkt(V, start))


# Entries


def zeros(V, start: Factors, settings: Settings) -> Arrays:
    """MU from the start, and from it with every tenth entry of H at zero.

    lowest, least (2 starts, iterations): the least entry of W and H, and the least that is not 0; count, of the same
    shape: how many are 0; error, of the same shape; kept: how many of the zeros put into H are at the end.
    """
    chosen = np.add.outer(np.arange(start.H.shape[0]), np.arange(start.H.shape[1])) % 10 == 0
    starts = stack([start, on_host(start.W, np.where(chosen, 0, start.H))])
    H, (lowest, least, count, loss) = followed(V, starts, MU(), num_iters=settings.num_iters)
    return {
        "zeros_lowest": np.asarray(lowest),
        "zeros_least": np.asarray(least),
        "zeros_count": np.asarray(count),
        "zeros_error": trace_error(V, np.asarray(loss)),
        "zeros_kept": np.array([np.sum(np.asarray(H)[1][chosen] == 0), chosen.sum()]),
    }


def entries(_, new: Factors, info):
    """What is recorded of an iteration: the least entry, the least but 0, how many are 0, and the loss."""
    all_of_them = jnp.concatenate([jnp.ravel(A) for A in new])
    least = jnp.min(jnp.where(all_of_them > 0, all_of_them, jnp.inf))
    return jnp.min(all_of_them), least, jnp.sum(all_of_them == 0), info.loss


@partial(jax.jit, static_argnames="num_iters")
def followed(V, starts: Factors, algorithm, *, num_iters: int):
    """From each start H at the end, and the `entries` of each iteration."""

    def one(start):
        end, seen = jnmf.run(V.T, transposed(start), algorithm, num_iters=num_iters, record=entries)
        return transposed(end).H, seen

    return jax.vmap(one)(starts)


# Ranks


def ranks(V, planted: Factors, keys, settings: Settings) -> Arrays:
    """Each of WITH_RANKS (M) at each rank (R) from each of S starts: error, recovery (M, R, S); chance (R,).

    All ranks run as the widest, with components at zero, which every method keeps there: one program for a method.
    """
    width = max(RANK, *settings.ranks)
    wide = random_starts(keys[: settings.rank_restarts], V, rank=width)
    # The start of a rank is, up to its scale, the first components of that of a larger one.
    kept = np.arange(width) < np.array(settings.ranks)[:, None, None]  # (R, 1, r)
    scale = np.sqrt(width / np.array(settings.ranks))[:, None, None] * kept
    R, S = len(settings.ranks), settings.rank_restarts
    W = (np.asarray(wide.W)[None] * scale[:, :, None]).reshape(R * S, -1, width)
    H = (np.asarray(wide.H)[None] * scale[..., None]).reshape(R * S, width, -1)
    found = [run_all(V, on_host(W, H), algorithm, num_iters=settings.num_iters) for algorithm in WITH_RANKS.values()]
    pairs = [members(factors) for factors in found]
    return {
        "rank_methods": np.array(list(WITH_RANKS)),
        "rank_ranks": np.array(settings.ranks),
        "rank_error": np.array([[relative_error(V, one) for one in ends] for ends in pairs]).reshape(-1, R, S),
        "rank_recovery": np.array([[recovery(one.W, planted.W, width) for one in ends] for ends in pairs]).reshape(
            -1, R, S
        ),
        "rank_chance": np.array([recovery(W[S * k], planted.W, width) for k in range(R)]),
    }


@partial(jax.jit, static_argnames="num_iters")
def run_all(V, starts: Factors, algorithm, *, num_iters: int) -> Factors:
    """The factors at the end from each of B starts, one after the other."""
    return lax.map(lambda start: run_W_first(V, start, algorithm, num_iters=num_iters)[0], starts)


# What the numbers say


def sections(arrays: Arrays) -> list[Section]:
    a = SimpleNamespace(**arrays)
    every = (
        about_convexity,
        about_preliminaries,
        about_data,
        about_functions,
        about_least_squares,
        about_projecting,
        about_steps,
        about_multiplying,
        about_comparison,
        about_differences,
        about_noise,
        about_ranks,
    )
    return [about(a) for about in every]


def about_convexity(a) -> Section:
    values, example = a.convex_values, a.convex_example
    middle, ends = values[:, len(a.convex_at) // 2], values[:, [0, -1]].mean(axis=1)
    top, mean = example[len(example) // 2], example[[0, -1]].mean()
    apart = middle[0] > ends[0] and top > mean
    alone = [bool(np.all(np.diff(v, 2) >= -1e-9 * v.max())) for v in values[1:]]
    text = f"""
        In W alone: {"yes" if alone[0] else "NO, which cannot be right"}. In H alone:
        {"yes" if alone[1] else "NO, which cannot be right"}. In the pair (W, H):
        {"no" if apart else "not refuted here"}.

        With H fixed the objective is quadratic in W, with the Hessian I ⊗ HHᵀ, which has no negative eigenvalue; with W
        fixed the one in H is WᵀW ⊗ I (statement 3 of `proofs/`, step 2). For the pair one counterexample is enough, and
        1 × 1 matrices have it: f(w, h) = ½(1 − wh)² is {example[0]:.3g} at (2, ½) and {example[-1]:.3g} at (½, 2), but
        {top:.3g} at the midpoint (1¼, 1¼). A convex f would have at most the mean of the ends, {mean:.3g}, there.

        The same on V: W0 H0 does not change when the components are put in the reverse order, so both pairs have the
        objective {values[0, 0]:.3g}. Half way between them it is {middle[0]:.4g}. Along a segment in W alone, or in H
        alone, from a random start to the planted factor, it is at the middle {middle[1]:.4g} and {middle[2]:.4g},
        where the means of the ends are {ends[1]:.4g} and {ends[2]:.4g}. That is why W and H are updated in turn.
    """
    return Section("Is the objective convex in W, in H, in both together?", flowing(text), ("convexity",))


def about_preliminaries(a) -> Section:
    text = f"""
        The table has them; the objective has the factor ½, so that the gradients have none. They are derived, step by
        step, in `proofs/`, where V is called X, and checked there against automatic differentiation and in exact
        arithmetic; `python -m proofs 1 2 3` runs the three statements.

        Evaluated on this V at a random start: the traces give the objective up to {a.function_traces:.0e} of it, and
        at the two least squares solutions the gradients are {a.function_stationary[0]:.0e} and
        {a.function_stationary[1]:.0e} of those at the start, which is 0 up to rounding.
    """
    rows = [
        (
            "objective by traces",
            "½‖V − WH‖² = ½ tr VᵀV − tr HᵀWᵀV + ½ tr HᵀWᵀWH",
            "statement 1, frobenius_in_traces.py",
        ),
        ("gradient in W, H fixed", "∇_W = W HHᵀ − V Hᵀ", "statement 2, frobenius_gradients.py"),
        ("gradient in H, W fixed", "∇_H = WᵀW H − WᵀV", "statement 2, frobenius_gradients.py"),
        ("least squares for W, H fixed", "W* = V Hᵀ (HHᵀ)⁻¹", "statement 3, least_squares_solutions.py"),
        ("least squares for H, W fixed", "H* = (WᵀW)⁻¹ WᵀV", "statement 3, least_squares_solutions.py"),
    ]
    table = Table(("question", "answer", "derived in proofs/"), rows, "The preliminary questions.")
    question = "What are the objective in traces, its gradients, and the least squares solutions for W and for H?"
    return Section(question, flowing(text), (), (table,))


def about_data(a) -> Section:
    V, W, H = a.data_V, a.data_W, a.data_H
    rank = np.linalg.matrix_rank(V, rtol=1e-9)
    level = a.levels[a.main]
    text = f"""
        V is {V.shape[0]} × {V.shape[1]}, from {np.min(V):.3g} to {np.max(V):.3g}: the product of W0
        ({W.shape[0]} × {W.shape[1]}) and H0 ({H.shape[0]} × {H.shape[1]}), whose entries are the absolute values of
        normal numbers, up to {max(W.max(), H.max()):.3g}. The noise level is {level:g}, as
        {"the lab has it" if level == 0 else "chosen here, where the lab has 0"}, and the rank of V is {rank}.
        Other noise levels have a question of their own below. Every error on this page is ‖V − WH‖ / ‖V‖; a single
        component can get it down to {a.rank_one[a.main]:.3g}.
    """
    return Section("What do V and the factors W0 and H0 behind it look like?", flowing(text), ("data",))


def about_functions(a) -> Section:
    small = max(a.function_traces, a.function_W, a.function_H) < 1e-6 and a.function_least[1] == 0
    text = f"""
        {"Yes" if small else "NO: a deviation is larger than rounding"}. The library has them under the names in the
        table, and each is held against something that is not the library, at a random start.
    """
    rows = [
        ("objective(V, W, H)", "jnmf.losses.frobenius", "by traces, NumPy", f"{a.function_traces:.0e}"),
        ("grad_W(V, W, H)", "jnmf.losses.frobenius.grad_W", "central differences", f"{a.function_W:.0e}"),
        ("grad_H(V, W, H)", "jnmf.losses.frobenius.grad_H", "central differences", f"{a.function_H:.0e}"),
        (
            "project_nonnegative(X)",
            "jnmf.project_nonnegative",
            f"least entry {a.function_least[0]:.3g} before",
            f"{a.function_least[1]:.3g} after",
        ),
    ]
    columns = ("in the lab", "in the library", "held against", "deviation")
    table = Table(columns, rows, f"Gradients: the largest deviation in {DIRECTIONS} random directions, relative.")
    question = "Do objective, grad_W, grad_H and project_nonnegative give what they should?"
    return Section(question, flowing(text), (), (table,))


def about_least_squares(a) -> Section:
    here = int(a.main)
    error, clipped, rescaled = (
        np.median(v) for v in (a.ls_error[here, :, -1], a.ls_clipped[here], a.ls_rescaled[here])
    )
    first, last = (np.median(v[here], axis=0) for v in (a.ls_first_negative, a.ls_negative))
    least, one_component = a.ls_least[here].min(axis=0), a.rank_one[here]
    some_negative = bool(np.all((a.ls_negative[here] > 0).any(axis=1)))
    signs = instability(a)
    held = [text for text, holds in signs if holds]
    text = f"""
        {"Yes: from every start the solutions have negative entries" if some_negative else "Not from every start"}. The
        first solution for W has {first[0]:.0%} negative entries and the first for H {first[1]:.0%}; after
        {LEAST_SQUARES} rounds of W and H it is {last[0]:.0%} and {last[1]:.0%} (medians of
        {starts_of(a.ls_error.shape[1])}), down to {least[0]:.3g} and {least[1]:.3g}, where the planted entries lie
        between 0 and {a.planted_most.max():.3g}. As an approximation W H has the error {error:.2g}; that of the
        truncated SVD of rank {RANK} is {bounded(a.bound[here])}.

        Unstable? Of {len(signs)} signs of it that are measured, {len(held) if held else "none"}
        {"holds" if len(held) == 1 else "hold"}. {" ".join(text for text, _ in signs)}

        Setting the negative entries to 0 at the end takes the error from {error:.2g} to {clipped:.3g}, and with the
        best common scale on top to {rescaled:.3g}, {"more" if rescaled > one_component else "less"} than the
        {one_component:.3g} of a single component. Projecting in each iteration is the next question.
    """
    rows = [
        (
            f"{level:g}",
            *(f"{np.median(a.ls_negative[i, :, k]):.0%}" for k in (0, 1)),
            *(f"{a.ls_least[i, :, k].min():.3g}" for k in (0, 1)),
            *(span(a.ls_condition[i, :, k]) for k in (0, 1)),
            f"{np.median(a.ls_cancelled[i]):.3g}",
            f"{np.median(a.ls_error[i, :, -1]):.2g}",
            f"{np.median(a.ls_clipped[i]):.3g}",
            f"{np.median(a.ls_rescaled[i]):.3g}",
        )
        for i, level in enumerate(a.levels)
    ]
    columns = (
        *("noise", "W < 0", "H < 0", "min W", "min H", "cond W", "cond H"),
        *("Σ|W||H| / ΣV", "error", "clipped", "clipped, scaled"),
    )
    caption = "Least squares without a constraint: medians over the starts, least entries, ranges of condition numbers."
    question = "Without a constraint, do the least squares solutions have negative entries, and are they unstable?"
    return Section(question, flowing(text), ("least_squares",), (Table(columns, rows, caption),))


def instability(a) -> list[tuple[str, bool]]:
    """Three signs of unstable factors, at the main noise level: a sentence, and whether the numbers show it."""
    here = int(a.main)
    least = (a.ls_condition[here] / a.planted_condition).max(axis=1).min()
    cancelled = a.ls_cancelled[here]
    worst, calm = (100 * PERTURBATION * v[here].max(axis=1) for v in (a.ls_change, a.ls_hals_change))
    apart = bool(worst.min() > calm.max())
    moved = (
        "more, from every start"
        if apart
        else "less, from every start"
        if worst.max() < calm.min()
        else "no clear difference between the starts"
    )
    return [
        (
            f"""Condition: from every start W or H has a condition number at least {least:.3g} times that of the
            planted factor ({a.planted_condition[0]:.3g} for W0, {a.planted_condition[1]:.3g} for H0).""",
            bool(least > 2),
        ),
        (
            f"""Cancellation: Σ|W||H| is {span(cancelled)} times ΣV; it is 1 where nothing cancels.""",
            bool(cancelled.min() > 2),
        ),
        (
            f"""Sensitivity: a random change of V by {PERTURBATION:.1%} of its norm moves the factor that moves most by
            {span(worst)} % of its norm, where the factors of {REFERENCE} from the same starts move by
            {span(calm)} %: {moved}.""",
            apart,
        ),
    ]


def about_projecting(a) -> Section:
    question = "Projected ALS, iterated: what does the objective do?"
    error, before = curves(a, "ALS"), preceding(a, "ALS")
    risen = rose(before, error)
    growth = grown(before, error)
    s, t = np.unravel_index(growth.argmax(), growth.shape)
    number, last, lowest = error.shape[1], error[:, -1], error.min(axis=1)
    clipped = np.median(a.ls_clipped[a.main])
    helps = "less than" if np.median(last) < clipped else "no less than"
    text = f"""
        W is the projected least squares solution for H, then H that for the new W. The error after {number} iterations
        is {span(last)} ({starts_of(len(error))}), from {span(a.start_error)} at the start; the median
        {np.median(last):.3g} is {helps} the {clipped:.3g} that clipping at the end left.
    """
    if risen.any():
        late = risen[:, number // 2 :].mean()
        after_W, after_H = a.als_half[0, :, :, 0], a.als_half[0, :, :, 1]
        by_W = rose(np.concatenate([before[: len(after_H), :1], after_H[:, :-1]], axis=1), after_W).mean()
        by_H = rose(after_W, after_H).mean()
        text = f"""
        It does not fall steadily: it rises in {span(risen.sum(axis=1), "d")} of {number} iterations, depending on the
        start; from start 1 in iterations {some(risen[0])}. [V Hᵀ(HHᵀ)⁻¹]₊ is not the minimiser over W ≥ 0 (statement 3
        of `proofs/`, step 5, has an example), so nothing forbids it.

        {text}

        The half-step for W raises the objective in {by_W:.0%} of the iterations, that for H in {by_H:.0%}. In the
        second half of the runs it rises in {late:.0%} of the iterations: the method
        {"does not settle" if late > 0.02 else "settles"}, and ends {span(last / lowest - 1, ".0%")} above the lowest
        error it passed. The largest rise multiplied the error by {growth[s, t]:.3g}, to {error[s, t]:.3g}, in
        iteration {t + 1} from start {s + 1}.

        {scaling_control(a)}
        """
    else:
        text = f"It falls: in {number} iterations it did not rise, from any start.\n\n{text}"
    rows = [
        (
            f"{k + 1}",
            f"{risen[k].sum()}",
            some(risen[k]),
            *((f"{growth[k].max():.3g}", f"{growth[k].argmax() + 1}") if risen[k].any() else ("", "")),
            f"{lowest[k]:.4f}",
            f"{last[k]:.4f}",
        )
        for k in range(min(5, len(error)))
    ]
    columns = ("start", "rises", "in iterations", "error at most ×", "in iteration", "lowest error", "last error")
    table = Table(columns, rows, f"Projected ALS, {number} iterations.")
    return Section(question, flowing(text), ("projected",), (table,))


def grown(before, after) -> np.ndarray:
    """The factor by which the error grew, 1 where it did not."""
    return np.divide(after, before, out=np.ones_like(after), where=after > before)


def scaling_control(a) -> str:
    """What scaling the columns of W in each iteration changes."""
    error = a.als_half[:, :, :, 1]
    rises = rose(error[:, :, :-1], error[:, :, 1:]).mean(axis=(1, 2))
    jump = grown(error[:, :, SETTLED - 1 : -1], error[:, :, SETTLED:]).max(axis=(1, 2))
    text = f"""A control: the same with the columns of W scaled to maximum 1 after each iteration and the rows of H by
        the inverse, which leaves W H as it is, and in exact arithmetic, while the Gram matrices have inverses, all that
        follows. After iteration {SETTLED} the error grows by a factor of at most {jump[0]:.3g} as it is and
        {jump[1]:.3g} with scaling; it rises in {rises[0]:.0%} and {rises[1]:.0%} of the iterations."""
    if jump[0] < 2 * jump[1]:
        return text + " So the scales make little difference to the rises here."
    text += " So the large jumps need the scales that drift from iteration to iteration."
    return text + (" The small rises stay: they come from the projection." if rises[1] > 0.02 else "")


def about_steps(a) -> Section:
    last, count, number = a.step_error[:, :, -1], a.step_error.shape[0], a.step_error.shape[2]
    calm = ((a.step_rises == 0) & ~a.step_diverged).all(axis=0)
    lost = a.step_diverged.any(axis=0)
    equal = a.step_ratio == 1
    limit = 2 / float(a.step_norm)
    text = ""
    safe = reach(a, 1.0)
    if safe is not None:
        best = float(a.step_best / a.step_norm)
        at_best = last[:, equal & (a.step_W == best)].mean()
        low = equal & (a.step_W == a.step_W[equal].min())
        text += f"""
        With η_W = η_H = η it converges for η up to {safe[0]:.1e}: from every one of {starts_of(count)} the objective
        never rose, for any such η that was tried. Typical values are {best / 4:.1e} to {best:.1e}; the largest of
        these ends lowest, at {at_best:.3g} after {number} iterations, where the start has {a.step_first.mean():.3g}.
        Too small a step is only slow: {a.step_W[equal].min():.1e} ends at {last[:, low].mean():.3g}.
        """
    else:
        text += "With η_W = η_H none of the steps that were tried descends from every start.\n"
    text += f"""

        Where do these numbers come from? A step on W cannot raise the objective up to η_W = 1/‖HHᵀ‖₂ and can above
        2/‖HHᵀ‖₂, a step on H likewise with ‖WᵀW‖₂ (statement 5 of `proofs/`). At the starts
        2/‖HHᵀ‖₂ = {span(a.step_safe[:, 0], ".2e")} and 2/‖WᵀW‖₂ = {span(a.step_safe[:, 1], ".2e")}. Both norms change
        on the way. But ‖W‖₂‖H‖₂ ≥ ‖WH‖₂, so near a good fit both steps can be below their 2/‖ ‖₂ only if
        √(η_W η_H) ≤ 2/‖V‖₂ = {limit:.2e}, a number that needs no run.
        {beyond(a, limit)}
    """
    unequal = []
    for ratio in sorted(set(a.step_ratio.tolist()) - {1.0}, reverse=True):
        pair = reach(a, ratio)
        name = f"η_W = {ratio:g} η_H" if ratio > 1 else f"η_H = {1 / ratio:g} η_W"
        unequal.append(
            f"With {name} the objective never rose up to η_W = {pair[0]:.1e}, η_H = {pair[1]:.1e}."
            if pair
            else f"With {name} it rose at each of the steps."
        )
    text += f"""

        Different steps for W and H are possible, too. {" ".join(unequal)}
    """
    if lost.any():
        told = a.step_overflowed & a.step_diverged
        text += f"""

        Too large: a run that ends above its start has diverged. With η_W = η_H the smallest step to do so from some
        start is {span([a.step_W[equal & lost].min()], ".1e") if (equal & lost).any() else "not among those tried"}.
        Of all {a.step_diverged.sum()} runs that diverged {told.sum()} had overflowed after {number} iterations.
        """
        if np.any(np.isclose(last[a.step_diverged & ~told], 1, rtol=1e-9)):
            text += "An error of 1 means that the projection has set a whole factor to 0."
    rows = [
        (
            f"{a.step_W[k]:.2e}",
            f"{a.step_H[k]:.2e}",
            f"{np.sqrt(a.step_W[k] * a.step_H[k]) / limit:.3g}",
            span(a.step_rises[:, k], "d"),
            f"{a.step_diverged[:, k].sum()} of {count}",
            span(last[:, k]).replace("inf", "∞"),
        )
        for k in sorted(range(len(calm)), key=lambda k: (-a.step_ratio[k], a.step_W[k]))
    ]
    columns = ("η_W", "η_H", "√(η_W η_H) ‖V‖₂ / 2", "iterations that rise", "diverged", "last error")
    caption = f"Projected block coordinate descent with fixed steps, {number} iterations, {starts_of(count)}."
    question = "Projected block coordinate descent: for which step sizes η_W and η_H does it converge?"
    return Section(question, flowing(text), ("steps",), (Table(columns, rows, caption),))


def reach(a, ratio: float) -> tuple[float, float] | None:
    """The largest (η_W, η_H) of this ratio up to which the objective never rose, from any start; None if none."""
    places = np.flatnonzero(a.step_ratio == ratio)
    places = places[np.argsort(a.step_W[places])]
    calm = ((a.step_rises == 0) & ~a.step_diverged).all(axis=0)[places]
    number = len(calm) if calm.all() else int(np.argmin(calm))
    return (float(a.step_W[places[number - 1]]), float(a.step_H[places[number - 1]])) if number else None


def beyond(a, limit: float) -> str:
    """How the runs with larger steps than the limit ended, and those with smaller ones that never rose."""
    above = np.sqrt(a.step_W * a.step_H) > limit * (1 + 1e-9)
    ended, lost = a.step_diverged[:, above], int(a.step_diverged[:, above].sum())
    if not ended.size:
        return "No step above it was tried."
    return f"Of {ended.size} runs above it {lost if lost < ended.size else 'all'} diverged, whatever η_W / η_H."


def about_multiplying(a) -> Section:
    first, least, count = a.zeros_least[0, 0], a.zeros_least[0, -1], int(a.zeros_count[0, -1])
    kept, put = (int(v) for v in a.zeros_kept)
    others, number = int(a.zeros_count[1, -1]) - kept, a.zeros_least.shape[1]
    zero = "no entry is 0" if count == 0 else f"{count} entries are 0, for want of smaller numbers in float64"
    ends = a.zeros_error[:, -1]
    answer = "Yes" if a.zeros_lowest.min() >= 0 else "NO, which cannot be right"
    text = f"""
        {answer}: the least entry of W and H in all {number} iterations of two runs is {a.zeros_lowest[0].min():.2g}
        from a positive start, and {a.zeros_lowest[1].min():.2g} from one with zeros. Each entry is multiplied by a
        quotient of nonnegative numbers, and nothing is projected.

        The least entry is {first:.2g} after the first iteration and {least:.2g} after {number}; {zero}. The other side:
        an entry at 0 stays there. Of {put} entries of H set to 0 at the start, every tenth,
        {"all" if kept == put else kept} are 0 at the end, and {"no" if others == 0 else others} other entry is. That
        run ends at an error of {ends[1]:.3g}, the one from the positive start at {ends[0]:.3g}.
    """
    question = "Do the multiplicative updates keep W and H nonnegative without a projection?"
    return Section(question, flowing(text), ("entries",))


def three(a) -> list[str]:
    """The methods that the lab asks about, in its order."""
    return [name for name in names(a) if name != REFERENCE]


def about_comparison(a) -> Section:
    median, milliseconds = by_name(a, a.final), {name: 1e3 * v for name, v in by_name(a, a.seconds).items()}
    asked = sorted(three(a), key=median.__getitem__)
    number, count = a.error.shape[2], a.final.shape[1]
    common = max(float(np.max(a.final[names(a).index(name)])) for name in asked)
    needed = {name: first_below(curves(a, name), common) for name in names(a)}
    early = min(SETTLED, number)
    at_first = {name: np.median(curves(a, name)[:, early - 1]) for name in asked}
    steady_ones = [name for name in asked if not rose(preceding(a, name), curves(a, name)).any()]
    others = [name for name in asked if name not in steady_ones]
    also = f" and rose with {listed(others)}" if others else ""
    text = f"""
        Of the three (BCD with two rules for its steps), {asked[0]} has the lowest median error after {number}
        iterations, {median[asked[0]]:.4f}, and {asked[-1]} the highest, {median[asked[-1]]:.4f}, from the same
        {starts_of(count)}. {order_of_starts(a, asked)}

        Trajectory. After {early} iterations the median errors are {listed(f"{at_first[k]:.4f} ({k})" for k in asked)}.
        The objective never rose with {listed(steady_ones) or "any"}{also}.
        The error {common:.3g}, which all of them pass from every start, is first passed, in the median, after
        {listed(f"{needed[k]:.0f} iterations ({k})" for k in asked)}. An iteration takes from
        {min(milliseconds[k] for k in asked):.2g} to {max(milliseconds[k] for k in asked):.2g} ms in the median; the
        table has the range over the runs, which is the noise of this clock.

        Error. The least that any method could reach is that of the truncated SVD, {bounded(a.bound[a.main])}. For
        comparison, {REFERENCE}, of part 3 of the lab, ends at {median[REFERENCE]:.4f} in as many iterations.

        {sensitivity(a)}
    """
    rows = [
        (
            name,
            f"{milliseconds[name]:.3f}",
            span(1e3 * a.seconds[i], ".3f"),
            f"{np.median(curves(a, name)[:, early - 1]):.4f}",
            *(f"{measure(a.final[i]):.5f}" for measure in (np.median, np.min, np.max)),
            f"{needed[name]:.0f}",
            f"{a.alike[i].mean():.2f}" if a.alike.shape[1] else "",
        )
        for i, name in enumerate(names(a))
    ]
    columns = (
        *("method", "ms / iteration", "its range", f"median error after {early}", f"after {number}", "lowest"),
        *("highest", f"iterations to {common:.3g}", "W alike"),
    )
    caption = f"""{starts_of(count)}. W alike: the mean cosine of the columns of W with their partners in the W of the
        first start, 1 for the same parts; a random start and W0 have {a.chance:.2f}."""
    question = "Projected ALS, projected BCD and MU: how do trajectory, error and sensitivity to the start compare?"
    return Section(question, flowing(text), ("convergence", "starts"), (Table(columns, rows, flowing(caption)),))


def order_of_starts(a, asked: list[str]) -> str:
    """Whether the order of two methods is that of every start."""
    best, worst = (a.final[names(a).index(name)] for name in (asked[0], asked[-1]))
    ahead, count = int(np.sum(best < worst)), len(best)
    second = a.final[names(a).index(asked[1])]
    close = int(np.sum(best < second))
    return (
        f"{asked[0]} ends below {asked[-1]} from {ahead} of {count} starts, and below {asked[1]}, the next, from "
        f"{close} of {count}."
    )


def sensitivity(a) -> str:
    """How much the start matters, for each of the three methods and beside the choice of the method."""
    asked, median = three(a), by_name(a, a.final)
    spread = {name: a.final[names(a).index(name)].max() / a.final[names(a).index(name)].min() - 1 for name in asked}
    apart = max(median[name] for name in asked) / min(median[name] for name in asked) - 1
    most, least = (pick(spread, key=spread.__getitem__) for pick in (max, min))
    alike = {name: a.alike[names(a).index(name)] for name in asked}
    parts = (
        f"""Other parts are found from other starts: the columns of W have a mean cosine of
        {span([np.mean(v) for v in alike.values()], ".2f")} with their partners from the first start."""
        if a.alike.size and max(np.max(v) for v in alike.values()) < 0.99
        else ""
    )
    verdict = (
        "more than the choice between the three methods does"
        if spread[most] > apart
        else "less than the choice between the three methods does"
    )
    return f"""Sensitivity to the start. The final errors differ between the starts by
        {listed(f"{spread[name]:.0%} ({name})" for name in asked)}: most with {most}, least with {least}. The medians of
        the three methods differ by {apart:.0%}, so the start of {most} changes its error {verdict}. {parts}"""


def first_below(error, level: float) -> float:
    """The median over the starts of the first iteration with at most this error; inf where most have none."""
    below = error <= level * (1 + 1e-12)
    needed = np.where(below.any(axis=1), below.argmax(axis=1) + 1.0, np.inf)
    return float(np.sort(needed)[len(needed) // 2])


def about_differences(a) -> Section:
    median = by_name(a, a.final)
    rises = {name: rose(preceding(a, name), curves(a, name)).sum(axis=1) for name in names(a)}
    rules = {
        "ALS": ("least squares, then projected", "none"),
        "BCD (fixed step)": (
            "gradient steps, then projected",
            f"η = {float(a.step_best / a.step_norm):.1e}, tried out",
        ),
        "BCD (1/L)": ("gradient steps, then projected", "computed, 1/‖HHᵀ‖₂ and 1/‖WᵀW‖₂"),
        "MU": ("multiplied entry by entry", "none"),
        REFERENCE: ("one column at a time, exactly", "none"),
    }
    asked = three(a)
    zeros_of = {name: a.zeros[i].mean() for i, name in enumerate(names(a))}
    with_zeros = [name for name in asked if zeros_of[name] > 0]
    without = [name for name in asked if name not in with_zeros]
    rising = [name for name in asked if rises[name].any()]
    best = min(asked, key=median.__getitem__)
    text = f"""
        In sum: the objective {f"rises with {listed(rising)} and" if rising else "rises with none of them, and"} never
        with {listed(name for name in asked if name not in rising) or "the others"}. A step has to be chosen for BCD
        with fixed steps alone. Exact zeros in W and H are made by {listed(with_zeros) or "none"}
        {f"and not by {listed(without)}" if without else ""}. {best} has the lowest median error. How near the
        methods are to a stationary point, the norm of the projected gradient tells. What noise and a wrong rank change,
        the next two questions ask.
    """
    rows = [
        (
            name,
            *rules[name],
            "never" if not rises[name].any() else f"in {span(rises[name], 'd')} of {a.error.shape[2]}",
            f"{100 * zeros_of[name]:.1f} %",
            f"{median[name]:.5f}",
            f"{np.median(a.kkt[i]):.1e}",
        )
        for i, name in enumerate(names(a))
    ]
    columns = ("method", "update", "step to choose", "objective rises", "zeros in W, H", "median error", "gradient")
    caption = "Medians over the starts. Gradient: the norm of the projected gradient at the end, relative to the start."
    question = "What are the main differences between the three methods?"
    return Section(question, flowing(text), (), (Table(columns, rows, caption),))


def about_noise(a) -> Section:
    final, found = np.median(a.level_final, axis=2), np.median(a.level_recovery, axis=2)
    low, high = int(a.levels.argmin()), int(a.levels.argmax())
    asked = [names(a).index(name) for name in three(a)]
    ratio = final[:, asked].max(axis=1) / final[:, asked].min(axis=1)
    best = {f"{level:g}": names(a)[asked[k]] for level, k in zip(a.levels, final[:, asked].argmin(axis=1), strict=True)}
    change = ratio[high] / ratio[low]
    closer = "closer together" if change < 0.9 else "further apart" if change > 1.1 else "neither closer nor apart"
    risen = [names(a)[k] for k in asked if final[high, k] > 1.05 * final[low, k]]
    winners = listed(f"{name} (noise {level})" for level, name in best.items())
    if len(set(best.values())) == 1:
        winners = f"{best[f'{a.levels[low]:g}']} at every level"
    nearest = ""
    if a.bound[high] > FLOOR:
        above = final[high, asked].min() / a.bound[high] - 1
        nearest = f"; at noise {a.levels[high]:g} the lowest error among the three is {above:.1%} above it"
    lesson = "Some random starts end as near to the planted factors."
    if a.level_recovery.max() < a.planted_recovery.min():
        lesson = "Every random start ends elsewhere: a small error does not say that the parts are the true ones."
    text = f"""
    Noise of level {a.levels[high]:g} raises the error of {listed(risen) or "none of the three methods"}, and brings the
    three {closer}: the highest error of one is {ratio[low]:.2g} times the lowest at noise {a.levels[low]:g} and
    {ratio[high]:.2g} times at noise {a.levels[high]:g}. The least that any method could reach is that of the truncated
    SVD, {bounded(a.bound[low])} and {bounded(a.bound[high])}{nearest}. The lowest error of the three is that of
    {winners}.

    Are the planted parts found? Recovery is the mean cosine between the columns of W0 and their partners in W. A random
    start has {a.chance:.2f}, as all its entries are positive. At noise {a.levels[low]:g} the methods reach
    {span(found[low], ".2f")}, at {a.levels[high]:g} {span(found[high], ".2f")}. {REFERENCE} started at the planted
    factors ends at {a.planted_recovery[low]:.3f} and {a.planted_recovery[high]:.3f}, with errors of
    {a.from_planted[low]:.2g} and {a.from_planted[high]:.4f}. {lesson}
    """
    rows = [
        (
            f"{level:g}",
            f"{a.bound[i]:.5f}",
            *(f"{error:.5f}" for error in final[i]),
            f"{a.from_planted[i]:.5f}",
            span(found[i], ".2f"),
        )
        for i, level in enumerate(a.levels)
    ]
    columns = ("noise", "SVD", *names(a), "from planted", "recovery")
    caption = f"Final errors, medians over {starts_of(a.level_final.shape[2])}, the first of those above."
    return Section("What is the impact of noise?", flowing(text), ("noise",), (Table(columns, rows, caption),))


def about_ranks(a) -> Section:
    ranks, error, found = a.rank_ranks, np.median(a.rank_error, axis=2), np.median(a.rank_recovery, axis=2)
    methods = a.rank_methods.tolist()
    asked = [i for i, name in enumerate(methods) if name != REFERENCE]
    below, above = ranks < RANK, ranks > RANK
    first = [rank_verdict(a, asked, int(rank)) for rank in (ranks.min(), ranks.max()) if rank != RANK]
    parts = [f"{' '.join(first)} A difference counts where the {starts_of(a.rank_error.shape[2])} do not overlap."]
    if below.any():
        excess = error[asked][:, below] / a.rank_svd[below] - 1
        each = [f"{span(e, '.1%')} at r = {r}" for e, r in zip(excess.T, ranks[below], strict=True)]
        nearly = f"At r = {ranks[below][0]} nearly all of the error is due to the rank: no method can mend it."
        parts.append(f"""Too low: no matrix of rank r comes closer to V than the truncated SVD, whose error is
        {span(a.rank_svd[below])} at these ranks. The three methods end above it by {listed(each)}.
        {nearly if excess[:, 0].max() < 0.25 else ""} {missing_parts(a, asked)}""")
    if above.any():
        parts.append(
            f"""Too high: an exact factorisation {
                "exists" if a.rank_svd[ranks.argmax()] < FLOOR else "does not exist"
            } at r = {ranks.max()}. {extra_parts(a, asked)}"""
        )
    text = "\n\n".join(parts)
    bound = [f"{svd:.4f}" if svd > FLOOR else "0" for svd in a.rank_svd]
    errors = [(f"{r}", svd, *(f"{e:.4f}" for e in each)) for r, svd, each in zip(ranks, bound, error.T, strict=True)]
    recovery = [
        (f"{r}", *(f"{x:.2f}" for x in (*each, chance, min(r, RANK) / RANK)))
        for r, chance, each in zip(ranks, a.rank_chance, found.T, strict=True)
    ]
    of_errors = f"""The error, medians over {starts_of(a.rank_error.shape[2])}, others than above: those of all ranks
        begin with the same columns."""
    of_recovery = f"""Recovery: the mean cosine of the columns of W0 with their partners, medians over the same starts;
        a column without a partner counts 0, so r components reach at most r/{RANK}. With more columns to choose
        partners from chance grows, too: compare with a random start of the same rank."""
    tables = (
        Table(("rank", "SVD", *methods), errors, flowing(of_errors)),
        Table(("rank", *methods, "a random start", "possible"), recovery, flowing(of_recovery)),
    )
    question = f"What is the impact of a wrong rank, lower or higher than {RANK}?"
    return Section(question, flowing(text), ("ranks",), tables)


def rank_verdict(a, asked: list[int], rank: int) -> str:
    """What another rank than the planted one does to the error of each method; the starts decide."""
    place = lambda r: int(np.flatnonzero(a.rank_ranks == r)[0])
    told: dict[str, list[str]] = {"raises": [], "lowers": [], "does not clearly change": []}
    for i in asked:
        true, own = a.rank_error[i, place(RANK)], a.rank_error[i, place(rank)]
        kind = "raises" if own.min() > true.max() else "lowers" if own.max() < true.min() else "does not clearly change"
        told[kind].append(f"{a.rank_methods[i]} ({np.median(own):.3g} in place of {np.median(true):.3g})")
    texts = [f"{kind} the error of {listed(found)}" for kind, found in told.items() if found]
    return f"The rank {rank} in place of {RANK} {listed(texts)}."


def missing_parts(a, asked: list[int]) -> str:
    least = int(a.rank_ranks.argmin())
    gain = np.median(a.rank_recovery[asked, least], axis=-1) - a.rank_chance[least]
    hardly = ": hardly more" if gain.max() < 0.05 else ""
    return f"""At r = {a.rank_ranks[least]} the recovery of W0 is
        {span(np.median(a.rank_recovery[asked, least], axis=-1), ".2f")} of at most {a.rank_ranks[least] / RANK:.2f},
        where a random start of that rank has {a.rank_chance[least]:.2f}{hardly}."""


def extra_parts(a, asked: list[int]) -> str:
    true, most = int(np.flatnonzero(a.rank_ranks == RANK)[0]), int(a.rank_ranks.argmax())
    at_true, at_most = a.rank_recovery[asked, true], a.rank_recovery[asked, most]
    if np.all(at_most.max(axis=1) < at_true.min(axis=1)):
        verdict = "The planted parts are found less well than at the planted rank, by each of the three"
    elif np.all(at_most.min(axis=1) > at_true.max(axis=1)):
        verdict = "The planted parts are found better than at the planted rank, by each of the three"
    else:
        verdict = (
            "Whether the planted parts are found better or worse than at the planted rank, the starts do not decide"
        )
    return f"""{verdict}: recovery {span(np.median(at_most, axis=1), ".2f")} at r = {a.rank_ranks[most]} and
        {span(np.median(at_true, axis=1), ".2f")} at r = {RANK}."""


def bounded(error: float) -> str:
    return f"{error:.3g}" if error > FLOOR else "0 up to rounding"


def flowing(text: str) -> str:
    """Paragraphs, apart by empty lines, each on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


def names(a) -> list[str]:
    return a.methods.tolist()


def by_name(a, values) -> dict[str, float]:
    """The median over the starts of values (M, S), for each method."""
    return dict(zip(names(a), np.median(values, axis=1).tolist(), strict=True))


def curves(a, name: str) -> np.ndarray:
    """(S, iterations): the errors of one method."""
    return a.error[names(a).index(name)]


def preceding(a, name: str) -> np.ndarray:
    """The errors of the iteration before, that of the start first."""
    return np.concatenate([a.start_error[:, None], curves(a, name)[:, :-1]], axis=1)


def span(values, spec: str = ".3g") -> str:
    """The least and the largest: "2 to 5", or "2" where they read the same."""
    low, high = (format(v, spec) for v in (np.min(values), np.max(values)))
    return low if low == high else f"{low} to {high}"


def listed(items) -> str:
    *first, last = list(items) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def some(risen, most: int = 6) -> str:
    """The first iterations that rose, counted from 1."""
    places = [str(i + 1) for i in np.flatnonzero(risen)]
    return ", ".join(places[:most]) + (", …" if len(places) > most else "") if places else "none"


def starts_of(count: int) -> str:
    return f"{count} random start{'s' if count > 1 else ''}"


# What they look like

STYLES = {  # a colour for a method, a dash and a marker for each variant, which tell them apart in grey, too
    "MU": (BLUE, "-", "o"),
    "HALS (3 sweeps)": (ORANGE, "--", "v"),
    "ALS": (BLACK, "-.", "x"),
    "BCD (fixed step)": (GREEN, ":", "s"),
    "BCD (1/L)": (GREEN, "-", "D"),
}
GREY = "0.4"
ERROR = r"relative error $\Vert V - WH\Vert\ /\ \Vert V\Vert$"


def plot(arrays: Arrays) -> dict[str, Any]:
    a = SimpleNamespace(**arrays)
    return {
        "convexity": plot_convexity(a),
        "data": plot_data(a),
        "least_squares": plot_least_squares(a),
        "projected": plot_projected(a),
        "steps": plot_steps(a),
        "entries": plot_entries(a),
        "convergence": plot_convergence(a),
        "starts": plot_starts(a),
        "noise": plot_noise(a),
        "ranks": plot_ranks(a),
    }


def panels(count: int, height: float = 3.6) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), layout="constrained")
    return figure, figure.subplots(1, count)


def plain(axis) -> None:
    """Numbers on a logarithmic axis as 0.02, also where it has no power of ten."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def styled(name: str) -> dict[str, Any]:
    color, dash, marker = STYLES[name]
    return {"color": color, "linestyle": dash, "marker": marker, "linewidth": 1.4, "markersize": 5.5, "label": name}


def marks(number: int, shift: int) -> list[int]:
    """Even steps of log(iteration), shifted from curve to curve, so that curves that coincide show."""
    return list(np.unique(10 ** np.arange(0.06 * (shift % 8), np.log10(number + 1), 0.5)).astype(int) - 1)


def plot_convexity(a):
    figure, (left, right) = panels(2, 3.2)
    left.plot(a.convex_at, a.convex_example, color=BLACK, label=r"$\frac{1}{2}(1 - wh)^2$")
    ends = a.convex_example[[0, -1]]
    left.plot(a.convex_at[[0, -1]], ends, color=GREY, linestyle=":", marker="o", label="between the ends")
    left.set(xlabel=r"from $(w, h) = (2, \frac{1}{2})$ to $(\frac{1}{2}, 2)$", ylabel="objective")
    series = (
        ("in both: $W_0, H_0$ to the same, reversed", BLACK, "-"),
        ("in $W$ alone: a start to $W_0$", BLUE, "--"),
        ("in $H$ alone: a start to $H_0$", ORANGE, "-."),
    )
    for (label, color, dash), values in zip(series, a.convex_values, strict=True):
        right.plot(a.convex_at, values, color=color, linestyle=dash, label=label)
    right.set(xlabel="place on the segment", ylabel=r"objective $\frac{1}{2}\Vert V - WH\Vert^2$")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def plot_data(a):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(100, 60, 100))
    shown = (
        ("$V$", a.data_V, "feature", "sample"),
        ("$W_0$", a.data_W, "component", "sample"),
        ("$H_0$", a.data_H, "feature", "component"),
    )
    for one, (title, A, x, y) in zip(axes, shown, strict=True):
        image = one.imshow(A, aspect="auto", cmap="viridis", interpolation="nearest")
        one.set(title=f"{title}, {A.shape[0]} × {A.shape[1]}", xlabel=x, ylabel=y)
        figure.colorbar(image, ax=one, label="entry")
    return figure


def plot_least_squares(a):
    figure, (left, right) = panels(2)
    found = {
        "planted W": (a.data_W, GREY, "-"),
        "least squares": (a.ls_W, BLUE, "-"),
        "HALS (3 sweeps)": (a.hals_W, ORANGE, "--"),
    }
    low, high = (edge([edge(W / W.std()) for W, _, _ in found.values()]) for edge in (np.min, np.max))
    bins = np.arange(np.floor(low), np.ceil(high) + 0.125, 0.25)  # with an edge at 0
    for label, (W, color, dash) in found.items():
        filled = (
            {"histtype": "stepfilled", "alpha": 0.4} if label == "planted W" else {"histtype": "step", "linewidth": 1.5}
        )
        left.hist((W / W.std()).ravel(), bins, color=color, linestyle=dash, label=label, **filled)
    left.axvline(0, color="black", linewidth=0.8)
    left.set(yscale="log", xlabel="entries of W, in units of their standard deviation", ylabel="number of entries")
    left.legend(frameon=False, fontsize=8)

    places = np.arange(len(a.levels))
    series = (
        ("clipped at the end", a.ls_clipped, BLUE, "v"),
        ("clipped and scaled", a.ls_rescaled, GREEN, "s"),
        ("least squares", a.ls_error[:, :, -1], BLACK, "x"),
    )
    for label, values, color, marker in series:
        shown = np.where(values > FLOOR, values, np.nan)  # rounding, where the fit is exact
        right.plot(places, np.median(shown, axis=1), color=color, marker=marker, linestyle="none", label=label)
    right.plot(places, a.rank_one, color=GREY, linestyle="--", label="SVD of rank 1")
    right.plot(
        places,
        np.where(a.bound > FLOOR, a.bound, np.nan),
        color=GREY,
        linestyle=":",
        marker="_",
        label=f"SVD of rank {RANK}",
    )
    right.set(yscale="log", ylabel=ERROR, xlabel="noise level (exact fits are not shown)")
    right.set_xticks(places, [f"{level:g}" for level in a.levels])
    right.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return figure


def plot_projected(a):
    figure, (left, right) = panels(2)
    error, before = curves(a, "ALS")[0], preceding(a, "ALS")[0]
    iterations = np.arange(1, len(error) + 1)
    rising = rose(before, error)
    left.plot(iterations, error, color=BLACK, linewidth=1, label="ALS, start 1")
    left.plot(
        iterations[rising],
        error[rising],
        color=ORANGE,
        marker="^",
        markersize=4,
        linestyle="none",
        label="here it rises",
    )
    scaled = a.als_half[1, 0, :, 1]
    left.plot(iterations, scaled, color=BLUE, linestyle="--", linewidth=1, label="with scaled columns")
    left.set(xscale="log", yscale="log", xlabel="iteration", ylabel=ERROR)
    plain(left.yaxis)
    for k, (label, color, dash) in enumerate((("ALS", BLACK, "-"), ("with scaled columns", BLUE, "--"))):
        for s, stretch in enumerate(a.als_stretch[k]):
            shown = np.where(np.isfinite(stretch), stretch, np.nan)
            right.plot(iterations, shown, color=color, linestyle=dash, linewidth=1, label=label if s == 0 else None)
    right.set(xscale="log", yscale="log", xlabel="iteration", ylabel="longest / shortest column of W")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def plot_steps(a):
    from matplotlib import colormaps

    figure, (left, right) = panels(2, 4)
    error, ceiling = a.step_error[0], 3 * a.step_first.max()
    places = np.flatnonzero(a.step_wide & (a.step_ratio == 1))
    places = places[np.argsort(a.step_W[places])]
    shown = places[np.cumsum(a.step_diverged[0, places]) <= 1]  # one that diverges
    best = np.flatnonzero((a.step_ratio == 1) & np.isclose(a.step_W, a.step_best / a.step_norm))[:1]
    chosen = np.union1d(shown[::-1][:: max(1, round(len(shown) / 6))], best)
    chosen = chosen[np.argsort(a.step_W[chosen])]
    iterations = np.arange(1, error.shape[1] + 1)
    for i, k in enumerate(chosen):
        color = colormaps["cividis"](0.9 * i / max(len(chosen) - 1, 1))
        left.plot(
            iterations, np.minimum(error[k], 1e3 * ceiling), color=color, marker=MARKERS[i % len(MARKERS)],
            markersize=5, linewidth=1.3, markevery=marks(error.shape[1], i), label=f"{a.step_W[k]:.1e}",
        )  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="iteration", ylabel=ERROR, ylim=(None, ceiling))
    left.legend(frameon=False, fontsize=8, ncols=2, title=r"$\eta_W = \eta_H$", title_fontsize=8)

    last = a.step_error[:, :, -1]
    series = ((1.0, BLUE, "o", "-"), (max(RATIOS), ORANGE, "^", "--"), (min(RATIOS), GREEN, "s", "-."))
    mean = np.sqrt(a.step_W * a.step_H)
    for ratio, color, marker, dash in series:
        own = np.flatnonzero(a.step_ratio == ratio)
        own = own[np.argsort(mean[own])]
        name = {1.0: r"$\eta_W = \eta_H$", max(RATIOS): rf"$\eta_W = {max(RATIOS):g}\,\eta_H$"}
        label = name.get(ratio, rf"$\eta_H = {1 / min(RATIOS):g}\,\eta_W$")
        drawn = np.where(a.step_diverged[:, own], ceiling / 1.3, last[:, own])
        right.plot(mean[own], np.median(drawn, axis=0), color=color, linestyle=dash, linewidth=1, label=label)
        for s in range(len(drawn)):
            rises = (a.step_rises[s, own] > 0) | a.step_diverged[s, own]
            for chosen, face in ((rises, "white"), (~rises, color)):
                right.plot(
                    mean[own][chosen], drawn[s, chosen], color=color, marker=marker, markersize=5,
                    markerfacecolor=face, linestyle="none",
                )  # fmt: skip
    right.axvline(2 / float(a.step_norm), color=GREY, linestyle=":", linewidth=1, label=r"$2/\Vert V\Vert_2$")
    right.set(xscale="log", yscale="log", ylabel="last relative error", ylim=(None, ceiling))
    right.set_xlabel(r"$\sqrt{\eta_W \eta_H}$ (hollow: the objective rises; at the top: diverged)")
    right.legend(frameon=False, fontsize=8, loc="lower left")
    for axes in (left, right):
        plain(axes.yaxis)
        axes.grid(alpha=0.3)
    return figure


def plot_entries(a):
    figure, (left, right) = panels(2)
    iterations = np.arange(1, a.zeros_least.shape[1] + 1)
    series = (("positive start", BLUE, "-", "o"), ("start with a tenth of H at 0", ORANGE, "--", "^"))
    for i, (label, color, dash, marker) in enumerate(series):
        style = {
            "color": color,
            "linestyle": dash,
            "marker": marker,
            "markevery": marks(len(iterations), 3 * i),
            "label": label,
        }
        left.plot(iterations, a.zeros_least[i], **style)
        right.plot(iterations, a.zeros_error[i], **style)
    left.set(xscale="log", yscale="log", xlabel="iteration of MU", ylabel="least entry of W and H that is not 0")
    right.set(xscale="log", yscale="log", xlabel="iteration of MU", ylabel=ERROR)
    plain(right.yaxis)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def plot_convergence(a):
    figure, both = panels(2, 4.2)
    seconds = by_name(a, a.seconds)
    lowest = a.bound[a.main] if a.bound[a.main] > FLOOR else a.final.min()
    for i, name in enumerate(names(a)):
        error = np.where(curves(a, name) < 2 * a.start_error.max(), curves(a, name), np.nan)
        middle = np.median(curves(a, name), axis=0)
        iterations = np.arange(1, error.shape[1] + 1)
        for axes, x in zip(both, (iterations, 1e3 * seconds[name] * iterations), strict=True):
            low, high = np.nanmin(error, axis=0, initial=np.inf), np.nanmax(error, axis=0, initial=0)
            axes.fill_between(x, low, high, where=high > low, color=STYLES[name][0], alpha=0.12, linewidth=0)
            axes.plot(x, middle, **styled(name), markevery=marks(len(x), i))
    for axes, label in zip(both, ("iteration", "time, ms"), strict=True):
        if a.bound[a.main] > FLOOR:  # below is rounding
            axes.axhline(a.bound[a.main], color=GREY, linestyle=":", label="truncated SVD")
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=label,
            ylabel=ERROR,
            ylim=(0.8 * lowest, 1.5 * a.start_error.max()),
        )
        plain(axes.yaxis)
        axes.grid(alpha=0.3)
    handles = both[0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def plot_starts(a):
    figure, axes = panels(1, 3)
    order = np.argsort(np.median(a.final, axis=1))[::-1]
    for place, i in enumerate(order):
        style = {**styled(names(a)[i]), "linestyle": "none", "alpha": 0.6}
        shown = np.where(np.isfinite(a.final[i]), a.final[i], np.nan)
        axes.plot(shown, place + np.linspace(-0.2, 0.2, len(shown)), **style)
        axes.plot(np.median(shown), place, color="black", marker="|", markersize=16)
    if a.bound[a.main] > FLOOR:
        axes.axvline(a.bound[a.main], color=GREY, linestyle=":")
    axes.set_yticks(range(len(order)), [names(a)[i] for i in order])
    axes.set_xscale("log")
    plain(axes.xaxis)
    dotted = "; dotted: truncated SVD" if a.bound[a.main] > FLOOR else ""
    axes.set(xlabel=f"final {ERROR}, {a.final.shape[1]} starts (bar: median{dotted})")
    axes.grid(alpha=0.3)
    return figure


def plot_noise(a):
    figure, (left, right) = panels(2, 4.2)
    places = np.arange(len(a.levels))
    final, found = np.median(a.level_final, axis=2), np.median(a.level_recovery, axis=2)
    aside = np.linspace(-0.25, 0.25, len(names(a)))
    for i, name in enumerate(names(a)):
        style = {**styled(name), "linestyle": "none"}
        left.plot(places + aside[i], np.where(np.isfinite(final[:, i]), final[:, i], np.nan), **style)
        right.plot(places + aside[i], found[:, i], **style)
    for place, bound in zip(places, a.bound, strict=True):
        if bound > FLOOR:
            left.plot(
                [place - 0.35, place + 0.35],
                [bound, bound],
                color=GREY,
                linestyle=":",
                label="truncated SVD" if place == places[-1] else None,
            )
    right.plot(
        places,
        a.planted_recovery,
        color=GREY,
        marker="_",
        markersize=14,
        linestyle="none",
        label="HALS from the planted factors",
    )
    right.axhline(a.chance, color=GREY, linestyle="--", linewidth=1, label="random start")
    left.set(yscale="log", ylabel=f"final {ERROR}")
    plain(left.yaxis)
    right.set(ylabel="recovery of the planted W")
    for axes in (left, right):
        axes.set_xticks(places, [f"{level:g}" for level in a.levels])
        axes.set_xlabel("noise level")
        axes.grid(alpha=0.3)
    handles = {handle.get_label(): handle for axes in (left, right) for handle in axes.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def plot_ranks(a):
    figure, (left, right) = panels(2, 4)
    aside = np.linspace(-0.3, 0.3, len(a.rank_methods))
    for i, name in enumerate(a.rank_methods.tolist()):
        for axes, values in ((left, a.rank_error[i]), (right, a.rank_recovery[i])):
            middle, x = np.median(values, axis=1), a.rank_ranks + aside[i]
            bars = [middle - values.min(axis=1), values.max(axis=1) - middle]
            axes.errorbar(x, middle, bars, **styled(name), capsize=2, elinewidth=1)
    drawn = a.rank_svd > FLOOR
    left.plot(a.rank_ranks[drawn], a.rank_svd[drawn], color=GREY, linestyle=":", marker="_", label="truncated SVD")
    left.set(yscale="log", ylabel=ERROR)
    plain(left.yaxis)
    right.plot(a.rank_ranks, a.rank_chance, color=GREY, marker="+", linestyle="--", label="random start")
    right.plot(a.rank_ranks, np.minimum(a.rank_ranks, RANK) / RANK, color=GREY, linestyle=":", label="possible")
    right.set(ylabel="recovery of the planted $W_0$")
    for axes in (left, right):
        axes.axvline(RANK, color="0.85", linewidth=4, zorder=0)
        axes.set_xticks(a.rank_ranks, [str(r) for r in a.rank_ranks], fontsize=8)
        axes.set_xlabel("rank $r$ (bars: lowest and highest of the starts)")
        axes.grid(alpha=0.3)
    handles = {label: h for axes in (left, right) for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles=list(handles.values()), labels=list(handles), loc="outside lower center", ncols=4, frameon=False,
        fontsize=8,
    )  # fmt: skip
    return figure
