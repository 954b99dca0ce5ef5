"""Lab, part 1: least squares, projections, steps and multiplicative updates on a matrix whose factors are known.

V = [W H + noise]₊ is 200 × 100 with planted W (200, 25) and H (25, 100), `data.generate_dataset_NMF`. Errors are
relative, ‖V − W H‖ / ‖V‖. All methods start from the same random factors. One compiled program of each method serves
every start and every noise level, so each run is also a measurement of its time.
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
from jnmf import ALS, ANLS, HALS, MU, PGD, Factors, Status, solvers
from jnmf.plot import BLACK, BLUE, GREEN, MARKERS, ORANGE, PINK

TITLE = "Lab, part 1: which algorithm, on synthetic data?"
SOURCE = (
    "lab, part 1: least squares, projected least squares, projected gradient and multiplicative updates, "
    "on a 200 × 100 matrix of rank 25"
)

RANK = 25  # of the planted factors
METHODS = {
    "MU": MU(),
    "HALS": HALS(),
    "HALS (3 sweeps)": HALS(inner=3),
    "ALS": ALS(),
    "PGD (fixed step)": PGD(step_size=1.0),  # the step itself is set for each start, see `with_fixed_step`
    "PGD (1/L)": PGD(),
    "PGD (backtracking)": PGD(step_size="backtracking"),
    "ANLS": ANLS(),
}
SOLVERS = {  # (H, G, C) -> H, for the half-problem in H alone
    "HALS": solvers.hals,
    "PGD (1/L)": solvers.projected_gradient,
    "MU": solvers.multiplicative,
    "ALS": solvers.least_squares,
}
NUM_UPDATES = (1, 3, 10, 100)  # of one half-problem that the table shows
PERTURBATION = 1e-3  # of ‖V‖, to see how far the factors move
LEAST_SQUARES = 10  # iterations of the unconstrained method, which needs few
FLOOR = 1e-9  # errors below are rounding
SETTLED = 10  # iterations after which a growth of the error is no matter of the start
RISE = 1e-12  # of ½‖V‖²: a larger increase of the objective is no rounding


@dataclass(frozen=True)
class Settings:
    noise_level: float = 0.1  # of all questions but that on noise
    noise_levels: tuple[float, ...] = (0.0, 0.1, 1.0)
    num_restarts: int = 10
    few_restarts: int = 2  # the first of them, for least squares, step sizes and the other noise levels
    num_iters: int = 250
    exact_iters: int = 20  # of ANLS, whose iterations are dear; 0 leaves it out
    num_steps: int = 11  # step sizes on each of two grids; the wide one then has powers of 2
    ranks: tuple[int, ...] = (15, 19, 25, 32)
    rank_restarts: int = 3
    seed: int = 0


FULL = Settings(
    noise_levels=(0.0, 0.01, 0.03, 0.1, 0.3, 1.0),
    num_restarts=50,
    few_restarts=5,
    num_iters=2000,
    exact_iters=200,
    num_steps=21,
    ranks=(5, 10, 15, 20, 22, 24, 25, 26, 28, 30, 35, 40, 50),
    rank_restarts=20,
)
TINY = Settings(
    noise_levels=(0.0, 1.0),
    num_restarts=2,
    few_restarts=1,
    num_iters=25,
    exact_iters=0,
    num_steps=6,
    ranks=(20, 25),
    rank_restarts=2,
)


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """The arrays of all questions; the name of each begins with the part that made it."""
    if not 1 <= settings.few_restarts <= settings.num_restarts:
        raise ValueError(f"few_restarts: expected 1 to num_restarts = {settings.num_restarts}")
    if settings.num_iters <= SETTLED:
        raise ValueError(f"num_iters: expected more than {SETTLED}")
    levels = sorted({*settings.noise_levels, settings.noise_level})
    matrices = [data.generate_dataset_NMF(level) for level in levels]
    main = levels.index(settings.noise_level)
    X, planted = matrices[main].V, on_host(matrices[main].W, matrices[main].H)
    keys = jax.random.split(jax.random.key(settings.seed), settings.num_restarts)
    starts = [members(random_starts(keys, matrix.V, rank=RANK)) for matrix in matrices]
    few = starts[main][: settings.few_restarts]
    all_ranks = tuple(sorted({1, RANK, *settings.ranks}))
    svd = np.array([np.asarray(jnmf.svd_rmse(matrix.V, all_ranks)) for matrix in matrices])
    norms = np.array([np.linalg.norm(matrix.V) for matrix in matrices])
    svd_error = svd * np.sqrt(X.size) / norms[:, None]  # of the truncated SVD, which no factorisation can beat

    arrays = {
        "levels": np.array(levels),
        "num_columns": np.array(X.shape[1]),
        "main": np.array(main),
        "bound": svd_error[:, all_ranks.index(RANK)],
        "rank_one": svd_error[:, 0],
        "start_error": np.array([relative_error(X, start) for start in starts[main]]),
    }
    arrays |= step_sizes(X, few, settings)
    races, final = race(matrices, starts, main, float(arrays["step_best"]), settings, progress)
    arrays |= races
    arrays |= least_squares(matrices, starts, main, final, planted, settings)
    arrays |= projected_least_squares(X, few, settings)
    arrays |= zeros(X, few[0], settings)
    arrays |= half_problem(X, (few[0], final[main][0]["HALS (3 sweeps)"]))
    arrays |= ranks(X, planted, keys, settings, progress)
    return arrays | {"rank_svd": svd[main][[all_ranks.index(r) for r in settings.ranks]]}


@partial(jax.jit, static_argnames="rank")
def random_starts(keys, X, *, rank: int) -> Factors:
    """A start of X for each of B keys: W (B, m, r), H (B, r, n)."""
    return jax.vmap(lambda key: jnmf.init.random(key, X, rank))(keys)


def on_host(W: Any, H: Any) -> Factors:
    """Factors of NumPy arrays."""
    return Factors(W, H)


def stack(factors) -> Factors:
    """Many factors as a batch, W (B, m, r), H (B, r, n)."""
    return on_host(*map(np.stack, zip(*factors, strict=True)))


def members(batch: Factors) -> list[Factors]:
    """A batch of factors one by one, on the host."""
    return [on_host(W, H) for W, H in zip(np.asarray(batch.W), np.asarray(batch.H), strict=True)]


@jax.jit
def relative_error(X, factors):
    """‖X − W H‖ / ‖X‖; inf for factors that are not finite."""
    error = jnp.linalg.norm(X - factors[0] @ factors[1]) / jnp.linalg.norm(X)
    return jnp.where(jnp.isfinite(error), error, jnp.inf)


def trace_error(X, loss) -> np.ndarray:
    """The relative errors of the objectives ½‖X − W H‖² of a trace; inf where it is not finite."""
    return np.nan_to_num(np.sqrt(loss) * np.sqrt(2) / np.linalg.norm(X), nan=np.inf, posinf=np.inf)


def recovery(W, planted_W, width: int) -> float:
    """The mean over the planted columns of the cosine with the partner in W, of rank at most `width`.

    A planted column without a partner counts 0: W is filled with zero columns, and all comparisons have one shape.
    """
    padded = [np.pad(A, ((0, 0), (0, width - A.shape[1]))) for A in (finite(W), np.asarray(planted_W))]
    return float(jnmf.similarity(*padded)) * width / planted_W.shape[1]


def finite(A) -> np.ndarray:
    return np.nan_to_num(np.asarray(A), nan=0, posinf=0, neginf=0)


@jax.jit
def lipschitz(start: Factors):
    """L of the first steps: the larger of ‖WᵀW‖₂ = ‖WWᵀ‖₂ and ‖HHᵀ‖₂."""
    return jnp.maximum(*(jnp.linalg.norm(A, 2) ** 2 for A in start))


# 1. Least squares without a constraint


def least_squares(matrices, starts, main, final, planted, settings: Settings) -> Arrays:
    """Alternating `lstsq` at every noise level (A levels, B starts), against HALS from the same starts.

    negative, least, most, condition, hals_condition (A, B, 2) of W and of H; cancelled (A, B): Σ |W||H| / ΣV; error
    (A, B, iterations); clipped, rescaled (A, B): the error with the negative entries at 0, and with the best scale on
    top; change, hals_change (A, B, 2): the relative change of W and of H for each unit of relative change of V.
    """
    draw = np.random.default_rng(settings.seed)
    rows, pictured = [], {}
    for matrix, own, ends in zip(matrices, starts, final, strict=True):
        noise = draw.standard_normal(matrix.V.shape)
        disturbed = matrix.V + PERTURBATION * np.linalg.norm(matrix.V) / np.linalg.norm(noise) * noise
        few = stack(own[: settings.few_restarts])
        found, measures = unconstrained(matrix.V, few)
        moved, _ = unconstrained(disturbed, few)
        hals = stack([end["HALS (3 sweeps)"] for end in ends])
        hals_moved = stack(
            run(disturbed, start, METHODS["HALS (3 sweeps)"], num_iters=settings.num_iters)[0]
            for start in own[: settings.few_restarts]
        )
        measures |= {
            "hals_condition": conditions(hals),
            "change": relative_change(found, moved),
            "hals_change": relative_change(hals, hals_moved),
        }
        rows.append(measures)
        if len(rows) - 1 == main:
            pictured = {"ls_W": found.W[0], "planted_W": planted.W, "hals_W": hals.W[0]}
    arrays = {f"ls_{name}": np.array([row[name] for row in rows]) for name in rows[0]}
    return (
        arrays
        | {name: np.asarray(W) for name, W in pictured.items()}
        | {
            "planted_condition": conditions(planted),
            "planted_most": np.array([A.max() for A in planted]),
        }
    )


@jax.jit
def unconstrained(X, starts: Factors):
    """LEAST_SQUARES times from each start: each factor to the least squares solution, of any sign, for the other.

    Returns the factors, and what is measured of them, see `least_squares`.
    """

    def one(start):
        def iterate(factors, _):
            H = jnp.linalg.lstsq(factors.W, X)[0]
            W = jnp.linalg.lstsq(H.T, X.T)[0].T
            return Factors(W, H), relative_error(X, (W, H))

        factors, error = lax.scan(iterate, start, length=LEAST_SQUARES)
        clipped = Factors(*map(jnmf.project_nonnegative, factors))
        WH = clipped.W @ clipped.H
        scale = jnp.vdot(X, WH) / jnp.vdot(WH, WH)
        each = lambda measure: jnp.stack([measure(A) for A in factors])
        return factors, {
            "negative": each(lambda A: jnp.mean(A < 0)),
            "least": each(jnp.min),
            "most": each(lambda A: jnp.max(jnp.abs(A))),
            "condition": each(jnp.linalg.cond),
            "cancelled": jnp.sum(jnp.abs(factors.W) @ jnp.abs(factors.H)) / jnp.sum(X),
            "error": error,
            "clipped": relative_error(X, clipped),
            "rescaled": relative_error(X, (scale * clipped.W, clipped.H)),
        }

    return jax.vmap(one)(starts)


def conditions(factors) -> np.ndarray:
    """The condition numbers of W and of H, for one pair or for a batch of them: (2,) or (B, 2)."""
    return np.stack([np.linalg.cond(finite(A)) for A in factors], axis=-1)


def relative_change(old, new) -> np.ndarray:
    """(B, 2): of W and of H, for each unit of relative change in the data."""
    norm = lambda A: np.linalg.norm(finite(A), axis=(1, 2))
    return np.stack([norm(b - a) / norm(a) / PERTURBATION for a, b in zip(old, new, strict=True)], axis=-1)


# 2. Projected least squares


def projected_least_squares(X, starts: list[Factors], settings: Settings) -> Arrays:
    """ALS as it is (0), and with the columns of W scaled to maximum 1 after each iteration (1), from B starts.

    half (2, B, iterations, 2): the error after the half-step for H and after that for W; stretch (2, B, iterations):
    the longest column of W divided by the shortest.
    """
    stacked = stack(starts)
    scaled = np.array([False, True])
    loss, stretch = als_half_steps(X, stacked, scaled, num_iters=settings.num_iters)
    return {"als_half": trace_error(X, np.asarray(loss)), "als_stretch": np.asarray(stretch)}


@partial(jax.jit, static_argnames="num_iters")
def als_half_steps(X, starts: Factors, scaled, *, num_iters: int):
    """½‖X − W H‖² after each half-step, and the stretch, for each of the options `scaled` (2,) and each start."""

    def one(scaled, start):
        def iterate(factors, _):
            W, H = factors
            H = solvers.least_squares(H, W.T @ W, W.T @ X)
            between = jnmf.losses.frobenius(X, W, H)
            W = solvers.least_squares(W.T, H @ H.T, H @ X.T).T
            after = jnmf.losses.frobenius(X, W, H)
            lengths = jnp.linalg.norm(W, axis=0)
            own, unit = Factors(W, H), jnmf.normalize(Factors(W, H))
            following = jax.tree.map(lambda a, b: jnp.where(scaled, a, b), unit, own)
            return following, (jnp.stack([between, after]), lengths.max() / lengths.min())

        return lax.scan(iterate, start, length=num_iters)[1]

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))(scaled, starts)


# 3. Step sizes


def step_sizes(X, starts: list[Factors], settings: Settings) -> Arrays:
    """PGD with fixed steps, as multiples of 1/L, from B starts: a wide grid, then a fine one about the border.

    multiples (K,), and whether they are of the wide grid; error (B, K, iterations); status, num_iters, rises, diverged
    (B, K), where a run that ends above its start has diverged; gram (B, K): the step times the larger ‖Gram‖₂ at the
    end; L, limit (B,): the multiple at which the step is 2/‖X‖₂; best: the multiple of least error without a rise.
    """
    L = np.array([float(lipschitz(start)) for start in starts])
    stacked = stack(starts)
    first = np.array([relative_error(X, start) for start in starts])

    def tried(multiples):
        step_sizes = multiples / L[:, None]
        fits, gram = step_fits(X, stacked, step_sizes, max_iters=settings.num_iters)
        error = trace_error(X, np.asarray(fits.trace.loss))
        return {
            "error": error,
            "gram": step_sizes * np.asarray(gram),
            "status": np.asarray(fits.status),
            "num_iters": np.asarray(fits.num_iters),
            "diverged": ~(error[:, :, -1] < first[:, None]),
            "rises": count_rises(error, first[:, None]),
        }

    wide = np.geomspace(2.0**-6, 2.0**4, settings.num_steps)
    coarse = tried(wide)
    narrow = np.geomspace(*border(wide, coarse), settings.num_steps + 2)[1:-1]
    fine = tried(narrow)

    multiples = np.concatenate([wide, narrow])
    order = np.argsort(multiples, kind="stable")
    both = {name: np.concatenate([coarse[name], fine[name]], axis=1)[:, order] for name in coarse}
    multiples = multiples[order]
    safe = np.flatnonzero(steady(both))
    final = both["error"][:, safe, -1].mean(axis=0)
    largest = np.array([float(np.linalg.norm(X, 2))])
    return {f"step_{name}": value for name, value in both.items()} | {
        "step_multiples": multiples,
        "step_wide": order < len(wide),
        "step_best": np.array(multiples[safe[final.argmin()]] if safe.size else multiples[0]),
        "step_L": L,
        "step_limit": 2 * L / largest,
        "step_first": first,
    }


def steady(tried) -> np.ndarray:
    """(K,): whether no start saw the objective rise."""
    return ((tried["rises"] == 0) & ~tried["diverged"]).all(axis=0)


def border(multiples, tried) -> tuple[float, float]:
    """The last of the increasing multiples before the objective rises, the first at which every start diverges."""
    rising = np.flatnonzero(~steady(tried))
    lost = np.flatnonzero(tried["diverged"].all(axis=0))
    return multiples[max(rising[0] - 1, 0) if rising.size else -1], multiples[lost[0] if lost.size else -1]


@partial(jax.jit, static_argnames="max_iters")
def step_fits(X, starts: Factors, step_sizes, *, max_iters: int) -> tuple[jnmf.Fit, Any]:
    """PGD from each of B starts with each of its K fixed steps, step_sizes (B, K), and the larger ‖Gram‖₂ at the end.

    One program, for a step size is a leaf of the algorithm.
    """

    def one(start, step_size):
        fit = jnmf.fit(X, init=start, algorithm=PGD(step_size=step_size), tol=0, max_iters=max_iters)
        return fit, lipschitz(fit.factors)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)))(starts, step_sizes)


def count_rises(error, first):
    """In how many iterations the objective rose by more than rounding; `first` is the error of the start."""
    first = np.broadcast_to(np.asarray(first)[..., None], (*error.shape[:-1], 1))
    before = np.concatenate([first, error[..., :-1]], axis=-1)
    return np.sum(rose(before, error), axis=-1)


def rose(before, after):
    """Whether the objective, ½‖X‖² error², rose; NaN is neither."""
    return after > np.hypot(before, np.sqrt(RISE))


# 2, 5, 6, 7. All methods


run = jax.jit(jnmf.run, static_argnames="num_iters")
kkt = jax.jit(jnmf.kkt_residual)


def race(matrices, starts, main, best_step, settings: Settings, progress: bool) -> tuple[Arrays, list[list[dict]]]:
    """Every method from every start (S), and from some of them at the other noise levels (A).

    error (M, S, iterations), NaN after the last; seconds (M, S) an iteration; first_call (M,) seconds more than later
    ones; final, kkt, zeros (M, S); level_final, level_recovery (A, M, few_restarts). Also the factors at the end,
    [level][start][method], of `few_restarts` starts.
    """
    names = [name for name in METHODS if name != "ANLS" or settings.exact_iters]
    nothing = np.full((len(names), settings.num_restarts), np.nan)
    arrays: Arrays = {name: nothing.copy() for name in ("seconds", "final", "kkt", "zeros")}
    arrays["error"] = np.full((len(names), settings.num_restarts, max_iters(settings)), np.nan)
    arrays["first_call"] = np.zeros(len(names))
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
        X, start = matrices[level].V, starts[level][s]
        algorithm = with_fixed_step(METHODS[names[i]], best_step, start)
        iterations = settings.exact_iters if names[i] == "ANLS" else settings.num_iters
        if level == main and s == 0:
            _, with_compiling = timed(X, start, algorithm, iterations)
        (factors, trace), seconds = timed(X, start, algorithm, iterations)
        if level == main:
            if s == 0:
                arrays["first_call"][i] = with_compiling - seconds
            arrays["seconds"][i, s] = seconds / iterations
            arrays["error"][i, s, :iterations] = trace_error(X, np.asarray(trace.loss))
            arrays["final"][i, s] = relative_error(X, factors)
            arrays["kkt"][i, s] = relative_kkt(X, start, factors)
            arrays["zeros"][i, s] = np.mean(np.concatenate([np.ravel(A) for A in factors]) == 0)
        if s < settings.few_restarts:
            ends[level][s][names[i]] = factors
            arrays["level_final"][level, i, s] = relative_error(X, factors)
            arrays["level_recovery"][level, i, s] = recovery(factors.W, matrices[level].W, width)

    planted = [run(V, on_host(W, H), HALS(inner=3), num_iters=settings.num_iters)[0] for V, W, H in matrices]
    return arrays | {
        "methods": np.array(names),
        "step_rules": np.array([step_rule(METHODS[name], best_step) for name in names]),
        "from_planted": np.array([relative_error(A.V, end) for A, end in zip(matrices, planted, strict=True)]),
        "planted_recovery": np.array([recovery(end.W, A.W, width) for A, end in zip(matrices, planted, strict=True)]),
        "chance": np.array(np.mean([recovery(start.W, matrices[main].W, width) for start in starts[main]])),
    }, ends


def max_iters(settings: Settings) -> int:
    return max(settings.num_iters, settings.exact_iters)


def with_fixed_step(algorithm, multiple: float, start: Factors):
    """PGD with a number for a step gets `multiple` / L of this start; the others stay what they are."""
    if isinstance(getattr(algorithm, "step_size", None), float):
        return replace(algorithm, step_size=multiple / float(lipschitz(start)))
    return algorithm


def step_rule(algorithm, multiple: float) -> str:
    step_size = getattr(algorithm, "step_size", "none")
    if isinstance(step_size, float):
        return f"yes: {multiple:.3g}/L, tried out"
    return {"none": "no", None: "computed, 1/L", solvers.BACKTRACKING: "searched for"}[step_size]


def timed(X, start, algorithm, num_iters: int):
    """What `run` returns, and the seconds it took."""
    begin = time.perf_counter()
    found = jax.block_until_ready(run(X, start, algorithm, num_iters=num_iters))
    return found, time.perf_counter() - begin


def relative_kkt(X, start, factors) -> float:
    """The norm of the projected gradient, relative to that at the start; inf for factors that are not finite."""
    if not all(np.isfinite(A).all() for A in factors):
        return np.inf
    return float(kkt(X, factors) / kkt(X, start))


# 4. Entries


def zeros(X, start: Factors, settings: Settings) -> Arrays:
    """MU from the start, and from it with every tenth entry of H at zero.

    least (2 starts, iterations): the least entry of W and H that is not 0; count, of the same shape: how many are 0;
    kept: how many of the zeros put into H are at the end; end (2 starts): the relative error.
    """
    chosen = np.add.outer(np.arange(start.H.shape[0]), np.arange(start.H.shape[1])) % 10 == 0
    starts = stack([start, on_host(start.W, np.where(chosen, 0, start.H))])
    ends, (least, count) = followed(X, starts, MU(), num_iters=settings.num_iters)
    return {
        "zeros_least": np.asarray(least),
        "zeros_count": np.asarray(count),
        "zeros_kept": np.array([np.sum(np.asarray(ends.H)[1][chosen] == 0), chosen.sum()]),
        "zeros_end": np.array([relative_error(X, end) for end in members(ends)]),
    }


@partial(jax.jit, static_argnames="num_iters")
def followed(X, starts: Factors, algorithm, *, num_iters: int):
    """From each start the factors at the end, and after each iteration the least entry but 0, and the number of 0."""

    def one(start):
        def iterate(state, _):
            state, _ = algorithm.step(X, state)
            entries = jnp.concatenate([jnp.ravel(A) for A in algorithm.factors(state)])
            return state, (jnp.min(jnp.where(entries > 0, entries, jnp.inf)), jnp.sum(entries == 0))

        state, seen = lax.scan(iterate, algorithm.init(X, start), length=num_iters)
        return algorithm.factors(state), seen

    return jax.vmap(one)(starts)


# 5. One half-problem


def half_problem(X, places: tuple[Factors, ...]) -> Arrays:
    """With W fixed: how much of the decrease to the exact minimiser H ≥ 0 each solver reaches.

    decrease (places, solvers, updates): 1 is all of it; negative above where it began.
    """
    found = [updates(place, X, jnmf.nnls(place.W, X), num_updates=max(NUM_UPDATES)) for place in places]
    return {
        "half_solvers": np.array(list(SOLVERS)),
        "half_decrease": np.array([(first - values) / (first - least) for values, first, least in found]),
    }


@partial(jax.jit, static_argnames="num_updates")
def updates(start: Factors, X, exact, *, num_updates: int):
    """The half-problem after each update of H by each solver, (solvers, updates), at first, and at `exact`."""
    W, H = start
    G, C = W.T @ W, W.T @ X
    value = lambda H: 0.5 * jnp.vdot(H, G @ H) - jnp.vdot(C, H)

    def updated(solver):
        def update(H, _):
            H = solver(H, G, C)
            return H, value(H)

        return lax.scan(update, H, length=num_updates)[1]

    return jnp.stack([updated(solver) for solver in SOLVERS.values()]), value(H), value(exact)


# 8. Ranks


def ranks(X, planted: Factors, keys, settings: Settings, progress: bool) -> Arrays:
    """HALS (3 sweeps) at each rank (R) from each of S starts: loss, rmse, recovery (R, S); chance (R,)."""
    study = jnmf.sweep(
        X,
        settings.ranks,
        num_restarts=settings.rank_restarts,
        algorithm=METHODS["HALS (3 sweeps)"],
        key=settings.seed,
        num_iters=settings.num_iters,
        progress=progress,
    )
    width = max(RANK, *settings.ranks)
    widest = members(random_starts(keys, X, rank=width))[0]
    return {
        "rank_ranks": study.ranks,
        "rank_loss": study.loss,
        "rank_rmse": study.rmse,
        "rank_status": study.status,
        "rank_recovery": np.array(
            [[recovery(one.W, planted.W, width) for one in members(found)] for found in study.members]
        ),
        # The start of a rank is, up to its scale, the first components of that of a larger one.
        "rank_chance": np.array([recovery(widest.W[:, :r], planted.W, width) for r in study.ranks]),
    }


# What the numbers say


def sections(arrays: Arrays) -> list[Section]:
    a = SimpleNamespace(**arrays)
    every = (
        about_least_squares,
        about_projecting,
        about_steps,
        about_multiplying,
        about_hals,
        about_convergence,
        about_noise,
        about_ranks,
        about_differences,
    )
    return [about(a) for about in every]


def about_least_squares(a) -> Section:
    here = int(a.main)
    bound, one_component = a.bound[here], a.rank_one[here]
    error, clipped, rescaled = (
        np.median(v) for v in (a.ls_error[here, :, -1], a.ls_clipped[here], a.ls_rescaled[here])
    )
    above = "that" if error < 1.001 * bound else f"{error / bound:.3g} times that" if bound > FLOOR else "near that"
    negative = np.median(a.ls_negative[here], axis=0)
    least = a.ls_least[here].min(axis=0)
    worst = a.ls_condition.max(axis=(0, 1))
    cancelled = np.median(a.ls_cancelled, axis=1)
    most, fewest = int(cancelled.argmax()), int(cancelled.argmin())
    moved, hals_moved = (PERTURBATION * np.median(v[here], axis=0) for v in (a.ls_change, a.ls_hals_change))
    if moved[0] > 2 * hals_moved[0]:
        lesson = "So the constraint also steadies the factors."
    else:
        lesson = """Many factors fit almost equally well, with the constraint, too, and so it does not keep them from
            moving. What it cures are the signs, the condition and the cancellation."""
    text = f"""
        The matrix is V = [W H + noise]₊, 200 × 100, from planted nonnegative W and H of rank {RANK} and normal noise
        of standard deviation {a.levels[here]:g}, unless another is named. Every error on this page is ‖V − WH‖ / ‖V‖.

        As an approximation it is {"as good as can be" if error < 1.001 * bound else "good"}: after {LEAST_SQUARES}
        iterations the error is {error:.5f}, {above} of the truncated SVD. But the factors are no parts.
        {negative[0]:.0%} of the entries of W and {negative[1]:.0%} of those of H are negative (medians over
        {starts_of(a.ls_error.shape[1])}), down to {least[0]:.3g} and {least[1]:.3g}; the planted entries lie between
        0 and {a.planted_most.max():.3g}.

        The factors are unstable. Their condition numbers depend on the start and, over all noise levels, reach
        {worst[0]:.3g} for W and {worst[1]:.3g} for H, where the planted factors have {a.planted_condition[0]:.3g} and
        {a.planted_condition[1]:.3g}. Large terms of both signs cancel: Σ|W||H| is {cancelled[most]:.3g} times ΣV at
        noise {a.levels[most]:g} and {cancelled[fewest]:.3g} times at noise {a.levels[fewest]:g}; nonnegative factors
        that fit have 1. A random change of V by {PERTURBATION:.1%} of its norm changes W by {moved[0]:.1%} and H by
        {moved[1]:.1%}; the factors of HALS (3 sweeps) from the same starts change by {hals_moved[0]:.1%} and
        {hals_moved[1]:.1%}. {lesson}

        Setting the negative entries to 0 at the end only destroys the fit: the error goes from {error:.3g} to
        {clipped:.3g}, and with the best common scale on top to {rescaled:.3g}. That is
        {"more" if rescaled > one_component else "less"} than the {one_component:.3g} of a single component. The
        constraint has to act in each iteration.
    """
    rows = [
        (
            f"{level:g}",
            *(f"{np.median(a.ls_negative[i, :, k]):.0%}" for k in (0, 1)),
            *(f"{a.ls_least[i, :, k].min():.3g}" for k in (0, 1)),
            *(span(a.ls_condition[i, :, k]) for k in (0, 1)),
            *(span(a.ls_hals_condition[i, :, k]) for k in (0, 1)),
            f"{cancelled[i]:.3g}",
            f"{np.median(a.ls_error[i, :, -1]):.2g}",
            f"{np.median(a.ls_clipped[i]):.3g}",
            f"{np.median(a.ls_rescaled[i]):.3g}",
        )
        for i, level in enumerate(a.levels)
    ]
    columns = (
        *("noise", "W < 0", "H < 0", "min W", "min H", "cond W", "cond H", "HALS: cond W", "HALS: cond H"),
        *("Σ|W||H| / ΣV", "error", "clipped", "clipped, scaled"),
    )
    caption = "Least squares without a constraint: medians over the starts, least entries, ranges of condition numbers."
    question = "Can W and H be found by least squares in turn, without a constraint?"
    return Section(question, flowing(text), ("least_squares",), (Table(columns, rows, caption),))


def about_projecting(a) -> Section:
    question = "Does it help to project each least squares solution, and does the objective fall?"
    error, before = curves(a, "ALS"), preceding(a, "ALS")
    risen = rose(before, error)
    growth = grown(before, error)
    s, t = np.unravel_index(growth.argmax(), growth.shape)
    number, last, lowest = error.shape[1], error[:, -1], error.min(axis=1)
    share = dict(zip(a.half_solvers.tolist(), a.half_decrease[:, :, 0].T, strict=True))["ALS"]
    near = "it raises the objective" if share[1] < 0 else f"it reaches {share[1]:.1%} of it"
    text = f"""
        Projecting helps: with the negative entries of each solution set to 0, the error after {number} iterations is
        {np.median(last):.3g} (median of {starts_of(len(error))}), where clipping at the end left
        {np.median(a.ls_clipped[a.main]):.3g}. But [G⁻¹C]₊ is not the minimiser over H ≥ 0, so the objective need not
        fall. From a random start the first half-step reaches {share[0]:.1%} of the decrease that the exact solution
        reaches; from factors near an optimum, those of HALS (3 sweeps), {near}.
    """
    if risen.any():
        late = risen[:, number // 2 :].mean()
        after_H, after_W = a.als_half[0, :, :, 0], a.als_half[0, :, :, 1]
        by_H = rose(np.concatenate([before[: len(after_W), :1], after_W[:, :-1]], axis=1), after_H).mean()
        by_W = rose(after_H, after_W).mean()
        above = last / lowest - 1
        text += f"""
        It rises in {span(risen.sum(axis=1), "d")} of {number} iterations, depending on the start; from start 1 in
        iterations {some(risen[0])}. The half-step for H raises it in {by_H:.0%} of the iterations, that for W in
        {by_W:.0%}. In the second half of the runs it rises in {late:.0%} of the iterations: the method
        {"does not settle" if late > 0.02 else "settles"}, and ends {span(above, ".0%")} above the lowest error it
        passed. The largest rise multiplied the error by {growth[s, t]:.3g}, to {error[s, t]:.3g}, in iteration
        {t + 1} from start {s + 1}.

        {scaling_control(a)}
        """
    else:
        text += f"\n\nIn {number} iterations the objective did not rise, from any start."
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
    own, scaled = (
        f"its longest column becomes {v:.2g} times as long as its shortest" if np.isfinite(v) else "a column becomes 0"
        for v in a.als_stretch.max(axis=(1, 2))
    )
    error = a.als_half[:, :, :, 1]
    rises = rose(error[:, :, :-1], error[:, :, 1:]).mean(axis=(1, 2))
    jump = grown(error[:, :, SETTLED - 1 : -1], error[:, :, SETTLED:]).max(axis=(1, 2))
    text = f"""A control tells two causes apart. Every projection changes the scales of the components, and nothing
        brings them back: in W, {own}. With the columns scaled to maximum 1 after each iteration, W H unchanged,
        {scaled}. After iteration {SETTLED} the error grows by a factor of at most {jump[0]:.3g} as it is and
        {jump[1]:.3g} with scaling; it rises in {rises[0]:.0%} and {rises[1]:.0%} of the iterations."""
    if jump[0] < 2 * jump[1]:
        return text + " So in these runs the scales make little difference."
    text += " So the jumps come from the drifting scales, which make WᵀW all but singular in float64."
    return text + (" The small rises stay: they come from the projection." if rises[1] > 0.02 else "")


def about_steps(a) -> Section:
    multiples, last, diverged, rises = a.step_multiples, a.step_error[:, :, -1], a.step_diverged, a.step_rises
    number, count = a.step_error.shape[2], diverged.shape[0]
    calm = ((rises == 0) & ~diverged).all(axis=0)
    text = f"""
        One number η is the step of both blocks. It is given here in units of 1/L, where L is the larger of ‖WWᵀ‖₂ and
        ‖HHᵀ‖₂ at the start ({span(a.step_L, ".4g")} for {starts_of(count)}). {len(multiples)} steps from
        {multiples[0]:.3g}/L to {multiples[-1]:.3g}/L ran in two calls of one program: a step size is a leaf of the
        algorithm, and vmap maps over it.
    """
    if calm.any():
        edge = multiples[np.argmin(calm) - 1] if calm[0] and not calm.all() else multiples[calm].max()
        best = multiples == a.step_best
        text += f"""

        Too small is only slow: after {number} iterations the error is {last[:, 0].mean():.3g} with
        {multiples[0]:.3g}/L and {last[:, best].mean():.3g} with {a.step_best:.3g}/L, the best step without a rise,
        from {a.step_first.mean():.3g} at the start. Up to {edge:.3g}/L the objective never rose, from any start,
        which {"includes" if edge >= 1 else "excludes"} 1/L.
        """
    between = ~calm & ~diverged.any(axis=0)
    if between.any():
        text += f"""

        Between: from {multiples[between].min():.3g}/L to {multiples[between].max():.3g}/L the objective rises in
        {span(rises[:, between], "d")} iterations and still ends at an error of {span(last[:, between], ".3g")}. One
        step lowers the objective if η‖Gram‖₂ ≤ 2. At the start it is up to {multiples[between].max():.3g} here, and
        at the end {span(a.step_gram[:, between], ".3g")}: scale moves from the factor with the larger norm to the
        other, which leaves W H as it is, and
        {"that saves the runs" if np.all(a.step_gram[:, between] < 2.01) else "not every run has come below 2"}.
        """
    if diverged.any():
        first = np.array([multiples[row.argmax()] if row.any() else np.inf for row in diverged])
        below = "All" if np.all(first <= a.step_limit) else "Not all" if np.any(first <= a.step_limit) else "None"
        told = diverged & (a.step_status == Status.NONFINITE)
        text += f"""

        Too large: a run that ends above its start has diverged. The first step to do so is {span(first, ".3g")}/L.
        There is a limit that needs no run: ‖W‖₂‖H‖₂ ≥ ‖WH‖₂, so near a good fit ‖WᵀW‖₂ or ‖HHᵀ‖₂ is at least ‖V‖₂,
        and no step above 2/‖V‖₂ = {span(a.step_limit, ".3g")}/L is below 2/‖Gram‖₂ for both blocks there. {below} of
        the starts diverge below that limit.

        Of the {diverged.sum()} diverging fits {told.sum()} report NONFINITE, with their last finite
        factors{f", after {span(a.step_num_iters[told], 'd')} iterations" if told.any() else ""}.
        """
        if told.sum() < diverged.sum():
            text += f"The others have not yet overflowed after {number} iterations and report MAX_ITERS. "
            if np.any(np.isclose(last[diverged & ~told], 1, rtol=1e-9)):
                text += (
                    "An error of 1 means that the projection has set a whole factor to 0; the next step can undo it. "
                )
            text += "So compare the objective with that of the start, too."
    text += """

        PGD() computes 1/‖Gram‖₂ for each block in each iteration, and PGD(step_size="backtracking") searches for a
        longer step. They need no choice, and are in the comparison below.
    """
    rows = [
        (
            f"{multiple:.3g}",
            span(rises[:, k], "d"),
            f"{diverged[:, k].sum()} of {count}",
            span(a.step_gram[:, k], ".3g") if not diverged[:, k].any() else "",
            ", ".join(sorted({Status(int(status)).name for status in a.step_status[:, k]})),
            span(last[:, k], ".3g"),
        )
        for k, multiple in enumerate(multiples)
    ]
    columns = ("η L", "iterations that rise", "diverged", "η‖Gram‖₂ at the end", "status", "last error")
    caption = f"Projected gradient with a fixed step, {number} iterations, {starts_of(count)}."
    question = "Which step sizes does projected gradient descent on the blocks need?"
    return Section(question, flowing(text), ("steps",), (Table(columns, rows, caption),))


def about_multiplying(a) -> Section:
    first, least, count = a.zeros_least[0, 0], a.zeros_least[0, -1], int(a.zeros_count[0, -1])
    kept, put = (int(v) for v in a.zeros_kept)
    others = int(a.zeros_count[1, -1]) - kept
    zero = "no entry is 0" if count == 0 else f"{count} entries are 0, for want of smaller numbers in float64"
    shares = ", ".join(f"{name} {share:.1%}" for name, share in zip(names(a), a.zeros.mean(axis=1), strict=True))
    text = f"""
        Yes: each entry is multiplied by a quotient of nonnegative numbers, and nothing has to be projected. The least
        entry of W and H is {first:.2g} after the first iteration and {least:.2g} after {a.zeros_least.shape[1]};
        {zero}. An entry that belongs at 0 shrinks by a factor in each iteration, and comes near 0 slowly.

        The other side: an entry at 0 stays there. Of {put} entries of H set to 0 at the start, every tenth,
        {"all" if kept == put else kept} are 0 at the end, and {"no" if others == 0 else others} other entry is. The
        data did not ask for this constraint: the error ends at {a.zeros_end[1]:.3g} in place of {a.zeros_end[0]:.3g}.

        The methods that project do reach 0. Shares of exact zeros in W and H at the end: {shares}.
    """
    question = "Do multiplicative updates keep the factors nonnegative without a projection?"
    return Section(question, flowing(text), ("entries",))


def about_hals(a) -> Section:
    median, seconds = by_name(a, a.final), by_name(a, a.seconds)
    one, three = "HALS", "HALS (3 sweeps)"
    number = curves(a, one).shape[1]
    rises = sum(int(rose(preceding(a, name), curves(a, name)).sum()) for name in (one, three))
    decrease = {name: a.half_decrease[0, k] for k, name in enumerate(a.half_solvers.tolist()) if name != "ALS"}
    after = NUM_UPDATES[2]
    fastest = max(decrease, key=lambda name: decrease[name][after - 1])
    others = ", ".join(f"{name} {decrease[name][after - 1]:.1%}" for name in decrease if name != fastest)
    text = f"""
        HALS also minimises exactly, but over one row of H at a time, and each row sees those before it. It needs no
        step size, and the objective cannot rise; it rose in {rises} iterations of all runs. After {number} iterations
        the median error is {median[one]:.4f}, that of MU {median["MU"]:.4f}; an iteration takes
        {seconds[one] / seconds["MU"]:.2g} times as long.

        The products with V do not depend on the factor that is updated, so more sweeps share them. Three sweeps take
        {seconds[three] / seconds[one]:.2g} times as long as one and reach {median[three]:.4f} in as many iterations.

        The table looks at one half-problem, W fixed: what share of the decrease to the exact nonnegative minimiser
        (`jnmf.nnls`) do repeated updates of H reach? At the random start {fastest} is ahead, with
        {decrease[fastest][after - 1]:.1%} after {after} updates; {others}.
    """
    rows = [
        (place, solver, *(f"{a.half_decrease[p, k, n - 1]:.3g}" for n in NUM_UPDATES))
        for p, place in enumerate(("random start", "HALS (3 sweeps), end"))
        for k, solver in enumerate(a.half_solvers.tolist())
    ]
    columns = ("W from", "update", *(f"{n} time{'s' if n > 1 else ''}" for n in NUM_UPDATES))
    table = Table(
        columns,
        rows,
        "Share of the decrease to the exact solution of one half-problem: 1 is all of it, below 0 it has risen.",
    )
    return Section("What does HALS do otherwise?", flowing(text), ("half",), (table,))


def about_convergence(a) -> Section:
    median, milliseconds = by_name(a, a.final), {name: 1e3 * v for name, v in by_name(a, a.seconds).items()}
    order = sorted(names(a), key=median.__getitem__)
    best, worst = order[0], order[-1]
    quick, dear = min(milliseconds, key=milliseconds.__getitem__), max(milliseconds, key=milliseconds.__getitem__)
    times = {name: time_to(a, name, 1.01) for name in order}
    soonest = min(times, key=times.__getitem__)
    if np.isfinite(times[soonest]):
        near = (
            f"{soonest} is first within 1 % of the best error from the same start, after {1e3 * times[soonest]:.3g} ms."
        )
    else:
        near = "From most starts no single method comes within 1 % of the best error from the same start."
    spread = {name: a.final[i].max() / a.final[i].min() - 1 for i, name in enumerate(names(a))}
    apart = median[worst] / median[best] - 1
    verdict = "less" if max(spread.values()) < apart else "no less"
    text = f"""
        All methods ran from the same {starts_of(a.final.shape[1])}. The lowest median error is that of {best},
        {median[best]:.5f} after {curves(a, best).shape[1]} iterations, where the truncated SVD has
        {a.bound[a.main]:.5f}; the highest is that of {worst}, {median[worst]:.5f}.

        Times are of this machine, of warm programs; compare ratios. An iteration takes from {milliseconds[quick]:.3g}
        ms ({quick}) to {milliseconds[dear]:.3g} ms ({dear}). {near}

        The start matters {verdict} than the method: the final errors of one method differ by
        {span(list(spread.values()), ".0%")} between starts, and the medians of the methods by {apart:.0%}.
    """
    rows = [
        (
            name,
            f"{curves(a, name).shape[1]}",
            f"{milliseconds[name]:.3f}",
            *(f"{measure(a.final[names(a).index(name)]):.5f}" for measure in (np.median, np.min, np.max)),
        )
        for name in order
    ]
    columns = ("method", "iterations", "ms / iteration", "median error", "lowest", "highest")
    caption = f"{starts_of(a.final.shape[1])}, noise {a.levels[a.main]:g}, SVD bound {a.bound[a.main]:.5f}."
    question = "How fast do the methods converge, in iterations and in time, and does the start matter?"
    return Section(question, flowing(text), ("convergence", "starts"), (Table(columns, rows, caption),))


def about_noise(a) -> Section:
    final, found = np.median(a.level_final, axis=2), np.median(a.level_recovery, axis=2)
    low, high = int(a.levels.argmin()), int(a.levels.argmax())
    best = [names(a)[k] for k in final.argmin(axis=1)]
    winners = "at every level" if len(set(best)) == 1 else "at the levels in turn"
    ratio = final.max(axis=1) / final.min(axis=1)
    closer = ratio[high] < ratio[low]
    all_higher = np.all(a.from_planted[:, None] <= final)
    lesson = "Some random starts end as near to the planted factors."
    if a.level_recovery.max() < a.planted_recovery.min():
        lesson = "Every random start ends elsewhere: a small error does not say that the parts are the true ones."
    exact = ""
    if a.levels[low] == 0 and final[low].min() > FLOOR:
        exact = f"""Without noise an exact factorisation exists, and in these iterations no method reaches it: the
            lowest error is {final[low].min():.2g}."""
    text = f"""
    {exact} At noise {a.levels[high]:g} the best method is {final[high].min() / a.bound[high] - 1:.2%} above the bound
    of the truncated SVD. The highest error of a method is {ratio[low]:.2g} times the lowest at noise
    {a.levels[low]:g} and {ratio[high]:.2g} times at noise {a.levels[high]:g}:
    {"noise that no method can remove brings them together" if closer else "noise does not bring the methods together"}.
    The lowest error {winners} is that of {listed(dict.fromkeys(best))}.

    Are the planted parts found? Recovery is the mean cosine between the columns of the planted W and their partners.
    A random start has {a.chance:.2f}, as all its entries are positive. At noise {a.levels[low]:g} the methods reach
    {span(found[low], ".2f")}, at {a.levels[high]:g} {span(found[high], ".2f")}. HALS (3 sweeps) started at the
    planted factors ends at {a.planted_recovery[low]:.3f} and {a.planted_recovery[high]:.3f}, with errors of
    {a.from_planted[low]:.2g} and {a.from_planted[high]:.4f}. From random starts
    {"no method fits better" if all_higher else "some methods fit better"} (medians). {lesson}
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
    caption = f"Final errors, medians over {starts_of(a.level_final.shape[2])}."
    return Section("What does noise change?", flowing(text), ("noise",), (Table(columns, rows, caption),))


