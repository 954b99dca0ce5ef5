"""Beyond: when are parts identifiable? The swimmer of Donoho and Stodden, whose parts are known."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

import jnmf
from experiments import data
from experiments.study import Arrays, computed, together, tracked
from jnmf import Factors

TITLE = "Beyond: when are parts identifiable?"
SOURCE = (
    "D. Donoho and V. Stodden, When does non-negative matrix factorization give a correct decomposition into parts?, "
    "2003: the swimmer"
)

LIMBS, POSITIONS = ("left arm", "right arm", "left leg", "right leg"), 4
TORSO = len(LIMBS) * POSITIONS  # the place of the torso among the parts: after the limbs
WIDTH = TORSO + 1  # the number of parts
RANKS = (TORSO, WIDTH)  # that of the limbs alone, and that of all parts
ALIKE = 0.999  # a component is a part if its cosine with it is above this
EXACT = 1e-3  # a relative error below this is that of a fit on its way to 0
WHOLE = 0.99  # a share of the torso above this is all of it
INNER = 3


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = (12, 13, 14, 15, 16, 17, 18)  # 16 and 17 among them
    num_restarts: int = 12
    num_iters: int = 300
    penalties: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
    path_restarts: int = 5
    fill_repeats: int = 3
    fill_penalties: tuple[float, ...] = (0.0, 0.02, 0.1)
    sparsities: tuple[float, ...] = (0.6, 0.65, 0.7, 0.8, 0.9)
    sparsity_restarts: int = 3
    volumes: tuple[float, ...] = (0.0, 0.001, 0.01, 0.1)
    volume_restarts: int = 5
    batch_size: int = 48
    seed: int = 0


FULL = Settings(
    num_restarts=50,
    num_iters=1000,
    penalties=(0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    path_restarts=20,
    fill_repeats=10,
    sparsity_restarts=10,
    volumes=(0.0, 0.001, 0.01, 0.03, 0.1, 1.0),
    volume_restarts=20,
    batch_size=59,
)
TINY = Settings(
    ranks=(16, 17),
    num_restarts=3,
    num_iters=150,
    penalties=(0.0, 0.3),
    path_restarts=2,
    fill_repeats=1,
    fill_penalties=(0.0, 0.02),
    sparsities=(0.7,),
    sparsity_restarts=2,
    volumes=(0.0, 0.01),
    volume_restarts=2,
    batch_size=8,
)


class Problem(NamedTuple):
    """The pictures X (m, n) and their parts (m, 17), at the m pixels that are lit in some picture."""

    X: np.ndarray
    parts: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """H (17, n) of 0 and 1: which parts are in which picture. The parts have no pixel in common."""
        return self.parts.T @ self.X / self.parts.sum(axis=0)[:, None]


class Given(NamedTuple):
    """What the questions share: the pictures, random starts at all ranks and their fits, the starts at rank 17 of what
    is penalised or projected, and the fits of each question's jobs."""

    swimmer: data.Swimmer
    problem: Problem
    sweep: jnmf.Sweep
    random: list[Factors]
    fits: dict[str, Factors]


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """shape (2,); parts (220, 17); and what the questions compute.

    Pixels that are always dark have zero rows of W: they are left out, and put back into the W that are drawn.
    """
    if not set(RANKS) <= set(settings.ranks):
        raise ValueError(f"ranks: expected {RANKS[0]} and {RANKS[1]} among them, got {settings.ranks}")
    swimmer = data.swimmer()
    lit = np.any(swimmer.X > 0, axis=1)
    problem = Problem(swimmer.X[lit], swimmer.parts[lit])
    sweep = jnmf.sweep(
        problem.X,
        settings.ranks,
        num_restarts=settings.num_restarts,
        algorithm=jnmf.HALS(inner=INNER),
        key=settings.seed,
        num_iters=settings.num_iters,
        progress=progress,
    )
    random = random_starts(
        problem.X, max(settings.path_restarts, settings.sparsity_restarts, settings.volume_restarts), settings.seed
    )
    jobs = {"path": penalties.jobs(random, settings), "fill": starts.jobs(problem.X, settings)}
    given = Given(swimmer, problem, sweep, random, fit_each(problem.X, jobs, settings, progress))
    arrays = {"shape": np.array(swimmer.shape), "parts": swimmer.parts, **computed(QUESTIONS, settings, given)}
    whole = lambda W: np.where(lit[:, None], W[np.maximum(np.cumsum(lit) - 1, 0)], 0)
    return arrays | {name: whole(arrays[name]) for name in ("best_16", "best_17", "penalised")}


def random_starts(X, num: int, seed: int) -> list[Factors]:
    draw = jax.jit(lambda X, keys: jax.vmap(lambda key: jnmf.init.random(key, X, WIDTH))(keys))
    W, H = jax.device_get(draw(X, jax.random.split(jax.random.key(seed), num)))
    return [Factors(*pair) for pair in zip(W, H, strict=True)]


Job = tuple[Factors, np.ndarray]  # a start at rank 17, and its penalties (l1_W, l1_H, l2_W, l2_H)


def fit_each(X, jobs: dict[str, list[Job]], settings: Settings, progress: bool) -> dict[str, Factors]:
    """For each list of jobs W (B, m, 17), H (B, 17, n). All of them in batches of one size, which is one program."""
    size, found, every = settings.batch_size, [], [job for each in jobs.values() for job in each]
    batches = [every[i : i + size] for i in range(0, len(every), size)]
    for batch in tracked(batches, "penalties", progress):
        each, weights = zip(*(batch + batch[-1:] * (size - len(batch))), strict=True)
        W, H = fitted(X, *(np.stack(A) for A in zip(*each, strict=True)), np.stack(weights), settings.num_iters)
        found.append((np.asarray(W)[: len(batch)], np.asarray(H)[: len(batch)]))
    ends = np.cumsum([len(each) for each in jobs.values()])[:-1]
    pieces = (np.split(np.concatenate(A), ends) for A in zip(*found, strict=True))
    return {name: Factors(*pair) for name, pair in zip(jobs, zip(*pieces, strict=True), strict=True)}


@partial(jax.jit, static_argnames="num_iters")
def fitted(X, W, H, penalties, num_iters: int) -> Factors:
    """Starts W (B, m, r), H (B, r, n), penalties (B, 4) -> the factors after so many iterations of HALS."""

    def one(W, H, penalty):
        l1_W, l1_H, l2_W, l2_H = penalty
        algorithm = jnmf.HALS(inner=INNER, l1_W=l1_W, l1_H=l1_H, l2_W=l2_W, l2_H=l2_H)
        return jnmf.run(X, Factors(W, H), algorithm, num_iters=num_iters)[0]

    return jax.vmap(one)(W, H, penalties)


# The questions use what stands above.
from experiments.swimmer import identifiable, limbs, penalties, pictures, starts, torso, volume  # noqa: E402

QUESTIONS = (pictures, identifiable, limbs, torso, penalties, volume, starts)
plot, sections = together(QUESTIONS)
