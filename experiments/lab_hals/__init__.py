"""Lab, part 3: HALS against the others, on the synthetic data and on digits, in iterations and in time.

V ≈ W H as in the lab, V (200, 100) or the digits with an image in each row. The library, which updates H first, is run
on X = Vᵀ ≈ HᵀWᵀ, so that here W comes first.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments import data
from experiments.study import Arrays, compiled, computed, together, tracked
from experiments.words import decided

TITLE = "Lab, part 3: HALS against the others"
SOURCE = "lab, part 3: HALS on the synthetic data and on MNIST, against the methods of part 1"
ALGORITHMS = {
    "ALS": jnmf.ALS(),
    "BCD (1/L)": jnmf.PGD(),
    "BCD (backtracking)": jnmf.PGD(step_size="backtracking"),
    "MU": jnmf.MU(),
    "HALS": jnmf.HALS(),
    "HALS (3 sweeps)": jnmf.HALS(inner=3),
    "HALS (5 sweeps)": jnmf.HALS(inner=5),
    "ANLS": jnmf.ANLS(),
    "accelerated HALS": jnmf.Accelerated(jnmf.HALS()),
    "extrapolated HALS": jnmf.Extrapolated(jnmf.Accelerated(jnmf.HALS())),
}
ASKED = ("ALS", "BCD (1/L)", "BCD (backtracking)", "MU")  # the methods of part 1: projected ALS, projected BCD, MU
SWEEPS = ("HALS", "HALS (3 sweeps)", "HALS (5 sweeps)")
REFERENCE = "HALS (3 sweeps)"  # the one that the others are held against
BEYOND = "ANLS", "accelerated HALS", "extrapolated HALS"  # not in the lab
SYNTHETIC_RANK = 25  # of the planted factors
FLOOR = 1e-9  # errors below are rounding
REACHED = 1e-3  # an error counts as reached within this relative distance


@dataclass(frozen=True)
class Settings:
    noise_level: float = 0.0  # of the synthetic data, as in the lab
    synthetic_iters: int = 300
    digits_ranks: tuple[int, ...] = (25,)
    digits_iters: int = 80
    num_images: int = 1000
    exact_share: int = 8  # ANLS, whose iterations are expensive, makes one for this many of the others
    num_starts: int = 3
    seed: int = 0


FULL = Settings(synthetic_iters=3000, digits_ranks=(25, 49), digits_iters=500, num_starts=5)
TINY = Settings(synthetic_iters=10, digits_ranks=(), exact_share=5, num_starts=2)


class Problem(NamedTuple):
    name: str  # of its arrays and of its figure
    title: str
    X: jax.Array  # Vᵀ
    rank: int
    num_iters: int


class Raced(NamedTuple):
    """Of a problem the first start, and where MU ended from there."""

    name: str
    X: jax.Array
    start: jnmf.Factors
    end: jnmf.Factors


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """A algorithms, S starts, N iterations at most.

    notes; problems (P,), their names, which the other arrays begin with:
    title; size (2,): the rows and columns of V; rank; bound, the relative error of the SVD; labels (A,);
    num_iters (A,);
    curve (A, S, N + 1): the relative error of the start and after each iteration, NaN after the last;
    seconds (A, S) of the whole run, compiled before; and what `half_steps` finds.
    """
    if settings.num_starts < 1:
        raise ValueError(f"num_starts: expected at least 1, got {settings.num_starts}")
    problems, notes = make_problems(settings)
    arrays = {"notes": np.array(notes, dtype=str), "problems": np.array([problem.name for problem in problems])}
    programs = iter(compiled([job for problem in problems for job in programs_of(problem, settings)]))
    given = []
    for problem in problems:
        found, raced = race(problem, [next(programs) for _ in ALGORITHMS], settings, progress)
        arrays |= {f"{problem.name}.{key}": array for key, array in found.items()}
        given.append(raced)
    return arrays | computed(QUESTIONS, settings, given)


def programs_of(problem: Problem, settings: Settings) -> list[tuple[Any, tuple, dict[str, Any]]]:
    """What to compile for a problem: `descend` with each of ALGORITHMS."""
    X, r = problem.X, problem.rank
    like: Any = [jax.ShapeDtypeStruct(shape, X.dtype) for shape in ((X.shape[0], r), (r, X.shape[1]))]
    start = jnmf.Factors(*like)
    return [
        (descend, (X, start, algorithm), {"num_iters": iterations(problem, label, settings)})
        for label, algorithm in ALGORITHMS.items()
    ]


def race(problem: Problem, programs: list, settings: Settings, progress: bool) -> tuple[Arrays, Raced]:
    """Every algorithm, compiled, from every start."""
    name, title, X, rank, _ = problem
    key = jax.random.key(settings.seed)
    starts = [jnmf.init.random(jax.random.fold_in(key, s), X, rank) for s in range(settings.num_starts)]
    labels = list(ALGORITHMS)
    num_iters = [iterations(problem, label, settings) for label in labels]
    seconds = np.zeros((len(labels), len(starts)))
    loss = np.full((*seconds.shape, max(num_iters) + 1), np.nan)
    loss[:, :, 0] = [jnmf.losses.frobenius(X, *start) for start in starts]
    # The starts are the outer loop: what else the machine does meanwhile slows all methods down.
    runs = [(s, a) for s in range(len(starts)) for a in range(len(labels))]
    ends = {}  # of the first start
    for s, a in tracked(runs, name, progress):
        begin = time.perf_counter()
        found = jax.block_until_ready(programs[a](X, starts[s], ALGORITHMS[labels[a]]))
        seconds[a, s] = time.perf_counter() - begin
        loss[a, s, 1 : num_iters[a] + 1] = found.losses
        ends.setdefault(labels[a], found.factors)
    length = float(jnp.linalg.norm(X))
    arrays = {
        "title": np.array(title),
        "size": np.array(X.shape[::-1]),
        "rank": np.array(rank),
        "bound": np.asarray(jnmf.svd_rmse(X, [rank]))[0] * np.sqrt(X.size) / length,
        "labels": np.array(labels),
        "num_iters": np.array(num_iters),
        "curve": np.sqrt(2 * loss) / length,
        "seconds": seconds,
    }
    return arrays, Raced(name, X, starts[0], ends["MU"])


class Descent(NamedTuple):
    losses: jax.Array
    factors: jnmf.Factors


@partial(jax.jit, static_argnames="num_iters")
def descend(X, start, algorithm, num_iters: int) -> Descent:
    """(num_iters,) ½‖X − WH‖² after each iteration, which costs no extra pass over X, and the last factors.

    What `jnmf.run` records besides, δ and the KKT residual, would be a part of the time.
    """

    factors, losses = jnmf.run(X, start, algorithm, num_iters=num_iters, record=its_loss)
    return Descent(losses, factors)


def its_loss(old, new, info):
    return info.loss


def make_problems(settings: Settings) -> tuple[list[Problem], list[str]]:
    """The data to factorise, and what the page must say about them."""
    V = data.generate_dataset_NMF(settings.noise_level).V
    title = f"the synthetic data with noise {settings.noise_level:g}"
    problems = [Problem("synthetic", title, jnp.asarray(V.T), SYNTHETIC_RANK, settings.synthetic_iters)]
    if not settings.digits_ranks:
        return problems, []
    images = data.or_stand_in(data.mnist_train, data.digits)
    if not 1 <= settings.num_images <= images.X.shape[1]:
        raise ValueError(f"num_images: expected 1 to {images.X.shape[1]}, got {settings.num_images}")
    X = images.X[:, : settings.num_images]
    kind = "digits that stand in for MNIST" if images.note else "MNIST digits"
    for rank in settings.digits_ranks:
        problems.append(
            Problem(f"digits-{rank}", f"the {kind} at rank {rank}", jnp.asarray(X), rank, settings.digits_iters)
        )
    return problems, [images.note] if images.note else []


def iterations(problem: Problem, label: str, settings: Settings) -> int:
    share = settings.exact_share if isinstance(ALGORITHMS[label], jnmf.ANLS) else 1
    return max(1, problem.num_iters // share)


class Runs(NamedTuple):
    """What the arrays say of one problem; A algorithms, S starts, N iterations at most."""

    name: str
    title: str
    labels: list[str]
    curve: np.ndarray  # (A, S, N + 1), of the start and after each iteration
    num_iters: np.ndarray  # (A,)
    seconds: np.ndarray  # (A, S), an iteration
    bound: float  # of the truncated SVD

    def of(self, label: str) -> int:
        return self.labels.index(label)

    def last(self) -> np.ndarray:
        """(A, S): the errors after the last iteration."""
        return np.take_along_axis(self.curve, self.num_iters[:, None, None], axis=2)[:, :, 0]

    def reaches(self, label: str, level) -> np.ndarray:
        """(S,): the first iteration, at least 1, with an error of at most `level` (S,); NaN if there is none."""
        below = self.curve[self.of(label)] <= np.asarray(level)[..., None]
        return np.where(below.any(axis=1), np.maximum(below.argmax(axis=1), 1.0), np.nan)


def all_runs(arrays: Arrays) -> list[Runs]:
    return [runs_of(arrays, str(name)) for name in arrays["problems"]]


def runs_of(arrays: Arrays, name: str) -> Runs:
    of = lambda key: arrays[f"{name}.{key}"]
    num_iters = of("num_iters")
    seconds = of("seconds") / num_iters[:, None]
    return Runs(name, str(of("title")), of("labels").tolist(), of("curve"), num_iters, seconds, float(of("bound")))


def verdict(ratio: np.ndarray) -> str:
    """Of how much sooner the reference is, (S,): what all starts say, or that they do not agree."""
    if np.isnan(ratio).all():
        return "never"
    return decided(ratio, 1, "sooner", "later", "undecided")


# The questions use what stands above.
from experiments.lab_hals import behind, comparison, half_steps, implementation, speed, sweeps  # noqa: E402

QUESTIONS = (implementation, comparison, speed, sweeps, half_steps, behind)
plot, sections = together(QUESTIONS)
