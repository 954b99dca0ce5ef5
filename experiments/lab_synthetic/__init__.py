"""Lab, part 1: least squares, projections, steps and multiplicative updates on a matrix whose factors are known.

V = [W0 H0 + noise]₊ is 200 × 100 with planted W0 (200, 25) and H0 (25, 100), `data.generate_dataset_NMF`; as in the lab
the noise is 0 unless a question is about it. Errors are relative, ‖V − W H‖ / ‖V‖. All methods start from the same
random factors and, as in the lab, update W first: the library, which updates H first, is run on Vᵀ ≈ HᵀWᵀ. One compiled
program of each method serves every start and every noise level.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments import data
from experiments.lab_synthetic.methods import (
    FLOOR,
    RANK,
    REFERENCE,
    SETTLED,
    Run,
    members,
    on_host,
    race,
    random_starts,
    svd_error,
)
from experiments.study import Arrays, computed, together
from experiments.words import counted
from jnmf import Factors
from jnmf.plot import BLACK, BLUE, GREEN, ORANGE

TITLE = "Lab, part 1: which algorithm, on synthetic data?"
SOURCE = (
    "lab, preliminary questions and part 1: projected least squares, projected block coordinate descent and "
    "multiplicative updates, on a 200 × 100 matrix of rank 25"
)


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


class Given(NamedTuple):
    """What the questions share, at A noise levels, of which the one at `main` is that of all questions but noise."""

    matrices: list[data.Synthetic]
    main: int
    keys: jax.Array  # of the starts
    starts: list[list[Factors]]  # [level][start], few but at `main`
    few: list[Factors]  # the first of those at `main`
    runs: list[list[dict[str, Run]]]  # [level][start][method]
    width: int  # the largest rank

    @property
    def V(self) -> np.ndarray:
        return self.matrices[self.main].V

    @property
    def planted(self) -> Factors:
        return on_host(*self.matrices[self.main][1:])


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
    settings = replace(settings, ranks=tuple(sorted({*settings.ranks})))
    levels = sorted({*settings.noise_levels, settings.noise_level})
    matrices = [data.generate_dataset_NMF(level) for level in levels]
    main = levels.index(settings.noise_level)
    keys = jax.random.split(jax.random.key(settings.seed), settings.num_restarts)
    starts = [members(random_starts(keys, matrix.V, rank=RANK)) for matrix in matrices]
    few = starts[main][: settings.few_restarts]
    starts = [own if level == main else own[: len(few)] for level, own in enumerate(starts)]
    tried = steps.step_sizes(matrices[main].V, few, settings)
    runs = race(matrices, starts, main, float(tried["step_best"]), settings.num_iters, progress)
    width = max(RANK, *settings.ranks)
    given = Given(matrices, main, keys, starts, few, runs, width)
    rank_one, bound = np.transpose([svd_error(matrix.V, (1, RANK)) for matrix in matrices])
    return {
        "levels": np.array(levels),
        "main": np.array(main),
        **{f"data_{name}": A for name, A in matrices[main]._asdict().items()},
        "bound": bound,
        "rank_one": rank_one,
        **tried,
        **computed(QUESTIONS, settings, given),
    }


def names(a) -> list[str]:
    return a.methods.tolist()


def three(a) -> list[str]:
    """The methods that the lab asks about, in its order."""
    return [name for name in names(a) if name != REFERENCE]


def by_name(a, values) -> dict[str, float]:
    """The median over the starts of values (M, S), for each method."""
    return dict(zip(names(a), np.median(values, axis=1).tolist(), strict=True))


def curves(a, name: str) -> np.ndarray:
    """(S, iterations): the errors of one method."""
    return a.error[names(a).index(name)]


def preceding(a, name: str) -> np.ndarray:
    """The errors of the iteration before, that of the start first."""
    return np.concatenate([a.start_error[:, None], curves(a, name)[:, :-1]], axis=1)


def starts_of(count: int) -> str:
    return counted(count, "random start")


def bounded(error: float) -> str:
    return f"{error:.3g}" if error > FLOOR else "0 up to rounding"


STYLES = {  # a colour for a method, a dash and a marker for each variant, which tell them apart in grey, too
    "MU": (BLUE, "-", "o"),
    "HALS (3 sweeps)": (ORANGE, "--", "v"),
    "ALS": (BLACK, "-.", "x"),
    "BCD (fixed step)": (GREEN, ":", "s"),
    "BCD (1/L)": (GREEN, "-", "D"),
}
GREY = "0.4"
ERROR = r"relative error $\Vert V - WH\Vert\ /\ \Vert V\Vert$"


def styled(name: str) -> dict[str, Any]:
    color, dash, marker = STYLES[name]
    return {"color": color, "linestyle": dash, "marker": marker, "linewidth": 1.4, "markersize": 5.5, "label": name}


# The questions use what stands above.
from experiments.lab_synthetic import (  # noqa: E402
    comparison,
    convexity,
    differences,
    functions,
    least_squares,
    multiplying,
    noise,
    preliminaries,
    projection,
    ranks,
    steps,
    synthetic,
)

QUESTIONS = (
    *(convexity, preliminaries, synthetic, functions, least_squares, projection),
    *(steps, multiplying, comparison, differences, noise, ranks),
)
plot, sections = together(QUESTIONS)