def about_ranks(a) -> Section:
    ranks, rmse = a.rank_ranks, a.rank_rmse.min(axis=1)
    found = np.median(a.rank_recovery, axis=1)
    above = rmse / a.rank_svd - 1
    groups = (
        (f"Below {RANK}", ranks < RANK),
        ("At the planted rank", ranks == RANK),
        (f"Above {RANK}", ranks > RANK),
    )
    left_over = a.levels[a.main] * np.sqrt(np.prod(1 - RANK / np.array([len(a.planted_W), a.num_columns])))
    parts = [
        f"""{name} (r = {listed(map(str, ranks[chosen]))}) it is {span(rmse[chosen], ".3g")},
        {span(above[chosen], ".1%")} above that of the truncated SVD."""
        for name, chosen in groups
        if chosen.any()
    ]
    best = int(found.argmax())
    text = f"""
        At each rank the best of {a.rank_rmse.shape[1]} starts counts, by its root mean square error (RMSE).
        {" ".join(parts)}

        What should be left? The noise has standard deviation {a.levels[a.main]:g}, but {RANK} components fit a part
        of it, too: σ √((1 − r/m)(1 − r/n)) = {left_over:.3g} remains of it at r = {RANK}. An error far above says
        that components are missing, one below it that more noise is being fitted.

        Recovery counts a planted column without a partner as 0, so r components reach at most r/{RANK}. It is highest
        at r = {ranks[best]}, {found[best]:.2f} (median), where a random start has {a.rank_chance[best]:.2f}. A start
        with more components has more to choose partners from, so compare each with the start of its own rank.
    """
    rows = [
        (
            f"{rank}",
            f"{a.rank_svd[i]:.4f}",
            f"{rmse[i]:.4f}",
            f"{100 * above[i]:.1f} %",
            span(a.rank_recovery[i], ".2f"),
            f"{a.rank_chance[i]:.2f}",
            f"{min(rank, RANK) / RANK:.2f}",
        )
        for i, rank in enumerate(ranks)
    ]
    columns = ("rank", "RMSE of the SVD", "best RMSE", "above", "recovery", "of a random start", "possible")
    caption = f"HALS (3 sweeps) at each rank, {starts_of(a.rank_rmse.shape[1])}."
    question = f"What if the rank is below or above {RANK}?"
    return Section(question, flowing(text), ("ranks",), (Table(columns, rows, caption),))


