"""The scree, similarity and heatmap exercises of A. H. Williams, as one study."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

import jnmf
from experiments import data
from experiments.study import Arrays, computed, notes, together

TITLE = "Homework: how many components?"
SOURCE = "A. H. Williams, exercises on nonnegative matrix factorisation: scree plot, similarity plot, sorted heatmaps"


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = tuple(range(1, 7))
    num_restarts: int = 20
    num_iters: int = 30  # exact alternations, as the exercise asks
    holdouts: int = 8
    rank: int = 3  # of the sorted heatmaps, and one of `ranks`
    seed: int = 0


FULL = Settings(ranks=tuple(range(1, 11)), num_restarts=50, holdouts=20)
TINY = Settings(ranks=(2, 3, 4), num_restarts=3, num_iters=5, holdouts=2)


class Given(NamedTuple):
    """What the questions share: the data X (m, n), and a sweep of Xᵀ."""

    X: np.ndarray
    fits: jnmf.Sweep
    progress: bool


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """The data, a sweep of them, and what each question computes from them.

    The exercise updates U before V in X ≈ UVᵀ. `jnmf.ANLS` updates H before W in X ≈ W H: so it gets Xᵀ ≈ V Uᵀ, with V
    for W and Uᵀ for H. The arrays have U (m, r) and V (n, r).
    """
    if settings.rank not in settings.ranks:
        raise ValueError(f"rank: expected one of the ranks {settings.ranks}, got {settings.rank}")
    X, note = data.or_stand_in(data.williams_matrix, data.signed_rank_3)
    given = Given(X, swept(X, settings, progress), progress)
    arrays = {
        "X": X,
        "ranks": given.fits.ranks,
        "rank": settings.rank,
        "notes": notes(note),
        **errors_of("fits", given.fits),
        **computed(QUESTIONS, settings, given),
    }
    return {name: np.asarray(value) for name, value in arrays.items()}


def swept(X, settings: Settings, progress: bool) -> jnmf.Sweep:
    """The fits of Xᵀ at all ranks, each from as many starts."""
    return jnmf.sweep(
        X.T,
        settings.ranks,
        num_restarts=settings.num_restarts,
        algorithm=jnmf.ANLS(),
        num_iters=settings.num_iters,
        key=settings.seed,
        progress=progress,
    )


def errors_of(name: str, sweep: jnmf.Sweep) -> dict[str, Any]:
    return {f"{name}.{field}": getattr(sweep, field) for field in ("loss", "rmse", "status")}


def grouped(arrays: Arrays, prefix: str) -> Any:
    """The arrays PREFIX.name as attributes, with the ranks."""
    names = {key.removeprefix(f"{prefix}."): a for key, a in arrays.items() if key.startswith(f"{prefix}.")}
    return SimpleNamespace(**{"ranks": arrays["ranks"]} | names)


def place(arrays: Arrays) -> int:
    """Where the chosen r stands among the ranks."""
    return int(np.flatnonzero(arrays["ranks"] == arrays["rank"])[0])


def near_best(rmse) -> np.ndarray:
    """Which starts end within a thousandth of the best."""
    return rmse <= 1.001 * rmse.min()


def mean_pairs(pairs) -> np.ndarray:
    """(R,): the mean score of two different starts, from (R, S, S)."""
    one, other = np.triu_indices(pairs.shape[1], 1)
    if not one.size:
        return np.full(len(pairs), np.nan)
    return np.nanmean(pairs[:, one, other], axis=1)


# The questions use what stands above.
from experiments.williams import heatmaps, held_out, scree, signs, similarity, svd  # noqa: E402

QUESTIONS = (scree, svd, similarity, heatmaps, held_out, signs)  # the exercise's, and two beside it
plot, sections = together(QUESTIONS)