def about_differences(a) -> Section:
    median, seconds = by_name(a, a.final), by_name(a, a.seconds)
    rises = {name: rose(preceding(a, name), curves(a, name)).sum(axis=1) for name in names(a)}
    monotone = [name for name in names(a) if not rises[name].any()]
    tuned = [name for name, rule in zip(names(a), a.step_rules.tolist(), strict=True) if rule.startswith("yes")]
    best = min(median, key=median.__getitem__)
    twice = {name: time_to(a, name, 2.0) for name in names(a)}
    reached = [name for name in names(a) if np.isfinite(twice[name])]
    soonest = min(reached, key=twice.__getitem__)
    ratio = a.first_call / np.array(list(seconds.values()))
    rising = [name for name in names(a) if name not in monotone]
    also = f"; with {listed(rising)} it did" if rising else ""
    text = f"""
        The objective never rose with {listed(monotone)}{also}. Only {listed(tuned)} asks for a number to be chosen,
        and what suits depends on the scale of the factors. Every iteration forms two products with V, 4 m n r
        operations; what differs is the solver, and how far it gets with them.

        {best} has the lowest median error. Within twice the best error of the same start come {listed(reached)} from
        most starts, {soonest} first, after {1e3 * twice[soonest]:.3g} ms. The first call of a program takes
        {span(a.first_call, ".2g")} s longer than the next, as much as {span(ratio, ".0f")} iterations: it compiles,
        or reads the compiled program from the disk. One program serves all starts, noise levels and step sizes.
    """
    rows = [
        (
            name,
            f"{1e3 * seconds[name]:.3f}",
            f"{seconds[name] / seconds['MU']:.1f} ×",
            f"{a.first_call[i]:.2f}",
            "yes" if not rises[name].any() else f"no: {span(rises[name], 'd')} of {curves(a, name).shape[1]}",
            a.step_rules[i],
            f"{median[name]:.5f}",
            f"{median[name] / a.bound[a.main]:.2f} ×" if a.bound[a.main] > FLOOR else "",
            duration(time_to(a, name, 1.01)),
            duration(twice[name]),
            f"{np.median(a.kkt[i]):.1e}",
            f"{100 * a.zeros[i].mean():.1f} %",
        )
        for i, name in enumerate(names(a))
    ]
    columns = (
        *("method", "ms / iteration", "of MU", "first call, s", "monotone", "step size to choose", "median error"),
        *("of the SVD", "ms to 1 % above best", "ms to twice best", "KKT", "zeros"),
    )
    caption = """Medians over the starts. Best: the lowest final error of any method from the same start. KKT: the
        norm of the projected gradient relative to the start."""
    question = "How do the methods differ, all in all?"
    return Section(question, flowing(text), (), (Table(columns, rows, flowing(caption)),))


def flowing(text: str) -> str:
    """Paragraphs, apart by empty lines, each on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


def names(a) -> list[str]:
    return a.methods.tolist()


def by_name(a, values) -> dict[str, float]:
    """The median over the starts of values (M, S), for each method."""
    return dict(zip(names(a), np.median(values, axis=1).tolist(), strict=True))


def curves(a, name: str) -> np.ndarray:
    """(S, iterations): the errors of one method, as many as it made."""
    error = a.error[names(a).index(name)]
    return error[:, ~np.isnan(error).all(axis=0)]


def preceding(a, name: str) -> np.ndarray:
    """The errors of the iteration before, that of the start first."""
    return np.concatenate([a.start_error[:, None], curves(a, name)[:, :-1]], axis=1)


def time_to(a, name: str, factor: float) -> float:
    """Median seconds until the error is at most `factor` × the best of any method from the same start; inf if never."""
    reached = curves(a, name) <= factor * a.final.min(axis=0)[:, None]
    needed = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
    return float(np.sort(needed)[len(needed) // 2] * by_name(a, a.seconds)[name])


def span(values, spec: str = ".3g") -> str:
    """The least and the largest: "2 to 5", or "2" where they read the same."""
    low, high = (format(v, spec) for v in (np.min(values), np.max(values)))
    return low if low == high else f"{low} to {high}"


def listed(items) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def some(risen, most: int = 6) -> str:
    """The first iterations that rose, counted from 1."""
    places = [str(i + 1) for i in np.flatnonzero(risen)]
    return ", ".join(places[:most]) + (", …" if len(places) > most else "") if places else "none"


def starts_of(count: int) -> str:
    return f"{count} random start{'s' if count > 1 else ''}"


def duration(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if np.isfinite(seconds) else "not reached"


# What they look like

STYLES = {  # a colour for a method, a dash and a marker for each variant, which tell them apart in grey, too
    "MU": (BLUE, "-", "o"),
    "HALS": (ORANGE, "-", "^"),
    "HALS (3 sweeps)": (ORANGE, "--", "v"),
    "ALS": (BLACK, "-.", "x"),
    "PGD (fixed step)": (GREEN, ":", "s"),
    "PGD (1/L)": (GREEN, "-", "D"),
    "PGD (backtracking)": (GREEN, "--", "P"),
    "ANLS": (PINK, "-", "*"),
}
GREY = "0.4"
ERROR = r"relative error $\Vert V - WH\Vert\ /\ \Vert V\Vert$"


def plot(arrays: Arrays) -> dict[str, Any]:
    a = SimpleNamespace(**arrays)
    return {
        "least_squares": plot_least_squares(a),
        "projected": plot_projected(a),
        "steps": plot_steps(a),
        "entries": plot_entries(a),
        "half": plot_half(a),
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


def plot_least_squares(a):
    figure, (left, right) = panels(2)
    found = {
        "planted W": (a.planted_W, GREY, "-"),
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

    figure, (left, right) = panels(2)
    error, ceiling = a.step_error[0], 3 * a.step_first.max()
    shown = np.flatnonzero(a.step_wide & (np.cumsum(a.step_diverged[0] & a.step_wide) <= 1))  # one that diverges
    best = np.flatnonzero(a.step_multiples == a.step_best)
    chosen = np.union1d(shown[::-1][:: max(1, round(len(shown) / 6))], best)
    for i, k in enumerate(chosen):
        color = colormaps["cividis"](0.9 * i / max(len(chosen) - 1, 1))
        iterations = np.arange(1, error.shape[1] + 1)
        inside = np.minimum(error[k], 1e3 * ceiling)
        left.plot(
            iterations, inside, color=color, marker=MARKERS[i % len(MARKERS)], markersize=5, linewidth=1.3,
            markevery=marks(error.shape[1], i), label=f"{a.step_multiples[k]:.3g}/L",
        )  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="iteration", ylabel=ERROR, ylim=(None, ceiling))
    left.legend(frameon=False, fontsize=8, ncols=2, title="step size", title_fontsize=8)

    last = a.step_error[:, :, -1]
    kinds = (
        ("never rises", (a.step_rises == 0) & ~a.step_diverged, BLUE, "o"),
        ("rises, ends lower", (a.step_rises > 0) & ~a.step_diverged, GREEN, "s"),
        ("diverges (drawn at the top)", a.step_diverged, ORANGE, "x"),
    )
    multiples = np.broadcast_to(a.step_multiples, last.shape)
    for label, chosen, color, marker in kinds:
        shown = np.where(a.step_diverged, ceiling / 1.3, last)[chosen]
        right.plot(multiples[chosen], shown, color=color, marker=marker, markersize=5, linestyle="none", label=label)
    right.axvline(1, color=GREY, linestyle=":", linewidth=1, label="1/L")
    right.axvline(a.step_limit.mean(), color=GREY, linestyle="--", linewidth=1, label=r"$2/\Vert V\Vert_2$")
    right.set(xscale="log", yscale="log", xlabel="step size × L", ylabel="last relative error", ylim=(None, ceiling))
    right.legend(frameon=False, fontsize=8, loc="lower left")
    for axes in (left, right):
        plain(axes.yaxis)
        axes.grid(alpha=0.3)
    return figure


def plot_entries(a):
    figure, (left, right) = panels(2)
    iterations = np.arange(1, a.zeros_least.shape[1] + 1)
    series = (("positive start", BLUE, "-", "o"), ("start with zeros in H", ORANGE, "--", "^"))
    for i, (label, color, dash, marker) in enumerate(series):
        style = {
            "color": color,
            "linestyle": dash,
            "marker": marker,
            "markevery": marks(len(iterations), 3 * i),
            "label": label,
        }
        left.plot(iterations, a.zeros_least[i], **style)
        right.plot(iterations, a.zeros_count[i], **style)
    left.set(xscale="log", yscale="log", xlabel="iteration of MU", ylabel="least entry of W and H that is not 0")
    right.set(xscale="log", xlabel="iteration of MU", ylabel="entries of W and H that are 0")
    right.set_ylim(-0.05 * max(a.zeros_count.max(), 1), None)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def plot_half(a):
    figure, both = panels(2)
    titles = ("W from the random start", "W from the end of HALS (3 sweeps)")
    for axes, decrease, title in zip(both, a.half_decrease, titles, strict=True):
        for i, name in enumerate(a.half_solvers.tolist()):
            missing = 1 - decrease[i]
            axes.plot(
                np.arange(1, len(missing) + 1),
                np.maximum(missing, 1e-6),
                **styled(name),
                markevery=marks(len(missing), i),
            )
        axes.axhline(1, color=GREY, linestyle=":", linewidth=1)
        axes.set(
            xscale="log",
            yscale="log",
            title=title,
            xlabel="updates of H",
            ylabel="share of the decrease that is missing",
        )
        axes.grid(alpha=0.3)
    both[0].legend(frameon=False, fontsize=8, loc="center left")
    return figure


def plot_convergence(a):
    figure, both = panels(2, 4.2)
    seconds = by_name(a, a.seconds)
    for i, name in enumerate(names(a)):
        error = np.where(curves(a, name) < 2 * a.start_error.max(), curves(a, name), np.nan)
        middle = np.median(curves(a, name), axis=0)
        iterations = np.arange(1, error.shape[1] + 1)
        for axes, x in zip(both, (iterations, 1e3 * seconds[name] * iterations), strict=True):
            low, high = np.nanmin(error, axis=0, initial=np.inf), np.nanmax(error, axis=0, initial=0)
            axes.fill_between(x, low, high, where=high > low, color=STYLES[name][0], alpha=0.12, linewidth=0)
            axes.plot(x, middle, **styled(name), markevery=marks(len(x), i))
    for axes, label in zip(both, ("iteration", "time, ms"), strict=True):
        bound = axes.axhline(a.bound[a.main], color=GREY, linestyle=":", label="truncated SVD")
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=label,
            ylabel=ERROR,
            ylim=(0.8 * max(a.bound[a.main], FLOOR), 1.5 * a.start_error.max()),
        )
        plain(axes.yaxis)
        axes.grid(alpha=0.3)
    if a.bound[a.main] <= FLOOR:  # rounding
        both[0].set_ylim(0.8 * a.final.min(), None)
        both[1].set_ylim(0.8 * a.final.min(), None)
        bound.set_label(None)
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
    axes.set(xlabel=f"final {ERROR}, {a.final.shape[1]} starts (bar: median; dotted: truncated SVD)")
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
    figure, (left, right) = panels(2)
    study = SimpleNamespace(ranks=a.rank_ranks, rmse=a.rank_rmse, loss=a.rank_loss, status=a.rank_status)
    jnmf.plot.scree(study, svd=a.rank_svd, ax=left)
    left.set(yscale="log", ylabel="root mean square error")
    plain(left.yaxis)
    if a.levels[a.main] > 0:
        left.axhline(a.levels[a.main], color=GREY, linestyle="-.", linewidth=1, label="the noise")
    left.legend(frameon=False, fontsize=8)
    ranks = np.repeat(a.rank_ranks, a.rank_recovery.shape[1])
    right.plot(
        ranks, a.rank_recovery.ravel(), color=ORANGE, marker="v", linestyle="none", alpha=0.6, label="HALS (3 sweeps)"
    )
    right.plot(a.rank_ranks, a.rank_chance, color=BLUE, marker="s", linestyle="--", label="random start")
    right.plot(a.rank_ranks, np.minimum(a.rank_ranks, RANK) / RANK, color=GREY, linestyle=":", label="possible")
    right.set(xlabel="rank $r$", ylabel="recovery of the planted W")
    right.legend(frameon=False, fontsize=8)
    right.grid(alpha=0.3)
    for axes in (left, right):
        axes.axvline(RANK, color="0.8", linewidth=3, zorder=0)
        axes.set_xticks(a.rank_ranks, minor=True)  # labels at all of them would overlap
    return figure
